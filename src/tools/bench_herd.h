/*
 * bench_herd.h - many transports with host delivery in one loop, so that members need no thread each.
 *
 * The loop is used by one thread at a time: the one that calls bench_herd_turn, or between start and stop the herd's
 * own.
 */
#ifndef TOOLS_BENCH_HERD_H
#define TOOLS_BENCH_HERD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/progress.h"

struct ferry_transport;

struct bench_herd_member {
    struct ferry_transport *transport;
    uint64_t due_ns; /* when to run it even if its descriptor is not ready */
};

struct bench_herd {
    struct bench_herd_member *members;
    size_t n;
    size_t room;
    int epoll_fd;
    struct progress end; /* set once, to end the thread */
    pthread_t thread;
    bool runs;
};

/* Functions that can fail return 0, or -1 after printing the error on standard error. */
int bench_herd_init(struct bench_herd *herd, size_t max_members);
void bench_herd_release(struct bench_herd *herd); /* must be stopped; its members stay the caller's */

int bench_herd_add(struct bench_herd *herd, struct ferry_transport *transport);

/* Run the members that are ready or due.  Waits for the first up to timeout_ms; -1: without limit. */
void bench_herd_turn(struct bench_herd *herd, int timeout_ms);

int bench_herd_start(struct bench_herd *herd);
void bench_herd_stop(struct bench_herd *herd); /* also if it was not started */

#endif
