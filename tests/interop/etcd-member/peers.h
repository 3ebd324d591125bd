/*
 * peers.h - keep the transport's peers equal to the membership.
 */
#ifndef ETCD_MEMBER_PEERS_H
#define ETCD_MEMBER_PEERS_H

#include "etcd-member/cluster.h"

struct peers {
    uint64_t own_id;
    struct ferry_transport *transport;
    struct cluster_members known; /* to the transport */
};

void peers_release(struct peers *peers);

/* Add, update and remove, so that the transport knows the members but us.  with_configured: those as well. */
void peers_follow(struct peers *peers, const struct cluster *cluster, bool with_configured);
void peers_forget_all(struct peers *peers);

#endif
