/*
 * serve - the server's end: listeners, requests, whole answers and endless ones.
 *
 * A request is its handler's from the head's arrival until it is answered, aborted or gone.  A whole answer is kept
 * here and goes out as the window allows, while what is left of the request's body is thrown away.  An outflow's source
 * is read only in an event of its own and only for what the window takes; a window that stays full for the write
 * timeout ends it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/sim/ends.h"

#define MAX_THROWN_AWAY (256u << 10)

static struct fy_sim_conn *conn_of_request(struct fy_request *req)
{
    return fy_container(req, struct fy_sim_conn, server.request);
}

/* To read what was asked. */
static const struct fy_sim_conn *conn_of_asked(const struct fy_request *req)
{
    const char *at = (const char *)req - offsetof(struct fy_sim_conn, server.request);

    return (const struct fy_sim_conn *)(const void *)at;
}

static struct fy_sim_conn *conn_of_outflow(struct fy_outflow *out)
{
    return fy_container(out, struct fy_sim_conn, server.outflow);
}

static struct fy_sim_pipe *answer_pipe(struct fy_sim_conn *conn)
{
    return &conn->pipes[FY_SIM_CLIENT];
}

/* The end is off the network: tell its user, if it has one. */
static void lose(struct fy_sim_conn *conn, int err)
{
    enum fy_sim_phase phase = conn->server.phase;

    fy_sim_conn_shut(conn, FY_SIM_SERVER);
    if (!conn->ends[FY_SIM_SERVER].is_held)
        return;
    if (phase == FY_SIM_STREAMING)
        conn->server.source.on_gone(conn->server.source_arg, err);
    else if (conn->server.events.on_gone)
        conn->server.events.on_gone(conn->server.arg);
    fy_sim_conn_drop(conn, FY_SIM_SERVER);
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* The end of a whole answer: all of it is sent and all of the request was seen. */
static void close_when_done(struct fy_sim_conn *conn)
{
    if (conn->server.reply_off == conn->server.reply_len && conn->server.is_body_whole)
        fy_sim_conn_shut(conn, FY_SIM_SERVER);
}

static void pump_reply(struct fy_sim_conn *conn)
{
    struct fy_sim_pipe *pipe = answer_pipe(conn);

    while (conn->server.reply_off < conn->server.reply_len && fy_sim_pipe_space(pipe) > 0) {
        size_t left = conn->server.reply_len - conn->server.reply_off;
        size_t len = fy_sim_pipe_space(pipe) < left ? fy_sim_pipe_space(pipe) : left;

        if (len > sizeof(conn->sim->scratch))
            len = sizeof(conn->sim->scratch);
        if (fy_sim_pipe_write(pipe, conn->server.reply + conn->server.reply_off, len) != FERRY_OK) {
            fy_sim_conn_close(conn, FY_SIM_SERVER, FY_SIM_RUN_RESET);
            return;
        }
        conn->server.reply_off += len;
        if (conn->server.reply_off == conn->server.reply_len)
            fy_sim_pipe_mark(pipe, &pipe->end, FY_SIM_RUN_END);
    }
    close_when_done(conn);
}

/* Read the source while it has something and the window takes it. */
static void pump_outflow(struct fy_sim_conn *conn)
{
    const struct fy_sim_source source = {.gather = conn->server.source.gather,
                                         .sent = conn->server.source.sent,
                                         .arg = conn->server.source_arg,
                                         .is_ready = &conn->server.is_ready};

    if (fy_sim_end_pump(&conn->ends[FY_SIM_SERVER], &source) == FERRY_OK)
        return;
    fy_sim_conn_close(conn, FY_SIM_SERVER, FY_SIM_RUN_RESET);
    lose(conn, FERRY_ERR_RESET);
}

static void serve_on_ack(struct fy_sim_end *end)
{
    struct fy_sim_conn *conn = end->conn;

    fy_timer_unset(&end->write_timeout); /* progress */
    if (conn->server.phase == FY_SIM_REPLIED)
        pump_reply(conn);
    else if (conn->server.phase == FY_SIM_STREAMING)
        pump_outflow(conn);
}

static void serve_on_pump(struct fy_sim_end *end)
{
    pump_outflow(end->conn);
}

static void serve_on_write_timeout(struct fy_sim_end *end)
{
    fy_sim_conn_close(end->conn, FY_SIM_SERVER, FY_SIM_RUN_RESET);
    lose(end->conn, FERRY_ERR_TIMEOUT);
}

static void serve_lose(struct fy_sim_end *end, int err)
{
    lose(end->conn, err);
}

/* ---- What comes -------------------------------------------------------------------------------------------------- */

static struct fy_sim_listener *find_listener(const struct fy_sim_node *node, uint16_t port)
{
    return node && node->state == FY_SIM_UP ? fy_sim_find_listener(node, port) : NULL;
}

static void serve_on_open(struct fy_sim_conn *conn)
{
    struct fy_sim_listener *listener = find_listener(conn->ends[FY_SIM_SERVER].node, conn->client.port);
    struct fy_sim_pipe *pipe = answer_pipe(conn);

    if (!listener) {
        fy_sim_pipe_mark(pipe, &pipe->open, FY_SIM_RUN_REFUSE);
        return;
    }
    fy_sim_trace(conn->sim, conn->ends[FY_SIM_SERVER].node, FY_SIM_TRACE_ACCEPT, conn->number, 0);
    conn->server.phase = FY_SIM_ACCEPTED;
    conn->ends[FY_SIM_SERVER].is_open = true;
    fy_list_append(&listener->conns, &conn->server.node);
    fy_sim_pipe_mark(pipe, &pipe->open, FY_SIM_RUN_OPEN);
}

static void serve_on_head(struct fy_sim_conn *conn)
{
    struct fy_sim_listener *listener = find_listener(conn->ends[FY_SIM_SERVER].node, conn->client.port);

    assert(listener);
    conn->server.phase = FY_SIM_SERVING;
    fy_sim_conn_hold(conn, FY_SIM_SERVER);
    listener->fn(listener->arg, (struct fy_request *)&conn->server.request);
    assert(!conn->ends[FY_SIM_SERVER].is_held || conn->server.phase == FY_SIM_STREAMING ||
           conn->server.phase == FY_SIM_UPGRADED || conn->server.has_events);
}

static void serve_on_bytes(struct fy_sim_conn *conn, const uint8_t *data, size_t len)
{
    if (conn->server.phase == FY_SIM_SERVING) {
        if (conn->server.events.on_body)
            conn->server.events.on_body(conn->server.arg, data, len);
        return;
    }
    conn->server.n_thrown_away += len;
    if (conn->server.phase == FY_SIM_REPLIED && conn->server.n_thrown_away > MAX_THROWN_AWAY)
        fy_sim_conn_close(conn, FY_SIM_SERVER, FY_SIM_RUN_RESET);
}

static void serve_on_end(struct fy_sim_conn *conn)
{
    conn->server.is_body_whole = true;
    if (conn->server.phase == FY_SIM_REPLIED)
        close_when_done(conn);
    else if (conn->server.phase == FY_SIM_SERVING && conn->server.events.on_body_end)
        conn->server.events.on_body_end(conn->server.arg);
}

static void serve_on_run(struct fy_sim_end *end, enum fy_sim_run_kind kind, const uint8_t *data, size_t len)
{
    struct fy_sim_conn *conn = end->conn;

    switch (kind) {
    case FY_SIM_RUN_OPEN:
        serve_on_open(conn);
        break;
    case FY_SIM_RUN_HEAD:
        serve_on_head(conn);
        break;
    case FY_SIM_RUN_BYTES:
        serve_on_bytes(conn, data, len);
        break;
    case FY_SIM_RUN_END:
        serve_on_end(conn);
        break;
    case FY_SIM_RUN_FIN:
        lose(conn, FERRY_ERR_EOF);
        break;
    case FY_SIM_RUN_REFUSE: /* not to this end */
    case FY_SIM_RUN_RESET:
    case FY_SIM_RUN_BREAK:
        lose(conn, FERRY_ERR_RESET);
        break;
    }
}

const struct fy_sim_end_ops fy_sim_serve_ops = {
    .on_run = serve_on_run,
    .on_ack = serve_on_ack,
    .on_pump = serve_on_pump,
    .on_write_timeout = serve_on_write_timeout,
    .lose = serve_lose,
};

/* ---- Listeners --------------------------------------------------------------------------------------------------- */

int fy_sim_listen(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg, struct fy_listener **ret_listener,
                  char *ret_detail, size_t detail_size)
{
    struct fy_sim_node *node = (struct fy_sim_node *)net;
    struct fy_sim_listener *listener;
    struct fy_sim_address address;
    size_t url_size;
    int err = fy_sim_address_parse(url, &address);

    if (err)
        return err;
    if (address.host_len != strlen(node->host) || memcmp(address.host, node->host, address.host_len) != 0) {
        snprintf(ret_detail, detail_size, "%s: not this node's host, which is %s", url, node->host);
        return FERRY_ERR_LISTEN;
    }
    if (address.port != 0 && find_listener(node, address.port)) {
        snprintf(ret_detail, detail_size, "%s: the port is in use", url);
        return FERRY_ERR_LISTEN;
    }
    url_size = strlen("http://:65535") + address.host_len + 1;
    listener = calloc(1, sizeof(*listener) + url_size);
    if (!listener)
        return FERRY_ERR_NOMEM;
    listener->listener.ops = net->ops;
    listener->host = node;
    listener->port = address.port ? address.port : fy_sim_node_pick_port(node);
    listener->fn = fn;
    listener->arg = arg;
    fy_list_init(&listener->conns);
    snprintf(listener->url, url_size, "http://%s:%u", node->host, listener->port);
    fy_list_append(&node->listeners, &listener->node);
    *ret_listener = (struct fy_listener *)&listener->listener;
    return FERRY_OK;
}

const char *fy_sim_listener_url(const struct fy_listener *listener)
{
    return ((const struct fy_sim_listener *)listener)->url;
}

void fy_sim_listener_close(struct fy_listener *handle)
{
    struct fy_sim_listener *listener = fy_container(handle, struct fy_sim_listener, listener);
    struct fy_node *node;

    fy_list_remove(&listener->node);
    while ((node = fy_list_take_first(&listener->conns))) {
        struct fy_sim_conn *conn = fy_container(node, struct fy_sim_conn, server.node);
        struct fy_sim_end *end = &conn->ends[FY_SIM_SERVER];

        fy_sim_conn_enter(conn);
        fy_sim_conn_close(conn, FY_SIM_SERVER,
                          fy_chance_hit(&conn->sim->chance, 500000) ? FY_SIM_RUN_FIN : FY_SIM_RUN_RESET);
        end->ops->lose(end, FERRY_ERR_EOF);
        fy_sim_conn_leave(conn);
    }
    free(listener);
}

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

const char *fy_sim_request_method(const struct fy_request *req)
{
    return conn_of_asked(req)->client.method;
}

const char *fy_sim_request_path(const struct fy_request *req)
{
    return conn_of_asked(req)->client.target;
}

const char *fy_sim_request_query(const struct fy_request *req)
{
    return conn_of_asked(req)->client.query;
}

const char *fy_sim_request_remote(const struct fy_request *req)
{
    return conn_of_asked(req)->client.address;
}

const char *fy_sim_request_header(const struct fy_request *req, const char *name)
{
    const struct fy_sim_headers *headers = conn_of_asked(req)->client.headers;
    struct fy_answer as_answer = {.headers = headers->all, .n_headers = headers->n};

    return fy_answer_header(&as_answer, name);
}

void fy_sim_request_set_events(struct fy_request *req, const struct fy_request_events *events, void *arg)
{
    struct fy_sim_conn *conn = conn_of_request(req);

    conn->server.events = *events;
    conn->server.arg = arg;
    conn->server.has_events = true;
}

static struct fy_sim_pipe *request_pipe(struct fy_sim_conn *conn)
{
    return &conn->pipes[FY_SIM_SERVER];
}

void fy_sim_request_pause_body(struct fy_request *req)
{
    fy_sim_pipe_pause(request_pipe(conn_of_request(req)), true);
}

void fy_sim_request_resume_body(struct fy_request *req)
{
    fy_sim_pipe_pause(request_pipe(conn_of_request(req)), false);
}

/* Keep the answer's head, and send it. */
static int send_head(struct fy_sim_conn *conn, int status, const struct fy_header *headers, size_t n_headers)
{
    struct fy_sim_pipe *pipe = answer_pipe(conn);

    conn->server.status = status;
    conn->server.headers = fy_sim_headers_copy(headers, n_headers);
    if (!conn->server.headers)
        return FERRY_ERR_NOMEM;
    fy_sim_pipe_mark(pipe, &pipe->head, FY_SIM_RUN_HEAD);
    return FERRY_OK;
}

static int send_reply(struct fy_sim_conn *conn, int status, const struct fy_header *headers, size_t n_headers,
                      const void *body, size_t body_len)
{
    struct fy_sim_pipe *pipe = answer_pipe(conn);

    if (body_len) {
        conn->server.reply = malloc(body_len);
        if (!conn->server.reply)
            return FERRY_ERR_NOMEM;
        memcpy(conn->server.reply, body, body_len);
        conn->server.reply_len = body_len;
    }
    if (send_head(conn, status, headers, n_headers) != FERRY_OK)
        return FERRY_ERR_NOMEM;
    if (body_len == 0)
        fy_sim_pipe_mark(pipe, &pipe->end, FY_SIM_RUN_END);
    conn->server.phase = FY_SIM_REPLIED;
    pump_reply(conn);
    return FERRY_OK;
}

void fy_sim_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                          const void *body, size_t body_len)
{
    struct fy_sim_conn *conn = conn_of_request(req);

    fy_sim_conn_enter(conn);
    assert(conn->server.phase == FY_SIM_SERVING);
    fy_sim_pipe_pause(request_pipe(conn), false); /* what still comes is thrown away */
    fy_sim_conn_drop(conn, FY_SIM_SERVER);
    if (conn->ends[FY_SIM_SERVER].is_open && send_reply(conn, status, headers, n_headers, body, body_len) != FERRY_OK)
        fy_sim_conn_close(conn, FY_SIM_SERVER, FY_SIM_RUN_RESET);
    fy_sim_conn_leave(conn);
}

/* Let a request go without an answer.  A client that still sends sees a reset, any other an end. */
static void abort_request(struct fy_sim_conn *conn)
{
    fy_sim_conn_close(conn, FY_SIM_SERVER, conn->server.is_body_whole ? FY_SIM_RUN_FIN : FY_SIM_RUN_RESET);
    fy_sim_conn_drop(conn, FY_SIM_SERVER);
}

void fy_sim_request_abort(struct fy_request *req)
{
    struct fy_sim_conn *conn = conn_of_request(req);

    fy_sim_conn_enter(conn);
    abort_request(conn);
    fy_sim_conn_leave(conn);
}

/* ---- Outflows ---------------------------------------------------------------------------------------------------- */

struct fy_sim_conn *fy_sim_request_begin_answer(struct fy_request *req, int status, const struct fy_header *headers,
                                                size_t n_headers)
{
    struct fy_sim_conn *conn = conn_of_request(req);

    assert(conn->server.phase == FY_SIM_SERVING && conn->ends[FY_SIM_SERVER].is_held);
    if (!conn->ends[FY_SIM_SERVER].is_open || send_head(conn, status, headers, n_headers) == FERRY_OK)
        return conn;
    fy_sim_request_abort(req);
    return NULL;
}

/* Read the source soon, in an event of its own. */
static void read_soon(struct fy_sim_conn *conn)
{
    conn->server.is_ready = true;
    if (conn->ends[FY_SIM_SERVER].is_open && fy_sim_pipe_space(answer_pipe(conn)) > 0 &&
        !fy_timer_is_set(&conn->ends[FY_SIM_SERVER].pump))
        fy_timer_set(&conn->ends[FY_SIM_SERVER].pump, conn->sim->now_ns);
}

struct fy_outflow *fy_sim_request_stream(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                         const struct fy_outflow_source *source, void *arg)
{
    struct fy_sim_conn *conn = fy_sim_request_begin_answer(req, 200, headers, n_headers);

    if (!conn)
        return NULL;
    conn->server.phase = FY_SIM_STREAMING;
    conn->server.source = *source;
    conn->server.source_arg = arg;
    read_soon(conn);
    return (struct fy_outflow *)&conn->server.outflow;
}

void fy_sim_outflow_wake(struct fy_outflow *out)
{
    read_soon(conn_of_outflow(out));
}

void fy_sim_outflow_end(struct fy_outflow *out)
{
    struct fy_sim_conn *conn = conn_of_outflow(out);
    struct fy_sim_pipe *pipe = answer_pipe(conn);

    fy_sim_conn_enter(conn);
    fy_timer_unset(&conn->ends[FY_SIM_SERVER].pump);
    fy_timer_unset(&conn->ends[FY_SIM_SERVER].write_timeout);
    fy_sim_conn_drop(conn, FY_SIM_SERVER);
    if (conn->ends[FY_SIM_SERVER].is_open) {
        conn->server.phase = FY_SIM_REPLIED; /* with nothing left to send */
        fy_sim_pipe_mark(pipe, &pipe->end, FY_SIM_RUN_END);
        close_when_done(conn);
    }
    fy_sim_conn_leave(conn);
}

void fy_sim_outflow_abort(struct fy_outflow *out)
{
    struct fy_sim_conn *conn = conn_of_outflow(out);

    fy_sim_conn_enter(conn);
    fy_sim_conn_close(conn, FY_SIM_SERVER, FY_SIM_RUN_RESET);
    fy_sim_conn_drop(conn, FY_SIM_SERVER);
    fy_sim_conn_leave(conn);
}
