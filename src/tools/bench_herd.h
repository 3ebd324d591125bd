/*
 * bench_herd.h - many transports with host delivery, turned by one loop: members that cost no thread each.
 *
 * The loop belongs to one thread at a time: whoever calls turn, and from start to stop a thread of the herd's own.
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
    uint64_t due_ns; /* when it is to be run though its descriptor is not ready */
};

struct bench_herd {
    struct bench_herd_member *members;
    size_t n;
    size_t room;
    int epoll_fd;
    struct progress end; /* raised once, to end the thread */
    pthread_t thread;
    bool runs;
};

/* The functions that can fail return 0, or -1, which was said on standard error. */
int bench_herd_init(struct bench_herd *herd, size_t max_members);
void bench_herd_release(struct bench_herd *herd); /* stopped; its members are the caller's */

int bench_herd_add(struct bench_herd *herd, struct ferry_transport *transport);

/* Run those that are ready or due, waiting for the first for at most timeout_ms; -1: without end. */
void bench_herd_turn(struct bench_herd *herd, int timeout_ms);

int bench_herd_start(struct bench_herd *herd);
void bench_herd_stop(struct bench_herd *herd); /* also one that was not started */

#endif
