/*
 * raw_answer - an answer that libmicrohttpd would not take.
 *
 * It takes none in the middle of a body, nor after a bulk, whose end it has not seen.  So the whole answer is written
 * to the socket, and the connection ended after it: softly when more of the body may come.  Neither socket nor session
 * is in libmicrohttpd's use then, which has nothing on its way out.
 *
 * Normal path: the socket takes it all at once.  What it does not take waits, with libmicrohttpd suspended as in a
 * pause of the body, until there is room; the answer owns the socket meanwhile.  A client that takes nothing for the
 * idle timeout is let go, as libmicrohttpd would.
 */
#include "net/http/raw_answer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define FIRST_LINES 128 /* the status line without its reason, and the two headers of our own */

/* ---- Its text ---- */

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

/* ---- Its end ---- */

/* Leave the connection to libmicrohttpd, which closes it: at once, or at the next byte of the body. */
static void end(struct fy_request *req, bool is_written)
{
    forget(&req->raw);
    req->must_linger = is_written && !req->raw.is_body_over;
    if (!req->must_linger) {
        fy_request_break(req, false);
        return;
    }
    fy_request_set_state(req, FY_REQUEST_BROKEN);
    fy_conn_take_back(req->conn);
    fy_request_resume(req);
}

static void raw_answer_on_timer(void *arg)
{
    end(arg, false);
}

void fy_raw_answer_release(struct fy_request *req)
{
    if (req->raw.text)
        forget(&req->raw);
}

/* ---- Writing ---- */

enum written { ALL, A_PART, LOST };

static enum written write_on(struct fy_request *req)
{
    struct fy_raw_answer *raw = &req->raw;

    if (fy_socket_unblock(&req->conn->socket) < 0)
        return LOST;
    while (raw->at < raw->len) {
        struct iovec rest = {.iov_base = raw->text + raw->at, .iov_len = raw->len - raw->at};
        ssize_t n = fy_socket_write(&req->conn->socket, &rest, 1);

        if (n >= 0)
            raw->at += (size_t)n;
        else
            return errno == EAGAIN || errno == EWOULDBLOCK ? A_PART : LOST;
    }
    return req->conn->socket.is_blocked ? A_PART : ALL; /* the session may hold the last record */
}

static void set_deadline(struct fy_request *req)
{
    const struct fy_listener *listener = req->conn->listener;

    fy_timer_set(&req->raw.timer,
                 fy_loop_deadline_ns(listener->loop, UINT64_C(1000) * listener->cfg->idle_timeout_s));
}

static void raw_answer_on_event(void *owner, uint32_t events)
{
    struct fy_request *req = owner;
    size_t at = req->raw.at;
    enum written written = write_on(req);

    (void)events; /* the write tells */
    if (written != A_PART)
        end(req, written == ALL);
    else if (req->raw.at > at)
        set_deadline(req);
}

/* Wait for room.  False: nothing would tell of it. */
static bool await_room(struct fy_request *req)
{
    if (!fy_socket_is_watched(&req->conn->socket))
        return false;
    fy_timer_init(&req->raw.timer, &req->conn->listener->loop->timers, raw_answer_on_timer, req);
    set_deadline(req);
    fy_socket_own(&req->conn->socket, EPOLLOUT, raw_answer_on_event, req);
    return true;
}

/* Does nothing of the request's body follow on the connection? */
static bool is_body_over(const struct fy_request *req)
{
    return req->state == FY_REQUEST_BULK_WHOLE || (req->state == FY_REQUEST_BULK && req->n_to_come == 0);
}

void fy_raw_answer_begin(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                         const void *body, size_t body_len)
{
    enum written written = LOST;

    req->raw.is_body_over = is_body_over(req);
    fy_request_set_state(req, FY_REQUEST_RAW);
    fy_conn_take_back(req->conn);
    if (format(&req->raw, status, headers, n_headers, body, body_len))
        written = write_on(req);
    if (written == A_PART && await_room(req))
        return;
    end(req, written == ALL);
}
