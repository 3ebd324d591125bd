/*
 * timers - a binary heap of deadlines.
 *
 * Room is taken when a timer is born, so that setting one later cannot fail.
 */
#include "net/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "ferry/ferry.h"

static bool before(const struct fy_timer *a, const struct fy_timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->seq < b->seq;
}

static void place(struct fy_timers *timers, struct fy_timer *timer, size_t slot)
{
    timers->heap[slot - 1] = timer;
    timer->slot = slot;
}

static void sift_up(struct fy_timers *timers, struct fy_timer *timer, size_t slot)
{
    while (slot > 1 && before(timer, timers->heap[slot / 2 - 1])) {
        place(timers, timers->heap[slot / 2 - 1], slot);
        slot /= 2;
    }
    place(timers, timer, slot);
}

static void sift_down(struct fy_timers *timers, struct fy_timer *timer, size_t slot)
{
    for (size_t child = 2 * slot; child <= timers->n; child = 2 * slot) {
        if (child < timers->n && before(timers->heap[child], timers->heap[child - 1]))
            child++;
        if (!before(timers->heap[child - 1], timer))
            break;
        place(timers, timers->heap[child - 1], slot);
        slot = child;
    }
    place(timers, timer, slot);
}

void fy_timers_init(struct fy_timers *timers)
{
    *timers = (struct fy_timers){.heap = NULL};
}

void fy_timers_release(struct fy_timers *timers)
{
    assert(timers->n == 0);
    free(timers->heap);
    timers->heap = NULL;
    timers->n_room = 0;
}

int fy_timer_init(struct fy_timer *timer, struct fy_timers *timers, fy_timer_fn *fn, void *arg)
{
    if (timers->n_reserved == timers->n_room) {
        size_t n_room = timers->n_room ? 2 * timers->n_room : 16;
        struct fy_timer **heap = realloc(timers->heap, n_room * sizeof(struct fy_timer *));

        if (!heap)
            return FERRY_ERR_NOMEM;
        timers->heap = heap;
        timers->n_room = n_room;
    }
    timers->n_reserved++;
    *timer = (struct fy_timer){.fn = fn, .arg = arg, .timers = timers};
    return FERRY_OK;
}

void fy_timer_release(struct fy_timer *timer)
{
    if (!timer->timers)
        return;
    fy_timer_unset(timer);
    assert(timer->timers->n_reserved > 0);
    timer->timers->n_reserved--;
    timer->timers = NULL;
}

void fy_timer_set(struct fy_timer *timer, uint64_t deadline_ns)
{
    struct fy_timers *timers = timer->timers;

    assert(timers);
    fy_timer_unset(timer);
    timer->deadline_ns = deadline_ns;
    timer->seq = timers->next_seq++;
    assert(timers->n < timers->n_reserved);
    timers->n++;
    sift_up(timers, timer, timers->n);
}

void fy_timer_unset(struct fy_timer *timer)
{
    struct fy_timers *timers = timer->timers;
    struct fy_timer *last;
    size_t slot = timer->slot;

    if (slot == 0)
        return;
    assert(timers->heap[slot - 1] == timer);
    last = timers->heap[timers->n - 1];
    timers->n--;
    timer->slot = 0;
    if (last == timer)
        return;
    if (slot > 1 && before(last, timers->heap[slot / 2 - 1]))
        sift_up(timers, last, slot);
    else
        sift_down(timers, last, slot);
}

bool fy_timer_is_set(const struct fy_timer *timer)
{
    return timer->slot != 0;
}

uint64_t fy_timers_next_ns(const struct fy_timers *timers)
{
    return timers->n ? timers->heap[0]->deadline_ns : FY_NEVER;
}

bool fy_timers_run_one(struct fy_timers *timers, uint64_t now_ns)
{
    struct fy_timer *timer;

    if (fy_timers_next_ns(timers) > now_ns || timers->n == 0)
        return false;
    timer = timers->heap[0];
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
