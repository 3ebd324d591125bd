/*
 * outflow - answers without an end.
 *
 * Normal path: libmicrohttpd pushes the head and asks for bytes.  From then on the connection is suspended, so that it
 * leaves the socket alone, and the chunks are written past it (bypass.c).  At the end the connection is resumed, and
 * libmicrohttpd writes the last chunk.
 *
 * Over TLS, to a client of HTTP/1.0, which gets no chunks, and when there was no memory for the watch, libmicrohttpd
 * writes: it asks for bytes when the last ones have gone to the socket, and is suspended while there are none.
 *
 * Ends: the client's FIN or RST is seen by the connection's watch at once.  A client that takes nothing is found in two
 * ways: bytes that do not fit into the socket's buffer leave the outflow in the listener's list of the unsent, and
 * what did fit but is not acknowledged makes the kernel end the connection (TCP_USER_TIMEOUT).
 *
 * Memory: libmicrohttpd offers all that a connection may use, and has zeroed half of it when it read the request.  What
 * is in a buffer that it offers means nothing to it, so when the source has no more, an outflow gives the pages back:
 * at its beginning, and later after a burst, but not more often than once a second.
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http/server.h"

#define MIN_TRIMMED 16384 /* bytes written to a buffer that make giving it back worth while */
/* For clients of HTTP/1.0, and held by every outflow; all others get what is left of a connection's memory. */
#define BLOCK_SIZE 512

static struct fy_listener *listener_of(const struct fy_outflow *out)
{
    return out->req->conn->listener;
}

static uint64_t write_timeout_ns(const struct fy_listener *listener)
{
    return listener->cfg->write_timeout_ms * FY_NS_PER_MS;
}

/* ---- Bytes that are on their way ---- */

void fy_outflow_forget_unsent(struct fy_outflow *out)
{
    if (fy_node_is_linked(&out->unsent_node))
        fy_list_remove(&out->unsent_node);
}

void fy_outflow_note_unsent(struct fy_outflow *out)
{
    struct fy_listener *listener = listener_of(out);

    fy_outflow_forget_unsent(out);
    out->unsent_since_ns = listener->loop->now_ns;
    fy_list_append(&listener->unsent, &out->unsent_node);
    if (!fy_timer_is_set(&listener->unsent_timer))
        fy_timer_set(&listener->unsent_timer, out->unsent_since_ns + write_timeout_ns(listener));
}

void fy_outflow_on_unsent_timer(void *arg)
{
    struct fy_listener *listener = arg;
    uint64_t timeout_ns = write_timeout_ns(listener);
    struct fy_node *node = fy_list_first(&listener->unsent);
    struct fy_outflow *out;

    if (!node)
        return;
    out = fy_container(node, struct fy_outflow, unsent_node);
    /* Set first: what follows may close the listener, and one that is late takes its successor with it. */
    fy_timer_set(&listener->unsent_timer, out->unsent_since_ns + timeout_ns);
    if (out->unsent_since_ns + timeout_ns > listener->loop->now_ns)
        return;
    fy_outflow_forget_unsent(out);
    fy_request_drop(out->req, FERRY_ERR_TIMEOUT);
}

/* ---- What libmicrohttpd asks for ---- */

static void trim(struct fy_outflow *out, char *buf, size_t cap)
{
    uint64_t now_ns = listener_of(out)->loop->now_ns;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    size_t head = (size_t)(-(uintptr_t)buf & (page - 1)); /* up to the first whole page */

    if (out->n_touched < MIN_TRIMMED || now_ns - out->trimmed_ns < FY_NS_PER_S || cap < head + page)
        return;
    (void)madvise(buf + head, (cap - head) & ~(size_t)(page - 1), MADV_DONTNEED); /* it only saves memory */
    out->n_touched = 0;
    out->trimmed_ns = now_ns;
}

static ssize_t end_of(const struct fy_outflow *out)
{
    bool is_clean = out->is_ended && !out->req->is_broken && !fy_bypass_is_in_chunk(&out->bypass);

    return is_clean ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static bool can_go_past(const struct fy_outflow *out)
{
    const struct fy_conn *conn = out->req->conn;

    return out->req->is_http_1_1 && !conn->listener->is_tls && conn->watch.fn;
}

static ssize_t on_read(void *arg, uint64_t pos, char *buf, size_t cap)
{
    struct fy_request *req = arg;
    struct fy_outflow *out = req->out;
    size_t len;

    (void)pos;
    fy_outflow_forget_unsent(out);
    if (out->is_live && req->conn->is_half_closed)
        fy_request_drop(req, FERRY_ERR_EOF);
    if (!out->is_live)
        return end_of(out);
    if (can_go_past(out)) {
        fy_bypass_begin(out);
        trim(out, buf, cap);
        fy_request_suspend(req);
        return 0;
    }
    out->was_woken = false;
    out->is_reading = true;
    len = fy_outflow_source_read(&out->source, out->arg, (uint8_t *)buf, cap);
    out->is_reading = false;
    if (len > 0) {
        out->n_touched = len > out->n_touched ? len : out->n_touched;
        if (out->is_live)
            fy_outflow_note_unsent(out);
        return (ssize_t)len; /* they count as sent, also when that was the outflow's end */
    }
    if (!out->is_live)
        return end_of(out);
    trim(out, buf, cap);
    fy_request_suspend(req);
    if (out->was_woken)
        fy_request_resume(req);
    return 0;
}

/* ---- The user's side ---- */

struct fy_outflow *fy_server_outflow_begin(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                           const struct fy_outflow_source *source, void *arg)
{
    unsigned timeout_ms = req->conn->listener->cfg->write_timeout_ms;
    struct fy_outflow *out = calloc(1, sizeof(*out));
    struct MHD_Response *response;

    assert(req->is_live);
    response = out ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_read, req, NULL) : NULL;
    if (!response || !fy_request_add_headers(response, headers, n_headers)) {
        if (response)
            MHD_destroy_response(response);
        free(out);
        fy_server_request_abort(req);
        return NULL;
    }
    out->object.ops = req->object.ops;
    out->req = req;
    out->source = *source;
    out->arg = arg;
    out->is_live = true;
    out->n_touched = SIZE_MAX; /* by libmicrohttpd */
    req->out = out;
    req->response = response;
    req->status = MHD_HTTP_OK;
    req->is_live = false;
    (void)setsockopt(req->conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    /* Idleness is no fault of an outflow's client. */
    (void)MHD_set_connection_option(req->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    fy_request_resume(req);
    return out;
}

void fy_server_outflow_wake(struct fy_outflow *out)
{
    if (out->bypass.is_begun)
        fy_bypass_wake(out);
    else if (out->is_reading)
        out->was_woken = true;
    else
        fy_request_resume(out->req);
}

void fy_server_outflow_end(struct fy_outflow *out)
{
    assert(out->is_live);
    out->is_live = false;
    out->is_ended = true;
    fy_request_resume(out->req);
}

void fy_server_outflow_abort(struct fy_outflow *out)
{
    assert(out->is_live);
    out->is_live = false;
    out->req->is_broken = true;
    fy_conn_break(out->req->conn, true);
    fy_request_resume(out->req);
}

bool fy_server_outflow_vitals(const struct fy_outflow *out, struct fy_vitals *ret_vitals)
{
    return fy_vitals_read(out->req->conn->fd, ret_vitals);
}

bool fy_outflow_is_live(const struct fy_outflow *out)
{
    return out && out->is_live;
}

void fy_outflow_gone(struct fy_outflow *out, int err)
{
    assert(out->is_live);
    out->is_live = false;
    if (out->source.on_gone)
        out->source.on_gone(out->arg, err);
}

void fy_outflow_free(struct fy_outflow *out)
{
    if (!out)
        return;
    fy_outflow_forget_unsent(out);
    fy_bypass_end(out);
    free(out);
}
