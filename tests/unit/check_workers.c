/*
 * check_workers - threads that run queues, each queue on one thread at a time.
 *
 * Where an order between threads matters, a queue's run waits at a gate that the test opens; nothing waits for a time.
 */
#include "base/workers.h"

#include <sched.h>
#include <stdlib.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"

#define N_QUEUES 3

static struct fy_workers workers;

/* A queue of numbers that are put and taken in order. */
struct numbers {
    struct fy_work_queue work;
    unsigned n_put;    /* mu */
    unsigned n_taken;  /* mu */
    bool is_submitted; /* mu */
    bool has_gate;     /* mu: run waits until the gate is open */
    bool is_running;   /* mu */
    unsigned batch;    /* const while it is submitted: as many are taken by one run */
    unsigned n_runs;   /* mu */
    unsigned n_left;   /* mu: calls of leave */
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct numbers queues[N_QUEUES];
static bool is_gate_open;     /* mu */
static unsigned n_at_gate;    /* mu */
static bool was_run_twice;    /* mu: two threads ran one queue */
static unsigned order[10000]; /* mu: which queue each run was of */
static unsigned n_order;      /* mu */

/* Wait, for the event, until condition holds.  Under no lock. */
#define wait_until(condition)                                                                                          \
    do {                                                                                                               \
        pthread_mutex_lock(&mu);                                                                                       \
        while (!(condition))                                                                                           \
            pthread_cond_wait(&changed, &mu);                                                                          \
        pthread_mutex_unlock(&mu);                                                                                     \
    } while (0)

static void on_run(void *arg, struct fy_work_queue *work)
{
    struct numbers *numbers = fy_container(work, struct numbers, work);
    bool again;

    if (arg != &workers)
        abort();
    pthread_mutex_lock(&mu);
    was_run_twice |= numbers->is_running;
    numbers->is_running = true;
    while (numbers->has_gate && !is_gate_open) {
        n_at_gate++;
        pthread_cond_broadcast(&changed);
        pthread_cond_wait(&changed, &mu);
        n_at_gate--;
    }
    order[n_order++ % (sizeof(order) / sizeof(order[0]))] = (unsigned)(numbers - queues);
    numbers->n_runs++;
    for (unsigned i = 0; i < numbers->batch && numbers->n_taken < numbers->n_put; i++)
        numbers->n_taken++;
    again = numbers->is_submitted = numbers->n_taken < numbers->n_put;
    numbers->is_running = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
    if (again)
        (void)fy_workers_submit(&workers, work);
}

static void on_leave(void *arg, struct fy_work_queue *work)
{
    struct numbers *numbers = fy_container(work, struct numbers, work);

    if (arg != &workers)
        abort();
    numbers->n_left++;
}

/* Put a number; what submit returned, true if the queue was submitted already. */
static bool put(unsigned i)
{
    struct numbers *numbers = &queues[i];
    bool has_to_submit;

    pthread_mutex_lock(&mu);
    numbers->n_put++;
    has_to_submit = !numbers->is_submitted;
    numbers->is_submitted = true;
    pthread_mutex_unlock(&mu);
    return !has_to_submit || fy_workers_submit(&workers, &numbers->work);
}

static void setup(void)
{
    heap_setup();
    is_gate_open = was_run_twice = false;
    n_at_gate = n_order = 0;
    for (unsigned i = 0; i < N_QUEUES; i++)
        queues[i] = (struct numbers){.work = {.run = on_run, .leave = on_leave, .arg = &workers}, .batch = 1};
    fy_workers_init(&workers);
}

static void open_gate(void)
{
    pthread_mutex_lock(&mu);
    is_gate_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
}

static void teardown(void)
{
    open_gate();
    fy_workers_stop(&workers);
    fy_workers_release(&workers);
    ck_assert(!was_run_twice);
    heap_teardown();
}

static void start(unsigned n, unsigned busy_poll_us)
{
    ck_assert_int_eq(fy_workers_start(&workers, "worker", n, busy_poll_us), FERRY_OK);
}

START_TEST(one_queue_is_run_by_one_worker_at_a_time)
{
    enum { N = 3000 };

    start(4, 20);
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < N_QUEUES; k++)
            ck_assert(put(k));
    for (unsigned k = 0; k < N_QUEUES; k++)
        wait_until(queues[k].n_taken == N);
    ck_assert(!was_run_twice);
}
END_TEST

START_TEST(a_stuck_queue_leaves_the_others_to_other_workers)
{
    queues[0].has_gate = true;
    start(2, 50);
    for (unsigned i = 0; i < 200; i++) {
        pthread_mutex_lock(&mu);
        is_gate_open = false;
        pthread_mutex_unlock(&mu);
        ck_assert(put(0) && put(1));
        wait_until(queues[1].n_taken == i + 1);
        open_gate();
        wait_until(queues[0].n_taken == i + 1);
    }
}
END_TEST

START_TEST(a_busy_queue_goes_to_the_end_of_the_line)
{
    queues[0].has_gate = true;
    start(1, 0);
    ck_assert(put(0));
    wait_until(n_at_gate == 1);
    for (unsigned i = 0; i < 100; i++)
        ck_assert(put(0));
    ck_assert(put(1) && put(2));
    open_gate();
    wait_until(queues[0].n_taken == 101);
    ck_assert_uint_eq(order[1], 1);
    ck_assert_uint_eq(order[2], 2);
}
END_TEST

/* Many times: what could go wrong is in the moment between a worker's last look and its sleep. */
static void put_one_at_a_time(void)
{
    for (unsigned i = 0; i < 3000; i++) {
        ck_assert(put(0));
        wait_until(queues[0].n_taken == i + 1);
        for (unsigned pause = 0; pause < i % 64 * 64; pause++)
            fy_spin_relax();
    }
}

START_TEST(no_work_is_missed_while_workers_spin)
{
    start(2, 50);
    put_one_at_a_time();
}
END_TEST

START_TEST(no_work_is_missed_by_workers_that_sleep)
{
    start(2, 0);
    put_one_at_a_time();
}
END_TEST

static void *stop_workers(void *arg)
{
    fy_workers_stop(arg);
    return NULL;
}

static bool is_stopping(void)
{
    bool is_stopping;

    pthread_mutex_lock(&workers.mu);
    is_stopping = workers.is_stopping;
    pthread_mutex_unlock(&workers.mu);
    return is_stopping;
}

START_TEST(stop_waits_for_the_present_run_and_leaves_the_rest)
{
    pthread_t thread;

    queues[0].has_gate = true;
    start(1, 0);
    ck_assert(put(0));
    wait_until(n_at_gate == 1);
    ck_assert(put(0) && put(1));
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_workers, &workers), 0);
    while (!is_stopping())
        sched_yield();
    open_gate();
    (void)pthread_join(thread, NULL);
    ck_assert_uint_eq(queues[0].n_runs, 1);
    ck_assert_uint_eq(queues[0].n_left, 1); /* it was submitted again by its run */
    ck_assert_uint_eq(queues[1].n_runs, 0);
    ck_assert_uint_eq(queues[1].n_left, 1);
    ck_assert(!put(2)); /* stopped */
    ck_assert_uint_eq(queues[2].n_left, 0);
}
END_TEST

START_TEST(workers_that_cannot_start_can_be_stopped)
{
    heap_fail_at(0);
    ck_assert_int_eq(fy_workers_start(&workers, "worker", 3, 0), FERRY_ERR_NOMEM);
    heap_fail_at(-1);
    ck_assert(put(0)); /* accepted until stop */
    fy_workers_stop(&workers);
    ck_assert_uint_eq(queues[0].n_left, 1);
}
END_TEST

int main(void)
{
    return rig_main("workers", setup, teardown, one_queue_is_run_by_one_worker_at_a_time,
                    a_stuck_queue_leaves_the_others_to_other_workers, a_busy_queue_goes_to_the_end_of_the_line,
                    no_work_is_missed_while_workers_spin, no_work_is_missed_by_workers_that_sleep,
                    stop_waits_for_the_present_run_and_leaves_the_rest, workers_that_cannot_start_can_be_stopped, NULL);
}
