/*
 * bulk - long bodies, read straight to where they are to lie.
 *
 * libmicrohttpd reads a body into the connection's own memory, half of it at a time, and polls between two reads: of a
 * body of a GiB that is 33000 times, each with an acknowledgement, and a copy of all of it.  So it is suspended after
 * the first piece of a body that is long, whose length was announced, that comes in the clear, and whose handler says
 * where the bytes may lie.
 *
 * Normal path: the connection's own watch tells that there are bytes; once a turn as many are read as have come and
 * find room; the last one ends the body.  While the handler has paused, nothing is watched for but the client's end.
 * If it pauses at the last byte, the body ends when it resumes, as an event of its own: the watch is for room in the
 * socket then, which there is.
 *
 * libmicrohttpd's idle timeout does not run while it is suspended: the handler has a deadline of its own (net.h).
 *
 * libmicrohttpd waits for the body to the end of the connection.  So the answer is written past it, as one in the
 * middle of a body is, and the connection closed after it, which the answer says.
 */
#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/http/server.h"

#define MIN_BULK (UINT64_C(1) << 20) /* to come: below it a connection that can be kept is worth more */

/* How much of the body is to come, as its head says; 0: it does not. */
static uint64_t count_to_come(const struct fy_request *req)
{
    uint64_t len = fy_server_request_body_len(req);

    return len == FY_LEN_UNKNOWN || len < req->n_body ? 0 : len - req->n_body;
}

static bool has_room(const struct fy_request *req)
{
    size_t len;

    return req->events.on_room && req->events.on_room(req->arg, &len);
}

bool fy_bulk_is_due(const struct fy_request *req)
{
    const struct fy_conn *conn = req->conn;

    return req->is_live && !conn->listener->is_tls && conn->watch.fn && count_to_come(req) >= MIN_BULK && has_room(req);
}

/* Is it now that bytes are read here? */
static bool is_reading(const struct fy_request *req)
{
    return req->is_bulk && req->is_live && !req->is_paused && !req->is_whole;
}

static uint32_t events_of(const struct fy_request *req)
{
    if (!is_reading(req))
        return FY_CONN_EVENTS;
    return req->n_to_come > 0 ? EPOLLIN : EPOLLOUT;
}

void fy_bulk_watch(struct fy_request *req)
{
    struct fy_conn *conn = req->conn;

    if (req->is_bulk)
        fy_watch_change(conn->listener->loop, &conn->watch, events_of(req));
}

void fy_bulk_begin(struct fy_request *req)
{
    req->is_bulk = true;
    req->n_to_come = count_to_come(req);
    fy_bulk_watch(req);
}

static void end_body(struct fy_request *req)
{
    req->is_whole = true;
    fy_bulk_watch(req);
    if (req->events.on_body_end)
        req->events.on_body_end(req->arg);
}

static void read_piece(struct fy_request *req)
{
    size_t len;
    uint8_t *at = req->events.on_room(req->arg, &len);
    ssize_t n;

    assert(at && len > 0); /* or the handler would have paused */
    n = recv(req->conn->fd, at, len < req->n_to_come ? len : (size_t)req->n_to_come, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        fy_request_drop(req, n == 0 ? FERRY_ERR_EOF : errno == ETIMEDOUT ? FERRY_ERR_TIMEOUT : FERRY_ERR_RESET);
        return;
    }
    req->n_to_come -= (size_t)n;
    fy_conn_body_moved(req->conn, (size_t)n);
    req->events.on_body(req->arg, at, (size_t)n);
    if (req->n_to_come == 0 && is_reading(req))
        end_body(req);
}

bool fy_bulk_take_event(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    if (!conn->req || !is_reading(conn->req))
        return false;
    fy_listener_enter(listener);
    if (conn->req->n_to_come > 0)
        read_piece(conn->req);
    else
        end_body(conn->req);
    fy_listener_leave(listener);
    return true;
}
