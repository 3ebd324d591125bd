/*
 * check_exposition - metrics in Prometheus' text format.
 */
#include "base/exposition.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"

static struct fy_text text;
static struct fy_exposition exposition;

static void setup(void)
{
    heap_setup();
    fy_text_init(&text);
    fy_exposition_init(&exposition, &text);
}

static void teardown(void)
{
    fy_text_release(&text);
    heap_teardown();
}

static void expect(const char *expected)
{
    ck_assert_int_eq(text.err, FERRY_OK);
    fy_text_add(&text, "", 1);
    ck_assert_str_eq(text.data, expected);
}

START_TEST(a_family_has_its_help_its_type_and_its_samples)
{
    fy_exposition_family(&exposition, "boats_total", "counter", "Boats seen.");
    fy_exposition_count(&exposition, NULL, 0, 0);
    fy_exposition_count(&exposition, (struct fy_label[]){{"kind", "ferry"}, {"side", "left"}}, 2, UINT64_MAX);
    expect("# HELP boats_total Boats seen.\n"
           "# TYPE boats_total counter\n"
           "boats_total 0\n"
           "boats_total{kind=\"ferry\",side=\"left\"} 18446744073709551615\n");
}
END_TEST

START_TEST(texts_are_escaped)
{
    fy_exposition_family(&exposition, "a", "gauge", "one\ntwo \\ \"three\"");
    fy_exposition_count(&exposition, &(struct fy_label){"of", "a\\b\"c\"\nd"}, 1, 1);
    expect("# HELP a one\\ntwo \\\\ \"three\"\n"
           "# TYPE a gauge\n"
           "a{of=\"a\\\\b\\\"c\\\"\\nd\"} 1\n");
}
END_TEST

START_TEST(durations_are_exact_seconds)
{
    static const int64_t values[] = {0, 1, 1500000000, -20000000, 1000000000, INT64_MIN};

    exposition.name = "t";
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        fy_exposition_seconds(&exposition, NULL, 0, values[i]);
    expect("t 0\nt 0.000000001\nt 1.5\nt -0.02\nt 1\nt -9223372036.854775808\n");
}
END_TEST

START_TEST(buckets_of_a_histogram_add_up)
{
    struct ferry_histogram histogram = {
        .n_buckets = 2, .first_ns = 500000, .counts = {3, 0, 4}, .sum_ns = 7000000001, .count = 7};

    exposition.name = "took";
    fy_exposition_histogram(&exposition, &(struct fy_label){"to", "x\"y"}, 1, &histogram);
    fy_exposition_histogram(&exposition, NULL, 0, &histogram);
    expect("took_bucket{to=\"x\\\"y\",le=\"0.0005\"} 3\n"
           "took_bucket{to=\"x\\\"y\",le=\"0.001\"} 3\n"
           "took_bucket{to=\"x\\\"y\",le=\"+Inf\"} 7\n"
           "took_sum{to=\"x\\\"y\"} 7.000000001\n"
           "took_count{to=\"x\\\"y\"} 7\n"
           "took_bucket{le=\"0.0005\"} 3\n"
           "took_bucket{le=\"0.001\"} 3\n"
           "took_bucket{le=\"+Inf\"} 7\n"
           "took_sum 7.000000001\n"
           "took_count 7\n");
}
END_TEST

START_TEST(memory_that_runs_out_is_remembered_by_the_text)
{
    for (long nth = 0; nth < 2; nth++) {
        heap_fail_at(nth);
        for (int i = 0; i < 200; i++) {
            fy_exposition_family(&exposition, "boats", "gauge", "Boats in sight.");
            fy_exposition_count(&exposition, &(struct fy_label){"kind", "ferry"}, 1, 1);
        }
        heap_fail_at(-1);
        ck_assert_int_eq(text.err, FERRY_ERR_NOMEM);
        fy_text_release(&text);
    }
}
END_TEST

int main(void)
{
    return rig_main("exposition", setup, teardown, a_family_has_its_help_its_type_and_its_samples, texts_are_escaped,
                    durations_are_exact_seconds, buckets_of_a_histogram_add_up,
                    memory_that_runs_out_is_remembered_by_the_text, NULL);
}
