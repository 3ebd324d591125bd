/*
 * raft_server - who may speak, in the order in which etcd asks.
 *
 * A stream: versions, cluster id, path, removed, known, addressed to us; then the request becomes the answer that the
 * peer's writer fills.  A post: versions, cluster id; then the body is gathered and decoded, the message goes to the
 * core, and the answer waits for what the core says, which with workers comes from another thread.
 * Source of order, statuses and texts: etcd's rafthttp.  Where etcd drops the connection without a word (a version that
 * cannot be parsed), this answers 400.
 */
#include "transport/raft_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net.h"
#include "peer/message_class.h"
#include "peer/peer.h"
#include "transport/answers.h"
#include "transport/intake.h"
#include "transport/snapshot_server.h"
#include "transport/transport.h"
#include "wire/message.h"
#include "wire/probe_answer.h"

/* ---- What both endpoints check ------------------------------------------------------------------------------------
 */

/* Status 412, never 403: etcd takes that for its removal. */
#define TEXT_CERTIFICATE_MISMATCH "the certificate does not belong to the member"

/* The headers of every answer of an endpoint. */
struct own_headers {
    struct fy_header headers[2];
    size_t n;
};

static struct own_headers own_headers(const struct ferry_transport *t, bool with_version)
{
    struct own_headers own = {.headers = {{FY_HEADER_CLUSTER_ID, t->raft.cluster_id_text.text}}, .n = 1};

    if (with_version)
        own.headers[own.n++] = (struct fy_header){FY_HEADER_SERVER_VERSION, t->raft.version_text};
    return own;
}

static void refuse(struct fy_request *req, int status, const struct own_headers *own, const char *text)
{
    fy_answer_text(req, status, own->headers, own->n, text);
}

/* Is the method the endpoint's?  If not, the request is answered. */
static bool check_method(struct fy_request *req, const char *method)
{
    const struct fy_header allow = {"Allow", method};

    if (strcmp(fy_request_method(req), method) == 0)
        return true;
    fy_answer_text(req, 405, &allow, 1, "Method Not Allowed");
    return false;
}

/* Is the sender who it says it is, as far as its certificate tells?  One without a name is nobody (0). */
static bool is_sender_itself(struct fy_request *req)
{
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
    uint64_t id;

    return fy_request_is_from(req, from && fy_id_parse(from, &id) == FERRY_OK ? id : 0);
}

/* A request's header for the log; "" when it is absent. */
struct header_text {
    char text[24];
};

static struct header_text header_text(const struct fy_request *req, const char *name)
{
    const char *value = fy_request_header(req, name);
    struct header_text ret;

    (void)snprintf(ret.text, sizeof(ret.text), "%s", value ? value : "");
    fy_log_make_printable(ret.text);
    return ret;
}

/* A member that is set up wrongly comes again and again: the log says what does not fit, now and then. */
static void tell_refusal(struct ferry_transport *t, const struct fy_request *req, const char *why)
{
    unsigned long long n_held;

    if (!fy_log_fold_pass(&t->refusal_fold, fy_net_now_ns(t->local.net), &n_held))
        return;
    fy_log(
        &t->local.log, FERRY_LOG_WARN, "server", 0,
        "refused a request from %s (member \"%s\"): %s: theirs: cluster \"%s\", version \"%s\", minimum \"%s\"; ours: "
        "\"%s\", \"%s\", \"%s\" (%llu more not logged)",
        fy_request_remote(req), header_text(req, FY_HEADER_SERVER_FROM).text, why,
        header_text(req, FY_HEADER_CLUSTER_ID).text, header_text(req, FY_HEADER_SERVER_VERSION).text,
        header_text(req, FY_HEADER_MIN_CLUSTER_VERSION).text, t->raft.cluster_id_text.text, t->raft.version_text,
        t->raft.min_version_text, n_held);
}

/* Are the version and the cluster right?  If not, the request is answered. */
static bool check_sender(struct ferry_transport *t, struct fy_request *req, const struct own_headers *own)
{
    const char *cluster_id = fy_request_header(req, FY_HEADER_CLUSTER_ID);
    struct fy_version version, min_version;
    const char *why = NULL;
    int status = 412;

    if (fy_version_parse_header(fy_request_header(req, FY_HEADER_SERVER_VERSION), &version) != FERRY_OK) {
        status = 400;
        why = "malformed " FY_HEADER_SERVER_VERSION;
    } else if (fy_version_parse_header(fy_request_header(req, FY_HEADER_MIN_CLUSTER_VERSION), &min_version) !=
               FERRY_OK) {
        status = 400;
        why = "malformed " FY_HEADER_MIN_CLUSTER_VERSION;
    } else if (fy_version_check(t->raft.version, t->raft.min_version, version, min_version) != FERRY_OK) {
        why = FY_TEXT_INCOMPATIBLE_VERSION;
    } else if (!cluster_id || strcmp(cluster_id, t->raft.cluster_id_text.text) != 0) {
        why = FY_TEXT_CLUSTER_ID_MISMATCH;
    } else if (!is_sender_itself(req)) {
        why = TEXT_CERTIFICATE_MISMATCH;
    }
    if (!why)
        return true;
    tell_refusal(t, req, why);
    refuse(req, status, own, why);
    return false;
}

/* ---- GET /raft/stream/... -----------------------------------------------------------------------------------------
 */

/* A sender that is of this cluster and says where it can be reached is worth remembering. */
static void learn_sender(struct ferry_transport *t, const struct fy_request *req, uint64_t id)
{
    const char *urls = fy_request_header(req, FY_HEADER_PEER_URLS);

    if (urls && urls[0] != '\0')
        fy_transport_learn_remote(t, id, urls);
}

/* Why this stream cannot be served: a status with its text, or 200. */
static int judge_stream(struct ferry_transport *t, const struct fy_request *req, enum ferry_stream *ret_stream,
                        struct fy_peer **ret_peer, const char **ret_why)
{
    const char *to = fy_request_header(req, FY_HEADER_RAFT_TO);
    uint64_t from;

    switch (fy_stream_path_parse(fy_request_path(req), ret_stream, &from)) {
    case FERRY_OK:
        break;
    case FERRY_ERR_MALFORMED:
        *ret_why = "invalid from";
        return 404;
    default:
        *ret_why = "invalid path";
        return 404;
    }
    if (fy_transport_is_removed(t, from)) {
        *ret_why = "removed member";
        return 410;
    }
    *ret_peer = fy_transport_find_peer(t, from);
    if (!*ret_peer) {
        learn_sender(t, req, from);
        *ret_why = "error sender not found";
        return 404;
    }
    if (!fy_request_is_from(req, from)) {
        *ret_why = TEXT_CERTIFICATE_MISMATCH;
        return 412;
    }
    if (!to || strcmp(to, t->local.id_text.text) != 0) {
        *ret_why = FY_TEXT_TO_MISMATCH;
        return 412;
    }
    return 200;
}

static void serve_stream(struct ferry_transport *t, struct fy_request *req)
{
    struct own_headers own = own_headers(t, true);
    struct fy_peer *peer = NULL;
    enum ferry_stream stream;
    const char *why;
    int status;

    if (!check_method(req, "GET") || !check_sender(t, req, &own))
        return;
    status = judge_stream(t, req, &stream, &peer, &why);
    if (status == 200) {
        fy_stream_writer_attach(&peer->writers[stream], req);
    } else {
        fy_log(&t->local.log, FERRY_LOG_DEBUG, "server", 0, "refused %s from %s: %s", fy_request_path(req),
               fy_request_remote(req), why);
        refuse(req, status, &own, why);
    }
    if (peer)
        fy_peer_unref(peer);
}

/* ---- POST /raft ---------------------------------------------------------------------------------------------------
 */

/* A message that was posted, and whose answer waits for the core. */
struct posted {
    struct fy_errand errand; /* with workers: answers on the loop */
    struct ferry_transport *t;
    struct fy_request *req; /* the loop's; NULL: the client left */
    const char *failure;    /* what a 500 says; static */
    int result;             /* the core's, once it is known */
};

static void answer_post(struct posted *posted)
{
    struct own_headers own = own_headers(posted->t, false);

    if (!posted->req) {
        free(posted);
        return;
    }
    switch (posted->result) {
    case FERRY_OK:
        fy_request_reply(posted->req, 204, own.headers, own.n, NULL, 0);
        break;
    case FERRY_ERR_FULL:
        refuse(posted->req, 503, &own, "the receive queue is full");
        break;
    case FERRY_ERR_CLOSED:
        refuse(posted->req, 503, &own, "the member is stopping");
        break;
    case FERRY_ERR_NOMEM:
        refuse(posted->req, 503, &own, "out of memory");
        break;
    default:
        refuse(posted->req, 500, &own, posted->failure);
    }
    free(posted);
}

static void posted_on_errand(struct fy_errand *errand)
{
    answer_post(fy_container(errand, struct posted, errand));
}

static void posted_on_delivered(void *arg, int result)
{
    struct posted *posted = arg;
    struct ferry_transport *t = posted->t;

    posted->result = result;
    if (!t->delivery.has_workers) {
        answer_post(posted);
        return;
    }
    posted->errand.run = posted_on_errand;
    fy_errands_post(&t->errands, &posted->errand);
}

static void posted_on_gone(void *arg)
{
    struct posted *posted = arg;

    posted->req = NULL;
}

void fy_raft_server_deliver(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer,
                            const struct ferry_message *msg, const char *failure)
{
    static const struct fy_request_events events = {.on_gone = posted_on_gone};
    struct own_headers own = own_headers(t, false);
    struct posted *posted = calloc(1, sizeof(*posted));

    if (!posted) {
        ferry_message_unref(msg);
        if (req)
            refuse(req, 503, &own, "out of memory");
        return;
    }
    posted->t = t;
    posted->req = req;
    posted->failure = failure;
    if (req)
        fy_request_set_events(req, &events, posted);
    fy_delivery_put(&t->delivery, peer, msg, posted_on_delivered, posted);
}

/* A message came by post from a peer (NULL: a stranger). */
static void take_post(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer,
                      const struct ferry_message *msg, size_t len)
{
    struct own_headers own = own_headers(t, false);

    if (peer) {
        fy_count(&fy_peer_counts(peer)->received[fy_message_class(msg->type)], 1);
        fy_count(&fy_peer_counts(peer)->received_bytes, len);
    }
    if (peer && !fy_peer_base_is_open(&peer->base)) { /* lost on the way, as far as both cores can tell */
        fy_count(&fy_peer_counts(peer)->received_dropped, 1);
        ferry_message_unref(msg);
        fy_request_abort(req);
    } else if (msg->to != 0 && msg->to != t->local.id) {
        if (peer)
            fy_count(&fy_peer_counts(peer)->received_dropped, 1);
        ferry_message_unref(msg);
        refuse(req, 412, &own, FY_TEXT_TO_MISMATCH); /* never 403: etcd takes that for its removal */
    } else {
        fy_raft_server_deliver(t, req, peer, msg, "error processing raft message");
    }
}

struct fy_peer *fy_raft_server_find_sender(struct ferry_transport *t, struct fy_request *req)
{
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
    uint64_t id;

    return from && fy_id_parse(from, &id) == FERRY_OK ? fy_transport_find(t, id) : NULL;
}

void fy_raft_server_refuse_removed(struct ferry_transport *t, struct fy_request *req)
{
    static const char body[] = "{\"message\":\"cannot process message from removed member\"}";
    struct own_headers own = own_headers(t, false);
    struct fy_header headers[sizeof(own.headers) / sizeof(own.headers[0]) + 1] = {{"Content-Type", "application/json"}};

    memcpy(headers + 1, own.headers, own.n * sizeof(own.headers[0]));
    fy_request_reply(req, 403, headers, own.n + 1, body, sizeof(body) - 1);
}

/* The body of a post could not be decoded. */
static void refuse_body(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer, int err)
{
    struct own_headers own = own_headers(t, false);

    fy_log(&t->local.log, FERRY_LOG_DEBUG, "server", peer ? fy_peer_id(peer) : 0, "a post from %s: %s",
           fy_request_remote(req), ferry_strerror(err));
    fy_count(peer ? &fy_peer_counts(peer)->received_failures : &t->n_stranger_failures, 1);
    refuse(req, err == FERRY_ERR_NOMEM ? 503 : 400, &own, "error unmarshalling raft message");
}

static void on_post(void *arg, struct fy_request *req, const uint8_t *data, size_t len)
{
    struct ferry_transport *t = arg;
    const struct ferry_message *msg;
    struct fy_peer *peer = fy_raft_server_find_sender(t, req);
    int err = fy_message_decode(data, len, t->raft.max_message_bytes, &msg);

    if (err != FERRY_OK) {
        refuse_body(t, req, peer, err);
    } else if (fy_transport_is_removed(t, msg->from)) {
        ferry_message_unref(msg);
        fy_raft_server_refuse_removed(t, req);
    } else {
        take_post(t, req, peer, msg, len);
    }
    if (peer)
        fy_peer_unref(peer);
}

/* The same for one that names itself in a header alone. */
static void learn_poster(struct ferry_transport *t, const struct fy_request *req)
{
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
    uint64_t id;

    if (from && fy_id_parse(from, &id) == FERRY_OK)
        learn_sender(t, req, id);
}

static void serve_post(struct ferry_transport *t, struct fy_request *req)
{
    struct own_headers own = own_headers(t, false);

    if (!check_method(req, "POST") || !check_sender(t, req, &own))
        return;
    learn_poster(t, req);
    fy_intake_start(req, &t->intake, t->raft.max_message_bytes, on_post, t);
}

static void serve_snapshot(struct ferry_transport *t, struct fy_request *req)
{
    struct own_headers own = own_headers(t, false);

    if (!check_method(req, "POST") || !check_sender(t, req, &own)) {
        fy_snapshot_meter_refuse(&t->stranger_snapshots);
        return;
    }
    learn_poster(t, req);
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
