/*
 * bench_pair.h - the two members of a measurement, connected over loopback.
 *
 * Member 1 belongs to the measuring thread: it sends from there, and with host delivery bench_pair_wait turns its loop.
 * Member 2 has a loop thread of its own with host delivery.
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

/* What the members' cores do.  Both are called with ctx. */
struct bench_pair_cores {
    void *ctx;
    int (*process_one)(void *ctx, const struct ferry_message *msg);
    int (*process_two)(void *ctx, const struct ferry_message *msg);
    void (*adjust)(void *ctx, struct ferry_config *cfg); /* the last word on both configurations; may be NULL */
};

/*
 * Make and connect both; returns when both streams stand in both directions.  *ret_pair is set before the first call of
 * cores.  0, or -1 when that failed, which was said on standard error, and *ret_pair is NULL.
 */
int bench_pair_open(const struct bench_options *options, const struct bench_pair_cores *cores,
                    struct bench_pair **ret_pair);
void bench_pair_close(struct bench_pair *pair); /* NULL is fine; no callback after it */

/*
 * From member 1 to 2: on the measuring thread or in process_one, or on any thread but with host delivery.  A snapshot's
 * source gets its end whatever happens.
 */
void bench_pair_send(struct bench_pair *pair, const struct ferry_message *msg);
void bench_pair_send_snapshot(struct bench_pair *pair, const struct ferry_message *msg,
                              const struct ferry_snapshot_source *source);

/* From member 2 to 1, in process_two. */
void bench_pair_answer(struct bench_pair *pair, const struct ferry_message *msg);

/*
 * Let member 1's loop turn once, as a host that has much to send does between batches.  On the measuring thread;
 * nothing to do but with host delivery.
 */
void bench_pair_turn(struct bench_pair *pair);

/*
 * Wait until progress has reached count, or what was lost on the way makes up for it.  False when nothing moved for
 * ten seconds, which is said on standard error.
 */
bool bench_pair_wait(struct bench_pair *pair, struct progress *progress, uint64_t count);

/* Messages that were sent and will not be delivered: dropped before they were written or before the core. */
uint64_t bench_pair_lost(const struct bench_pair *pair);

#endif
