/*
 * request - one request, from its first line to its answer.
 *
 * libmicrohttpd tells of a request in this order: its target (on_uri: it is born), its whole head, the pieces of its
 * body, its end (on_access each time), and that it is over (on_completed: it dies).  An answer is handed over at the
 * end of the body, which is when libmicrohttpd keeps the connection for a next request; if there is none by then, the
 * connection is suspended until there is.
 *
 * An answer that comes earlier waits while the rest of the body is swallowed, up to a limit.  If the head already says
 * that the body may be longer, the answer is sent at once, the connection closed, and the close softened by lingering.
 * A body that turns out too long when it is too late for that ends the connection without the answer.
 *
 * In the middle of a body libmicrohttpd takes no answer at all.  When too much of the body is to come, the answer is
 * written to the socket past it (raw_answer.c), and the connection closed as softly.  So is the answer to a body that
 * was read past it (bulk.c).
 *
 * A suspended connection is not watched by libmicrohttpd.  The connection's own watch tells of a reset while a request
 * waits for its reply; a client that only closed its sending side may still read, and is answered.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/http/server.h"

#define MAX_LINGERED ((size_t)16 << 20) /* what may be in both kernels' buffers when the client sees the answer */

static struct fy_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

void fy_request_suspend(struct fy_request *req)
{
    MHD_suspend_connection(req->mhd);
    req->is_suspended = true;
}

void fy_request_resume(struct fy_request *req)
{
    if (!req->is_suspended)
        return;
    req->is_suspended = false;
    MHD_resume_connection(req->mhd);
    req->conn->listener->is_due = true;
}

void fy_request_drop(struct fy_request *req, int err)
{
    req->is_broken = true;
    fy_conn_break(req->conn, err == FERRY_ERR_TIMEOUT);
    fy_request_resume(req);
    if (fy_outflow_is_live(req->out)) {
        fy_outflow_gone(req->out, err);
    } else if (req->is_live) {
        req->is_live = false;
        fy_bulk_watch(req);
        if (req->events.on_gone)
            req->events.on_gone(req->arg);
    }
}

/* ---- Birth ---- */

void *fy_request_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct fy_conn *conn = conn_of(mhd);
    const char *target = uri ? uri : "";
    size_t size = strlen(target) + 2; /* room for an empty query behind the path */
    struct fy_request *req;
    char *mark;

    (void)cls;
    if (!conn)
        return NULL;
    req = calloc(1, sizeof(*req) + size);
    if (!req)
        return NULL; /* on_access closes the connection */
    req->object.ops = conn->listener->object.ops;
    req->conn = conn;
    req->mhd = mhd;
    memcpy(req->path, target, size - 1);
    mark = strchr(req->path, '?');
    if (mark)
        *mark = '\0';
    req->query = req->path + strlen(req->path) + 1;
    conn->req = req;
    return req;
}

/* ---- Its parts ---- */

/* Could more of the body be to come than will be swallowed?  The head alone is known. */
static bool is_body_too_long(const struct fy_request *req)
{
    return fy_server_request_body_len(req) > FY_MAX_SWALLOWED;
}

static enum MHD_Result queue_answer(struct fy_request *req)
{
    enum MHD_Result result = MHD_queue_response(req->mhd, req->status, req->response);

    MHD_destroy_response(req->response); /* our reference */
    req->response = NULL;
    return result;
}

static enum MHD_Result on_head(struct fy_request *req, const char *method, const char *version)
{
    struct fy_listener *listener = req->conn->listener;

    if (listener->is_closed)
        return MHD_NO;
    if (fy_node_is_linked(&req->conn->head_node))
        fy_list_remove(&req->conn->head_node);
    req->conn->was_heard = true;
    fy_unparsed_was_of_use(req->conn);
    req->conn->since_ns = listener->loop->now_ns;
    req->conn->n_moved = 0;
    req->method = method;
    req->is_http_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    req->is_begun = true;
    req->is_live = true;
    listener->fn(listener->arg, req);
    req->is_past_head = true;
    if (req->is_broken)
        return MHD_NO;
    if (req->response && is_body_too_long(req)) {
        req->must_linger = true;
        return queue_answer(req);
    }
    return MHD_YES;
}

static void suspend_once(struct fy_request *req)
{
    if (!req->is_suspended)
        fy_request_suspend(req);
}

static enum MHD_Result on_body(struct fy_request *req, const char *data, size_t len)
{
    fy_conn_body_moved(req->conn, len);
    req->n_body += len;
    if (req->is_live) {
        if (req->events.on_body)
            req->events.on_body(req->arg, (const uint8_t *)data, len);
    } else {
        req->n_swallowed += len;
        if (req->n_swallowed > FY_MAX_SWALLOWED)
            return MHD_NO;
    }
    return req->is_broken ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_whole(struct fy_request *req)
{
    if (!req->is_whole) {
        req->is_whole = true;
        if (req->is_live && req->events.on_body_end)
            req->events.on_body_end(req->arg);
    }
    if (req->is_broken)
        return MHD_NO;
    if (req->response)
        return queue_answer(req);
    fy_request_suspend(req);
    return MHD_YES;
}

enum MHD_Result fy_request_on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                     const char *version, const char *data, size_t *len, void **request)
{
    struct fy_request *req = *request;
    size_t data_len = *len;
    enum MHD_Result result;

    (void)cls;
    (void)mhd;
    (void)url; /* percent-decoded; the request has its own */
    if (!req || req->is_broken)
        return MHD_NO;
    if (!req->is_begun)
        return on_head(req, method, version);
    if (req->is_paused) { /* a next chunk: it is given again after the pause */
        suspend_once(req);
        return MHD_YES;
    }
    *len = 0;
    result = data_len > 0 ? on_body(req, data, data_len) : on_whole(req);
    if (result == MHD_YES && data_len > 0 && fy_bulk_is_due(req)) {
        suspend_once(req);
        fy_bulk_begin(req);
    } else if (result == MHD_YES && req->is_paused) {
        suspend_once(req);
    }
    return result;
}

/* ---- Death ---- */

static int error_of(enum MHD_RequestTerminationCode code)
{
    switch (code) {
    case MHD_REQUEST_TERMINATED_TIMEOUT_REACHED:
        return FERRY_ERR_TIMEOUT;
    case MHD_REQUEST_TERMINATED_COMPLETED_OK:
    case MHD_REQUEST_TERMINATED_CLIENT_ABORT:
        return FERRY_ERR_EOF;
    default:
        return FERRY_ERR_RESET;
    }
}

void fy_request_on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                             enum MHD_RequestTerminationCode code)
{
    struct fy_request *req = *request;
    struct fy_listener *listener = cls;
    struct fy_conn *conn;

    if (!req)
        return;
    *request = NULL;
    conn = req->conn;
    conn->req = NULL;
    if (fy_outflow_is_live(req->out)) {
        fy_outflow_gone(req->out, error_of(code));
    } else if (req->is_live) {
        req->is_live = false;
        if (req->events.on_gone)
            req->events.on_gone(req->arg);
    }
    if (req->must_linger && !listener->is_closed)
        fy_linger(&listener->server->lingering, conn->fd, MAX_LINGERED);
    if (req->out && mhd) /* an outflow's connection is exempt; a next request's is not */
        (void)MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT, listener->cfg->idle_timeout_s);
    if (req->response)
        MHD_destroy_response(req->response);
    fy_raw_answer_release(req);
    fy_outflow_free(req->out);
    free(req);
    fy_conn_await_head(conn);
}

/* ---- The handler's side ---- */

const char *fy_server_request_method(const struct fy_request *req)
{
    return req->method;
}

const char *fy_server_request_path(const struct fy_request *req)
{
    return req->path;
}

const char *fy_server_request_query(const struct fy_request *req)
{
    return req->query;
}

const char *fy_server_request_remote(const struct fy_request *req)
{
    return req->conn->remote;
}

const char *fy_server_request_header(const struct fy_request *req, const char *name)
{
    return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name); /* the first of several */
}

uint64_t fy_server_request_body_len(const struct fy_request *req)
{
    const char *text = fy_server_request_header(req, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long len;

    if (fy_server_request_header(req, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        return FY_LEN_UNKNOWN;
    if (!text)
        return 0;
    errno = 0;
    len = strtoull(text, NULL, 10); /* libmicrohttpd has checked it */
    return errno ? FY_LEN_UNKNOWN : len;
}

bool fy_server_request_is_from(const struct fy_request *req, uint64_t member)
{
    return fy_server_tls_is_from(req->conn, member);
}

void fy_server_request_set_events(struct fy_request *req, const struct fy_request_events *events, void *arg)
{
    assert(req->is_live);
    req->events = *events;
    req->arg = arg;
}

bool fy_request_add_headers(struct MHD_Response *response, const struct fy_header *headers, size_t n_headers)
{
    for (size_t i = 0; i < n_headers; i++) {
        /* It takes no empty value, but blanks around one do not count. */
        const char *value = headers[i].value[0] ? headers[i].value : " ";

        if (MHD_add_response_header(response, headers[i].name, value) != MHD_YES)
            return false;
    }
    return true;
}

static struct MHD_Response *new_response(const struct fy_header *headers, size_t n_headers, const void *body,
                                         size_t len)
{
    /* Copied before the call returns, so the const that it does not ask for is kept. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);

    if (response && !fy_request_add_headers(response, headers, n_headers)) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

/* ---- An answer in the middle of a body ---- */

/* Is it too late for libmicrohttpd, and may too much of the body still be to come? */
static bool must_answer_past(const struct fy_request *req)
{
    return req->is_past_head && !req->is_whole && is_body_too_long(req);
}

void fy_server_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                             const void *body, size_t body_len)
{
    assert(req->is_live);
    req->is_live = false;
    req->is_paused = false;
    if (req->is_bulk || must_answer_past(req)) {
        fy_bulk_watch(req);
        fy_raw_answer_begin(req, status, headers, n_headers, body, body_len);
        return;
    }
    req->status = (unsigned)status;
    req->response = new_response(headers, n_headers, body, body_len);
    if (!req->response) {
        req->is_broken = true;
        fy_conn_break(req->conn, false);
    }
    fy_request_resume(req);
}

void fy_server_request_pause_body(struct fy_request *req)
{
    assert(req->is_live);
    req->is_paused = !req->is_whole;
    fy_bulk_watch(req);
}

void fy_server_request_resume_body(struct fy_request *req)
{
    assert(req->is_live);
    if (!req->is_paused)
        return;
    req->is_paused = false;
    req->conn->since_ns = req->conn->listener->loop->now_ns; /* the pause was ours */
    fy_bulk_watch(req);
    if (!req->is_bulk)
        fy_request_resume(req);
}

void fy_server_request_abort(struct fy_request *req)
{
    assert(req->is_live);
    req->is_live = false;
    req->is_paused = false;
    req->is_broken = true;
    fy_bulk_watch(req);
    fy_conn_break(req->conn, false);
    fy_request_resume(req);
}
