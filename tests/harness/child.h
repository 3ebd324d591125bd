/*
 * child.h - another program: what it is given to read and what it prints.  It does not outlive the test.
 */
#ifndef HARNESS_CHILD_H
#define HARNESS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int fd;     /* its standard input, output and error, all in one */
    char *text; /* what it has printed so far, ended by a NUL */
    size_t len;
};

/* Start argv (NULL-ended; found in PATH).  False when that fails. */
bool child_start(struct child *child, const char *const argv[]);

void child_give(struct child *child, const char *data, size_t len); /* and then the end of its input */

/* Read on until what it printed holds part.  False when it ended or the deadline came before. */
bool child_await(struct child *child, const char *part, unsigned deadline_ms);

/* Read up to the end of its output and return its exit status; it is killed at the deadline: -1. */
int child_wait(struct child *child, unsigned deadline_ms);

void child_stop(struct child *child); /* kill it, if it runs, and forget what it printed */

#endif
