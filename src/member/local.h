/*
 * local.h - the member that we are, as every service and every other member's parts need to know it.
 *
 * Filled by the transport before the first member is made, and constant from then on, but for the budget and the cache.
 */
#ifndef FY_MEMBER_LOCAL_H
#define FY_MEMBER_LOCAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/shelf.h"
#include "net/net.h"
#include "net/timers.h"
#include "wire/headers.h"

#define FY_HEARTBEAT_TURNS 2 /* connections to one member that carry heartbeats in turn */

struct fy_local {
    uint64_t id;
    struct fy_id_text id_text;

    uint64_t dial_timeout_ns;
    uint64_t handshake_timeout_ns;
    uint64_t read_timeout_ns;
    uint64_t link_timeout_ns; /* 0: links are not watched */
    uint64_t dial_retry_ns;

    size_t max_send_bytes;
    atomic_size_t send_bytes; /* in all outgoing queues; <= max_send_bytes */
    struct fy_shelf shelf;    /* the cache for the memory of outgoing messages */
    struct fy_timer trim;     /* the loop's; of the cache.  Set while there may be memory in it */

    struct fy_net *net;
    struct fy_log log;
};

/*
 * When heartbeats are due: at the same moments for all members, so that one wake-up serves them all, and in turn for
 * the connections to one member, so that it acknowledges something twice as often as a connection carries one.
 */
uint64_t fy_local_heartbeat_ns(const struct fy_local *local); /* how often a connection carries one */
uint64_t fy_local_next_heartbeat_ns(const struct fy_local *local, unsigned turn, uint64_t now_ns);

/* When net is known, before the first member is made; and when none is left.  The loop's, or before it turns. */
void fy_local_start(struct fy_local *local);
void fy_local_stop(struct fy_local *local);

/*
 * Messages were queued: their memory may go to the cache, which is trimmed every second until all is freed.  To be
 * called for each queue that was empty, and for one that is dropped.  The loop.
 */
void fy_local_watch_cache(struct fy_local *local);

/* Take bytes from the budget of all outgoing queues; false: so many are not left.  Any thread. */
bool fy_local_reserve(struct fy_local *local, size_t bytes);
void fy_local_unreserve(struct fy_local *local, size_t bytes);

#endif
