/*
 * spin.h - decides whether a waiting thread spins before it sleeps, and how long, from how earlier waits ended.
 *
 * Waking from sleep takes tens of microseconds, more than many round trips.  Waits that ended soon enough for spinning
 * to catch the event increase the budget.  Spinning the full time without an event turns spinning off for a number of
 * sleeps, which doubles each time.  So an idle thread sleeps at once, and a thread that shares its processor with its
 * peer soon stops blocking it.
 *
 * Owner: one thread, or whoever holds the owner's lock.
 */
#ifndef FY_BASE_SPIN_H
#define FY_BASE_SPIN_H

#include <stdint.h>

struct fy_spin {
    uint64_t max_ns;    /* const after init; 0: never */
    uint64_t budget_ns; /* for the next wait, <= max_ns; 0: sleep at once */
    unsigned backoff;   /* sleeps without spinning after a spin that caught nothing; doubles if that repeats */
    unsigned n_to_skip; /* how many of these sleeps are left */
};

void fy_spin_init(struct fy_spin *s, uint64_t max_ns);

/* Report a wait that ended while spinning, or one that ended in sleep after waited_ns, spinning included. */
void fy_spin_caught(struct fy_spin *s);
void fy_spin_slept(struct fy_spin *s, uint64_t waited_ns);

/* Call between two polls: pause for the other hardware thread, or give up the processor to another thread. */
void fy_spin_relax(void);
void fy_spin_yield(void);

#endif
