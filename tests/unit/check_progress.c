/*
 * check_progress - a count that threads raise and one thread waits for.
 */
#include <poll.h>
#include <pthread.h>

#include "harness/rig.h"
#include "tools/progress.h"

#define N_ROUNDS 20000

static struct progress progress;
static struct progress answers;

static void setup(void)
{
    ck_assert_int_eq(progress_init(&progress), 0);
    ck_assert_int_eq(progress_init(&answers), 0);
}

static void teardown(void)
{
    progress_release(&progress);
    progress_release(&answers);
}

static bool is_woken(void)
{
    struct pollfd wake = {.fd = progress.wake_fd, .events = POLLIN};

    return poll(&wake, 1, 0) == 1;
}

/* A lost wake-up leaves the waiter here for ever: the rig's time limit tells. */
static void wait_for(struct progress *what, uint64_t wanted)
{
    while (progress_fall_asleep(what, wanted)) {
        struct pollfd wake = {.fd = what->wake_fd, .events = POLLIN};

        (void)poll(&wake, 1, -1);
        progress_wake_up(what);
    }
}

START_TEST(only_the_wanted_count_wakes)
{
    ck_assert(progress_fall_asleep(&progress, 2));
    progress_raise(&progress);
    ck_assert(!is_woken());
    progress_raise(&progress);
    ck_assert(is_woken());
    progress_wake_up(&progress);
    ck_assert(!is_woken());
    ck_assert_uint_eq(progress_count(&progress), 2);
}
END_TEST

START_TEST(a_waiter_that_does_not_sleep_is_not_woken)
{
    progress_raise(&progress);
    ck_assert(!is_woken());
    ck_assert(!progress_fall_asleep(&progress, 1));
    progress_raise(&progress);
    ck_assert(!is_woken());
}
END_TEST

static void *answer(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; i <= N_ROUNDS; i++) {
        wait_for(&progress, i);
        progress_raise(&answers);
    }
    return NULL;
}

START_TEST(no_wake_up_is_lost_between_two_threads)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, answer, NULL), 0);
    for (uint64_t i = 1; i <= N_ROUNDS; i++) {
        progress_raise(&progress);
        wait_for(&answers, i);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(progress_count(&answers), N_ROUNDS);
}
END_TEST

int main(void)
{
    return rig_main("progress", setup, teardown, only_the_wanted_count_wakes, a_waiter_that_does_not_sleep_is_not_woken,
                    no_wake_up_is_lost_between_two_threads, NULL);
}
