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
#define fy_log(log, level, id, peer, ...)                          \
    do {                                                           \
        if ((log)->fn && (level) <= (log)->max_level)              \
            fy_log_emit((log), (level), (id), (peer), __VA_ARGS__); \
    } while (0)

void fy_log_emit(const struct fy_log *log, enum ferry_log_level level, const char *id, uint64_t peer, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));

#endif
