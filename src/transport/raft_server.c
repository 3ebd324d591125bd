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
#include <time.h>

#include "net/net.h"
#include "peer/peer.h"
#include "transport/answers.h"
#include "transport/intake.h"
#include "transport/transport.h"
#include "wire/message.h"

/* ---- What both endpoints check ------------------------------------------------------------------------------------
 */

/* The headers of every answer of an endpoint. */
struct own_headers {
    struct fy_header headers[2];
    size_t n;
};

static struct own_headers own_headers(const struct ferry_transport *t, bool with_version)
{
    struct own_headers own = {.headers = {{FY_HEADER_CLUSTER_ID, t->local.cluster_id_text.text}}, .n = 1};

    if (with_version)
        own.headers[own.n++] = (struct fy_header){FY_HEADER_SERVER_VERSION, t->local.version_text};
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

/* Are the version and the cluster right?  If not, the request is answered. */
static bool check_sender(struct ferry_transport *t, struct fy_request *req, const struct own_headers *own)
{
    const char *cluster_id = fy_request_header(req, FY_HEADER_CLUSTER_ID);
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
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
    } else if (fy_version_check(t->local.version, t->local.min_version, version, min_version) != FERRY_OK) {
        why = FY_TEXT_INCOMPATIBLE_VERSION;
    } else if (!cluster_id || strcmp(cluster_id, t->local.cluster_id_text.text) != 0) {
        why = FY_TEXT_CLUSTER_ID_MISMATCH;
    }
    if (!why)
        return true;
    fy_log(&t->local.log, FERRY_LOG_DEBUG, "server", 0, "refused %s from %s (id \"%.20s\"): %s", fy_request_path(req),
           fy_request_remote(req), from ? from : "", why);
    refuse(req, status, own, why);
    return false;
}

/* ---- GET /raft/stream/... -----------------------------------------------------------------------------------------
 */

/* Why this stream cannot be served: a status with its text, or 200. */
static int judge_stream(struct ferry_transport *t, struct fy_request *req, enum ferry_stream *ret_stream,
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
    if (t->core.is_id_removed && t->core.is_id_removed(t->core.ctx, from)) {
        *ret_why = "removed member";
        return 410;
    }
    *ret_peer = fy_transport_find_peer(t, from);
    if (!*ret_peer) {
        *ret_why = "error sender not found";
        return 404;
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
    struct fy_node node; /* in t->answered */
    struct ferry_transport *t;
    struct fy_request *req; /* the loop's; NULL: the client left */
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
        refuse(posted->req, 500, &own, "error processing raft message");
    }
    free(posted);
}

static void on_delivered(void *arg, int result)
{
    struct posted *posted = arg;
    struct ferry_transport *t = posted->t;

    posted->result = result;
    if (!t->delivery.has_workers) {
        answer_post(posted);
        return;
    }
    pthread_mutex_lock(&t->mu);
    fy_list_append(&t->answered, &posted->node);
    pthread_mutex_unlock(&t->mu);
    fy_net_wake(t->local.net);
}

static void on_client_gone(void *arg)
{
    struct posted *posted = arg;

    posted->req = NULL;
}

static void deliver_post(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer,
                         const struct ferry_message *msg)
{
    static const struct fy_request_events events = {.on_gone = on_client_gone};
    struct own_headers own = own_headers(t, false);
    struct posted *posted = calloc(1, sizeof(*posted));

    if (!posted) {
        ferry_message_unref(msg);
        refuse(req, 503, &own, "out of memory");
        return;
    }
    posted->t = t;
    posted->req = req;
    fy_request_set_events(req, &events, posted);
    fy_delivery_put(&t->delivery, peer, msg, on_delivered, posted);
}

/* A message came by post from a peer (NULL: a stranger). */
static void take_post(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer,
                      const struct ferry_message *msg, size_t len)
{
    struct own_headers own = own_headers(t, false);

    if (peer) {
        fy_count(&peer->counts.received, 1);
        fy_count(&peer->counts.received_bytes, len);
    }
    if (peer && !fy_peer_is_open(peer)) { /* lost on the way, as far as both cores can tell */
        fy_count(&peer->counts.received_dropped, 1);
        ferry_message_unref(msg);
        fy_request_abort(req);
    } else if (msg->to != 0 && msg->to != t->local.id) {
        if (peer)
            fy_count(&peer->counts.received_dropped, 1);
        ferry_message_unref(msg);
        refuse(req, 412, &own, FY_TEXT_TO_MISMATCH); /* never 403: etcd takes that for its removal */
    } else {
        deliver_post(t, req, peer, msg);
    }
}

/*
 * The peer that posted, or NULL for a stranger.  The header tells, not the message: one that is forwarded, such as a
 * MsgTransferLeader, names the member that it began with.
 */
static struct fy_peer *find_sender(struct ferry_transport *t, struct fy_request *req)
{
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
    uint64_t id;

    return from && fy_id_parse(from, &id) == FERRY_OK ? fy_transport_find_peer(t, id) : NULL;
}

static void on_post(void *arg, struct fy_request *req, const uint8_t *data, size_t len)
{
    struct ferry_transport *t = arg;
    struct own_headers own = own_headers(t, false);
    const struct ferry_message *msg;
    struct fy_peer *peer;
    int err = fy_message_decode(data, len, t->local.max_message_bytes, &msg);

    if (err != FERRY_OK) {
        fy_log(&t->local.log, FERRY_LOG_DEBUG, "server", 0, "a post from %s: %s", fy_request_remote(req),
               ferry_strerror(err));
        refuse(req, err == FERRY_ERR_NOMEM ? 503 : 400, &own, "error unmarshalling raft message");
        return;
    }
    peer = find_sender(t, req);
    take_post(t, req, peer, msg, len);
    if (peer)
        fy_peer_unref(peer);
}

static void serve_post(struct ferry_transport *t, struct fy_request *req)
{
    struct own_headers own = own_headers(t, false);

    if (check_method(req, "POST") && check_sender(t, req, &own))
        fy_intake_start(req, &t->intake, t->local.max_message_bytes, on_post, t);
}

/* ---- GET /raft/probing --------------------------------------------------------------------------------------------
 */

static void serve_probe(struct ferry_transport *t, struct fy_request *req)
{
    static const struct fy_header headers[] = {{"Content-Type", "text/plain; charset=utf-8"}};
    uint64_t now_ms = fy_net_unix_ms(t->local.net);
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    char date[32], body[96];
    int len;

    (void)gmtime_r(&seconds, &utc); /* fails only beyond the year 2^31 */
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    len = snprintf(body, sizeof(body), "{\"OK\":true,\"Now\":\"%s.%03uZ\"}\n", date, (unsigned)(now_ms % 1000));
    fy_request_reply(req, 200, headers, 1, body, (size_t)len);
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
    else if (starts_with(path, FY_PATH_STREAM "/"))
        serve_stream(t, req);
    else if (strcmp(path, FY_PATH_PROBING) == 0)
        serve_probe(t, req);
    else
        fy_answer_not_found(req);
}

void fy_raft_server_attend(struct ferry_transport *t)
{
    struct fy_list answered;
    struct fy_node *node;

    fy_list_init(&answered);
    pthread_mutex_lock(&t->mu);
    fy_list_splice(&answered, &t->answered);
    pthread_mutex_unlock(&t->mu);
    while ((node = fy_list_take_first(&answered)))
        answer_post(fy_container(node, struct posted, node));
}
