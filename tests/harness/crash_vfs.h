/*
 * crash_vfs.h - files in memory for SQLite, of which an operation can fail, and a crash takes what was not synced.
 *
 * For one process without threads, whose connections do not get into each other's way.
 */
#ifndef HARNESS_CRASH_VFS_H
#define HARNESS_CRASH_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRASH_VFS "crash"

void crash_vfs_init(void); /* registers it, without files */
void crash_vfs_release(void);

/* Operations that change a file, since crash_vfs_init. */
unsigned long crash_vfs_count(void);

/* The nth of them from here (0: the next) fails with this code of SQLite's, once. */
void crash_vfs_fail_at(unsigned long nth, int code);

/* The nth of them from here, and all that follow, fail: the machine has lost its power.  Then crash_vfs_crash. */
void crash_vfs_die_at(unsigned long nth);
bool crash_vfs_is_dead(void);

/*
 * After all connections were closed: of what was written and not synced, each piece is there, or torn at a sector, or
 * not there, as seed draws.  The power is back.
 */
void crash_vfs_crash(uint64_t seed);

/* A file's bytes; NULL: it does not exist. */
uint8_t *crash_vfs_bytes(const char *name, size_t *ret_size);

/* Make a file with these bytes; where they are, to damage them. */
uint8_t *crash_vfs_put(const char *name, const uint8_t *bytes, size_t size);

#endif
