/*
 * pace.h - one rate limit for several streams of bytes, which wait in line and get equal shares.
 *
 * The loop's only.
 */
#ifndef FY_MEMBER_PACE_H
#define FY_MEMBER_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "net/timers.h"

#define FY_PACE_LEAST 1024 /* the lowest rate, in bytes per second, that can be kept */

struct fy_net;

struct fy_pace {
    const struct fy_net *net;
    uint64_t bytes_per_s;   /* 0: no limit */
    uint64_t burst;         /* the most that may be saved up */
    uint64_t n_ready;       /* bytes that may go now */
    uint64_t at_ns;         /* when n_ready was computed */
    struct fy_list waiting; /* struct fy_pace_user.node, by turn */
    struct fy_timer timer;
};

struct fy_pace_user {
    struct fy_node node;
    uint64_t turn_left;         /* bytes that it may take before the next in line */
    void (*on_turn)(void *arg); /* some bytes may go; never called from inside a call */
    void *arg;
};

void fy_pace_init(struct fy_pace *pace, struct fy_net *net, uint64_t bytes_per_s);
void fy_pace_release(struct fy_pace *pace); /* no user waits.  A zeroed pace is fine */

/* How many of want bytes may go now; they are counted as gone.  0: none, and on_turn is called when some may. */
size_t fy_pace_take(struct fy_pace *pace, struct fy_pace_user *user, size_t want);

/* on_turn is not called any more. */
void fy_pace_leave(struct fy_pace *pace, struct fy_pace_user *user);

#endif
