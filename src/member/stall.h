/*
 * stall.h - has a long transfer stalled?  A deadline on progress, not on the whole.
 *
 * A window of time passes when enough bytes moved in it, or when the other end was not the cause: the transfer was held
 * on our side at some moment of the window, or the end of the window was noticed late (excuse.h).
 */
#ifndef FY_MEMBER_STALL_H
#define FY_MEMBER_STALL_H

#include <stdbool.h>
#include <stdint.h>

#include "member/excuse.h"

#define FY_STALL_LEAST ((uint64_t)16 << 10) /* bytes that must move in one window */

struct fy_stall {
    uint64_t n_bytes; /* in this window */
    bool is_held;     /* now */
    bool was_held;    /* in this window */
    struct fy_excuse excuse;
};

static inline void fy_stall_moved(struct fy_stall *stall, uint64_t n_bytes)
{
    stall->n_bytes += n_bytes;
}

static inline void fy_stall_hold(struct fy_stall *stall, bool is_held)
{
    stall->is_held = is_held;
    stall->was_held |= is_held;
}

/* The timer of a window of window_ns fires now.  False: the transfer has stalled; else the next window begins. */
static inline bool fy_stall_pass(struct fy_stall *stall, const struct fy_timer *timer, uint64_t window_ns,
                                 uint64_t now_ns)
{
    bool has_moved = stall->was_held || stall->n_bytes >= FY_STALL_LEAST;
    bool passes = has_moved || fy_excuse_give(&stall->excuse, timer, window_ns, now_ns);

    if (has_moved)
        fy_excuse_renew(&stall->excuse);
    stall->n_bytes = 0;
    stall->was_held = stall->is_held;
    return passes;
}

#endif
