/*
 * bulk - long bodies, read straight to where they are to lie.
 *
 * libmicrohttpd reads a body into the connection's own memory, half of it at a time, and polls between two reads: of a
 * body of a GiB that is 33000 times, each with an acknowledgement, and a copy of all of it.  So it is suspended after
 * the first piece of a body that is long, whose length was announced, that comes in the clear, and whose handler says
 * where the bytes may lie.
 *
 * Normal path: it owns the socket, and once a turn reads as many bytes as have come and find room; the last one ends
 * the body.  While the handler has paused, the connection owns the socket and watches for the client's end alone.  If
 * the handler pauses at the last byte, the body ends when it resumes, as an event of its own: the socket is watched for
 * room to write then, which there is.
 *
 * libmicrohttpd's idle timeout does not run while it is suspended: the handler has a deadline of its own (net.h).
 *
 * libmicrohttpd waits for the body to the end of the connection.  So the answer is written past it, as one in the
 * middle of a body is, and the connection closed after it, which the answer says.
 */
#include "net/http/bulk.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

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

    return req->state == FY_REQUEST_BODY && !conn->listener->is_tls && fy_socket_is_watched(&conn->socket) &&
           count_to_come(req) >= MIN_BULK && has_room(req);
}

static void end_body(struct fy_request *req)
{
    fy_request_set_state(req, FY_REQUEST_BULK_WHOLE);
    fy_conn_take_back(req->conn);
    if (req->events.on_body_end)
        req->events.on_body_end(req->arg);
}

static void read_piece(struct fy_request *req)
{
    size_t len;
    uint8_t *at = req->events.on_room(req->arg, &len);
    ssize_t n;

    assert(at && len > 0); /* or the handler would have paused */
    n = fy_socket_read(&req->conn->socket, at, len < req->n_to_come ? len : (size_t)req->n_to_come);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n <= 0) {
        fy_request_drop(req, n == 0 ? FERRY_ERR_EOF : fy_socket_error(errno));
        return;
    }
    req->n_to_come -= (size_t)n;
    fy_conn_body_moved(req->conn, (size_t)n);
    req->events.on_body(req->arg, at, (size_t)n);
    if (req->n_to_come == 0 && req->state == FY_REQUEST_BULK && !req->is_paused)
        end_body(req);
}

static void bulk_on_event(void *owner, uint32_t events)
{
    struct fy_request *req = owner;
    struct fy_listener *listener = req->conn->listener;

    (void)events; /* the read tells */
    fy_listener_enter(listener);
    if (req->n_to_come > 0)
        read_piece(req);
    else
        end_body(req);
    fy_listener_leave(listener);
}

void fy_bulk_begin(struct fy_request *req)
{
    req->n_to_come = count_to_come(req);
    fy_request_set_state(req, FY_REQUEST_BULK);
    if (!req->is_paused)
        fy_bulk_resume(req);
}

void fy_bulk_pause(struct fy_request *req)
{
    fy_conn_take_back(req->conn);
}

void fy_bulk_resume(struct fy_request *req)
{
    fy_socket_own(&req->conn->socket, req->n_to_come > 0 ? EPOLLIN : EPOLLOUT, bulk_on_event, req);
}
