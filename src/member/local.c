/*
 * local - when heartbeats are due, the budget of all outgoing queues, and when their cache of memory is trimmed.
 *
 * Memory comes to the cache from messages that were queued, so the timer need not run before one is; it runs on while
 * messages are queued, and until two trims in a row have freed what was not taken in between.
 */
#include "member/local.h"

#include <assert.h>

#define TRIM_INTERVAL_NS UINT64_C(1000000000)

uint64_t fy_local_heartbeat_ns(const struct fy_local *local)
{
    uint64_t for_reader = local->read_timeout_ns / 3;
    uint64_t for_link = local->link_timeout_ns / 6 * 5; /* half of it early enough: see link.c */
    uint64_t interval = for_link > 0 && for_link < for_reader ? for_link : for_reader;

    return interval - interval % FY_HEARTBEAT_TURNS;
}

uint64_t fy_local_next_heartbeat_ns(const struct fy_local *local, unsigned turn, uint64_t now_ns)
{
    uint64_t interval = fy_local_heartbeat_ns(local);
    uint64_t shift = interval / FY_HEARTBEAT_TURNS * turn;

    return (now_ns + interval - shift) / interval * interval + shift;
}

static void local_on_trim(void *arg)
{
    struct fy_local *local = arg;

    fy_shelf_trim(&local->shelf, fy_net_now_ns(local->net));
    if (atomic_load_explicit(&local->send_bytes, memory_order_relaxed) > 0 || !fy_shelf_is_empty(&local->shelf))
        fy_local_watch_cache(local);
}

void fy_local_start(struct fy_local *local)
{
    fy_timer_init(&local->trim, fy_net_timers(local->net), local_on_trim, local);
}

void fy_local_stop(struct fy_local *local)
{
    fy_timer_unset(&local->trim);
}

void fy_local_watch_cache(struct fy_local *local)
{
    if (!fy_timer_is_set(&local->trim))
        fy_timer_set(&local->trim, fy_net_now_ns(local->net) + TRIM_INTERVAL_NS);
}

bool fy_local_reserve(struct fy_local *local, size_t bytes)
{
    size_t used = atomic_load_explicit(&local->send_bytes, memory_order_relaxed);

    do {
        if (bytes > local->max_send_bytes - used) /* never add and take back: other threads would see it as spent */
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&local->send_bytes, &used, used + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void fy_local_unreserve(struct fy_local *local, size_t bytes)
{
    size_t used = atomic_fetch_sub_explicit(&local->send_bytes, bytes, memory_order_relaxed);

    assert(used >= bytes);
    (void)used;
}
