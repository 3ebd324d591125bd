/*
 * bench_star.h - one member in the middle and the peers that it has, connected over loopback.
 *
 * The hub, member 1, delivers as the options say.  The peers, members 2 and up, have host delivery and share one thread
 * of the star's own; so does a hub with host delivery.
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
 * Make and connect options->peers of them; returns when all streams stand.  process is the core of every member but the
 * hub, whose core takes everything and does nothing; its calls come one at a time.
 * 0, or -1 when that failed, which was said on standard error.
 */
int bench_star_open(const struct bench_options *options, void *ctx,
                    int (*process)(void *ctx, const struct ferry_message *msg), struct bench_star **ret_star);
void bench_star_close(struct bench_star *star); /* NULL is fine; no callback after it */

/* What was resident when the hub had its first peer: what each further one adds is what a link pair takes. */
uint64_t bench_star_first_rss_kb(const struct bench_star *star);

/* From the hub, which has no host delivery. */
void bench_star_send(struct bench_star *star, const struct ferry_message *msgs, size_t n);

/* Wait until progress has reached count.  False when nothing moved for ten seconds, which is said. */
bool bench_star_wait(struct bench_star *star, struct progress *progress, uint64_t count);

/* Messages of the hub's that were dropped. */
uint64_t bench_star_lost(const struct bench_star *star);

#endif
