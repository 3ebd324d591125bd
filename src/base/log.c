/*
 * log - format a line and hand it to the hook.  A line that is too long ends in "...".
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void fy_log_emit(const struct fy_log *log, enum ferry_log_level level, const char *id, uint64_t peer, const char *format,
                 ...)
{
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len >= (int)sizeof(text))
        memcpy(text + sizeof(text) - 4, "...", 4);
    log->fn(log->ctx, level, id, peer, text);
}
