/*
 * timers - a pairing heap of deadlines.
 *
 * Every timer is a node with its later ones below it.  Setting merges it with the root; taking one out merges its
 * children in pairs and hangs the result where it belongs.  Amortised cost is logarithmic, and the links live in the
 * timers themselves.
 */
#include "net/timers.h"

#include <assert.h>

static bool before(const struct fy_timer *a, const struct fy_timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->seq < b->seq;
}

/* Two heaps without siblings, either of which may be NULL, to one. */
static struct fy_timer *merge(struct fy_timer *a, struct fy_timer *b)
{
    struct fy_timer *top, *low;

    if (!a || !b)
        return a ? a : b;
    top = before(a, b) ? a : b;
    low = top == a ? b : a;
    low->prev = top;
    low->sibling = top->child;
    if (top->child)
        top->child->prev = low;
    top->child = low;
    return top;
}

static struct fy_timer *pop_sibling(struct fy_timer **list)
{
    struct fy_timer *timer = *list;

    if (timer) {
        *list = timer->sibling;
        timer->sibling = timer->prev = NULL;
    }
    return timer;
}

/* A row of siblings to one heap: pairs from the left, then all pairs from the right. */
static struct fy_timer *merge_siblings(struct fy_timer *row)
{
    struct fy_timer *pairs = NULL, *heap = NULL, *timer;

    while ((timer = pop_sibling(&row))) {
        timer = merge(timer, pop_sibling(&row));
        timer->sibling = pairs;
        pairs = timer;
    }
    while ((timer = pop_sibling(&pairs)))
        heap = merge(heap, timer);
    return heap;
}

void fy_timers_init(struct fy_timers *timers)
{
    *timers = (struct fy_timers){.first = NULL};
}

void fy_timer_init(struct fy_timer *timer, struct fy_timers *timers, fy_timer_fn *fn, void *arg)
{
    *timer = (struct fy_timer){.fn = fn, .arg = arg, .timers = timers};
}

void fy_timer_set(struct fy_timer *timer, uint64_t deadline_ns)
{
    struct fy_timers *timers = timer->timers;

    assert(timers);
    fy_timer_unset(timer);
    timer->deadline_ns = deadline_ns;
    timer->seq = timers->next_seq++;
    timer->is_set = true;
    timers->first = merge(timers->first, timer);
}

void fy_timer_unset(struct fy_timer *timer)
{
    struct fy_timers *timers = timer->timers;
    struct fy_timer *below;

    if (!timer->is_set)
        return;
    if (timers->first == timer) {
        timers->first = NULL;
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->sibling;
        else
            timer->prev->sibling = timer->sibling;
        if (timer->sibling)
            timer->sibling->prev = timer->prev;
    }
    below = merge_siblings(timer->child);
    timer->child = timer->sibling = timer->prev = NULL;
    timer->is_set = false;
    timers->first = merge(timers->first, below);
}

bool fy_timer_is_set(const struct fy_timer *timer)
{
    return timer->is_set;
}

uint64_t fy_timers_next_ns(const struct fy_timers *timers)
{
    return timers->first ? timers->first->deadline_ns : FY_NEVER;
}

bool fy_timers_run_one(struct fy_timers *timers, uint64_t now_ns)
{
    struct fy_timer *timer = timers->first;

    if (!timer || timer->deadline_ns > now_ns)
        return false;
    fy_timer_unset(timer);
    timer->fn(timer->arg);
    return true;
}

size_t fy_timers_run(struct fy_timers *timers, uint64_t now_ns)
{
    size_t n_fired = 0;

    while (fy_timers_run_one(timers, now_ns))
        n_fired++;
    return n_fired;
}
