/*
 * log.h - lines for the embedder's log hook.  Silent without one; nothing is formatted when the level is off.
 */
#ifndef FY_BASE_LOG_H
#define FY_BASE_LOG_H

#include <stdint.h>

#include "ferry/ferry.h"

struct fy_log {
    ferry_log_fn *fn; /* NULL: silent */
    void *ctx;
    enum ferry_log_level max_level;
};

/* id: a stable word; peer: the member it is about, 0 for none. */
#define fy_log(log, level, id, peer, ...)                                                                              \
    do {                                                                                                               \
        if ((log)->fn && (level) <= (log)->max_level)                                                                  \
            fy_log_emit((log), (level), (id), (peer), __VA_ARGS__);                                                    \
    } while (0)

void fy_log_emit(const struct fy_log *log, enum ferry_log_level level, const char *id, uint64_t peer,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * A kind of line that could come often: at most one a second passes, and says how many were held back before it.
 * One thread's.
 */
struct fy_log_fold {
    uint64_t next_ns;
    unsigned long long n_held;
};

/* true: write the line now; *ret_n_held: lines since the last that were not written. */
bool fy_log_fold_pass(struct fy_log_fold *fold, uint64_t now_ns, unsigned long long *ret_n_held);

/* What a stranger wrote may end up in a log: turn all but ASCII's printable characters into '?'. */
void fy_log_make_printable(char *text);

#endif
