/*
 * bypass - endless answers, written past libmicrohttpd.
 *
 * Normal path: libmicrohttpd has sent the head and is suspended.  Each turn of the loop writes a share of each outflow
 * that was woken: a chunk's head, what the source lends, and the line's end, in one system call and without a copy of
 * what is long.  It goes on until the source has no more or the socket is full; then the connection's own watch tells
 * when there is room again.  The socket is full when the kernel holds 64 KiB that it could not send yet: more would
 * only go cold there.
 *
 * What the socket did not take stays with the source.  But once the head of a chunk has promised it, the next write
 * goes on with the same chunk, and an outflow that ends before that is no clean end (chunk_writer.c).
 *
 * A source may do anything in gather and in sent, and end its own outflow: whatever follows looks first.
 */
#include "net/http/bypass.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/http/outflow.h"
#include "net/http/unsent.h"

#define MAX_SHARE ((size_t)256 << 10) /* of one outflow in one turn: heartbeats of others never wait behind more */
#define MAX_UNSENT (64 << 10) /* bytes that the kernel holds of an outflow, besides those that are on the network */
#define MAX_RUNS 64

static struct fy_loop *loop_of(const struct fy_outflow *out)
{
    return out->req->conn->listener->loop;
}

static struct fy_outflows *outflows_of(const struct fy_outflow *out)
{
    return out->req->conn->listener->outflows;
}

void fy_bypass_wake(struct fy_outflow *out)
{
    if (!out->socket->is_blocked && !fy_node_is_linked(&out->ready_node))
        fy_list_append(&outflows_of(out)->ready, &out->ready_node);
}

static void bypass_on_event(void *owner, uint32_t events)
{
    struct fy_outflow *out = owner;
    struct fy_socket *socket = out->socket;

    if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
        fy_conn_on_client_end(out->req->conn, events);
    } else if (events & EPOLLOUT && socket->is_blocked) {
        socket->is_blocked = false;
        fy_bypass_wake(out);
    }
}

void fy_bypass_begin(struct fy_outflow *out)
{
    struct fy_socket *socket = out->socket;
    int on = 1, unsent = MAX_UNSENT;

    (void)setsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(socket->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    fy_socket_own(socket, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, bypass_on_event, out);
    fy_bypass_wake(out);
}

/* The socket took n bytes of what was framed. */
static void account(struct fy_outflow *out, size_t n)
{
    size_t n_body = fy_chunk_writer_sent(&out->chunk, n);

    if (n_body > 0)
        out->source.sent(out->arg, n_body);
}

/* Write a chunk of at most max_len bytes, or more of the one that was begun.  0: that is all for now. */
static size_t write_some(struct fy_outflow *out, size_t max_len)
{
    struct fy_loop *loop = loop_of(out);
    struct fy_socket *socket = out->socket;
    struct iovec iov[1 + MAX_RUNS + 1];
    struct fy_gather g =
        fy_gather_runs(iov + 1, MAX_RUNS, loop->scratch, FY_LOOP_SCRATCH, fy_chunk_writer_take(&out->chunk, max_len));
    size_t n_iov;
    ssize_t n;

    if (g.max_len > 0)
        out->source.gather(out->arg, &g);
    if (out->state != FY_OUTFLOW_PAST)
        return 0;
    if (g.len == 0 && !fy_chunk_writer_is_in_chunk(&out->chunk))
        return 0;
    n_iov = fy_chunk_writer_frame(&out->chunk, iov, g.n_runs, g.len);
    n = fy_socket_write(socket, iov, n_iov);
    if (n < 0 && !socket->is_blocked) {
        fy_request_drop(out->req, fy_socket_error(errno));
        return 0;
    }
    if (n > 0) {
        fy_unsent_forget(out);
        account(out, (size_t)n);
    }
    if (out->state != FY_OUTFLOW_PAST)
        return 0;
    if (!socket->is_blocked)
        return (size_t)n;
    if (!fy_node_is_linked(&out->unsent_node))
        fy_unsent_note(out);
    return 0;
}

/* Write what there is.  true: its share of this turn is used up, and there may be more. */
static bool write_share(struct fy_outflow *out)
{
    size_t *n_in_turn = fy_share_of_turn(&out->share, loop_of(out));

    while (*n_in_turn < MAX_SHARE) {
        size_t n = write_some(out, MAX_SHARE - *n_in_turn);

        if (n == 0)
            return false;
        *n_in_turn += n;
    }
    return true;
}

static bool outflows_have_work(const struct fy_loop_part *part)
{
    const struct fy_outflows *outflows = fy_container_const(part, struct fy_outflows, part);

    return !fy_list_is_empty(&outflows->ready);
}

static void outflows_work(struct fy_loop_part *part)
{
    struct fy_outflows *outflows = fy_container(part, struct fy_outflows, part);
    struct fy_list now; /* one that is woken meanwhile comes the next time */

    fy_list_init(&now);
    fy_list_splice(&now, &outflows->ready);
    for (struct fy_node *node; (node = fy_list_take_first(&now));) {
        struct fy_outflow *out = fy_container(node, struct fy_outflow, ready_node);
        struct fy_listener *listener = out->req->conn->listener;

        fy_listener_enter(listener);
        if (out->state == FY_OUTFLOW_PAST && !out->socket->is_blocked && write_share(out) &&
            !fy_node_is_linked(&out->ready_node))
            fy_list_append(&outflows->rested, &out->ready_node);
        fy_listener_leave(listener);
    }
}

static void outflows_end_turn(struct fy_loop_part *part)
{
    struct fy_outflows *outflows = fy_container(part, struct fy_outflows, part);

    fy_list_splice(&outflows->ready, &outflows->rested);
}

void fy_outflows_init(struct fy_outflows *outflows, struct fy_loop *loop)
{
    static const struct fy_loop_part_ops ops = {
        .has_work = outflows_have_work,
        .work = outflows_work,
        .end_turn = outflows_end_turn,
    };

    fy_list_init(&outflows->ready);
    fy_list_init(&outflows->rested);
    fy_loop_add_part(loop, &outflows->part, &ops);
}

void fy_bypass_end(struct fy_outflow *out)
{
    if (fy_node_is_linked(&out->ready_node))
        fy_list_remove(&out->ready_node);
}
