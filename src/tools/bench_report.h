/*
 * bench_report.h - what was measured, and how it is printed.
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
    uint64_t messages; /* delivered, or round trips made */
    uint64_t drops;
    uint64_t bytes; /* of payload, delivered */
    struct usage usage;
    uint64_t n_allocations;
    struct latency latency; /* empty: not measured */

    /* Of some modes; BENCH_NOT_MEASURED in all others. */
    double rss_kb_per_link_pair;
    double idle_cpu_ms_per_s;
    double encode_ns_per_msg;
    double decode_ns_per_msg;

    /* between begin and end */
    struct stopwatch watch;
};

void bench_result_init(struct bench_result *result);

/* The stretch that usage and n_allocations are of. */
void bench_result_begin(struct bench_result *result);
void bench_result_end(struct bench_result *result);

/* One line of JSON when options ask for it, else a table.  0, or -1 with errno when it could not be written. */
int bench_report_print(const struct bench_options *options, const struct bench_result *result, FILE *to);

#endif
