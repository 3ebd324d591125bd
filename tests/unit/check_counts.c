/*
 * check_counts - the counters and the names of the reasons.
 */
#include <string.h>

#include "harness/rig.h"
#include "peer/counts.h"

/* Every counter with a value of its own, from first on. */
static void fill(struct fy_counts *counts, uint64_t first)
{
    memset(counts, 0, sizeof(*counts));
    fy_count(&counts->sent, first);
    fy_count(&counts->written, first + 1);
    fy_count(&counts->sent_bytes, first + 2);
    fy_count(&counts->received, first + 3);
    fy_count(&counts->received_bytes, first + 4);
    fy_count(&counts->received_dropped, first + 5);
    fy_count(&counts->refused, first + 6);
    for (uint64_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        fy_count(&counts->dropped[i], first + 7 + i);
}

static void check(const struct ferry_counts *sum, uint64_t first, uint64_t step)
{
    ck_assert_uint_eq(sum->sent, first);
    ck_assert_uint_eq(sum->written, first + step);
    ck_assert_uint_eq(sum->sent_bytes, first + 2 * step);
    ck_assert_uint_eq(sum->received, first + 3 * step);
    ck_assert_uint_eq(sum->received_bytes, first + 4 * step);
    ck_assert_uint_eq(sum->received_dropped, first + 5 * step);
    ck_assert_uint_eq(sum->refused, first + 6 * step);
    for (uint64_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        ck_assert_uint_eq(sum->dropped[i], first + (7 + i) * step);
}

START_TEST(every_counter_is_read_out_and_added)
{
    struct fy_counts counts;
    struct ferry_counts sum = {0}, more = {0};

    fill(&counts, 100);
    fy_counts_add_to(&counts, &sum);
    check(&sum, 100, 1);
    fill(&counts, 1000);
    fy_counts_add_to(&counts, &sum);
    check(&sum, 1100, 2);
    fill(&counts, 5);
    fy_counts_add_to(&counts, &more);
    fy_counts_sum(&sum, &more);
    check(&sum, 1105, 3);
}
END_TEST

START_TEST(every_reason_has_a_name_and_nothing_else_has)
{
    for (int i = 0; i < FERRY_N_DROP_REASONS; i++) {
        const char *name = ferry_drop_reason_name((enum ferry_drop_reason)i);

        ck_assert_str_ne(name, "unknown");
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(name, ferry_drop_reason_name((enum ferry_drop_reason)j));
    }
    ck_assert_str_eq(ferry_drop_reason_name(FERRY_DROP_QUEUE_FULL), "queue_full");
    ck_assert_str_eq(ferry_drop_reason_name(FERRY_DROP_UNKNOWN_PEER), "unknown_peer");
    ck_assert_str_eq(ferry_drop_reason_name(FERRY_N_DROP_REASONS), "unknown");
    ck_assert_str_eq(ferry_drop_reason_name((enum ferry_drop_reason) - 1), "unknown");
}
END_TEST

int main(void)
{
    return rig_main("counts", NULL, NULL, every_counter_is_read_out_and_added,
                    every_reason_has_a_name_and_nothing_else_has, NULL);
}
