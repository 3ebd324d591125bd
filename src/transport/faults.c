/*
 * faults - pause and cut peers, for tests.
 */
#include "peer/peer.h"
#include "transport/transport.h"

static void set_paused(struct ferry_transport *t, bool is_paused)
{
    pthread_mutex_lock(&t->mu);
    t->is_paused = is_paused;
    for (size_t i = 0; i < t->peers.n; i++)
        atomic_store(&t->peers.peers[i]->base.is_paused, is_paused);
    for (size_t i = 0; i < t->remotes.n; i++)
        atomic_store(&t->remotes.peers[i]->base.is_paused, is_paused);
    pthread_mutex_unlock(&t->mu);
}

void ferry_transport_pause(struct ferry_transport *t)
{
    set_paused(t, true);
}

void ferry_transport_resume(struct ferry_transport *t)
{
    set_paused(t, false);
}

static int set_cut(struct ferry_transport *t, uint64_t id, bool is_cut)
{
    struct fy_peer *peer = fy_transport_find(t, id);

    if (!peer)
        return FERRY_ERR_NOT_FOUND;
    atomic_store(&peer->base.is_cut, is_cut);
    fy_peer_unref(peer);
    return FERRY_OK;
}

int ferry_transport_cut_peer(struct ferry_transport *t, uint64_t id)
{
    return set_cut(t, id, true);
}

int ferry_transport_mend_peer(struct ferry_transport *t, uint64_t id)
{
    return set_cut(t, id, false);
}
