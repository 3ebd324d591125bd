/*
 * routes.h - paths that the user of a service serves by functions.
 */
#ifndef FY_NODE_ROUTES_H
#define FY_NODE_ROUTES_H

#include <stddef.h>

#include "base/list.h"
#include "ferry/ferry.h"

struct fy_intake_budget;
struct fy_request;

struct fy_routes {
    struct fy_list list;             /* const after start */
    struct fy_intake_budget *budget; /* of the requests' bodies */
};

void fy_routes_init(struct fy_routes *routes, struct fy_intake_budget *budget);
void fy_routes_release(struct fy_routes *routes);

/* See ferry_transport_handle: FERRY_OK, FERRY_ERR_INVALID (path is not absolute), _EXISTS or _NOMEM. */
int fy_routes_add(struct fy_routes *routes, const char *path, ferry_http_fn *fn, void *ctx);

/* The length of the longest route that matches path; 0: none does. */
size_t fy_routes_match(const struct fy_routes *routes, const char *path);

/* Answer req, which is taken: by the longest route that matches, else with 404. */
void fy_routes_serve(const struct fy_routes *routes, struct fy_request *req);

#endif
