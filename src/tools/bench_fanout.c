/*
 * bench_fanout - measures a leader that sends its log to all followers: the same MsgApps, of one entry each, to each of
 * them.
 *
 * As in msgapp, when the window is full the sender waits until half of it is free.  The window counts the messages
 * under way to all followers together.  Processor time is given per message and follower, so that one and six followers
 * can be compared.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_report.h"
#include "tools/bench_star.h"
#include "tools/progress.h"

#define FIRST_FOLLOWER 2

struct fanout {
    size_t size;
    size_t n_followers;
    struct progress delivered; /* to all followers together */

    /* the followers' cores; their calls come one at a time */
    uint64_t *next_index; /* per follower */
    uint64_t n_wrong;     /* a message was not the next one expected */
};

static int receive(void *ctx, const struct ferry_message *msg)
{
    struct fanout *run = ctx;
    uint64_t *next_index = &run->next_index[msg->to - FIRST_FOLLOWER];

    if (msg->type != FERRY_MSG_APP || msg->n_entries != 1 || msg->entries[0].data.len != run->size ||
        msg->index != *next_index)
        run->n_wrong++;
    *next_index = msg->index + 1;
    progress_raise(&run->delivered);
    return 0;
}

static bool send_all(struct fanout *run, struct bench_star *star, const struct bench_options *options,
                     struct ferry_message *msgs, struct ferry_entry *entry)
{
    uint64_t room = options->window;

    for (uint64_t i = 0; i < options->messages; i++) {
        if (room == 0) {
            if (!bench_star_wait(star, &run->delivered, (i - options->window / 2) * run->n_followers))
                return false;
            room = options->window - options->window / 2;
        }
        room--;
        entry->index = i + 1;
        for (size_t k = 0; k < run->n_followers; k++)
            msgs[k].index = i;
        bench_star_send(star, msgs, run->n_followers);
    }
    return bench_star_wait(star, &run->delivered, options->messages * run->n_followers);
}

static int measure(struct fanout *run, const struct bench_options *options, struct ferry_message *msgs,
                   const uint8_t *data, struct bench_result *ret_result)
{
    struct ferry_entry entry = {.term = 1, .data = {.data = data, .len = options->size}};
    struct bench_star *star;
    int failed;

    if (bench_star_open(options, run, receive, &star))
        return -1;
    for (size_t k = 0; k < run->n_followers; k++)
        msgs[k] = (struct ferry_message){.type = FERRY_MSG_APP,
                                         .from = 1,
                                         .to = FIRST_FOLLOWER + k,
                                         .term = 1,
                                         .log_term = 1,
                                         .entries = &entry,
                                         .n_entries = 1};
    bench_result_begin(ret_result);
    failed = send_all(run, star, options, msgs, &entry) ? 0 : -1;
    bench_result_end(ret_result);
    ret_result->messages = progress_count(&run->delivered);
    ret_result->bytes = ret_result->messages * options->size;
    ret_result->drops = bench_star_lost(star);
    bench_star_close(star);
    if (run->n_wrong > 0) {
        fprintf(stderr, "ferry-bench: %" PRIu64 " messages arrived out of order or changed\n", run->n_wrong);
        failed = -1;
    }
    return failed;
}

static int run_fanout(const struct bench_options *options, struct bench_result *ret_result)
{
    struct fanout run = {.size = options->size, .n_followers = (size_t)options->peers};
    struct ferry_message *msgs = calloc(run.n_followers, sizeof(*msgs));
    uint8_t *data = calloc(1, options->size + 1); /* data must not be NULL: an empty entry counts as present */
    int failed = -1;

    run.next_index = calloc(run.n_followers, sizeof(*run.next_index));
    if (!msgs || !data || !run.next_index || progress_init(&run.delivered)) {
        perror("ferry-bench");
    } else {
        failed = measure(&run, options, msgs, data, ret_result);
        progress_release(&run.delivered);
    }
    free(run.next_index);
    free(data);
    free(msgs);
    return failed;
}

const struct bench_mode bench_fanout = {
    .name = "fanout",
    .summary = "the same MsgApps to all of N followers",
    .has =
        BENCH_HAS_MESSAGES | BENCH_HAS_SIZE | BENCH_HAS_WINDOW | BENCH_HAS_PEERS | BENCH_HAS_DELIVERY | BENCH_HAS_TLS,
    .messages = 20000,
    .size = 16384,
    .window = 64,
    .peers = 6,
    .max_size = (uint64_t)256 << 20,
    .run = run_fanout,
};
