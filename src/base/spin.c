/*
 * spin - decides how long to spin before sleeping.
 */
#include "base/spin.h"

#include <sched.h>

#define WAKE_COST_NS UINT64_C(100000) /* what sleeping may add to a wait that spinning would have caught */
#define MAX_BACKOFF 255u

void fy_spin_init(struct fy_spin *s, uint64_t max_ns)
{
    *s = (struct fy_spin){.max_ns = max_ns};
}

static void grow_budget(struct fy_spin *s)
{
    uint64_t budget_ns = s->budget_ns ? s->budget_ns * 2 : s->max_ns / 4;

    s->budget_ns = budget_ns > s->max_ns ? s->max_ns : budget_ns;
}

static void give_up(struct fy_spin *s)
{
    s->budget_ns = 0;
    s->backoff = s->backoff < MAX_BACKOFF ? 2 * s->backoff + 1 : MAX_BACKOFF;
    s->n_to_skip = s->backoff;
}

void fy_spin_caught(struct fy_spin *s)
{
    grow_budget(s);
    s->backoff = 0;
}

void fy_spin_slept(struct fy_spin *s, uint64_t waited_ns)
{
    if (s->n_to_skip > 0)
        s->n_to_skip--;
    else if (waited_ns <= s->max_ns + WAKE_COST_NS && s->budget_ns < s->max_ns)
        grow_budget(s);
    else if (s->budget_ns > 0)
        give_up(s);
}

void fy_spin_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

void fy_spin_yield(void)
{
    (void)sched_yield(); /* cannot fail on Linux */
}
