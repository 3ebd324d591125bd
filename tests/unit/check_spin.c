/*
 * check_spin - a thread spins when its waits are short, and stops when that catches nothing.
 */
#include "base/spin.h"

#include "harness/heap.h"
#include "harness/rig.h"

#define MAX_NS 50000u
#define SHORT_NS 20000u
#define LONG_NS 10000000u

static struct fy_spin s;

static void setup(void)
{
    heap_setup();
    fy_spin_init(&s, MAX_NS);
}

static void teardown(void)
{
    heap_teardown();
}

START_TEST(it_sleeps_at_first)
{
    ck_assert_uint_eq(s.budget_ns, 0);
}
END_TEST

START_TEST(short_sleeps_make_it_spin_up_to_the_limit)
{
    for (uint64_t before = 0; s.budget_ns < MAX_NS; before = s.budget_ns) {
        fy_spin_slept(&s, SHORT_NS);
        ck_assert_uint_gt(s.budget_ns, before);
    }
    ck_assert_uint_eq(s.budget_ns, MAX_NS);
    fy_spin_caught(&s);
    ck_assert_uint_eq(s.budget_ns, MAX_NS);
}
END_TEST

START_TEST(a_sleep_after_spinning_for_as_long_as_it_may_ends_it)
{
    while (s.budget_ns < MAX_NS)
        fy_spin_slept(&s, SHORT_NS);
    fy_spin_slept(&s, MAX_NS + SHORT_NS);
    ck_assert_uint_eq(s.budget_ns, 0);
}
END_TEST

START_TEST(long_sleeps_never_make_it_spin)
{
    for (int i = 0; i < 10; i++)
        fy_spin_slept(&s, LONG_NS);
    ck_assert_uint_eq(s.budget_ns, 0);
}
END_TEST

/* Sleeps until it spins again, all of them short. */
static unsigned sleeps_until_it_spins(void)
{
    unsigned n = 0;

    while (s.budget_ns == 0) {
        fy_spin_slept(&s, SHORT_NS);
        n++;
        ck_assert_uint_lt(n, 1000);
    }
    return n;
}

START_TEST(each_vain_spin_in_a_row_costs_more_sleeps_than_the_last)
{
    unsigned before = sleeps_until_it_spins();

    for (int i = 0; i < 5; i++) {
        unsigned n;

        while (s.budget_ns > 0)
            fy_spin_slept(&s, LONG_NS);
        n = sleeps_until_it_spins();
        ck_assert_uint_gt(n, before);
        before = n;
    }
}
END_TEST

START_TEST(a_catch_makes_good_for_the_vain_ones)
{
    unsigned first;

    (void)sleeps_until_it_spins();
    fy_spin_slept(&s, LONG_NS);
    first = sleeps_until_it_spins();
    fy_spin_slept(&s, LONG_NS);
    (void)sleeps_until_it_spins();
    fy_spin_caught(&s);
    fy_spin_slept(&s, LONG_NS);
    ck_assert_uint_eq(sleeps_until_it_spins(), first);
}
END_TEST

START_TEST(no_limit_means_no_spinning)
{
    fy_spin_init(&s, 0);
    for (int i = 0; i < 10; i++)
        fy_spin_slept(&s, 0);
    ck_assert_uint_eq(s.budget_ns, 0);
}
END_TEST

int main(void)
{
    return rig_main("spin", setup, teardown, it_sleeps_at_first, short_sleeps_make_it_spin_up_to_the_limit,
                    a_sleep_after_spinning_for_as_long_as_it_may_ends_it, long_sleeps_never_make_it_spin,
                    each_vain_spin_in_a_row_costs_more_sleeps_than_the_last, a_catch_makes_good_for_the_vain_ones,
                    no_limit_means_no_spinning, NULL);
}
