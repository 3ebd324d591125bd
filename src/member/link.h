/*
 * link.h - is the way to the peer open, and in which directions.
 *
 * Watches the connections of all four streams of a peer, below what is said on them: as soon as the peer's packets no
 * longer come, or ours are no longer acknowledged, the streams are given up, so that they are dialled anew.  Says which
 * direction was lost where that can be told: a member that hears nothing cannot know whether it is heard.
 */
#ifndef FY_MEMBER_LINK_H
#define FY_MEMBER_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "ferry/ferry.h"
#include "net/net.h"
#include "net/timers.h"

struct fy_peer;

#define FY_LINK_TICKS 8 /* in a link timeout */

/* What is known of one connection; zeroed when there is none. */
struct fy_pulse {
    bool is_known;
    struct fy_vitals last;
    uint64_t read_ns;       /* when last was read */
    uint64_t owed_since_ns; /* last.is_owed: since no byte more was acknowledged */
};

/* The judge, which only computes. */
struct fy_link_judge {
    struct fy_pulse pulses[2 * FERRY_N_STREAMS];
    bool is_watching;    /* a connection is known */
    bool is_calm;        /* nothing is awaited on any, and the last packet is young */
    uint64_t arrived_ns; /* the last packet, on any of them */
    uint64_t due_ns;     /* when it is to look next */
};

/* vitals[i]: of connection i; NULL: not known.  What follows from them: _BOTH while nothing is wrong. */
enum ferry_link fy_link_judge(struct fy_link_judge *judge, const struct fy_vitals *const *vitals, uint64_t tick_ns,
                              uint64_t now_ns);

/*
 * All was calm: is it still, by the vitals of connection i alone?  One that carried something of ours a while ago shows
 * it for all.  False: they all have to be looked at.
 */
bool fy_link_judge_is_still_calm(struct fy_link_judge *judge, size_t i, const struct fy_vitals *vitals,
                                 uint64_t tick_ns, uint64_t now_ns);

/* When to look again, which it then expects: at calm_ns at the latest, sooner when something is awaited. */
uint64_t fy_link_judge_next_ns(struct fy_link_judge *judge, uint64_t calm_ns, uint64_t tick_ns, uint64_t now_ns);

/* A connection broke just now.  Was something of ours not acknowledged, though the peer was heard? */
bool fy_link_judge_is_one_way(const struct fy_link_judge *judge, uint64_t tick_ns, uint64_t now_ns);

struct fy_link {
    struct fy_peer *peer;    /* const */
    atomic_bool was_one_way; /* the streams were lost because ours did not get there; until one stands again */

    /* the loop's */
    struct fy_link_judge judge;
    struct fy_timer tick;
    enum ferry_link seen; /* at the last tick */
    uint64_t seen_since_ns;
    enum ferry_link told; /* in the log; at first _BOTH */
    struct fy_log_fold fold;
};

void fy_link_init(struct fy_link *link, struct fy_peer *peer);
void fy_link_start(struct fy_link *link); /* nothing is watched without a link timeout */
void fy_link_stop(struct fy_link *link);

void fy_link_stands(struct fy_link *link); /* a stream was begun, by whichever side */
void fy_link_broke(struct fy_link *link);  /* a stream that stood is about to end with an error */

enum ferry_link fy_link_state(const struct fy_link *link); /* any thread */

#endif
