/*
 * admission - the checks of a request, in etcd's order.
 *
 * Every request: method, versions, cluster id, certificate.  A stream, besides: path, removed, known, certificate
 * again, addressed to us.  Order, statuses and texts are those of etcd's rafthttp.  Where etcd drops the connection
 * without an answer (a version that cannot be parsed), the answer here is 400.
 */
#include "transport/admission.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "net/net.h"
#include "node/answers.h"
#include "peer/peer.h"
#include "transport/transport.h"

/* Status 412, never 403: etcd takes that for its removal. */
#define TEXT_CERTIFICATE_MISMATCH "the certificate does not belong to the member"

struct fy_own_headers fy_admission_headers(const struct ferry_transport *t, bool with_version)
{
    struct fy_own_headers own = {.headers = {{FY_HEADER_CLUSTER_ID, t->raft.cluster_id_text.text}}, .n = 1};

    if (with_version)
        own.headers[own.n++] = (struct fy_header){FY_HEADER_SERVER_VERSION, t->raft.version_text};
    return own;
}

void fy_admission_refuse(struct fy_request *req, int status, const struct fy_own_headers *own, const char *text)
{
    fy_answer_text(req, status, own->headers, own->n, text);
}

bool fy_admission_check_method(struct fy_request *req, const char *method)
{
    const struct fy_header allow = {"Allow", method};

    if (strcmp(fy_request_method(req), method) == 0)
        return true;
    fy_answer_text(req, 405, &allow, 1, "Method Not Allowed");
    return false;
}

/* May the certificate speak for the member that the request names?  Without a name that is member 0. */
static bool is_sender_itself(struct fy_request *req)
{
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
    uint64_t id;

    return fy_request_is_from(req, from && fy_id_parse(from, &id) == FERRY_OK ? id : 0);
}

/* A request's header for the log; "" if it is absent. */
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

/* A misconfigured member retries for ever, so the log line is folded. */
static void tell_refusal(struct ferry_transport *t, const struct fy_request *req, const char *why)
{
    unsigned long long n_held;

    if (!fy_log_fold_pass(&t->refusal_fold, fy_net_now_ns(t->local.net), &n_held))
        return;
    fy_log(
        &t->local.log, FERRY_LOG_WARN, "server", 0,
        "refused a request from %s (member \"%s\"): %s: theirs: cluster \"%s\", version \"%s\", minimum \"%s\"; ours: "
        "\"%s\", \"%s\", \"%s\" (%llu similar messages suppressed)",
        fy_request_remote(req), header_text(req, FY_HEADER_SERVER_FROM).text, why,
        header_text(req, FY_HEADER_CLUSTER_ID).text, header_text(req, FY_HEADER_SERVER_VERSION).text,
        header_text(req, FY_HEADER_MIN_CLUSTER_VERSION).text, t->raft.cluster_id_text.text, t->raft.version_text,
        t->raft.min_version_text, n_held);
}

/* The request is of this cluster, and what it names as its sender is proven as far as it can be. */
static void mark_known(struct ferry_transport *t, struct fy_request *req)
{
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
    struct fy_peer *peer = NULL;
    uint64_t id;

    if (from && fy_id_parse(from, &id) == FERRY_OK)
        peer = fy_transport_find_peer(t, id);
    if (!peer)
        return;
    fy_request_set_known(req);
    fy_peer_unref(peer);
}

bool fy_admission_check_sender(struct ferry_transport *t, struct fy_request *req, const struct fy_own_headers *own)
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
    if (!why) {
        mark_known(t, req);
        return true;
    }
    tell_refusal(t, req, why);
    fy_admission_refuse(req, status, own, why);
    return false;
}

/* ---- The sender --------------------------------------------------------------------------------------------------
 */

struct fy_peer *fy_admission_find_sender(struct ferry_transport *t, struct fy_request *req)
{
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
    uint64_t id;

    return from && fy_id_parse(from, &id) == FERRY_OK ? fy_transport_find(t, id) : NULL;
}

/* Remember a sender of this cluster that names its URLs. */
static void learn_sender(struct ferry_transport *t, const struct fy_request *req, uint64_t id)
{
    const char *urls = fy_request_header(req, FY_HEADER_PEER_URLS);

    if (urls && urls[0] != '\0')
        fy_transport_learn_remote(t, id, urls);
}

void fy_admission_learn_sender(struct ferry_transport *t, const struct fy_request *req)
{
    const char *from = fy_request_header(req, FY_HEADER_SERVER_FROM);
    uint64_t id;

    if (from && fy_id_parse(from, &id) == FERRY_OK)
        learn_sender(t, req, id);
}

int fy_admission_judge_stream(struct ferry_transport *t, const struct fy_request *req, enum ferry_stream *ret_stream,
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

void fy_admission_refuse_removed(struct ferry_transport *t, struct fy_request *req)
{
    static const char body[] = "{\"message\":\"cannot process message from removed member\"}";
    struct fy_own_headers own = fy_admission_headers(t, false);
    struct fy_header headers[sizeof(own.headers) / sizeof(own.headers[0]) + 1] = {{"Content-Type", "application/json"}};

    memcpy(headers + 1, own.headers, own.n * sizeof(own.headers[0]));
    fy_request_reply(req, 403, headers, own.n + 1, body, sizeof(body) - 1);
}
