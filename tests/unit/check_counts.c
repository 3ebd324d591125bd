/*
 * check_counts - the counters and the names of the reasons.
 */
#include <string.h>

#include "harness/rig.h"
#include "member/counts.h"

/* Every counter with a value of its own, from first on; those of class c have c thousands more. */
static void fill(struct fy_counts *counts, uint64_t first)
{
    memset(counts, 0, sizeof(*counts));
    fy_count(&counts->sent_bytes, first + 2);
    fy_count(&counts->received_bytes, first + 4);
    fy_count(&counts->received_dropped, first + 5);
    fy_count(&counts->refused, first + 6);
    fy_count(&counts->received_failures, first + 7);
    for (uint64_t c = 0; c < FERRY_N_CLASSES; c++) {
        fy_count(&counts->sent[c], first + 1000 * c);
        fy_count(&counts->written[c], first + 1 + 1000 * c);
        fy_count(&counts->received[c], first + 3 + 1000 * c);
        for (uint64_t i = 0; i < FERRY_N_DROP_REASONS; i++)
            fy_count(&counts->dropped[c][i], first + 8 + i + 1000 * c);
    }
}

/* The sum of n fills whose firsts add up to first. */
static void check(const struct ferry_counts *sum, uint64_t first, uint64_t n)
{
    const uint64_t n_classes = FERRY_N_CLASSES, thousands = n * 1000 * (0 + 1 + 2 + 3);

    ck_assert_uint_eq(n_classes, 4);
    ck_assert_uint_eq(sum->sent, 4 * first + thousands);
    ck_assert_uint_eq(sum->written, 4 * (first + n) + thousands);
    ck_assert_uint_eq(sum->sent_bytes, first + 2 * n);
    ck_assert_uint_eq(sum->received, 4 * (first + 3 * n) + thousands);
    ck_assert_uint_eq(sum->received_bytes, first + 4 * n);
    ck_assert_uint_eq(sum->received_dropped, first + 5 * n);
    ck_assert_uint_eq(sum->refused, first + 6 * n);
    ck_assert_uint_eq(sum->received_failures, first + 7 * n);
    for (uint64_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        ck_assert_uint_eq(sum->dropped[i], 4 * (first + (8 + i) * n) + thousands);
    for (uint64_t c = 0; c < n_classes; c++) {
        const struct ferry_class_counts *class = &sum->by_class[c];

        ck_assert_uint_eq(class->sent, first + n * 1000 * c);
        ck_assert_uint_eq(class->written, first + n + n * 1000 * c);
        ck_assert_uint_eq(class->received, first + 3 * n + n * 1000 * c);
        for (uint64_t i = 0; i < FERRY_N_DROP_REASONS; i++)
            ck_assert_uint_eq(class->dropped[i], first + (8 + i) * n + n * 1000 * c);
    }
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

START_TEST(every_type_has_its_class_and_every_class_a_name)
{
    static const enum ferry_message_class classes[] = {
        [FERRY_MSG_PROP] = FERRY_CLASS_PROPOSAL,         [FERRY_MSG_APP] = FERRY_CLASS_APPEND,
        [FERRY_MSG_APP_RESP] = FERRY_CLASS_APPEND,       [FERRY_MSG_SNAP] = FERRY_CLASS_SNAPSHOT,
        [FERRY_MSG_FORGET_LEADER] = FERRY_CLASS_CONTROL, /* as all that are not named */
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        ck_assert_int_eq(ferry_message_type_class((enum ferry_message_type)i), classes[i]);
    ck_assert_int_eq(ferry_message_type_class((enum ferry_message_type)99), FERRY_CLASS_CONTROL);
    ck_assert_str_eq(ferry_message_class_name(FERRY_CLASS_CONTROL), "control");
    ck_assert_str_eq(ferry_message_class_name(FERRY_CLASS_APPEND), "append");
    ck_assert_str_eq(ferry_message_class_name(FERRY_CLASS_PROPOSAL), "proposal");
    ck_assert_str_eq(ferry_message_class_name(FERRY_CLASS_SNAPSHOT), "snapshot");
    ck_assert_str_eq(ferry_message_class_name(FERRY_N_CLASSES), "unknown");
}
END_TEST

int main(void)
{
    return rig_main("counts", NULL, NULL, every_counter_is_read_out_and_added,
                    every_reason_has_a_name_and_nothing_else_has, every_type_has_its_class_and_every_class_a_name,
                    NULL);
}
