/*
 * peer_routes.h - what etcd asks for on a peer's port beside Raft.
 */
#ifndef ETCD_MEMBER_PEER_ROUTES_H
#define ETCD_MEMBER_PEER_ROUTES_H

#include "etcd-member/cluster.h"
#include "etcd-member/promotions.h"

struct peer_routes {
    struct cluster *cluster;
    const char *server_version;
    struct promotions promotions;
    void (*begin_promotion)(void *ctx, uint64_t id); /* must not wait */
    void *ctx;
    char cluster_id[17]; /* hex */
    const char *headers[3];
};

/* Before the transport starts; routes outlives it.  Returns Ferry's errors. */
int peer_routes_add(struct peer_routes *routes, uint64_t cluster_id, struct ferry_transport *transport);

#endif
