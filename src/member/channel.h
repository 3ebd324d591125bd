/*
 * channel.h - the bounded queue between the threads that send messages and the loop that writes them.
 *
 * Any thread puts a message; the loop takes all that are queued and, once they are written, gives their room back.  The
 * limits, in messages and in bytes, hold for queued messages and for those that were taken and are not yet written.
 */
#ifndef FY_MEMBER_CHANNEL_H
#define FY_MEMBER_CHANNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/item.h"
#include "base/list.h"

struct fy_channel {
    size_t max_messages; /* const after init */
    size_t max_bytes;    /* const after init */

    pthread_mutex_t mu;   /* leaf lock: no other lock and no foreign code under it */
    struct fy_list items; /* mu; struct fy_item.node, oldest first */
    size_t n;             /* mu; queued and taken messages */
    size_t n_bytes;       /* mu; their memory */
    bool is_open;         /* mu */
};

void fy_channel_init(struct fy_channel *ch, size_t max_messages, size_t max_bytes); /* closed */
void fy_channel_release(struct fy_channel *ch);                                     /* must be empty */

/*
 * Queue item, which is the channel's on FERRY_OK and stays the caller's on FERRY_ERR_CLOSED and _FULL.
 * *ret_was_empty: the queue was empty before, so the loop must be woken.  Any thread.
 */
int fy_channel_put(struct fy_channel *ch, struct fy_item *item, bool *ret_was_empty);

void fy_channel_open(struct fy_channel *ch);

/* Close, and append what is queued to list.  It counts until fy_channel_give_back. */
void fy_channel_close(struct fy_channel *ch, struct fy_list *list);

/* Append all that is queued to list, or take the oldest alone (NULL: there is none).  It counts until given back. */
void fy_channel_take_all(struct fy_channel *ch, struct fy_list *list);
struct fy_item *fy_channel_take_one(struct fy_channel *ch);

/* n messages of n_bytes that were taken have been written or dropped. */
void fy_channel_give_back(struct fy_channel *ch, size_t n, size_t n_bytes);

bool fy_channel_is_open(struct fy_channel *ch); /* may change as soon as it returns */

/* Is nothing queued?  Taken messages do not count here. */
bool fy_channel_is_empty(struct fy_channel *ch);

/* How much is queued and taken, and when the oldest queued message was queued (0: none is).  Any thread. */
void fy_channel_read(struct fy_channel *ch, size_t *ret_n, size_t *ret_n_bytes, uint64_t *ret_oldest_ns);

#endif
