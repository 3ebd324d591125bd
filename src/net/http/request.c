/*
 * request - the state of one request, and the end of it.
 *
 * Normal path: new, headed (its handler is called), body, whole, answered.  The table below has all ways.  A head that
 * is refused is answered at once, and no handler is called.
 *
 * Two things go beside the state.  A handler may pause the body.  And libmicrohttpd may be suspended, in a pause, while
 * an answer is awaited, and while something else reads or writes the socket; then it does not watch the connection.
 */
#include "net/http/request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http/server_tls.h"

#define BIT(state) (1u << (state))

static const unsigned successors[FY_N_REQUEST_STATES] = {
    [FY_REQUEST_NEW] = BIT(FY_REQUEST_HEADED) | BIT(FY_REQUEST_ANSWERED) | BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_HEADED] = BIT(FY_REQUEST_BODY) | BIT(FY_REQUEST_SWALLOWING) | BIT(FY_REQUEST_UPGRADED) |
                          BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_BODY] = BIT(FY_REQUEST_BULK) | BIT(FY_REQUEST_WHOLE) | BIT(FY_REQUEST_SWALLOWING) |
                        BIT(FY_REQUEST_RAW) | BIT(FY_REQUEST_UPGRADED) | BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_BULK] = BIT(FY_REQUEST_BULK_WHOLE) | BIT(FY_REQUEST_RAW) | BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_BULK_WHOLE] = BIT(FY_REQUEST_RAW) | BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_WHOLE] = BIT(FY_REQUEST_ANSWERED) | BIT(FY_REQUEST_UPGRADED) | BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_SWALLOWING] = BIT(FY_REQUEST_ANSWERED) | BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_ANSWERED] = BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_RAW] = BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_UPGRADED] = BIT(FY_REQUEST_BROKEN),
    [FY_REQUEST_BROKEN] = BIT(FY_REQUEST_BROKEN),
};

void fy_request_set_state(struct fy_request *req, enum fy_request_state to)
{
    assert(successors[req->state] & BIT(to));
    req->state = to;
    if (!fy_request_is_held(req))
        req->is_paused = false;
}

/* ---- Birth and death ---- */

struct fy_request *fy_request_new(struct fy_conn *conn, struct MHD_Connection *mhd, const char *target)
{
    size_t size = strlen(target) + 2; /* room for an empty query behind the path */
    struct fy_request *req = calloc(1, sizeof(*req) + size);
    char *mark;

    if (!req)
        return NULL;
    req->object.ops = conn->listener->object.ops;
    req->conn = conn;
    req->mhd = mhd;
    req->target_len = size - 2;
    memcpy(req->path, target, size - 1);
    mark = strchr(req->path, '?');
    if (mark)
        *mark = '\0';
    req->query = req->path + strlen(req->path) + 1;
    conn->req = req;
    return req;
}

void fy_request_free(struct fy_request *req)
{
    req->conn->req = NULL;
    if (req->response)
        MHD_destroy_response(req->response);
    free(req);
}

/* ---- libmicrohttpd's part in it ---- */

void fy_request_suspend(struct fy_request *req)
{
    if (req->is_suspended)
        return;
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

/* ---- Its end ---- */

void fy_request_break(struct fy_request *req, bool is_hard)
{
    fy_request_set_state(req, FY_REQUEST_BROKEN);
    fy_conn_take_back(req->conn);
    fy_conn_break(req->conn, is_hard);
    fy_request_resume(req);
}

static void tell(struct fy_request *req, bool was_held, int err)
{
    void (*on_gone)(struct fy_request *req, int err) = req->on_gone;

    req->on_gone = NULL;
    if (on_gone)
        on_gone(req, err);
    else if (was_held && req->events.on_gone)
        req->events.on_gone(req->arg);
}

void fy_request_drop(struct fy_request *req, int err)
{
    bool was_held = fy_request_is_held(req);

    fy_request_break(req, err == FERRY_ERR_TIMEOUT);
    tell(req, was_held, err);
}

void fy_request_tell_gone(struct fy_request *req, int err)
{
    bool was_held = fy_request_is_held(req);

    fy_request_set_state(req, FY_REQUEST_BROKEN);
    tell(req, was_held, err);
}

void fy_server_request_abort(struct fy_request *req)
{
    assert(fy_request_is_held(req));
    fy_request_break(req, false);
}

/* ---- What it says ---- */

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
    assert(fy_request_is_held(req));
    req->events = *events;
    req->arg = arg;
}
