/*
 * server.h - the server's side of net.h: listeners, on libmicrohttpd.  All of it is the loop's.
 */
#ifndef FY_NET_HTTP_SERVER_H
#define FY_NET_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "net/http/bypass.h"
#include "net/http/duplex.h"
#include "net/http/http.h"
#include "net/http/linger.h"
#include "net/http/loop.h"
#include "net/net.h"

struct fy_server {
    struct fy_loop_part part;
    struct fy_loop *loop;
    const struct fy_http_config *cfg;
    const struct fy_net_ops *ops; /* of every listener, request and outflow */
    struct fy_list listeners;     /* struct fy_listener.node */
    uint64_t pass;                /* of the work on listeners: each is run once in a pass */
    struct fy_outflows outflows;
    struct fy_duplexes duplexes;
    struct fy_lingering lingering;
};

/* cfg outlives the server.  Cannot fail. */
void fy_server_init(struct fy_server *server, struct fy_loop *loop, const struct fy_http_config *cfg,
                    const struct fy_net_ops *ops);
void fy_server_release(struct fy_server *server); /* every listener is closed */

/* As in net.h. */
int fy_server_listen(struct fy_server *server, const char *url, fy_request_fn *fn, void *arg,
                     struct fy_listener **ret_listener, char *ret_detail, size_t detail_size);
const char *fy_server_listener_url(const struct fy_listener *listener);
void fy_server_listener_close(struct fy_listener *listener);

#endif
