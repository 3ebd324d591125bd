/*
 * world - the ground of the simulated world: the trace, who hears whom and when, names, ports and addresses.
 */
#include "net/sim/world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- The trace --------------------------------------------------------------------------------------------------- */

static void hash_in(struct fy_sim *sim, uint64_t value)
{
    sim->hash = fy_chance_mix(sim->hash ^ value);
}

/* Enter an event into the hash. */
static void hash_event(struct fy_sim *sim, const struct fy_sim_node *node, enum fy_sim_trace what, uint64_t conn,
                       size_t n)
{
    hash_in(sim, sim->now_ns);
    hash_in(sim, ((uint64_t)what << 32) | (node ? node->index + 1 : 0));
    hash_in(sim, conn);
    hash_in(sim, n);
    sim->n_events++;
}

/* Give the user a line that begins with the time and the place. */
static void print_line(struct fy_sim *sim, const struct fy_sim_node *node, const char *text)
{
    char line[512];

    snprintf(line, sizeof(line), "%" PRIu64 ".%06" PRIu64 " ms %s %s", sim->now_ns / FY_SIM_MS, sim->now_ns % FY_SIM_MS,
             node ? node->host : "nowhere", text);
    sim->cfg.trace(sim->cfg.trace_ctx, line);
}

void fy_sim_trace(struct fy_sim *sim, const struct fy_sim_node *node, enum fy_sim_trace what, uint64_t conn, size_t n)
{
#define TEXT(name, text) [FY_SIM_TRACE_##name] = text,
    static const char *const texts[] = {FY_SIM_TRACE_MAP(TEXT)};
#undef TEXT
    char text[128];

    hash_event(sim, node, what, conn, n);
    if (!sim->cfg.trace)
        return;
    snprintf(text, sizeof(text), "%s, connection %" PRIu64 ", %zu bytes", texts[what], conn, n);
    print_line(sim, node, text);
}

void fy_sim_note(struct fy_sim *sim, const struct fy_sim_node *node, const char *text)
{
    hash_event(sim, node, FY_SIM_TRACE_NOTE, 0, strlen(text));
    for (const char *at = text; *at; at++)
        hash_in(sim, (uint8_t)*at);
    if (sim->cfg.trace)
        print_line(sim, node, text);
}

/* ---- Links ---------------------------------------------------------------------------------------------------------- */

struct fy_sim_link *fy_sim_link(const struct fy_sim_node *from, const struct fy_sim_node *to)
{
    assert(from->sim == to->sim);
    return &from->sim->links[from->index * from->sim->n_nodes + to->index];
}

bool fy_sim_path_is_open(const struct fy_sim_node *from, const struct fy_sim_node *to)
{
    return !from || !to || (!fy_sim_link(from, to)->cut && to->state != FY_SIM_HOST_DOWN);
}

uint64_t fy_sim_arrival_ns(struct fy_sim *sim, const struct fy_sim_node *from, const struct fy_sim_node *to)
{
    const struct ferry_sim_weather *weather = &sim->cfg.weather;
    uint64_t more_ns = from && to ? fy_sim_link(from, to)->more_delay_ns : 0;

    return sim->now_ns + more_ns + fy_chance_between(&sim->chance, weather->min_delay_ns, weather->max_delay_ns);
}

/* ---- Names and ports ------------------------------------------------------------------------------------------------ */

struct fy_sim_node *fy_sim_find_node(const struct fy_sim *sim, const char *host, size_t host_len)
{
    for (size_t i = 0; i < sim->n_nodes; i++)
        if (strlen(sim->nodes[i]->host) == host_len && memcmp(sim->nodes[i]->host, host, host_len) == 0)
            return sim->nodes[i];
    return NULL;
}

struct fy_sim_listener *fy_sim_find_listener(const struct fy_sim_node *node, uint16_t port)
{
    for (struct fy_node *at = fy_list_first(&node->listeners); at; at = fy_list_next(&node->listeners, at)) {
        struct fy_sim_listener *listener = fy_container(at, struct fy_sim_listener, node);

        if (listener->port == port)
            return listener;
    }
    return NULL;
}

uint16_t fy_sim_node_pick_port(struct fy_sim_node *node)
{
    do
        node->next_port = node->next_port == UINT16_MAX ? FY_SIM_FIRST_PORT : node->next_port + 1;
    while (fy_sim_find_listener(node, node->next_port));
    return node->next_port;
}

/* ---- Addresses --------------------------------------------------------------------------------------------------- */

int fy_sim_address_parse(const char *url, struct fy_sim_address *ret_address)
{
    static const char scheme[] = "http://";
    const char *host = url + strlen(scheme);
    const char *end;
    const char *colon = NULL;
    unsigned port = 80;

    if (strncmp(url, scheme, strlen(scheme)) != 0)
        return FERRY_ERR_URL;
    end = host + strcspn(host, "/?");
    for (const char *at = host; at < end; at++) {
        if (*at == ':')
            colon = at;
        else if (*at == ']') /* an IPv6 address has colons inside its brackets */
            colon = NULL;
    }
    if (colon) {
        if (colon + 1 == end || end - colon > 6)
            return FERRY_ERR_URL;
        port = 0;
        for (const char *at = colon + 1; at < end; at++) {
            if (*at < '0' || *at > '9')
                return FERRY_ERR_URL;
            port = 10 * port + (unsigned)(*at - '0');
        }
    }
    if ((colon ? colon : end) == host || port > UINT16_MAX)
        return FERRY_ERR_URL;
    *ret_address = (struct fy_sim_address){
        .host = host, .host_len = (size_t)((colon ? colon : end) - host), .port = (uint16_t)port, .target = end};
    return FERRY_OK;
}
