/*
 * sim - the world: its clock, its nodes, faults, and the net that each node offers.
 *
 * Two kinds of deadlines move the clock: the world's own events, in one heap, and each node's timers, in the heap that
 * net.h gives to the node's users.  The earliest of all is next; at one instant the world's come first, then the nodes
 * in the order of their birth.  All chance comes from the seed: one stream for the network and one for each node, so
 * that what one node draws changes nothing for the others.
 */
#include "net/sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/sim/ends.h"

#define UNIX_MS_AT_START UINT64_C(1600000000000)

/* ---- Looking at it -------------------------------------------------------------------------------------------------- */

uint64_t fy_sim_trace_hash(const struct fy_sim *sim)
{
    return sim->hash;
}

uint64_t fy_sim_n_events(const struct fy_sim *sim)
{
    return sim->n_events;
}

uint64_t fy_sim_event_connection(const struct fy_sim *sim)
{
    return sim->event_conn;
}

size_t fy_sim_n_connections(const struct fy_sim *sim)
{
    return sim->n_conns;
}

/* ---- The seam ---------------------------------------------------------------------------------------------------- */

static uint64_t node_now_ns(const struct fy_net *net)
{
    return ((const struct fy_sim_node *)net)->sim->now_ns;
}

static uint64_t node_unix_ns(const struct fy_net *net)
{
    return UNIX_MS_AT_START * FY_SIM_MS + node_now_ns(net);
}

static uint64_t node_random(struct fy_net *net)
{
    return fy_chance_next(&((struct fy_sim_node *)net)->chance);
}

static struct fy_timers *node_timers(struct fy_net *net)
{
    return &((struct fy_sim_node *)net)->timers;
}

static void node_wake(struct fy_net *net)
{
    struct fy_sim_node *node = (struct fy_sim_node *)net;

    if (node->state == FY_SIM_UP && !fy_timer_is_set(&node->wake))
        fy_timer_set(&node->wake, node->sim->now_ns);
}

static void node_set_on_wake(struct fy_net *net, void (*fn)(void *arg), void *arg)
{
    struct fy_sim_node *node = (struct fy_sim_node *)net;

    node->on_wake = fn;
    node->on_wake_arg = arg;
}

static const struct fy_net_ops sim_ops = {
    .call = fy_sim_call,
    .call_cancel = fy_sim_call_cancel,
    .call_wake = fy_sim_call_wake,
    .listen = fy_sim_listen,
    .listener_url = fy_sim_listener_url,
    .listener_close = fy_sim_listener_close,
    .request_method = fy_sim_request_method,
    .request_path = fy_sim_request_path,
    .request_query = fy_sim_request_query,
    .request_remote = fy_sim_request_remote,
    .request_header = fy_sim_request_header,
    .request_set_events = fy_sim_request_set_events,
    .request_pause_body = fy_sim_request_pause_body,
    .request_resume_body = fy_sim_request_resume_body,
    .request_reply = fy_sim_request_reply,
    .request_abort = fy_sim_request_abort,
    .request_stream = fy_sim_request_stream,
    .outflow_wake = fy_sim_outflow_wake,
    .outflow_end = fy_sim_outflow_end,
    .outflow_abort = fy_sim_outflow_abort,
    .duplex = fy_sim_duplex,
    .request_upgrade = fy_sim_request_upgrade,
    .duplex_wake = fy_sim_duplex_wake,
    .duplex_pause = fy_sim_duplex_pause,
    .duplex_resume = fy_sim_duplex_resume,
    .duplex_end = fy_sim_duplex_end,
    .duplex_abort = fy_sim_duplex_abort,
    .now_ns = node_now_ns,
    .unix_ns = node_unix_ns,
    .coarse_ns = node_now_ns,
    .random = node_random,
    .timers = node_timers,
    .wake = node_wake,
    .set_on_wake = node_set_on_wake,
};

/* ---- Life -------------------------------------------------------------------------------------------------------- */

bool fy_sim_weather_is_possible(const struct ferry_sim_weather *weather)
{
    return weather->min_delay_ns <= weather->max_delay_ns && weather->max_delay_ns <= FERRY_SIM_MAX_DELAY_NS &&
           weather->pieces_ppm <= 1000000 && weather->bytes_ppm <= 1000000 && weather->resets_ppm <= 1000000;
}

int fy_sim_new(uint64_t seed, const struct ferry_sim_config *cfg, struct fy_sim **ret_sim)
{
    static const struct ferry_sim_config standard = FERRY_SIM_CONFIG_INIT;
    struct fy_sim *sim;

    if (!cfg)
        cfg = &standard;
    if (cfg->size != sizeof(*cfg) || !fy_sim_weather_is_possible(&cfg->weather) || cfg->window_bytes == 0)
        return FERRY_ERR_INVALID;
    sim = calloc(1, sizeof(*sim));
    if (!sim)
        return FERRY_ERR_NOMEM;
    sim->cfg = *cfg;
    sim->seed = seed;
    sim->hash = seed;
    fy_chance_init(&sim->chance, seed, 0);
    fy_timers_init(&sim->events);
    fy_list_init(&sim->conns);
    sim->server_ops = &fy_sim_serve_ops;
    *ret_sim = sim;
    return FERRY_OK;
}

void fy_sim_free(struct fy_sim *sim)
{
    struct fy_node *conn;

    if (!sim)
        return;
    assert(!sim->is_running);
    while ((conn = fy_list_first(&sim->conns)))
        fy_sim_conn_free(fy_container(conn, struct fy_sim_conn, node));
    for (size_t i = 0; i < sim->n_nodes; i++) {
        assert(fy_list_is_empty(&sim->nodes[i]->listeners));
        assert(fy_timers_next_ns(&sim->nodes[i]->timers) == FY_NEVER);
        free(sim->nodes[i]);
    }
    free(sim->nodes);
    free(sim->links);
    free(sim);
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

static void on_wake(void *arg)
{
    struct fy_sim_node *node = arg;

    fy_sim_trace(node->sim, node, FY_SIM_TRACE_WAKE, 0, 0);
    if (node->on_wake)
        node->on_wake(node->on_wake_arg);
}

/* Make room for one more node: in the list of them and in the square of links. */
static int grow(struct fy_sim *sim)
{
    size_t n = sim->n_nodes;
    struct fy_sim_node **nodes = realloc(sim->nodes, (n + 1) * sizeof(struct fy_sim_node *));
    struct fy_sim_link *links;

    if (!nodes)
        return FERRY_ERR_NOMEM;
    sim->nodes = nodes;
    links = calloc((n + 1) * (n + 1), sizeof(*links));
    if (!links)
        return FERRY_ERR_NOMEM;
    for (size_t from = 0; from < n; from++)
        memcpy(&links[from * (n + 1)], &sim->links[from * n], n * sizeof(*links));
    free(sim->links);
    sim->links = links;
    return FERRY_OK;
}

int fy_sim_add_node(struct fy_sim *sim, const char *host, struct fy_sim_node **ret_node)
{
    struct fy_sim_node *node;
    size_t size = strlen(host) + 1;

    if (fy_sim_find_node(sim, host, size - 1))
        return FERRY_ERR_EXISTS;
    node = calloc(1, sizeof(*node) + size);
    if (!node)
        return FERRY_ERR_NOMEM;
    if (grow(sim) != FERRY_OK) {
        free(node);
        return FERRY_ERR_NOMEM;
    }
    node->net.ops = &sim_ops;
    node->sim = sim;
    node->index = sim->n_nodes;
    fy_timers_init(&node->timers);
    fy_timer_init(&node->wake, &sim->events, on_wake, node);
    fy_chance_init(&node->chance, sim->seed, node->index + 1);
    fy_list_init(&node->listeners);
    node->next_port = FY_SIM_FIRST_PORT;
    memcpy(node->host, host, size);
    sim->nodes[sim->n_nodes++] = node;
    *ret_node = node;
    return FERRY_OK;
}

struct fy_net *fy_sim_node_net(struct fy_sim_node *node)
{
    return &node->net;
}

bool fy_sim_node_is_up(const struct fy_sim_node *node)
{
    return node->state == FY_SIM_UP;
}

static bool touches(const struct fy_sim_conn *conn, enum fy_sim_side side, const struct fy_sim_node *node)
{
    return conn->ends[side].node == node;
}

void fy_sim_crash_node(struct fy_sim_node *node, enum ferry_sim_crash crash)
{
    struct fy_sim *sim = node->sim;

    assert(node->state == FY_SIM_UP);
    fy_sim_trace(sim, node, FY_SIM_TRACE_CRASH, 0, crash);
    node->state = crash == FERRY_SIM_CRASH_PROCESS ? FY_SIM_PROCESS_DOWN : FY_SIM_HOST_DOWN;
    fy_timer_unset(&node->wake);
    for (struct fy_node *at = fy_list_first(&sim->conns), *next; at; at = next) {
        struct fy_sim_conn *conn = fy_container(at, struct fy_sim_conn, node);

        next = fy_list_next(&sim->conns, at);
        fy_sim_conn_enter(conn);
        for (enum fy_sim_side side = FY_SIM_CLIENT; side <= FY_SIM_SERVER; side++) {
            struct fy_sim_pipe *from = &conn->pipes[side == FY_SIM_CLIENT ? FY_SIM_SERVER : FY_SIM_CLIENT];

            if (!touches(conn, side, node))
                continue;
            if (crash == FERRY_SIM_CRASH_PROCESS) {
                fy_sim_conn_close(conn, side, FY_SIM_RUN_RESET);
            } else {
                fy_sim_conn_shut(conn, side);
                if (from->is_held_up)
                    fy_sim_pipe_clear(from); /* nobody is there to send it again */
            }
        }
        fy_sim_conn_leave(conn);
    }
}

/* Let everything that was held up try again. */
static void resume_all(struct fy_sim *sim)
{
    for (struct fy_node *at = fy_list_first(&sim->conns); at; at = fy_list_next(&sim->conns, at)) {
        struct fy_sim_conn *conn = fy_container(at, struct fy_sim_conn, node);

        fy_sim_pipe_resume(&conn->pipes[FY_SIM_CLIENT]);
        fy_sim_pipe_resume(&conn->pipes[FY_SIM_SERVER]);
    }
}

void fy_sim_restart_node(struct fy_sim_node *node)
{
    assert(node->state != FY_SIM_UP);
    assert(node->n_held == 0 && fy_list_is_empty(&node->listeners) && fy_timers_next_ns(&node->timers) == FY_NEVER);
    fy_sim_trace(node->sim, node, FY_SIM_TRACE_RESTART, 0, 0);
    node->state = FY_SIM_UP;
    node->on_wake = NULL;
    resume_all(node->sim);
}

/* ---- Time -------------------------------------------------------------------------------------------------------- */

uint64_t fy_sim_now_ns(const struct fy_sim *sim)
{
    return sim->now_ns;
}

bool fy_sim_is_running(const struct fy_sim *sim)
{
    return sim->is_running;
}

struct fy_timers *fy_sim_timers(struct fy_sim *sim)
{
    return &sim->events;
}

/* The next deadline, and the node whose timer it is; a NULL node for the world's own. */
static uint64_t next_deadline(const struct fy_sim *sim, struct fy_sim_node **ret_node)
{
    uint64_t at_ns = fy_timers_next_ns(&sim->events);

    *ret_node = NULL;
    for (size_t i = 0; i < sim->n_nodes; i++) {
        struct fy_sim_node *node = sim->nodes[i];

        if (node->state == FY_SIM_UP && fy_timers_next_ns(&node->timers) < at_ns) {
            at_ns = fy_timers_next_ns(&node->timers);
            *ret_node = node;
        }
    }
    return at_ns;
}

static void run_one(struct fy_sim *sim, struct fy_sim_node *node, uint64_t at_ns)
{
    assert(!sim->is_running);
    sim->is_running = true;
    if (at_ns > sim->now_ns) /* a timer may be set to a moment that has passed */
        sim->now_ns = at_ns;
    sim->event_conn = 0;
    if (node)
        fy_sim_trace(sim, node, FY_SIM_TRACE_TIMER, 0, 0);
    fy_timers_run_one(node ? &node->timers : &sim->events, sim->now_ns);
    sim->is_running = false;
    sim->event_conn = 0;
}

bool fy_sim_step(struct fy_sim *sim)
{
    struct fy_sim_node *node;
    uint64_t at_ns = next_deadline(sim, &node);

    if (at_ns == FY_NEVER)
        return false;
    run_one(sim, node, at_ns);
    return true;
}

void fy_sim_run_until(struct fy_sim *sim, uint64_t until_ns)
{
    struct fy_sim_node *node;
    uint64_t at_ns;

    while ((at_ns = next_deadline(sim, &node)) <= until_ns && at_ns != FY_NEVER)
        run_one(sim, node, at_ns);
    if (until_ns > sim->now_ns)
        sim->now_ns = until_ns;
}

/* ---- Links and faults -------------------------------------------------------------------------------------------- */

void fy_sim_set_weather(struct fy_sim *sim, const struct ferry_sim_weather *weather)
{
    assert(fy_sim_weather_is_possible(weather));
    sim->cfg.weather = *weather;
}

void fy_sim_cut(struct fy_sim_node *a, struct fy_sim_node *b)
{
    fy_sim_trace(a->sim, a, FY_SIM_TRACE_CUT, 0, b->index);
    fy_sim_link(a, b)->cut = true;
}

void fy_sim_heal(struct fy_sim_node *a, struct fy_sim_node *b)
{
    fy_sim_trace(a->sim, a, FY_SIM_TRACE_HEAL, 0, b->index);
    fy_sim_link(a, b)->cut = false;
    resume_all(a->sim);
}

void fy_sim_slow(struct fy_sim_node *a, struct fy_sim_node *b, uint64_t more_delay_ns)
{
    fy_sim_trace(a->sim, a, FY_SIM_TRACE_SLOW, 0, b->index);
    fy_sim_link(a, b)->more_delay_ns = more_delay_ns;
}

void fy_sim_heal_all(struct fy_sim *sim)
{
    fy_sim_trace(sim, NULL, FY_SIM_TRACE_HEAL, 0, 0);
    memset(sim->links, 0, sim->n_nodes * sim->n_nodes * sizeof(*sim->links));
    resume_all(sim);
}

size_t fy_sim_reset_connections(struct fy_sim_node *a, struct fy_sim_node *b, enum ferry_sim_reset reset)
{
    struct fy_sim *sim = a->sim;
    size_t n = 0;

    for (struct fy_node *at = fy_list_first(&sim->conns); at; at = fy_list_next(&sim->conns, at)) {
        struct fy_sim_conn *conn = fy_container(at, struct fy_sim_conn, node);

        if ((touches(conn, FY_SIM_CLIENT, a) && touches(conn, FY_SIM_SERVER, b)) ||
            (touches(conn, FY_SIM_CLIENT, b) && touches(conn, FY_SIM_SERVER, a))) {
            fy_sim_conn_break(conn, reset);
            n++;
        }
    }
    return n;
}
