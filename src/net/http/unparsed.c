/*
 * unparsed - what libmicrohttpd has read of a client and cannot make a head or a piece of a body of yet.
 *
 * With every byte that comes it looks through all of a head that is not whole again, from the line's beginning.  A
 * client that sends tens of kilobytes of one line and then a byte at a time would so have the loop do little else.
 * Hence two limits: on the bytes that have brought nothing forward, and on the times that such came.
 *
 * Normal path: the connection's own watch tells of bytes; after libmicrohttpd's next run they are either of use, and
 * the account begins anew, or they are added to it.  What libmicrohttpd has left in the socket is not counted.
 */
#include "net/http/unparsed.h"

#include <stdint.h>
#include <sys/ioctl.h>

#include "net/http/conn.h"
#include "net/http/request.h"

#define MAX_BYTES ((size_t)8 << 10)
#define MAX_ARRIVALS 256     /* a first head may be typed by hand */
#define MAX_NEXT_ARRIVALS 16 /* whoever speaks HTTP sends a next one whole, or in a few pieces */

static size_t n_readable(const struct fy_conn *conn)
{
    int n = 0;

    return ioctl(conn->socket.fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

void fy_unparsed_came(struct fy_conn *conn)
{
    struct fy_unparsed *unparsed = &conn->unparsed;
    struct fy_listener *listener = conn->listener;

    if (fy_node_is_linked(&conn->opening_node))
        return; /* TLS is being agreed on, which has limits of its own */
    unparsed->n_readable = n_readable(conn);
    if (fy_node_is_linked(&unparsed->node))
        return;
    unparsed->is_of_use = false;
    fy_list_append(&listener->talking, &unparsed->node);
    listener->is_due = true;
}

void fy_unparsed_was_of_use(struct fy_conn *conn)
{
    conn->unparsed.is_of_use = true;
    conn->unparsed.n_bytes = 0;
    conn->unparsed.n_arrivals = 0;
}

/* Does libmicrohttpd read what comes?  Not while an answer is awaited or sent, nor while the handler has paused. */
static bool is_read_from(const struct fy_conn *conn)
{
    const struct fy_request *req = conn->req;

    return !req || ((req->state == FY_REQUEST_NEW || fy_request_is_reading(req)) && !req->is_suspended);
}

static void account(struct fy_conn *conn)
{
    struct fy_unparsed *unparsed = &conn->unparsed;
    size_t n_left = n_readable(conn);

    if (n_left < unparsed->n_readable)
        unparsed->n_bytes += unparsed->n_readable - n_left;
    unparsed->n_arrivals++;
}

static bool is_too_much(const struct fy_conn *conn)
{
    const struct fy_unparsed *unparsed = &conn->unparsed;

    return unparsed->n_bytes > MAX_BYTES ||
           unparsed->n_arrivals > (conn->state == FY_CONN_FAMILIAR ? MAX_NEXT_ARRIVALS : MAX_ARRIVALS);
}

struct fy_conn *fy_unparsed_next_excess(struct fy_listener *listener)
{
    for (struct fy_node *node; (node = fy_list_take_first(&listener->talking));) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, unparsed.node);

        if (conn->unparsed.is_of_use || !is_read_from(conn))
            continue;
        account(conn);
        if (is_too_much(conn))
            return conn;
    }
    return NULL;
}
