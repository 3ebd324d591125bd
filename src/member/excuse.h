/*
 * excuse.h - a look that comes late tells of ourselves.
 *
 * Who judges a peer by what did not come in time has to look in time.  If the look comes late, the machine stood still,
 * and with it perhaps the peer, or what the peer sent has not been read yet: then it has one more timeout.  But only
 * one while nothing comes, so that a dead peer is found on a machine that is always late, too.
 */
#ifndef FY_MEMBER_EXCUSE_H
#define FY_MEMBER_EXCUSE_H

#include <stdbool.h>
#include <stdint.h>

#define FY_LATE_SHARE 16 /* of a timeout: a look later than one of so many is a late one */

struct fy_excuse {
    bool was_given; /* since something came */
};

/* Nothing came for timeout_ns, and that is seen late_ns after they were over.  Does that not count? */
static inline bool fy_excuse_give(struct fy_excuse *excuse, uint64_t late_ns, uint64_t timeout_ns)
{
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
