/*
 * bench_options.h - ferry-bench's command line.
 */
#ifndef TOOLS_BENCH_OPTIONS_H
#define TOOLS_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry/ferry.h"
#include "tools/flags.h"

struct bench_mode;

enum bench_sink { BENCH_SINK_DISCARD, BENCH_SINK_FILE };
enum bench_socket { BENCH_SOCKET_TCP, BENCH_SOCKET_PAIR };

struct bench_options {
    const struct bench_mode *mode;
    uint64_t messages;
    size_t size;     /* bytes of payload in a message */
    uint64_t window; /* messages under way at one time */
    uint64_t peers;
    uint64_t seconds; /* to be idle for */
    enum ferry_delivery delivery;
    const char *delivery_name; /* as on the command line */
    unsigned busy_poll_us;
    enum bench_sink sink;
    enum bench_socket socket;
    bool tls;
    bool json;
};

/* *ret_options is set when they are good. */
enum flags_outcome bench_options_parse(int argc, char **argv, struct bench_options *ret_options,
                                       struct flags_fault *ret_fault);

void bench_options_print_help(FILE *to);

#endif
