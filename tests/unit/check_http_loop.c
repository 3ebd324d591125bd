/*
 * check_http_loop - the loop itself: waking, timers, sleeping, spinning, and a host that polls.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "harness/heap.h"
#include "harness/http_rig.h"
#include "harness/rig.h"

static atomic_int n_sent; /* by wakers, before each wake */
static int n_seen;        /* of them, at the last on_wake */
static int n_wakes;

static void on_wake(void *arg)
{
    (void)arg;
    n_seen = atomic_load(&n_sent);
    n_wakes++;
}

static void setup(void)
{
    http_setup();
    fy_net_set_on_wake(http_net, on_wake, NULL);
}

static void setup_spinning(unsigned busy_poll_us)
{
    struct fy_http_config cfg = *http_default_config();

    fy_http_free(http_net);
    cfg.busy_poll_us = busy_poll_us;
    ck_assert_int_eq(fy_http_new(&cfg, &http_net), FERRY_OK);
    fy_net_set_on_wake(http_net, on_wake, NULL);
}

/* ---- Waking ---- */

#define N_WAKES 100000

static void *wake_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < N_WAKES; i++) {
        atomic_fetch_add(&n_sent, 1);
        fy_net_wake(http_net);
    }
    return NULL;
}

/* Sleeps without a limit: a wake that is lost leaves the test hanging, and the last one has to show everything. */
static void take_wakes_of_a_thread(void)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, wake_often, NULL), 0);
    while (n_seen < N_WAKES)
        fy_http_run_once(http_net, -1);
    pthread_join(thread, NULL);
    ck_assert_int_le(n_wakes, N_WAKES);
}

START_TEST(no_wake_of_another_thread_is_lost)
{
    take_wakes_of_a_thread();
}
END_TEST

START_TEST(no_wake_is_lost_while_the_loop_spins)
{
    setup_spinning(50);
    take_wakes_of_a_thread();
}
END_TEST

static atomic_int n_taken;

static void on_wake_taken(void *arg)
{
    (void)arg;
    atomic_store(&n_taken, atomic_load(&n_sent));
}

/* Waits for each wake to be taken, so that the loop goes to sleep again and again. */
static void *wake_one_by_one(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 5000; i++) {
        atomic_store(&n_sent, i);
        fy_net_wake(http_net);
        while (atomic_load(&n_taken) < i)
            sched_yield();
    }
    return NULL;
}

START_TEST(a_sleeping_loop_is_woken_each_time)
{
    pthread_t thread;

    fy_net_set_on_wake(http_net, on_wake_taken, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, wake_one_by_one, NULL), 0);
    while (atomic_load(&n_taken) < 5000)
        fy_http_run_once(http_net, -1);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(many_wakes_before_a_turn_are_one)
{
    for (int i = 0; i < 10; i++)
        fy_net_wake(http_net);
    fy_http_run_once(http_net, 0);
    fy_http_run_once(http_net, 0);
    ck_assert_int_eq(n_wakes, 1);
}
END_TEST

static void wake_again_thrice(void *arg)
{
    on_wake(arg);
    if (n_wakes < 3)
        fy_net_wake(http_net);
}

START_TEST(a_wake_from_inside_on_wake_is_taken_in_the_same_turn)
{
    fy_net_set_on_wake(http_net, wake_again_thrice, NULL);
    fy_net_wake(http_net);
    fy_http_run_once(http_net, -1);
    ck_assert_int_eq(n_wakes, 3);
}
END_TEST

/* ---- Time ---- */

static void note_time(void *arg)
{
    *(uint64_t *)arg = fy_net_now_ns(http_net);
}

/* Always has more to do, and takes its time. */
static void work_on_and_on(void *arg)
{
    unsigned *n = arg;
    uint64_t until_ns = http_clock_ns() + 100000;

    ++*n;
    fy_net_wake(http_net);
    while (http_clock_ns() < until_ns)
        ;
}

START_TEST(a_turn_that_took_long_ends_though_there_is_more_to_do)
{
    unsigned n = 0;

    fy_net_set_on_wake(http_net, work_on_and_on, &n);
    fy_net_wake(http_net);
    fy_http_run_once(http_net, 1000);
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, 4);
    fy_http_run_once(http_net, 1000); /* and the next one goes on at once */
    ck_assert_uint_ge(n, 2);
    fy_net_set_on_wake(http_net, NULL, NULL);
}
END_TEST

START_TEST(a_timer_ends_the_sleep_and_is_never_early)
{
    struct fy_timer timer;
    uint64_t deadline_ns = http_clock_ns() + 20000000;
    uint64_t fired_ns = 0;

    fy_timer_init(&timer, fy_net_timers(http_net), note_time, &fired_ns);
    fy_timer_set(&timer, deadline_ns);
    while (!fired_ns)
        fy_http_run_once(http_net, -1);
    ck_assert_uint_ge(fired_ns, deadline_ns);
    ck_assert_uint_lt(fired_ns, deadline_ns + UINT64_C(20000000000)); /* nothing else would ever end it */
    fy_timer_unset(&timer);
}
END_TEST

START_TEST(a_turn_waits_no_longer_than_it_was_told)
{
    uint64_t begin_ns = http_clock_ns();

    fy_http_run_once(http_net, 0);
    fy_http_run_once(http_net, 10);
    ck_assert_uint_ge(http_clock_ns() - begin_ns, 9000000);
    ck_assert_uint_lt(http_clock_ns() - begin_ns, UINT64_C(20000000000));
}
END_TEST

START_TEST(clocks_go_and_chance_varies)
{
    uint64_t now_ns = fy_net_now_ns(http_net);
    uint64_t first = fy_net_random(http_net);

    fy_http_run_once(http_net, 2);
    ck_assert_uint_gt(fy_net_now_ns(http_net), now_ns);
    ck_assert_uint_gt(fy_net_unix_ms(http_net), UINT64_C(1600000000000));
    ck_assert_uint_ne(fy_net_random(http_net), first);
}
END_TEST

static uint64_t cpu_us(void)
{
    struct rusage usage;

    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void never_asked(void *arg, struct fy_request *req)
{
    (void)arg;
    (void)req;
    ck_abort();
}

START_TEST(an_idle_loop_uses_no_processor_though_it_may_spin)
{
    struct fy_listener *listener;
    uint64_t begin_us;

    setup_spinning(1000);
    listener = http_listen(never_asked, NULL);
    fy_http_run_once(http_net, 1);
    begin_us = cpu_us();
    fy_http_run_once(http_net, 300);
    ck_assert_uint_lt(cpu_us() - begin_us, 5000);
    fy_listener_close(listener);
}
END_TEST

/* ---- Who turns it ---- */

static void *run(void *arg)
{
    (void)arg;
    fy_http_run(http_net);
    return NULL;
}

START_TEST(a_running_loop_is_stopped_from_another_thread)
{
    pthread_t thread;

    fy_net_set_on_wake(http_net, on_wake_taken, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
    atomic_store(&n_sent, 1);
    fy_net_wake(http_net);
    while (atomic_load(&n_taken) < 1)
        sched_yield();
    fy_http_stop(http_net);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_stop_before_the_run_is_not_lost)
{
    fy_http_stop(http_net);
    fy_http_run(http_net);
}
END_TEST

static bool is_readable(int timeout_ms)
{
    struct pollfd pollfd = {.fd = fy_http_fd(http_net), .events = POLLIN};

    return poll(&pollfd, 1, timeout_ms) == 1;
}

static void *wake_once(void *arg)
{
    (void)arg;
    fy_net_wake(http_net);
    return NULL;
}

START_TEST(a_wake_makes_the_descriptor_readable_for_a_host)
{
    pthread_t thread;

    fy_http_run_once(http_net, 0);
    ck_assert(!is_readable(0));
    ck_assert_int_eq(fy_http_timeout_ms(http_net), -1);
    ck_assert_int_eq(pthread_create(&thread, NULL, wake_once, NULL), 0);
    ck_assert(is_readable(10000));
    ck_assert_int_eq(fy_http_timeout_ms(http_net), 0);
    pthread_join(thread, NULL);
    fy_http_run_once(http_net, 0);
    ck_assert_int_eq(n_wakes, 1);
    ck_assert(!is_readable(0));
    ck_assert_int_eq(fy_http_timeout_ms(http_net), -1);
}
END_TEST

static void answer_204(void *arg, struct fy_request *req)
{
    (void)arg;
    fy_request_reply(req, 204, NULL, 0, NULL, 0);
}

START_TEST(a_host_that_polls_drives_a_whole_call)
{
    struct fy_listener *listener = http_listen(answer_204, NULL);
    struct seen_call seen = {0};
    uint64_t until_ns = http_clock_ns() + UINT64_C(10000000000);

    seen_call_get(&seen, fy_listener_url(listener), false);
    ck_assert_int_eq(fy_http_timeout_ms(http_net), 0);
    while (seen.call) {
        ck_assert_uint_lt(http_clock_ns(), until_ns);
        (void)is_readable(fy_http_timeout_ms(http_net));
        fy_http_run_once(http_net, 0);
    }
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(seen.status, 204);
    seen_call_release(&seen);
    fy_listener_close(listener);
}
END_TEST

START_TEST(a_timer_gives_a_host_its_timeout)
{
    struct fy_timer timer;
    uint64_t fired_ns = 0;
    int timeout_ms;

    fy_timer_init(&timer, fy_net_timers(http_net), note_time, &fired_ns);
    fy_timer_set(&timer, http_clock_ns() + UINT64_C(5000000000));
    timeout_ms = fy_http_timeout_ms(http_net);
    ck_assert_int_gt(timeout_ms, 3000);
    ck_assert_int_le(timeout_ms, 5000);
    fy_timer_unset(&timer);
}
END_TEST

START_TEST(a_net_without_memory_is_refused_and_leaves_nothing)
{
    struct fy_net *net = NULL;
    int err = FERRY_ERR_NOMEM;
    long nth = 0;

    for (; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_http_new(http_default_config(), &net);
        heap_fail_at(-1);
        ck_assert(err == FERRY_OK || !net);
    }
    ck_assert_int_gt(nth, 1);
    ck_assert_int_eq(err, FERRY_OK);
    fy_http_free(net);
    fy_http_free(NULL);
}
END_TEST

int main(void)
{
    return rig_main("http_loop", setup, http_teardown, no_wake_of_another_thread_is_lost,
                    no_wake_is_lost_while_the_loop_spins, a_sleeping_loop_is_woken_each_time,
                    many_wakes_before_a_turn_are_one, a_wake_from_inside_on_wake_is_taken_in_the_same_turn,
                    a_turn_that_took_long_ends_though_there_is_more_to_do, a_timer_ends_the_sleep_and_is_never_early,
                    a_turn_waits_no_longer_than_it_was_told, clocks_go_and_chance_varies,
                    an_idle_loop_uses_no_processor_though_it_may_spin, a_running_loop_is_stopped_from_another_thread,
                    a_stop_before_the_run_is_not_lost, a_wake_makes_the_descriptor_readable_for_a_host,
                    a_host_that_polls_drives_a_whole_call, a_timer_gives_a_host_its_timeout,
                    a_net_without_memory_is_refused_and_leaves_nothing, NULL);
}
