/*
 * counts.h - how many messages were given, written, dropped and received.  Any thread writes and reads them.
 *
 * Messages are counted by class alone, and summed up when the sums are asked for: a message costs one addition, not
 * two.  Each message that is given adds one to sent, and later one to written or to one of dropped.  The difference is
 * what is queued now.
 */
#ifndef FY_MEMBER_COUNTS_H
#define FY_MEMBER_COUNTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/item.h"
#include "ferry/ferry.h"

struct fy_counts {
    /* written by the threads that give messages */
    _Alignas(64) atomic_uint_fast64_t sent[FY_N_ITEM_CLASSES];
    atomic_uint_fast64_t dropped[FY_N_ITEM_CLASSES][FERRY_N_DROP_REASONS]; /* and by the loop */

    /* written by the loop */
    _Alignas(64) atomic_uint_fast64_t written[FY_N_ITEM_CLASSES];
    atomic_uint_fast64_t received[FY_N_ITEM_CLASSES];
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

/* Add what counts hold to sum. */
void fy_counts_add_to(const struct fy_counts *counts, struct ferry_counts *sum);

/* Add one plain sum to another. */
void fy_counts_sum(struct ferry_counts *sum, const struct ferry_counts *more);

#endif
