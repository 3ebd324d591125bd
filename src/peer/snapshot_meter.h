/*
 * snapshot_meter.h - how the snapshots of a peer fare in one direction.  For what carries their bodies to call; any
 * thread, no lock.
 */
#ifndef FY_PEER_SNAPSHOT_METER_H
#define FY_PEER_SNAPSHOT_METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "ferry/ferry.h"

struct fy_snapshot_meter {
    atomic_uint_fast64_t n_good;
    atomic_uint_fast64_t n_failed;
    atomic_uint_fast64_t n_in_flight;
    struct fy_histogram durations; /* of the good ones, in etcd's buckets: from 0.1 s to 51.2 s */
};

void fy_snapshot_meter_init(struct fy_snapshot_meter *meter);

void fy_snapshot_meter_begin(struct fy_snapshot_meter *meter);                               /* one is under way */
void fy_snapshot_meter_end(struct fy_snapshot_meter *meter, bool is_good, uint64_t took_ns); /* after begin, once */
void fy_snapshot_meter_refuse(struct fy_snapshot_meter *meter);                              /* failed before begin */

void fy_snapshot_meter_read(const struct fy_snapshot_meter *meter, struct ferry_snapshot_status *ret_status);

#endif
