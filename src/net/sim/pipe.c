/*
 * pipe - one direction of a connection: runs of bytes and marks, in order, each arriving at its time.
 *
 * While the end that it leads to takes nothing of the body, bytes and the body's end wait before it.
 * A run is never before the one in front of it.  When it may not pass (the link is cut, the host is down) the whole
 * pipe is held up until somebody resumes it.  The bytes of a run may come in pieces.
 * Bytes count against the window from the moment they are written until their acknowledgement is back; it takes the
 * other direction's delays and cuts.  While less than half of the window is in use, nobody waits for an acknowledgement
 * and none is sent.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/sim/pipe.h"

/* Between the pieces of one run. */
#define MAX_PIECE_GAP_NS (5 * FY_SIM_US)

static struct fy_sim_run *first_run(const struct fy_sim_pipe *pipe)
{
    return fy_container(fy_list_first(&pipe->runs), struct fy_sim_run, node);
}

/* Is the oldest run one that the end does not take now? */
static bool waits_for_end(const struct fy_sim_pipe *pipe)
{
    enum fy_sim_run_kind kind = first_run(pipe)->kind;

    return pipe->is_paused && (kind == FY_SIM_RUN_BYTES || kind == FY_SIM_RUN_END);
}

/* Arm the timer for the oldest run, which arrives at earliest_ns at the earliest. */
static void expect(struct fy_sim_pipe *pipe, uint64_t earliest_ns)
{
    uint64_t at_ns;

    if (fy_list_is_empty(&pipe->runs) || pipe->is_held_up || waits_for_end(pipe))
        return;
    at_ns = first_run(pipe)->arrive_ns;
    fy_timer_set(&pipe->arrive, at_ns > earliest_ns ? at_ns : earliest_ns);
}

static void append(struct fy_sim_pipe *pipe, struct fy_sim_run *run)
{
    struct fy_sim *sim = pipe->sim;
    bool was_empty = fy_list_is_empty(&pipe->runs);

    run->arrive_ns = fy_sim_arrival_ns(sim, pipe->sender, pipe->receiver);
    fy_list_append(&pipe->runs, &run->node);
    if (was_empty)
        expect(pipe, sim->now_ns);
}

/* Take a run out.  One with bytes goes to the spent ones: an event may be looking at them. */
static void take_out(struct fy_sim_pipe *pipe, struct fy_sim_run *run)
{
    fy_list_remove(&run->node);
    if (run->kind == FY_SIM_RUN_BYTES)
        fy_list_append(&pipe->spent, &run->node);
}

/* How much of the run comes at once. */
static size_t piece_len(struct fy_sim *sim, struct fy_sim_run *run)
{
    size_t left = run->len - run->off;

    if (run->cutting == FY_SIM_WHOLE_OR_NOT) {
        if (fy_chance_hit(&sim->chance, sim->cfg.weather.bytes_ppm))
            run->cutting = FY_SIM_SINGLE_BYTES;
        else if (fy_chance_hit(&sim->chance, sim->cfg.weather.pieces_ppm))
            run->cutting = FY_SIM_PIECES;
        else
            run->cutting = FY_SIM_WHOLE;
    }
    switch (run->cutting) {
    case FY_SIM_SINGLE_BYTES:
        return left ? 1 : 0;
    case FY_SIM_PIECES:
        return left ? fy_chance_between(&sim->chance, 1, left) : 0;
    default:
        return left;
    }
}

static void pipe_on_arrive(void *arg)
{
    struct fy_sim_pipe *pipe = arg;
    struct fy_sim *sim = pipe->sim;
    struct fy_sim_run *run = first_run(pipe);
    enum fy_sim_run_kind kind = run->kind;
    const uint8_t *data = NULL;
    size_t len = 0;

    if (waits_for_end(pipe))
        return;
    if (kind != FY_SIM_RUN_BREAK && !fy_sim_path_is_open(pipe->sender, pipe->receiver)) {
        pipe->is_held_up = true;
        fy_sim_trace(sim, pipe->receiver, FY_SIM_TRACE_HELD_UP, pipe->conn, 0);
        return;
    }
    if (kind == FY_SIM_RUN_BYTES) {
        data = run->data + run->off;
        len = piece_len(sim, run);
        run->off += len;
    }
    if (run->off == run->len) {
        take_out(pipe, run);
        expect(pipe, sim->now_ns);
    } else {
        expect(pipe, sim->now_ns + fy_chance_between(&sim->chance, 0, MAX_PIECE_GAP_NS));
    }
    pipe->ops->on_run(pipe, kind, data, len);
}

static void pipe_on_ack(void *arg)
{
    struct fy_sim_pipe *pipe = arg;
    struct fy_sim *sim = pipe->sim;

    if (!fy_sim_path_is_open(pipe->receiver, pipe->sender)) {
        pipe->is_ack_held_up = true;
        return;
    }
    assert(pipe->to_ack <= pipe->unacked);
    fy_sim_trace(sim, pipe->sender, FY_SIM_TRACE_ACK, pipe->conn, pipe->to_ack);
    pipe->unacked -= pipe->to_ack;
    pipe->to_ack = 0;
    pipe->ops->on_ack(pipe);
}

void fy_sim_pipe_init(struct fy_sim_pipe *pipe, const struct fy_sim_pipe_ops *ops, struct fy_sim_node *sender,
                      struct fy_sim_node *receiver, struct fy_sim *sim)
{
    *pipe = (struct fy_sim_pipe){.ops = ops, .sim = sim, .sender = sender, .receiver = receiver};
    fy_list_init(&pipe->runs);
    fy_list_init(&pipe->spent);
    fy_timer_init(&pipe->arrive, &sim->events, pipe_on_arrive, pipe);
    fy_timer_init(&pipe->ack, &sim->events, pipe_on_ack, pipe);
}

void fy_sim_pipe_free_spent(struct fy_sim_pipe *pipe)
{
    struct fy_node *node;

    while ((node = fy_list_take_first(&pipe->spent)))
        free(fy_container(node, struct fy_sim_run, node));
}

void fy_sim_pipe_release(struct fy_sim_pipe *pipe)
{
    fy_sim_pipe_clear(pipe);
    fy_sim_pipe_free_spent(pipe);
    fy_timer_unset(&pipe->ack);
}

void fy_sim_pipe_mark(struct fy_sim_pipe *pipe, struct fy_sim_run *mark, enum fy_sim_run_kind kind)
{
    assert(kind != FY_SIM_RUN_BYTES);
    mark->kind = kind;
    append(pipe, mark);
}

int fy_sim_pipe_write(struct fy_sim_pipe *pipe, const void *data, size_t len)
{
    struct fy_sim_run *run;

    assert(len > 0 && len <= fy_sim_pipe_space(pipe));
    run = malloc(sizeof(*run) + len);
    if (!run)
        return FERRY_ERR_NOMEM;
    *run = (struct fy_sim_run){.kind = FY_SIM_RUN_BYTES, .len = len, .data = (uint8_t *)(run + 1)};
    memcpy(run->data, data, len);
    pipe->unacked += len;
    append(pipe, run);
    return FERRY_OK;
}

size_t fy_sim_pipe_space(const struct fy_sim_pipe *pipe)
{
    return pipe->sim->cfg.window_bytes - pipe->unacked;
}

void fy_sim_pipe_took(struct fy_sim_pipe *pipe, size_t len)
{
    struct fy_sim *sim = pipe->sim;

    pipe->to_ack += len;
    if (pipe->unacked > sim->cfg.window_bytes / 2 && !pipe->is_ack_held_up && !fy_timer_is_set(&pipe->ack))
        fy_timer_set(&pipe->ack, fy_sim_arrival_ns(sim, pipe->receiver, pipe->sender));
}

void fy_sim_pipe_pause(struct fy_sim_pipe *pipe, bool is_paused)
{
    bool was_paused = pipe->is_paused;

    pipe->is_paused = is_paused;
    if (was_paused && !is_paused && !fy_timer_is_set(&pipe->arrive))
        expect(pipe, pipe->sim->now_ns);
}

void fy_sim_pipe_clear(struct fy_sim_pipe *pipe)
{
    fy_timer_unset(&pipe->arrive);
    pipe->is_held_up = false;
    while (!fy_list_is_empty(&pipe->runs))
        take_out(pipe, first_run(pipe));
}

void fy_sim_pipe_resume(struct fy_sim_pipe *pipe)
{
    struct fy_sim *sim = pipe->sim;

    if (pipe->is_held_up && fy_sim_path_is_open(pipe->sender, pipe->receiver)) {
        pipe->is_held_up = false;
        expect(pipe, fy_sim_arrival_ns(sim, pipe->sender, pipe->receiver));
    }
    if (pipe->is_ack_held_up && fy_sim_path_is_open(pipe->receiver, pipe->sender)) {
        pipe->is_ack_held_up = false;
        fy_timer_set(&pipe->ack, fy_sim_arrival_ns(sim, pipe->receiver, pipe->sender));
    }
}
