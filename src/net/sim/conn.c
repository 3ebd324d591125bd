/*
 * conn - a connection: two ends, two pipes, how bytes of a source get on their way, and how it dies.
 *
 * Each end is open (it takes what the network brings) and held (its user has not let go of it) independently: a crashed
 * process holds ends that are not open any more, and an answered request is open and held by nobody.  The connection is
 * freed when neither end is either.
 * An end closes by FIN, which comes after all that was sent, or by RESET, which may overtake and lose it.  Bytes that
 * come to an end that is not open are strays, and are answered with a RESET.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/sim/conn.h"

static enum fy_sim_side other(enum fy_sim_side side)
{
    return side == FY_SIM_CLIENT ? FY_SIM_SERVER : FY_SIM_CLIENT;
}

struct fy_sim_headers *fy_sim_headers_copy(const struct fy_header *headers, size_t n)
{
    size_t size = sizeof(struct fy_sim_headers) + n * sizeof(struct fy_header);
    struct fy_sim_headers *copy;
    char *text;

    for (size_t i = 0; i < n; i++)
        size += strlen(headers[i].name) + strlen(headers[i].value) + 2;
    copy = malloc(size);
    if (!copy)
        return NULL;
    copy->n = n;
    text = (char *)&copy->all[n];
    for (size_t i = 0; i < n; i++) {
        size_t name_size = strlen(headers[i].name) + 1;
        size_t value_size = strlen(headers[i].value) + 1;

        copy->all[i].name = memcpy(text, headers[i].name, name_size);
        copy->all[i].value = memcpy(text + name_size, headers[i].value, value_size);
        text += name_size + value_size;
    }
    return copy;
}

static void conn_on_run(struct fy_sim_pipe *pipe, enum fy_sim_run_kind kind, const uint8_t *data, size_t len);
static void conn_on_ack(struct fy_sim_pipe *pipe);

static const struct fy_sim_pipe_ops pipe_ops = {.on_run = conn_on_run, .on_ack = conn_on_ack};

/* ---- The timers of an end ---------------------------------------------------------------------------------------- */

static void conn_on_pump(void *arg)
{
    struct fy_sim_end *end = arg;
    struct fy_sim_conn *conn = end->conn;

    fy_sim_conn_enter_event(conn);
    end->ops->on_pump(end);
    fy_sim_conn_leave(conn);
}

static void conn_on_write_timeout(void *arg)
{
    struct fy_sim_end *end = arg;
    struct fy_sim_conn *conn = end->conn;

    fy_sim_trace(conn->sim, end->node, FY_SIM_TRACE_WRITE_TIMEOUT, conn->number, 0);
    fy_sim_conn_enter_event(conn);
    end->ops->on_write_timeout(end);
    fy_sim_conn_leave(conn);
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static void init_end(struct fy_sim_conn *conn, enum fy_sim_side side, struct fy_sim_node *node,
                     const struct fy_sim_end_ops *ops)
{
    struct fy_sim_end *end = &conn->ends[side];

    end->conn = conn;
    end->ops = ops;
    end->node = node;
    end->duplex.object.ops = conn->client.call.ops;
    fy_timer_init(&end->pump, &conn->sim->events, conn_on_pump, end);
    fy_timer_init(&end->write_timeout, &conn->sim->events, conn_on_write_timeout, end);
}

static void init_pipe(struct fy_sim_conn *conn, enum fy_sim_side to)
{
    struct fy_sim_pipe *pipe = &conn->pipes[to];

    fy_sim_pipe_init(pipe, &pipe_ops, conn->ends[other(to)].node, conn->ends[to].node, conn->sim);
    pipe->conn = conn->number;
    pipe->to = to;
}

int fy_sim_conn_new(struct fy_sim_node *client, const struct fy_sim_end_ops *client_ops, struct fy_sim_node *server,
                    struct fy_sim_conn **ret_conn)
{
    struct fy_sim *sim = client->sim;
    struct fy_sim_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        return FERRY_ERR_NOMEM;
    conn->sim = sim;
    conn->client.call.ops = conn->server.request.ops = conn->server.outflow.ops = client->net.ops;
    conn->client.phase = FY_SIM_DIALING;
    conn->server.phase = FY_SIM_UNKNOWN;
    fy_list_append(&sim->conns, &conn->node);
    sim->n_conns++;
    conn->number = ++sim->last_conn;
    init_end(conn, FY_SIM_CLIENT, client, client_ops);
    init_end(conn, FY_SIM_SERVER, server, sim->server_ops);
    init_pipe(conn, FY_SIM_CLIENT);
    init_pipe(conn, FY_SIM_SERVER);
    conn->ends[FY_SIM_CLIENT].is_open = client->state == FY_SIM_UP;
    fy_sim_conn_hold(conn, FY_SIM_CLIENT);
    *ret_conn = conn;
    return FERRY_OK;
}

void fy_sim_conn_free(struct fy_sim_conn *conn)
{
    assert(conn->n_events == 0);
    fy_sim_pipe_release(&conn->pipes[FY_SIM_CLIENT]);
    fy_sim_pipe_release(&conn->pipes[FY_SIM_SERVER]);
    fy_timer_unset(&conn->client.connect_timeout);
    for (enum fy_sim_side side = FY_SIM_CLIENT; side <= FY_SIM_SERVER; side++) {
        fy_timer_unset(&conn->ends[side].pump);
        fy_timer_unset(&conn->ends[side].write_timeout);
    }
    if (fy_node_is_linked(&conn->server.node))
        fy_list_remove(&conn->server.node);
    fy_list_remove(&conn->node);
    conn->sim->n_conns--;
    free(conn->client.target);
    free(conn->client.headers);
    free(conn->server.headers);
    free(conn->server.reply);
    free(conn);
}

void fy_sim_conn_enter(struct fy_sim_conn *conn)
{
    conn->n_events++;
}

void fy_sim_conn_enter_event(struct fy_sim_conn *conn)
{
    conn->sim->event_conn = conn->number;
    fy_sim_conn_enter(conn);
}

void fy_sim_conn_leave(struct fy_sim_conn *conn)
{
    const struct fy_sim_end *ends = conn->ends;

    assert(conn->n_events > 0);
    if (--conn->n_events > 0)
        return;
    fy_sim_pipe_free_spent(&conn->pipes[FY_SIM_CLIENT]);
    fy_sim_pipe_free_spent(&conn->pipes[FY_SIM_SERVER]);
    if (!ends[FY_SIM_CLIENT].is_open && !ends[FY_SIM_CLIENT].is_held && !ends[FY_SIM_SERVER].is_open &&
        !ends[FY_SIM_SERVER].is_held)
        fy_sim_conn_free(conn);
}

void fy_sim_conn_hold(struct fy_sim_conn *conn, enum fy_sim_side side)
{
    assert(!conn->ends[side].is_held);
    conn->ends[side].is_held = true;
    conn->ends[side].node->n_held++;
}

void fy_sim_conn_drop(struct fy_sim_conn *conn, enum fy_sim_side side)
{
    if (!conn->ends[side].is_held)
        return;
    conn->ends[side].is_held = false;
    conn->ends[side].node->n_held--;
}

void fy_sim_conn_shut(struct fy_sim_conn *conn, enum fy_sim_side side)
{
    conn->ends[side].is_open = false;
    fy_timer_unset(&conn->ends[side].pump);
    fy_timer_unset(&conn->ends[side].write_timeout);
    if (side == FY_SIM_CLIENT)
        fy_timer_unset(&conn->client.connect_timeout);
}

void fy_sim_conn_say_goodbye(struct fy_sim_conn *conn, enum fy_sim_side side, enum fy_sim_run_kind how)
{
    struct fy_sim_pipe *pipe = &conn->pipes[other(side)];

    if (!conn->ends[other(side)].is_open || fy_node_is_linked(&pipe->close.node))
        return;
    if (how == FY_SIM_RUN_RESET && fy_chance_hit(&conn->sim->chance, 500000))
        fy_sim_pipe_clear(pipe);
    fy_sim_pipe_mark(pipe, &pipe->close, how);
}

void fy_sim_conn_close(struct fy_sim_conn *conn, enum fy_sim_side side, enum fy_sim_run_kind how)
{
    if (!conn->ends[side].is_open)
        return;
    fy_sim_conn_shut(conn, side);
    fy_sim_conn_say_goodbye(conn, side, how);
}

void fy_sim_conn_break(struct fy_sim_conn *conn, enum ferry_sim_reset reset)
{
    enum fy_sim_side spared =
        reset == FERRY_SIM_RESET_ONE && fy_chance_hit(&conn->sim->chance, 500000) ? FY_SIM_CLIENT : FY_SIM_SERVER;

    for (enum fy_sim_side side = FY_SIM_CLIENT; side <= FY_SIM_SERVER; side++) {
        struct fy_sim_pipe *pipe = &conn->pipes[side];

        if (!conn->ends[side].is_open || (reset == FERRY_SIM_RESET_ONE && side == spared))
            continue;
        fy_sim_trace(conn->sim, conn->ends[side].node, FY_SIM_TRACE_BREAK, conn->number, 0);
        fy_sim_pipe_clear(pipe);
        fy_sim_pipe_mark(pipe, &pipe->close, FY_SIM_RUN_BREAK);
    }
}

static void trace_run(struct fy_sim_conn *conn, enum fy_sim_side to, enum fy_sim_run_kind kind, size_t len)
{
    static const enum fy_sim_trace names[] = {
        [FY_SIM_RUN_OPEN] = FY_SIM_TRACE_CONNECT, [FY_SIM_RUN_REFUSE] = FY_SIM_TRACE_REFUSE,
        [FY_SIM_RUN_HEAD] = FY_SIM_TRACE_HEAD,    [FY_SIM_RUN_BYTES] = FY_SIM_TRACE_BYTES,
        [FY_SIM_RUN_END] = FY_SIM_TRACE_END,      [FY_SIM_RUN_FIN] = FY_SIM_TRACE_FIN,
        [FY_SIM_RUN_RESET] = FY_SIM_TRACE_RESET,  [FY_SIM_RUN_BREAK] = FY_SIM_TRACE_RESET,
    };

    fy_sim_trace(conn->sim, conn->ends[to].node, names[kind], conn->number, len);
}

/* A run came to an end that is open. */
static void take_run(struct fy_sim_pipe *pipe, struct fy_sim_end *end, enum fy_sim_run_kind kind, const uint8_t *data,
                     size_t len)
{
    struct fy_sim_conn *conn = end->conn;

    trace_run(conn, pipe->to, kind, len);
    if (kind == FY_SIM_RUN_BYTES)
        fy_sim_pipe_took(pipe, len);
    end->ops->on_run(end, kind, data, len);
    if (kind == FY_SIM_RUN_BYTES && fy_chance_hit(&conn->sim->chance, conn->sim->cfg.weather.resets_ppm))
        fy_sim_conn_break(conn, FERRY_SIM_RESET_BOTH);
}

/* A run came to an end that is gone. */
static void take_stray(struct fy_sim_pipe *pipe, struct fy_sim_end *end, enum fy_sim_run_kind kind, size_t len)
{
    bool is_goodbye = kind == FY_SIM_RUN_FIN || kind == FY_SIM_RUN_RESET || kind == FY_SIM_RUN_BREAK;

    fy_sim_trace(end->conn->sim, end->node, FY_SIM_TRACE_STRAY, end->conn->number, len);
    fy_sim_pipe_clear(pipe);
    if (!is_goodbye)
        fy_sim_conn_say_goodbye(end->conn, pipe->to, FY_SIM_RUN_RESET);
}

static struct fy_sim_conn *conn_of(struct fy_sim_pipe *pipe)
{
    return fy_container(pipe - pipe->to, struct fy_sim_conn, pipes);
}

static void conn_on_run(struct fy_sim_pipe *pipe, enum fy_sim_run_kind kind, const uint8_t *data, size_t len)
{
    struct fy_sim_conn *conn = conn_of(pipe);
    struct fy_sim_end *end = &conn->ends[pipe->to];
    bool is_syn = kind == FY_SIM_RUN_OPEN && pipe->to == FY_SIM_SERVER;

    fy_sim_conn_enter_event(conn);
    if (end->is_open || is_syn)
        take_run(pipe, end, kind, data, len);
    else
        take_stray(pipe, end, kind, len);
    fy_sim_conn_leave(conn);
}

static void conn_on_ack(struct fy_sim_pipe *pipe)
{
    struct fy_sim_conn *conn = conn_of(pipe);
    struct fy_sim_end *end = &conn->ends[other(pipe->to)];

    fy_sim_conn_enter_event(conn);
    if (end->is_open)
        end->ops->on_ack(end);
    fy_sim_conn_leave(conn);
}

/* ---- Sending what a source has ----------------------------------------------------------------------------------- */

#define MAX_RUNS 8

/* Write the first len bytes of what was gathered. */
static int write_gathered(struct fy_sim_pipe *pipe, const struct fy_gather *g, size_t len)
{
    int err = FERRY_OK;

    for (size_t i = 0; i < g->n_runs && len > 0 && err == FERRY_OK; i++) {
        size_t n = g->runs[i].iov_len < len ? g->runs[i].iov_len : len;

        err = fy_sim_pipe_write(pipe, g->runs[i].iov_base, n);
        len -= n;
    }
    return err;
}

/*
 * Ask the source for at most cap bytes, into one of runs if it is not to lend any; how many of them go out.  In bad
 * weather the source may lend its memory, as with sockets, and not all that was gathered goes out.
 */
static size_t ask_source(struct fy_sim *sim, const struct fy_sim_source *source, struct iovec runs[MAX_RUNS],
                         size_t cap, struct fy_gather *ret_g)
{
    *ret_g = fy_gather_copy(sim->scratch, cap);
    if (fy_chance_hit(&sim->chance, sim->cfg.weather.pieces_ppm)) {
        if (fy_chance_hit(&sim->chance, 500000))
            *ret_g = fy_gather_runs(runs, fy_chance_between(&sim->chance, 1, MAX_RUNS), sim->scratch,
                                    sizeof(sim->scratch), cap);
        cap = fy_chance_between(&sim->chance, 1, cap);
    }
    source->gather(source->arg, ret_g);
    if (ret_g->max_runs == 0) {
        runs[0] = (struct iovec){.iov_base = sim->scratch, .iov_len = ret_g->len};
        ret_g->runs = runs;
        ret_g->n_runs = 1;
    }
    return ret_g->len < cap ? ret_g->len : cap;
}

int fy_sim_end_pump(struct fy_sim_end *end, const struct fy_sim_source *source)
{
    struct fy_sim *sim = end->conn->sim;
    struct fy_sim_pipe *pipe = fy_sim_end_out(end);

    while (*source->is_ready && fy_sim_pipe_space(pipe) > 0) {
        size_t cap = fy_sim_pipe_space(pipe), len;
        struct iovec runs[MAX_RUNS];
        struct fy_gather g;

        if (cap > sizeof(sim->scratch))
            cap = sizeof(sim->scratch);
        len = ask_source(sim, source, runs, cap, &g);
        if (len == 0) { /* nothing is ready, or the source let go of the end */
            *source->is_ready = false;
            break;
        }
        assert(end->is_held);
        fy_sim_trace(sim, end->node, FY_SIM_TRACE_READ, end->conn->number, len);
        if (write_gathered(pipe, &g, len) != FERRY_OK)
            return FERRY_ERR_NOMEM;
        source->sent(source->arg, len);
        if (!end->is_held) /* the source let go of the end */
            return FERRY_OK;
    }
    if (fy_sim_pipe_space(pipe) == 0 && !fy_timer_is_set(&end->write_timeout))
        fy_timer_set(&end->write_timeout, sim->now_ns + sim->cfg.write_timeout_ms * FY_SIM_MS);
    return FERRY_OK;
}
