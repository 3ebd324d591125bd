/*
 * lines.h - the lines that come through a pipe.
 */
#ifndef TOOLS_LINES_H
#define TOOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define LINES_MAX 1024

struct lines {
    int fd;
    size_t len;
    char buffer[LINES_MAX];
};

/*
 * Read what is there, without waiting when fd does not block, and give each whole line, without its newline, to
 * on_line.  A line longer than LINES_MAX ends the reading.  False at the end of the file or on an error.
 */
bool lines_read(struct lines *lines, void (*on_line)(void *arg, const char *line), void *arg);

#endif
