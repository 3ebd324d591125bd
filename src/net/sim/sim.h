/*
 * sim.h - a network in memory, with a virtual clock and one seed.
 *
 * Each node of it is one struct fy_net (net.h): what runs on sockets runs here unchanged, and the same seed with the
 * same calls gives the same events in the same order, for ever.  No thread, no descriptor, no real time, no real
 * chance.  Time stands still but for fy_sim_step and fy_sim_run_until.
 *
 * What the network is like: a call has a connection of its own, opened by one round trip.  Within one direction of a
 * connection nothing is lost or overtaken; connections overtake each other freely.  A connection holds at most
 * window_bytes in each direction between the writer and the reader's acknowledgement, as TCP's buffers do.  A cut link
 * loses nothing: what was sent waits, and arrives after the link has healed.  An end that is gone answers bytes that
 * still come to it with a reset, unless its host is down: then they wait as on a cut link.
 *
 * Threads: everything here and on the nets belongs to one.  No function here makes events happen but _step and
 * _run_until; all others may be called from inside an event.
 */
#ifndef FY_NET_SIM_SIM_H
#define FY_NET_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fy_net;
struct fy_sim;
struct fy_sim_node;

#define FY_SIM_US UINT64_C(1000)
#define FY_SIM_MS UINT64_C(1000000)
#define FY_SIM_S UINT64_C(1000000000)

/* What can change at any time.  Chances are in millionths. */
struct fy_sim_weather {
    uint64_t min_delay_ns; /* one way, drawn anew for each run of bytes */
    uint64_t max_delay_ns; /* >= min_delay_ns */
    unsigned pieces_ppm;   /* a run of bytes is read, and comes, in pieces of any size */
    unsigned bytes_ppm;    /* a run of bytes comes one byte at a time */
    unsigned resets_ppm;   /* after a delivery of bytes both ends lose the connection, mid-run or between runs */
};

struct fy_sim_config {
    struct fy_sim_weather weather;
    size_t window_bytes;       /* of each direction of a connection; not 0 */
    unsigned write_timeout_ms; /* an outflow whose window stays full for so long is cut */

    /* Given a line for each event, without a newline, that lives for the call only.  NULL: not wanted. */
    void (*trace)(void *ctx, const char *line);
    void *trace_ctx;
};

#define FY_SIM_CONFIG_INIT                                                                                             \
    {                                                                                                                  \
        .weather = {.min_delay_ns = 100 * FY_SIM_US, .max_delay_ns = 2 * FY_SIM_MS}, .window_bytes = 64u << 10,        \
        .write_timeout_ms = 5000,                                                                                      \
    }

/* cfg is copied; NULL: FY_SIM_CONFIG_INIT.  FERRY_OK; FERRY_ERR_INVALID or _NOMEM with *ret_sim untouched. */
int fy_sim_new(uint64_t seed, const struct fy_sim_config *cfg, struct fy_sim **ret_sim);

/* Frees the nodes and every connection too, without events.  No timer may be set, no listener open.  Takes NULL. */
void fy_sim_free(struct fy_sim *sim);

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

/*
 * Add a node, up, that is reached as http://host:port and listens there.  host is copied.
 * FERRY_OK; FERRY_ERR_EXISTS, _NOMEM with *ret_node untouched.  The sim owns the node.
 */
int fy_sim_add_node(struct fy_sim *sim, const char *host, struct fy_sim_node **ret_node);

struct fy_net *fy_sim_node_net(struct fy_sim_node *node); /* the same after a restart */
bool fy_sim_node_is_up(const struct fy_sim_node *node);

enum fy_sim_crash {
    FY_SIM_CRASH_PROCESS, /* the host lives on: it resets the process's connections and refuses new ones */
    FY_SIM_CRASH_HOST,    /* nobody is told: other ends wait, and dials time out */
};

/*
 * Stop a node in the middle of what it does: no event and no timer reaches its net any more, and nothing that is called
 * on its net reaches the network.  The owner then takes down what stood on the net as it would at any other time
 * (cancel, end, close - a listener's on_gone still comes), which the other nodes cannot see, and restarts the node.
 * Not from inside an event of that node.
 */
void fy_sim_crash_node(struct fy_sim_node *node, enum fy_sim_crash crash);

/* Bring a crashed node back.  Its net must be empty: no call, request, outflow, listener or timer of before. */
void fy_sim_restart_node(struct fy_sim_node *node);

/* ---- Time -------------------------------------------------------------------------------------------------------- */

uint64_t fy_sim_now_ns(const struct fy_sim *sim); /* from 0; what every node's fy_net_now_ns says */

/* Move the clock to the next event and run it.  False: there is none.  Not from inside an event. */
bool fy_sim_step(struct fy_sim *sim);

/* Run every event up to and at until_ns, and leave the clock there. */
void fy_sim_run_until(struct fy_sim *sim, uint64_t until_ns);

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

void fy_sim_set_weather(struct fy_sim *sim, const struct fy_sim_weather *weather);

/* Of one direction, a to b; the other has a cut and a slowness of its own.  Connection attempts are cut as well. */
void fy_sim_cut(struct fy_sim_node *a, struct fy_sim_node *b);
void fy_sim_heal(struct fy_sim_node *a, struct fy_sim_node *b);
void fy_sim_slow(struct fy_sim_node *a, struct fy_sim_node *b, uint64_t more_delay_ns); /* 0: as fast as the others */
void fy_sim_heal_all(struct fy_sim *sim); /* every cut and every slowness */

enum fy_sim_reset {
    FY_SIM_RESET_BOTH, /* both ends learn of it soon */
    FY_SIM_RESET_ONE,  /* one end, any of the two; the other does when its next bytes arrive there */
};

/* Break every connection between a and b, whoever dialled, cut or not.  Returns how many. */
size_t fy_sim_reset_connections(struct fy_sim_node *a, struct fy_sim_node *b, enum fy_sim_reset reset);

/* ---- Looking at it ----------------------------------------------------------------------------------------------- */

uint64_t fy_sim_trace_hash(const struct fy_sim *sim); /* over all events: time, node, kind, connection, bytes */
uint64_t fy_sim_n_events(const struct fy_sim *sim);
size_t fy_sim_n_connections(const struct fy_sim *sim); /* that at least one end still holds */

/* The number of the connection that the running event is about, from 1; 0 when it is about none. */
uint64_t fy_sim_event_connection(const struct fy_sim *sim);

#endif
