/*
 * listener.h - a bound URL with its libmicrohttpd and its connections; what all files of the server's side know of it.
 */
#ifndef FY_NET_HTTP_LISTENER_H
#define FY_NET_HTTP_LISTENER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "net/http/http.h"
#include "net/http/loop.h"
#include "net/http/pool.h"
#include "net/net.h"

struct MHD_Daemon;
struct fy_conn;
struct fy_duplexes;
struct fy_lingering;
struct fy_listener;
struct fy_outflows;
struct fy_request;

/* How lower files reach higher ones: server.c fills it in. */
struct fy_listener_ops {
    void (*stop)(struct fy_listener *listener); /* it was closed, and nothing of it runs any more */
    void (*on_conn_freed)(struct fy_listener *listener);
    void (*on_conn_refused)(struct fy_listener *listener, const char *cause); /* libmicrohttpd did not take it */
    void (*drop_request)(struct fy_request *req, int err);
    void (*on_request_lost)(struct fy_request *req); /* its connection is gone, and libmicrohttpd did not complete it */
};

struct fy_listener {
    struct fy_net_object object;
    const struct fy_listener_ops *ops;
    struct fy_loop *loop;
    const struct fy_http_config *cfg;
    struct fy_lingering *lingering;
    struct fy_outflows *outflows;
    struct fy_duplexes *duplexes;
    struct fy_node node;          /* fy_server.listeners */
    struct fy_watch accept_watch; /* the listening socket */
    struct fy_watch daemon_watch; /* libmicrohttpd's epoll set */
    struct MHD_Daemon *daemon;
    fy_request_fn *fn;
    void *arg;
    char *url; /* as bound */
    bool is_tls;

    /* conn.c's */
    struct fy_list conns;       /* struct fy_conn.node */
    struct fy_list given;       /* struct fy_conn.given_node: libmicrohttpd has them and has not started them yet */
    struct fy_list started;     /* the same: it has started them in its present run */
    struct fy_list half_closed; /* struct fy_conn.half_node */
    struct fy_list talking;     /* struct fy_conn.unparsed.node: bytes came since libmicrohttpd last ran */
    size_t n_conns;
    struct fy_list openings; /* struct fy_conn.opening_node: no byte yet, or no whole TLS handshake; oldest first */
    struct fy_timer opening_timer;
    struct fy_list heads; /* struct fy_conn.head_node: no whole head yet, oldest first */
    struct fy_timer head_timer;
    struct fy_conn *handshaking; /* in the TLS handshake that libmicrohttpd was last busy with; NULL: none */

    struct fy_pool pool;

    /* accept.c's */
    bool is_accept_paused;
    struct fy_timer accept_timer; /* ends a pause for want of descriptors or memory */
    struct fy_log_fold accept_fold;

    /* unsent.c's */
    struct fy_list unsent; /* struct fy_outflow.unsent_node: bytes are on their way, oldest first */
    struct fy_timer unsent_timer;

    bool is_due;     /* libmicrohttpd has something to do */
    bool is_running; /* a callback of libmicrohttpd's or an outflow's may be running: it cannot be stopped */
    bool is_closed;
    uint64_t pass; /* of the server's work in which it ran last */
};

/* Around what may call handlers: a listener that one of them closes is stopped when it is left, and is gone then. */
static inline void fy_listener_enter(struct fy_listener *listener)
{
    assert(!listener->is_running);
    listener->is_running = true;
}

static inline void fy_listener_leave(struct fy_listener *listener)
{
    listener->is_running = false;
    if (listener->is_closed)
        listener->ops->stop(listener);
}

#endif
