/*
 * bench_mixed - measures heartbeats beside a log that fills the connection.
 *
 * The measuring thread keeps a window of large MsgApps under way.  A second thread sends a heartbeat, waits for the
 * answer and pauses.  Each heartbeat is timed from before its send to the delivery of the answer.  Nothing is timed
 * before the first window has arrived.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_pair.h"
#include "tools/bench_report.h"
#include "tools/progress.h"

#define PAUSE_NS 1000000
#define STALL_MS 10000

struct mixed {
    struct bench_pair *pair;
    uint64_t n_rounds;
    struct progress delivered; /* MsgApps */
    struct progress answers;
    struct progress ended;    /* the heartbeats have ended, successfully or not */
    _Atomic uint64_t sent_ns; /* when the current heartbeat was sent */
    struct latency *latency;  /* member 1's core */
    pthread_t heart;
};

static int on_answer(void *ctx, const struct ferry_message *msg)
{
    struct mixed *run = ctx;

    if (msg->type == FERRY_MSG_HEARTBEAT_RESP) {
        latency_add(run->latency, stopwatch_now_ns() - atomic_load(&run->sent_ns));
        progress_raise(&run->answers);
    }
    return 0;
}

static int on_message(void *ctx, const struct ferry_message *msg)
{
    struct mixed *run = ctx;
    const struct ferry_message answer = {.type = FERRY_MSG_HEARTBEAT_RESP, .from = 2, .to = 1, .term = 1};

    if (msg->type == FERRY_MSG_HEARTBEAT)
        bench_pair_answer(run->pair, &answer);
    else
        progress_raise(&run->delivered);
    return 0;
}

/* The pause between two heartbeats is part of the load; it does not wait for an event. */
static void pause_between(void)
{
    struct timespec left = {.tv_nsec = PAUSE_NS};

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

static bool await_answer(struct mixed *run, uint64_t count)
{
    struct pollfd wake = {.fd = run->answers.wake_fd, .events = POLLIN};

    if (progress_fall_asleep(&run->answers, count)) {
        (void)poll(&wake, 1, STALL_MS); /* however the wait ended, the count tells */
        progress_wake_up(&run->answers);
    }
    return progress_count(&run->answers) >= count;
}

static void *heart_main(void *arg)
{
    struct mixed *run = arg;
    const struct ferry_message heartbeat = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2, .term = 1};
    bool goes_on = true;

    for (uint64_t i = 0; i < run->n_rounds && goes_on; i++) {
        atomic_store(&run->sent_ns, stopwatch_now_ns());
        bench_pair_send(run->pair, &heartbeat);
        goes_on = await_answer(run, i + 1);
        if (goes_on)
            pause_between();
    }
    if (!goes_on)
        fprintf(stderr, "ferry-bench: a heartbeat was not answered within %d s\n", STALL_MS / 1000);
    progress_raise(&run->ended);
    return NULL;
}

/* Keep the window full until the heartbeats have ended. */
static bool feed(struct mixed *run, const struct bench_options *options, const uint8_t *data,
                 struct bench_result *result)
{
    struct ferry_entry entry = {.term = 1, .data = {.data = data, .len = options->size}};
    struct ferry_message msg = {
        .type = FERRY_MSG_APP, .from = 1, .to = 2, .term = 1, .log_term = 1, .entries = &entry, .n_entries = 1};
    uint64_t n_before = 0; /* delivered before the measurement began */
    bool has_begun = false;
    bool is_fine = true;

    for (uint64_t i = 0; is_fine && progress_count(&run->ended) == 0; i++) {
        if (i >= options->window)
            is_fine = bench_pair_wait(run->pair, &run->delivered, i + 1 - options->window);
        if (is_fine && i >= 2 * options->window && !has_begun) {
            int err = pthread_create(&run->heart, NULL, heart_main, run);

            has_begun = err == 0;
            is_fine = has_begun;
            n_before = progress_count(&run->delivered);
            bench_result_begin(result);
            if (err)
                fprintf(stderr, "ferry-bench: no thread for the heartbeats: %s\n", strerror(err));
        }
        msg.index = i;
        entry.index = i + 1;
        bench_pair_send(run->pair, &msg);
    }
    if (has_begun) {
        bench_result_end(result);
        result->bytes = (progress_count(&run->delivered) - n_before) * options->size;
        (void)pthread_join(run->heart, NULL); /* cannot fail: joined once, and by another thread */
    }
    return is_fine;
}

static int measure(struct mixed *run, const struct bench_options *options, const uint8_t *data,
                   struct bench_result *ret_result)
{
    const struct bench_pair_cores cores = {run, on_answer, on_message, NULL};
    bool is_fine;

    if (bench_pair_open(options, &cores, &run->pair))
        return -1;
    is_fine = feed(run, options, data, ret_result);
    ret_result->messages = progress_count(&run->answers);
    ret_result->drops = bench_pair_lost(run->pair);
    bench_pair_close(run->pair);
    return is_fine && ret_result->messages == options->messages ? 0 : -1;
}

static int run_mixed(const struct bench_options *options, struct bench_result *ret_result)
{
    struct mixed run = {.n_rounds = options->messages, .latency = &ret_result->latency};
    uint8_t *data = calloc(1, options->size + 1);
    int failed = -1;

    if (!data || progress_init(&run.delivered)) {
        perror("ferry-bench");
        goto free_data;
    }
    if (progress_init(&run.answers)) {
        perror("ferry-bench");
        goto release_delivered;
    }
    if (progress_init(&run.ended)) {
        perror("ferry-bench");
        goto release_answers;
    }
    failed = measure(&run, options, data, ret_result);
    progress_release(&run.ended);

release_answers:
    progress_release(&run.answers);
release_delivered:
    progress_release(&run.delivered);
free_data:
    free(data);
    return failed;
}

const struct bench_mode bench_mixed = {
    .name = "mixed",
    .summary = "heartbeats and their answers beside a window of large MsgApps",
    .has = BENCH_HAS_MESSAGES | BENCH_HAS_SIZE | BENCH_HAS_WINDOW | BENCH_HAS_DELIVERY | BENCH_HAS_TLS,
    .messages = 1000,
    .size = 1u << 20,
    .window = 32,
    .peers = 1,
    .max_size = (uint64_t)256 << 20,
    .run = run_mixed,
};
