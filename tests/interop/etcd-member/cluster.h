/*
 * cluster.h - who is a member, who was, and the cluster's version: what etcd keeps beside Raft's configuration.
 *
 * The list that was configured is served until the log has told who is there.  One thread changes it; the functions
 * that say so may be called from any.
 */
#ifndef ETCD_MEMBER_CLUSTER_H
#define ETCD_MEMBER_CLUSTER_H

#include <pthread.h>
#include <stdbool.h>

#include "etcd-member/ids.h"
#include "ferry/ferry.h"

struct cluster_member {
    uint64_t id;
    char *name; /* NULL: it has not said it yet */
    char **peer_urls;
    char **client_urls;
    bool is_learner;
};

struct cluster_members {
    struct cluster_member *list; /* ascending by id */
    size_t n;
};

struct cluster {
    unsigned max_learners;             /* as each etcd is told it, too: more are refused when they are applied */
    struct cluster_members configured; /* const once the transport runs */

    pthread_mutex_t mu;
    struct cluster_members applied; /* mu, as all that follows */
    struct ids removed;
    char version[32]; /* "" until it is known */
};

enum cluster_change_type { CLUSTER_ADD, CLUSTER_PROMOTE, CLUSTER_REMOVE, CLUSTER_UPDATE };

struct cluster_change {
    enum cluster_change_type type;
    struct cluster_member member; /* id; ADD: all; UPDATE: peer_urls */
};

void cluster_init(struct cluster *cluster, unsigned max_learners);
void cluster_release(struct cluster *cluster);

/* Put a copy of member into a list, or in the place of the one with its id. */
void cluster_members_set(struct cluster_members *members, const struct cluster_member *member);
const struct cluster_member *cluster_members_find(const struct cluster_members *members, uint64_t id);
void cluster_members_release(struct cluster_members *members);

/*
 * Make a change, if it is one: etcd judges it when it applies it, so that what was refused stands in the log as well.
 * NULL, or why it was not made.
 */
const char *cluster_apply(struct cluster *cluster, const struct cluster_change *change);

/* What a member says of itself; unknown members are ignored. */
void cluster_set_attributes(struct cluster *cluster, uint64_t id, const char *name, char *const *client_urls);
void cluster_set_version(struct cluster *cluster, const char *version);

/* Replace everything by what is in a snapshot's data.  False: it cannot be read, and nothing was changed. */
bool cluster_load(struct cluster *cluster, struct ferry_bytes data);
bool cluster_can_load(struct ferry_bytes data); /* any thread */

/* Any thread. */
bool cluster_is_removed(struct cluster *cluster, uint64_t id);
char *cluster_members_json(struct cluster *cluster); /* what /members answers */
void cluster_get_version(struct cluster *cluster, char *ret_version, size_t size);

#endif
