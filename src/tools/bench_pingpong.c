/*
 * bench_pingpong - measures a heartbeat and its answer, one round trip at a time.
 *
 * Member 2's core answers each heartbeat from its callback, and member 1's core sends the next one from there.  Only
 * threads of Ferry (or the host) are involved, so the transport is what is timed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_pair.h"
#include "tools/bench_report.h"
#include "tools/progress.h"

struct pingpong {
    struct bench_pair *pair;
    struct ferry_bytes context;
    uint64_t n_rounds;
    struct progress rounds;

    /* member 1's core, after the first heartbeat */
    uint64_t sent_ns;
    struct latency *latency;
};

static void send_heartbeat(struct pingpong *run)
{
    const struct ferry_message heartbeat = {
        .type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2, .term = 1, .context = run->context};

    run->sent_ns = stopwatch_now_ns();
    bench_pair_send(run->pair, &heartbeat);
}

static int on_answer(void *ctx, const struct ferry_message *msg)
{
    struct pingpong *run = ctx;

    if (msg->type != FERRY_MSG_HEARTBEAT_RESP)
        return 0;
    latency_add(run->latency, stopwatch_now_ns() - run->sent_ns);
    progress_raise(&run->rounds);
    if (run->latency->n < run->n_rounds)
        send_heartbeat(run);
    return 0;
}

static int on_heartbeat(void *ctx, const struct ferry_message *msg)
{
    struct pingpong *run = ctx;
    const struct ferry_message answer = {
        .type = FERRY_MSG_HEARTBEAT_RESP, .from = 2, .to = 1, .term = 1, .context = msg->context};

    if (msg->type == FERRY_MSG_HEARTBEAT)
        bench_pair_answer(run->pair, &answer);
    return 0;
}

static int run_pingpong(const struct bench_options *options, struct bench_result *ret_result)
{
    struct pingpong run = {.n_rounds = options->messages, .latency = &ret_result->latency};
    uint8_t *data = calloc(1, options->size + 1);
    int failed = -1;

    if (!data || progress_init(&run.rounds)) {
        perror("ferry-bench");
        goto free_data;
    }
    if (options->size > 0)
        run.context = (struct ferry_bytes){data, options->size};
    if (bench_pair_open(options, &(struct bench_pair_cores){&run, on_answer, on_heartbeat, NULL}, &run.pair))
        goto release_progress;

    bench_result_begin(ret_result);
    send_heartbeat(&run);
    failed = bench_pair_wait(run.pair, &run.rounds, options->messages) ? 0 : -1;
    bench_result_end(ret_result);
    ret_result->messages = progress_count(&run.rounds);
    ret_result->bytes = ret_result->messages * options->size;
    ret_result->drops = bench_pair_lost(run.pair);
    bench_pair_close(run.pair);
    if (failed == 0 && ret_result->messages < options->messages) {
        fprintf(stderr, "ferry-bench: a heartbeat or its answer was dropped\n");
        failed = -1;
    }

release_progress:
    progress_release(&run.rounds);
free_data:
    free(data);
    return failed;
}

const struct bench_mode bench_pingpong = {
    .name = "pingpong",
    .summary = "a heartbeat and its answer, one round trip at a time",
    .has = BENCH_HAS_MESSAGES | BENCH_HAS_SIZE | BENCH_HAS_DELIVERY | BENCH_HAS_HOST | BENCH_HAS_TLS,
    .messages = 100000,
    .window = 1,
    .peers = 1,
    .max_size = (uint64_t)256 << 20,
    .run = run_pingpong,
};
