/*
 * timers.h - deadlines in a binary heap, fired in order of time and, within one instant, of setting.
 *
 * Both nets keep one: http asks it how long it may sleep, sim moves its clock to the next deadline.
 * A timer is storage of its user's; setting it never allocates once fy_timers_reserve made room.
 * Threads: the loop's only.
 */
#ifndef FY_NET_TIMERS_H
#define FY_NET_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FY_NEVER UINT64_MAX

struct fy_timers;

typedef void fy_timer_fn(void *arg);

struct fy_timer {
    fy_timer_fn *fn;
    void *arg;
    struct fy_timers *timers; /* that it was born to; const after init */
    uint64_t deadline_ns;
    uint64_t seq; /* breaks ties */
    size_t slot;  /* 1 + its place in the heap; 0: not set */
};

struct fy_timers {
    struct fy_timer **heap;
    size_t n;          /* set */
    size_t n_room;     /* places in heap */
    size_t n_reserved; /* timers initialised: n <= n_reserved <= n_room */
    uint64_t next_seq;
};

void fy_timers_init(struct fy_timers *timers);
void fy_timers_release(struct fy_timers *timers); /* no timer may be set any more */

/* Prepare a timer and make room for it.  FERRY_OK or FERRY_ERR_NOMEM (then release must not be called). */
int fy_timer_init(struct fy_timer *timer, struct fy_timers *timers, fy_timer_fn *fn, void *arg);
/* Unset it and give back its room.  A zeroed timer is fine. */
void fy_timer_release(struct fy_timer *timer);

void fy_timer_set(struct fy_timer *timer, uint64_t deadline_ns); /* moves one that is set */
void fy_timer_unset(struct fy_timer *timer);
bool fy_timer_is_set(const struct fy_timer *timer);

/* The next deadline, FY_NEVER without any. */
uint64_t fy_timers_next_ns(const struct fy_timers *timers);

/* Fire all that are due at now_ns, those included that are set meanwhile.  Returns how many. */
size_t fy_timers_run(struct fy_timers *timers, uint64_t now_ns);

/* Fire the first that is due at now_ns.  False: none is. */
bool fy_timers_run_one(struct fy_timers *timers, uint64_t now_ns);

#endif
