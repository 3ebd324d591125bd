/*
 * pipe.h - one direction of a connection in the simulated world.
 */
#ifndef FY_NET_SIM_PIPE_H
#define FY_NET_SIM_PIPE_H

#include "net/sim/world.h"

enum fy_sim_side { FY_SIM_CLIENT, FY_SIM_SERVER };

enum fy_sim_run_kind {
    FY_SIM_RUN_OPEN,   /* to the server: let us talk; to the client: agreed */
    FY_SIM_RUN_REFUSE, /* to the client */
    FY_SIM_RUN_HEAD,   /* of the request or the answer; kept by the connection */
    FY_SIM_RUN_BYTES,  /* of the body, or of an upgraded connection */
    FY_SIM_RUN_END,    /* of the body */
    FY_SIM_RUN_FIN,
    FY_SIM_RUN_RESET,
    FY_SIM_RUN_BREAK, /* a reset out of the blue: no cut holds it up */
};

/* A run of bytes on its way, or one of the marks between them. */
struct fy_sim_run {
    struct fy_node node; /* in its pipe's runs or spent */
    enum fy_sim_run_kind kind;
    enum { FY_SIM_WHOLE_OR_NOT, FY_SIM_WHOLE, FY_SIM_PIECES, FY_SIM_SINGLE_BYTES } cutting; /* undecided at first */
    uint64_t arrive_ns;
    size_t len;
    size_t off; /* delivered */
    uint8_t *data;
};

struct fy_sim_pipe;

/* What the owner of a pipe is told. */
struct fy_sim_pipe_ops {
    /* A run, or a piece of one, came to the end that the pipe leads to.  data lives until fy_sim_pipe_free_spent. */
    void (*on_run)(struct fy_sim_pipe *pipe, enum fy_sim_run_kind kind, const uint8_t *data, size_t len);
    void (*on_ack)(struct fy_sim_pipe *pipe); /* an acknowledgement came back to its start */
};

struct fy_sim_pipe {
    const struct fy_sim_pipe_ops *ops;
    struct fy_sim *sim;
    uint64_t conn; /* the connection's number, for the trace */
    enum fy_sim_side to;
    struct fy_sim_node *sender; /* NULL for a host that does not exist, as below */
    struct fy_sim_node *receiver;
    struct fy_list runs;    /* on their way, oldest first */
    struct fy_list spent;   /* runs that an event may still look at */
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

void fy_sim_pipe_init(struct fy_sim_pipe *pipe, const struct fy_sim_pipe_ops *ops, struct fy_sim_node *sender,
                      struct fy_sim_node *receiver, struct fy_sim *sim);
void fy_sim_pipe_release(struct fy_sim_pipe *pipe);
void fy_sim_pipe_free_spent(struct fy_sim_pipe *pipe);
void fy_sim_pipe_mark(struct fy_sim_pipe *pipe, struct fy_sim_run *mark, enum fy_sim_run_kind kind);
int fy_sim_pipe_write(struct fy_sim_pipe *pipe, const void *data, size_t len); /* len <= space; copied; or _NOMEM */
size_t fy_sim_pipe_space(const struct fy_sim_pipe *pipe);
void fy_sim_pipe_took(struct fy_sim_pipe *pipe, size_t len); /* the end took bytes: acknowledge them */
void fy_sim_pipe_pause(struct fy_sim_pipe *pipe, bool is_paused);
void fy_sim_pipe_clear(struct fy_sim_pipe *pipe);  /* lose all that is on its way */
void fy_sim_pipe_resume(struct fy_sim_pipe *pipe); /* the path may be open again */

#endif
