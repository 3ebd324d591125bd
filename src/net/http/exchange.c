/*
 * exchange - one request and its answer, on libmicrohttpd.
 *
 * libmicrohttpd tells of a request in this order: its target (on_uri: it is born), its whole head, the pieces of its
 * body, its end (on_access each time), and that it is over (on_completed: it dies).  An answer is handed over at the
 * end of the body, which is when libmicrohttpd keeps the connection for a next request; if there is none by then, the
 * connection is suspended until there is.
 *
 * A head that could be read in two ways (request_check.c) is answered with 400 here, and the connection closed.
 *
 * A body that nobody wants is not read: a request with a body that is answered when its head is there gets the answer
 * at once, the connection is closed, and the close softened by lingering.  An answer that comes in the middle of the
 * body waits while the rest is swallowed, up to a limit.  A body that turns out too long then ends the connection
 * without the answer, and one that is not whole in time with 408.
 *
 * In the middle of a body libmicrohttpd takes no answer at all.  When too much of the body is to come, the answer is
 * written to the socket past it (raw_answer.c), and the connection closed as softly.  So is the answer to a body that
 * was read past it (bulk.c).
 *
 * A suspended connection is not watched by libmicrohttpd.  The connection's own watch tells of a reset while a request
 * waits for its reply; a client that only closed its sending side may still read, and is answered.
 */
#include "net/http/exchange.h"

#include <assert.h>
#include <string.h>

#include "net/http/bulk.h"
#include "net/http/linger.h"
#include "net/http/outflow.h"
#include "net/http/raw_answer.h"
#include "net/http/request_check.h"

#define MAX_LINGERED ((size_t)16 << 20) /* what may be in both kernels' buffers when the client sees the answer */

static struct fy_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

void *fy_exchange_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct fy_conn *conn = conn_of(mhd);

    (void)cls;
    return conn ? fy_request_new(conn, mhd, uri ? uri : "") : NULL; /* NULL: on_access closes the connection */
}

/* ---- Its parts ---- */

/* Could more of the body be to come than will be swallowed?  The head alone is known. */
static bool is_body_too_long(const struct fy_request *req)
{
    return fy_server_request_body_len(req) > FY_MAX_SWALLOWED;
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

static enum MHD_Result queue_answer(struct fy_request *req)
{
    enum MHD_Result result = MHD_queue_response(req->mhd, req->status, req->response);

    MHD_destroy_response(req->response); /* our reference */
    req->response = NULL;
    return result;
}

/* Answer with 400 and close: what follows on the connection may be a part of this request. */
static enum MHD_Result refuse_head(struct fy_request *req, const char *fault)
{
    static const struct fy_header headers[] = {{MHD_HTTP_HEADER_CONNECTION, "close"},
                                               {MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain"}};

    fy_log(req->conn->listener->cfg->log, FERRY_LOG_DEBUG, "http", 0, "%s: request refused: %.*s", req->conn->remote,
           (int)strcspn(fault, "\n"), fault);
    req->response = new_response(headers, 2, fault, strlen(fault));
    if (!req->response)
        return MHD_NO;
    req->status = MHD_HTTP_BAD_REQUEST;
    req->must_linger = true;
    fy_request_set_state(req, FY_REQUEST_ANSWERED);
    return queue_answer(req);
}

static enum MHD_Result on_head(struct fy_request *req, const char *url, const char *method, const char *version)
{
    struct fy_listener *listener = req->conn->listener;
    const char *fault;
    uint64_t body_len;

    if (listener->is_closed)
        return MHD_NO;
    fy_conn_head_came(req->conn);
    req->method = method;
    req->is_http_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    fault = fy_request_fault(req, url, version);
    if (fault)
        return refuse_head(req, fault);
    fy_request_set_state(req, FY_REQUEST_HEADED);
    body_len = fy_server_request_body_len(req);
    listener->fn(listener->arg, req);
    if (req->state == FY_REQUEST_BROKEN)
        return MHD_NO;
    if (req->state == FY_REQUEST_HEADED)
        fy_request_set_state(req, FY_REQUEST_BODY);
    if (req->state == FY_REQUEST_UPGRADED)
        fy_request_suspend(req);
    if (req->response && body_len > 0) { /* nobody wants it */
        fy_request_set_state(req, FY_REQUEST_ANSWERED);
        req->must_linger = true;
        return queue_answer(req);
    }
    if (body_len > 0)
        fy_conn_await_body(req->conn, body_len);
    return MHD_YES;
}

/* libmicrohttpd has to leave the connection alone. */
static bool must_wait(const struct fy_request *req)
{
    return req->is_paused || req->state == FY_REQUEST_RAW || req->state == FY_REQUEST_UPGRADED;
}

static enum MHD_Result on_body(struct fy_request *req, const char *data, size_t len)
{
    fy_conn_body_moved(req->conn, len);
    req->n_body += len;
    if (fy_request_is_held(req)) {
        if (req->events.on_body)
            req->events.on_body(req->arg, (const uint8_t *)data, len);
    } else {
        req->n_swallowed += len;
        if (req->n_swallowed > FY_MAX_SWALLOWED)
            return MHD_NO;
    }
    if (req->state == FY_REQUEST_BROKEN)
        return MHD_NO;
    if (fy_bulk_is_due(req)) {
        fy_request_suspend(req);
        fy_bulk_begin(req);
    } else if (must_wait(req)) {
        fy_request_suspend(req);
    }
    return MHD_YES;
}

static enum MHD_Result on_whole(struct fy_request *req)
{
    if (req->state == FY_REQUEST_BODY) {
        fy_request_set_state(req, FY_REQUEST_WHOLE);
        if (req->events.on_body_end)
            req->events.on_body_end(req->arg);
    } else if (req->state == FY_REQUEST_SWALLOWING) {
        fy_request_set_state(req, FY_REQUEST_ANSWERED);
    }
    if (req->state == FY_REQUEST_BROKEN)
        return MHD_NO;
    if (req->response)
        return queue_answer(req);
    fy_request_suspend(req);
    return MHD_YES;
}

enum MHD_Result fy_exchange_on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                      const char *version, const char *data, size_t *len, void **request)
{
    struct fy_request *req = *request;
    size_t data_len = *len;

    (void)cls;
    (void)mhd;
    if (!req || req->state == FY_REQUEST_BROKEN)
        return MHD_NO;
    if (req->state == FY_REQUEST_NEW)
        return on_head(req, url, method, version);
    if (must_wait(req)) { /* a next chunk: it is given again after the pause */
        fy_request_suspend(req);
        return MHD_YES;
    }
    *len = 0;
    return data_len > 0 ? on_body(req, data, data_len) : on_whole(req);
}

/* ---- Its end ---- */

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

static void end(struct fy_request *req, int err)
{
    struct fy_conn *conn = req->conn;

    conn->req = NULL; /* first: what is told may look at the connection */
    fy_timer_unset(&conn->body_timer);
    fy_request_tell_gone(req, err);
    if (req->must_linger && !conn->listener->is_closed)
        fy_linger(conn->listener->lingering, conn->socket.fd, MAX_LINGERED);
    fy_raw_answer_release(req);
    fy_outflow_free(req->out);
    fy_conn_take_back(conn);
    fy_request_free(req);
    fy_conn_await_head(conn);
}

void fy_exchange_on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                              enum MHD_RequestTerminationCode code)
{
    struct fy_request *req = *request;
    const struct fy_listener *listener = cls;

    if (!req)
        return;
    *request = NULL;
    if (req->out) /* an outflow's connection is exempt; a next request's is not */
        (void)MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT, listener->cfg->idle_timeout_s);
    end(req, error_of(code));
}

void fy_exchange_on_lost(struct fy_request *req)
{
    end(req, FERRY_ERR_RESET);
}

/* ---- The handler's side ---- */

/* libmicrohttpd takes no answer any more, or not before it has read more of the body than will be swallowed. */
static bool must_answer_past(const struct fy_request *req)
{
    return req->state == FY_REQUEST_BULK || req->state == FY_REQUEST_BULK_WHOLE ||
           (req->state == FY_REQUEST_BODY && is_body_too_long(req));
}

void fy_server_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                             const void *body, size_t body_len)
{
    assert(fy_request_is_held(req));
    if (must_answer_past(req)) {
        fy_raw_answer_begin(req, status, headers, n_headers, body, body_len);
        return;
    }
    req->status = (unsigned)status;
    req->response = new_response(headers, n_headers, body, body_len);
    if (!req->response) {
        fy_request_break(req, false);
        return;
    }
    fy_request_set_state(req, req->state == FY_REQUEST_WHOLE ? FY_REQUEST_ANSWERED : FY_REQUEST_SWALLOWING);
    fy_request_resume(req);
}

void fy_server_request_pause_body(struct fy_request *req)
{
    assert(fy_request_is_held(req));
    req->is_paused = req->state != FY_REQUEST_WHOLE && req->state != FY_REQUEST_BULK_WHOLE;
    if (req->state == FY_REQUEST_BULK)
        fy_bulk_pause(req);
}

void fy_server_request_resume_body(struct fy_request *req)
{
    assert(fy_request_is_held(req));
    if (!req->is_paused)
        return;
    req->is_paused = false;
    req->conn->since_ns = req->conn->listener->loop->now_ns; /* the pause was ours */
    if (req->state == FY_REQUEST_BULK)
        fy_bulk_resume(req);
    else
        fy_request_resume(req);
}
