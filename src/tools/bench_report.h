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

struct bench_result {
    uint64_t messages; /* delivered, or round trips made */
    uint64_t drops;
    struct usage usage;
    struct latency latency; /* empty: not measured */
};

/* One line of JSON when options ask for it, else a table.  0, or -1 with errno when it could not be written. */
int bench_report_print(const struct bench_options *options, const struct bench_result *result, FILE *to);

#endif
