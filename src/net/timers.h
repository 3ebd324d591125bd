/*
 * timers.h - deadlines, fired in order of time and, within one instant, of setting.
 *
 * Both nets keep one: http asks it how long it may sleep, sim moves its clock to the next deadline.
 * A timer is storage of its user's and carries its own links, so that nothing here allocates and nothing can fail.
 * Threads: the loop's only.
 */
#ifndef FY_NET_TIMERS_H
#define FY_NET_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FY_NEVER UINT64_MAX

typedef void fy_timer_fn(void *arg);

struct fy_timers {
    struct fy_timer *first; /* the root of the heap: the next to fire */
    uint64_t next_seq;
};

struct fy_timer {
    fy_timer_fn *fn;
    void *arg;
    struct fy_timers *timers; /* const after init; NULL: never initialised */
    uint64_t deadline_ns;
    uint64_t seq; /* breaks ties */
    bool is_set;
    struct fy_timer *child;   /* the first of those that fire later */
    struct fy_timer *sibling; /* the next child of the same parent */
    struct fy_timer *prev;    /* the parent of a first child, else the sibling before */
};

void fy_timers_init(struct fy_timers *timers);

void fy_timer_init(struct fy_timer *timer, struct fy_timers *timers, fy_timer_fn *fn, void *arg);
void fy_timer_set(struct fy_timer *timer, uint64_t deadline_ns); /* moves one that is set */
void fy_timer_unset(struct fy_timer *timer);                     /* a zeroed timer is fine; so is one not set */
bool fy_timer_is_set(const struct fy_timer *timer);

/* The next deadline, FY_NEVER without any. */
uint64_t fy_timers_next_ns(const struct fy_timers *timers);

/* Fire all that are due at now_ns, those included that are set meanwhile.  Returns how many. */
size_t fy_timers_run(struct fy_timers *timers, uint64_t now_ns);

/* Fire the first that is due at now_ns.  False: none is. */
bool fy_timers_run_one(struct fy_timers *timers, uint64_t now_ns);

#endif
