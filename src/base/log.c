/*
 * log - formats a line and passes it to the hook.  A line that is too long is cut and ends in "...".
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FOLD_INTERVAL_NS (1000u * 1000 * 1000)

/* The hook is promised a single line, even if a URL, a path or a library's message contains a newline. */
static void keep_to_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ')
            *text = '?';
}

void fy_log_emit(const struct fy_log *log, enum ferry_log_level level, const char *id, uint64_t peer,
                 const char *format, ...)
{
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len >= (int)sizeof(text))
        memcpy(text + sizeof(text) - 4, "...", 4);
    keep_to_one_line(text);
    log->fn(log->ctx, level, id, peer, text);
}

bool fy_log_fold_pass(struct fy_log_fold *fold, uint64_t now_ns, unsigned long long *ret_n_held)
{
    if (now_ns < fold->next_ns) {
        fold->n_held++;
        return false;
    }
    *ret_n_held = fold->n_held;
    fold->n_held = 0;
    fold->next_ns = now_ns + FOLD_INTERVAL_NS;
    return true;
}

void fy_log_make_printable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}
