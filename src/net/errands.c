/*
 * errands - one list, one lock.
 *
 * Only the post that finds the list empty wakes the loop: the loop takes the whole list at once, so a burst of posts
 * costs one wake-up.
 */
#include "net/errands.h"

#include <assert.h>
#include <stdbool.h>

#include "net/net.h"

void fy_errands_init(struct fy_errands *errands)
{
    *errands = (struct fy_errands){.net = NULL};
    (void)pthread_mutex_init(&errands->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_list_init(&errands->list);
}

void fy_errands_release(struct fy_errands *errands)
{
    assert(fy_list_is_empty(&errands->list));
    pthread_mutex_destroy(&errands->mu);
}

void fy_errands_start(struct fy_errands *errands, struct fy_net *net)
{
    errands->net = net;
}

void fy_errands_post(struct fy_errands *errands, struct fy_errand *errand)
{
    bool was_empty;

    pthread_mutex_lock(&errands->mu);
    was_empty = fy_list_is_empty(&errands->list);
    fy_list_append(&errands->list, &errand->node);
    pthread_mutex_unlock(&errands->mu);
    if (was_empty && errands->net)
        fy_net_wake(errands->net);
}

/* Run what was posted until now.  Returns whether there was any. */
static bool run_posted(struct fy_errands *errands)
{
    struct fy_list posted;
    struct fy_node *node;
    bool was_empty;

    fy_list_init(&posted);
    pthread_mutex_lock(&errands->mu);
    fy_list_splice(&posted, &errands->list);
    pthread_mutex_unlock(&errands->mu);
    was_empty = fy_list_is_empty(&posted);
    while ((node = fy_list_take_first(&posted))) {
        struct fy_errand *errand = fy_container(node, struct fy_errand, node);

        errand->run(errand);
    }
    return !was_empty;
}

void fy_errands_run(struct fy_errands *errands)
{
    (void)run_posted(errands);
}

void fy_errands_drain(struct fy_errands *errands)
{
    while (run_posted(errands))
        ;
}
