/*
 * routes - a list of paths, the longest match wins.
 */
#include "transport/routes.h"

#include <stdlib.h>
#include <string.h>

#include "net/net.h"
#include "transport/answers.h"
#include "transport/intake.h"
#include "wire/headers.h"

#define MAX_BODY (1u << 20)

struct route {
    struct fy_node node;
    ferry_http_fn *fn;
    void *ctx;
    size_t len;
    char path[]; /* ends in '/': all below it */
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

static bool is_own(const char *path)
{
    size_t len = strlen(FY_PATH_RAFT);

    return strncmp(path, FY_PATH_RAFT, len) == 0 && (path[len] == '\0' || path[len] == '/');
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

    if (!path || !fn || path[0] != '/' || strchr(path, '?') || is_own(path))
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

static void on_request(void *arg, struct fy_request *req, const uint8_t *data, size_t len)
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
    struct fy_header header;

    route->fn(route->ctx, &request, &response);
    header = (struct fy_header){"Content-Type", response.content_type};
    fy_request_reply(req, response.status, &header, response.content_type ? 1 : 0, response.body.data,
                     response.body.len);
    if (response.free_body)
        response.free_body((void *)(uintptr_t)response.body.data);
}

void fy_routes_serve(const struct fy_routes *routes, struct fy_request *req)
{
    struct route *route = find(routes, fy_request_path(req), false);

    if (route)
        fy_intake_start(req, routes->budget, MAX_BODY, on_request, route);
    else
        fy_answer_not_found(req);
}
