/*
 * bench_pair.h - the two members of a measurement, connected over loopback.
 *
 * The measuring thread sends from member 1, and with host delivery bench_pair_wait runs its loop.  With host delivery,
 * a separate thread runs member 2's loop.
 */
#ifndef TOOLS_BENCH_PAIR_H
#define TOOLS_BENCH_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct bench_options;
struct bench_pair;
struct progress;

/* The members' cores.  All are called with ctx. */
struct bench_pair_cores {
    void *ctx;
    int (*process_one)(void *ctx, const struct ferry_message *msg);
    int (*process_two)(void *ctx, const struct ferry_message *msg);
    void (*adjust)(void *ctx, struct ferry_config *cfg); /* changes both configurations before the start; may be NULL */
};

/*
 * Start and connect both members.  Returns when both streams are connected in both directions.  *ret_pair is set before
 * the first call of cores. 0, or -1 after printing the error on standard error; then *ret_pair is NULL.
 */
int bench_pair_open(const struct bench_options *options, const struct bench_pair_cores *cores,
                    struct bench_pair **ret_pair);
void bench_pair_close(struct bench_pair *pair); /* NULL is fine; no callback comes after it */

/*
 * Send from member 1 to 2: on the measuring thread or in process_one; without host delivery, on any thread.  A
 * snapshot's source is ended in any case.
 */
void bench_pair_send(struct bench_pair *pair, const struct ferry_message *msg);
void bench_pair_send_snapshot(struct bench_pair *pair, const struct ferry_message *msg,
                              const struct ferry_snapshot_source *source);

/* Send from member 2 to 1, in process_two. */
void bench_pair_answer(struct bench_pair *pair, const struct ferry_message *msg);

/*
 * With host delivery, run member 1's loop once, as a busy host does between batches; otherwise do nothing.  On the
 * measuring thread.
 */
void bench_pair_turn(struct bench_pair *pair);

/*
 * Wait until progress plus the number of lost messages has reached count.  False after ten seconds without progress,
 * which is printed on standard error.
 */
bool bench_pair_wait(struct bench_pair *pair, struct progress *progress, uint64_t count);

/* Messages that were sent and will not be delivered: dropped before they were written, or before the core. */
uint64_t bench_pair_lost(const struct bench_pair *pair);

#endif
