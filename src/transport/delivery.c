/*
 * delivery - queues to workers to the core.
 *
 * Normal path: the loop puts a message into the peer's inbox; the first one into an idle queue schedules it, which
 * holds a reference to the peer; a worker takes a batch, calls the core, and schedules the queue again at the end of
 * the line if more has come, so that one busy peer does not starve the others.
 *
 * To wake a thread costs both sides a system call, and the message tens of microseconds.  So when waits have been short
 * of late, one worker of a pool watches for work for a moment before it sleeps, and nobody is woken as long as it does.
 * It yields its processor at each look: whoever has something to do goes first.
 */
#include "transport/delivery.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"
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

/* The core does not get item. */
static void refuse(struct fy_peer *peer, const struct fy_inbox_item *item, int err)
{
    if (peer)
        fy_count(&fy_peer_counts(peer)->received_dropped, 1);
    if (item->done)
        item->done(item->done_arg, err);
    ferry_message_unref(item->msg);
}

/* Ask the core to take a message, say what it answered, and let go of the reference. */
static void process(struct fy_delivery *d, struct fy_peer *peer, const struct fy_inbox_item *item)
{
    int result;

    if (atomic_load(&d->is_closing)) { /* whatever a slow core has before it: stop waits for one call at most */
        refuse(peer, item, FERRY_ERR_CLOSED);
        return;
    }
    result = d->core->process(d->core->ctx, item->msg);
    if (result != 0 && peer)
        fy_count(&fy_peer_counts(peer)->refused, 1);
    if (item->done)
        item->done(item->done_arg, result == 0 ? FERRY_OK : FERRY_ERR_CANCELED); /* the core's numbers are its own */
    ferry_message_unref(item->msg);
}

/* ---- Workers ---------------------------------------------------------------------------------------------------- */

/* A queue leaves the pool's hands. */
static void unschedule(struct fy_inbox_queue *queue)
{
    if (queue->inbox->peer)
        fy_peer_unref(queue->inbox->peer);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with these arguments */
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Is it for a worker that sleeps to take what was just put into run?  Under mu. */
static bool has_to_wake(const struct fy_worker_pool *pool)
{
    const struct fy_node *first = fy_list_first(&pool->run);
    bool is_the_only = first && !fy_list_next(&pool->run, first);

    return pool->n_asleep > 0 && !(pool->is_watched && is_the_only);
}

static void schedule(struct fy_delivery *d, struct fy_inbox_queue *queue)
{
    struct fy_worker_pool *pool = &d->pools[queue->class];
    bool is_stopped;

    if (queue->inbox->peer)
        fy_peer_ref(queue->inbox->peer);
    pthread_mutex_lock(&pool->mu);
    is_stopped = pool->is_stopped;
    if (!is_stopped) {
        fy_list_append(&pool->run, &queue->run_node);
        atomic_store_explicit(&pool->has_run, true, memory_order_relaxed);
    }
    if (has_to_wake(pool))
        pthread_cond_signal(&pool->has_work);
    pthread_mutex_unlock(&pool->mu);
    if (is_stopped)
        unschedule(queue);
}

/* Spin for work, for as long as the budget says.  Lets go of mu meanwhile. */
static void watch(struct fy_worker_pool *pool)
{
    uint64_t until_ns = now_ns() + pool->spin.budget_ns;
    bool found;

    pool->is_watched = true;
    pthread_mutex_unlock(&pool->mu);
    do {
        fy_spin_yield();
        found = atomic_load_explicit(&pool->has_run, memory_order_relaxed);
    } while (!found && now_ns() < until_ns);
    pthread_mutex_lock(&pool->mu);
    pool->is_watched = false;
    if (found)
        fy_spin_caught(&pool->spin);
}

/* Wait until there is work or the pool stops.  Under mu, which is let go of meanwhile. */
static void await_work(struct fy_worker_pool *pool)
{
    bool may_spin = pool->spin.max_ns > 0;

    if (may_spin)
        pool->empty_since_ns = now_ns();
    if (pool->spin.budget_ns > 0 && !pool->is_watched)
        watch(pool);
    if (pool->is_stopping || !fy_list_is_empty(&pool->run))
        return;
    pool->n_asleep++;
    while (!pool->is_stopping && fy_list_is_empty(&pool->run))
        pthread_cond_wait(&pool->has_work, &pool->mu);
    pool->n_asleep--;
    if (may_spin && !pool->is_watched)
        fy_spin_slept(&pool->spin, now_ns() - pool->empty_since_ns);
}

/* The next queue to run; NULL: stop. */
static struct fy_inbox_queue *next_queue(struct fy_worker_pool *pool)
{
    struct fy_node *node = NULL;

    pthread_mutex_lock(&pool->mu);
    if (!pool->is_stopping && fy_list_is_empty(&pool->run))
        await_work(pool);
    if (!pool->is_stopping) {
        node = fy_list_take_first(&pool->run);
        atomic_store_explicit(&pool->has_run, !fy_list_is_empty(&pool->run), memory_order_relaxed);
    }
    pthread_mutex_unlock(&pool->mu);
    return node ? fy_container(node, struct fy_inbox_queue, run_node) : NULL;
}

static void run_queue(struct fy_worker_pool *pool, struct fy_inbox_queue *queue)
{
    struct fy_delivery *d = pool->delivery;
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
    unschedule(queue);
}

static void *worker_main(void *arg)
{
    struct fy_worker_pool *pool = arg;
    struct fy_inbox_queue *queue;

    fy_thread_be_prompt();
    while ((queue = next_queue(pool)))
        run_queue(pool, queue);
    return NULL;
}

static int pool_start(struct fy_worker_pool *pool, const char *name, unsigned n)
{
    int err = FERRY_OK;

    pool->threads = calloc(n, sizeof(*pool->threads));
    if (!pool->threads)
        return FERRY_ERR_NOMEM;
    while (err == FERRY_OK && pool->n_threads < n) {
        err = fy_thread_start(&pool->threads[pool->n_threads], name, worker_main, pool);
        if (err == FERRY_OK)
            pool->n_threads++;
    }
    return err;
}

/* What was reported reaches the core although its queue runs no more: Raft waits for the fate of each snapshot. */
static void bring_reports(struct fy_worker_pool *pool, struct fy_inbox_queue *queue)
{
    struct fy_inbox_reports reports;

    (void)fy_inbox_take(queue, NULL, 0, &reports);
    if (queue->inbox->peer)
        report(pool->delivery, queue->inbox->peer, &reports);
}

/* The next queue that nobody will run; NULL: there is none, and there will be none. */
static struct fy_inbox_queue *next_left_queue(struct fy_worker_pool *pool)
{
    struct fy_node *node;

    pthread_mutex_lock(&pool->mu);
    node = fy_list_take_first(&pool->run);
    pool->is_stopped = !node;
    pthread_mutex_unlock(&pool->mu);
    return node ? fy_container(node, struct fy_inbox_queue, run_node) : NULL;
}

static void pool_stop(struct fy_worker_pool *pool)
{
    struct fy_inbox_queue *queue;

    pthread_mutex_lock(&pool->mu);
    pool->is_stopping = true;
    atomic_store_explicit(&pool->has_run, true, memory_order_relaxed);
    pthread_cond_broadcast(&pool->has_work);
    pthread_mutex_unlock(&pool->mu);
    for (size_t i = 0; i < pool->n_threads; i++)
        (void)pthread_join(pool->threads[i], NULL); /* fails only for a thread that is not ours to join */
    free(pool->threads);
    pool->threads = NULL;
    pool->n_threads = 0;
    while ((queue = next_left_queue(pool))) {
        bring_reports(pool, queue);
        unschedule(queue);
    }
}

/* ---- The delivery ------------------------------------------------------------------------------------------------ */

void fy_delivery_init(struct fy_delivery *d, const struct ferry_core *core, size_t max_messages, size_t max_bytes)
{
    *d = (struct fy_delivery){.core = core};
    fy_inbox_init(&d->strangers, NULL, max_messages, max_bytes);
    for (int i = 0; i < FY_N_INBOX_CLASSES; i++) {
        struct fy_worker_pool *pool = &d->pools[i];

        pool->delivery = d;
        (void)pthread_mutex_init(&pool->mu, NULL); /* neither fails with default attributes on Linux */
        (void)pthread_cond_init(&pool->has_work, NULL);
        fy_list_init(&pool->run);
    }
}

void fy_delivery_release(struct fy_delivery *d)
{
    fy_inbox_release(&d->strangers);
    for (int i = 0; i < FY_N_INBOX_CLASSES; i++) {
        assert(fy_list_is_empty(&d->pools[i].run));
        pthread_cond_destroy(&d->pools[i].has_work);
        pthread_mutex_destroy(&d->pools[i].mu);
    }
}

int fy_delivery_start(struct fy_delivery *d, unsigned n_workers, unsigned n_propose_workers, unsigned busy_poll_us)
{
    int err;

    for (int i = 0; i < FY_N_INBOX_CLASSES; i++)
        fy_spin_init(&d->pools[i].spin, busy_poll_us * UINT64_C(1000));
    if (n_workers == 0 && n_propose_workers == 0)
        return FERRY_OK;
    d->has_workers = true;
    err = pool_start(&d->pools[FY_INBOX_RECEIVE], "ferry-receive", n_workers);
    if (err == FERRY_OK)
        err = pool_start(&d->pools[FY_INBOX_PROPOSE], "ferry-propose", n_propose_workers);
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
        pool_stop(&d->pools[i]);
    (void)fy_inbox_close(&d->strangers); /* strangers have no account */
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
    if (fy_inbox_settle(queue)) /* the core caused new ones: with the next turn, so that other work comes in between */
        fy_peer_ask_for_attention(peer);
}
