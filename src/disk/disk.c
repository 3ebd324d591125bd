/*
 * disk - one queue, some workers.
 *
 * Normal path: submit puts the job on the queue and signals an idle worker; the worker runs it and posts it as an
 * errand, which calls done on the loop.
 */
#include "disk/disk.h"

#include <assert.h>
#include <stdlib.h>

#include "base/thread.h"
#include "ferry/ferry.h"

static struct fy_disk_job *job_of(struct fy_node *node)
{
    return node ? fy_container(node, struct fy_disk_job, errand.node) : NULL;
}

/* ---- Workers ---------------------------------------------------------------------------------------------------- */

/* The next job; NULL: stop, the queue is empty. */
static struct fy_disk_job *next_job(struct fy_disk *disk)
{
    struct fy_node *node;

    pthread_mutex_lock(&disk->mu);
    disk->n_idle++;
    while (fy_list_is_empty(&disk->waiting) && !disk->is_stopping)
        pthread_cond_wait(&disk->has_work, &disk->mu);
    disk->n_idle--;
    node = fy_list_take_first(&disk->waiting);
    if (node)
        disk->n_waiting--;
    pthread_mutex_unlock(&disk->mu);
    return job_of(node);
}

static void disk_on_job_finished(struct fy_errand *errand)
{
    struct fy_disk_job *job = fy_container(errand, struct fy_disk_job, errand);

    job->done(job);
}

static void *worker_main(void *arg)
{
    struct fy_disk *disk = arg;
    struct fy_disk_job *job;

    while ((job = next_job(disk))) {
        job->run(job);
        job->errand.run = disk_on_job_finished;
        fy_errands_post(disk->errands, &job->errand);
    }
    return NULL;
}

/* Start another worker unless the limit is reached.  Under mu. */
static int add_worker(struct fy_disk *disk)
{
    int err;

    if (disk->n_threads == disk->max_threads)
        return FERRY_OK;
    err = fy_thread_start(&disk->threads[disk->n_threads], "ferry-disk", worker_main, disk);
    if (err == FERRY_OK)
        disk->n_threads++;
    return err;
}

int fy_disk_prepare(struct fy_disk *disk)
{
    int err = FERRY_OK;

    pthread_mutex_lock(&disk->mu);
    if (disk->n_threads == 0 && !disk->is_stopping)
        err = add_worker(disk);
    pthread_mutex_unlock(&disk->mu);
    return err;
}

void fy_disk_submit(struct fy_disk *disk, struct fy_disk_job *job)
{
    bool was_empty, has_idle;

    pthread_mutex_lock(&disk->mu);
    was_empty = fy_list_is_empty(&disk->waiting);
    fy_list_append(&disk->waiting, &job->errand.node);
    disk->n_waiting++;
    if (disk->n_waiting > disk->n_idle && !disk->is_stopping)
        (void)add_worker(disk);  /* if it fails, the job waits for one of the present workers */
    has_idle = disk->n_idle > 0; /* a busy worker looks at the queue before it sleeps */
    pthread_mutex_unlock(&disk->mu);
    if (has_idle)
        pthread_cond_signal(&disk->has_work); /* after mu, or the woken worker would at once block on it */
    if (disk->max_threads == 0 && was_empty)
        fy_errands_post(disk->errands, &disk->turn);
}

/* ---- Without workers --------------------------------------------------------------------------------------------- */

/* Run the oldest job here.  Returns whether there was one. */
static bool run_one(struct fy_disk *disk)
{
    struct fy_disk_job *job;
    bool has_more;

    pthread_mutex_lock(&disk->mu);
    job = job_of(fy_list_take_first(&disk->waiting));
    if (job)
        disk->n_waiting--;
    has_more = disk->n_waiting > 0;
    pthread_mutex_unlock(&disk->mu);
    if (!job)
        return false;
    job->run(job);
    if (has_more && disk->max_threads == 0)
        fy_errands_post(disk->errands, &disk->turn); /* one job per turn, as a disk would take its time */
    job->done(job);
    return true;
}

static void disk_on_turn(struct fy_errand *errand)
{
    (void)run_one(fy_container(errand, struct fy_disk, turn));
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

void fy_disk_init(struct fy_disk *disk)
{
    *disk = (struct fy_disk){.turn.run = disk_on_turn};
    (void)pthread_mutex_init(&disk->mu, NULL); /* neither fails with default attributes on Linux */
    (void)pthread_cond_init(&disk->has_work, NULL);
    fy_list_init(&disk->waiting);
}

void fy_disk_release(struct fy_disk *disk)
{
    assert(fy_list_is_empty(&disk->waiting) && disk->n_threads == 0);
    free(disk->threads);
    pthread_cond_destroy(&disk->has_work);
    pthread_mutex_destroy(&disk->mu);
}

int fy_disk_start(struct fy_disk *disk, struct fy_errands *errands, unsigned max_threads)
{
    if (max_threads > 0) {
        disk->threads = calloc(max_threads, sizeof(*disk->threads));
        if (!disk->threads)
            return FERRY_ERR_NOMEM;
    }
    disk->errands = errands;
    disk->max_threads = max_threads;
    return FERRY_OK;
}

void fy_disk_join(struct fy_disk *disk)
{
    pthread_mutex_lock(&disk->mu);
    disk->is_stopping = true;
    pthread_cond_broadcast(&disk->has_work);
    pthread_mutex_unlock(&disk->mu);
    for (unsigned i = 0; i < disk->n_threads; i++)
        fy_thread_join(disk->threads[i], disk->log, "the source or the sink of a snapshot");
    pthread_mutex_lock(&disk->mu);
    disk->n_threads = 0;
    pthread_mutex_unlock(&disk->mu);
}

void fy_disk_finish(struct fy_disk *disk)
{
    while (run_one(disk))
        ;
}

bool fy_disk_is_worker(struct fy_disk *disk)
{
    bool is_worker = false;

    pthread_mutex_lock(&disk->mu);
    for (unsigned i = 0; i < disk->n_threads; i++)
        is_worker |= pthread_equal(disk->threads[i], pthread_self()) != 0;
    pthread_mutex_unlock(&disk->mu);
    return is_worker;
}
