/*
 * histogram - counters for ranges of durations.
 */
#include "base/histogram.h"

#include <assert.h>

void fy_histogram_init(struct fy_histogram *h, uint64_t first_ns, unsigned n_buckets)
{
    assert(first_ns > 0 && n_buckets <= FERRY_HISTOGRAM_BUCKETS);
    h->first_ns = first_ns;
    h->n_buckets = n_buckets;
    for (unsigned i = 0; i <= FERRY_HISTOGRAM_BUCKETS; i++)
        atomic_init(&h->counts[i], 0);
    atomic_init(&h->sum_ns, 0);
}

void fy_histogram_add(struct fy_histogram *h, uint64_t ns)
{
    unsigned i = 0;

    while (i < h->n_buckets && ns > h->first_ns << i)
        i++;
    atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
}

void fy_histogram_read(const struct fy_histogram *h, struct ferry_histogram *ret_histogram)
{
    *ret_histogram = (struct ferry_histogram){.first_ns = h->first_ns, .n_buckets = h->n_buckets};
    for (unsigned i = 0; i <= h->n_buckets; i++) {
        ret_histogram->counts[i] = atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        ret_histogram->count += ret_histogram->counts[i];
    }
    ret_histogram->sum_ns = atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
}
