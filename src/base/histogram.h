/*
 * histogram.h - how long things took, in buckets that double.  One adds, any thread reads, nobody locks.
 */
#ifndef FY_BASE_HISTOGRAM_H
#define FY_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct fy_histogram {
    uint64_t first_ns;  /* const after init; the first bucket's bound */
    unsigned n_buckets; /* const after init; <= FERRY_HISTOGRAM_BUCKETS */
    atomic_uint_fast64_t counts[FERRY_HISTOGRAM_BUCKETS + 1];
    atomic_uint_fast64_t sum_ns;
};

/* Bucket i takes durations up to and with first_ns * 2^i that no earlier bucket takes; one more takes the rest. */
void fy_histogram_init(struct fy_histogram *h, uint64_t first_ns, unsigned n_buckets);

void fy_histogram_add(struct fy_histogram *h, uint64_t ns); /* any thread */

/* Any thread.  count is the sum of counts; sum_ns may be of a moment earlier or later. */
void fy_histogram_read(const struct fy_histogram *h, struct ferry_histogram *ret_histogram);

#endif
