/*
 * check_errands - one hand-off from any thread to the loop.
 */
#include "net/errands.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/thread.h"
#include "ferry/ferry.h"
#include "harness/rig.h"
#include "net/net.h"

#define N_THREADS 4
#define N_EACH 2000

static struct fy_errands errands;
static atomic_uint n_wakes;

static void count_wake(struct fy_net *net)
{
    (void)net;
    atomic_fetch_add(&n_wakes, 1);
}

static const struct fy_net_ops ops = {.wake = count_wake};
static struct fy_net net = {.ops = &ops};

/* An errand that notes when it ran, and may post another. */
struct noted {
    struct fy_errand errand;
    unsigned ran_as; /* 1: first; 0: not yet */
    struct noted *then;
};

static unsigned n_run;

static void note(struct fy_errand *errand)
{
    struct noted *noted = fy_container(errand, struct noted, errand);

    noted->ran_as = ++n_run;
    if (noted->then)
        fy_errands_post(&errands, &noted->then->errand);
}

static struct noted new_noted(struct noted *then)
{
    return (struct noted){.errand.run = note, .then = then};
}

static void setup(void)
{
    n_run = 0;
    atomic_store(&n_wakes, 0);
    fy_errands_init(&errands);
    fy_errands_start(&errands, &net);
}

static void teardown(void)
{
    fy_errands_release(&errands);
}

START_TEST(errands_run_in_the_order_of_their_posts)
{
    struct noted a = new_noted(NULL), b = new_noted(NULL), c = new_noted(NULL);

    fy_errands_post(&errands, &b.errand);
    fy_errands_post(&errands, &a.errand);
    fy_errands_post(&errands, &c.errand);
    ck_assert_uint_eq(n_run, 0);
    fy_errands_run(&errands);
    ck_assert_uint_eq(b.ran_as, 1);
    ck_assert_uint_eq(a.ran_as, 2);
    ck_assert_uint_eq(c.ran_as, 3);
}
END_TEST

START_TEST(only_a_post_to_the_empty_list_wakes_the_loop)
{
    struct noted a = new_noted(NULL), b = new_noted(NULL);

    fy_errands_post(&errands, &a.errand);
    fy_errands_post(&errands, &b.errand);
    ck_assert_uint_eq(atomic_load(&n_wakes), 1);
    fy_errands_run(&errands);
    fy_errands_post(&errands, &a.errand);
    ck_assert_uint_eq(atomic_load(&n_wakes), 2);
    fy_errands_run(&errands);
}
END_TEST

START_TEST(what_an_errand_posts_runs_next_time)
{
    struct noted a = new_noted(NULL);

    a.then = &a; /* its own successor */
    fy_errands_post(&errands, &a.errand);
    fy_errands_run(&errands);
    ck_assert_uint_eq(n_run, 1);
    ck_assert_uint_eq(atomic_load(&n_wakes), 2);
    a.then = NULL;
    fy_errands_run(&errands);
    ck_assert_uint_eq(n_run, 2);
}
END_TEST

START_TEST(drain_also_runs_what_errands_post)
{
    struct noted c = new_noted(NULL), b = new_noted(&c), a = new_noted(&b);

    fy_errands_post(&errands, &a.errand);
    fy_errands_drain(&errands);
    ck_assert_uint_eq(c.ran_as, 3);
}
END_TEST

START_TEST(before_the_start_no_loop_is_woken)
{
    struct noted a = new_noted(NULL);

    errands.net = NULL;
    fy_errands_post(&errands, &a.errand);
    ck_assert_uint_eq(atomic_load(&n_wakes), 0);
    fy_errands_drain(&errands);
    ck_assert_uint_eq(a.ran_as, 1);
}
END_TEST

/* ---- From other threads ------------------------------------------------------------------------------------------ */

struct poster {
    pthread_t thread;
    struct noted noted[N_EACH];
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;

    for (size_t i = 0; i < N_EACH; i++)
        fy_errands_post(&errands, &poster->noted[i].errand);
    return NULL;
}

START_TEST(posts_of_many_threads_all_run_and_each_threads_in_order)
{
    static struct poster posters[N_THREADS];
    unsigned n_seen_wakes = 0;

    for (size_t i = 0; i < N_THREADS; i++) {
        for (size_t j = 0; j < N_EACH; j++)
            posters[i].noted[j] = new_noted(NULL);
        ck_assert_int_eq(fy_thread_start(&posters[i].thread, "poster", post_all, &posters[i]), FERRY_OK);
    }
    while (n_run < N_THREADS * N_EACH) { /* run only when woken, as the loop does: a lost wake-up hangs here */
        unsigned n = atomic_load(&n_wakes);

        if (n != n_seen_wakes)
            fy_errands_run(&errands);
        n_seen_wakes = n;
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        (void)pthread_join(posters[i].thread, NULL);
        for (size_t j = 1; j < N_EACH; j++)
            ck_assert_uint_lt(posters[i].noted[j - 1].ran_as, posters[i].noted[j].ran_as);
    }
}
END_TEST

int main(void)
{
    return rig_main("errands", setup, teardown, errands_run_in_the_order_of_their_posts,
                    only_a_post_to_the_empty_list_wakes_the_loop, what_an_errand_posts_runs_next_time,
                    drain_also_runs_what_errands_post, before_the_start_no_loop_is_woken,
                    posts_of_many_threads_all_run_and_each_threads_in_order, NULL);
}
