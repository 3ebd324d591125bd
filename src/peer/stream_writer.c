/*
 * stream_writer - the channel's messages, framed and flushed in batches.
 *
 * Normal path: attach answers the GET and opens the channel; a sender's put wakes the outflow; the net asks
 * gather_frames() for bytes, and it shows as many frames as there are - one call is one batch and one write.  For that
 * a second encoder runs ahead over messages that stay where they are; when the net says how much it could send, the
 * first one follows.  A message is written when its last byte was given to the net.
 *
 * A link heartbeat goes between two frames every third of the read timeout (more often for the sake of a link timeout
 * that is short), under load as well, so that the reader knows the link, and we by what it acknowledges.
 *
 * When the connection breaks, or a newer one takes its place, the message that was being written and all that are
 * queued are dropped and the core is told once: what the old connection carried cannot be known, and Raft sends again.
 */
#include "peer/stream_writer.h"

#include <assert.h>
#include <stdio.h>

#include "peer/local.h"
#include "peer/peer.h"

/* For other threads: since when the oldest message waits that was taken from the channel. */
static void note_oldest(struct fy_stream_writer *w)
{
    struct fy_node *node = fy_list_first(&w->taken);
    const struct fy_outgoing *oldest = node ? fy_container(node, struct fy_outgoing, item.node) : NULL;

    if (w->current) /* begun; the others were only shown */
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
    fy_peer_dropped_all(w->peer, &dropped, reason, &n, &n_bytes);
    fy_channel_give_back(&w->channel, n, n_bytes);
}

/* out is gone or going: nothing will be read any more. */
static void detach(struct fy_stream_writer *w, enum ferry_drop_reason reason)
{
    w->out = NULL;
    atomic_store(&w->is_attached, false);
    atomic_store(&w->since_ms, 0);
    w->heartbeat_due = false;
    fy_timer_unset(&w->heartbeat);
    fy_prober_hurry(&w->peer->prober);
    drop_all(w, reason);
}

static void await_heartbeat(struct fy_stream_writer *w)
{
    const struct fy_local *local = w->peer->local;

    fy_timer_set(&w->heartbeat, fy_local_next_heartbeat_ns(local, w->stream, fy_net_now_ns(local->net)));
}

static void on_heartbeat(void *arg)
{
    struct fy_stream_writer *w = arg;

    fy_stream_writer_beat(w);
    /* As good a place as any that comes again; while nobody reads from us, stream_reader.c has another. */
    fy_shelf_trim(&w->peer->local->shelf, fy_net_now_ns(w->peer->local->net));
    await_heartbeat(w);
}

/* The message behind node in what was taken from the channel, or could be (NULL: the first); NULL: there is none. */
static struct fy_node *next_message(struct fy_stream_writer *w, const struct fy_node *node)
{
    struct fy_node *next = node ? fy_list_next(&w->taken, node) : fy_list_first(&w->taken);

    if (next)
        return next;
    fy_channel_take_all(&w->channel, &w->taken);
    return node ? fy_list_next(&w->taken, node) : fy_list_first(&w->taken);
}

/* Show what is left of the present frame, then a heartbeat if one is due, then messages. */
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

static void gather_frames(void *arg, struct fy_gather *g)
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
    assert(node); /* no more is sent than was shown */
    w->current = fy_container(node, struct fy_outgoing, item.node);
    fy_encoder_start(&w->encoder, w->current);
    w->frame_len = fy_encoder_left(&w->encoder);
}

static void frames_sent(void *arg, size_t len)
{
    struct fy_stream_writer *w = arg;
    struct fy_counts *counts = &w->peer->counts;
    size_t n = 0, n_memory = 0, n_bytes = 0;
    size_t n_of_class[FERRY_N_CLASSES] = {0};
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
            n_of_class[fy_message_class(w->current->type)]++;
            n_memory += w->current->item.memory;
            n_bytes += w->frame_len;
            fy_list_append(&done, &w->current->item.node);
            w->current = NULL;
        }
    }
    note_oldest(w);
    if (n == 0)
        return;
    fy_peer_free_messages(w->peer, &done, n_memory);
    fy_channel_give_back(&w->channel, n, n_memory);
    fy_count(&counts->sent_bytes, n_bytes);
    for (size_t i = 0; i < FERRY_N_CLASSES; i++)
        if (n_of_class[i] > 0)
            fy_count(&counts->written[i], n_of_class[i]);
}

static void on_gone(void *arg, int err)
{
    struct fy_stream_writer *w = arg;

    fy_link_broke(&w->peer->link);
    detach(w, FERRY_DROP_STREAM_CLOSED);
    fy_peer_status_deactivate(&w->peer->status, "write", fy_stream_name(w->stream), ferry_strerror(err));
}

static const struct fy_outflow_source source = {.gather = gather_frames, .sent = frames_sent, .on_gone = on_gone};

void fy_stream_writer_init(struct fy_stream_writer *w, struct fy_peer *peer, enum ferry_stream stream)
{
    const struct fy_local *local = peer->local;

    w->peer = peer;
    w->stream = stream;
    fy_channel_init(&w->channel, local->max_queue_messages, local->max_queue_bytes);
    atomic_init(&w->is_attached, false);
    atomic_init(&w->since_ms, 0);
    atomic_init(&w->oldest_ns, 0);
    atomic_init(&w->heartbeats, 0);
    w->out = NULL;
    fy_list_init(&w->taken);
    w->current = NULL;
    w->heartbeat_due = false;
    w->fold = (struct fy_log_fold){.next_ns = 0};
    fy_timer_init(&w->heartbeat, fy_net_timers(local->net), on_heartbeat, w);
}

void fy_stream_writer_release(struct fy_stream_writer *w)
{
    assert(!w->out);
    fy_channel_release(&w->channel);
}

/* Log that the peer reads; a peer that dials all the time is told of now and then. */
static void tell_attached(struct fy_stream_writer *w, bool replaces)
{
    const struct fy_local *local = w->peer->local;
    unsigned long long n_held;
    char held[48] = "";

    if (!fy_log_fold_pass(&w->fold, fy_net_now_ns(local->net), &n_held))
        return;
    if (n_held > 0)
        (void)snprintf(held, sizeof(held), " (%llu more times before)", n_held);
    fy_log(&local->log, FERRY_LOG_INFO, "stream", w->peer->id, "%s: the peer reads from us%s%s",
           fy_stream_name(w->stream), replaces ? " by a newer connection" : "", held);
}

void fy_stream_writer_attach(struct fy_stream_writer *w, struct fy_request *req)
{
    const struct fy_local *local = w->peer->local;
    const struct fy_header headers[] = {{FY_HEADER_SERVER_VERSION, local->version_text},
                                        {FY_HEADER_CLUSTER_ID, local->cluster_id_text.text}};

    struct fy_outflow *older = w->out;

    if (older) {
        detach(w, FERRY_DROP_STREAM_CLOSED);
        fy_outflow_end(older);
    }
    fy_encoder_init(&w->encoder, w->stream == FERRY_STREAM_MSGAPP ? FY_CODEC_MSGAPPV2 : FY_CODEC_MESSAGE, local->form);
    w->out = fy_request_stream(req, headers, sizeof(headers) / sizeof(headers[0]), &source, w);
    if (!w->out) {
        fy_peer_status_deactivate(&w->peer->status, "write", fy_stream_name(w->stream),
                                  ferry_strerror(FERRY_ERR_NOMEM));
        return;
    }
    atomic_store(&w->since_ms, fy_net_unix_ms(local->net));
    await_heartbeat(w);
    fy_channel_open(&w->channel);
    atomic_store(&w->is_attached, true);
    fy_link_stands(&w->peer->link);
    tell_attached(w, older != NULL);
    fy_peer_status_activate(&w->peer->status);
}

void fy_stream_writer_wake(struct fy_stream_writer *w)
{
    if (w->out && !fy_channel_is_empty(&w->channel))
        fy_outflow_wake(w->out);
}

void fy_stream_writer_beat(struct fy_stream_writer *w)
{
    if (!w->out)
        return;
    w->heartbeat_due = true;
    fy_outflow_wake(w->out);
}

void fy_stream_writer_give_up(struct fy_stream_writer *w, const char *why)
{
    struct fy_outflow *out = w->out;

    if (!out)
        return;
    detach(w, FERRY_DROP_STREAM_CLOSED);
    fy_outflow_abort(out);
    fy_peer_status_deactivate(&w->peer->status, "write", fy_stream_name(w->stream), why);
}

void fy_stream_writer_stop(struct fy_stream_writer *w, enum ferry_drop_reason reason)
{
    struct fy_outflow *out = w->out;

    detach(w, reason);
    fy_outflow_end(out);
}
