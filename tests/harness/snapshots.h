/*
 * snapshots.h - the bodies of snapshots, made from a number and told by it, at both ends.
 *
 * A body of a seed has the same bytes wherever it is made, so gigabytes need neither memory nor a file.
 */
#ifndef HARNESS_SNAPSHOTS_H
#define HARNESS_SNAPSHOTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

void body_bytes(uint64_t seed, uint64_t at, void *buf, size_t len);         /* make */
bool body_matches(uint64_t seed, uint64_t at, const void *buf, size_t len); /* tell */
void body_sha256(uint64_t seed, uint64_t size, char ret_hex[65]);
bool file_sha256(const char *path, char ret_hex[65], uint64_t *ret_size); /* false: it cannot be read */

/* ---- A source ------------------------------------------------------------------------------------------------- */

struct body {
    /* Set by body_init; may be changed before it is sent. */
    uint64_t seed;
    uint64_t size;        /* what it really yields */
    uint64_t announced;   /* what it says */
    uint64_t fail_at;     /* read fails when it gets so far; UINT64_MAX: never */
    uint64_t bytes_per_s; /* 0: as fast as can be */

    uint64_t at; /* the reader's */

    pthread_mutex_t mu;
    pthread_cond_t changed;
    uint64_t hold_at;  /* mu; read waits before it passes this, until it is raised; UINT64_MAX: nowhere */
    bool is_held;      /* mu; it waits now */
    bool is_lent;      /* mu; a source was made of it, and is not closed yet */
    unsigned n_closed; /* mu */
    int close_err;     /* mu; the last */
};

void body_init(struct body *b, uint64_t seed, uint64_t size);
void body_release(struct body *b); /* waits until it is closed */
struct ferry_snapshot_source body_source(struct body *b);
bool body_await_close(struct body *b, unsigned deadline_ms, int *ret_err); /* false: it was not closed in time */
bool body_await_held(struct body *b, unsigned deadline_ms);
void body_release_hold(struct body *b);

/* ---- A sink --------------------------------------------------------------------------------------------------- */

struct vault {
    /* Set by vault_init; may be changed before anything arrives. */
    uint64_t seed;        /* of the bodies that are expected */
    uint64_t bytes_per_s; /* write takes its time; 0: none */
    int open_err;
    int write_err; /* returned by write once write_err_at bytes have come */
    uint64_t write_err_at;
    int commit_err;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    unsigned n_opened, n_commits, n_aborts; /* mu */
    unsigned n_misuses;                     /* mu; calls that may not come in this order */
    bool hold;                              /* mu; write waits while it is set */
    bool is_held;                           /* mu; it waits now */
    uint64_t size;                          /* mu; of the last that was committed */
    uint64_t announced;                     /* mu; of the last that was opened */
    bool is_right;                          /* mu; every byte of the last was the seed's */
};

void vault_init(struct vault *v, uint64_t seed);
void vault_release(struct vault *v);
struct ferry_snapshot_sink vault_sink(struct vault *v);
void vault_hold(struct vault *v, bool hold);
bool vault_is_held(struct vault *v);
bool vault_await_end(struct vault *v, unsigned n, unsigned deadline_ms); /* n commits and aborts together */

#endif
