/*
 * world.h - what the files of the sim share: the world, its nodes, and the connections between them.
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
    unsigned n_held;          /* calls, requests and outflows that the node's user holds */
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

/* Does what from sends reach to at this moment?  A NULL node is the place of hosts that do not exist: always. */
bool fy_sim_path_is_open(const struct fy_sim_node *from, const struct fy_sim_node *to);

/* When something sent now arrives. */
uint64_t fy_sim_arrival_ns(struct fy_sim *sim, const struct fy_sim_node *from, const struct fy_sim_node *to);

struct fy_sim_node *fy_sim_find_node(const struct fy_sim *sim, const char *host, size_t host_len);

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

/* ---- A pipe: one direction of a connection ----------------------------------------------------------------------- */

enum fy_sim_side { FY_SIM_CLIENT, FY_SIM_SERVER };

enum fy_sim_run_kind {
    FY_SIM_RUN_OPEN,   /* to the server: let us talk; to the client: agreed */
    FY_SIM_RUN_REFUSE, /* to the client */
    FY_SIM_RUN_HEAD,   /* of the request or the answer; kept by the connection */
    FY_SIM_RUN_BYTES,  /* of the body */
    FY_SIM_RUN_END,    /* of the body */
    FY_SIM_RUN_FIN,
    FY_SIM_RUN_RESET,
    FY_SIM_RUN_BREAK, /* a reset out of the blue: no cut holds it up */
};

/* A run of bytes on its way, or one of the marks between them. */
struct fy_sim_run {
    struct fy_node node; /* in its pipe's runs or its connection's spent */
    enum fy_sim_run_kind kind;
    enum { FY_SIM_WHOLE_OR_NOT, FY_SIM_WHOLE, FY_SIM_PIECES, FY_SIM_SINGLE_BYTES } cutting; /* undecided at first */
    uint64_t arrive_ns;
    size_t len;
    size_t off; /* delivered */
    uint8_t *data;
};

struct fy_sim_pipe {
    struct fy_sim_conn *conn;
    enum fy_sim_side to;    /* the end that it leads to */
    struct fy_list runs;    /* on their way, oldest first */
    struct fy_timer arrive; /* of the oldest; not set while it is held up */
    struct fy_timer ack;    /* of what was delivered; not set while it is held up */
    bool is_held_up;
    bool is_paused; /* the end takes nothing of the body now */
    bool is_ack_held_up;
    size_t unacked; /* bytes sent of which the sender does not know that they came; <= window_bytes */
    size_t to_ack;  /* of these, delivered */
    /* Marks come once per pipe at most, and must not fail for want of memory. */
    struct fy_sim_run open, head, end, close;
};

void fy_sim_pipe_init(struct fy_sim_pipe *pipe, struct fy_sim_conn *conn, enum fy_sim_side to);
void fy_sim_pipe_release(struct fy_sim_pipe *pipe);
void fy_sim_pipe_mark(struct fy_sim_pipe *pipe, struct fy_sim_run *mark, enum fy_sim_run_kind kind);
int fy_sim_pipe_write(struct fy_sim_pipe *pipe, const void *data, size_t len); /* len <= space; copied; or _NOMEM */
size_t fy_sim_pipe_space(const struct fy_sim_pipe *pipe);
void fy_sim_pipe_took(struct fy_sim_pipe *pipe, size_t len); /* the end took bytes: acknowledge them */
void fy_sim_pipe_pause(struct fy_sim_pipe *pipe, bool is_paused);
void fy_sim_pipe_clear(struct fy_sim_pipe *pipe);  /* lose all that is on its way */
void fy_sim_pipe_resume(struct fy_sim_pipe *pipe); /* the path may be open again */

/* ---- A connection ------------------------------------------------------------------------------------------------ */

struct fy_sim_end {
    struct fy_sim_node *node; /* NULL for a host that does not exist */
    bool is_open;             /* takes what comes over the network */
    bool is_held;             /* its user may still call on it, and waits for its last event */
};

enum fy_sim_phase {
    FY_SIM_DIALING,   /* the client waits for the server's agreement */
    FY_SIM_ASKING,    /* for the answer's head */
    FY_SIM_ANSWERED,  /* has it */
    FY_SIM_UNKNOWN,   /* the server knows nothing of the connection yet */
    FY_SIM_ACCEPTED,  /* waits for the request's head */
    FY_SIM_SERVING,   /* the handler has the request */
    FY_SIM_STREAMING, /* an outflow answers */
    FY_SIM_REPLIED,   /* the answer is whole; the rest of it goes out, the rest of the request is thrown away */
};

/* Headers, and the texts that they point to, in one block. */
struct fy_sim_headers {
    size_t n;
    struct fy_header all[];
};
struct fy_sim_headers *fy_sim_headers_copy(const struct fy_header *headers,
                                           size_t n); /* NULL: no memory.  For free() */

struct fy_sim_conn {
    struct fy_node node; /* in the world's conns */
    struct fy_sim *sim;
    uint64_t number;
    unsigned n_events;           /* that run on it now: it must not go */
    struct fy_sim_end ends[2];   /* by fy_sim_side */
    struct fy_sim_pipe pipes[2]; /* by the end they lead to */
    struct fy_list spent;        /* runs that an event may still look at */
    struct {
        struct fy_net_object call; /* first: the seam's handle */
        enum fy_sim_phase phase;
        uint64_t asked_ns; /* when the request's head went out */
        struct fy_call_events events;
        void *arg;
        char *target; /* of the URL: path, then query, each ended by a zero */
        const char *query;
        char method[8];
        char address[300]; /* of the client, as the server sees it */
        struct fy_sim_headers *headers;
        const uint8_t *body;   /* lent while the call is held */
        fy_body_fn *read_body; /* or what it is read by */
        uint64_t body_len;
        uint64_t body_off;    /* sent */
        bool is_body_ready;   /* read_body may have something */
        struct fy_timer read; /* set: read it now */
        struct fy_timer connect_timeout;
        uint16_t port; /* dialled */
    } client;
    struct {
        struct fy_net_object request; /* first: the seam's handle; while serving */
        struct fy_net_object outflow; /* while streaming */
        enum fy_sim_phase phase;
        struct fy_node node; /* in its listener's conns */
        struct fy_request_events events;
        void *arg;
        bool has_events;
        bool is_body_whole; /* the request's body came to its end */
        size_t n_thrown_away;
        int status;
        struct fy_sim_headers *headers;
        uint8_t *reply;
        size_t reply_len;
        size_t reply_off; /* sent */
        struct fy_outflow_source source;
        void *source_arg;
        bool is_ready;                 /* the source may have something */
        struct fy_timer read;          /* set: read it now */
        struct fy_timer write_timeout; /* set while the window is full */
    } server;
};

/* FERRY_OK or _NOMEM.  The client's end is open and held, unless its node is down: then it is only held. */
int fy_sim_conn_new(struct fy_sim_node *client, struct fy_sim_node *server, struct fy_sim_conn **ret_conn);
void fy_sim_conn_free(struct fy_sim_conn *conn);

/* Between the two, the connection stays, whatever the users do.  leave frees it when nothing needs it any more. */
void fy_sim_conn_enter(struct fy_sim_conn *conn);
void fy_sim_conn_enter_event(struct fy_sim_conn *conn); /* the world's event is about it */
void fy_sim_conn_leave(struct fy_sim_conn *conn);

/* The user holds its end no more. */
void fy_sim_conn_drop(struct fy_sim_conn *conn, enum fy_sim_side side);
void fy_sim_conn_hold(struct fy_sim_conn *conn, enum fy_sim_side side);

/* The end is off the network.  shut: nothing is said to the other end; else it is sent FIN or RESET. */
void fy_sim_conn_shut(struct fy_sim_conn *conn, enum fy_sim_side side);
void fy_sim_conn_close(struct fy_sim_conn *conn, enum fy_sim_side side, enum fy_sim_run_kind how);

/* Tell the ends, or one of them, that the connection broke. */
void fy_sim_conn_break(struct fy_sim_conn *conn, enum ferry_sim_reset reset);

/* What pipes call: a run, or a piece of one, came to the end that the pipe leads to; an acknowledgement came to its
 * start. */
void fy_sim_conn_on_run(struct fy_sim_pipe *pipe, enum fy_sim_run_kind kind, const uint8_t *data, size_t len);
void fy_sim_conn_on_ack(struct fy_sim_pipe *pipe);

/* The two ends.  on_run: the end is open, or, for the server and RUN_OPEN, about to be. */
void fy_sim_client_on_run(struct fy_sim_conn *conn, enum fy_sim_run_kind kind, const uint8_t *data, size_t len);
void fy_sim_client_on_ack(struct fy_sim_conn *conn);
void fy_sim_client_on_connect_timeout(void *conn);
void fy_sim_client_on_read(void *conn);
void fy_sim_server_on_run(struct fy_sim_conn *conn, enum fy_sim_run_kind kind, const uint8_t *data, size_t len);
void fy_sim_server_on_ack(struct fy_sim_conn *conn);
void fy_sim_server_on_read(void *conn);
void fy_sim_server_on_write_timeout(void *conn);

/* ---- What stands behind net.h ------------------------------------------------------------------------------------ */

extern const struct fy_net_ops fy_sim_ops;

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

int fy_sim_call(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                struct fy_call **ret_call);
void fy_sim_call_cancel(struct fy_call *call);
void fy_sim_call_wake(struct fy_call *call);

int fy_sim_listen(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg, struct fy_listener **ret_listener,
                  char *ret_detail, size_t detail_size);
const char *fy_sim_listener_url(const struct fy_listener *listener);
void fy_sim_listener_close(struct fy_listener *listener);
const char *fy_sim_request_method(const struct fy_request *req);
const char *fy_sim_request_path(const struct fy_request *req);
const char *fy_sim_request_query(const struct fy_request *req);
const char *fy_sim_request_remote(const struct fy_request *req);
const char *fy_sim_request_header(const struct fy_request *req, const char *name);
void fy_sim_request_set_events(struct fy_request *req, const struct fy_request_events *events, void *arg);
void fy_sim_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                          const void *body, size_t body_len);
void fy_sim_request_abort(struct fy_request *req);
void fy_sim_request_pause_body(struct fy_request *req);
void fy_sim_request_resume_body(struct fy_request *req);
struct fy_outflow *fy_sim_request_stream(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                         const struct fy_outflow_source *source, void *arg);
void fy_sim_outflow_wake(struct fy_outflow *out);
void fy_sim_outflow_end(struct fy_outflow *out);
void fy_sim_outflow_abort(struct fy_outflow *out);

#endif
