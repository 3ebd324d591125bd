/*
 * stall.h - does a long transfer move?  A deadline on progress, not on the whole.
 *
 * A window of time passes when enough bytes moved in it, or when the other end was not to blame for that they did not:
 * then the transfer was held on our side at some moment of it, or the end of the window was seen late (excuse.h).
 */
#ifndef FY_MEMBER_STALL_H
#define FY_MEMBER_STALL_H

#include <stdbool.h>
#include <stdint.h>

#include "member/excuse.h"

#define FY_STALL_LEAST ((uint64_t)16 << 10) /* bytes that have to move in one window */

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

/* The window, of window_ns, is over since late_ns.  False: the transfer stalled; else the next begins. */
static inline bool fy_stall_pass(struct fy_stall *stall, uint64_t late_ns, uint64_t window_ns)
{
    bool has_moved = stall->was_held || stall->n_bytes >= FY_STALL_LEAST;
    bool passes = has_moved || fy_excuse_give(&stall->excuse, late_ns, window_ns);

    if (has_moved)
        fy_excuse_renew(&stall->excuse);
    stall->n_bytes = 0;
    stall->was_held = stall->is_held;
    return passes;
}

#endif
