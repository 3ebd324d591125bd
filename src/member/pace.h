/*
 * pace.h - one rate for several streams of bytes: whoever is short waits in line, and each in turn gets what there is.
 *
 * The loop's only.
 */
#ifndef FY_MEMBER_PACE_H
#define FY_MEMBER_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "net/timers.h"

#define FY_PACE_LEAST 1024 /* bytes per second that can be kept to */

struct fy_net;

struct fy_pace {
    const struct fy_net *net;
    uint64_t bytes_per_s;   /* 0: no limit */
    uint64_t burst;         /* the most that gathers unused */
    uint64_t n_ready;       /* bytes that may go now */
    uint64_t at_ns;         /* up to when they were reckoned */
    struct fy_list waiting; /* struct fy_pace_user.node, by turn */
    struct fy_timer timer;
};

struct fy_pace_user {
    struct fy_node node;
    uint64_t turn_left;         /* bytes that it may take before others */
    void (*on_turn)(void *arg); /* there is something to take; never from inside a call */
    void *arg;
};

void fy_pace_init(struct fy_pace *pace, struct fy_net *net, uint64_t bytes_per_s);
void fy_pace_release(struct fy_pace *pace); /* nobody waits.  A zeroed one is fine */

/* How many of want bytes may go now, which count as gone.  0: none; on_turn comes when some may. */
size_t fy_pace_take(struct fy_pace *pace, struct fy_pace_user *user, size_t want);

/* on_turn comes no more. */
void fy_pace_leave(struct fy_pace *pace, struct fy_pace_user *user);

#endif
