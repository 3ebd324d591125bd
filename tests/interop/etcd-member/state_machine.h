/*
 * state_machine.h - what committed entries do: to the keys, to the membership, to the cluster's version.
 */
#ifndef ETCD_MEMBER_STATE_MACHINE_H
#define ETCD_MEMBER_STATE_MACHINE_H

#include "etcd-member/cluster.h"
#include "etcd-member/conf.h"
#include "etcd-member/keyspace.h"
#include "etcd-member/lessor.h"
#include "etcd-member/publisher.h"

struct state_machine {
    struct cluster *cluster; /* its owner's */
    struct keyspace *keys;
    struct lessor *lessor; /* its owner's; NULL: none */
    int64_t min_ttl_s;     /* of leases */
    bool is_old;           /* etcd 3.4 and 3.7 differ in what they refuse: see requests.h */
    bool sees_reads;
};

/* What an entry means beyond the keys and the membership: for Raft itself, and who has told its name by it. */
struct effect {
    struct publication publication;
    bool is_conf_change;
    struct conf_change *changes; /* to be freed; void ones have id 0 */
    size_t n_changes;
    enum conf_transition transition;
};

void state_machine_init(struct state_machine *machine, struct cluster *cluster, const char *server_version);
void state_machine_release(struct state_machine *machine);

/* Apply an entry.  One that cannot be read changes nothing, and is said. */
struct effect state_machine_apply(struct state_machine *machine, const struct ferry_entry *entry);

#endif
