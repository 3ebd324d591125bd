/*
 * bench_mode.h - what ferry-bench can measure: one struct bench_mode per bench_NAME.c.
 */
#ifndef TOOLS_BENCH_MODE_H
#define TOOLS_BENCH_MODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_options;
struct bench_result;

struct bench_mode {
    const char *name;
    const char *summary; /* its line of the help */
    uint64_t default_messages;
    size_t default_size;
    bool has_window; /* --window messages are under way at one time; else one */
    /* 0 with *ret_result filled; -1 when it could not be measured, which was said on standard error. */
    int (*run)(const struct bench_options *options, struct bench_result *ret_result);
};

extern const struct bench_mode bench_msgapp;
extern const struct bench_mode bench_pingpong;

extern const struct bench_mode *const bench_modes[]; /* NULL-ended; the first is the default */

#endif
