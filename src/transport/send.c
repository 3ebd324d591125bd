/*
 * send - messages and snapshots from the embedder to the peers that they name.
 */
#include "base/log.h"
#include "net/net.h"
#include "peer/peer.h"
#include "transport/transport.h"

/* May a core send this type in the name of another member?  etcd's forwards these as they came. */
static bool is_forwarded(enum ferry_message_type type)
{
    return type == FERRY_MSG_PROP || type == FERRY_MSG_READ_INDEX || type == FERRY_MSG_TRANSFER_LEADER;
}

static bool is_valid(const struct ferry_transport *t, const struct ferry_message *msg)
{
    if ((unsigned)msg->type > FERRY_MSG_FORGET_LEADER)
        return false;
    return msg->from == t->local.id || t->allows_foreign_from || is_forwarded(msg->type);
}

static void drop_unknown(struct ferry_transport *t, uint64_t id)
{
    unsigned long long n_held = 0;
    bool is_told;

    fy_count(&t->n_unknown, 1);
    pthread_mutex_lock(&t->mu);
    is_told = fy_log_fold_pass(&t->unknown_fold, fy_net_coarse_ns(t->local.net), &n_held);
    pthread_mutex_unlock(&t->mu);
    if (is_told)
        fy_log(&t->local.log, FERRY_LOG_WARN, "send", id,
               "dropped a message to a member that is neither a peer nor a remote (%llu similar messages suppressed)",
               n_held);
}

int ferry_transport_send(struct ferry_transport *t, const struct ferry_message *msgs, size_t n)
{
    struct fy_packer packer = fy_raft_local_packer(&t->raft);
    struct fy_peer *peer = NULL;
    int err = fy_transport_check_running(t);

    for (size_t i = 0; i < n && err == FERRY_OK; i++) {
        if (msgs[i].to == 0)
            continue;
        if (!is_valid(t, &msgs[i])) {
            err = FERRY_ERR_INVALID;
            break;
        }
        if (!peer || fy_peer_id(peer) != msgs[i].to) { /* most calls are for one peer */
            if (peer)
                fy_peer_unref(peer);
            peer = fy_transport_find(t, msgs[i].to);
        }
        if (peer)
            fy_peer_send_one_of(peer, &msgs[i], i + 1 < n ? &msgs[i + 1] : NULL, &packer);
        else
            drop_unknown(t, msgs[i].to);
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

    if (err == FERRY_OK && !is_valid(t, msg))
        err = FERRY_ERR_INVALID;
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
