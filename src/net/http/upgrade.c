/*
 * upgrade - a request that becomes a two-way connection.
 *
 * Normal path: libmicrohttpd has brought the head and is suspended, to the end of the connection.  The duplex owns the
 * socket, over which it sends the 101 and then what its user gathers, and from which it reads; over TLS by the session
 * that libmicrohttpd made.  At the end the connection is broken and resumed, and libmicrohttpd closes it.
 *
 * libmicrohttpd has a way of its own, MHD_create_response_for_upgrade.  Over TLS that puts a pair of sockets and two
 * buffers between the session and its user, and a second trip through an epoll set for each piece; and it would be
 * another way to own a socket beside that of bulk and raw_answer.
 *
 * A client has to wait for the 101 before it sends more (RFC 6455, 4.1).  What one sent before, and libmicrohttpd has
 * read together with the head, is lost.
 */
#include "net/http/upgrade.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ferry/ferry.h"
#include "net/http/vitals.h"

#define FIRST_LINE "HTTP/1.1 101 Switching Protocols\r\n"
#define MAX_UNSENT (64 << 10) /* bytes that the kernel holds, besides those that are on the network */

struct upgraded {
    struct fy_duplex base;
    struct fy_request *req; /* NULL: the connection was closed */
    struct fy_listener *listener;
    bool has_entered;
};

static struct upgraded *upgraded_of(struct fy_duplex *duplex)
{
    return fy_container(duplex, struct upgraded, base);
}

static struct fy_socket *socket_of(const struct fy_duplex *duplex)
{
    return &fy_container_const(duplex, struct upgraded, base)->req->conn->socket;
}

/* ---- Its line ---- */

static ssize_t line_read(struct fy_duplex *duplex, const struct iovec to[2], bool *ret_is_empty)
{
    struct fy_socket *socket = socket_of(duplex);
    const struct iovec *first = to[0].iov_len > 0 ? &to[0] : &to[1];
    ssize_t n = fy_socket_read(socket, first->iov_base, first->iov_len);

    *ret_is_empty = n >= 0 && !socket->session && (size_t)n < first->iov_len;
    return n;
}

static ssize_t line_write(struct fy_duplex *duplex, const struct iovec *runs, size_t n_runs)
{
    return fy_socket_write(socket_of(duplex), runs, n_runs);
}

static bool line_is_blocked(const struct fy_duplex *duplex)
{
    return socket_of(duplex)->is_blocked;
}

static void line_on_event(void *owner, uint32_t events)
{
    struct fy_duplex *duplex = owner;
    struct fy_socket *socket = socket_of(duplex);

    if (events & EPOLLOUT && fy_socket_unblock(socket) < 0)
        fy_duplex_finish(duplex, fy_socket_error(errno), strerror(errno));
    else
        fy_duplex_on_event(duplex, events);
}

static void line_watch(struct fy_duplex *duplex, uint32_t events)
{
    struct fy_socket *socket = socket_of(duplex);

    fy_watch_change(socket->loop, &socket->watch, events);
}

static bool line_end(struct fy_duplex *duplex)
{
    return fy_socket_end(socket_of(duplex));
}

static void line_close(struct fy_duplex *duplex, bool is_hard)
{
    struct upgraded *up = upgraded_of(duplex);
    struct fy_request *req = up->req;

    up->req = NULL;
    req->on_gone = NULL;
    req->holder = NULL;
    if (req->state != FY_REQUEST_BROKEN)
        fy_request_break(req, is_hard);
}

static void line_enter(struct fy_duplex *duplex)
{
    struct upgraded *up = upgraded_of(duplex);

    up->has_entered = !up->listener->is_running; /* it is when a handler ends a duplex */
    if (up->has_entered)
        fy_listener_enter(up->listener);
}

static void line_leave(struct fy_duplex *duplex)
{
    struct upgraded *up = upgraded_of(duplex);
    struct fy_listener *listener = up->listener;
    bool has_entered = up->has_entered;

    if (duplex->state == FY_DUPLEX_OVER)
        free(up);
    if (has_entered)
        fy_listener_leave(listener);
}

static const struct fy_duplex_line line = {
    .read = line_read,
    .write = line_write,
    .is_blocked = line_is_blocked,
    .watch = line_watch,
    .end = line_end,
    .close = line_close,
    .enter = line_enter,
    .leave = line_leave,
};

/* ---- Its beginning ---- */

/* libmicrohttpd, or the listener's close, ends the connection. */
static void upgrade_on_gone(struct fy_request *req, int err)
{
    struct upgraded *up = req->holder;

    if (up->listener->is_closed)
        fy_duplex_finish(&up->base, FERRY_ERR_EOF, "the listener was closed");
    else
        fy_duplex_finish(&up->base, err, "the connection is gone");
}

static char *format_head(const struct fy_header *headers, size_t n_headers, size_t *ret_len)
{
    size_t size = sizeof(FIRST_LINE) + strlen("\r\n");
    char *text;
    size_t len;

    for (size_t i = 0; i < n_headers; i++)
        size += strlen(headers[i].name) + strlen(headers[i].value) + strlen(": \r\n");
    text = malloc(size);
    if (!text)
        return NULL;
    len = (size_t)snprintf(text, size, FIRST_LINE);
    for (size_t i = 0; i < n_headers; i++)
        len += (size_t)snprintf(text + len, size - len, "%s: %s\r\n", headers[i].name, headers[i].value);
    len += (size_t)snprintf(text + len, size - len, "\r\n");
    assert(len < size);
    *ret_len = len;
    return text;
}

static void set_up_socket(struct fy_socket *socket)
{
    int on = 1, unsent = MAX_UNSENT;

    (void)setsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(socket->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

struct fy_duplex *fy_server_request_upgrade(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                            const struct fy_duplex_events *events, void *arg)
{
    struct fy_listener *listener = req->conn->listener;
    struct fy_socket *socket = &req->conn->socket;
    struct upgraded *up = calloc(1, sizeof(*up));
    size_t head_len = 0;
    char *head = up && fy_socket_is_watched(socket) ? format_head(headers, n_headers, &head_len) : NULL;

    assert(fy_request_is_held(req));
    if (!head) {
        free(up);
        fy_server_request_abort(req);
        return NULL;
    }
    up->base.object.ops = req->object.ops;
    up->req = req;
    up->listener = listener;
    req->holder = up;
    req->on_gone = upgrade_on_gone;
    fy_request_set_state(req, FY_REQUEST_UPGRADED);
    fy_pool_set_known(req->conn); /* a service has taken it for good */
    set_up_socket(socket);
    up->base.watched = EPOLLIN;
    fy_socket_own(socket, up->base.watched, line_on_event, &up->base);
    fy_duplex_open(&up->base, &line, listener->duplexes, events, arg, head, head_len);
    return &up->base;
}

bool fy_server_duplex_vitals(const struct fy_duplex *duplex, struct fy_vitals *ret_vitals)
{
    return fy_vitals_read(socket_of(duplex)->fd, ret_vitals);
}
