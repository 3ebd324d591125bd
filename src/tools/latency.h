/*
 * latency.h - a distribution of times in constant memory.
 *
 * A time is counted in a bucket that is at most 1/256 of it wide, so a percentile is at most that much too high.
 * Zeroed storage is an empty distribution.  One thread at a time.
 */
#ifndef TOOLS_LATENCY_H
#define TOOLS_LATENCY_H

#include <stdint.h>

#define LATENCY_BITS 8 /* below the leading one, that a bucket tells apart */
#define LATENCY_N_BUCKETS ((64 - LATENCY_BITS + 1) << LATENCY_BITS)

struct latency {
    uint64_t n;
    uint64_t max_ns;
    uint64_t buckets[LATENCY_N_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t ns);

/* The time that a share (0 to 1) of all times does not exceed, in nanoseconds; 0 when there are none. */
uint64_t latency_percentile_ns(const struct latency *latency, double share);

#endif
