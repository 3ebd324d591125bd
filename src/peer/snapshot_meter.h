/*
 * snapshot_meter.h - progress and counts of a peer's snapshots in one direction.  Written by the loop, read by any
 * thread.
 */
#ifndef FY_PEER_SNAPSHOT_METER_H
#define FY_PEER_SNAPSHOT_METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "ferry/ferry.h"

struct fy_snapshot_meter {
    atomic_uint n_active;
    atomic_uint_fast64_t n_finished;
    atomic_uint_fast64_t n_failed;
    atomic_uint_fast64_t index; /* of the latest, as all below */
    atomic_uint_fast64_t since_ms;
    atomic_uint_fast64_t bytes;
    atomic_uint_fast64_t total_bytes;
    atomic_uint_fast64_t bytes_per_s;
    struct fy_histogram durations; /* of the finished, in etcd's buckets: from 0.1 s to 51.2 s */
    uint64_t began_ns;             /* the loop's: the latest */
    uint64_t window_ns;            /* the loop's: since when bytes_per_s is being measured */
    uint64_t window_bytes;         /* the loop's: bytes at that time */
};

void fy_snapshot_meter_init(struct fy_snapshot_meter *meter);
void fy_snapshot_meter_begin(struct fy_snapshot_meter *meter, uint64_t now_ns, uint64_t unix_ms, uint64_t index,
                             uint64_t total_bytes);
void fy_snapshot_meter_name(struct fy_snapshot_meter *meter, uint64_t index); /* when it becomes known only later */
void fy_snapshot_meter_move(struct fy_snapshot_meter *meter, uint64_t now_ns, uint64_t n_bytes);
void fy_snapshot_meter_end(struct fy_snapshot_meter *meter, uint64_t now_ns, bool is_finished);
void fy_snapshot_meter_refuse(struct fy_snapshot_meter *meter); /* a snapshot failed before it began */

/* The sums alone, as etcd's metrics have them. */
void fy_snapshot_meter_read_sums(const struct fy_snapshot_meter *meter, struct ferry_snapshot_status *ret_status);

/* All but n_waiting. */
void fy_snapshot_meter_read(const struct fy_snapshot_meter *meter, struct ferry_snapshot_progress *ret_progress);

#endif
