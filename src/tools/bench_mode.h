/*
 * bench_mode.h - the modes of ferry-bench: one struct bench_mode for each bench_NAME.c.
 */
#ifndef TOOLS_BENCH_MODE_H
#define TOOLS_BENCH_MODE_H

#include <stddef.h>
#include <stdint.h>

struct bench_options;
struct bench_result;

/* Options that a mode has a use for, besides those that all have.  Others are refused, so that none is without effect.
 */
enum bench_has {
    BENCH_HAS_MESSAGES = 1 << 0,
    BENCH_HAS_SIZE = 1 << 1,
    BENCH_HAS_WINDOW = 1 << 2, /* so many messages are under way at one time; else one */
    BENCH_HAS_DELIVERY = 1 << 3,
    BENCH_HAS_HOST = 1 << 4, /* delivery may be host */
    BENCH_HAS_PEERS = 1 << 5,
    BENCH_HAS_SECONDS = 1 << 6,
    BENCH_HAS_TLS = 1 << 7,
    BENCH_HAS_SINK = 1 << 8,
    BENCH_HAS_SOCKET = 1 << 9
};

struct bench_mode {
    const char *name;
    const char *summary; /* its line of the help */
    unsigned has;        /* enum bench_has */
    uint64_t messages;   /* the defaults of what it has */
    uint64_t size;
    uint64_t window;
    uint64_t peers;
    uint64_t max_size;
    /* 0 with *ret_result filled; -1 when it could not be measured, which was said on standard error. */
    int (*run)(const struct bench_options *options, struct bench_result *ret_result);
};

extern const struct bench_mode bench_msgapp;
extern const struct bench_mode bench_pingpong;
extern const struct bench_mode bench_mixed;
extern const struct bench_mode bench_snapshot;
extern const struct bench_mode bench_peers;
extern const struct bench_mode bench_fanout;
extern const struct bench_mode bench_raw;
extern const struct bench_mode bench_codec;

extern const struct bench_mode *const bench_modes[]; /* NULL-ended; the first is the default */

#endif
