/*
 * sim.h - a network in memory, with a virtual clock and one seed: the world that stands behind ferry/sim.h.
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

#include "ferry/sim.h"

struct fy_net;
struct fy_timers;
struct fy_sim;
struct fy_sim_node;

#define FY_SIM_US FERRY_SIM_US
#define FY_SIM_MS FERRY_SIM_MS
#define FY_SIM_S FERRY_SIM_S

/* cfg is copied; NULL: FERRY_SIM_CONFIG_INIT.  FERRY_OK; FERRY_ERR_INVALID or _NOMEM with *ret_sim untouched. */
int fy_sim_new(uint64_t seed, const struct ferry_sim_config *cfg, struct fy_sim **ret_sim);

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

/*
 * Stop a node in the middle of what it does: no event and no timer reaches its net any more, and nothing that is called
 * on its net reaches the network.  The owner then takes down what stood on the net as it would at any other time
 * (cancel, end, close - a listener's on_gone still comes), which the other nodes cannot see, and restarts the node.
 * Not from inside an event of that node.
 */
void fy_sim_crash_node(struct fy_sim_node *node, enum ferry_sim_crash crash);

/* Bring a crashed node back.  Its net must be empty: no call, request, outflow, listener or timer of before. */
void fy_sim_restart_node(struct fy_sim_node *node);

/* ---- Time -------------------------------------------------------------------------------------------------------- */

uint64_t fy_sim_now_ns(const struct fy_sim *sim); /* from 0; what every node's fy_net_now_ns says */

/* Does an event run now? */
bool fy_sim_is_running(const struct fy_sim *sim);

/* Of the world's own, whatever becomes of its nodes: for a user's events. */
struct fy_timers *fy_sim_timers(struct fy_sim *sim);

/* Move the clock to the next event and run it.  False: there is none.  Not from inside an event. */
bool fy_sim_step(struct fy_sim *sim);

/* Run every event up to and at until_ns, and leave the clock there. */
void fy_sim_run_until(struct fy_sim *sim, uint64_t until_ns);

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

bool fy_sim_weather_is_possible(const struct ferry_sim_weather *weather);
void fy_sim_set_weather(struct fy_sim *sim, const struct ferry_sim_weather *weather);

/* Of one direction, a to b; the other has a cut and a slowness of its own.  Connection attempts are cut as well. */
void fy_sim_cut(struct fy_sim_node *a, struct fy_sim_node *b);
void fy_sim_heal(struct fy_sim_node *a, struct fy_sim_node *b);
void fy_sim_slow(struct fy_sim_node *a, struct fy_sim_node *b, uint64_t more_delay_ns); /* 0: as fast as the others */
void fy_sim_heal_all(struct fy_sim *sim); /* every cut and every slowness */

/* Break every connection between a and b, whoever dialled, cut or not.  Returns how many. */
size_t fy_sim_reset_connections(struct fy_sim_node *a, struct fy_sim_node *b, enum ferry_sim_reset reset);

/* ---- Looking at it ----------------------------------------------------------------------------------------------- */

/* Enter a line of the user's into the trace; node may be NULL. */
void fy_sim_note(struct fy_sim *sim, const struct fy_sim_node *node, const char *text);

uint64_t fy_sim_trace_hash(const struct fy_sim *sim); /* over all events: time, node, kind, connection, bytes */
uint64_t fy_sim_n_events(const struct fy_sim *sim);
size_t fy_sim_n_connections(const struct fy_sim *sim); /* that at least one end still holds */

/* The number of the connection that the running event is about, from 1; 0 when it is about none. */
uint64_t fy_sim_event_connection(const struct fy_sim *sim);

#endif
