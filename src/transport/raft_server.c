/*
 * raft_server - the endpoints below /raft.
 *
 * A stream is admitted, and then its request becomes the answer that the peer's writer fills.  A post is admitted, its
 * body is gathered and decoded, and the message goes to the core (posts.c).
 */
#include "transport/raft_server.h"

#include <string.h>

#include "net/net.h"
#include "node/answers.h"
#include "node/intake.h"
#include "peer/message_class.h"
#include "peer/peer.h"
#include "transport/admission.h"
#include "transport/posts.h"
#include "transport/snapshot_server.h"
#include "transport/transport.h"
#include "wire/message.h"
#include "wire/probe_answer.h"

/* ---- GET /raft/stream/... -----------------------------------------------------------------------------------------
 */

static void serve_stream(struct ferry_transport *t, struct fy_request *req)
{
    struct fy_own_headers own = fy_admission_headers(t, true);
    struct fy_peer *peer = NULL;
    enum ferry_stream stream;
    const char *why;
    int status;

    if (!fy_admission_check_method(req, "GET") || !fy_admission_check_sender(t, req, &own))
        return;
    status = fy_admission_judge_stream(t, req, &stream, &peer, &why);
    if (status == 200) {
        fy_stream_writer_attach(&peer->writers[stream], req);
    } else {
        fy_log(&t->local.log, FERRY_LOG_DEBUG, "server", 0, "refused %s from %s: %s", fy_request_path(req),
               fy_request_remote(req), why);
        fy_admission_refuse(req, status, &own, why);
    }
    if (peer)
        fy_peer_unref(peer);
}

/* ---- POST /raft ---------------------------------------------------------------------------------------------------
 */

/* Take a decoded message that was posted by a peer (NULL: a stranger). */
static void take_post(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer,
                      const struct ferry_message *msg, size_t len)
{
    struct fy_own_headers own = fy_admission_headers(t, false);

    if (peer) {
        fy_count(&fy_peer_counts(peer)->received[fy_message_class(msg->type)], 1);
        fy_count(&fy_peer_counts(peer)->received_bytes, len);
    }
    if (peer && !fy_peer_base_is_open(&peer->base)) { /* paused or cut: to both cores it looks lost on the network */
        fy_count(&fy_peer_counts(peer)->received_dropped, 1);
        ferry_message_unref(msg);
        fy_request_abort(req);
    } else if (msg->to != 0 && msg->to != t->local.id) {
        if (peer)
            fy_count(&fy_peer_counts(peer)->received_dropped, 1);
        ferry_message_unref(msg);
        fy_admission_refuse(req, 412, &own, FY_TEXT_TO_MISMATCH); /* not 403, on which etcd considers itself removed */
    } else {
        fy_posts_deliver(t, req, peer, msg, "error processing raft message");
    }
}

/* The body of a post could not be decoded. */
static void refuse_body(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer, int err)
{
    struct fy_own_headers own = fy_admission_headers(t, false);

    fy_log(&t->local.log, FERRY_LOG_DEBUG, "server", peer ? fy_peer_id(peer) : 0, "cannot decode a POST from %s: %s",
           fy_request_remote(req), ferry_strerror(err));
    fy_count(peer ? &fy_peer_counts(peer)->received_failures : &t->n_stranger_failures, 1);
    fy_admission_refuse(req, err == FERRY_ERR_NOMEM ? 503 : 400, &own, "error unmarshalling raft message");
}

static void server_on_post(void *arg, struct fy_request *req, const uint8_t *data, size_t len)
{
    struct ferry_transport *t = arg;
    const struct ferry_message *msg;
    struct fy_peer *peer = fy_admission_find_sender(t, req);
    int err = fy_message_decode(data, len, t->raft.max_message_bytes, &msg);

    if (err != FERRY_OK) {
        refuse_body(t, req, peer, err);
    } else if (fy_transport_is_removed(t, msg->from)) {
        ferry_message_unref(msg);
        fy_admission_refuse_removed(t, req);
    } else {
        take_post(t, req, peer, msg, len);
    }
    if (peer)
        fy_peer_unref(peer);
}

static void serve_post(struct ferry_transport *t, struct fy_request *req)
{
    struct fy_own_headers own = fy_admission_headers(t, false);

    if (!fy_admission_check_method(req, "POST") || !fy_admission_check_sender(t, req, &own))
        return;
    fy_admission_learn_sender(t, req);
    fy_intake_start(req, &t->intake, t->raft.max_message_bytes, server_on_post, t);
}

static void serve_snapshot(struct ferry_transport *t, struct fy_request *req)
{
    struct fy_own_headers own = fy_admission_headers(t, false);

    if (!fy_admission_check_method(req, "POST") || !fy_admission_check_sender(t, req, &own)) {
        fy_snapshot_meter_refuse(&t->stranger_snapshots);
        return;
    }
    fy_admission_learn_sender(t, req);
    fy_snapshot_server_serve(t, req);
}

/* ---- GET /raft/probing --------------------------------------------------------------------------------------------
 */

static void serve_probe(struct ferry_transport *t, struct fy_request *req)
{
    static const struct fy_header headers[] = {{"Content-Type", "text/plain; charset=utf-8"}};
    char body[FY_PROBE_ANSWER_SIZE];
    size_t len = fy_probe_answer_format(fy_net_unix_ns(t->local.net), body);

    fy_request_reply(req, 200, headers, 1, body, len);
}

/* ---- The endpoints ------------------------------------------------------------------------------------------------
 */

static bool starts_with(const char *path, const char *start)
{
    return strncmp(path, start, strlen(start)) == 0;
}

bool fy_raft_server_owns(const char *path)
{
    return strcmp(path, FY_PATH_RAFT) == 0 || starts_with(path, FY_PATH_RAFT "/");
}

void fy_raft_server_serve(struct ferry_transport *t, struct fy_request *req)
{
    const char *path = fy_request_path(req);

    if (strcmp(path, FY_PATH_RAFT) == 0)
        serve_post(t, req);
    else if (strcmp(path, FY_PATH_SNAPSHOT) == 0)
        serve_snapshot(t, req);
    else if (starts_with(path, FY_PATH_STREAM "/"))
        serve_stream(t, req);
    else if (strcmp(path, FY_PATH_PROBING) == 0)
        serve_probe(t, req);
    else
        fy_answer_not_found(req);
}
