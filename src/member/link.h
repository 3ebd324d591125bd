/*
 * link.h - is the way to one other member open, and in which directions.
 *
 * The owner of each connection with the member (a stream's reader or writer, say) registers an end.  The link watches
 * what TCP knows of all these connections, below what is said on them.  As soon as the member's packets no longer come,
 * or ours are no longer acknowledged, it has all ends break their connections, so that they are made anew.  It says
 * which direction was lost where that can be told: a member that hears nothing cannot know whether it is heard.
 */
#ifndef FY_MEMBER_LINK_H
#define FY_MEMBER_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "ferry/ferry.h"
#include "net/net.h"
#include "net/timers.h"

struct fy_link;
struct fy_local;

#define FY_LINK_MAX_ENDS 4 /* two streams in each direction */
#define FY_LINK_TICKS 8    /* in a link timeout */

/* ---- The judge, which only computes ---- */

/* What is known of one connection; zeroed when there is none. */
struct fy_pulse {
    bool is_known;
    struct fy_vitals last;
    uint64_t read_ns;       /* when last was read */
    uint64_t owed_since_ns; /* last.is_owed: since when no further byte was acknowledged */
};

struct fy_link_judge {
    struct fy_pulse pulses[FY_LINK_MAX_ENDS];
    bool is_watching;    /* a connection is known */
    bool is_calm;        /* nothing is awaited on any connection, and the last packet is recent */
    uint64_t arrived_ns; /* when the last packet came, on any connection */
    uint64_t acked_ns;   /* when further bytes of ours were last acknowledged, on any connection */
    uint64_t due_ns;     /* when the judge expects to be asked next */
};

/* vitals[i]: of connection i; NULL: not known.  Returns FERRY_LINK_BOTH while nothing is wrong. */
enum ferry_link fy_link_judge(struct fy_link_judge *judge, const struct fy_vitals *const *vitals, uint64_t tick_ns,
                              uint64_t now_ns);

/*
 * All was calm: is it still, by the vitals of connection i alone?  A connection on which we sent something a while ago
 * speaks for all.  False: the vitals of all connections are needed.
 */
bool fy_link_judge_is_still_calm(struct fy_link_judge *judge, size_t i, const struct fy_vitals *vitals,
                                 uint64_t tick_ns, uint64_t now_ns);

/* When to ask again, which the judge then expects: at calm_ns at the latest, sooner when something is awaited. */
uint64_t fy_link_judge_next_ns(struct fy_link_judge *judge, uint64_t calm_ns, uint64_t tick_ns, uint64_t now_ns);

/* A connection has just broken.  Was something of ours not acknowledged, though the member was heard? */
bool fy_link_judge_is_one_way(const struct fy_link_judge *judge, uint64_t tick_ns, uint64_t now_ns);

/* ---- The ends ---- */

enum fy_link_direction { FY_LINK_IN, FY_LINK_OUT }; /* of what the service says on a connection */

/* What the link needs of the owner of a connection.  Called on the loop. */
struct fy_link_end_ops {
    /* What TCP knows of the connection; false: there is none, or nothing is known. */
    bool (*vitals)(void *arg, struct fy_vitals *ret_vitals);
    /* The link is lost: break the connection, or end the attempt to make one.  why: for the log. */
    void (*on_lost)(void *arg, const char *why);
    /* Send a few bytes, for the member's kernel to acknowledge.  NULL: this end only receives. */
    void (*beat)(void *arg);
};

struct fy_link_end {
    struct fy_link *link; /* const after registration, as the next three */
    const struct fy_link_end_ops *ops;
    void *arg;
    enum fy_link_direction direction;
    atomic_bool is_up; /* the connection stands; written by the loop, read by any thread */
};

struct fy_link {
    const struct fy_local *local; /* const after init */
    uint64_t id;                  /* const after init; the member's */
    struct fy_link_end *ends[FY_LINK_MAX_ENDS];
    size_t n_ends;                  /* const after all are registered */
    void (*on_end_down)(void *arg); /* const after init; may be NULL */
    void *arg;
    atomic_bool was_one_way; /* connections were lost because ours did not get there; until one stands again */

    /* the loop's */
    struct fy_link_judge judge;
    const struct fy_link_end *last_beat; /* the end by which the latest heartbeat went out; NULL: none has */
    struct fy_timer tick;
    enum ferry_link seen; /* at the last tick */
    uint64_t seen_since_ns;
    enum ferry_link told; /* in the log; at first FERRY_LINK_BOTH */
    struct fy_log_fold fold;
};

/* on_end_down(arg) is called on the loop when an end that stood no longer does.  It may be NULL. */
void fy_link_init(struct fy_link *link, const struct fy_local *local, uint64_t id, void (*on_end_down)(void *arg),
                  void *arg);
void fy_link_start(struct fy_link *link); /* nothing is watched without a link timeout */
void fy_link_stop(struct fy_link *link);

/* Before the link is started: end belongs to it from now on, at most FY_LINK_MAX_ENDS of them. */
void fy_link_register(struct fy_link *link, struct fy_link_end *end, enum fy_link_direction direction,
                      const struct fy_link_end_ops *ops, void *arg);

/* What has become of the end's connection.  The loop. */
void fy_link_end_up(struct fy_link_end *end);    /* it stands */
void fy_link_end_broke(struct fy_link_end *end); /* it stood and ends with an error: fy_link_end_down follows */
void fy_link_end_down(struct fy_link_end *end);  /* it no longer stands, for whatever reason */
void fy_link_end_beat(struct fy_link_end *end);  /* a heartbeat goes out on it */

/* Any thread. */
static inline bool fy_link_end_is_up(const struct fy_link_end *end)
{
    return atomic_load(&end->is_up);
}

bool fy_link_is_whole(const struct fy_link *link);   /* every end is up */
bool fy_link_has_end_up(const struct fy_link *link); /* one is, at least */
enum ferry_link fy_link_state(const struct fy_link *link);

#endif
