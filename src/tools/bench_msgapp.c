/*
 * bench_msgapp - measures a leader's log: MsgApps of one entry each, with consecutive indices.
 *
 * At most a window of messages is sent and not yet delivered.  When the window is full the sender waits until half of
 * it is free, so that it wakes once for many messages.  Every SAMPLE-th message is timed from before its send to its
 * delivery; a ring holds the send times of one window of them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_pair.h"
#include "tools/bench_report.h"
#include "tools/progress.h"

#define SAMPLE 16
#define BATCH 64 /* messages that a host sends between two runs of its loop */

struct msgapp {
    size_t size;
    size_t n_stamps;
    _Atomic uint64_t *stamps; /* ring: the send time of message i is at i / SAMPLE */
    struct progress delivered;

    /* member 2's core; its calls come one at a time */
    uint64_t next_index;
    uint64_t n_wrong; /* a message was not the next one expected */
    struct latency *latency;
};

static int discard(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    (void)msg;
    return 0;
}

static int receive(void *ctx, const struct ferry_message *msg)
{
    struct msgapp *run = ctx;

    if (msg->type != FERRY_MSG_APP || msg->n_entries != 1 || msg->entries[0].data.len != run->size ||
        msg->index < run->next_index)
        run->n_wrong++;
    run->next_index = msg->index + 1;
    if (msg->index % SAMPLE == 0)
        latency_add(run->latency, stopwatch_now_ns() - atomic_load(&run->stamps[msg->index / SAMPLE % run->n_stamps]));
    progress_raise(&run->delivered);
    return 0;
}

static bool send_all(struct msgapp *run, struct bench_pair *pair, const struct bench_options *options,
                     const uint8_t *data)
{
    struct ferry_entry entry = {.term = 1, .data = {.data = data, .len = options->size}};
    struct ferry_message msg = {
        .type = FERRY_MSG_APP, .from = 1, .to = 2, .term = 1, .log_term = 1, .entries = &entry, .n_entries = 1};
    uint64_t room = options->window; /* may be sent before checking again what was delivered */

    for (uint64_t i = 0; i < options->messages; i++) {
        if (room == 0) {
            if (!bench_pair_wait(pair, &run->delivered, i - options->window / 2))
                return false;
            room = options->window - options->window / 2;
        }
        room--;
        msg.index = i;
        entry.index = i + 1;
        if (i % SAMPLE == 0)
            atomic_store(&run->stamps[i / SAMPLE % run->n_stamps], stopwatch_now_ns());
        bench_pair_send(pair, &msg);
        if (i % BATCH == BATCH - 1)
            bench_pair_turn(pair);
    }
    return bench_pair_wait(pair, &run->delivered, options->messages);
}

static int run_msgapp(const struct bench_options *options, struct bench_result *ret_result)
{
    struct msgapp run = {.size = options->size, .latency = &ret_result->latency};
    uint8_t *data = calloc(1, options->size + 1); /* data must not be NULL: an empty entry counts as present */
    struct bench_pair *pair;
    int failed = -1;

    run.n_stamps = (size_t)(options->window / SAMPLE) + 2;
    run.stamps = calloc(run.n_stamps, sizeof(*run.stamps));
    if (!data || !run.stamps || progress_init(&run.delivered)) {
        perror("ferry-bench");
        goto free_run;
    }
    if (bench_pair_open(options, &(struct bench_pair_cores){&run, discard, receive, NULL}, &pair))
        goto release_progress;

    bench_result_begin(ret_result);
    failed = send_all(&run, pair, options, data) ? 0 : -1;
    bench_result_end(ret_result);
    ret_result->messages = progress_count(&run.delivered);
    ret_result->bytes = ret_result->messages * options->size;
    ret_result->drops = bench_pair_lost(pair);
    bench_pair_close(pair);
    if (run.n_wrong > 0) {
        fprintf(stderr, "ferry-bench: %" PRIu64 " messages arrived out of order or changed\n", run.n_wrong);
        failed = -1;
    }

release_progress:
    progress_release(&run.delivered);
free_run:
    free(run.stamps);
    free(data);
    return failed;
}

const struct bench_mode bench_msgapp = {
    .name = "msgapp",
    .summary = "MsgApps of one entry each, up to a window of them under way",
    .has = BENCH_HAS_MESSAGES | BENCH_HAS_SIZE | BENCH_HAS_WINDOW | BENCH_HAS_DELIVERY | BENCH_HAS_HOST | BENCH_HAS_TLS,
    .messages = 1000000,
    .size = 64,
    .window = 2048,
    .peers = 1,
    .max_size = (uint64_t)256 << 20,
    .run = run_msgapp,
};
