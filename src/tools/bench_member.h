/*
 * bench_member.h - one member of a measurement: a transport on a port that the system chooses.
 */
#ifndef TOOLS_BENCH_MEMBER_H
#define TOOLS_BENCH_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct bench_options;

struct bench_member {
    struct ferry_transport *transport; /* NULL: not started */
    uint64_t id;
};

struct bench_member_spec {
    uint64_t id;
    enum ferry_delivery delivery;
    const struct ferry_tls_config *tls; /* NULL: plain HTTP */
    void *ctx;                          /* the core's */
    int (*process)(void *ctx, const struct ferry_message *msg);
    void (*adjust)(void *ctx, struct ferry_config *cfg); /* changes its configuration before it starts; may be NULL */
};

/* Functions that can fail return 0, or -1 after printing the error on standard error. */
int bench_member_start(struct bench_member *member, const struct bench_options *options,
                       const struct bench_member_spec *spec);
void bench_member_stop(struct bench_member *member); /* also if it was not started */
int bench_member_meet(struct bench_member *member, const struct bench_member *other);

/* Are both streams connected, in both directions? */
bool bench_member_is_connected(const struct bench_member *member, uint64_t peer);

/* Print that the members did not connect in time. */
int bench_member_tell_unconnected(void);

#define BENCH_CONNECT_MS 20000

#endif
