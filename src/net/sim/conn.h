/*
 * conn.h - a connection in the simulated world: two ends, and a pipe in each direction.
 *
 * What an end does with what comes to it is registered with it (struct fy_sim_end_ops): call.c and serve.c are what the
 * two ends begin as, and duplex.c takes either over when the connection is upgraded.
 */
#ifndef FY_NET_SIM_CONN_H
#define FY_NET_SIM_CONN_H

#include "net/sim/pipe.h"

struct fy_sim_end;

/* All but lose run between fy_sim_conn_enter and _leave. */
struct fy_sim_end_ops {
    /* The end is open, or, for the server and RUN_OPEN, about to be. */
    void (*on_run)(struct fy_sim_end *end, enum fy_sim_run_kind kind, const uint8_t *data, size_t len);
    void (*on_ack)(struct fy_sim_end *end);           /* there may be space in the pipe that leads away */
    void (*on_pump)(struct fy_sim_end *end);          /* end->pump is due */
    void (*on_write_timeout)(struct fy_sim_end *end); /* end->write_timeout is due */
    void (*lose)(struct fy_sim_end *end, int err);    /* the end is off the network: tell its user */
};

/* An end of an upgraded connection, for its user. */
struct fy_sim_duplex {
    struct fy_net_object object; /* first: the seam's handle */
    unsigned state;              /* duplex.c */
    struct fy_duplex_events events;
    void *arg;
    bool is_ready;  /* gather may have something */
    bool is_ending; /* the user has ended it: a FIN follows what is gathered */
};

struct fy_sim_end {
    struct fy_sim_conn *conn;
    const struct fy_sim_end_ops *ops;
    struct fy_sim_node *node; /* NULL for a host that does not exist */
    bool is_open;             /* takes what comes over the network */
    bool is_held;             /* its user may still call on it, and waits for its last event */
    struct fy_timer pump;     /* set: send now what the user has */
    struct fy_timer write_timeout;
    struct fy_sim_duplex duplex;
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
    FY_SIM_UPGRADED,  /* duplex.c has the end */
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
        uint64_t body_off;  /* sent */
        bool is_body_ready; /* read_body may have something */
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
        bool is_ready; /* the source may have something */
    } server;
};

static inline enum fy_sim_side fy_sim_end_side(const struct fy_sim_end *end)
{
    return end == &end->conn->ends[FY_SIM_CLIENT] ? FY_SIM_CLIENT : FY_SIM_SERVER;
}

static inline struct fy_sim_pipe *fy_sim_end_in(struct fy_sim_end *end)
{
    return &end->conn->pipes[fy_sim_end_side(end)];
}

static inline struct fy_sim_pipe *fy_sim_end_out(struct fy_sim_end *end)
{
    return &end->conn->pipes[fy_sim_end_side(end) == FY_SIM_CLIENT ? FY_SIM_SERVER : FY_SIM_CLIENT];
}

/*
 * FERRY_OK or _NOMEM.  The client's end, with client_ops, is open and held, unless its node is down: then it is only
 * held.  The server's has the world's server_ops.
 */
int fy_sim_conn_new(struct fy_sim_node *client, const struct fy_sim_end_ops *client_ops, struct fy_sim_node *server,
                    struct fy_sim_conn **ret_conn);
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

/* Send FIN or RESET from an end that stays open, unless one is under way already or nobody waits for it. */
void fy_sim_conn_say_goodbye(struct fy_sim_conn *conn, enum fy_sim_side side, enum fy_sim_run_kind how);

/* Tell the ends, or one of them, that the connection broke. */
void fy_sim_conn_break(struct fy_sim_conn *conn, enum ferry_sim_reset reset);

/* Move what a source of bytes has into the pipe that leads away from an end, as far as the window takes it. */
struct fy_sim_source {
    void (*gather)(void *arg, struct fy_gather *g);
    void (*sent)(void *arg, size_t n);
    void *arg;
    bool *is_ready; /* it may have something; cleared when it had nothing */
};

/*
 * FERRY_OK, or FERRY_ERR_NOMEM: there was no memory for what is under way.  The source may let go of the end from
 * inside.  The end's write timeout runs when the window is full.
 */
int fy_sim_end_pump(struct fy_sim_end *end, const struct fy_sim_source *source);

#endif
