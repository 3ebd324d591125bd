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

/* Tests that belong together: CK_RUN_CASE in the environment picks one such case by its name. */
struct rig_case {
    const char *name;
    void (*add_tests)(TCase *tcase);
};

/* The same for cases; the last one has no name.  Loop tests can be had this way, and tests of several files. */
int rig_main_cases(const char *name, void (*setup)(void), void (*teardown)(void), const struct rig_case *cases);

/*
 * A new directory.  It goes, with all that is in it, when the last test of the program has ended, however it ended; the
 * ends of the logs (*.log) that stand in it by then are printed to standard error.  RIG_KEEP in the environment: it
 * stays.
 */
#define RIG_DIR_SIZE 256
void rig_make_dir(char ret_path[RIG_DIR_SIZE]);
void rig_remove_dir(const char *path); /* at once, by a test that went well */

/*
 * For main, before rig_main, of a program that computes and looks at no clock: beside it, others do, whose deadlines
 * are real.  From now on it has the processor when they wait, and five minutes for each test.
 */
void rig_step_aside(void);

/* The path of a file of the source tree, in a static buffer. */
const char *rig_path(const char *relative);

#endif
