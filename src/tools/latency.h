/*
 * latency.h - a distribution of times in constant memory.
 *
 * A bucket is at most 1/256 of its time wide, so a percentile is too high by at most that much.  Zeroed memory is an
 * empty distribution.  One thread at a time.
 */
#ifndef TOOLS_LATENCY_H
#define TOOLS_LATENCY_H

#include <stdint.h>

#define LATENCY_BITS 8 /* bits below the leading one that select the bucket */
#define LATENCY_N_BUCKETS ((64 - LATENCY_BITS + 1) << LATENCY_BITS)

struct latency {
    uint64_t n;
    uint64_t max_ns;
    uint64_t buckets[LATENCY_N_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t ns);

/* The time that a share (0 to 1) of all times does not exceed, in nanoseconds; 0 if it is empty. */
uint64_t latency_percentile_ns(const struct latency *latency, double share);

#endif
