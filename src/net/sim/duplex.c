/*
 * duplex - an upgraded connection: bytes of each end's own, in both directions.
 *
 * The client's end begins as a call (call.c), and the server's as a request (serve.c).  With the 101 that one sends and
 * the other sees, each end is taken over here; from then on the two are alike.  What a user gathers goes into the pipe
 * as the window allows, and a window that stays full for the write timeout breaks the connection.
 *
 * An end that its user ends sends what is gathered, then a FIN, and is over when the other end's FIN has come.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/sim/ends.h"

enum state {
    DIALING, /* the client's: the answer's head has not come */
    REFUSED, /* the client's: the answer was not 101, and its body comes */
    OPEN,    /* bytes go both ways */
    ENDED    /* the FIN is sent; the other end's is awaited */
};

#define BIT(state) (1u << (state))

static const unsigned successors[] = {
    [DIALING] = BIT(REFUSED) | BIT(OPEN), [REFUSED] = 0, [OPEN] = BIT(ENDED), [ENDED] = 0};

static void set_state(struct fy_sim_duplex *duplex, enum state to)
{
    assert(successors[duplex->state] & BIT(to));
    duplex->state = to;
}

static struct fy_sim_end *end_of(struct fy_sim_duplex *duplex)
{
    return fy_container(duplex, struct fy_sim_end, duplex);
}

static struct fy_sim_duplex *duplex_of(struct fy_duplex *handle)
{
    return (struct fy_sim_duplex *)(void *)handle;
}

/* ---- Its end ----------------------------------------------------------------------------------------------------- */

/* The last event. */
static void finish(struct fy_sim_end *end, int err, const char *detail)
{
    enum fy_sim_side side = fy_sim_end_side(end);

    fy_sim_conn_shut(end->conn, side);
    if (!end->is_held)
        return;
    end->duplex.events.on_end(end->duplex.arg, err, detail);
    fy_sim_conn_drop(end->conn, side);
}

static void break_off(struct fy_sim_end *end, int err, const char *detail)
{
    fy_sim_conn_close(end->conn, fy_sim_end_side(end), FY_SIM_RUN_RESET);
    finish(end, err, detail);
}

static void duplex_lose(struct fy_sim_end *end, int err)
{
    finish(end, err, "the listener was closed");
}

static void duplex_on_write_timeout(struct fy_sim_end *end)
{
    break_off(end, FERRY_ERR_TIMEOUT,
              end->duplex.state == ENDED ? "the other end did not end in time" : "the other end takes nothing");
}

/* ---- Bytes that go ----------------------------------------------------------------------------------------------- */

static void send_fin(struct fy_sim_end *end)
{
    struct fy_sim *sim = end->conn->sim;

    set_state(&end->duplex, ENDED);
    fy_sim_conn_say_goodbye(end->conn, fy_sim_end_side(end), FY_SIM_RUN_FIN);
    fy_timer_set(&end->write_timeout, sim->now_ns + sim->cfg.write_timeout_ms * FY_SIM_MS);
}

static void pump(struct fy_sim_end *end)
{
    struct fy_sim_duplex *duplex = &end->duplex;
    const struct fy_sim_source source = {.gather = duplex->events.gather,
                                         .sent = duplex->events.sent,
                                         .arg = duplex->arg,
                                         .is_ready = &duplex->is_ready};

    if (duplex->state != OPEN)
        return;
    if (fy_sim_end_pump(end, &source) != FERRY_OK)
        break_off(end, FERRY_ERR_RESET, "no memory for what is under way");
    else if (end->is_held && duplex->is_ending && !duplex->is_ready)
        send_fin(end);
}

static void duplex_on_ack(struct fy_sim_end *end)
{
    if (end->duplex.state != ENDED)
        fy_timer_unset(&end->write_timeout); /* progress */
    pump(end);
}

/* Gather soon, in an event of its own. */
static void pump_soon(struct fy_sim_end *end)
{
    end->duplex.is_ready = true;
    if (end->duplex.state == OPEN && end->is_open && fy_sim_pipe_space(fy_sim_end_out(end)) > 0 && !fy_timer_is_set(&end->pump))
        fy_timer_set(&end->pump, end->conn->sim->now_ns);
}

/* ---- Bytes that come --------------------------------------------------------------------------------------------- */

/* To where the user wants it, if all of it has room there; a piece is never handed on in two parts. */
static void take_bytes(struct fy_sim_duplex *duplex, const uint8_t *data, size_t len)
{
    size_t cap = 0;
    uint8_t *room = duplex->events.room ? duplex->events.room(duplex->arg, &cap) : NULL;

    if (!end_of(duplex)->is_held)
        return; /* the user aborted it from inside */
    if (room && cap >= len)
        data = memcpy(room, data, len);
    duplex->events.on_data(duplex->arg, data, len);
}

static void duplex_on_run(struct fy_sim_end *end, enum fy_sim_run_kind kind, const uint8_t *data, size_t len)
{
    switch (kind) {
    case FY_SIM_RUN_BYTES:
        take_bytes(&end->duplex, data, len);
        break;
    case FY_SIM_RUN_FIN:
        fy_sim_conn_say_goodbye(end->conn, fy_sim_end_side(end), FY_SIM_RUN_FIN);
        if (end->duplex.state == ENDED)
            finish(end, FERRY_OK, "");
        else
            finish(end, FERRY_ERR_EOF, "the other end ended the connection");
        break;
    case FY_SIM_RUN_RESET:
    case FY_SIM_RUN_BREAK:
        finish(end, FERRY_ERR_RESET, "connection reset");
        break;
    case FY_SIM_RUN_END: /* of the request, which has no body */
    case FY_SIM_RUN_OPEN:
    case FY_SIM_RUN_REFUSE:
    case FY_SIM_RUN_HEAD:
        break;
    }
}

static const struct fy_sim_end_ops duplex_ops = {
    .on_run = duplex_on_run,
    .on_ack = duplex_on_ack,
    .on_pump = pump,
    .on_write_timeout = duplex_on_write_timeout,
    .lose = duplex_lose,
};

/* ---- The client's beginning, as a call --------------------------------------------------------------------------- */

static void duplex_on_head(void *arg, const struct fy_answer *answer)
{
    struct fy_sim_duplex *duplex = arg;
    struct fy_sim_end *end = end_of(duplex);

    if (answer->status == 101) {
        set_state(duplex, OPEN);
        end->ops = &duplex_ops;
    } else {
        set_state(duplex, REFUSED);
    }
    duplex->events.on_head(duplex->arg, answer);
    if (end->is_held)
        pump_soon(end);
}

static void duplex_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct fy_sim_duplex *duplex = arg;

    duplex->events.on_data(duplex->arg, data, len);
}

static void duplex_on_call_end(void *arg, int err, const char *detail)
{
    struct fy_sim_duplex *duplex = arg;

    duplex->events.on_end(duplex->arg, err, detail);
}

static const struct fy_call_events call_events = {
    .on_head = duplex_on_head, .on_body = duplex_on_body, .on_end = duplex_on_call_end};

int fy_sim_duplex(struct fy_net *net, const struct fy_duplex_spec *spec, const struct fy_duplex_events *events,
                  void *arg, struct fy_duplex **ret_duplex)
{
    struct fy_call_spec call_spec = {.method = "GET",
                                     .url = spec->url,
                                     .headers = spec->headers,
                                     .n_headers = spec->n_headers,
                                     .own_connection = true,
                                     .connect_timeout_ms = spec->connect_timeout_ms,
                                     .member = spec->member};
    struct fy_call *call;
    struct fy_sim_duplex *duplex;
    struct fy_sim_conn *conn;
    int err = fy_sim_call(net, &call_spec, &call_events, NULL, &call);

    if (err)
        return err;
    conn = fy_sim_call_conn(call);
    duplex = &conn->ends[FY_SIM_CLIENT].duplex;
    conn->client.arg = duplex;
    duplex->state = DIALING;
    duplex->events = *events;
    duplex->arg = arg;
    *ret_duplex = (struct fy_duplex *)&duplex->object;
    return FERRY_OK;
}

/* ---- The server's beginning, as a request ------------------------------------------------------------------------ */

struct fy_duplex *fy_sim_request_upgrade(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                         const struct fy_duplex_events *events, void *arg)
{
    struct fy_sim_conn *conn = fy_sim_request_begin_answer(req, 101, headers, n_headers);
    struct fy_sim_end *end;

    if (!conn)
        return NULL;
    end = &conn->ends[FY_SIM_SERVER];
    conn->server.phase = FY_SIM_UPGRADED;
    fy_sim_pipe_pause(fy_sim_end_in(end), false);
    end->ops = &duplex_ops;
    end->duplex.state = OPEN;
    end->duplex.events = *events;
    end->duplex.arg = arg;
    pump_soon(end);
    return (struct fy_duplex *)&end->duplex.object;
}

/* ---- What its user calls ----------------------------------------------------------------------------------------- */

void fy_sim_duplex_wake(struct fy_duplex *handle)
{
    pump_soon(end_of(duplex_of(handle)));
}

void fy_sim_duplex_pause(struct fy_duplex *handle)
{
    fy_sim_pipe_pause(fy_sim_end_in(end_of(duplex_of(handle))), true);
}

void fy_sim_duplex_resume(struct fy_duplex *handle)
{
    fy_sim_pipe_pause(fy_sim_end_in(end_of(duplex_of(handle))), false);
}

void fy_sim_duplex_end(struct fy_duplex *handle)
{
    struct fy_sim_duplex *duplex = duplex_of(handle);

    duplex->is_ending = true;
    pump_soon(end_of(duplex));
}

void fy_sim_duplex_abort(struct fy_duplex *handle)
{
    struct fy_sim_end *end = end_of(duplex_of(handle));
    struct fy_sim_conn *conn = end->conn;

    fy_sim_conn_enter(conn);
    fy_sim_conn_close(conn, fy_sim_end_side(end), FY_SIM_RUN_RESET);
    fy_sim_conn_drop(conn, fy_sim_end_side(end));
    fy_sim_conn_leave(conn);
}
