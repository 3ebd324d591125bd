/*
 * peer_base - what the core is told of dropped messages, and received messages on their way up.
 */
#include "peer/peer_base.h"

#include "member/local.h"
#include "peer/message_class.h"
#include "peer/raft_local.h"
#include "wire/message.h"
#include "wire/outgoing.h"

static void base_free_item(struct fy_item *item)
{
    fy_outgoing_free(fy_container(item, struct fy_outgoing, item));
}

static void base_on_dropped(void *arg, unsigned class, enum ferry_drop_reason reason)
{
    (void)reason;
    if (class == FERRY_CLASS_SNAPSHOT)
        fy_peer_base_report_snapshot(arg, FERRY_SNAPSHOT_FAILURE);
}

/* A test's faults are not reported; nor, as in etcd, what the queue to a remote had no room for. */
static bool is_worth_reporting(const struct fy_peer_base *base, enum ferry_drop_reason reason)
{
    switch (reason) {
    case FERRY_DROP_PAUSED:
    case FERRY_DROP_CUT:
        return false;
    case FERRY_DROP_QUEUE_FULL:
    case FERRY_DROP_BUDGET:
        return !atomic_load(&base->is_remote);
    default:
        return true;
    }
}

static void base_on_lost(void *arg, enum ferry_drop_reason reason)
{
    struct fy_peer_base *base = arg;

    if (is_worth_reporting(base, reason))
        base->raft->up.unreachable(base->raft->up.ctx, base->peer);
}

void fy_peer_base_init(struct fy_peer_base *base, struct fy_raft_local *raft, uint64_t id, char **urls,
                       struct fy_peer *peer, void (*on_end_down)(void *arg), void *arg)
{
    static const struct fy_account_ops ops = {
        .free_item = base_free_item, .on_dropped = base_on_dropped, .on_lost = base_on_lost};

    base->raft = raft;
    base->peer = peer;
    atomic_init(&base->closed_reason, FERRY_DROP_REMOVED);
    fy_member_init(&base->member, raft->local, id, urls, on_end_down, arg);
    fy_account_init(&base->account, raft->local, &ops, base);
}

void fy_peer_base_release(struct fy_peer_base *base)
{
    fy_member_release(&base->member);
}

bool fy_peer_base_is_open(const struct fy_peer_base *base)
{
    return !atomic_load_explicit(&base->is_paused, memory_order_relaxed) &&
           !atomic_load_explicit(&base->is_cut, memory_order_relaxed);
}

void fy_peer_base_received(struct fy_peer_base *base, const struct ferry_message *msg, size_t n_bytes)
{
    struct fy_counts *counts = &base->account.counts;

    fy_count(&counts->received[fy_message_class(msg->type)], 1);
    fy_count(&counts->received_bytes, n_bytes);
    if (fy_peer_base_is_open(base)) {
        base->raft->up.deliver(base->raft->up.ctx, base->peer, msg);
    } else {
        fy_count(&counts->received_dropped, 1);
        ferry_message_unref(msg);
    }
}

void fy_peer_base_free_message(struct fy_peer_base *base, struct fy_outgoing *msg)
{
    fy_local_unreserve(base->raft->local, msg->item.memory);
    fy_outgoing_free(msg);
}

void fy_peer_base_free_messages(struct fy_peer_base *base, struct fy_list *msgs, size_t memory)
{
    fy_local_unreserve(base->raft->local, memory);
    fy_outgoing_free_all(msgs);
}

void fy_peer_base_report_snapshot(struct fy_peer_base *base, enum ferry_snapshot_result result)
{
    base->raft->up.snapshot(base->raft->up.ctx, base->peer, result);
}

void fy_peer_base_report_removed(struct fy_peer_base *base)
{
    base->raft->up.fatal(base->raft->up.ctx, FERRY_ERR_MEMBER_REMOVED);
}
