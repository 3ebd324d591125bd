/*
 * workers - one list of queues, several threads.
 *
 * Waking a thread costs both sides a system call, and delays the item by tens of microseconds.  So when waits have been
 * short of late, one worker spins for a moment before it sleeps, and nobody is woken as long as it does.  Between two
 * looks it yields its processor to any thread that is ready to run.
 */
#include "base/workers.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"
#include "ferry/ferry.h"

static struct fy_work_queue *queue_of(struct fy_node *node)
{
    return node ? fy_container(node, struct fy_work_queue, node) : NULL;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with these arguments */
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- Waiting for work -------------------------------------------------------------------------------------------- */

/* Spin until there is work or the budget is spent.  The caller holds mu, which is unlocked while spinning. */
static void watch(struct fy_workers *workers)
{
    uint64_t until_ns = now_ns() + workers->spin.budget_ns;
    bool found;

    workers->is_watched = true;
    pthread_mutex_unlock(&workers->mu);
    do {
        fy_spin_yield();
        found = atomic_load_explicit(&workers->has_waiting, memory_order_relaxed);
    } while (!found && now_ns() < until_ns);
    pthread_mutex_lock(&workers->mu);
    workers->is_watched = false;
    if (found)
        fy_spin_caught(&workers->spin);
}

/* Wait until there is work or the workers stop.  The caller holds mu, which is unlocked while waiting. */
static void await_work(struct fy_workers *workers)
{
    bool may_spin = workers->spin.max_ns > 0;

    if (may_spin)
        workers->empty_since_ns = now_ns();
    if (workers->spin.budget_ns > 0 && !workers->is_watched)
        watch(workers);
    if (workers->is_stopping || !fy_list_is_empty(&workers->waiting))
        return;
    workers->n_asleep++;
    while (!workers->is_stopping && fy_list_is_empty(&workers->waiting))
        pthread_cond_wait(&workers->has_work, &workers->mu);
    workers->n_asleep--;
    if (may_spin && !workers->is_watched)
        fy_spin_slept(&workers->spin, now_ns() - workers->empty_since_ns);
}

/* The next queue to run; NULL: stop. */
static struct fy_work_queue *next_queue(struct fy_workers *workers)
{
    struct fy_node *node = NULL;

    pthread_mutex_lock(&workers->mu);
    if (!workers->is_stopping && fy_list_is_empty(&workers->waiting))
        await_work(workers);
    if (!workers->is_stopping) {
        node = fy_list_take_first(&workers->waiting);
        atomic_store_explicit(&workers->has_waiting, !fy_list_is_empty(&workers->waiting), memory_order_relaxed);
    }
    pthread_mutex_unlock(&workers->mu);
    return queue_of(node);
}

static void *worker_main(void *arg)
{
    struct fy_workers *workers = arg;
    struct fy_work_queue *queue;

    fy_thread_be_prompt();
    while ((queue = next_queue(workers)))
        queue->run(queue->arg, queue);
    return NULL;
}

/* ---- Submitting -------------------------------------------------------------------------------------------------- */

/* Must a sleeping worker be woken for what was just put into waiting?  Under mu. */
static bool must_wake(const struct fy_workers *workers)
{
    const struct fy_node *first = fy_list_first(&workers->waiting);
    bool is_the_only = first && !fy_list_next(&workers->waiting, first);

    return workers->n_asleep > 0 && !(workers->is_watched && is_the_only);
}

bool fy_workers_submit(struct fy_workers *workers, struct fy_work_queue *queue)
{
    bool is_stopped;

    pthread_mutex_lock(&workers->mu);
    is_stopped = workers->is_stopped;
    if (!is_stopped) {
        fy_list_append(&workers->waiting, &queue->node);
        atomic_store_explicit(&workers->has_waiting, true, memory_order_relaxed);
    }
    if (must_wake(workers))
        pthread_cond_signal(&workers->has_work);
    pthread_mutex_unlock(&workers->mu);
    return !is_stopped;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

void fy_workers_init(struct fy_workers *workers)
{
    *workers = (struct fy_workers){.n_threads = 0};
    (void)pthread_mutex_init(&workers->mu, NULL); /* neither fails with default attributes on Linux */
    (void)pthread_cond_init(&workers->has_work, NULL);
    fy_list_init(&workers->waiting);
}

void fy_workers_release(struct fy_workers *workers)
{
    assert(fy_list_is_empty(&workers->waiting) && workers->n_threads == 0);
    pthread_cond_destroy(&workers->has_work);
    pthread_mutex_destroy(&workers->mu);
}

int fy_workers_start(struct fy_workers *workers, const char *name, unsigned n, unsigned busy_poll_us)
{
    pthread_t *threads = calloc(n, sizeof(*threads));
    int err = FERRY_OK;

    if (!threads)
        return FERRY_ERR_NOMEM;
    pthread_mutex_lock(&workers->mu);
    fy_spin_init(&workers->spin, busy_poll_us * UINT64_C(1000));
    workers->threads = threads;
    while (err == FERRY_OK && workers->n_threads < n) {
        err = fy_thread_start(&threads[workers->n_threads], name, worker_main, workers);
        if (err == FERRY_OK)
            workers->n_threads++;
    }
    pthread_mutex_unlock(&workers->mu);
    return err;
}

bool fy_workers_is_worker(struct fy_workers *workers)
{
    bool is_worker = false;

    pthread_mutex_lock(&workers->mu);
    for (size_t i = 0; i < workers->n_threads; i++)
        is_worker |= pthread_equal(workers->threads[i], pthread_self()) != 0;
    pthread_mutex_unlock(&workers->mu);
    return is_worker;
}

/* Take a queue that waits; NULL: there is none, and from now on none is accepted. */
static struct fy_work_queue *take_left_queue(struct fy_workers *workers)
{
    struct fy_node *node;

    pthread_mutex_lock(&workers->mu);
    node = fy_list_take_first(&workers->waiting);
    workers->is_stopped = !node;
    pthread_mutex_unlock(&workers->mu);
    return queue_of(node);
}

void fy_workers_stop(struct fy_workers *workers)
{
    struct fy_work_queue *queue;

    pthread_mutex_lock(&workers->mu);
    workers->is_stopping = true;
    atomic_store_explicit(&workers->has_waiting, true, memory_order_relaxed);
    pthread_cond_broadcast(&workers->has_work);
    pthread_mutex_unlock(&workers->mu);
    for (size_t i = 0; i < workers->n_threads; i++)
        fy_thread_join(workers->threads[i], workers->log, "a worker that is in a callback");
    pthread_mutex_lock(&workers->mu);
    workers->n_threads = 0;
    pthread_mutex_unlock(&workers->mu);
    free(workers->threads);
    workers->threads = NULL;
    while ((queue = take_left_queue(workers)))
        queue->leave(queue->arg, queue);
}
