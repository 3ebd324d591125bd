/*
 * counts.h - what became of a peer's messages.  Written by any thread, read by any thread.
 *
 * Messages are counted by class alone, and summed up when somebody asks: a message costs one addition, not two.
 * Each message given to send adds one to sent, and later one to written or to one of dropped.  The difference is what
 * is queued now.
 */
#ifndef FY_MEMBER_COUNTS_H
#define FY_MEMBER_COUNTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct fy_counts {
    /* written by the callers of send */
    _Alignas(64) atomic_uint_fast64_t sent[FERRY_N_CLASSES];
    atomic_uint_fast64_t dropped[FERRY_N_CLASSES][FERRY_N_DROP_REASONS]; /* and by the loop */

    /* written by the loop */
    _Alignas(64) atomic_uint_fast64_t written[FERRY_N_CLASSES];
    atomic_uint_fast64_t received[FERRY_N_CLASSES];
    atomic_uint_fast64_t sent_bytes;
    atomic_uint_fast64_t received_bytes;
    atomic_uint_fast64_t received_dropped;  /* and by workers */
    atomic_uint_fast64_t received_failures; /* and by workers */
    atomic_uint_fast64_t refused;
};

static inline void fy_count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* ferry_message_type_class, for each message that passes. */
static inline enum ferry_message_class fy_message_class(enum ferry_message_type type)
{
    switch (type) {
    case FERRY_MSG_APP:
    case FERRY_MSG_APP_RESP:
        return FERRY_CLASS_APPEND;
    case FERRY_MSG_PROP:
        return FERRY_CLASS_PROPOSAL;
    case FERRY_MSG_SNAP:
        return FERRY_CLASS_SNAPSHOT;
    default:
        return FERRY_CLASS_CONTROL;
    }
}

/* Add what counts hold to sum. */
void fy_counts_add_to(const struct fy_counts *counts, struct ferry_counts *sum);

/* Add one plain sum to another. */
void fy_counts_sum(struct ferry_counts *sum, const struct ferry_counts *more);

#endif
