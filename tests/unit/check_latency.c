/*
 * check_latency - the distribution of times that ferry-bench keeps.
 */
#include <string.h>

#include "harness/rig.h"
#include "tools/latency.h"

static struct latency latency;

static void setup(void)
{
    memset(&latency, 0, sizeof(latency));
}

START_TEST(an_empty_distribution_has_percentiles_of_zero)
{
    ck_assert_uint_eq(latency_percentile_ns(&latency, 0.5), 0);
    ck_assert_uint_eq(latency_percentile_ns(&latency, 1), 0);
}
END_TEST

START_TEST(small_times_are_kept_exactly)
{
    for (uint64_t ns = 0; ns < 200; ns++)
        latency_add(&latency, ns);
    ck_assert_uint_eq(latency.n, 200);
    ck_assert_uint_eq(latency_percentile_ns(&latency, 0), 0);
    ck_assert_uint_eq(latency_percentile_ns(&latency, 0.5), 100);
    ck_assert_uint_eq(latency_percentile_ns(&latency, 0.99), 198);
    ck_assert_uint_eq(latency_percentile_ns(&latency, 1), 199);
}
END_TEST

START_TEST(a_time_is_at_most_a_256th_too_high)
{
    for (uint64_t ns = 1; ns < UINT64_MAX / 7; ns = ns * 7 / 5 + 1) {
        uint64_t p50;

        setup();
        latency_add(&latency, ns);
        latency_add(&latency, ns);
        latency_add(&latency, UINT64_MAX); /* so that the maximum does not correct it */
        p50 = latency_percentile_ns(&latency, 0.5);
        ck_assert_uint_ge(p50, ns);
        ck_assert_uint_le(p50 - ns, ns / 256);
    }
}
END_TEST

START_TEST(no_percentile_exceeds_the_greatest_time)
{
    latency_add(&latency, 1000001);
    ck_assert_uint_eq(latency_percentile_ns(&latency, 0.5), 1000001);
    latency_add(&latency, UINT64_MAX);
    ck_assert_uint_eq(latency_percentile_ns(&latency, 0.999), UINT64_MAX);
}
END_TEST

int main(void)
{
    return rig_main("latency", setup, NULL, an_empty_distribution_has_percentiles_of_zero, small_times_are_kept_exactly,
                    a_time_is_at_most_a_256th_too_high, no_percentile_exceeds_the_greatest_time, NULL);
}
