/*
 * channel - a list under a leaf lock, bounded in messages and in bytes.
 *
 * Normal path: put appends; the loop takes the whole list in one go and gives the room back in one go per batch.
 * When full, put fails at once: Raft resends, and memory is finite.
 */
#include "member/channel.h"

#include <assert.h>

#include "ferry/ferry.h"

void fy_channel_init(struct fy_channel *ch, size_t max_messages, size_t max_bytes)
{
    ch->max_messages = max_messages;
    ch->max_bytes = max_bytes;
    (void)pthread_mutex_init(&ch->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_list_init(&ch->items);
    ch->n = ch->n_bytes = 0;
    ch->is_open = false;
}

void fy_channel_release(struct fy_channel *ch)
{
    assert(fy_list_is_empty(&ch->items));
    assert(ch->n == 0 && ch->n_bytes == 0);
    pthread_mutex_destroy(&ch->mu);
}

/* A message larger than max_bytes may pass alone: its service limits the size of one message.  Under mu. */
static bool has_room(const struct fy_channel *ch, size_t memory)
{
    if (ch->n >= ch->max_messages)
        return false;
    return ch->n == 0 || (ch->n_bytes <= ch->max_bytes && memory <= ch->max_bytes - ch->n_bytes);
}

int fy_channel_put(struct fy_channel *ch, struct fy_item *item, bool *ret_was_empty)
{
    int err = FERRY_OK;

    pthread_mutex_lock(&ch->mu);
    if (!ch->is_open) {
        err = FERRY_ERR_CLOSED;
    } else if (!has_room(ch, item->memory)) {
        err = FERRY_ERR_FULL;
    } else {
        *ret_was_empty = fy_list_is_empty(&ch->items);
        fy_list_append(&ch->items, &item->node);
        ch->n++;
        ch->n_bytes += item->memory;
    }
    pthread_mutex_unlock(&ch->mu);
    return err;
}

void fy_channel_open(struct fy_channel *ch)
{
    pthread_mutex_lock(&ch->mu);
    ch->is_open = true;
    pthread_mutex_unlock(&ch->mu);
}

void fy_channel_close(struct fy_channel *ch, struct fy_list *list)
{
    pthread_mutex_lock(&ch->mu);
    ch->is_open = false;
    fy_list_splice(list, &ch->items);
    pthread_mutex_unlock(&ch->mu);
}

void fy_channel_take_all(struct fy_channel *ch, struct fy_list *list)
{
    pthread_mutex_lock(&ch->mu);
    fy_list_splice(list, &ch->items);
    pthread_mutex_unlock(&ch->mu);
}

struct fy_item *fy_channel_take_one(struct fy_channel *ch)
{
    struct fy_node *node;

    pthread_mutex_lock(&ch->mu);
    node = fy_list_take_first(&ch->items);
    pthread_mutex_unlock(&ch->mu);
    return node ? fy_container(node, struct fy_item, node) : NULL;
}

void fy_channel_give_back(struct fy_channel *ch, size_t n, size_t n_bytes)
{
    pthread_mutex_lock(&ch->mu);
    assert(ch->n >= n && ch->n_bytes >= n_bytes);
    ch->n -= n;
    ch->n_bytes -= n_bytes;
    pthread_mutex_unlock(&ch->mu);
}

bool fy_channel_is_open(struct fy_channel *ch)
{
    bool is_open;

    pthread_mutex_lock(&ch->mu);
    is_open = ch->is_open;
    pthread_mutex_unlock(&ch->mu);
    return is_open;
}

bool fy_channel_is_empty(struct fy_channel *ch)
{
    bool is_empty;

    pthread_mutex_lock(&ch->mu);
    is_empty = fy_list_is_empty(&ch->items);
    pthread_mutex_unlock(&ch->mu);
    return is_empty;
}

void fy_channel_read(struct fy_channel *ch, size_t *ret_n, size_t *ret_n_bytes, uint64_t *ret_oldest_ns)
{
    struct fy_node *node;

    pthread_mutex_lock(&ch->mu);
    *ret_n = ch->n;
    *ret_n_bytes = ch->n_bytes;
    node = fy_list_first(&ch->items);
    *ret_oldest_ns = node ? fy_container(node, struct fy_item, node)->queued_ns : 0;
    pthread_mutex_unlock(&ch->mu);
}
