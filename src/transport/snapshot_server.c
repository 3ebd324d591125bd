/*
 * snapshot_server - receive a snapshot, store its body, and pass its message to the core.
 *
 * Normal path: the message is decoded and checked.  The body goes in pieces to a writer, whose disk workers pass it to
 * the sink; the request is paused while they are behind.  At the end the sink commits, the message goes to the core
 * like any posted message, and the core's result is the answer.
 *
 * On any failure (a refusal, a client that leaves or stalls, a body that is too long, a disk error) the arrival ends,
 * its writer aborts the body, and the failure is counted.  If the client leaves after the whole body was received, the
 * body is still stored and the core still gets the message, as in etcd.  Order, statuses and texts are those of etcd's
 * rafthttp; 408, 412, 413, 501 and 503 are answers to requests that etcd does not refuse.
 */
#include "transport/snapshot_server.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk/body_writer.h"
#include "disk/disk.h"
#include "disk/snapshot_dir.h"
#include "member/stall.h"
#include "net/net.h"
#include "node/answers.h"
#include "peer/peer.h"
#include "transport/admission.h"
#include "transport/posts.h"
#include "transport/transport.h"
#include "wire/decoder.h"
#include "wire/message.h"

static_assert(FY_LEN_UNKNOWN == FERRY_SIZE_UNKNOWN, "lengths are passed on unchanged");

/* A snapshot that is being received. */
struct arrival {
    struct fy_node node; /* in t->arrivals */
    struct ferry_transport *t;
    struct fy_request *req;          /* NULL: the client left after the whole body was received */
    struct fy_peer *peer;            /* a reference; NULL: a stranger */
    struct fy_snapshot_meter *meter; /* the peer's, or that of all strangers */
    uint64_t announced;              /* bytes of the request's body; FERRY_SIZE_UNKNOWN */
    uint64_t n_bytes;                /* received so far */

    struct fy_decoder decoder;       /* of the message */
    const struct ferry_message *msg; /* a reference; NULL: not decoded yet */
    size_t frame_len;                /* of msg */

    struct fy_body_writer *writer; /* NULL: not started */
    bool is_whole;                 /* the whole body was received */
    struct fy_stall stall;
    struct fy_timer deadline;
};

static struct fy_header cluster_id_header(const struct ferry_transport *t)
{
    return (struct fy_header){FY_HEADER_CLUSTER_ID, t->raft.cluster_id_text.text};
}

static void answer(struct ferry_transport *t, struct fy_request *req, int status, const char *text)
{
    struct fy_header header = cluster_id_header(t);

    fy_answer_text(req, status, &header, 1, text);
}

/* ---- The end of an arrival ----------------------------------------------------------------------------------------
 */

/* An arrival and its disk jobs have ended: there is room for another. */
static void arrival_on_freed(void *arg)
{
    struct ferry_transport *t = arg;

    t->n_snapshots_in--;
}

static void arrival_free(struct arrival *arrival, bool is_finished)
{
    struct ferry_transport *t = arrival->t;

    fy_list_remove(&arrival->node);
    fy_timer_unset(&arrival->deadline);
    if (arrival->writer)
        fy_body_writer_let_go(arrival->writer, arrival_on_freed, t);
    else
        arrival_on_freed(t);
    fy_decoder_release(&arrival->decoder);
    ferry_message_unref(arrival->msg);
    fy_snapshot_meter_end(arrival->meter, fy_net_now_ns(t->local.net), is_finished);
    if (arrival->peer)
        fy_peer_unref(arrival->peer);
    free(arrival);
}

static void note_failure(const struct arrival *arrival, const char *why)
{
    struct ferry_transport *t = arrival->t;
    unsigned long long n_held;

    if (fy_log_fold_pass(&t->snapshot_fold, fy_net_now_ns(t->local.net), &n_held))
        fy_log(&t->local.log, FERRY_LOG_WARN, "snapshot", arrival->peer ? fy_peer_id(arrival->peer) : 0,
               "receiving a snapshot failed after %" PRIu64 " bytes: %s (%llu similar messages suppressed)",
               arrival->n_bytes, why, n_held);
}

/* Ends and counts the arrival before it answers. */
static void refuse(struct arrival *arrival, int status, const char *text)
{
    struct ferry_transport *t = arrival->t;
    struct fy_request *req = arrival->req;

    note_failure(arrival, text);
    arrival_free(arrival, false);
    if (req)
        answer(t, req, status, text);
}

static void refuse_removed(struct arrival *arrival)
{
    struct ferry_transport *t = arrival->t;
    struct fy_request *req = arrival->req;

    note_failure(arrival, "the sender was removed from the cluster");
    arrival_free(arrival, false);
    fy_admission_refuse_removed(t, req);
}

static void refuse_because(struct arrival *arrival, int status, const char *what, const char *reason)
{
    char text[200];

    (void)snprintf(text, sizeof(text), "%s (%s)", what, reason);
    refuse(arrival, status, text);
}

/* ---- The body -----------------------------------------------------------------------------------------------------
 */

/* The sink has committed the body. */
static void hand_to_core(struct arrival *arrival)
{
    struct ferry_transport *t = arrival->t;
    struct fy_request *req = arrival->req;
    struct fy_peer *peer = arrival->peer;
    const struct ferry_message *msg = arrival->msg;

    fy_log(&t->local.log, FERRY_LOG_INFO, "snapshot", peer ? fy_peer_id(peer) : 0,
           "snapshot %" PRIu64 " received and stored, %" PRIu64 " bytes", msg->snapshot->index, arrival->n_bytes);
    if (peer) {
        fy_count(&fy_peer_counts(peer)->received[FERRY_CLASS_SNAPSHOT], 1);
        fy_count(&fy_peer_counts(peer)->received_bytes, arrival->n_bytes);
        fy_peer_ref(peer);
    }
    arrival->msg = NULL;
    arrival_free(arrival, true);
    fy_posts_deliver(t, req, peer, msg, "failed to process raft message (refused by the core)");
    if (peer)
        fy_peer_unref(peer);
}

static void set_deadline(struct arrival *arrival)
{
    const struct fy_local *local = &arrival->t->local;

    fy_timer_set(&arrival->deadline, fy_net_now_ns(local->net) + arrival->t->raft.snapshot_stall_ns);
}

static void arrival_on_deadline(void *arg)
{
    struct arrival *arrival = arg;
    const struct fy_local *local = &arrival->t->local;

    if (fy_stall_pass(&arrival->stall, &arrival->deadline, arrival->t->raft.snapshot_stall_ns,
                      fy_net_now_ns(local->net)))
        set_deadline(arrival);
    else
        refuse(arrival, 408, "snapshot transfer stalled");
}

/* The writer has room again, has stored the body, or has failed. */
static void arrival_on_change(void *arg)
{
    struct arrival *arrival = arg;
    int err = fy_body_writer_error(arrival->writer);

    if (err != FERRY_OK) {
        refuse_because(arrival, 500, "failed to save KV snapshot", err > 0 ? strerror(err) : ferry_strerror(err));
    } else if (fy_body_writer_is_stored(arrival->writer)) {
        hand_to_core(arrival);
    } else if (arrival->req && arrival->stall.is_held && !fy_body_writer_is_full(arrival->writer)) {
        fy_stall_hold(&arrival->stall, false);
        fy_request_resume_body(arrival->req);
    }
}

static uint64_t body_size(const struct arrival *arrival)
{
    if (arrival->announced == FERRY_SIZE_UNKNOWN || arrival->announced < arrival->frame_len)
        return FERRY_SIZE_UNKNOWN;
    return arrival->announced - arrival->frame_len;
}

static void take_bytes(struct arrival *arrival, const uint8_t *data, size_t len)
{
    if (arrival->n_bytes - arrival->frame_len > arrival->t->max_snapshot_bytes) {
        refuse(arrival, 413, "the snapshot is larger than this member's limit");
        return;
    }
    fy_body_writer_put(arrival->writer, data, len);
    if (fy_body_writer_is_full(arrival->writer)) {
        fy_stall_hold(&arrival->stall, true);
        fy_request_pause_body(arrival->req);
    }
}

/* ---- The message before it ----------------------------------------------------------------------------------------
 */

static const char *decode_reason(int err)
{
    return err == FERRY_ERR_TOO_LARGE ? "rafthttp: error limit exceeded" : ferry_strerror(err);
}

/* The message is decoded: check it, and open the sink.  false: the arrival has ended. */
static bool begin_body(struct arrival *arrival)
{
    struct ferry_transport *t = arrival->t;
    const struct ferry_message *msg = arrival->msg;
    const struct fy_local *local = &t->local;

    if (msg->type != FERRY_MSG_SNAP) {
        refuse(arrival, 400, "wrong raft message type");
    } else if (!msg->snapshot) {
        refuse_because(arrival, 400, "failed to decode raft message", "MsgSnap without a snapshot");
    } else if (fy_transport_is_removed(t, msg->from)) {
        refuse_removed(arrival);
    } else if (msg->to != 0 && msg->to != local->id) {
        refuse(arrival, 412, FY_TEXT_TO_MISMATCH); /* not 403, on which etcd considers itself removed */
    } else if (body_size(arrival) != FERRY_SIZE_UNKNOWN && body_size(arrival) > t->max_snapshot_bytes) {
        refuse(arrival, 413, "the snapshot is larger than this member's limit");
    } else if (fy_disk_prepare(t->raft.disk) != FERRY_OK ||
               fy_body_writer_new(t->raft.disk, &t->sink, msg, body_size(arrival), arrival_on_change, arrival,
                                  &arrival->writer) != FERRY_OK) {
        refuse_because(arrival, 500, "failed to save KV snapshot", ferry_strerror(FERRY_ERR_NOMEM));
    } else {
        fy_snapshot_meter_name(arrival->meter, msg->snapshot->index);
        return true;
    }
    return false;
}

/* Decode the message.  Returns how many bytes it used; SIZE_MAX: the arrival has ended. */
static size_t take_message(struct arrival *arrival, const uint8_t *data, size_t len)
{
    size_t n_used;
    int got = fy_decoder_feed(&arrival->decoder, data, len, &n_used, &arrival->msg, &arrival->frame_len);

    if (got < 0) {
        refuse_because(arrival, 400, "failed to decode raft message", decode_reason(got));
        return SIZE_MAX;
    }
    if (got == FY_DECODED_HEARTBEAT) {
        refuse(arrival, 400, "wrong raft message type");
        return SIZE_MAX;
    }
    if (got == FY_DECODED_MESSAGE && !begin_body(arrival))
        return SIZE_MAX;
    return n_used;
}

/* ---- The request --------------------------------------------------------------------------------------------------
 */

static void arrival_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct arrival *arrival = arg;

    arrival->n_bytes += len;
    fy_stall_moved(&arrival->stall, len);
    fy_snapshot_meter_move(arrival->meter, fy_net_now_ns(arrival->t->local.net), len);
    if (!arrival->msg) {
        size_t n_used = take_message(arrival, data, len);

        if (n_used == SIZE_MAX)
            return;
        data += n_used;
        len -= n_used;
    }
    if (len > 0)
        take_bytes(arrival, data, len);
}

/* Memory for the next bytes of the body, once the message is decoded. */
static uint8_t *arrival_on_room(void *arg, size_t *ret_len)
{
    struct arrival *arrival = arg;

    if (!arrival->writer || fy_body_writer_is_full(arrival->writer))
        return NULL;
    return fy_body_writer_room(arrival->writer, ret_len);
}

static void arrival_on_body_end(void *arg)
{
    struct arrival *arrival = arg;

    if (!arrival->writer) {
        refuse_because(arrival, 400, "failed to decode raft message", arrival->n_bytes == 0 ? "EOF" : "unexpected EOF");
        return;
    }
    arrival->is_whole = true;
    fy_timer_unset(&arrival->deadline);
    fy_body_writer_commit(arrival->writer);
}

static void arrival_on_gone(void *arg)
{
    struct arrival *arrival = arg;

    arrival->req = NULL;
    if (arrival->is_whole)
        return;
    note_failure(arrival, "the sender closed the connection");
    arrival_free(arrival, false);
}

void fy_snapshot_server_abort(struct ferry_transport *t)
{
    struct fy_node *node, *next;

    for (node = fy_list_first(&t->arrivals); node; node = next) {
        struct arrival *arrival = fy_container(node, struct arrival, node);
        struct fy_request *req = arrival->req;

        next = fy_list_next(&t->arrivals, node);
        if (!req)
            continue;
        arrival_on_gone(arrival);
        fy_request_abort(req);
    }
}

static void receive(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer)
{
    static const struct fy_request_events events = {.on_body = arrival_on_body,
                                                    .on_room = arrival_on_room,
                                                    .on_body_end = arrival_on_body_end,
                                                    .on_gone = arrival_on_gone};
    const struct fy_local *local = &t->local;
    struct arrival *arrival = calloc(1, sizeof(*arrival));

    if (!arrival) {
        answer(t, req, 503, "out of memory");
        return;
    }
    arrival->t = t;
    arrival->req = req;
    arrival->peer = peer;
    arrival->meter = peer ? &peer->snapshots_in : &t->stranger_snapshots;
    if (peer)
        fy_peer_ref(peer);
    arrival->announced = fy_request_body_len(req);
    fy_snapshot_meter_begin(arrival->meter, fy_net_now_ns(local->net), fy_net_unix_ms(local->net), 0,
                            arrival->announced);
    fy_decoder_init(&arrival->decoder, FY_CODEC_MESSAGE, local->id, 0,
                    t->raft.max_message_bytes < FY_SNAPSHOT_MAX_MESSAGE ? t->raft.max_message_bytes
                                                                        : FY_SNAPSHOT_MAX_MESSAGE);
    fy_timer_init(&arrival->deadline, fy_net_timers(local->net), arrival_on_deadline, arrival);
    t->n_snapshots_in++;
    fy_list_append(&t->arrivals, &arrival->node);
    set_deadline(arrival);
    fy_request_set_events(req, &events, arrival);
}

void fy_snapshot_server_serve(struct ferry_transport *t, struct fy_request *req)
{
    struct fy_peer *peer = fy_admission_find_sender(t, req);

    if (!t->sink.open) {
        answer(t, req, 501, "this member does not store snapshots");
    } else if (peer &&
               !fy_peer_base_is_open(&peer->base)) { /* paused or cut: to both cores it looks lost on the network */
        fy_count(&fy_peer_counts(peer)->received_dropped, 1);
        fy_request_abort(req);
    } else if (t->n_snapshots_in == t->max_snapshots_in) {
        answer(t, req, 503, "too many incoming snapshots");
    } else {
        receive(t, req, peer);
    }
    if (peer)
        fy_peer_unref(peer);
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

int fy_snapshot_server_open(struct ferry_transport *t)
{
    int err;

    if (t->sink.open || !t->snapshot_dir_path)
        return FERRY_OK;
    err = fy_snapshot_dir_new(t->snapshot_dir_path, &t->snapshot_dir);
    if (err == FERRY_ERR_SYSTEM)
        fy_log(&t->local.log, FERRY_LOG_ERROR, "snapshot", 0, "%s: %s", t->snapshot_dir_path, strerror(errno));
    if (err == FERRY_OK)
        t->sink = fy_snapshot_dir_sink(t->snapshot_dir);
    return err;
}

void fy_snapshot_server_close(struct ferry_transport *t)
{
    assert(t->n_snapshots_in == 0);
    fy_snapshot_dir_free(t->snapshot_dir);
    t->snapshot_dir = NULL;
}
