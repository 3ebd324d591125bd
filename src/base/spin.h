/*
 * spin.h - whether a thread that waits should spin before it sleeps, and for how long: learned from how its waits end.
 *
 * A wake-up from sleep costs tens of microseconds, more than many a round trip.  Waits that ended so soon that spinning
 * might have caught the event make the budget grow; spinning that catches nothing, though it went on for as long as it
 * may, ends it for a number of sleeps that doubles each time.  So an idle thread sleeps at once, and one whose peer has
 * to share its processor soon stops standing in its way.
 *
 * Owner: one thread, or a lock of the owner's.
 */
#ifndef FY_BASE_SPIN_H
#define FY_BASE_SPIN_H

#include <stdint.h>

struct fy_spin {
    uint64_t max_ns;    /* const after init; 0: never */
    uint64_t budget_ns; /* of the next wait, <= max_ns; 0: sleep at once */
    unsigned backoff;   /* sleeps that a vain spin costs; grows with each in a row */
    unsigned n_to_skip; /* of them still to come before spinning is tried again */
};

void fy_spin_init(struct fy_spin *s, uint64_t max_ns);

/* A wait that ended while it span, or one that ended in sleep after waited_ns, spinning included. */
void fy_spin_caught(struct fy_spin *s);
void fy_spin_slept(struct fy_spin *s, uint64_t waited_ns);

/* Between two looks: a moment for the other hardware thread, or for another thread that wants this processor. */
void fy_spin_relax(void);
void fy_spin_yield(void);

#endif
