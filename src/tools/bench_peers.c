/*
 * bench_peers - measures what idle peers cost: memory, threads, processor time.
 *
 * The members are left alone for SETTLE_S seconds, so that memory used for connecting is freed, and then measured for
 * the given time.
 *
 * Freed memory stays in the C library's heap, in pieces between blocks in use, until the host needs it.  What to do
 * about that is up to the host, not a library.  This host makes the heap return all free memory to the system, before
 * the first peer is measured and before all are, so that only memory in use is counted.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_report.h"
#include "tools/bench_star.h"

#define SETTLE_S 5 /* the first probes come within two seconds, and their memory is freed within two more */

static int discard(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    (void)msg;
    return 0;
}

/* Idleness is what is measured, so there is only time to wait for. */
static void leave_alone(uint64_t seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

static int run_peers(const struct bench_options *options, struct bench_result *ret_result)
{
    struct bench_star *star;
    double growth_kb;

    if (options->peers < 2) {
        fputs("ferry-bench: --peers must be at least 2: the first peer's cost cannot be separated from the rest\n",
              stderr);
        return -1;
    }
    if (bench_star_open(options, NULL, discard, &star))
        return -1;
    leave_alone(SETTLE_S);
    (void)malloc_trim(0);
    bench_result_begin(ret_result);
    leave_alone(options->seconds);
    bench_result_end(ret_result);
    growth_kb = (double)ret_result->usage.rss_kb - (double)bench_star_first_rss_kb(star);
    ret_result->rss_kb_per_link_pair = growth_kb > 0 ? growth_kb / (double)(options->peers - 1) : 0;
    ret_result->idle_cpu_ms_per_s = (double)ret_result->usage.cpu_ns / 1e6 / ((double)ret_result->usage.wall_ns / 1e9);
    bench_star_close(star);
    return 0;
}

const struct bench_mode bench_peers = {
    .name = "peers",
    .summary = "idle peers of one member: memory and processor time of each",
    .has = BENCH_HAS_PEERS | BENCH_HAS_SECONDS | BENCH_HAS_DELIVERY | BENCH_HAS_HOST | BENCH_HAS_TLS,
    .window = 1,
    .peers = 200,
    .run = run_peers,
};
