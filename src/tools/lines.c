/*
 * lines - the lines that come through a pipe.
 */
#include "tools/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool lines_read(struct lines *lines, void (*on_line)(void *arg, const char *line), void *arg)
{
    ssize_t n = read(lines->fd, lines->buffer + lines->len, sizeof(lines->buffer) - lines->len);
    char *line = lines->buffer;
    char *newline;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    lines->len += (size_t)n;
    while ((newline = memchr(line, '\n', lines->len))) {
        *newline = '\0';
        on_line(arg, line);
        lines->len -= (size_t)(newline + 1 - line);
        line = newline + 1;
    }
    memmove(lines->buffer, line, lines->len);
    return lines->len < sizeof(lines->buffer);
}
