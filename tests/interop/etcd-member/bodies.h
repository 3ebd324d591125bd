/*
 * bodies.h - the bodies of snapshots: received into files, read for their keys, sent on from the files.
 */
#ifndef ETCD_MEMBER_BODIES_H
#define ETCD_MEMBER_BODIES_H

#include <pthread.h>
#include <stdbool.h>

#include "etcd-member/keyspace.h"
#include "ferry/ferry.h"

struct bodies {
    char *dir;

    pthread_mutex_t mu;
    struct keyspace *keys; /* mu; of the body that came last, until they are taken */
    uint64_t keys_index;   /* mu */
};

/* dir is made if it is missing.  False with errno set. */
bool bodies_init(struct bodies *bodies, const char *dir);
void bodies_release(struct bodies *bodies);

/* What Ferry is to do with bodies that come.  Keys are read before the core hears of the snapshot, off its thread. */
struct ferry_snapshot_sink bodies_sink(struct bodies *bodies);

/* The keys in the body of the snapshot at index.  NULL: there is no such body. */
struct keyspace *bodies_take_keys(struct bodies *bodies, uint64_t index);

/* The body of the snapshot at index, to be sent.  False: there is none. */
bool bodies_source(const struct bodies *bodies, uint64_t index, struct ferry_snapshot_source *ret_source);

void bodies_forget_older(const struct bodies *bodies, uint64_t index);

#endif
