/*
 * errands.h - work that any thread leaves for the loop.
 *
 * An errand is its owner's storage: a list node with a function, posted at most once until it has run.  The loop runs
 * errands in the order in which they were posted.
 */
#ifndef FY_NET_ERRANDS_H
#define FY_NET_ERRANDS_H

#include <pthread.h>

#include "base/list.h"

struct fy_net;

struct fy_errand {
    struct fy_node node;                   /* the list's, while it is posted */
    void (*run)(struct fy_errand *errand); /* on the loop; may free the errand, and may post it again */
};

struct fy_errands {
    struct fy_net *net; /* const after start; NULL before */

    pthread_mutex_t mu;  /* leaf lock */
    struct fy_list list; /* mu; struct fy_errand, oldest first */
};

void fy_errands_init(struct fy_errands *errands);
void fy_errands_release(struct fy_errands *errands); /* empty */

/* From now on a post wakes net, whose on_wake handler calls fy_errands_run. */
void fy_errands_start(struct fy_errands *errands, struct fy_net *net);

/* Have errand->run called on the loop.  Cannot fail.  Any thread. */
void fy_errands_post(struct fy_errands *errands, struct fy_errand *errand);

/* Run what was posted until now.  What the errands post meanwhile runs next time.  The loop. */
void fy_errands_run(struct fy_errands *errands);

/* Run errands until none is left.  The loop, or its owner when the loop has ended. */
void fy_errands_drain(struct fy_errands *errands);

#endif
