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
#include "net/http/outflow.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http/bypass.h"
#include "net/http/unsent.h"
#include "net/http/vitals.h"

#define MIN_TRIMMED 16384 /* bytes written to a buffer that make giving it back worth while */
/* For clients of HTTP/1.0, and held by every outflow; all others get what is left of a connection's memory. */
#define BLOCK_SIZE 512

#define BIT(state) (1u << (state))

static const unsigned successors[FY_N_OUTFLOW_STATES] = {
    [FY_OUTFLOW_ASKED] = BIT(FY_OUTFLOW_PAST) | BIT(FY_OUTFLOW_ENDED) | BIT(FY_OUTFLOW_LOST),
    [FY_OUTFLOW_PAST] = BIT(FY_OUTFLOW_ENDED) | BIT(FY_OUTFLOW_LOST),
    [FY_OUTFLOW_ENDED] = 0,
    [FY_OUTFLOW_LOST] = 0,
};

static void set_state(struct fy_outflow *out, enum fy_outflow_state to)
{
    assert(successors[out->state] & BIT(to));
    out->state = to;
}

bool fy_outflow_is_live(const struct fy_outflow *out)
{
    return out->state == FY_OUTFLOW_ASKED || out->state == FY_OUTFLOW_PAST;
}

/* ---- What libmicrohttpd asks for ---- */

static void trim(struct fy_outflow *out, char *buf, size_t cap)
{
    uint64_t now_ns = out->req->conn->listener->loop->now_ns;
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
    bool is_clean = out->state == FY_OUTFLOW_ENDED && out->req->state != FY_REQUEST_BROKEN &&
                    !fy_chunk_writer_is_in_chunk(&out->chunk);

    return is_clean ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static bool can_go_past(const struct fy_outflow *out)
{
    const struct fy_conn *conn = out->req->conn;

    return out->req->is_http_1_1 && !conn->listener->is_tls && fy_socket_is_watched(&conn->socket);
}

static ssize_t outflow_on_read(void *arg, uint64_t pos, char *buf, size_t cap)
{
    struct fy_request *req = arg;
    struct fy_outflow *out = req->out;
    size_t len;

    (void)pos;
    fy_unsent_forget(out);
    if (fy_outflow_is_live(out) && fy_conn_is_half_closed(req->conn))
        fy_request_drop(req, FERRY_ERR_EOF);
    if (!fy_outflow_is_live(out))
        return end_of(out);
    if (can_go_past(out)) {
        set_state(out, FY_OUTFLOW_PAST);
        fy_bypass_begin(out);
        trim(out, buf, cap);
        fy_request_suspend(req);
        return 0;
    }
    out->was_woken = false;
    len = fy_outflow_source_read(&out->source, out->arg, (uint8_t *)buf, cap);
    if (len > 0) {
        out->n_touched = len > out->n_touched ? len : out->n_touched;
        if (fy_outflow_is_live(out))
            fy_unsent_note(out);
        return (ssize_t)len; /* they count as sent, also when that was the outflow's end */
    }
    if (!fy_outflow_is_live(out))
        return end_of(out);
    trim(out, buf, cap);
    fy_request_suspend(req);
    if (out->was_woken)
        fy_request_resume(req);
    return 0;
}

static void outflow_on_gone(struct fy_request *req, int err)
{
    struct fy_outflow *out = req->out;

    set_state(out, FY_OUTFLOW_LOST);
    if (out->source.on_gone)
        out->source.on_gone(out->arg, err);
}

/* ---- The user's side ---- */

struct fy_outflow *fy_server_outflow_begin(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                           const struct fy_outflow_source *source, void *arg)
{
    unsigned timeout_ms = req->conn->listener->cfg->write_timeout_ms;
    struct fy_outflow *out = calloc(1, sizeof(*out));
    struct MHD_Response *response;

    assert(fy_request_is_held(req));
    response = out ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, outflow_on_read, req, NULL) : NULL;
    if (!response || !fy_request_add_headers(response, headers, n_headers)) {
        if (response)
            MHD_destroy_response(response);
        free(out);
        fy_server_request_abort(req);
        return NULL;
    }
    out->object.ops = req->object.ops;
    out->req = req;
    out->socket = &req->conn->socket;
    out->source = *source;
    out->arg = arg;
    out->n_touched = SIZE_MAX; /* by libmicrohttpd */
    req->out = out;
    fy_pool_set_known(req->conn); /* a service has taken it for good */
    req->on_gone = outflow_on_gone;
    req->response = response;
    req->status = MHD_HTTP_OK;
    fy_request_set_state(req, req->state == FY_REQUEST_WHOLE ? FY_REQUEST_ANSWERED : FY_REQUEST_SWALLOWING);
    (void)setsockopt(req->conn->socket.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    /* Idleness is no fault of an outflow's client. */
    (void)MHD_set_connection_option(req->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    fy_request_resume(req);
    return out;
}

void fy_server_outflow_wake(struct fy_outflow *out)
{
    out->was_woken = true;
    if (out->state == FY_OUTFLOW_PAST)
        fy_bypass_wake(out);
    else
        fy_request_resume(out->req);
}

void fy_server_outflow_end(struct fy_outflow *out)
{
    out->req->on_gone = NULL;
    set_state(out, FY_OUTFLOW_ENDED);
    fy_request_resume(out->req);
}

void fy_server_outflow_abort(struct fy_outflow *out)
{
    out->req->on_gone = NULL;
    set_state(out, FY_OUTFLOW_LOST);
    fy_request_break(out->req, true);
}

bool fy_server_outflow_vitals(const struct fy_outflow *out, struct fy_vitals *ret_vitals)
{
    return fy_vitals_read(out->socket->fd, ret_vitals);
}

void fy_outflow_free(struct fy_outflow *out)
{
    if (!out)
        return;
    fy_unsent_forget(out);
    fy_bypass_end(out);
    free(out);
}
