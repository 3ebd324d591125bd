/*
 * simulation - the public interface of the simulated world: members by id, their transports, the caller's timers.
 *
 * The world (net/sim) has nodes and nets, and does not check its arguments.  Here every id is looked up, every number
 * is checked, and calls that are not possible at the moment are refused.  A member is a node of the world with at most
 * one transport; when that is freed (on_free), another can be made.  The world is freed with the simulation or with its
 * last transport, whichever is later.
 */
#include "ferry/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/preset.h"
#include "net/net.h"
#include "net/sim/chance.h"
#include "net/sim/sim.h"
#include "transport/transport.h"
#include "wire/url.h"

#define MAX_HOST_LEN 255
#define CALLERS_STREAM UINT32_MAX /* of random numbers: apart from those of the nodes */

struct member {
    struct ferry_sim *sim;
    uint64_t id;
    struct fy_sim_node *node;
    bool has_transport;
};

struct ferry_sim {
    struct fy_sim *world;
    struct fy_chance chance; /* the caller's */
    struct member *members[FERRY_SIM_MAX_MEMBERS];
    size_t n_members;
    size_t n_transports;
    struct fy_list timers; /* struct ferry_sim_timer */
    bool runs_timer;       /* the running event is one of these */
    bool is_freed;         /* ferry_sim_free was called: freed with the last transport */
};

struct ferry_sim_timer {
    struct fy_node node; /* in its simulation's timers */
    struct fy_timer timer;
    struct ferry_sim *sim;
    struct member *member; /* NULL: of no member */
    ferry_sim_timer_fn *fn;
    void *ctx;
};

/* ---- Life -------------------------------------------------------------------------------------------------------- */

void ferry_sim_config_init_sized(struct ferry_sim_config *cfg, size_t size)
{
    const struct ferry_sim_config init = FERRY_SIM_CONFIG_INIT;

    fy_preset(cfg, size, &init, sizeof(init));
}

int ferry_sim_new(uint64_t seed, const struct ferry_sim_config *cfg, struct ferry_sim **ret_sim)
{
    struct ferry_sim *sim;
    int err;

    if (!ret_sim)
        return FERRY_ERR_INVALID;
    sim = calloc(1, sizeof(*sim));
    if (!sim)
        return FERRY_ERR_NOMEM;
    err = fy_sim_new(seed, cfg, &sim->world);
    if (err != FERRY_OK) {
        free(sim);
        return err;
    }
    fy_chance_init(&sim->chance, seed, CALLERS_STREAM);
    fy_list_init(&sim->timers);
    *ret_sim = sim;
    return FERRY_OK;
}

static void release(struct ferry_sim *sim)
{
    fy_sim_free(sim->world);
    for (size_t i = 0; i < sim->n_members; i++)
        free(sim->members[i]);
    free(sim);
}

void ferry_sim_free(struct ferry_sim *sim)
{
    struct fy_node *node;

    if (!sim)
        return;
    while ((node = fy_list_first(&sim->timers)))
        ferry_sim_timer_free(fy_container(node, struct ferry_sim_timer, node));
    sim->is_freed = true;
    if (sim->n_transports == 0)
        release(sim);
}

/* ---- Members ----------------------------------------------------------------------------------------------------- */

static struct member *find(const struct ferry_sim *sim, uint64_t id)
{
    for (size_t i = 0; i < sim->n_members; i++)
        if (sim->members[i]->id == id)
            return sim->members[i];
    return NULL;
}

/* Can the name be the host of a URL?  Otherwise its transport could neither listen nor be a peer. */
static bool is_host(const char *host)
{
    char text[sizeof("http://:80") + MAX_HOST_LEN];
    struct fy_url url;
    int len = snprintf(text, sizeof(text), "http://%s:80", host);

    return len < (int)sizeof(text) && fy_url_parse(text, &url) == FERRY_OK && !url.is_ipv6;
}

int ferry_sim_add_member(struct ferry_sim *sim, uint64_t id, const char *host)
{
    struct member *member;
    int err;

    if (id == 0 || !host || !is_host(host))
        return FERRY_ERR_INVALID;
    if (find(sim, id))
        return FERRY_ERR_EXISTS;
    if (sim->n_members == FERRY_SIM_MAX_MEMBERS)
        return FERRY_ERR_FULL;
    member = calloc(1, sizeof(*member));
    if (!member)
        return FERRY_ERR_NOMEM;
    member->sim = sim;
    member->id = id;
    err = fy_sim_add_node(sim->world, host, &member->node);
    if (err != FERRY_OK) {
        free(member);
        return err;
    }
    sim->members[sim->n_members++] = member;
    return FERRY_OK;
}

/* Does the world run an event that is not a timer of the caller's?  Then a transport is calling. */
static bool simulation_is_turning(void *arg)
{
    const struct ferry_sim *sim = arg;

    return fy_sim_is_running(sim->world) && !sim->runs_timer;
}

static void simulation_on_transport_free(void *arg)
{
    struct member *member = arg;
    struct ferry_sim *sim = member->sim;

    assert(member->has_transport);
    member->has_transport = false;
    if (--sim->n_transports == 0 && sim->is_freed)
        release(sim);
}

/* A program built for an older library has no such field. */
static bool has_tls(const struct ferry_config *cfg)
{
    return cfg->size >= offsetof(struct ferry_config, tls) + sizeof(cfg->tls) && cfg->tls;
}

int ferry_sim_transport_new(struct ferry_sim *sim, const struct ferry_config *cfg, struct ferry_transport **ret_t)
{
    struct ferry_transport *t;
    struct member *member;
    int err;

    if (!cfg || !ret_t || cfg->size < offsetof(struct ferry_config, cluster_id) || cfg->size > sizeof(*cfg))
        return FERRY_ERR_INVALID;
    if (has_tls(cfg))
        return FERRY_ERR_TLS_CONFIG;
    member = find(sim, cfg->id);
    if (!member)
        return FERRY_ERR_NOT_FOUND;
    if (member->has_transport)
        return FERRY_ERR_EXISTS;
    if (!fy_sim_node_is_up(member->node))
        return FERRY_ERR_STATE;
    err = fy_transport_new_on(cfg, fy_sim_node_net(member->node), &t);
    if (err != FERRY_OK)
        return err;
    t->on_free = simulation_on_transport_free;
    t->node->is_turning = simulation_is_turning;
    t->node->is_turning_arg = sim;
    t->on_free_arg = member;
    member->has_transport = true;
    sim->n_transports++;
    *ret_t = t;
    return FERRY_OK;
}

int ferry_sim_crash(struct ferry_sim *sim, uint64_t id, enum ferry_sim_crash crash)
{
    struct member *member = find(sim, id);

    if (crash != FERRY_SIM_CRASH_PROCESS && crash != FERRY_SIM_CRASH_HOST)
        return FERRY_ERR_INVALID;
    if (!member)
        return FERRY_ERR_NOT_FOUND;
    if (!fy_sim_node_is_up(member->node) || (fy_sim_is_running(sim->world) && !sim->runs_timer))
        return FERRY_ERR_STATE;
    fy_sim_crash_node(member->node, crash);
    for (struct fy_node *node = fy_list_first(&sim->timers); node; node = fy_list_next(&sim->timers, node)) {
        struct ferry_sim_timer *timer = fy_container(node, struct ferry_sim_timer, node);

        if (timer->member == member)
            fy_timer_unset(&timer->timer);
    }
    return FERRY_OK;
}

int ferry_sim_restart(struct ferry_sim *sim, uint64_t id)
{
    struct member *member = find(sim, id);

    if (!member)
        return FERRY_ERR_NOT_FOUND;
    if (fy_sim_node_is_up(member->node) || member->has_transport)
        return FERRY_ERR_STATE;
    fy_sim_restart_node(member->node);
    return FERRY_OK;
}

bool ferry_sim_is_up(const struct ferry_sim *sim, uint64_t id)
{
    const struct member *member = find(sim, id);

    return member && fy_sim_node_is_up(member->node);
}

/* ---- Time -------------------------------------------------------------------------------------------------------- */

uint64_t ferry_sim_now_ns(const struct ferry_sim *sim)
{
    return fy_sim_now_ns(sim->world);
}

bool ferry_sim_step(struct ferry_sim *sim)
{
    return !fy_sim_is_running(sim->world) && fy_sim_step(sim->world);
}

int ferry_sim_run_until(struct ferry_sim *sim, uint64_t until_ns)
{
    if (fy_sim_is_running(sim->world))
        return FERRY_ERR_STATE;
    if (until_ns > FERRY_SIM_MAX_NS)
        return FERRY_ERR_INVALID;
    fy_sim_run_until(sim->world, until_ns);
    return FERRY_OK;
}

uint64_t ferry_sim_random(struct ferry_sim *sim)
{
    return fy_chance_next(&sim->chance);
}

/* ---- The caller's timers ----------------------------------------------------------------------------------------- */

static void simulation_on_timer(void *arg)
{
    struct ferry_sim_timer *timer = arg;
    struct ferry_sim *sim = timer->sim; /* the timer may be freed meanwhile */

    sim->runs_timer = true;
    timer->fn(timer->ctx);
    sim->runs_timer = false;
}

int ferry_sim_timer_new(struct ferry_sim *sim, uint64_t member, ferry_sim_timer_fn *fn, void *ctx,
                        struct ferry_sim_timer **ret_timer)
{
    struct ferry_sim_timer *timer;
    struct member *owner = find(sim, member);

    if (!fn || !ret_timer)
        return FERRY_ERR_INVALID;
    if (member != 0 && !owner)
        return FERRY_ERR_NOT_FOUND;
    timer = calloc(1, sizeof(*timer));
    if (!timer)
        return FERRY_ERR_NOMEM;
    timer->sim = sim;
    timer->member = owner;
    timer->fn = fn;
    timer->ctx = ctx;
    fy_timer_init(&timer->timer, owner ? fy_net_timers(fy_sim_node_net(owner->node)) : fy_sim_timers(sim->world),
                  simulation_on_timer, timer);
    fy_list_append(&sim->timers, &timer->node);
    *ret_timer = timer;
    return FERRY_OK;
}

int ferry_sim_timer_set(struct ferry_sim_timer *timer, uint64_t at_ns)
{
    uint64_t now_ns = fy_sim_now_ns(timer->sim->world);

    if (at_ns > FERRY_SIM_MAX_NS)
        return FERRY_ERR_INVALID;
    if (timer->member && !fy_sim_node_is_up(timer->member->node))
        return FERRY_ERR_STATE;
    fy_timer_set(&timer->timer, at_ns > now_ns ? at_ns : now_ns);
    return FERRY_OK;
}

void ferry_sim_timer_unset(struct ferry_sim_timer *timer)
{
    fy_timer_unset(&timer->timer);
}

bool ferry_sim_timer_is_set(const struct ferry_sim_timer *timer)
{
    return fy_timer_is_set(&timer->timer);
}

void ferry_sim_timer_free(struct ferry_sim_timer *timer)
{
    if (!timer)
        return;
    fy_timer_unset(&timer->timer);
    fy_list_remove(&timer->node);
    free(timer);
}

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

int ferry_sim_set_weather(struct ferry_sim *sim, const struct ferry_sim_weather *weather)
{
    if (!fy_sim_weather_is_possible(weather))
        return FERRY_ERR_INVALID;
    fy_sim_set_weather(sim->world, weather);
    return FERRY_OK;
}

static int find_two(const struct ferry_sim *sim, uint64_t a, uint64_t b, struct fy_sim_node **ret_a,
                    struct fy_sim_node **ret_b)
{
    const struct member *first = find(sim, a);
    const struct member *second = find(sim, b);

    if (!first || !second)
        return FERRY_ERR_NOT_FOUND;
    *ret_a = first->node;
    *ret_b = second->node;
    return FERRY_OK;
}

int ferry_sim_cut(struct ferry_sim *sim, uint64_t from, uint64_t to)
{
    struct fy_sim_node *a, *b;
    int err = find_two(sim, from, to, &a, &b);

    if (err == FERRY_OK)
        fy_sim_cut(a, b);
    return err;
}

int ferry_sim_heal(struct ferry_sim *sim, uint64_t from, uint64_t to)
{
    struct fy_sim_node *a, *b;
    int err = find_two(sim, from, to, &a, &b);

    if (err == FERRY_OK)
        fy_sim_heal(a, b);
    return err;
}

int ferry_sim_delay(struct ferry_sim *sim, uint64_t from, uint64_t to, uint64_t more_delay_ns)
{
    struct fy_sim_node *a, *b;
    int err = find_two(sim, from, to, &a, &b);

    if (more_delay_ns > FERRY_SIM_MAX_DELAY_NS)
        return FERRY_ERR_INVALID;
    if (err == FERRY_OK)
        fy_sim_slow(a, b, more_delay_ns);
    return err;
}

void ferry_sim_heal_all(struct ferry_sim *sim)
{
    fy_sim_heal_all(sim->world);
}

int ferry_sim_reset_connections(struct ferry_sim *sim, uint64_t a, uint64_t b, enum ferry_sim_reset reset)
{
    struct fy_sim_node *first, *second;
    int err = find_two(sim, a, b, &first, &second);

    if (reset != FERRY_SIM_RESET_BOTH && reset != FERRY_SIM_RESET_ONE)
        return FERRY_ERR_INVALID;
    if (err == FERRY_OK)
        (void)fy_sim_reset_connections(first, second, reset); /* returns a number, not an error */
    return err;
}

/* ---- The trace --------------------------------------------------------------------------------------------------- */

int ferry_sim_note(struct ferry_sim *sim, uint64_t member, const char *text)
{
    const struct member *about = find(sim, member);

    if (member != 0 && !about)
        return FERRY_ERR_NOT_FOUND;
    fy_sim_note(sim->world, about ? about->node : NULL, text);
    return FERRY_OK;
}

uint64_t ferry_sim_trace_hash(const struct ferry_sim *sim)
{
    return fy_sim_trace_hash(sim->world);
}

uint64_t ferry_sim_n_events(const struct ferry_sim *sim)
{
    return fy_sim_n_events(sim->world);
}

uint64_t ferry_sim_event_connection(const struct ferry_sim *sim)
{
    return fy_sim_event_connection(sim->world);
}
