/*
 * delivery.h - from the peers to the core: by workers, or on the loop.
 *
 * Workers run a peer's queue one at a time, so its order is kept; proposals have workers of their own.  On the loop
 * (inline, host, simulation) messages go to the core at once, and reports with the loop's next turn.
 */
#ifndef FY_TRANSPORT_DELIVERY_H
#define FY_TRANSPORT_DELIVERY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/workers.h"
#include "ferry/ferry.h"
#include "peer/inbox.h"

struct fy_log;
struct fy_peer;

struct fy_delivery {
    const struct ferry_core *core; /* const */
    bool has_workers;              /* const after start */
    atomic_bool is_closing;        /* the core gets no further message */
    atomic_bool is_closed;         /* and no further report is accepted */
    bool is_silent;                /* the loop's: the core is not called any more */
    struct fy_inbox strangers;     /* for POSTs of all who are not peers; remotes share it, so that its bound holds */
    struct fy_workers workers[FY_N_INBOX_CLASSES];
};

void fy_delivery_init(struct fy_delivery *d, const struct ferry_core *core, size_t max_messages, size_t max_bytes);
void fy_delivery_set_log(struct fy_delivery *d, const struct fy_log *log); /* for a stop that takes long */
void fy_delivery_release(struct fy_delivery *d);                           /* stopped */

/*
 * Start workers; n of 0 and 0: none, deliver on the loop.  One worker of each kind may spin for busy_poll_us before it
 * sleeps.  FERRY_OK, or FERRY_ERR_NOMEM or _SYSTEM and none runs.
 */
int fy_delivery_start(struct fy_delivery *d, unsigned n_workers, unsigned n_propose_workers, unsigned busy_poll_us);

/* From now on the core gets reports, but no message besides those in a call that runs.  Any thread. */
void fy_delivery_close(struct fy_delivery *d);

/* Is the caller a worker?  Any thread. */
bool fy_delivery_is_worker(struct fy_delivery *d);

/* Pass the reports until now, but no message, to the core, and wait until no call to it runs. */
void fy_delivery_stop(struct fy_delivery *d);

/*
 * From now on fy_delivery_attend drops reports.  After stop: a caller of send that began before the stop may report
 * only now.  The loop, or its owner when the loop has ended.
 */
void fy_delivery_silence(struct fy_delivery *d);

/*
 * Pass msg to the core; takes the reference.  peer: the sender; NULL: a stranger.  done (may be NULL) is called once,
 * possibly during this call.  The loop.
 */
void fy_delivery_put(struct fy_delivery *d, struct fy_peer *peer, const struct ferry_message *msg,
                     fy_delivered_fn *done, void *done_arg);

/* Report to the core soon, never during this call.  Any thread. */
void fy_delivery_report_unreachable(struct fy_delivery *d, struct fy_peer *peer);
void fy_delivery_report_snapshot(struct fy_delivery *d, struct fy_peer *peer, enum ferry_snapshot_result result);

/* Without workers: pass the reports about peer to the core.  The loop. */
void fy_delivery_attend(struct fy_delivery *d, struct fy_peer *peer);

#endif
