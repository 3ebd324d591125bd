/*
 * latency - a distribution of times in constant memory.
 *
 * Times below 2^LATENCY_BITS have a bucket each.  Above, every power of two is divided into 2^LATENCY_BITS buckets.
 */
#include "tools/latency.h"

#include <stddef.h>

#define N_LINEAR (1u << LATENCY_BITS)

static size_t bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < N_LINEAR)
        return (size_t)ns;
    shift = 63 - (unsigned)__builtin_clzll(ns) - LATENCY_BITS;
    return ((size_t)(shift + 1) << LATENCY_BITS) + (size_t)((ns >> shift) - N_LINEAR);
}

static uint64_t greatest_in(size_t bucket)
{
    unsigned shift;

    if (bucket < N_LINEAR)
        return bucket;
    shift = (unsigned)(bucket >> LATENCY_BITS) - 1;
    return ((bucket % N_LINEAR + N_LINEAR) << shift) + (((uint64_t)1 << shift) - 1);
}

void latency_add(struct latency *latency, uint64_t ns)
{
    latency->buckets[bucket_of(ns)]++;
    latency->n++;
    if (ns > latency->max_ns)
        latency->max_ns = ns;
}

uint64_t latency_percentile_ns(const struct latency *latency, double share)
{
    uint64_t rank = (uint64_t)(share * (double)latency->n);
    uint64_t seen = 0;

    for (size_t i = 0; i < LATENCY_N_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen > rank)
            return greatest_in(i) < latency->max_ns ? greatest_in(i) : latency->max_ns;
    }
    return latency->max_ns;
}
