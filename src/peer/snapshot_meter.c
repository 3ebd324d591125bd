/*
 * snapshot_meter - a few counters, and a rate that is computed once a second.
 */
#include "peer/snapshot_meter.h"

#define NS_PER_MS UINT64_C(1000000)
#define WINDOW_MS 1000
#define FIRST_BUCKET_NS 100000000
#define N_BUCKETS 10
#define FIRST_WINDOW_MS 100 /* so that a new snapshot has a rate soon */

static void set(atomic_uint_fast64_t *number, uint64_t to)
{
    atomic_store_explicit(number, to, memory_order_relaxed);
}

static uint64_t get(const atomic_uint_fast64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

void fy_snapshot_meter_init(struct fy_snapshot_meter *meter)
{
    fy_histogram_init(&meter->durations, FIRST_BUCKET_NS, N_BUCKETS); /* the rest is zero */
}

void fy_snapshot_meter_begin(struct fy_snapshot_meter *meter, uint64_t now_ns, uint64_t unix_ms, uint64_t index,
                             uint64_t total_bytes)
{
    atomic_fetch_add(&meter->n_active, 1);
    set(&meter->index, index);
    set(&meter->since_ms, unix_ms);
    set(&meter->bytes, 0);
    set(&meter->total_bytes, total_bytes);
    set(&meter->bytes_per_s, 0);
    meter->began_ns = now_ns;
    meter->window_ns = now_ns;
    meter->window_bytes = 0;
}

void fy_snapshot_meter_name(struct fy_snapshot_meter *meter, uint64_t index)
{
    set(&meter->index, index);
}

void fy_snapshot_meter_move(struct fy_snapshot_meter *meter, uint64_t now_ns, uint64_t n_bytes)
{
    uint64_t bytes = get(&meter->bytes) + n_bytes;
    uint64_t elapsed_ms = (now_ns - meter->window_ns) / NS_PER_MS;

    set(&meter->bytes, bytes);
    if (elapsed_ms < (get(&meter->bytes_per_s) == 0 ? FIRST_WINDOW_MS : WINDOW_MS))
        return;
    set(&meter->bytes_per_s, (bytes - meter->window_bytes) * 1000 / elapsed_ms);
    meter->window_ns = now_ns;
    meter->window_bytes = bytes;
}

void fy_snapshot_meter_end(struct fy_snapshot_meter *meter, uint64_t now_ns, bool is_finished)
{
    atomic_uint_fast64_t *sum = is_finished ? &meter->n_finished : &meter->n_failed;

    atomic_fetch_sub(&meter->n_active, 1);
    atomic_fetch_add(sum, 1);
    if (is_finished)
        fy_histogram_add(&meter->durations, now_ns - meter->began_ns);
}

void fy_snapshot_meter_refuse(struct fy_snapshot_meter *meter)
{
    atomic_fetch_add(&meter->n_failed, 1);
}

void fy_snapshot_meter_read_sums(const struct fy_snapshot_meter *meter, struct ferry_snapshot_status *ret_status)
{
    *ret_status = (struct ferry_snapshot_status){.n_good = get(&meter->n_finished),
                                                 .n_failed = get(&meter->n_failed),
                                                 .n_in_flight = atomic_load(&meter->n_active)};
    fy_histogram_read(&meter->durations, &ret_status->durations);
}

void fy_snapshot_meter_read(const struct fy_snapshot_meter *meter, struct ferry_snapshot_progress *ret_progress)
{
    ret_progress->n_active = atomic_load(&meter->n_active);
    ret_progress->n_finished = get(&meter->n_finished);
    ret_progress->n_failed = get(&meter->n_failed);
    ret_progress->index = get(&meter->index);
    ret_progress->since_ms = get(&meter->since_ms);
    ret_progress->bytes = get(&meter->bytes);
    ret_progress->total_bytes = get(&meter->total_bytes);
    ret_progress->bytes_per_s = get(&meter->bytes_per_s);
}
