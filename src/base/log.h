/*
 * log.h - lines for the embedder's log hook.  Without a hook, or with the level off, nothing is formatted.
 */
#ifndef FY_BASE_LOG_H
#define FY_BASE_LOG_H

#include <stdint.h>

#include "ferry/ferry.h"

struct fy_log {
    ferry_log_fn *fn; /* NULL: no logging */
    void *ctx;
    enum ferry_log_level max_level;
};

/* id: a fixed word that identifies the kind of line; peer: the member it is about, 0 for none. */
#define fy_log(log, level, id, peer, ...)                                                                              \
    do {                                                                                                               \
        if ((log)->fn && (level) <= (log)->max_level)                                                                  \
            fy_log_emit((log), (level), (id), (peer), __VA_ARGS__);                                                    \
    } while (0)

void fy_log_emit(const struct fy_log *log, enum ferry_log_level level, const char *id, uint64_t peer,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * Rate limit for one kind of line: at most one line a second, which tells how many were suppressed before it.  Used by
 * one thread.
 */
struct fy_log_fold {
    uint64_t next_ns;
    unsigned long long n_held;
};

/* Returns true if the line is to be written now; *ret_n_held: lines suppressed since the last one. */
bool fy_log_fold_pass(struct fy_log_fold *fold, uint64_t now_ns, unsigned long long *ret_n_held);

/* Replace everything but printable ASCII by '?'.  For text from the network that may be logged. */
void fy_log_make_printable(char *text);

#endif
