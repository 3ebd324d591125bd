/*
 * inbox - two bounded rings and a few flags, under one leaf lock.
 */
#include "peer/inbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

#define FIRST_ROOM 16

void fy_inbox_init(struct fy_inbox *inbox, struct fy_peer *peer, size_t max_messages, size_t max_bytes)
{
    *inbox = (struct fy_inbox){.peer = peer, .max_messages = max_messages, .max_bytes = max_bytes};
    (void)pthread_mutex_init(&inbox->mu, NULL); /* cannot fail for a default mutex on Linux */
    for (int i = 0; i < FY_N_INBOX_CLASSES; i++) {
        inbox->queues[i].inbox = inbox;
        inbox->queues[i].class = (enum fy_inbox_class)i;
    }
}

void fy_inbox_release(struct fy_inbox *inbox)
{
    (void)fy_inbox_close(inbox); /* closed before where drops are counted: nothing is left then */
    for (int i = 0; i < FY_N_INBOX_CLASSES; i++)
        free(inbox->queues[i].ring);
    pthread_mutex_destroy(&inbox->mu);
}

/* Make room for one more.  Under mu. */
static int grow(struct fy_inbox_queue *queue)
{
    size_t n_room = queue->n_room ? 2 * queue->n_room : FIRST_ROOM;
    struct fy_inbox_item *ring;

    if (queue->n < queue->n_room)
        return FERRY_OK;
    ring = calloc(n_room, sizeof(*ring));
    if (!ring)
        return FERRY_ERR_NOMEM;
    for (size_t i = 0; i < queue->n; i++)
        ring[i] = queue->ring[(queue->first + i) % queue->n_room];
    free(queue->ring);
    queue->ring = ring;
    queue->n_room = n_room;
    queue->first = 0;
    return FERRY_OK;
}

/* One message larger than all of max_bytes may pass alone.  Under mu. */
static bool has_room(const struct fy_inbox_queue *queue, size_t memory)
{
    const struct fy_inbox *inbox = queue->inbox;

    if (queue->n >= inbox->max_messages)
        return false;
    return queue->n == 0 || (queue->n_bytes <= inbox->max_bytes && memory <= inbox->max_bytes - queue->n_bytes);
}

static int append(struct fy_inbox *inbox, struct fy_inbox_queue *queue, struct fy_inbox_item item)
{
    size_t memory = fy_message_memory(item.msg);

    if (inbox->is_closed)
        return FERRY_ERR_CLOSED;
    if (!has_room(queue, memory))
        return FERRY_ERR_FULL;
    if (grow(queue) != FERRY_OK)
        return FERRY_ERR_NOMEM;
    queue->ring[(queue->first + queue->n) % queue->n_room] = item;
    queue->n++;
    queue->n_bytes += memory;
    return FERRY_OK;
}

/* Under mu: the queue, if it was not scheduled before. */
static struct fy_inbox_queue *schedule(struct fy_inbox_queue *queue)
{
    if (queue->is_scheduled)
        return NULL;
    queue->is_scheduled = true;
    return queue;
}

int fy_inbox_put(struct fy_inbox *inbox, struct fy_inbox_item item, struct fy_inbox_queue **ret_schedule)
{
    struct fy_inbox_queue *queue =
        &inbox->queues[item.msg->type == FERRY_MSG_PROP ? FY_INBOX_PROPOSE : FY_INBOX_RECEIVE];
    int err;

    pthread_mutex_lock(&inbox->mu);
    err = append(inbox, queue, item);
    if (err == FERRY_OK)
        *ret_schedule = schedule(queue);
    pthread_mutex_unlock(&inbox->mu);
    return err;
}

struct fy_inbox_queue *fy_inbox_report_unreachable(struct fy_inbox *inbox)
{
    struct fy_inbox_queue *queue;

    pthread_mutex_lock(&inbox->mu);
    inbox->reports.unreachable = true;
    queue = schedule(&inbox->queues[FY_INBOX_RECEIVE]);
    pthread_mutex_unlock(&inbox->mu);
    return queue;
}

struct fy_inbox_queue *fy_inbox_report_snapshot(struct fy_inbox *inbox, enum ferry_snapshot_result result)
{
    struct fy_inbox_queue *queue;

    pthread_mutex_lock(&inbox->mu);
    if (result == FERRY_SNAPSHOT_FINISH)
        inbox->reports.n_snapshot_finish++;
    else
        inbox->reports.n_snapshot_failure++;
    queue = schedule(&inbox->queues[FY_INBOX_RECEIVE]);
    pthread_mutex_unlock(&inbox->mu);
    return queue;
}

/* Under mu. */
static struct fy_inbox_item take_first(struct fy_inbox_queue *queue)
{
    struct fy_inbox_item item = queue->ring[queue->first];

    queue->first = (queue->first + 1) % queue->n_room;
    queue->n--;
    queue->n_bytes -= fy_message_memory(item.msg);
    return item;
}

static bool has_reports(const struct fy_inbox_reports *reports)
{
    return reports->unreachable || reports->n_snapshot_finish > 0 || reports->n_snapshot_failure > 0;
}

size_t fy_inbox_take(struct fy_inbox_queue *queue, struct fy_inbox_item *items, size_t max,
                     struct fy_inbox_reports *ret_reports)
{
    struct fy_inbox *inbox = queue->inbox;
    size_t n = 0;

    *ret_reports = (struct fy_inbox_reports){.unreachable = false};
    pthread_mutex_lock(&inbox->mu);
    assert(queue->is_scheduled);
    if (queue->class == FY_INBOX_RECEIVE) {
        *ret_reports = inbox->reports;
        inbox->reports = (struct fy_inbox_reports){.unreachable = false};
    }
    while (n < max && queue->n > 0)
        items[n++] = take_first(queue);
    pthread_mutex_unlock(&inbox->mu);
    return n;
}

bool fy_inbox_is_scheduled(struct fy_inbox_queue *queue)
{
    bool is_scheduled;

    pthread_mutex_lock(&queue->inbox->mu);
    is_scheduled = queue->is_scheduled;
    pthread_mutex_unlock(&queue->inbox->mu);
    return is_scheduled;
}

bool fy_inbox_settle(struct fy_inbox_queue *queue)
{
    struct fy_inbox *inbox = queue->inbox;
    bool again;

    pthread_mutex_lock(&inbox->mu);
    assert(queue->is_scheduled);
    again = queue->is_scheduled = queue->n > 0 || (queue->class == FY_INBOX_RECEIVE && has_reports(&inbox->reports));
    pthread_mutex_unlock(&inbox->mu);
    return again;
}

size_t fy_inbox_close(struct fy_inbox *inbox)
{
    size_t n = 0;

    for (int i = 0; i < FY_N_INBOX_CLASSES; i++) {
        struct fy_inbox_queue *queue = &inbox->queues[i];

        for (;;) {
            struct fy_inbox_item item = {.msg = NULL};

            pthread_mutex_lock(&inbox->mu);
            inbox->is_closed = true;
            if (queue->n > 0)
                item = take_first(queue);
            pthread_mutex_unlock(&inbox->mu);
            if (!item.msg)
                break;
            if (item.done)
                item.done(item.done_arg, FERRY_ERR_CLOSED);
            ferry_message_unref(item.msg);
            n++;
        }
    }
    return n;
}

/* Under mu. */
static struct ferry_queue_status read_queue(const struct fy_inbox_queue *queue)
{
    return (struct ferry_queue_status){.messages = queue->n, .bytes = queue->n_bytes};
}

void fy_inbox_read(struct fy_inbox *inbox, struct ferry_queue_status *ret_received,
                   struct ferry_queue_status *ret_proposed)
{
    pthread_mutex_lock(&inbox->mu);
    *ret_received = read_queue(&inbox->queues[FY_INBOX_RECEIVE]);
    *ret_proposed = read_queue(&inbox->queues[FY_INBOX_PROPOSE]);
    pthread_mutex_unlock(&inbox->mu);
}
