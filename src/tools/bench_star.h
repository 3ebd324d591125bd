/*
 * bench_star.h - one member in the middle (the hub) and its peers, connected over loopback.
 *
 * The hub, member 1, delivers as the options say.  The peers, members 2 and up, use host delivery and share one thread.
 * A hub with host delivery uses that thread too.
 */
#ifndef TOOLS_BENCH_STAR_H
#define TOOLS_BENCH_STAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct bench_options;
struct bench_star;
struct progress;

/*
 * Start and connect options->peers of them.  Returns when all streams are connected. process is the core of every
 * member except the hub, whose core ignores all messages; its calls come one at a time.
 * 0, or -1 after printing the error on standard error.
 */
int bench_star_open(const struct bench_options *options, void *ctx,
                    int (*process)(void *ctx, const struct ferry_message *msg), struct bench_star **ret_star);
void bench_star_close(struct bench_star *star); /* NULL is fine; no callback comes after it */

/* Resident memory when the hub had its first peer.  What each further peer adds is the cost of a link pair. */
uint64_t bench_star_first_rss_kb(const struct bench_star *star);

/* Send from the hub.  Not with host delivery. */
void bench_star_send(struct bench_star *star, const struct ferry_message *msgs, size_t n);

/* Wait until progress has reached count.  False after ten seconds without progress, which is printed. */
bool bench_star_wait(struct bench_star *star, struct progress *progress, uint64_t count);

/* The hub's dropped messages. */
uint64_t bench_star_lost(const struct bench_star *star);

#endif
