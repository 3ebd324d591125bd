/*
 * raft_io - the raft_io that is given to libraft: messages go through a transport, all else to an inner raft_io.
 *
 * Out: send converts libraft's message to raftpb and gives it to the transport, which encodes it at once.  The next
 * turn calls the request back.  The data of a snapshot is lent to the transport as a body, and its request is called
 * back when the body is no longer read.  A message that the transport refuses counts as lost: it is called back as
 * failed, because libraft 0.22 does not bear a send that returns an error.
 * In: the transport calls process on the loop; the message is converted, in memory of raft_malloc, and handed to the
 * core.
 *
 * The transport's peers follow the core's configuration, which is checked wherever it may have changed: after a
 * message, at each tick, and before sending.  When the transport reports a peer as unreachable, the next AppendEntries
 * to it is called back as failed, so that libraft 0.15 goes back to probing it.
 *
 * Closing: all queued and lent requests are called back as canceled, the inner raft_io is closed, and when both are
 * done the core is told.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/libraft/adapter.h"
#include "adapters/libraft/raft_message.h"

#define MAX_BURST_BYTES ((size_t)16 << 20) /* of the entries of one AppendEntries, in all its pieces */

static struct ferry_libraft *adapter_of(struct raft_io *io)
{
    return io->impl;
}

static void wake(void *ctx)
{
    struct ferry_libraft *lr = ctx;

    if (lr->wake)
        lr->wake(lr->wake_ctx);
}

/* ---- Members ------------------------------------------------------------------------------------------------------
 */

static void on_member_failed(void *ctx, raft_id id, const char *address, int err)
{
    struct ferry_libraft *lr = ctx;

    if (lr->config.report_peer)
        lr->config.report_peer(lr->config.ctx, id, address, err);
}

static void follow_configuration(struct ferry_libraft *lr)
{
    if (lr->recv && !lr->is_closing)
        fy_members_follow(&lr->members, lr->io.data, lr->t, on_member_failed, lr);
}

/* ---- Out ----------------------------------------------------------------------------------------------------------
 */

static int refuse(struct ferry_libraft *lr, int rv, const char *why)
{
    (void)snprintf(lr->io.errmsg, sizeof(lr->io.errmsg), "send: %s", why);
    return rv;
}

static int status_for(int err)
{
    switch (err) {
    case FERRY_OK:
        return 0;
    case FERRY_ERR_NOMEM:
        return RAFT_NOMEM;
    case FERRY_ERR_INVALID:
        return RAFT_INVALID;
    default:
        return RAFT_NOCONNECTION;
    }
}

static void complete_later(struct ferry_libraft *lr, struct raft_io_send *req, const struct raft_message *message,
                           int status)
{
    bool is_first = lr->completions.n == 0;

    fy_completions_add(&lr->completions, &(struct fy_completion){.req = req,
                                                                 .to = message->server_id,
                                                                 .is_append = message->type == RAFT_APPEND_ENTRIES,
                                                                 .status = status});
    if (is_first)
        wake(lr);
}

/*
 * A follower that is in step gets all entries that libraft gives, a piece after the other.  Any other gets the first
 * piece alone: libraft waits for its answer, or its silence, before it goes on, and gives the same again.
 */
static int send_pieces(struct ferry_libraft *lr, struct fy_raft_out *out)
{
    int err;

    do {
        fy_raft_out_cut(out, lr->config.max_append_bytes);
        err = ferry_transport_send(lr->t, &out->msg, 1);
    } while (err == FERRY_OK && fy_raft_out_next(out));
    return err;
}

/* How many bytes of the entries for this server are sent at once. */
static size_t append_limit(const struct ferry_libraft *lr, raft_id id)
{
    const struct fy_member *member = fy_members_find(&lr->members, id);
    size_t piece = lr->config.max_append_bytes;

    return member && member->is_heard && piece < MAX_BURST_BYTES ? MAX_BURST_BYTES : piece;
}

static int give_to_transport(struct ferry_libraft *lr, struct raft_io_send *req, const struct raft_message *message)
{
    struct fy_raft_out out;
    int err = fy_raft_out_init(&out, message, lr->id, lr->address, append_limit(lr, message->server_id));

    if (err != FERRY_OK)
        return err;
    if (message->type == RAFT_INSTALL_SNAPSHOT) {
        out.snapshot.term = fy_snapshot_load_term(&lr->snapshot_load, &message->install_snapshot);
        err = fy_snapshots_send(&lr->snapshots, lr->t, &out.msg, &message->install_snapshot.data, req);
    } else {
        err = send_pieces(lr, &out);
    }
    fy_raft_out_release(&out);
    return err;
}

static int io_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *message, raft_io_send_cb cb)
{
    struct ferry_libraft *lr = adapter_of(io);
    int err;

    req->cb = cb;
    if (lr->is_closing || !lr->t)
        return refuse(lr, RAFT_NOCONNECTION, "closed, or not attached to a transport");
    if (lr->snapshot_load.has_failed && message->type == RAFT_INSTALL_SNAPSHOT)
        return refuse(lr, RAFT_NOCONNECTION, "the snapshot could not be loaded");
    if (!fy_completions_reserve(&lr->completions))
        return refuse(lr, RAFT_NOMEM, ferry_strerror(FERRY_ERR_NOMEM));
    follow_configuration(lr);
    err = give_to_transport(lr, req, message);
    if (!cb) /* req may be freed with the raft_transfer that it is part of */
        return err == FERRY_OK ? 0 : refuse(lr, status_for(err), ferry_strerror(err));
    if (err != FERRY_OK || message->type != RAFT_INSTALL_SNAPSHOT)
        complete_later(lr, req, message, status_for(err));
    return 0;
}

/* ---- Calling back -------------------------------------------------------------------------------------------------
 */

static void call_back(struct raft_io_send *req, int status)
{
    if (req->cb)
        req->cb(req, status);
}

/* The status that a send is called back with. */
static int status_of(struct ferry_libraft *lr, const struct fy_completion *item)
{
    struct fy_member *member;

    if (lr->is_closing)
        return RAFT_CANCELED;
    if (item->status != 0)
        return item->status;
    member = item->is_append ? fy_members_find(&lr->members, item->to) : NULL;
    if (!member || !member->is_unreachable)
        return 0;
    member->is_unreachable = false;
    return RAFT_NOCONNECTION;
}

/* What is sent from inside of a callback waits for the next turn. */
static void fire_completions(struct ferry_libraft *lr)
{
    struct fy_completions empty = lr->firing;

    lr->firing = lr->completions;
    lr->completions = empty;
    for (size_t i = 0; i < lr->firing.n; i++)
        call_back(lr->firing.items[i].req, status_of(lr, &lr->firing.items[i]));
    lr->firing.n = 0;
}

static void fire_snapshots(struct ferry_libraft *lr)
{
    struct raft_io_send *req;
    int err;

    while ((req = fy_snapshots_take_sent(&lr->snapshots, &err))) {
        int status = err == FERRY_OK ? 0 : RAFT_NOCONNECTION;

        call_back(req, lr->is_closing ? RAFT_CANCELED : status);
    }
}

/* The core is told when nothing of its own is out any more; lr may be gone after it. */
static void finish_closing(struct ferry_libraft *lr)
{
    raft_io_close_cb cb = lr->close_cb;

    if (!lr->is_inner_closed || lr->completions.n > 0 || !fy_list_is_empty(&lr->snapshots.sending) || !cb)
        return;
    lr->close_cb = NULL;
    cb(&lr->io);
}

void ferry_libraft_turn(struct ferry_libraft *lr)
{
    assert(lr->firing.n == 0);
    fire_completions(lr);
    fire_snapshots(lr);
    if (lr->is_closing)
        finish_closing(lr);
}

/* ---- In -----------------------------------------------------------------------------------------------------------
 */

/* A server's address when its message does not tell it: of the configuration, or of the leader.  False: unknown. */
static bool find_address(const struct raft *r, raft_id id, char ret_address[FERRY_LIBRAFT_ADDRESS_MAX + 1])
{
    const char *address = NULL;

    for (unsigned i = 0; i < r->configuration.n && !address; i++)
        if (r->configuration.servers[i].id == id)
            address = r->configuration.servers[i].address;
    if (!address && r->state == RAFT_FOLLOWER && r->follower_state.current_leader.id == id)
        address = r->follower_state.current_leader.address;
    if (!address || strlen(address) > FERRY_LIBRAFT_ADDRESS_MAX)
        return false;
    memcpy(ret_address, address, strlen(address) + 1);
    return true;
}

/*
 * A follower that has a leader refuses votes.  When it is that leader who asks for one, it leads no more, and its last
 * heartbeats have only been late: after an outage they come when it has stepped down.  It is then the one with the most
 * entries, and often the only one that can be elected, and all of its followers would wait for each other.
 */
static bool asks_instead_of_leading(const struct raft *r, const struct raft_message *message)
{
    return message->type == RAFT_REQUEST_VOTE && r->state == RAFT_FOLLOWER &&
           r->follower_state.current_leader.id == message->request_vote.candidate_id;
}

/* An answer to entries tells whether the server is in step. */
static void note_answer(struct ferry_libraft *lr, const struct ferry_message *msg)
{
    struct fy_member *member = msg->type == FERRY_MSG_APP_RESP ? fy_members_find(&lr->members, msg->from) : NULL;

    if (member)
        member->is_heard = !msg->reject;
}

static int receive(struct ferry_libraft *lr, const struct ferry_message *msg, struct raft_buffer *body)
{
    struct raft_message message;
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    int err = fy_raft_in_init(&message, msg, body, sender);

    if (err != FERRY_OK)
        return err;
    if (sender[0] == '\0' && !find_address(lr->io.data, msg->from, sender)) {
        fy_raft_in_release(&message);
        return FERRY_ERR_NOT_FOUND;
    }
    message.server_address = sender;
    if (message.type == RAFT_INSTALL_SNAPSHOT && fy_raft_cannot_install(lr->io.data)) {
        fy_raft_in_release(&message);
        return FERRY_OK; /* the leader sends it again */
    }
    note_answer(lr, msg);
    if (asks_instead_of_leading(lr->io.data, &message))
        message.request_vote.disrupt_leader = true;
    lr->recv(&lr->io, &message);
    fy_core_view_on_received(&lr->view, lr->io.data, msg);
    follow_configuration(lr);
    return FERRY_OK;
}

static enum ferry_verdict judge(struct ferry_libraft *lr, const struct ferry_message *msg,
                                const struct raft_buffer *body)
{
    struct fy_voucher voucher = {lr->config.is_member, lr->config.ctx};
    enum ferry_verdict verdict = fy_core_view_judge(&lr->view, lr->io.data, msg, &voucher);

    if (verdict == FERRY_VERDICT_ADMIT && msg->type == FERRY_MSG_SNAP && lr->config.is_snapshot) {
        const void *data = body ? body->base : msg->snapshot->data.data;
        size_t len = body ? body->len : msg->snapshot->data.len;

        if (!lr->config.is_snapshot(lr->config.ctx, data, len))
            verdict = FERRY_VERDICT_MALFORMED_SNAPSHOT;
    }
    if (verdict == FERRY_VERDICT_ADMIT)
        return verdict;
    lr->n_refused[verdict]++;
    if (lr->config.report_refused)
        lr->config.report_refused(lr->config.ctx, msg, verdict);
    return verdict;
}

static int on_message(void *ctx, const struct ferry_message *msg)
{
    struct ferry_libraft *lr = ctx;
    struct raft_buffer body = {.base = NULL};
    bool has_body = msg->type == FERRY_MSG_SNAP && fy_snapshots_take_body(&lr->snapshots, msg, &body);
    int err = FERRY_ERR_STATE;

    if (lr->recv && !lr->is_closing)
        err = judge(lr, msg, has_body ? &body : NULL) == FERRY_VERDICT_ADMIT ? receive(lr, msg, has_body ? &body : NULL)
                                                                             : FERRY_ERR_INVALID;
    raft_free(body.base); /* NULL once the message has it */
    return err;
}

static void on_unreachable(void *ctx, uint64_t id)
{
    struct ferry_libraft *lr = ctx;
    struct fy_member *member = fy_members_find(&lr->members, id);

    if (!member)
        return;
    member->is_unreachable = true;
    member->is_heard = false;
}

static bool is_id_removed(void *ctx, uint64_t id)
{
    struct ferry_libraft *lr = ctx;

    return lr->config.is_id_removed && lr->config.is_id_removed(lr->config.ctx, id);
}

static void on_fatal(void *ctx, int err)
{
    struct ferry_libraft *lr = ctx;

    if (lr->config.report_fatal)
        lr->config.report_fatal(lr->config.ctx, err);
}

/* ---- What the inner one calls -------------------------------------------------------------------------------------
 */

/* inner->data is the struct raft: libraft's uv backend uses it as such. */
static struct ferry_libraft *adapter_of_inner(struct raft_io *inner)
{
    struct raft *r = inner->data;

    return adapter_of(r->io);
}

static void on_inner_tick(struct raft_io *inner)
{
    struct ferry_libraft *lr = adapter_of_inner(inner);

    if (lr->is_closing)
        return;
    follow_configuration(lr);
    lr->tick(&lr->io);
}

static void on_inner_recv(struct raft_io *inner, struct raft_message *message)
{
    struct ferry_libraft *lr = adapter_of_inner(inner);

    lr->recv(&lr->io, message);
}

static void on_inner_closed(struct raft_io *inner)
{
    struct ferry_libraft *lr = adapter_of_inner(inner);

    lr->is_inner_closed = true;
    finish_closing(lr);
}

/* ---- What goes to the inner one -----------------------------------------------------------------------------------
 */

/* rv, which the inner raft_io returned; where it is an error, its text becomes that of our own raft_io. */
static int pass_on(struct ferry_libraft *lr, int rv)
{
    if (rv != 0)
        memcpy(lr->io.errmsg, lr->inner->errmsg, sizeof(lr->io.errmsg));
    return rv;
}

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    struct ferry_libraft *lr = adapter_of(io);

    if (!fy_raft_context_is_address(address)) {
        (void)snprintf(io->errmsg, sizeof(io->errmsg), "an address is 1 to %d printable characters",
                       FERRY_LIBRAFT_ADDRESS_MAX);
        return RAFT_INVALID;
    }
    lr->id = id;
    memcpy(lr->address, address, strlen(address) + 1);
    lr->inner->data = io->data;
    return pass_on(lr, lr->inner->init(lr->inner, id, address));
}

static int io_load(struct raft_io *io, raft_term *term, raft_id *voted_for, struct raft_snapshot **snapshot,
                   raft_index *start_index, struct raft_entry *entries[], size_t *n_entries)
{
    struct ferry_libraft *lr = adapter_of(io);

    int rv = lr->inner->load(lr->inner, term, voted_for, snapshot, start_index, entries, n_entries);

    if (rv == 0) {
        lr->term = *term;
        fy_core_view_on_load(&lr->view, *snapshot, *start_index, *entries, *n_entries);
    }
    return pass_on(lr, rv);
}

static int io_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    struct ferry_libraft *lr = adapter_of(io);
    int rv;

    if (!lr->t) {
        (void)snprintf(io->errmsg, sizeof(io->errmsg), "not attached to a transport");
        return RAFT_INVALID;
    }
    lr->tick = tick;
    lr->recv = recv;
    rv = pass_on(lr, lr->inner->start(lr->inner, msecs, on_inner_tick, on_inner_recv));
    if (rv != 0)
        lr->recv = NULL;
    follow_configuration(lr);
    return rv;
}

static int io_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    struct ferry_libraft *lr = adapter_of(io);

    return pass_on(lr, lr->inner->bootstrap(lr->inner, conf));
}

static int io_recover(struct raft_io *io, const struct raft_configuration *conf)
{
    struct ferry_libraft *lr = adapter_of(io);

    return pass_on(lr, lr->inner->recover(lr->inner, conf));
}

/* 0.22 sets the term before each vote, also one that is stored already: to store it again would forget the vote. */
static int io_set_term(struct raft_io *io, raft_term term)
{
    struct ferry_libraft *lr = adapter_of(io);
    int rv;

    if (term == lr->term)
        return 0;
    rv = pass_on(lr, lr->inner->set_term(lr->inner, term));
    if (rv == 0)
        lr->term = term;
    fy_members_forget_heard(&lr->members); /* a new leader knows nothing of its followers */
    return rv;
}

static int io_set_vote(struct raft_io *io, raft_id id)
{
    struct ferry_libraft *lr = adapter_of(io);

    return pass_on(lr, lr->inner->set_vote(lr->inner, id));
}

static int io_append(struct raft_io *io, struct raft_io_append *req, const struct raft_entry entries[], unsigned n,
                     raft_io_append_cb cb)
{
    struct ferry_libraft *lr = adapter_of(io);

    fy_core_view_on_append(&lr->view, io->data, entries, n);
    return pass_on(lr, lr->inner->append(lr->inner, req, entries, n, cb));
}

static int io_truncate(struct raft_io *io, raft_index index)
{
    struct ferry_libraft *lr = adapter_of(io);

    fy_core_view_on_truncate(&lr->view, index);
    return pass_on(lr, lr->inner->truncate(lr->inner, index));
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                           const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct ferry_libraft *lr = adapter_of(io);

    fy_core_view_on_snapshot(&lr->view, snapshot, trailing);
    return pass_on(lr, lr->inner->snapshot_put(lr->inner, trailing, req, snapshot, cb));
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req, raft_io_snapshot_get_cb cb)
{
    struct ferry_libraft *lr = adapter_of(io);

    return pass_on(lr, fy_snapshot_load_start(&lr->snapshot_load, lr->inner, req, cb));
}

/* 0.22 asks for the time, and then reads the capacity, for each event that it handles. */
static raft_time io_time(struct raft_io *io)
{
    struct raft_io *inner = adapter_of(io)->inner;

    fy_raft_copy_capacity(io, inner);
    return inner->time(inner);
}

static int io_random(struct raft_io *io, int min, int max)
{
    struct raft_io *inner = adapter_of(io)->inner;

    return inner->random(inner, min, max);
}

static void io_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct ferry_libraft *lr = adapter_of(io);

    assert(!lr->is_closing);
    lr->is_closing = true;
    lr->close_cb = cb;
    if (lr->t)
        fy_members_clear(&lr->members, lr->t); /* which ends the snapshots that are on their way to them */
    lr->inner->close(lr->inner, on_inner_closed);
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

static void fill_raft_io(struct ferry_libraft *lr)
{
    lr->io = (struct raft_io){
        .version = lr->inner->version,
        .impl = lr,
        .init = io_init,
        .close = io_close,
        .load = io_load,
        .start = io_start,
        .bootstrap = io_bootstrap,
        .recover = io_recover,
        .set_term = io_set_term,
        .set_vote = io_set_vote,
        .send = io_send,
        .append = io_append,
        .truncate = io_truncate,
        .snapshot_put = io_snapshot_put,
        .snapshot_get = io_snapshot_get,
        .time = io_time,
        .random = io_random,
    };
    fy_raft_forward_async_work(lr);
}

int ferry_libraft_new(const struct ferry_libraft_config *config, struct ferry_libraft **ret_lr)
{
    struct ferry_libraft *lr;

    if (config->size != sizeof(*config) || !config->inner || config->max_append_bytes == 0)
        return FERRY_ERR_INVALID;
    lr = calloc(1, sizeof(*lr));
    if (!lr)
        return FERRY_ERR_NOMEM;
    lr->config = *config;
    fy_libraft_set_wake(lr, config->wake, config->ctx);
    lr->inner = config->inner;
    fy_snapshots_init(&lr->snapshots, wake, lr);
    fill_raft_io(lr);
    *ret_lr = lr;
    return FERRY_OK;
}

void ferry_libraft_free(struct ferry_libraft *lr)
{
    if (!lr)
        return;
    fy_members_release(&lr->members);
    fy_completions_release(&lr->completions);
    fy_completions_release(&lr->firing);
    fy_snapshots_release(&lr->snapshots);
    fy_core_view_release(&lr->view);
    free(lr);
}

void ferry_libraft_configure(struct ferry_libraft *lr, struct ferry_config *config)
{
    static const struct ferry_config usual = FERRY_CONFIG_INIT;

    config->core = (struct ferry_core){.ctx = lr,
                                       .process = on_message,
                                       .is_id_removed = is_id_removed,
                                       .report_unreachable = on_unreachable,
                                       .report_fatal = on_fatal};
    config->snapshot_sink = fy_snapshots_sink(&lr->snapshots);
    config->delivery = FERRY_DELIVER_HOST;
    if (config->max_snapshot_bytes == usual.max_snapshot_bytes)
        config->max_snapshot_bytes = (uint64_t)1 << 30;
}

void ferry_libraft_attach(struct ferry_libraft *lr, struct ferry_transport *t)
{
    assert(!lr->t);
    lr->t = t;
}

uint64_t ferry_libraft_n_refused(const struct ferry_libraft *lr, enum ferry_verdict verdict)
{
    return (unsigned)verdict < FERRY_N_VERDICTS ? lr->n_refused[verdict] : 0;
}

struct raft_io *ferry_libraft_io(struct ferry_libraft *lr)
{
    return &lr->io;
}

void fy_libraft_set_wake(struct ferry_libraft *lr, void (*fn)(void *ctx), void *ctx)
{
    lr->wake = fn;
    lr->wake_ctx = ctx;
}
