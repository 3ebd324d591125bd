/*
 * inbox.h - messages from a peer that wait for the core, and reports about the peer.
 *
 * Proposals have a queue of their own, so that a core which blocks on a proposal delays no other message.  Only used
 * where workers deliver; with inline and host delivery messages do not pass through it.  A report needs no memory, so
 * it is never lost. The loop puts messages, the loop and callers of send put reports, workers take both.
 */
#ifndef FY_PEER_INBOX_H
#define FY_PEER_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/workers.h"
#include "ferry/ferry.h"

struct fy_inbox;
struct fy_peer;

/*
 * Called once, by any thread.  FERRY_OK: the core took the message.  FERRY_ERR_CANCELED: the core refused it.
 * FERRY_ERR_FULL, _CLOSED or _NOMEM: the core was not asked.
 */
typedef void fy_delivered_fn(void *arg, int result);

struct fy_inbox_item {
    const struct ferry_message *msg; /* a reference */
    fy_delivered_fn *done;           /* NULL: no answer is needed */
    void *done_arg;
};

enum fy_inbox_class { FY_INBOX_RECEIVE, FY_INBOX_PROPOSE, FY_N_INBOX_CLASSES };

/* One of the two queues: a ring that grows by doubling up to its limit.  All under the inbox's mu but work. */
struct fy_inbox_queue {
    struct fy_inbox *inbox; /* const */
    enum fy_inbox_class class;
    struct fy_inbox_item *ring;
    size_t n_room;
    size_t first;
    size_t n;
    size_t n_bytes;
    bool is_scheduled;         /* a worker runs it or will; only one at a time, which keeps the order */
    struct fy_work_queue work; /* the delivery's */
};

/* Reports about the peer, for the core. */
struct fy_inbox_reports {
    bool unreachable;
    unsigned n_snapshot_finish;
    unsigned n_snapshot_failure;
};

struct fy_inbox {
    struct fy_peer *peer; /* const after init; NULL: the inbox for senders that are not peers */
    size_t max_messages;  /* const after init; of each queue */
    size_t max_bytes;     /* const after init; of each queue, as decoded */

    pthread_mutex_t mu; /* leaf lock */
    struct fy_inbox_queue queues[FY_N_INBOX_CLASSES];
    struct fy_inbox_reports reports; /* mu */
    bool is_closed;                  /* mu */
};

void fy_inbox_init(struct fy_inbox *inbox, struct fy_peer *peer, size_t max_messages, size_t max_bytes);
void fy_inbox_release(struct fy_inbox *inbox); /* frees the messages that are left */

/*
 * Queue item by the type of its message.  On FERRY_OK the inbox owns it, and *ret_schedule is its queue if a worker
 * must be given that queue now, else NULL.  FERRY_ERR_FULL, _CLOSED or _NOMEM: the caller keeps item.
 */
int fy_inbox_put(struct fy_inbox *inbox, struct fy_inbox_item item, struct fy_inbox_queue **ret_schedule);

/* Note a report.  Returns the receive queue if a worker must be given it now, else NULL. */
struct fy_inbox_queue *fy_inbox_report_unreachable(struct fy_inbox *inbox);
struct fy_inbox_queue *fy_inbox_report_snapshot(struct fy_inbox *inbox, enum ferry_snapshot_result result);

/* Has a worker the queue, or will one have it? */
bool fy_inbox_is_scheduled(struct fy_inbox_queue *queue);

/* Take up to max items of a scheduled queue and, from the receive queue, the reports. */
size_t fy_inbox_take(struct fy_inbox_queue *queue, struct fy_inbox_item *items, size_t max,
                     struct fy_inbox_reports *ret_reports);

/* A worker is done with what it took.  True: schedule the queue again, there is more; false: it no longer is. */
bool fy_inbox_settle(struct fy_inbox_queue *queue);

/* What both queues hold.  Any thread. */
void fy_inbox_read(struct fy_inbox *inbox, struct ferry_queue_status *ret_received,
                   struct ferry_queue_status *ret_proposed);

/* Drop all queued messages and accept no more.  Returns how many were dropped.  Reports still pass. */
size_t fy_inbox_close(struct fy_inbox *inbox);

#endif
