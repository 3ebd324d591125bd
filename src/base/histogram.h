/*
 * histogram.h - a distribution of durations, in buckets whose bounds double.  One thread adds, any thread reads, no
 * lock.
 */
#ifndef FY_BASE_HISTOGRAM_H
#define FY_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct fy_histogram {
    uint64_t first_ns;  /* const after init; upper bound of the first bucket */
    unsigned n_buckets; /* const after init; <= FERRY_HISTOGRAM_BUCKETS */
    atomic_uint_fast64_t counts[FERRY_HISTOGRAM_BUCKETS + 1];
    atomic_uint_fast64_t sum_ns;
};

/*
 * Bucket i counts durations up to first_ns * 2^i, bound included, that are above the bound of bucket i - 1.  One more
 * bucket counts the rest.
 */
void fy_histogram_init(struct fy_histogram *h, uint64_t first_ns, unsigned n_buckets);

void fy_histogram_add(struct fy_histogram *h, uint64_t ns); /* any thread */

/* Any thread. count is the sum of counts; sum_ns may be slightly older or newer. */
void fy_histogram_read(const struct fy_histogram *h, struct ferry_histogram *ret_histogram);

#endif
