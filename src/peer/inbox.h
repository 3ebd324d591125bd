/*
 * inbox.h - what arrived from a peer and waits for the core: proposals apart from all else, so that a core that blocks
 * on a proposal delays nothing else.
 *
 * Only used where workers deliver; inline, messages pass it by.  What is to be reported to the core waits here, too: it
 * needs no memory, so a report is never lost.
 * The loop (and, for reports, callers of send) puts; workers take.
 */
#ifndef FY_PEER_INBOX_H
#define FY_PEER_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "ferry/ferry.h"

struct fy_inbox;
struct fy_peer;

/*
 * Called once: FERRY_OK, the core took the message; FERRY_ERR_CANCELED, it did not; any other, it was not asked:
 * FERRY_ERR_FULL, _CLOSED or _NOMEM.  Any thread.
 */
typedef void fy_delivered_fn(void *arg, int result);

struct fy_inbox_item {
    const struct ferry_message *msg; /* a reference */
    fy_delivered_fn *done;           /* NULL: nobody waits for it */
    void *done_arg;
};

enum fy_inbox_class { FY_INBOX_RECEIVE, FY_INBOX_PROPOSE, FY_N_INBOX_CLASSES };

/* One of the two queues: a ring that grows by doubling up to its limit.  All under the inbox's mu but run_node. */
struct fy_inbox_queue {
    struct fy_inbox *inbox; /* const */
    enum fy_inbox_class class;
    struct fy_inbox_item *ring;
    size_t n_room;
    size_t first;
    size_t n;
    size_t n_bytes;
    bool is_scheduled;       /* some worker has it or will; only one at a time, which keeps the order */
    struct fy_node run_node; /* the delivery's */
};

/* What the core is to be told about the peer. */
struct fy_inbox_reports {
    bool unreachable;
    unsigned n_snapshot_finish;
    unsigned n_snapshot_failure;
};

struct fy_inbox {
    struct fy_peer *peer; /* const after init; NULL: the inbox of those who are no peers */
    size_t max_messages;  /* const after init; of each queue */
    size_t max_bytes;     /* const after init; of each queue, as decoded */

    pthread_mutex_t mu; /* leaf lock */
    struct fy_inbox_queue queues[FY_N_INBOX_CLASSES];
    struct fy_inbox_reports reports; /* mu */
    bool is_closed;                  /* mu */
};

void fy_inbox_init(struct fy_inbox *inbox, struct fy_peer *peer, size_t max_messages, size_t max_bytes);
void fy_inbox_release(struct fy_inbox *inbox); /* drops what is left */

/*
 * Queue item by the type of its message.  On FERRY_OK the inbox owns it, and *ret_schedule is the queue when it is to
 * be scheduled now, else NULL.  FERRY_ERR_FULL, _CLOSED or _NOMEM: the caller keeps it.
 */
int fy_inbox_put(struct fy_inbox *inbox, struct fy_inbox_item item, struct fy_inbox_queue **ret_schedule);

/* Note a report.  Returns the receive queue when it is to be scheduled now, else NULL. */
struct fy_inbox_queue *fy_inbox_report_unreachable(struct fy_inbox *inbox);
struct fy_inbox_queue *fy_inbox_report_snapshot(struct fy_inbox *inbox, enum ferry_snapshot_result result);

/* Does it wait for fy_inbox_take? */
bool fy_inbox_is_scheduled(struct fy_inbox_queue *queue);

/* Take up to max items of a scheduled queue and, from the receive queue, what is to be reported. */
size_t fy_inbox_take(struct fy_inbox_queue *queue, struct fy_inbox_item *items, size_t max,
                     struct fy_inbox_reports *ret_reports);

/* A worker is done with what it took.  true: there is more, schedule it again; false: it is no longer scheduled. */
bool fy_inbox_settle(struct fy_inbox_queue *queue);

/* How much is queued, received and proposed.  Any thread. */
void fy_inbox_read(struct fy_inbox *inbox, struct ferry_queue_status *ret_received,
                   struct ferry_queue_status *ret_proposed);

/* Throw away what is queued, and accept no more; how many messages they were.  Reports still pass. */
size_t fy_inbox_close(struct fy_inbox *inbox);

#endif
