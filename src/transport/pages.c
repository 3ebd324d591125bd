/*
 * pages - GET /metrics and GET /debug/peers: a survey of the transport, printed and answered on the loop.
 */
#include "transport/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ferry/ferry.h"
#include "transport/debug_peers.h"
#include "transport/metrics.h"
#include "transport/survey.h"
#include "transport/transport.h"

static void serve(const struct ferry_transport *t, const struct ferry_http_request *req, const char *content_type,
                  fy_survey_page_fn *page, struct ferry_http_response *res)
{
    struct fy_text text;

    if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0) {
        res->status = 405;
        return;
    }
    if (fy_survey_print(t, page, &text) != FERRY_OK) {
        fy_text_release(&text);
        res->status = 503;
        return;
    }
    res->content_type = content_type;
    res->body = (struct ferry_bytes){(const uint8_t *)text.data, text.len};
    res->free_body = free;
}

static void pages_on_metrics(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    serve(ctx, req, "text/plain; version=0.0.4; charset=utf-8", fy_metrics_print, res);
}

static void pages_on_debug_peers(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    serve(ctx, req, "application/json", fy_debug_peers_print, res);
}

static int add_route(struct ferry_transport *t, const char *path, ferry_http_fn *fn)
{
    int err = fy_routes_add(&t->routes, path, fn, t);

    return err == FERRY_ERR_EXISTS ? FERRY_OK : err; /* the embedder's own comes first */
}

int fy_pages_add_routes(struct ferry_transport *t)
{
    int err = FERRY_OK;

    if (t->serves_metrics)
        err = add_route(t, "/metrics", pages_on_metrics);
    if (err == FERRY_OK && t->serves_debug_peers)
        err = add_route(t, "/debug/peers", pages_on_debug_peers);
    return err;
}
