/*
 * child.h - runs another program with a given input, and reads what it prints.  The program ends with the test.
 */
#ifndef HARNESS_CHILD_H
#define HARNESS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int fd;     /* its standard input, output and error, all in one */
    char *text; /* what it has printed so far, NUL-terminated */
    size_t len;
};

/* Start argv (NULL-terminated; found in PATH).  False if that fails. */
bool child_start(struct child *child, const char *const argv[]);

void child_give(struct child *child, const char *data, size_t len); /* and then the end of its input */

/* Read until the output contains part.  False if the program ended or the deadline passed before. */
bool child_await(struct child *child, const char *part, unsigned deadline_ms);

/* Read to the end of its output and return its exit status; -1: it was killed at the deadline. */
int child_wait(struct child *child, unsigned deadline_ms);

void child_stop(struct child *child); /* kill it if it runs, and drop its output */

#endif
