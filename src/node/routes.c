/*
 * routes - a list of paths; the longest match is used.
 */
#include "node/routes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/net.h"
#include "node/answers.h"
#include "node/intake.h"

#define MAX_BODY (1u << 20)

struct route {
    struct fy_node node;
    ferry_http_fn *fn;
    void *ctx;
    size_t len;
    char path[]; /* if it ends in '/': matches all below it */
};

void fy_routes_init(struct fy_routes *routes, struct fy_intake_budget *budget)
{
    routes->budget = budget;
    fy_list_init(&routes->list);
}

void fy_routes_release(struct fy_routes *routes)
{
    struct fy_node *node;

    while ((node = fy_list_take_first(&routes->list)))
        free(fy_container(node, struct route, node));
}

static struct route *find(const struct fy_routes *routes, const char *path, bool exactly)
{
    struct route *best = NULL;

    for (struct fy_node *node = fy_list_first(&routes->list); node; node = fy_list_next(&routes->list, node)) {
        struct route *route = fy_container(node, struct route, node);
        bool is_prefix = !exactly && route->path[route->len - 1] == '/';
        bool matches = is_prefix ? strncmp(path, route->path, route->len) == 0 : strcmp(path, route->path) == 0;

        if (matches && (!best || route->len > best->len))
            best = route;
    }
    return best;
}

int fy_routes_add(struct fy_routes *routes, const char *path, ferry_http_fn *fn, void *ctx)
{
    struct route *route;
    size_t len;

    if (!path || !fn || path[0] != '/' || strchr(path, '?'))
        return FERRY_ERR_INVALID;
    if (find(routes, path, true))
        return FERRY_ERR_EXISTS;
    len = strlen(path);
    route = calloc(1, sizeof(*route) + len + 1);
    if (!route)
        return FERRY_ERR_NOMEM;
    route->fn = fn;
    route->ctx = ctx;
    route->len = len;
    memcpy(route->path, path, len);
    fy_list_append(&routes->list, &route->node);
    return FERRY_OK;
}

/* Is it a token, as RFC 9110 asks of a header's name? */
static bool is_name(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(others, text[i]))
            return false;
    return len > 0 && strcasecmp(text, "Content-Type") != 0 && strcasecmp(text, "Content-Length") != 0;
}

/* Put the answer's headers into list, Content-Type first.  Returns how many; -1 if one is invalid. */
static int list_headers(const struct ferry_http_response *response, struct fy_header list[1 + FERRY_MAX_HEADERS])
{
    const char *const *more = response->headers;
    int n = 0;

    if (response->content_type)
        list[n++] = (struct fy_header){"Content-Type", response->content_type};
    for (int n_more = 0; more && more[0]; more += 2) {
        if (++n_more > FERRY_MAX_HEADERS || !is_name(more[0]) || !more[1])
            return -1;
        list[n++] = (struct fy_header){more[0], more[1]};
    }
    for (int i = 0; i < n; i++)
        if (strpbrk(list[i].value, "\r\n"))
            return -1;
    return n;
}

/* Informational statuses do not end a request. */
static bool can_be_sent(const struct ferry_http_response *response)
{
    return response->status >= 200 && response->status <= 599 && (response->body.data || response->body.len == 0);
}

static void route_on_whole(void *arg, struct fy_request *req, const uint8_t *data, size_t len)
{
    const struct route *route = arg;
    struct ferry_http_request request = {
        .method = fy_request_method(req),
        .path = fy_request_path(req),
        .query = fy_request_query(req),
        .remote = fy_request_remote(req),
        .body = {.data = data, .len = len},
    };
    struct ferry_http_response response = {.status = 200, .content_type = "text/plain; charset=utf-8"};
    struct fy_header headers[1 + FERRY_MAX_HEADERS];
    int n_headers;

    route->fn(route->ctx, &request, &response);
    n_headers = list_headers(&response, headers);
    if (n_headers >= 0 && can_be_sent(&response)) {
        fy_request_reply(req, response.status, headers, (size_t)n_headers, response.body.data, response.body.len);
    } else {
        fy_answer_text(req, 500, NULL, 0, "invalid answer of the handler");
    }
    if (response.free_body)
        response.free_body((void *)(uintptr_t)response.body.data);
}

size_t fy_routes_match(const struct fy_routes *routes, const char *path)
{
    const struct route *route = find(routes, path, false);

    return route ? route->len : 0;
}

void fy_routes_serve(const struct fy_routes *routes, struct fy_request *req)
{
    struct route *route = find(routes, fy_request_path(req), false);

    if (route)
        fy_intake_start(req, routes->budget, MAX_BODY, route_on_whole, route);
    else
        fy_answer_not_found(req);
}
