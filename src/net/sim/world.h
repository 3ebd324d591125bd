/*
 * world.h - the ground of the sim: the world, its nodes, the links between them, addresses, and the trace.
 */
#ifndef FY_NET_SIM_WORLD_H
#define FY_NET_SIM_WORLD_H

#include "base/list.h"
#include "ferry/ferry.h"
#include "net/net.h"
#include "net/sim/chance.h"
#include "net/sim/sim.h"
#include "net/timers.h"

/* ---- The world --------------------------------------------------------------------------------------------------- */

struct fy_sim_link { /* one direction between two nodes */
    bool cut;
    uint64_t more_delay_ns;
};

struct fy_sim_end_ops;

struct fy_sim {
    uint64_t seed;
    struct ferry_sim_config cfg; /* its weather changes */
    struct fy_chance chance;     /* of the network; each node has one of its own */
    _Atomic uint64_t now_ns;     /* set by the world alone; senders on other threads may read it, for coarse_ns */
    struct fy_timers events;     /* all but the nodes' own timers */
    bool is_running;             /* inside an event */
    uint64_t event_conn;         /* the connection that it is about; 0: none */

    struct fy_sim_node **nodes;
    size_t n_nodes;
    struct fy_sim_link *links; /* n_nodes rows (from) of n_nodes (to) */

    struct fy_list conns; /* struct fy_sim_conn, oldest first */
    size_t n_conns;
    uint64_t last_conn; /* number of the youngest */
    const struct fy_sim_end_ops *server_ops; /* what a new connection's server end does, until a request is upgraded */

    uint64_t hash;
    uint64_t n_events;
    uint8_t scratch[16384]; /* what an outflow's read fills */
};

enum fy_sim_node_state { FY_SIM_UP, FY_SIM_PROCESS_DOWN, FY_SIM_HOST_DOWN };

struct fy_sim_node {
    struct fy_net net; /* first: the seam's handle */
    struct fy_sim *sim;
    size_t index;
    enum fy_sim_node_state state;
    struct fy_timers timers;
    struct fy_chance chance;
    struct fy_timer wake;
    void (*on_wake)(void *arg);
    void *on_wake_arg;
    struct fy_list listeners; /* struct fy_sim_listener */
    unsigned n_held;          /* calls, requests, outflows and duplexes that the node's user holds */
    uint16_t next_port;       /* for port 0 and for the clients' ends */
    char host[];
};

/* What a line of the trace is about. */
#define FY_SIM_TRACE_MAP(X)                                                                                            \
    X(DIAL, "dial")                                                                                                    \
    X(ACCEPT, "accept")                                                                                                \
    X(REFUSE, "refuse")                                                                                                \
    X(CONNECT, "connect")                                                                                              \
    X(CONNECT_TIMEOUT, "connect timeout")                                                                              \
    X(HEAD, "head")                                                                                                    \
    X(BYTES, "bytes")                                                                                                  \
    X(END, "end")                                                                                                      \
    X(FIN, "fin")                                                                                                      \
    X(RESET, "reset")                                                                                                  \
    X(STRAY, "stray")                                                                                                  \
    X(HELD_UP, "held up")                                                                                              \
    X(ACK, "ack")                                                                                                      \
    X(READ, "read")                                                                                                    \
    X(WRITE_TIMEOUT, "write timeout")                                                                                  \
    X(TIMER, "timer")                                                                                                  \
    X(WAKE, "wake")                                                                                                    \
    X(CUT, "cut")                                                                                                      \
    X(HEAL, "heal")                                                                                                    \
    X(SLOW, "slow")                                                                                                    \
    X(CRASH, "crash")                                                                                                  \
    X(RESTART, "restart")                                                                                              \
    X(BREAK, "break")                                                                                                  \
    X(NOTE, "note")

#define FY_SIM_TRACE_ENUM(name, text) FY_SIM_TRACE_##name,
enum fy_sim_trace { FY_SIM_TRACE_MAP(FY_SIM_TRACE_ENUM) FY_SIM_N_TRACES };
#undef FY_SIM_TRACE_ENUM

/* node may be NULL; conn is the connection's number, 0 for none. */
void fy_sim_trace(struct fy_sim *sim, const struct fy_sim_node *node, enum fy_sim_trace what, uint64_t conn, size_t n);

struct fy_sim_link *fy_sim_link(const struct fy_sim_node *from, const struct fy_sim_node *to);

/* Does what from sends reach to at this moment?  A NULL node is the place of hosts that do not exist: always. */
bool fy_sim_path_is_open(const struct fy_sim_node *from, const struct fy_sim_node *to);

/* When something sent now arrives. */
uint64_t fy_sim_arrival_ns(struct fy_sim *sim, const struct fy_sim_node *from, const struct fy_sim_node *to);

struct fy_sim_node *fy_sim_find_node(const struct fy_sim *sim, const char *host, size_t host_len);

struct fy_sim_listener {
    struct fy_net_object listener; /* first: the seam's handle */
    struct fy_node node;           /* in its node's listeners */
    struct fy_sim_node *host;
    uint16_t port;
    fy_request_fn *fn;
    void *arg;
    struct fy_list conns; /* struct fy_sim_conn, by server.node */
    char url[];
};

struct fy_sim_listener *fy_sim_find_listener(const struct fy_sim_node *node, uint16_t port);

#define FY_SIM_FIRST_PORT 32768 /* of those that are picked */

/* A port that nothing of the node listens on. */
uint16_t fy_sim_node_pick_port(struct fy_sim_node *node);

/*
 * Split http://host[:port][/path][?query]: the target is all from the first '/' or '?' on, maybe empty.
 * FERRY_OK or FERRY_ERR_URL.
 */
struct fy_sim_address {
    const char *host; /* in the URL */
    size_t host_len;
    uint16_t port;
    const char *target;
};
int fy_sim_address_parse(const char *url, struct fy_sim_address *ret_address);

#endif
