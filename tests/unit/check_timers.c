/*
 * check_timers - the heap of deadlines.
 */
#include <stdlib.h>

#include "harness/rig.h"
#include "net/timers.h"

#define N 64

static struct fy_timers timers;
static struct fy_timer timer[N];
static size_t fired[4 * N];
static size_t n_fired;

static void on_timer(void *arg)
{
    fired[n_fired++] = (size_t)((struct fy_timer *)arg - timer);
}

static void setup(void)
{
    n_fired = 0;
    fy_timers_init(&timers);
    for (size_t i = 0; i < N; i++)
        fy_timer_init(&timer[i], &timers, on_timer, &timer[i]);
}

START_TEST(timers_fire_in_order_of_deadline_and_then_of_setting)
{
    for (size_t i = 0; i < N; i++)
        fy_timer_set(&timer[i], 1000 - (i / 2) * 10);
    ck_assert_uint_eq(fy_timers_next_ns(&timers), 1000 - (N / 2 - 1) * 10);
    ck_assert_uint_eq(fy_timers_run(&timers, 1000), N);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(fired[i], N - 2 - (i / 2) * 2 + i % 2);
    ck_assert_uint_eq(fy_timers_next_ns(&timers), FY_NEVER);
}
END_TEST

START_TEST(only_due_timers_fire)
{
    fy_timer_set(&timer[0], 10);
    fy_timer_set(&timer[1], 11);
    ck_assert_uint_eq(fy_timers_run(&timers, 10), 1);
    ck_assert(!fy_timer_is_set(&timer[0]));
    ck_assert(fy_timer_is_set(&timer[1]));
    fy_timer_unset(&timer[1]);
    ck_assert_uint_eq(fy_timers_run(&timers, 100), 0);
}
END_TEST

START_TEST(setting_and_unsetting_at_random_keeps_the_order)
{
    uint64_t deadline[N] = {0};

    srandom(7);
    for (int round = 0; round < 10000; round++) {
        size_t i = (size_t)random() % N;

        if (random() % 3 == 0) {
            fy_timer_unset(&timer[i]);
            deadline[i] = 0;
        } else {
            deadline[i] = 1 + (uint64_t)random() % 100;
            fy_timer_set(&timer[i], deadline[i]);
        }
        if (round % 100 == 99) {
            uint64_t last = 0;

            n_fired = 0;
            fy_timers_run(&timers, 50);
            for (size_t k = 0; k < n_fired; k++) {
                ck_assert_uint_ge(deadline[fired[k]], last);
                ck_assert_uint_ge(deadline[fired[k]], 1);
                last = deadline[fired[k]];
                deadline[fired[k]] = 0;
            }
            for (size_t k = 0; k < N; k++)
                ck_assert(deadline[k] == 0 || deadline[k] > 50);
        }
    }
}
END_TEST

START_TEST(one_due_timer_is_fired_at_a_time)
{
    fy_timer_set(&timer[0], 20);
    fy_timer_set(&timer[1], 10);
    ck_assert(!fy_timers_run_one(&timers, 9));
    ck_assert(fy_timers_run_one(&timers, 20));
    ck_assert_uint_eq(n_fired, 1);
    ck_assert_uint_eq(fired[0], 1);
    ck_assert(fy_timers_run_one(&timers, FY_NEVER));
    ck_assert(!fy_timers_run_one(&timers, FY_NEVER)); /* none is left */
    ck_assert_uint_eq(n_fired, 2);
}
END_TEST

int main(void)
{
    return rig_main("timers", setup, NULL, timers_fire_in_order_of_deadline_and_then_of_setting, only_due_timers_fire,
                    one_due_timer_is_fired_at_a_time, setting_and_unsetting_at_random_keeps_the_order, NULL);
}
