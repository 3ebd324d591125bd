/*
 * local - when heartbeats are due, and the budget of all outgoing queues.
 */
#include "member/local.h"

#include <assert.h>

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
