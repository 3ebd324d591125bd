/*
 * snapshot_dir.h - a sink that stores snapshots as etcd does: DIRECTORY/%016x.snap.db, by the snapshot's index.
 *
 * A body gathers in tmpNNN, mode 0600, is synced, renamed, and the directory synced; a failure leaves nothing behind. A
 * snapshot that is there already stays, and the new one counts as stored.  The directory is this process's alone.
 * Where the file system can, bodies are written past the kernel's cache: who reads one next reads it from the disk.
 */
#ifndef FY_DISK_SNAPSHOT_DIR_H
#define FY_DISK_SNAPSHOT_DIR_H

#include "ferry/ferry.h"

struct fy_snapshot_dir;

/*
 * Make the directory if it is missing (not its parents), and remove what a process that died left half-stored.
 * FERRY_OK; FERRY_ERR_SYSTEM with the cause in errno; FERRY_ERR_NOMEM.
 */
int fy_snapshot_dir_new(const char *path, struct fy_snapshot_dir **ret_dir);
void fy_snapshot_dir_free(struct fy_snapshot_dir *dir); /* no body is open.  NULL is fine */

/* The sink; its ctx is dir. */
struct ferry_snapshot_sink fy_snapshot_dir_sink(struct fy_snapshot_dir *dir);

#endif
