/*
 * conn - a connection: two ends, two pipes, and how it dies.
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

#include "net/sim/world.h"

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

int fy_sim_conn_new(struct fy_sim_node *client, struct fy_sim_node *server, struct fy_sim_conn **ret_conn)
{
    struct fy_sim *sim = client->sim;
    struct fy_sim_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        return FERRY_ERR_NOMEM;
    conn->sim = sim;
    conn->ends[FY_SIM_CLIENT].node = client;
    conn->ends[FY_SIM_SERVER].node = server;
    conn->client.call.ops = &fy_sim_ops;
    conn->client.phase = FY_SIM_DIALING;
    conn->server.request.ops = &fy_sim_ops;
    conn->server.outflow.ops = &fy_sim_ops;
    conn->server.phase = FY_SIM_UNKNOWN;
    fy_list_init(&conn->spent);
    fy_list_append(&sim->conns, &conn->node);
    sim->n_conns++;
    fy_sim_pipe_init(&conn->pipes[FY_SIM_CLIENT], conn, FY_SIM_CLIENT);
    fy_sim_pipe_init(&conn->pipes[FY_SIM_SERVER], conn, FY_SIM_SERVER);
    fy_timer_init(&conn->client.connect_timeout, &sim->events, fy_sim_client_on_connect_timeout, conn);
    fy_timer_init(&conn->client.read, &sim->events, fy_sim_client_on_read, conn);
    fy_timer_init(&conn->server.read, &sim->events, fy_sim_server_on_read, conn);
    fy_timer_init(&conn->server.write_timeout, &sim->events, fy_sim_server_on_write_timeout, conn);
    conn->number = ++sim->last_conn;
    conn->ends[FY_SIM_CLIENT].is_open = client->state == FY_SIM_UP;
    fy_sim_conn_hold(conn, FY_SIM_CLIENT);
    *ret_conn = conn;
    return FERRY_OK;
}

void fy_sim_conn_free(struct fy_sim_conn *conn)
{
    struct fy_node *node;

    assert(conn->n_events == 0);
    fy_sim_pipe_release(&conn->pipes[FY_SIM_CLIENT]);
    fy_sim_pipe_release(&conn->pipes[FY_SIM_SERVER]);
    fy_timer_unset(&conn->client.connect_timeout);
    fy_timer_unset(&conn->client.read);
    fy_timer_unset(&conn->server.read);
    fy_timer_unset(&conn->server.write_timeout);
    while ((node = fy_list_take_first(&conn->spent)))
        free(fy_container(node, struct fy_sim_run, node));
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
    struct fy_node *node;

    assert(conn->n_events > 0);
    if (--conn->n_events > 0)
        return;
    while ((node = fy_list_take_first(&conn->spent)))
        free(fy_container(node, struct fy_sim_run, node));
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
    if (side == FY_SIM_CLIENT) {
        fy_timer_unset(&conn->client.connect_timeout);
        fy_timer_unset(&conn->client.read);
    } else {
        fy_timer_unset(&conn->server.read);
        fy_timer_unset(&conn->server.write_timeout);
    }
}

/* Send FIN or RESET from side, unless one of them is under way or nobody waits for it. */
static void say_goodbye(struct fy_sim_conn *conn, enum fy_sim_side side, enum fy_sim_run_kind how)
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
    say_goodbye(conn, side, how);
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

void fy_sim_conn_on_run(struct fy_sim_pipe *pipe, enum fy_sim_run_kind kind, const uint8_t *data, size_t len)
{
    struct fy_sim_conn *conn = pipe->conn;
    enum fy_sim_side to = pipe->to;
    bool is_goodbye = kind == FY_SIM_RUN_FIN || kind == FY_SIM_RUN_RESET || kind == FY_SIM_RUN_BREAK;
    bool is_syn = kind == FY_SIM_RUN_OPEN && to == FY_SIM_SERVER;

    if (!conn->ends[to].is_open && !is_syn) {
        fy_sim_trace(conn->sim, conn->ends[to].node, FY_SIM_TRACE_STRAY, conn->number, len);
        fy_sim_pipe_clear(pipe);
        if (!is_goodbye)
            say_goodbye(conn, to, FY_SIM_RUN_RESET);
        return;
    }
    trace_run(conn, to, kind, len);
    if (kind == FY_SIM_RUN_BYTES)
        fy_sim_pipe_took(pipe, len);
    if (to == FY_SIM_CLIENT)
        fy_sim_client_on_run(conn, kind, data, len);
    else
        fy_sim_server_on_run(conn, kind, data, len);
    if (kind == FY_SIM_RUN_BYTES && fy_chance_hit(&conn->sim->chance, conn->sim->cfg.weather.resets_ppm))
        fy_sim_conn_break(conn, FERRY_SIM_RESET_BOTH);
}

void fy_sim_conn_on_ack(struct fy_sim_pipe *pipe)
{
    struct fy_sim_conn *conn = pipe->conn;

    if (!conn->ends[other(pipe->to)].is_open)
        return;
    if (pipe->to == FY_SIM_SERVER)
        fy_sim_client_on_ack(conn);
    else
        fy_sim_server_on_ack(conn);
}
