/*
 * snapshot_meter - three counters and a histogram.
 */
#include "peer/snapshot_meter.h"

#define FIRST_BUCKET_NS 100000000
#define N_BUCKETS 10

void fy_snapshot_meter_init(struct fy_snapshot_meter *meter)
{
    atomic_init(&meter->n_good, 0);
    atomic_init(&meter->n_failed, 0);
    atomic_init(&meter->n_in_flight, 0);
    fy_histogram_init(&meter->durations, FIRST_BUCKET_NS, N_BUCKETS);
}

void fy_snapshot_meter_begin(struct fy_snapshot_meter *meter)
{
    atomic_fetch_add(&meter->n_in_flight, 1);
}

void fy_snapshot_meter_end(struct fy_snapshot_meter *meter, bool is_good, uint64_t took_ns)
{
    atomic_fetch_sub(&meter->n_in_flight, 1);
    atomic_fetch_add(is_good ? &meter->n_good : &meter->n_failed, 1);
    if (is_good)
        fy_histogram_add(&meter->durations, took_ns);
}

void fy_snapshot_meter_refuse(struct fy_snapshot_meter *meter)
{
    atomic_fetch_add(&meter->n_failed, 1);
}

void fy_snapshot_meter_read(const struct fy_snapshot_meter *meter, struct ferry_snapshot_status *ret_status)
{
    *ret_status = (struct ferry_snapshot_status){.n_good = atomic_load(&meter->n_good),
                                                 .n_failed = atomic_load(&meter->n_failed),
                                                 .n_in_flight = atomic_load(&meter->n_in_flight)};
    fy_histogram_read(&meter->durations, &ret_status->durations);
}
