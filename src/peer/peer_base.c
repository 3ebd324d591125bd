/*
 * peer_base - what the core is told of dropped messages, and received messages on their way up.
 *
 * A drop is reported by the thread that drops, unless the last report was less than REPORT_INTERVAL_NS ago.  Then the
 * loop reports it when the interval is over, once for all drops until then: a report follows every drop.
 */
#include "peer/peer_base.h"

#include "member/local.h"
#include "peer/message_class.h"
#include "peer/raft_local.h"
#include "wire/message.h"
#include "wire/outgoing.h"

#define REPORT_INTERVAL_NS UINT64_C(10000000) /* between reports of one peer as unreachable */

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

static void report_unreachable(struct fy_peer_base *base)
{
    base->raft->up.unreachable(base->raft->up.ctx, base->peer);
}

/* May a drop be reported at once?  Of several threads that ask at the same time, one may. */
static bool may_report(struct fy_peer_base *base)
{
    uint64_t now_ns = fy_net_coarse_ns(base->member.local->net);
    uint64_t last_ns = atomic_load_explicit(&base->reported_ns, memory_order_relaxed);

    if (last_ns != 0 && now_ns < last_ns + REPORT_INTERVAL_NS)
        return false;
    return atomic_compare_exchange_strong_explicit(&base->reported_ns, &last_ns, now_ns > 0 ? now_ns : 1,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* Report the drop: now, or together with later ones when the interval is over. */
static void base_on_lost(void *arg, enum ferry_drop_reason reason)
{
    struct fy_peer_base *base = arg;

    if (!is_worth_reporting(base, reason) || atomic_load(&base->is_report_due))
        return;
    if (may_report(base))
        report_unreachable(base);
    else if (!atomic_exchange(&base->is_report_due, true))
        fy_peer_base_ask_for_attention(base);
}

static void base_on_report(void *arg)
{
    struct fy_peer_base *base = arg;

    atomic_store_explicit(&base->reported_ns, fy_net_now_ns(base->member.local->net), memory_order_relaxed);
    atomic_store(&base->is_report_due, false); /* before the core hears: what is dropped from then on is not in it */
    report_unreachable(base);
}

void fy_peer_base_attend(struct fy_peer_base *base)
{
    if (!atomic_load(&base->is_report_due))
        return;
    if (base->is_stopped)
        base_on_report(base);
    else if (!fy_timer_is_set(&base->report))
        fy_timer_set(&base->report, fy_net_now_ns(base->member.local->net) + REPORT_INTERVAL_NS);
}

void fy_peer_base_stop(struct fy_peer_base *base)
{
    base->is_stopped = true;
    fy_timer_unset(&base->report);
    fy_peer_base_attend(base);
    fy_member_stop(&base->member);
}

void fy_peer_base_ask_for_attention(struct fy_peer_base *base)
{
    if (!atomic_exchange(&base->needs_attention, true))
        base->raft->up.attend(base->raft->up.ctx, base->peer);
}

void fy_peer_base_init(struct fy_peer_base *base, struct fy_raft_local *raft, uint64_t id, char **urls,
                       struct fy_peer *peer, void (*on_end_down)(void *arg), void *arg)
{
    static const struct fy_account_ops ops = {
        .free_item = base_free_item, .on_dropped = base_on_dropped, .on_lost = base_on_lost};

    base->raft = raft;
    base->peer = peer;
    atomic_init(&base->closed_reason, FERRY_DROP_REMOVED);
    atomic_init(&base->reported_ns, 0);
    fy_timer_init(&base->report, fy_net_timers(raft->local->net), base_on_report, base);
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
