/*
 * scratch.h - a directory for what the servers write: one for the program, one in it for each test.
 */
#ifndef ETCD_SCRATCH_H
#define ETCD_SCRATCH_H

#include <stddef.h>

void scratch_setup(void);    /* in main, before all tests */
void scratch_teardown(void); /* and after: prints the ends of the logs that failed tests left behind, and removes all */

void scratch_enter(void); /* make the running test's own directory */
void scratch_leave(void); /* and remove it */

/* A path in it. */
void scratch_path(char *path, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
