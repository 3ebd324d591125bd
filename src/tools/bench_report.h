/*
 * bench_report.h - the results of a measurement, and how to print them.
 */
#ifndef TOOLS_BENCH_REPORT_H
#define TOOLS_BENCH_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "tools/latency.h"
#include "tools/stopwatch.h"

struct bench_options;

#define BENCH_NOT_MEASURED (-1.0)

struct bench_result {
    uint64_t messages; /* delivered, or round trips */
    uint64_t drops;
    uint64_t bytes; /* payload delivered */
    struct usage usage;
    uint64_t n_allocations;
    struct latency latency; /* empty: not measured */

    /* Only in some modes; otherwise BENCH_NOT_MEASURED. */
    double rss_kb_per_link_pair;
    double idle_cpu_ms_per_s;
    double encode_ns_per_msg;
    double decode_ns_per_msg;
    double lock_encode_ns_per_msg;
    double lock_decode_ns_per_msg;
    double lock_allocs_per_msg;

    /* between begin and end */
    struct stopwatch watch;
};

void bench_result_init(struct bench_result *result);

/* Call around the part that usage and n_allocations describe. */
void bench_result_begin(struct bench_result *result);
void bench_result_end(struct bench_result *result);

/* Print one line of JSON if options say so, otherwise a table. 0, or -1 with errno if writing failed. */
int bench_report_print(const struct bench_options *options, const struct bench_result *result, FILE *to);

#endif
