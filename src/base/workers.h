/*
 * workers.h - threads that run queues: each queue on one thread at a time, so that its order is kept.
 *
 * A queue belongs to its owner, who keeps the items and their lock, and submits the queue when it stops being empty.  A
 * worker then calls its run, which takes a batch of items and, if more is left, submits the queue again: it goes to the
 * end of the line, so that one busy queue does not starve the others.  The owner never submits a queue that has been
 * submitted and not yet run: that is what keeps the order of its items.
 */
#ifndef FY_BASE_WORKERS_H
#define FY_BASE_WORKERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/spin.h"

struct fy_log;

struct fy_work_queue {
    struct fy_node node;                                   /* the workers', while it waits for one */
    void (*run)(void *arg, struct fy_work_queue *queue);   /* on a worker; may submit the queue again, or free it */
    void (*leave)(void *arg, struct fy_work_queue *queue); /* in fy_workers_stop: it waited, and will not be run */
    void *arg;
};

struct fy_workers {
    const struct fy_log *log; /* of a stop that takes long; NULL: none.  Set after init */

    pthread_mutex_t mu; /* leaf lock */
    pthread_t *threads; /* mu */
    size_t n_threads;   /* mu */
    pthread_cond_t has_work;
    struct fy_list waiting;  /* mu; struct fy_work_queue, oldest first */
    size_t n_asleep;         /* mu */
    bool is_watched;         /* mu: a worker spins, and will look at waiting again before it sleeps */
    atomic_bool has_waiting; /* written under mu: waiting is not empty, or is_stopping */
    struct fy_spin spin;     /* mu; of one worker at a time */
    uint64_t empty_since_ns; /* mu: when waiting was last found empty */
    bool is_stopping;        /* mu: no worker begins anything new */
    bool is_stopped;         /* mu: new queues are refused */
};

void fy_workers_init(struct fy_workers *workers);
void fy_workers_release(struct fy_workers *workers); /* never started, or stopped */

/*
 * Start n threads called name.  One of them at a time may spin for busy_poll_us before it sleeps.
 * FERRY_OK; FERRY_ERR_NOMEM or _SYSTEM: then fy_workers_stop undoes what was done.
 */
int fy_workers_start(struct fy_workers *workers, const char *name, unsigned n, unsigned busy_poll_us);

/* Have queue->run called.  Any thread.  false: stopped; the queue will not be run. */
bool fy_workers_submit(struct fy_workers *workers, struct fy_work_queue *queue);

/*
 * Wait for the calls of run that are under way, end the threads, and call leave for every queue that waits, those
 * included that are submitted meanwhile.
 */
void fy_workers_stop(struct fy_workers *workers);

/* Is the caller one of the workers?  Any thread. */
bool fy_workers_is_worker(struct fy_workers *workers);

#endif
