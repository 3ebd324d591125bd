/*
 * disk.h - threads for work that blocks, so that the loop never does.
 *
 * A job is its owner's storage: it is handed over by submit, its run is called on some worker, and then its done on the
 * loop, when it is the owner's again.  Jobs may run at the same time and in any order; who needs an order submits the
 * next from done.  Workers are started as jobs have to wait for one, up to a limit, and live until stop.
 * With a limit of 0 there are none, and a job runs on the loop, in a turn of its own: for a simulated net.
 */
#ifndef FY_DISK_DISK_H
#define FY_DISK_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct fy_net;

struct fy_disk_job {
    struct fy_node node;                   /* the disk's */
    void (*run)(struct fy_disk_job *job);  /* on a worker; may block */
    void (*done)(struct fy_disk_job *job); /* on the loop */
};

struct fy_disk {
    struct fy_net *net;   /* const after start */
    unsigned max_threads; /* const after start */

    pthread_mutex_t mu; /* leaf lock */
    pthread_cond_t has_work;
    struct fy_list waiting;  /* mu; struct fy_disk_job, oldest first */
    struct fy_list finished; /* mu; the same */
    size_t n_waiting;        /* mu */
    size_t n_idle;           /* mu; workers that wait for a job */
    pthread_t *threads;      /* mu */
    unsigned n_threads;      /* mu */
    bool is_stopping;        /* mu */
};

void fy_disk_init(struct fy_disk *disk);
void fy_disk_release(struct fy_disk *disk); /* stopped */

/* Completions wake net, whose on_wake calls fy_disk_attend.  Starts no thread yet.  FERRY_OK or FERRY_ERR_NOMEM. */
int fy_disk_start(struct fy_disk *disk, struct fy_net *net, unsigned max_threads);

/* See that there is a worker, so that a submit cannot fail.  Any thread.  FERRY_OK or FERRY_ERR_SYSTEM. */
int fy_disk_prepare(struct fy_disk *disk);

/* Have job run; prepared for before.  Any thread. */
void fy_disk_submit(struct fy_disk *disk, struct fy_disk_job *job);

/* Call done for what has finished.  The loop. */
void fy_disk_attend(struct fy_disk *disk);

/* Run all that waits, and what that causes, to its end and its done; no worker is left.  In place of the loop. */
void fy_disk_stop(struct fy_disk *disk);

#endif
