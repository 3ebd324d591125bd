/*
 * service.h - one service of a process: what it registers with its node.
 */
#ifndef FY_NODE_SERVICE_H
#define FY_NODE_SERVICE_H

#include <stddef.h>

#include "base/list.h"
#include "net/net.h"

struct fy_routes;
struct fy_text;

/* A page that shows a service.  Pages of several services with one path are printed one after the other. */
struct fy_page {
    const char *path; /* "/metrics" */
    const char *content_type;
    int (*print)(void *arg, struct fy_text *text); /* FERRY_OK or FERRY_ERR_NOMEM.  On the loop */
};

/* The owner's storage, from mount to unmount. */
struct fy_service {
    struct fy_node node; /* the node's list of services */

    const char *path; /* "/raft": requests to it and to what is below it go to on_request; NULL: none */
    void (*on_request)(void *arg, struct fy_request *req); /* takes req.  On the loop */
    const struct fy_routes *routes;                        /* handlers of the service's user; NULL: none */
    const struct fy_page *pages;
    size_t n_pages;

    /*
     * The node is stopping: end streams and calls.  One turn later, in which what was ended is still sent, the
     * listeners close.  On the loop.
     */
    void (*on_node_stop)(void *arg);
    void *arg; /* the first argument of each function */
};

#endif
