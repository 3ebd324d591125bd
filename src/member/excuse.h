/*
 * excuse.h - a timer that fires late says nothing about the peer.
 *
 * When a timeout is noticed late, this machine stood still, and with it perhaps the peer, or bytes that the peer sent
 * have not been read yet: the peer has one more timeout.  But only one while nothing comes, so that a dead peer is
 * noticed also on a machine that is always late.
 */
#ifndef FY_MEMBER_EXCUSE_H
#define FY_MEMBER_EXCUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/timers.h"

#define FY_LATE_SHARE 16 /* late by a timeout divided by this is too late */

struct fy_excuse {
    bool was_given; /* since something last came */
};

/* The timer of a timeout of timeout_ns fires now, and nothing came.  True: it fires too late to count. */
static inline bool fy_excuse_give(struct fy_excuse *excuse, const struct fy_timer *timer, uint64_t timeout_ns,
                                  uint64_t now_ns)
{
    uint64_t late_ns = now_ns - timer->deadline_ns;
    bool is_given = !excuse->was_given && late_ns >= timeout_ns / FY_LATE_SHARE;

    excuse->was_given |= is_given;
    return is_given;
}

/* Something came. */
static inline void fy_excuse_renew(struct fy_excuse *excuse)
{
    excuse->was_given = false;
}

#endif
