/*
 * check_term_runs - the terms of a log, held against a log that is an array.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/libraft/term_runs.h"
#include "harness/heap.h"
#include "harness/rig.h"

static struct fy_term_runs runs;

static void setup(void)
{
    heap_setup();
    memset(&runs, 0, sizeof(runs));
}

static void teardown(void)
{
    fy_term_runs_release(&runs);
    heap_teardown();
}

static void put(uint64_t first, uint64_t last, uint64_t term)
{
    for (uint64_t i = first; i <= last; i++)
        fy_term_runs_put(&runs, i, term);
}

START_TEST(an_empty_log_knows_no_term)
{
    ck_assert_uint_eq(fy_term_runs_at(&runs, 0), 0);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 1), 0);
    fy_term_runs_truncate(&runs, 1);
    fy_term_runs_forget_before(&runs, 5);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 1), 0);
}
END_TEST

START_TEST(a_run_ends_where_the_next_begins)
{
    put(1, 3, 2);
    put(4, 4, 3);
    put(5, 6, 7);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 0), 0);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 1), 2);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 3), 2);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 4), 3);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 5), 7);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 6), 7);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 7), 0);
    ck_assert_uint_eq(fy_term_runs_at(&runs, UINT64_MAX), 0);
}
END_TEST

START_TEST(a_gap_hides_what_is_before_it)
{
    put(1, 3, 2);
    fy_term_runs_put(&runs, 5, 2);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 3), 0);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 4), 0);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 5), 2);
}
END_TEST

START_TEST(a_snapshot_replaces_the_log)
{
    put(1, 9, 2);
    fy_term_runs_reset(&runs, 40, 6);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 9), 0);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 39), 0);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 40), 6);
    fy_term_runs_put(&runs, 41, 6);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 41), 6);
    fy_term_runs_reset(&runs, 0, 0);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 41), 0);
}
END_TEST

START_TEST(it_agrees_with_an_array)
{
    enum { SIZE = 64, STEPS = 20000 };
    uint64_t log[SIZE + 1] = {0};
    uint64_t last = 0, term = 1;

    srand(7);
    for (int step = 0; step < STEPS; step++) {
        uint64_t index = 1 + (uint64_t)rand() % SIZE;

        switch (rand() % 8) {
        case 0:
            fy_term_runs_truncate(&runs, index);
            for (uint64_t i = index; i <= SIZE; i++)
                log[i] = 0;
            last = index <= last ? index - 1 : last;
            break;
        case 1:
            fy_term_runs_forget_before(&runs, index);
            for (uint64_t i = 1; i < index; i++)
                log[i] = 0;
            break;
        default:
            term += (uint64_t)rand() % 4 == 0;
            if (last < SIZE) {
                fy_term_runs_put(&runs, ++last, term);
                if (last > 1 && log[last - 1] == 0)
                    memset(log, 0, sizeof(log));
                log[last] = term;
            }
        }
        for (uint64_t i = 1; i <= SIZE; i++)
            ck_assert_uint_eq(fy_term_runs_at(&runs, i), log[i]);
    }
}
END_TEST

START_TEST(without_memory_nothing_wrong_is_known)
{
    put(1, 3, 2);
    heap_fail_at(0);
    for (uint64_t i = 4; i < 20; i++) /* a term each: the array must grow */
        fy_term_runs_put(&runs, i, i);
    heap_fail_at(-1);
    for (uint64_t i = 1; i < 20; i++)
        ck_assert(fy_term_runs_at(&runs, i) == 0 || fy_term_runs_at(&runs, i) == (i < 4 ? 2 : i));
    ck_assert_uint_eq(fy_term_runs_at(&runs, 1), 0);
    fy_term_runs_put(&runs, 20, 20);
    ck_assert_uint_eq(fy_term_runs_at(&runs, 20), 20);
}
END_TEST

int main(void)
{
    return rig_main("term_runs", setup, teardown, an_empty_log_knows_no_term, a_run_ends_where_the_next_begins,
                    a_gap_hides_what_is_before_it, a_snapshot_replaces_the_log, it_agrees_with_an_array,
                    without_memory_nothing_wrong_is_known, NULL);
}
