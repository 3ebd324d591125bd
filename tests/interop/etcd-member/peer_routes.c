/*
 * peer_routes - what etcd asks for on a peer's port beside Raft: members when it begins or joins, the version to find
 * the cluster's, whether there is a downgrade; and of a leader that a learner be promoted.  What it asks about leases
 * is in lease_routes.c; all else is 404, with which etcd can live.
 */
#include "etcd-member/peer_routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/mem.h"
#include "etcd-member/version.h"
#include "tools/number.h"

static void answer(struct ferry_http_response *res, char *text)
{
    res->body = (struct ferry_bytes){(const uint8_t *)text, strlen(text)};
    res->free_body = free;
}

static bool is_get(const struct ferry_http_request *req, struct ferry_http_response *res)
{
    static const char *const allow[] = {"Allow", "GET", NULL};

    if (strcmp(req->method, "GET") == 0)
        return true;
    res->status = 405;
    res->headers = allow;
    answer(res, mem_print("Method Not Allowed\n"));
    return false;
}

static void on_members(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    const struct peer_routes *routes = ctx;

    if (!is_get(req, res))
        return;
    res->content_type = "application/json";
    res->headers = routes->headers; /* who joins takes the cluster's id from there */
    answer(res, cluster_members_json(routes->cluster));
}

static void on_version(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    const struct peer_routes *routes = ctx;
    char version[32];
    const char *storage;

    if (!is_get(req, res))
        return;
    cluster_get_version(routes->cluster, version, sizeof(version));
    storage = version_is_at_least(version, 3, 6) ? version : "unknown";
    if (!version[0])
        (void)snprintf(version, sizeof(version), "not_decided");
    res->content_type = "application/json";
    if (version_is_at_least(routes->server_version, 3, 6))
        answer(res, mem_print("{\"etcdserver\":\"%s\",\"etcdcluster\":\"%s\",\"storage\":\"%s\"}",
                              routes->server_version, version, storage));
    else
        answer(res, mem_print("{\"etcdserver\":\"%s\",\"etcdcluster\":\"%s\"}", routes->server_version, version));
}

static void on_downgrade(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    const struct peer_routes *routes = ctx;

    if (!is_get(req, res))
        return;
    res->headers = routes->headers;
    answer(res, mem_print("false"));
}

static const char *const promote_prefix = "/members/promote/";

static void refuse(struct ferry_http_response *res, int status, const char *why)
{
    res->status = status;
    answer(res, mem_print("%s\n", why));
}

/* In etcd's words: whoever asked reads them. */
static void answer_promotion(const struct peer_routes *routes, enum promotion state, struct ferry_http_response *res)
{
    switch (state) {
    case PROMOTION_NONE:
    case PROMOTION_PENDING:
        refuse(res, 408, "etcdserver: request timed out"); /* it asks again */
        break;
    case PROMOTION_DONE:
        res->content_type = "application/json";
        answer(res, cluster_members_json(routes->cluster));
        break;
    case PROMOTION_NO_MEMBER:
        refuse(res, 404, "membership: ID not found");
        break;
    case PROMOTION_NO_LEARNER:
        refuse(res, 412, "membership: can only promote a learner member");
        break;
    case PROMOTION_NOT_READY:
        refuse(res, 412, "etcdserver: can only promote a learner member which is in sync with leader");
        break;
    case PROMOTION_NO_LEADER:
        refuse(res, 500, "etcdserver: not leader");
        break;
    }
}

static bool is_post(const struct ferry_http_request *req, struct ferry_http_response *res)
{
    static const char *const allow[] = {"Allow", "POST", NULL};

    if (strcmp(req->method, "POST") == 0)
        return true;
    res->headers = allow;
    refuse(res, 405, "Method Not Allowed");
    return false;
}

static void on_promote(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    struct peer_routes *routes = ctx;
    const char *text = req->path + strlen(promote_prefix);
    enum promotion state;
    uint64_t id;

    if (!is_post(req, res))
        return;
    res->headers = routes->headers;
    if (!number_parse(text, 1, UINT64_MAX, &id)) {
        refuse(res, 404, "membership: ID not found");
        return;
    }
    state = promotions_ask(&routes->promotions, id);
    if (state == PROMOTION_NONE)
        routes->begin_promotion(routes->ctx, id);
    answer_promotion(routes, state, res);
}

int peer_routes_add(struct peer_routes *routes, uint64_t cluster_id, struct ferry_transport *transport)
{
    int err = ferry_transport_handle(transport, "/members", on_members, routes);

    (void)snprintf(routes->cluster_id, sizeof(routes->cluster_id), "%" PRIx64, cluster_id);
    routes->headers[0] = "X-Etcd-Cluster-ID";
    routes->headers[1] = routes->cluster_id;
    if (!err)
        err = ferry_transport_handle(transport, "/version", on_version, routes);
    if (!err)
        err = ferry_transport_handle(transport, "/downgrade/enabled", on_downgrade, routes);
    if (!err)
        err = ferry_transport_handle(transport, promote_prefix, on_promote, routes);
    return err;
}
