/*
 * send - what the embedder gives us to carry, to the peers that it names.
 */
#include "peer/peer.h"
#include "transport/transport.h"

int ferry_transport_send(struct ferry_transport *t, const struct ferry_message *msgs, size_t n)
{
    struct fy_packer packer = fy_raft_local_packer(&t->raft);
    struct fy_peer *peer = NULL;
    int err = fy_transport_check_running(t);

    for (size_t i = 0; i < n && err == FERRY_OK; i++) {
        if (msgs[i].to == 0)
            continue;
        if (!peer || fy_peer_id(peer) != msgs[i].to) { /* most calls are for one peer */
            if (peer)
                fy_peer_unref(peer);
            peer = fy_transport_find(t, msgs[i].to);
        }
        if (peer)
            fy_peer_send_one_of(peer, &msgs[i], i + 1 < n ? &msgs[i + 1] : NULL, &packer);
        else
            fy_count(&t->n_unknown, 1);
    }
    if (peer)
        fy_peer_unref(peer);
    fy_packer_release(&packer);
    return err;
}

int ferry_transport_send_snapshot(struct ferry_transport *t, const struct ferry_message *msg,
                                  const struct ferry_snapshot_source *source)
{
    struct fy_peer *peer = NULL;
    int err = fy_transport_check_running(t);

    if (err == FERRY_OK) {
        peer = fy_transport_find_peer(t, msg->to);
        err = peer ? fy_snapshot_lane_put(&peer->snapshots, msg, source) : FERRY_ERR_NOT_FOUND;
    }
    if (err == FERRY_OK)
        fy_peer_ask_for_attention(peer);
    else if (source->close)
        source->close(source->ctx, err);
    if (peer)
        fy_peer_unref(peer);
    return err;
}
