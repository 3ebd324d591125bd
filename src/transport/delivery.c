/*
 * delivery - pass messages from the inboxes to the core, by workers or on the loop.
 *
 * Normal path with workers: the loop puts a message into the peer's inbox.  The first message in an idle queue
 * schedules the queue, which then holds a reference to the peer.  A worker takes a batch, calls the core, and schedules
 * the queue again if more messages have come (base/workers.h).
 */
#include "transport/delivery.h"

#include <assert.h>

#include "peer/peer.h"

#define BATCH 64

static void report(const struct fy_delivery *d, const struct fy_peer *peer, const struct fy_inbox_reports *reports)
{
    const struct ferry_core *core = d->core;

    if (reports->unreachable && core->report_unreachable)
        core->report_unreachable(core->ctx, fy_peer_id(peer));
    for (unsigned i = 0; i < reports->n_snapshot_finish && core->report_snapshot; i++)
        core->report_snapshot(core->ctx, fy_peer_id(peer), FERRY_SNAPSHOT_FINISH);
    for (unsigned i = 0; i < reports->n_snapshot_failure && core->report_snapshot; i++)
        core->report_snapshot(core->ctx, fy_peer_id(peer), FERRY_SNAPSHOT_FAILURE);
}

/* Drop an item that the core will not get. */
static void refuse(struct fy_peer *peer, const struct fy_inbox_item *item, int err)
{
    if (peer)
        fy_count(&fy_peer_counts(peer)->received_dropped, 1);
    if (item->done)
        item->done(item->done_arg, err);
    ferry_message_unref(item->msg);
}

/* Give the message to the core, report its result, and drop the reference. */
static void process(struct fy_delivery *d, struct fy_peer *peer, const struct fy_inbox_item *item)
{
    int result;

    if (atomic_load(&d->is_closing)) { /* so that stop waits for one call of a slow core at most */
        refuse(peer, item, FERRY_ERR_CLOSED);
        return;
    }
    result = d->core->process(d->core->ctx, item->msg);
    if (result != 0 && peer)
        fy_count(&fy_peer_counts(peer)->refused, 1);
    if (item->done)
        item->done(item->done_arg,
                   result == 0 ? FERRY_OK : FERRY_ERR_CANCELED); /* the core's own value is not passed on */
    ferry_message_unref(item->msg);
}

/* ---- Workers ---------------------------------------------------------------------------------------------------- */

static void delivery_on_run(void *arg, struct fy_work_queue *work);
static void delivery_on_leave(void *arg, struct fy_work_queue *work);

static void let_go(struct fy_inbox_queue *queue)
{
    if (queue->inbox->peer)
        fy_peer_unref(queue->inbox->peer);
}

static void schedule(struct fy_delivery *d, struct fy_inbox_queue *queue)
{
    if (queue->inbox->peer)
        fy_peer_ref(queue->inbox->peer); /* the workers', until the queue has run */
    queue->work.run = delivery_on_run;
    queue->work.leave = delivery_on_leave;
    queue->work.arg = d;
    if (!fy_workers_submit(&d->workers[queue->class], &queue->work))
        let_go(queue);
}

static void delivery_on_run(void *arg, struct fy_work_queue *work)
{
    struct fy_delivery *d = arg;
    struct fy_inbox_queue *queue = fy_container(work, struct fy_inbox_queue, work);
    struct fy_peer *peer = queue->inbox->peer;
    struct fy_inbox_item items[BATCH];
    struct fy_inbox_reports reports;
    size_t n = fy_inbox_take(queue, items, BATCH, &reports);

    if (peer)
        report(d, peer, &reports);
    for (size_t i = 0; i < n; i++)
        process(d, peer, &items[i]);
    if (fy_inbox_settle(queue))
        schedule(d, queue);
    let_go(queue);
}

/* Reports reach the core although the queue does not run any more: Raft waits for the fate of each snapshot. */
static void delivery_on_leave(void *arg, struct fy_work_queue *work)
{
    struct fy_delivery *d = arg;
    struct fy_inbox_queue *queue = fy_container(work, struct fy_inbox_queue, work);
    struct fy_inbox_reports reports;

    (void)fy_inbox_take(queue, NULL, 0, &reports);
    if (queue->inbox->peer)
        report(d, queue->inbox->peer, &reports);
    let_go(queue);
}

/* ---- The delivery ------------------------------------------------------------------------------------------------ */

void fy_delivery_init(struct fy_delivery *d, const struct ferry_core *core, size_t max_messages, size_t max_bytes)
{
    *d = (struct fy_delivery){.core = core};
    fy_inbox_init(&d->strangers, NULL, max_messages, max_bytes);
    for (int i = 0; i < FY_N_INBOX_CLASSES; i++)
        fy_workers_init(&d->workers[i]);
}

void fy_delivery_set_log(struct fy_delivery *d, const struct fy_log *log)
{
    for (int i = 0; i < FY_N_INBOX_CLASSES; i++)
        d->workers[i].log = log;
}

bool fy_delivery_is_worker(struct fy_delivery *d)
{
    bool is_worker = false;

    for (int i = 0; i < FY_N_INBOX_CLASSES; i++)
        is_worker |= fy_workers_is_worker(&d->workers[i]);
    return is_worker;
}

void fy_delivery_release(struct fy_delivery *d)
{
    fy_inbox_release(&d->strangers);
    for (int i = 0; i < FY_N_INBOX_CLASSES; i++)
        fy_workers_release(&d->workers[i]);
}

int fy_delivery_start(struct fy_delivery *d, unsigned n_workers, unsigned n_propose_workers, unsigned busy_poll_us)
{
    int err;

    if (n_workers == 0 && n_propose_workers == 0)
        return FERRY_OK;
    d->has_workers = true;
    err = fy_workers_start(&d->workers[FY_INBOX_RECEIVE], "ferry-receive", n_workers, busy_poll_us);
    if (err == FERRY_OK)
        err = fy_workers_start(&d->workers[FY_INBOX_PROPOSE], "ferry-propose", n_propose_workers, busy_poll_us);
    if (err != FERRY_OK)
        fy_delivery_stop(d);
    return err;
}

void fy_delivery_close(struct fy_delivery *d)
{
    atomic_store(&d->is_closing, true);
}

void fy_delivery_stop(struct fy_delivery *d)
{
    fy_delivery_close(d);
    atomic_store(&d->is_closed, true);
    for (int i = 0; i < FY_N_INBOX_CLASSES; i++)
        fy_workers_stop(&d->workers[i]);
    (void)fy_inbox_close(&d->strangers); /* strangers' messages are not counted */
}

void fy_delivery_silence(struct fy_delivery *d)
{
    assert(atomic_load(&d->is_closed));
    d->is_silent = true;
}

void fy_delivery_put(struct fy_delivery *d, struct fy_peer *peer, const struct ferry_message *msg,
                     fy_delivered_fn *done, void *done_arg)
{
    struct fy_inbox_item item = {.msg = msg, .done = done, .done_arg = done_arg};
    struct fy_inbox_queue *queue = NULL;
    int err;

    if (atomic_load(&d->is_closing)) {
        refuse(peer, &item, FERRY_ERR_CLOSED);
        return;
    }
    if (!d->has_workers) {
        process(d, peer, &item);
        return;
    }
    err = fy_inbox_put(peer && !atomic_load(&peer->base.is_remote) ? &peer->inbox : &d->strangers, item, &queue);
    if (err != FERRY_OK)
        refuse(peer, &item, err);
    else if (queue)
        schedule(d, queue);
}

static void schedule_report(struct fy_delivery *d, struct fy_peer *peer, struct fy_inbox_queue *queue)
{
    if (queue && d->has_workers)
        schedule(d, queue);
    else if (queue)
        fy_peer_ask_for_attention(peer);
}

void fy_delivery_report_unreachable(struct fy_delivery *d, struct fy_peer *peer)
{
    if (!atomic_load(&d->is_closed))
        schedule_report(d, peer, fy_inbox_report_unreachable(&peer->inbox));
}

void fy_delivery_report_snapshot(struct fy_delivery *d, struct fy_peer *peer, enum ferry_snapshot_result result)
{
    if (!atomic_load(&d->is_closed))
        schedule_report(d, peer, fy_inbox_report_snapshot(&peer->inbox, result));
}

void fy_delivery_attend(struct fy_delivery *d, struct fy_peer *peer)
{
    struct fy_inbox_queue *queue = &peer->inbox.queues[FY_INBOX_RECEIVE];
    struct fy_inbox_reports reports;

    if (d->has_workers || !fy_inbox_is_scheduled(queue))
        return;
    (void)fy_inbox_take(queue, NULL, 0, &reports);
    if (!d->is_silent)
        report(d, peer, &reports);
    if (fy_inbox_settle(queue)) /* the core's callback caused new reports: next turn, after other work */
        fy_peer_ask_for_attention(peer);
}
