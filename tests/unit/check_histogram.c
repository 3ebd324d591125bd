/*
 * check_histogram - buckets that double, and the snapshot meter that uses them.
 */
#include "base/histogram.h"
#include "harness/rig.h"
#include "peer/snapshot_meter.h"

START_TEST(a_bound_belongs_to_its_bucket_and_one_more_to_the_next)
{
    struct fy_histogram h;
    struct ferry_histogram got;

    fy_histogram_init(&h, 100, 4); /* 100 200 400 800 */
    fy_histogram_add(&h, 0);
    fy_histogram_add(&h, 100);
    fy_histogram_add(&h, 101);
    fy_histogram_add(&h, 200);
    fy_histogram_add(&h, 201);
    fy_histogram_add(&h, 800);
    fy_histogram_add(&h, 801);
    fy_histogram_add(&h, UINT64_C(1) << 60);
    fy_histogram_read(&h, &got);
    ck_assert_uint_eq(got.first_ns, 100);
    ck_assert_uint_eq(got.n_buckets, 4);
    ck_assert_uint_eq(got.counts[0], 2);
    ck_assert_uint_eq(got.counts[1], 2);
    ck_assert_uint_eq(got.counts[2], 1);
    ck_assert_uint_eq(got.counts[3], 1);
    ck_assert_uint_eq(got.counts[4], 2);
    ck_assert_uint_eq(got.count, 8);
    ck_assert_uint_eq(got.sum_ns, 0 + 100 + 101 + 200 + 201 + 800 + 801 + (UINT64_C(1) << 60));
}
END_TEST

START_TEST(all_sixteen_buckets_can_be_used)
{
    struct fy_histogram h;
    struct ferry_histogram got;

    fy_histogram_init(&h, 100000, FERRY_HISTOGRAM_BUCKETS);
    for (unsigned i = 0; i < FERRY_HISTOGRAM_BUCKETS; i++)
        fy_histogram_add(&h, UINT64_C(100000) << i);
    fy_histogram_add(&h, UINT64_MAX);
    fy_histogram_read(&h, &got);
    for (unsigned i = 0; i <= FERRY_HISTOGRAM_BUCKETS; i++)
        ck_assert_uint_eq(got.counts[i], 1);
    ck_assert_uint_eq(got.count, FERRY_HISTOGRAM_BUCKETS + 1);
}
END_TEST

START_TEST(a_meter_tells_good_snapshots_from_others)
{
    struct fy_snapshot_meter meter = {.window_ns = 0};
    struct ferry_snapshot_status got;

    fy_snapshot_meter_init(&meter);
    fy_snapshot_meter_begin(&meter, 1, 1, 7, 100);
    fy_snapshot_meter_begin(&meter, 1, 1, 8, 100);
    fy_snapshot_meter_begin(&meter, 1, 1, 9, 100);
    fy_snapshot_meter_end(&meter, 150000001, true);
    fy_snapshot_meter_end(&meter, 70000000001, false);
    fy_snapshot_meter_refuse(&meter);
    fy_snapshot_meter_read_sums(&meter, &got);
    ck_assert_uint_eq(got.n_good, 1);
    ck_assert_uint_eq(got.n_failed, 2);
    ck_assert_uint_eq(got.n_in_flight, 1);
    ck_assert_uint_eq(got.durations.count, 1);
    ck_assert_uint_eq(got.durations.counts[1], 1); /* up to 0.2 s */
    ck_assert_uint_eq(got.durations.first_ns << (got.durations.n_buckets - 1), UINT64_C(51200000000));
}
END_TEST

int main(void)
{
    return rig_main("histogram", NULL, NULL, a_bound_belongs_to_its_bucket_and_one_more_to_the_next,
                    all_sixteen_buckets_can_be_used, a_meter_tells_good_snapshots_from_others, NULL);
}
