/*
 * disk.h - threads for work that blocks, so that the loop never does.
 *
 * A job is its owner's storage.  submit hands it over, a worker calls its run, and then the loop calls its done, from
 * where on it is the owner's again.  Jobs may run at the same time and in any order; an owner that needs an order
 * submits the next job from done.  A worker is started when a job would have to wait, up to a limit; workers live until
 * stop.  With a limit of 0 there are no workers, and each job runs on the loop, one per turn: for a simulated net.
 */
#ifndef FY_DISK_DISK_H
#define FY_DISK_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "net/errands.h"

struct fy_log;

struct fy_disk_job {
    struct fy_errand errand;               /* the disk's */
    void (*run)(struct fy_disk_job *job);  /* on a worker; may block */
    void (*done)(struct fy_disk_job *job); /* on the loop */
};

struct fy_disk {
    const struct fy_log *log;   /* of a stop that takes long; NULL: none.  Set after init */
    struct fy_errands *errands; /* const after start; NULL: never started */
    unsigned max_threads;       /* const after start */
    struct fy_errand turn;      /* without workers: runs the oldest job; posted while one waits */

    pthread_mutex_t mu; /* leaf lock */
    pthread_cond_t has_work;
    struct fy_list waiting; /* mu; struct fy_disk_job, oldest first */
    size_t n_waiting;       /* mu */
    size_t n_idle;          /* mu; workers that wait for a job */
    pthread_t *threads;     /* mu */
    unsigned n_threads;     /* mu */
    bool is_stopping;       /* mu */
};

void fy_disk_init(struct fy_disk *disk);
void fy_disk_release(struct fy_disk *disk); /* stopped */

/* Jobs are completed by errands.  Starts no thread yet.  FERRY_OK or FERRY_ERR_NOMEM. */
int fy_disk_start(struct fy_disk *disk, struct fy_errands *errands, unsigned max_threads);

/* Start the first worker if there is none yet, so that a submit cannot fail.  Any thread.  FERRY_OK or
 * FERRY_ERR_SYSTEM. */
int fy_disk_prepare(struct fy_disk *disk);

/* Have job run; fy_disk_prepare succeeded before.  Any thread. */
void fy_disk_submit(struct fy_disk *disk, struct fy_disk_job *job);

/* Let the workers run what waits, and end them.  Any thread but theirs. */
void fy_disk_join(struct fy_disk *disk);

/*
 * Joined: run the jobs that the last done have submitted, each with its done, here.  The loop, when the errands that
 * were posted until the join have run; or its owner when the loop has ended.
 */
void fy_disk_finish(struct fy_disk *disk);

/* Is the caller one of the workers?  Any thread. */
bool fy_disk_is_worker(struct fy_disk *disk);

#endif
