/*
 * status - the figures of one peer, and the sums over all peers, as structs.
 */
#include <string.h>

#include "net/tls/tls.h"
#include "peer/peer.h"
#include "transport/transport.h"

/* Reading takes mu, so the object is not const in the sense of C. */
static struct ferry_transport *mutable_transport(const struct ferry_transport *t)
{
    return (struct ferry_transport *)(uintptr_t)t;
}

int ferry_transport_peer_status_sized(const struct ferry_transport *t, uint64_t id,
                                      struct ferry_peer_status *ret_status, size_t size)
{
    struct ferry_peer_status status;
    struct fy_peer *peer;

    if (size > sizeof(status))
        return FERRY_ERR_INVALID;
    peer = fy_transport_find(mutable_transport(t), id);
    if (!peer)
        return FERRY_ERR_NOT_FOUND;
    fy_peer_read_status(peer, &status);
    fy_peer_unref(peer);
    memcpy(ret_status, &status, size);
    return FERRY_OK;
}

void ferry_transport_totals(const struct ferry_transport *t, struct ferry_counts *ret_counts)
{
    pthread_mutex_t *mu = &mutable_transport(t)->mu;
    uint64_t n_unknown = atomic_load(&t->n_unknown);

    pthread_mutex_lock(mu);
    *ret_counts = t->retired;
    for (struct fy_node *node = fy_list_first(&t->alive); node; node = fy_list_next(&t->alive, node))
        fy_counts_add_to(fy_peer_counts(fy_container(node, struct fy_peer, ties.life_node)), ret_counts);
    pthread_mutex_unlock(mu);
    ret_counts->sent += n_unknown;
    ret_counts->dropped[FERRY_DROP_UNKNOWN_PEER] += n_unknown;
}

uint64_t ferry_transport_active_since_ms(const struct ferry_transport *t, uint64_t id)
{
    struct ferry_peer_status status;

    return ferry_transport_peer_status(t, id, &status) == FERRY_OK ? status.active_since_ms : 0;
}

size_t ferry_transport_active_peers(const struct ferry_transport *t)
{
    pthread_mutex_t *mu = &mutable_transport(t)->mu;
    size_t n = 0;

    pthread_mutex_lock(mu);
    for (size_t i = 0; i < t->peers.n; i++)
        n += atomic_load(&t->peers.peers[i]->base.member.status.is_active) ? 1 : 0;
    pthread_mutex_unlock(mu);
    return n;
}

void ferry_transport_tls_counts(const struct ferry_transport *t, struct ferry_tls_counts *ret_counts)
{
    *ret_counts = (struct ferry_tls_counts){.accepted = 0};
    if (t->tls)
        fy_tls_read_counts(t->tls, ret_counts);
}
