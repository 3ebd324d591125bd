/*
 * say - the member's log.
 *
 * A line is made in a buffer of its own and leaves by one write, so that lines of several threads, and of several
 * members with one standard error, do not mix.
 */
#include "etcd-member/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

__attribute__((format(printf, 1, 0))) static void write_line(const char *format, va_list args)
{
    char line[1024];
    struct timespec now;
    struct tm utc;
    int len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    len = snprintf(line, sizeof(line), "%02d:%02d:%02d.%03ld ferry-etcd-member: ", utc.tm_hour, utc.tm_min, utc.tm_sec,
                   now.tv_nsec / 1000000);
    len += vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
    if (len > (int)sizeof(line) - 1)
        len = sizeof(line) - 1; /* cut: the newline takes the place of the NUL */
    line[len] = '\n';
    if (write(STDERR_FILENO, line, (size_t)len + 1) < 0)
        return; /* there is no other place to say it */
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(format, args);
    va_end(args);
}

void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(format, args);
    va_end(args);
    _exit(EXIT_FAILURE);
}
