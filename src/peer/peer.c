/*
 * peer - the choice of a lane, and the lives of all lanes together.
 *
 * A message out: encoded by the caller of send, charged to the budget of all queues, put on the first lane that is open
 * - MsgApp: msgapp stream, message stream, pipeline; MsgSnap: pipeline; all others: message stream, pipeline.  When a
 * lane is full the next is not tried: that would change the order, and the next is slower.
 * Every message ends in fy_peer_base_free_message or _messages (written) or in account.c (dropped).
 */
#include "peer/peer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "member/local.h"
#include "peer/message_class.h"
#include "peer/raft_local.h"
#include "wire/outgoing.h"

#define LARGE_BYTES ((size_t)64 << 10)

/* A stream has ended. */
static void peer_on_end_down(void *arg)
{
    struct fy_peer *peer = arg;

    fy_prober_hurry(&peer->prober);
}

int fy_peer_new(struct fy_raft_local *raft, uint64_t id, char **urls, struct fy_peer **ret_peer)
{
    struct fy_peer *peer;

    if (posix_memalign((void **)&peer, _Alignof(struct fy_peer), sizeof(*peer)) != 0)
        return FERRY_ERR_NOMEM;
    memset(peer, 0, sizeof(*peer));
    atomic_init(&peer->n_refs, 1);
    fy_peer_base_init(&peer->base, raft, id, urls, peer, peer_on_end_down, peer);
    fy_inbox_init(&peer->inbox, peer, raft->max_queue_messages, raft->max_queue_bytes);
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        fy_stream_reader_init(&peer->readers[i], &peer->base, (enum ferry_stream)i);
        fy_stream_writer_init(&peer->writers[i], &peer->base, (enum ferry_stream)i);
    }
    fy_pipeline_init(&peer->pipeline, &peer->base);
    fy_snapshot_lane_init(&peer->snapshots, &peer->base);
    fy_prober_init(&peer->prober, &peer->base);
    fy_snapshot_meter_init(&peer->snapshots_in);
    *ret_peer = peer;
    return FERRY_OK;
}

void fy_peer_free(struct fy_peer *peer)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        fy_stream_writer_release(&peer->writers[i]);
        fy_stream_reader_release(&peer->readers[i]);
    }
    fy_pipeline_release(&peer->pipeline);
    fy_snapshot_lane_release(&peer->snapshots);
    fy_prober_release(&peer->prober);
    fy_peer_base_release(&peer->base);
    free(peer->ties.new_urls);
    fy_inbox_release(&peer->inbox);
    free(peer);
}

void fy_peer_ref(struct fy_peer *peer)
{
    atomic_fetch_add_explicit(&peer->n_refs, 1, memory_order_relaxed);
}

void fy_peer_unref(struct fy_peer *peer)
{
    if (atomic_fetch_sub_explicit(&peer->n_refs, 1, memory_order_acq_rel) == 1)
        peer->ties.on_last_unref(peer->ties.arg, peer);
}

void fy_peer_set_remote(struct fy_peer *peer)
{
    atomic_store(&peer->base.is_remote, true);
}

void fy_peer_promote(struct fy_peer *peer)
{
    atomic_store(&peer->base.is_remote, false);
}

static void dial_unless_remote(struct fy_peer *peer)
{
    if (peer->is_dialing || peer->is_silent || atomic_load(&peer->base.is_remote))
        return;
    peer->is_dialing = true;
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        fy_stream_reader_start(&peer->readers[i]);
    fy_prober_start(&peer->prober);
}

void fy_peer_start(struct fy_peer *peer)
{
    dial_unless_remote(peer);
    if (peer->is_started)
        return;
    peer->is_started = true;
    fy_pipeline_wake(&peer->pipeline);
    fy_link_start(&peer->base.member.link);
}

static void stop_dialing(struct fy_peer *peer)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        fy_stream_reader_stop(&peer->readers[i]);
    fy_prober_stop(&peer->prober);
}

/* From now on messages that no lane takes are dropped for reason. */
static void close_lanes(struct fy_peer *peer, enum ferry_drop_reason reason)
{
    atomic_store(&peer->base.closed_reason, reason);
    peer->base.is_closed = true;
}

void fy_peer_silence(struct fy_peer *peer)
{
    if (peer->is_silent || peer->is_stopped)
        return;
    peer->is_silent = true;
    close_lanes(peer, FERRY_DROP_MEMBER_REMOVED);
    stop_dialing(peer);
    fy_pipeline_stop(&peer->pipeline, FERRY_DROP_MEMBER_REMOVED);
    fy_snapshot_lane_stop(&peer->snapshots, FERRY_DROP_MEMBER_REMOVED);
}

/* Has a message ever been given to it? */
static bool was_used(const struct fy_peer *peer)
{
    for (int i = 0; i < FY_N_ITEM_CLASSES; i++)
        if (atomic_load_explicit(&peer->base.account.counts.sent[i], memory_order_relaxed) > 0)
            return true;
    return false;
}

void fy_peer_stop(struct fy_peer *peer, enum ferry_drop_reason reason)
{
    /* The lanes drop what is queued.  One that could not be added has nothing, and stops on the thread that tried. */
    if (was_used(peer))
        fy_local_watch_cache(peer->base.member.local);
    close_lanes(peer, reason);
    peer->is_stopped = true;
    stop_dialing(peer);
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        fy_stream_writer_stop(&peer->writers[i], reason);
    fy_pipeline_stop(&peer->pipeline, reason);
    fy_snapshot_lane_stop(&peer->snapshots, reason);
    fy_peer_base_stop(&peer->base);
}

void fy_peer_update(struct fy_peer *peer, char **urls)
{
    fy_url_picker_update(&peer->base.member.picker, urls);
    for (int i = 0; i < FERRY_N_STREAMS && peer->is_started && !peer->is_stopped; i++)
        fy_stream_reader_urls_changed(&peer->readers[i]);
    if (peer->is_started && !peer->is_stopped)
        fy_pipeline_urls_changed(&peer->pipeline);
    fy_prober_restart(&peer->prober);
}

void fy_peer_ask_for_attention(struct fy_peer *peer)
{
    fy_peer_base_ask_for_attention(&peer->base);
}

/* The lanes for a message of this type, in the order in which they are tried. */
static size_t lanes_for(struct fy_peer *peer, enum ferry_message_type type, struct fy_channel *lanes[3])
{
    size_t n = 0;

    if (type == FERRY_MSG_APP)
        lanes[n++] = &peer->writers[FERRY_STREAM_MSGAPP].channel;
    if (type != FERRY_MSG_SNAP)
        lanes[n++] = &peer->writers[FERRY_STREAM_MESSAGE].channel;
    lanes[n++] = &peer->pipeline.channel;
    return n;
}

static void queue(struct fy_peer *peer, struct fy_outgoing *msg)
{
    struct fy_account *account = &peer->base.account;
    struct fy_channel *lanes[3];
    size_t n_lanes = lanes_for(peer, msg->type, lanes);
    int err = FERRY_ERR_CLOSED;
    bool was_empty = false;
    uint64_t now_ns = fy_net_coarse_ns(peer->base.member.local->net);

    msg->item.queued_ns = now_ns > 0 ? now_ns : 1;
    for (size_t i = 0; i < n_lanes && err == FERRY_ERR_CLOSED; i++)
        err = fy_channel_put(lanes[i], &msg->item, &was_empty);
    if (err == FERRY_ERR_FULL)
        fy_account_dropped(account, &msg->item, FERRY_DROP_QUEUE_FULL);
    else if (err == FERRY_ERR_CLOSED) /* the pipeline closes only when the peer goes */
        fy_account_dropped(account, &msg->item, (enum ferry_drop_reason)atomic_load(&peer->base.closed_reason));
    else if (was_empty)
        fy_peer_ask_for_attention(peer);
}

/* Does the message hold LARGE_BYTES or more? */
static bool is_large(const struct ferry_message *msg)
{
    size_t n = msg->context.len + (msg->snapshot ? msg->snapshot->data.len : 0);

    for (size_t i = 0; i < msg->n_entries && msg->entries && n < LARGE_BYTES; i++)
        n += msg->entries[i].data.len < LARGE_BYTES ? msg->entries[i].data.len : LARGE_BYTES;
    return n >= LARGE_BYTES;
}

/* A large message that could only be posted, to a peer that does not answer: not worth its copy. */
static bool is_hopeless(struct fy_peer *peer, const struct ferry_message *msg)
{
    struct fy_channel *lanes[3];
    size_t n_lanes;

    if (!atomic_load_explicit(&peer->pipeline.is_unreachable, memory_order_relaxed) || !is_large(msg))
        return false;
    n_lanes = lanes_for(peer, msg->type, lanes);
    for (size_t i = 0; i + 1 < n_lanes; i++) /* the pipeline is the last */
        if (fy_channel_is_open(lanes[i]))
            return false;
    return true;
}

void fy_peer_send(struct fy_peer *peer, const struct ferry_message *msg)
{
    struct fy_packer packer = fy_raft_local_packer(peer->base.raft);

    fy_peer_send_one_of(peer, msg, NULL, &packer);
    fy_packer_release(&packer);
}

void fy_peer_send_one_of(struct fy_peer *peer, const struct ferry_message *msg, const struct ferry_message *next,
                         struct fy_packer *packer)
{
    struct fy_account *account = &peer->base.account;
    enum ferry_message_class class = fy_message_class(msg->type);
    struct fy_outgoing *out;
    int err;

    fy_count(&account->counts.sent[class], 1);
    if (atomic_load_explicit(&peer->base.is_paused, memory_order_relaxed)) {
        fy_account_refused(account, class, FERRY_DROP_PAUSED);
        return;
    }
    if (atomic_load_explicit(&peer->base.is_cut, memory_order_relaxed)) {
        fy_account_refused(account, class, FERRY_DROP_CUT);
        return;
    }
    if (is_hopeless(peer, msg)) {
        fy_account_refused(account, class, FERRY_DROP_UNREACHABLE);
        return;
    }
    err = fy_packer_pack(packer, msg, next, &out);
    if (err != FERRY_OK) {
        fy_account_refused(account, class,
                           err == FERRY_ERR_NOMEM       ? FERRY_DROP_NOMEM
                           : err == FERRY_ERR_TOO_LARGE ? FERRY_DROP_TOO_LARGE
                                                        : FERRY_DROP_INVALID);
    } else if (!fy_local_reserve(peer->base.member.local, out->item.memory)) {
        fy_outgoing_free(out);
        fy_account_refused(account, class, FERRY_DROP_BUDGET);
    } else {
        out->item.class = class;
        queue(peer, out);
    }
}

void fy_peer_attend(struct fy_peer *peer)
{
    fy_local_watch_cache(peer->base.member.local);
    fy_peer_base_attend(&peer->base);
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        fy_stream_writer_wake(&peer->writers[i]);
    if (peer->is_started)
        fy_pipeline_wake(&peer->pipeline);
    if (peer->is_started || peer->is_stopped)
        fy_snapshot_lane_wake(&peer->snapshots);
}

/* The queue of one lane; oldest_ns: when the oldest that was taken from it was queued, 0 for none. */
static void read_lane(struct fy_peer *peer, enum ferry_lane lane, struct fy_channel *ch, uint64_t oldest_ns,
                      struct ferry_peer_status *status)
{
    struct ferry_queue_status *queue = &status->queues[lane];
    uint64_t now_ns = fy_net_coarse_ns(peer->base.member.local->net), waiting_ns;

    fy_channel_read(ch, &queue->messages, &queue->bytes, &waiting_ns);
    if (oldest_ns == 0)
        oldest_ns = waiting_ns;
    if (oldest_ns != 0 && now_ns > oldest_ns)
        queue->oldest_ms = (now_ns - oldest_ns) / 1000000;
    status->queued_messages += queue->messages;
    status->queued_bytes += queue->bytes;
}

static void read_stream(struct fy_peer *peer, enum ferry_stream stream, struct ferry_peer_status *status)
{
    struct fy_stream_writer *w = &peer->writers[stream];
    struct fy_stream_reader *r = &peer->readers[stream];
    enum ferry_lane lane = stream == FERRY_STREAM_MSGAPP ? FERRY_LANE_MSGAPP : FERRY_LANE_MESSAGE;

    status->writer_attached[stream] = fy_link_end_is_up(&w->end);
    status->writer_since_ms[stream] = atomic_load(&w->since_ms);
    status->heartbeats_sent[stream] = atomic_load(&w->heartbeats);
    status->reader_attached[stream] = fy_link_end_is_up(&r->end);
    status->reader_since_ms[stream] = atomic_load(&r->since_ms);
    status->reader_state[stream] = (enum ferry_reader_state)atomic_load(&r->shown_state);
    status->heartbeats_received[stream] = atomic_load(&r->heartbeats);
    status->dials[stream] = atomic_load(&r->dials);
    read_lane(peer, lane, &w->channel, atomic_load(&w->oldest_ns), status);
}

void fy_peer_read_status(struct fy_peer *peer, struct ferry_peer_status *ret_status)
{
    size_t n, n_bytes;

    *ret_status = (struct ferry_peer_status){.id = fy_peer_id(peer)};
    fy_peer_status_read(&peer->base.member.status, ret_status);
    ret_status->paused = atomic_load(&peer->base.is_paused);
    ret_status->cut = atomic_load(&peer->base.is_cut);
    ret_status->remote = atomic_load(&peer->base.is_remote);
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        read_stream(peer, (enum ferry_stream)i, ret_status);
    read_lane(peer, FERRY_LANE_PIPELINE, &peer->pipeline.channel, atomic_load(&peer->pipeline.oldest_ns), ret_status);
    fy_snapshot_lane_read(&peer->snapshots, &n, &n_bytes, &ret_status->snapshot_out);
    fy_snapshot_meter_read(&peer->snapshots_in, &ret_status->snapshot_in);
    ret_status->queued_messages += n;
    ret_status->queued_bytes += n_bytes;
    ret_status->link = fy_link_state(&peer->base.member.link);
    fy_counts_add_to(&peer->base.account.counts, &ret_status->counts);
    fy_inbox_read(&peer->inbox, &ret_status->inbox, &ret_status->proposals);
    fy_prober_read(&peer->prober, &ret_status->probe, &ret_status->round_trips);
    fy_snapshot_meter_read_sums(&peer->snapshots.meter, &ret_status->snapshots_sent);
    fy_snapshot_meter_read_sums(&peer->snapshots_in, &ret_status->snapshots_received);
}
