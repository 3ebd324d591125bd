/*
 * inbox.h - what other threads leave for the member's thread, in the order in which it came.
 */
#ifndef ETCD_MEMBER_INBOX_H
#define ETCD_MEMBER_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "ferry/ferry.h"

enum inbox_kind {
    INBOX_MESSAGE,     /* msg, a reference */
    INBOX_CALL,        /* call(arg) */
    INBOX_UNREACHABLE, /* id */
    INBOX_SNAPSHOT,    /* id, result */
    INBOX_FATAL        /* result, an error of Ferry's */
};

struct inbox_item {
    struct inbox_item *next;
    enum inbox_kind kind;
    const struct ferry_message *msg;
    void (*call)(void *arg);
    void *arg;
    uint64_t id;
    int result;
};

struct inbox {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    struct inbox_item *first; /* mu, as all */
    struct inbox_item **last;
    size_t n_messages;
    size_t n_bytes;
};

void inbox_init(struct inbox *inbox);
void inbox_release(struct inbox *inbox); /* and what is still in it */

/* Copy item in.  False: it is full of messages (other kinds always find room). */
bool inbox_put(struct inbox *inbox, const struct inbox_item *item);

/* All that has come, waiting for it until until (CLOCK_MONOTONIC) at most.  To be freed one by one. */
struct inbox_item *inbox_take(struct inbox *inbox, const struct timespec *until);

#endif
