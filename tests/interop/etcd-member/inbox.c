/*
 * inbox - what other threads leave for the member's thread.
 *
 * Messages are bounded in number and bytes: one that finds no room is refused, and Raft sends it again.
 */
#include "etcd-member/inbox.h"

#include <errno.h>
#include <stdlib.h>

#include "etcd-member/mem.h"

#define MAX_MESSAGES 16384
#define MAX_BYTES ((size_t)256 << 20)

void inbox_init(struct inbox *inbox)
{
    pthread_condattr_t attr;

    *inbox = (struct inbox){0};
    inbox->last = &inbox->first;
    pthread_mutex_init(&inbox->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&inbox->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void inbox_release(struct inbox *inbox)
{
    while (inbox->first) {
        struct inbox_item *item = inbox->first;

        inbox->first = item->next;
        ferry_message_unref(item->msg);
        free(item);
    }
    pthread_cond_destroy(&inbox->changed);
    pthread_mutex_destroy(&inbox->mu);
}

static size_t bytes_of(const struct ferry_message *msg)
{
    size_t bytes = 0;

    for (size_t i = 0; msg && i < msg->n_entries; i++)
        bytes += msg->entries[i].data.len;
    return bytes;
}

bool inbox_put(struct inbox *inbox, const struct inbox_item *item)
{
    struct inbox_item *copy = mem_copy(item, sizeof(*item));
    size_t bytes = bytes_of(item->msg);
    bool is_taken;

    copy->next = NULL;
    pthread_mutex_lock(&inbox->mu);
    is_taken = (!item->msg ||
                (inbox->n_messages < MAX_MESSAGES && (inbox->n_bytes == 0 || inbox->n_bytes + bytes <= MAX_BYTES)));
    if (is_taken) {
        *inbox->last = copy;
        inbox->last = &copy->next;
        inbox->n_messages += item->msg != NULL;
        inbox->n_bytes += bytes;
        pthread_cond_signal(&inbox->changed);
    }
    pthread_mutex_unlock(&inbox->mu);
    if (!is_taken)
        free(copy);
    return is_taken;
}

struct inbox_item *inbox_take(struct inbox *inbox, const struct timespec *until)
{
    struct inbox_item *all;
    int err = 0;

    pthread_mutex_lock(&inbox->mu);
    while (!inbox->first && err != ETIMEDOUT)
        err = pthread_cond_timedwait(&inbox->changed, &inbox->mu, until);
    all = inbox->first;
    inbox->first = NULL;
    inbox->last = &inbox->first;
    inbox->n_messages = 0;
    inbox->n_bytes = 0;
    pthread_mutex_unlock(&inbox->mu);
    return all;
}
