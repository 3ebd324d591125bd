/*
 * raw_answer - an answer that libmicrohttpd would not take.
 *
 * It takes none in the middle of a body, nor after a bulk, whose end it has not seen.  So the whole answer is written
 * to the socket, and the connection ended after it: softly when more of the body may come.  Neither socket nor session
 * is in libmicrohttpd's use then, which has nothing on its way out.
 *
 * Normal path: the socket takes it all at once.  What it does not take waits, with libmicrohttpd suspended as in a
 * pause of the body, until the connection's own watch tells of room.  A client that takes nothing for the idle timeout
 * is let go, as libmicrohttpd would.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/http/server.h"

#define FIRST_LINES 128 /* the status line without its reason, and the two headers of our own */

/* ---- Its text -----------------------------------------------------------------------------------------------------
 */

static size_t size_of_head(const char *reason, const struct fy_header *headers, size_t n_headers)
{
    size_t size = FIRST_LINES + strlen(reason);

    for (size_t i = 0; i < n_headers; i++)
        size += strlen(headers[i].name) + strlen(headers[i].value) + strlen(": \r\n");
    return size;
}

static bool format(struct fy_raw_answer *raw, int status, const struct fy_header *headers, size_t n_headers,
                   const void *body, size_t body_len)
{
    const char *reason = MHD_get_reason_phrase_for((unsigned)status);
    size_t size = size_of_head(reason, headers, n_headers);
    size_t len;

    raw->text = malloc(size + body_len);
    if (!raw->text)
        return false;
    len = (size_t)snprintf(raw->text, size, "HTTP/1.1 %d %s\r\nConnection: close\r\n", status, reason);
    if (status != MHD_HTTP_NO_CONTENT) /* which has no body, and so no length of one */
        len += (size_t)snprintf(raw->text + len, size - len, "Content-Length: %zu\r\n", body_len);
    for (size_t i = 0; i < n_headers; i++)
        len += (size_t)snprintf(raw->text + len, size - len, "%s: %s\r\n", headers[i].name, headers[i].value);
    len += (size_t)snprintf(raw->text + len, size - len, "\r\n");
    assert(len < size);
    if (body_len > 0)
        memcpy(raw->text + len, body, body_len);
    raw->len = len + body_len;
    return true;
}

static void forget(struct fy_raw_answer *raw)
{
    free(raw->text);
    raw->text = NULL;
    fy_timer_unset(&raw->timer);
}

/* ---- Its end ------------------------------------------------------------------------------------------------------
 */

/* Leave the connection to libmicrohttpd, which closes it: at once, or at the next byte of the body. */
static void end(struct fy_request *req, bool is_written)
{
    bool is_over = req->is_whole || (req->is_bulk && req->n_to_come == 0);

    if (req->raw.text)
        forget(&req->raw);
    req->is_paused = false;
    req->is_broken = true;
    req->must_linger = is_written && !is_over;
    if (!req->must_linger)
        fy_conn_break(req->conn, false);
    fy_request_resume(req);
}

static void on_timer(void *arg)
{
    struct fy_request *req = arg;

    fy_watch_change(req->conn->listener->loop, &req->conn->watch, FY_CONN_EVENTS);
    end(req, false);
}

void fy_raw_answer_release(struct fy_request *req)
{
    struct fy_conn *conn = req->conn;

    if (!req->raw.text)
        return;
    forget(&req->raw);
    fy_watch_change(conn->listener->loop, &conn->watch, FY_CONN_EVENTS);
}

/* ---- Writing ------------------------------------------------------------------------------------------------------
 */

enum written { ALL, A_PART, LOST };

static ssize_t write_once(const struct fy_request *req, const char *text, size_t len)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    ssize_t n;

    if (!info || !info->tls_session)
        return send(req->conn->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    n = gnutls_record_send(info->tls_session, text, len); /* a record at a time */
    if (n < 0)
        errno = n == GNUTLS_E_AGAIN ? EAGAIN : n == GNUTLS_E_INTERRUPTED ? EINTR : EIO;
    return n;
}

static enum written write_on(struct fy_request *req)
{
    struct fy_raw_answer *raw = &req->raw;

    while (raw->at < raw->len) {
        ssize_t n = write_once(req, raw->text + raw->at, raw->len - raw->at);

        if (n >= 0)
            raw->at += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return A_PART;
        else if (errno != EINTR)
            return LOST;
    }
    return ALL;
}

static void set_deadline(struct fy_request *req)
{
    const struct fy_listener *listener = req->conn->listener;

    fy_timer_set(&req->raw.timer, fy_loop_deadline_ns(listener->loop, UINT64_C(1000) * listener->cfg->idle_timeout_s));
}

bool fy_raw_answer_take_event(struct fy_conn *conn)
{
    struct fy_request *req = conn->req;
    enum written written;
    size_t at;

    if (!req || !req->raw.text)
        return false;
    at = req->raw.at;
    written = write_on(req);
    if (written == A_PART) {
        if (req->raw.at > at)
            set_deadline(req);
        return true;
    }
    fy_watch_change(conn->listener->loop, &conn->watch, FY_CONN_EVENTS);
    end(req, written == ALL);
    return true;
}

/* Wait for room.  False: nothing would tell of it. */
static bool await_room(struct fy_request *req)
{
    struct fy_conn *conn = req->conn;
    struct fy_loop *loop = conn->listener->loop;

    if (!conn->watch.fn)
        return false;
    req->is_paused = true;
    fy_timer_init(&req->raw.timer, &loop->timers, on_timer, req);
    set_deadline(req);
    fy_watch_change(loop, &conn->watch, EPOLLOUT);
    return true;
}

void fy_raw_answer_begin(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                         const void *body, size_t body_len)
{
    enum written written = LOST;

    if (format(&req->raw, status, headers, n_headers, body, body_len))
        written = write_on(req);
    if (written == A_PART && await_room(req))
        return;
    end(req, written == ALL);
}
