/*
 * stream_writer - the channel's messages, framed and flushed in batches.
 *
 * Normal path: attach answers the GET and opens the channel; a sender's put wakes the outflow; the net asks
 * writer_gather() for bytes, which shows as many frames as there are: one call is one batch and one write.  For that a
 * second encoder runs ahead over messages that stay where they are; when the net says how much it sent, the first
 * encoder follows.  A message is written when the net has taken its last byte.
 *
 * A link heartbeat goes between two frames every third of the read timeout (more often for a short link timeout), under
 * load as well: the reader sees that the link is open, and so do we by what the peer acknowledges.
 *
 * When the connection breaks, or a newer one takes its place, the message that was being written and all that are
 * queued are dropped, and the core is told once: how much the old connection delivered is unknown, and Raft sends
 * again.
 */
#include "peer/stream_writer.h"

#include <assert.h>
#include <stdio.h>

#include "member/local.h"
#include "peer/peer_base.h"
#include "peer/raft_local.h"
#include "wire/outgoing.h"

/* Note for other threads when the oldest message was queued that was taken from the channel. */
static void note_oldest(struct fy_stream_writer *w)
{
    struct fy_node *node = fy_list_first(&w->taken);
    const struct fy_outgoing *oldest = node ? fy_container(node, struct fy_outgoing, item.node) : NULL;

    if (w->current) /* partly sent; the others were only shown */
        oldest = w->current;
    atomic_store_explicit(&w->oldest_ns, oldest ? oldest->item.queued_ns : 0, memory_order_relaxed);
}

static void drop_all(struct fy_stream_writer *w, enum ferry_drop_reason reason)
{
    struct fy_list dropped;
    size_t n, n_bytes;

    fy_list_init(&dropped);
    if (w->current)
        fy_list_append(&dropped, &w->current->item.node);
    w->current = NULL;
    fy_list_splice(&dropped, &w->taken);
    note_oldest(w);
    fy_channel_close(&w->channel, &dropped);
    fy_account_dropped_all(&w->base->account, &dropped, reason, &n, &n_bytes);
    fy_channel_give_back(&w->channel, n, n_bytes);
}

/* out is gone or about to be ended: the net asks for no more bytes. */
static void detach(struct fy_stream_writer *w, enum ferry_drop_reason reason)
{
    w->out = NULL;
    atomic_store(&w->since_ms, 0);
    w->heartbeat_due = false;
    fy_timer_unset(&w->heartbeat);
    fy_link_end_down(&w->end);
    drop_all(w, reason);
}

static void await_heartbeat(struct fy_stream_writer *w)
{
    const struct fy_local *local = w->base->member.local;

    fy_timer_set(&w->heartbeat, fy_local_next_heartbeat_ns(local, w->stream, fy_net_now_ns(local->net)));
}

/* Send a link heartbeat now, if the writer is attached. */
static void writer_beat(void *arg)
{
    struct fy_stream_writer *w = arg;

    if (!w->out)
        return;
    w->heartbeat_due = true;
    fy_link_end_beat(&w->end);
    fy_outflow_wake(w->out);
}

static void writer_on_heartbeat(void *arg)
{
    struct fy_stream_writer *w = arg;

    writer_beat(w);
    await_heartbeat(w);
}

/* The message after node (NULL: the first), of those taken from the channel and those still in it; NULL: none. */
static struct fy_node *next_message(struct fy_stream_writer *w, const struct fy_node *node)
{
    struct fy_node *next = node ? fy_list_next(&w->taken, node) : fy_list_first(&w->taken);

    if (next)
        return next;
    fy_channel_take_all(&w->channel, &w->taken);
    return node ? fy_list_next(&w->taken, node) : fy_list_first(&w->taken);
}

/* Show the rest of the current frame, then a heartbeat if one is due, then messages. */
static void show_frames(struct fy_stream_writer *w, struct fy_gather *g)
{
    bool heartbeat_due = w->heartbeat_due;
    struct fy_node *node = NULL;

    fy_encoder_copy(&w->ahead, &w->encoder);
    for (;;) {
        fy_encoder_gather(&w->ahead, g);
        if (fy_encoder_left(&w->ahead) > 0)
            return;
        if (heartbeat_due) {
            heartbeat_due = false;
            fy_encoder_start_heartbeat(&w->ahead);
            continue;
        }
        node = next_message(w, node);
        if (!node)
            return;
        fy_encoder_start(&w->ahead, fy_container(node, struct fy_outgoing, item.node));
    }
}

static void writer_gather(void *arg, struct fy_gather *g)
{
    struct fy_stream_writer *w = arg;

    show_frames(w, g);
    note_oldest(w);
}

/* Put the next frame into the encoder, in the order in which show_frames has shown them. */
static void begin_frame(struct fy_stream_writer *w)
{
    struct fy_node *node;

    if (w->heartbeat_due) {
        w->heartbeat_due = false;
        fy_count(&w->heartbeats, 1);
        fy_encoder_start_heartbeat(&w->encoder);
        return;
    }
    node = fy_list_take_first(&w->taken);
    assert(node); /* the net sends no more than it was shown */
    w->current = fy_container(node, struct fy_outgoing, item.node);
    fy_encoder_start(&w->encoder, w->current);
    w->frame_len = fy_encoder_left(&w->encoder);
}

static void writer_sent(void *arg, size_t len)
{
    struct fy_stream_writer *w = arg;
    struct fy_counts *counts = &w->base->account.counts;
    size_t n = 0, n_memory = 0, n_bytes = 0;
    size_t n_of_class[FY_N_ITEM_CLASSES] = {0};
    struct fy_list done;

    fy_list_init(&done);
    while (len > 0) {
        size_t left;

        if (fy_encoder_left(&w->encoder) == 0)
            begin_frame(w);
        left = fy_encoder_left(&w->encoder);
        left = left < len ? left : len;
        fy_encoder_skip(&w->encoder, left);
        len -= left;
        if (fy_encoder_left(&w->encoder) == 0 && w->current) {
            n++;
            n_of_class[w->current->item.class]++;
            n_memory += w->current->item.memory;
            n_bytes += w->frame_len;
            fy_list_append(&done, &w->current->item.node);
            w->current = NULL;
        }
    }
    note_oldest(w);
    if (n == 0)
        return;
    fy_peer_base_free_messages(w->base, &done, n_memory);
    fy_channel_give_back(&w->channel, n, n_memory);
    fy_count(&counts->sent_bytes, n_bytes);
    for (size_t i = 0; i < FY_N_ITEM_CLASSES; i++)
        if (n_of_class[i] > 0)
            fy_count(&counts->written[i], n_of_class[i]);
}

static void writer_on_gone(void *arg, int err)
{
    struct fy_stream_writer *w = arg;

    fy_link_end_broke(&w->end);
    detach(w, FERRY_DROP_STREAM_CLOSED);
    fy_peer_status_deactivate(&w->base->member.status, "write", fy_stream_name(w->stream), ferry_strerror(err));
}

static const struct fy_outflow_source source = {
    .gather = writer_gather, .sent = writer_sent, .on_gone = writer_on_gone};

/* ---- As an end of the link ---- */

static bool writer_vitals(void *arg, struct fy_vitals *ret_vitals)
{
    struct fy_stream_writer *w = arg;

    return fy_outflow_vitals(w->out, ret_vitals);
}

/* Break the connection, if there is one, and drop what is queued. */
static void writer_on_link_lost(void *arg, const char *why)
{
    struct fy_stream_writer *w = arg;
    struct fy_outflow *out = w->out;

    if (!out)
        return;
    detach(w, FERRY_DROP_STREAM_CLOSED);
    fy_outflow_abort(out);
    fy_peer_status_deactivate(&w->base->member.status, "write", fy_stream_name(w->stream), why);
}

/* ---- Life ---- */

void fy_stream_writer_init(struct fy_stream_writer *w, struct fy_peer_base *base, enum ferry_stream stream)
{
    static const struct fy_link_end_ops end_ops = {
        .vitals = writer_vitals, .on_lost = writer_on_link_lost, .beat = writer_beat};

    w->base = base;
    w->stream = stream;
    fy_channel_init(&w->channel, base->raft->max_queue_messages, base->raft->max_queue_bytes);
    fy_link_register(&base->member.link, &w->end, FY_LINK_OUT, &end_ops, w);
    atomic_init(&w->since_ms, 0);
    atomic_init(&w->oldest_ns, 0);
    atomic_init(&w->heartbeats, 0);
    w->out = NULL;
    fy_list_init(&w->taken);
    w->current = NULL;
    w->heartbeat_due = false;
    w->fold = (struct fy_log_fold){.next_ns = 0};
    fy_timer_init(&w->heartbeat, fy_net_timers(base->member.local->net), writer_on_heartbeat, w);
}

void fy_stream_writer_release(struct fy_stream_writer *w)
{
    assert(!w->out);
    fy_channel_release(&w->channel);
}

/* Log that the peer reads from us; of a peer that dials again and again, one line a second. */
static void log_attached(struct fy_stream_writer *w, bool replaces)
{
    const struct fy_local *local = w->base->member.local;
    unsigned long long n_held;
    char held[64] = "";

    if (!fy_log_fold_pass(&w->fold, fy_net_now_ns(local->net), &n_held))
        return;
    if (n_held > 0)
        (void)snprintf(held, sizeof(held), " (%llu similar messages suppressed)", n_held);
    fy_log(&local->log, FERRY_LOG_INFO, "stream", w->base->member.id, "%s: the peer reads from us%s%s",
           fy_stream_name(w->stream), replaces ? " by a newer connection" : "", held);
}

void fy_stream_writer_attach(struct fy_stream_writer *w, struct fy_request *req)
{
    const struct fy_raft_local *raft = w->base->raft;
    const struct fy_header headers[] = {{FY_HEADER_SERVER_VERSION, raft->version_text},
                                        {FY_HEADER_CLUSTER_ID, raft->cluster_id_text.text}};
    struct fy_outflow *older = w->out;

    if (older) {
        detach(w, FERRY_DROP_STREAM_CLOSED);
        fy_outflow_end(older);
    }
    fy_encoder_init(&w->encoder, w->stream == FERRY_STREAM_MSGAPP ? FY_CODEC_MSGAPPV2 : FY_CODEC_MESSAGE, raft->form);
    w->out = fy_request_stream(req, headers, sizeof(headers) / sizeof(headers[0]), &source, w);
    if (!w->out) {
        fy_peer_status_deactivate(&w->base->member.status, "write", fy_stream_name(w->stream),
                                  ferry_strerror(FERRY_ERR_NOMEM));
        return;
    }
    atomic_store(&w->since_ms, fy_net_unix_ms(raft->local->net));
    await_heartbeat(w);
    fy_channel_open(&w->channel);
    fy_link_end_up(&w->end);
    log_attached(w, older != NULL);
    fy_peer_status_activate(&w->base->member.status);
}

void fy_stream_writer_wake(struct fy_stream_writer *w)
{
    if (w->out && !fy_channel_is_empty(&w->channel))
        fy_outflow_wake(w->out);
}

void fy_stream_writer_stop(struct fy_stream_writer *w, enum ferry_drop_reason reason)
{
    struct fy_outflow *out = w->out;

    detach(w, reason);
    fy_outflow_end(out);
}
