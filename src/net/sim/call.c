/*
 * call - the client's end: dial, ask, take the answer.
 *
 * The request's head goes out once the server has agreed to talk; its body follows as the window allows, read from the
 * caller's memory or by its function, and the answer may come before all of it is sent.  Whatever ends the call closes
 * the connection.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/sim/ends.h"

struct fy_sim_conn *fy_sim_call_conn(struct fy_call *call)
{
    return fy_container(call, struct fy_sim_conn, client.call);
}

/* The call is over: the last event. */
static void finish(struct fy_sim_conn *conn, int err, const char *detail)
{
    fy_sim_conn_close(conn, FY_SIM_CLIENT, err == FERRY_ERR_TIMEOUT ? FY_SIM_RUN_RESET : FY_SIM_RUN_FIN);
    if (!conn->ends[FY_SIM_CLIENT].is_held)
        return;
    conn->client.events.on_end(conn->client.arg, err, detail);
    fy_sim_conn_drop(conn, FY_SIM_CLIENT);
}

/* The connection is dead already: there is nobody to say goodbye to. */
static void lose(struct fy_sim_conn *conn, int err, const char *detail)
{
    fy_sim_conn_shut(conn, FY_SIM_CLIENT);
    finish(conn, err, detail);
}

static void call_on_connect_timeout(void *arg)
{
    struct fy_sim_conn *conn = arg;

    fy_sim_trace(conn->sim, conn->ends[FY_SIM_CLIENT].node, FY_SIM_TRACE_CONNECT_TIMEOUT, conn->number, 0);
    fy_sim_conn_enter_event(conn);
    finish(conn, FERRY_ERR_TIMEOUT, "no answer to the connection attempt");
    fy_sim_conn_leave(conn);
}

static struct fy_sim_pipe *request_pipe(struct fy_sim_conn *conn)
{
    return &conn->pipes[FY_SIM_SERVER];
}

/* The body is sent whole, as nothing more is to be. */
static void end_body(struct fy_sim_conn *conn)
{
    struct fy_sim_pipe *pipe = request_pipe(conn);

    conn->client.body_len = conn->client.body_off;
    fy_sim_pipe_mark(pipe, &pipe->end, FY_SIM_RUN_END);
}

/* The next piece of the body, for at most cap bytes of room; 0: nothing is ready, or the call is over. */
static size_t next_piece(struct fy_sim_conn *conn, size_t cap, const uint8_t **ret_piece)
{
    struct fy_sim *sim = conn->sim;
    size_t len;

    if (!conn->client.read_body) {
        *ret_piece = conn->client.body + conn->client.body_off;
        return cap;
    }
    *ret_piece = sim->scratch;
    if (!conn->client.is_body_ready)
        return 0;
    if (fy_chance_hit(&sim->chance, sim->cfg.weather.pieces_ppm))
        cap = fy_chance_between(&sim->chance, 1, cap);
    len = conn->client.read_body(conn->client.arg, sim->scratch, cap);
    if (!conn->ends[FY_SIM_CLIENT].is_held)
        return 0; /* canceled from inside */
    if (len == FY_BODY_END) {
        assert(conn->client.body_len == FY_LEN_UNKNOWN);
        end_body(conn);
        return 0;
    }
    assert(len <= cap);
    conn->client.is_body_ready = len > 0;
    return len;
}

/* Send what there is of the body, as far as the window takes it. */
static void pump_body(struct fy_sim_conn *conn)
{
    struct fy_sim_pipe *pipe = request_pipe(conn);

    while (conn->client.body_off < conn->client.body_len && fy_sim_pipe_space(pipe) > 0) {
        uint64_t left = conn->client.body_len - conn->client.body_off;
        size_t cap = fy_sim_pipe_space(pipe) < left ? fy_sim_pipe_space(pipe) : (size_t)left;
        const uint8_t *piece;
        size_t len;

        if (cap > sizeof(conn->sim->scratch))
            cap = sizeof(conn->sim->scratch);
        len = next_piece(conn, cap, &piece);
        if (len == 0)
            return;
        if (fy_sim_pipe_write(pipe, piece, len) != FERRY_OK) {
            fy_sim_conn_close(conn, FY_SIM_CLIENT, FY_SIM_RUN_RESET);
            finish(conn, FERRY_ERR_RESET, "no memory for what is under way");
            return;
        }
        conn->client.body_off += len;
        if (conn->client.body_off == conn->client.body_len)
            end_body(conn);
    }
}

static void call_on_ready(struct fy_sim_end *end)
{
    pump_body(end->conn);
}

static void call_lose(struct fy_sim_end *end, int err)
{
    lose(end->conn, err, "connection lost");
}

void fy_sim_call_wake(struct fy_call *call)
{
    struct fy_sim_conn *conn = fy_sim_call_conn(call);

    if (conn->client.is_body_ready)
        return;
    conn->client.is_body_ready = true;
    if (conn->ends[FY_SIM_CLIENT].is_open && conn->client.phase != FY_SIM_DIALING)
        fy_timer_set(&conn->ends[FY_SIM_CLIENT].pump, conn->sim->now_ns);
}

static void call_on_connected(struct fy_sim_conn *conn)
{
    struct fy_sim_pipe *pipe = request_pipe(conn);

    fy_timer_unset(&conn->client.connect_timeout);
    conn->client.phase = FY_SIM_ASKING;
    conn->client.asked_ns = conn->sim->now_ns;
    fy_sim_pipe_mark(pipe, &pipe->head, FY_SIM_RUN_HEAD);
    if (conn->client.body_len == 0)
        end_body(conn);
    else
        pump_body(conn);
}

static void call_on_head(struct fy_sim_conn *conn)
{
    struct fy_answer answer = {
        .status = conn->server.status,
        .headers = conn->server.headers ? conn->server.headers->all : NULL,
        .n_headers = conn->server.headers ? conn->server.headers->n : 0,
        .took_ns = conn->sim->now_ns - conn->client.asked_ns,
    };

    conn->client.phase = FY_SIM_ANSWERED;
    if (conn->client.events.on_head)
        conn->client.events.on_head(conn->client.arg, &answer);
}

static void call_on_run(struct fy_sim_end *end, enum fy_sim_run_kind kind, const uint8_t *data, size_t len)
{
    struct fy_sim_conn *conn = end->conn;

    switch (kind) {
    case FY_SIM_RUN_OPEN:
        call_on_connected(conn);
        break;
    case FY_SIM_RUN_REFUSE:
        lose(conn, FERRY_ERR_CONNECT, conn->ends[FY_SIM_SERVER].node ? "connection refused" : "unknown host");
        break;
    case FY_SIM_RUN_HEAD:
        call_on_head(conn);
        break;
    case FY_SIM_RUN_BYTES:
        if (conn->client.events.on_body)
            conn->client.events.on_body(conn->client.arg, data, len);
        break;
    case FY_SIM_RUN_END:
        finish(conn, FERRY_OK, "");
        break;
    case FY_SIM_RUN_FIN:
        lose(conn, FERRY_ERR_EOF,
             conn->client.phase == FY_SIM_ANSWERED ? "closed in the middle of the answer" : "closed without an answer");
        break;
    case FY_SIM_RUN_RESET:
    case FY_SIM_RUN_BREAK:
        lose(conn, FERRY_ERR_RESET, "connection reset");
        break;
    }
}

static const struct fy_sim_end_ops call_ops = {
    .on_run = call_on_run,
    .on_ack = call_on_ready,
    .on_pump = call_on_ready,
    .lose = call_lose, /* on_write_timeout: a call does not set it */
};

/* Keep of the spec what the server is to see. */
static int keep_request(struct fy_sim_conn *conn, const struct fy_call_spec *spec, const char *target)
{
    size_t path_len = strcspn(target, "?");
    const char *path = path_len ? target : "/";
    size_t size;

    if (path_len == 0)
        path_len = 1;
    size = path_len + 1 + strlen(target) + 1;
    conn->client.target = malloc(size);
    conn->client.headers = fy_sim_headers_copy(spec->headers, spec->n_headers);
    if (!conn->client.target || !conn->client.headers)
        return FERRY_ERR_NOMEM;
    memcpy(conn->client.target, path, path_len);
    conn->client.target[path_len] = '\0';
    conn->client.query = conn->client.target + path_len + 1;
    target = strchr(target, '?');
    snprintf(conn->client.target + path_len + 1, size - path_len - 1, "%s", target ? target + 1 : "");
    snprintf(conn->client.method, sizeof(conn->client.method), "%s", spec->method);
    return FERRY_OK;
}

int fy_sim_call(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                struct fy_call **ret_call)
{
    struct fy_sim_node *node = (struct fy_sim_node *)net;
    struct fy_sim *sim = node->sim;
    struct fy_sim_address address;
    struct fy_sim_conn *conn;
    int err = fy_sim_address_parse(spec->url, &address);

    if (err)
        return err;
    err = fy_sim_conn_new(node, &call_ops, fy_sim_find_node(sim, address.host, address.host_len), &conn);
    if (err)
        return err;
    fy_timer_init(&conn->client.connect_timeout, &sim->events, call_on_connect_timeout, conn);
    fy_sim_conn_enter(conn);
    err = keep_request(conn, spec, address.target);
    if (err) {
        fy_sim_conn_shut(conn, FY_SIM_CLIENT);
        fy_sim_conn_drop(conn, FY_SIM_CLIENT);
        fy_sim_conn_leave(conn);
        return err;
    }
    conn->client.port = address.port;
    conn->client.body = spec->body;
    conn->client.read_body = spec->read_body;
    conn->client.body_len = spec->body_len;
    conn->client.is_body_ready = true;
    conn->client.events = *events;
    conn->client.arg = arg;
    fy_sim_trace(sim, node, FY_SIM_TRACE_DIAL, conn->number, (size_t)spec->body_len);
    if (conn->ends[FY_SIM_CLIENT].is_open) {
        snprintf(conn->client.address, sizeof(conn->client.address), "%s:%u", node->host, fy_sim_node_pick_port(node));
        fy_sim_pipe_mark(&conn->pipes[FY_SIM_SERVER], &conn->pipes[FY_SIM_SERVER].open, FY_SIM_RUN_OPEN);
        if (spec->connect_timeout_ms)
            fy_timer_set(&conn->client.connect_timeout, sim->now_ns + spec->connect_timeout_ms * FY_SIM_MS);
    }
    *ret_call = (struct fy_call *)&conn->client.call;
    fy_sim_conn_leave(conn);
    return FERRY_OK;
}

void fy_sim_call_cancel(struct fy_call *call)
{
    struct fy_sim_conn *conn = fy_sim_call_conn(call);

    fy_sim_conn_enter(conn);
    fy_sim_conn_close(conn, FY_SIM_CLIENT,
                      fy_chance_hit(&conn->sim->chance, 500000) ? FY_SIM_RUN_FIN : FY_SIM_RUN_RESET);
    fy_sim_conn_drop(conn, FY_SIM_CLIENT);
    fy_sim_conn_leave(conn);
}
