/*
 * local - the headers that every request carries, and the budget of all outgoing queues.
 */
#include "peer/local.h"

#include <assert.h>

size_t fy_local_headers(const struct fy_local *local, struct fy_header *headers)
{
    size_t n = 0;

    headers[n++] = (struct fy_header){FY_HEADER_SERVER_FROM, local->id_text.text};
    headers[n++] = (struct fy_header){FY_HEADER_SERVER_VERSION, local->version_text};
    headers[n++] = (struct fy_header){FY_HEADER_MIN_CLUSTER_VERSION, local->min_version_text};
    headers[n++] = (struct fy_header){FY_HEADER_CLUSTER_ID, local->cluster_id_text.text};
    if (local->peer_urls[0] != '\0')
        headers[n++] = (struct fy_header){FY_HEADER_PEER_URLS, local->peer_urls};
    assert(n <= FY_LOCAL_HEADERS);
    return n;
}

uint64_t fy_local_heartbeat_ns(const struct fy_local *local)
{
    uint64_t for_reader = local->read_timeout_ns / 3;
    uint64_t for_link = local->link_timeout_ns / 6 * 5; /* half of it early enough: see link.c */
    uint64_t interval = for_link > 0 && for_link < for_reader ? for_link : for_reader;

    return interval - interval % FERRY_N_STREAMS;
}

uint64_t fy_local_next_heartbeat_ns(const struct fy_local *local, enum ferry_stream stream, uint64_t now_ns)
{
    uint64_t interval = fy_local_heartbeat_ns(local);
    uint64_t shift = interval / FERRY_N_STREAMS * (uint64_t)stream;

    return (now_ns + interval - shift) / interval * interval + shift;
}

enum ferry_stream fy_local_last_to_beat(const struct fy_local *local, uint64_t now_ns)
{
    return (enum ferry_stream)(now_ns / (fy_local_heartbeat_ns(local) / FERRY_N_STREAMS) % FERRY_N_STREAMS);
}

struct fy_packer fy_local_packer(struct fy_local *local)
{
    return (struct fy_packer){.shelf = &local->shelf, .form = local->form, .max_bytes = local->max_message_bytes};
}

bool fy_local_reserve(struct fy_local *local, size_t bytes)
{
    size_t used = atomic_load_explicit(&local->send_bytes, memory_order_relaxed);

    do {
        if (bytes > local->max_send_bytes - used) /* what does not fit is never added: others would find it there */
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
