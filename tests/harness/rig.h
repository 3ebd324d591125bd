/*
 * rig.h - one main for every test program: a suite with a checked fixture, TAP on standard output.
 */
#ifndef HARNESS_RIG_H
#define HARNESS_RIG_H

#include <check.h>

/*
 * Run the NULL-ended tests, each between setup and teardown (NULL: none), each in a process of its own and within 60 s
 * (RIG_TIMEOUT in the environment: other seconds).  Returns the exit status for main.
 */
int rig_main(const char *name, void (*setup)(void), void (*teardown)(void), const TTest *first, ...);

/* A new directory.  It goes, with all that is in it, when the last test of the program has ended, however it ended. */
#define RIG_DIR_SIZE 256
void rig_make_dir(char ret_path[RIG_DIR_SIZE]);

/* The path of a file of the source tree, in a static buffer. */
const char *rig_path(const char *relative);

#endif
