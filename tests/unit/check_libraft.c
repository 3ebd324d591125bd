/*
 * The raft_io on a simulated network: two of them, each with an inner one that only notes what it is asked, and a core
 * that is played here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/libraft/raft_compat.h"
#include "adapters/libraft/raft_context.h"
#include "ferry/libraft.h"
#include "harness/heap.h"
#include "harness/raft_heap.h"
#include "harness/rig.h"
#include "net/sim/sim.h"
#include "transport/transport.h"

#define N 2
#define MAX_SEEN 64
#define SECOND_MS 1000

struct side {
    struct fy_sim_node *node;
    struct ferry_transport *t;
    struct raft_io inner;
    struct ferry_libraft *lr;
    struct raft raft;
    char address[32];

    unsigned n_wakes;
    unsigned n_seen;
    struct raft_message seen[MAX_SEEN]; /* with what is the core's in it */
    char seen_address[MAX_SEEN][64];
    unsigned n_peers_failed;
    unsigned n_refused;
    enum ferry_verdict refused_for; /* the last */
    uint64_t failed_id;
    int failed_err;
    unsigned n_ticks;
    bool is_closed;

    const char *asked; /* of the inner one, last */
    raft_io_tick_cb tick;
    raft_io_close_cb close_cb;
    struct raft_io_snapshot_get *get_req;
    int inner_rv;
};

static struct fy_sim *sim;
static struct side sides[N];

static struct side *side_of_inner(struct raft_io *inner)
{
    return inner->impl;
}

/* ---- The inner one ------------------------------------------------------------------------------------------------
 */

static int noted(struct raft_io *inner, const char *what)
{
    struct side *side = side_of_inner(inner);

    side->asked = what;
    if (side->inner_rv != 0)
        (void)snprintf(inner->errmsg, sizeof(inner->errmsg), "no %s", what);
    return side->inner_rv;
}

static int inner_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)id;
    (void)address;
    return noted(io, "init");
}

static void inner_close(struct raft_io *io, raft_io_close_cb cb)
{
    side_of_inner(io)->asked = "close";
    side_of_inner(io)->close_cb = cb;
}

/* What is loaded, and stored as a snapshot. */
static struct raft_snapshot stored_snapshot = {.index = 2, .term = 1};
static struct raft_entry stored_entries[] = {{.term = 2}, {.term = 2}, {.term = 4}};

static int inner_load(struct raft_io *io, raft_term *term, raft_id *voted_for, struct raft_snapshot **snapshot,
                      raft_index *start_index, struct raft_entry *entries[], size_t *n_entries)
{
    *term = 7;
    (void)voted_for;
    *snapshot = &stored_snapshot;
    *start_index = 3;
    *entries = stored_entries;
    *n_entries = sizeof(stored_entries) / sizeof(stored_entries[0]);
    return noted(io, "load");
}

static int inner_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    (void)msecs;
    (void)recv;
    side_of_inner(io)->tick = tick;
    return noted(io, "start");
}

static int inner_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    (void)conf;
    return noted(io, "bootstrap");
}

static int inner_recover(struct raft_io *io, const struct raft_configuration *conf)
{
    (void)conf;
    return noted(io, "recover");
}

static int inner_set_term(struct raft_io *io, raft_term term)
{
    (void)term;
    return noted(io, "set_term");
}

static int inner_set_vote(struct raft_io *io, raft_id id)
{
    (void)id;
    return noted(io, "set_vote");
}

static int inner_append(struct raft_io *io, struct raft_io_append *req, const struct raft_entry entries[], unsigned n,
                        raft_io_append_cb cb)
{
    (void)req;
    (void)entries;
    (void)n;
    (void)cb;
    return noted(io, "append");
}

static int inner_truncate(struct raft_io *io, raft_index index)
{
    (void)index;
    return noted(io, "truncate");
}

static int inner_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                              const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    (void)trailing;
    (void)req;
    (void)snapshot;
    (void)cb;
    return noted(io, "snapshot_put");
}

static int inner_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req, raft_io_snapshot_get_cb cb)
{
    struct side *side = side_of_inner(io);

    req->cb = cb;
    side->get_req = req;
    return noted(io, "snapshot_get");
}

#if !FY_RAFT_IS_0_22
static int inner_async_work(struct raft_io *io, struct raft_io_async_work *req, raft_io_async_work_cb cb)
{
    (void)req;
    (void)cb;
    return noted(io, "async_work");
}
#endif

static raft_time inner_time(struct raft_io *io)
{
    (void)io;
    return 12345;
}

static int inner_random(struct raft_io *io, int min, int max)
{
    (void)io;
    (void)min;
    return max - 1;
}

static void fill_inner(struct side *side)
{
    side->inner = (struct raft_io){.version = 2,
                                   .impl = side,
                                   .init = inner_init,
                                   .close = inner_close,
                                   .load = inner_load,
                                   .start = inner_start,
                                   .bootstrap = inner_bootstrap,
                                   .recover = inner_recover,
                                   .set_term = inner_set_term,
                                   .set_vote = inner_set_vote,
                                   .append = inner_append,
                                   .truncate = inner_truncate,
                                   .snapshot_put = inner_snapshot_put,
                                   .snapshot_get = inner_snapshot_get,
                                   .time = inner_time,
                                   .random = inner_random};
#if !FY_RAFT_IS_0_22
    side->inner.async_work = inner_async_work;
#endif
}

/* ---- The core -----------------------------------------------------------------------------------------------------
 */

static void on_tick(struct raft_io *io)
{
    ((struct side *)((struct raft *)io->data)->data)->n_ticks++;
}

static void on_recv(struct raft_io *io, struct raft_message *message)
{
    struct side *side = ((struct raft *)io->data)->data;

    ck_assert_uint_lt(side->n_seen, MAX_SEEN);
    (void)snprintf(side->seen_address[side->n_seen], 64, "%s", message->server_address);
    side->seen[side->n_seen++] = *message;
}

static void on_closed(struct raft_io *io)
{
    ((struct side *)((struct raft *)io->data)->data)->is_closed = true;
}

static void on_wake(void *ctx)
{
    ((struct side *)ctx)->n_wakes++;
}

static void on_peer_failed(void *ctx, uint64_t id, const char *address, int err)
{
    struct side *side = ctx;

    (void)address;
    side->n_peers_failed++;
    side->failed_id = id;
    side->failed_err = err;
}

static void forget_seen(struct side *side)
{
    for (unsigned i = 0; i < side->n_seen; i++) {
        struct raft_message *message = &side->seen[i];

        if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0) {
            raft_free(message->append_entries.entries[0].batch);
            raft_free(message->append_entries.entries);
        } else if (message->type == RAFT_INSTALL_SNAPSHOT) {
            raft_configuration_close(&message->install_snapshot.conf);
            raft_free(message->install_snapshot.data.base);
        }
    }
    side->n_seen = 0;
}

/* ---- Both sides ---------------------------------------------------------------------------------------------------
 */

static void on_refused(void *ctx, const struct ferry_message *msg, enum ferry_verdict verdict)
{
    struct side *side = ctx;

    (void)msg;
    side->n_refused++;
    side->refused_for = verdict;
}

static bool vouches_for_77(void *ctx, uint64_t id)
{
    (void)ctx;
    return id == 77;
}

static bool is_restorable(void *ctx, const void *data, size_t len)
{
    (void)ctx;
    return len < 3 || memcmp(data, "bad", 3) != 0;
}

static struct raft_io *io_of(int i)
{
    return ferry_libraft_io(sides[i].lr);
}

static void make_side(int i)
{
    struct side *side = &sides[i];
    struct ferry_libraft_config config = FERRY_LIBRAFT_CONFIG_INIT;
    struct ferry_config ferry = FERRY_CONFIG_INIT;
    const char *const listen[] = {side->address, NULL};
    char host[8];

    (void)snprintf(host, sizeof(host), "n%d", i + 1);
    (void)snprintf(side->address, sizeof(side->address), "http://n%d:80", i + 1);
    ck_assert_int_eq(fy_sim_add_node(sim, host, &side->node), FERRY_OK);
    fill_inner(side);
    config.inner = &side->inner;
    config.ctx = side;
    config.wake = on_wake;
    config.report_peer = on_peer_failed;
    config.report_refused = on_refused;
    config.is_member = vouches_for_77;
    config.is_snapshot = is_restorable;
    ck_assert_int_eq(ferry_libraft_new(&config, &side->lr), FERRY_OK);
    ferry.id = (uint64_t)i + 1;
    ferry.cluster_id = 7;
    ferry.listen_urls = listen;
    ferry_libraft_configure(side->lr, &ferry);
    ck_assert_int_eq(fy_transport_new_on(&ferry, fy_sim_node_net(side->node), &side->t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(side->t), FERRY_OK);
    ferry_libraft_attach(side->lr, side->t);
    side->raft.id = (raft_id)i + 1;
    side->raft.data = side;
    side->raft.io = io_of(i);
    io_of(i)->data = &side->raft;
    raft_configuration_init(&side->raft.configuration);
    ck_assert_int_eq(io_of(i)->init(io_of(i), (raft_id)i + 1, side->address), 0);
}

static void know_each_other(int i)
{
    for (int j = 0; j < N; j++)
        ck_assert_int_eq(
            raft_configuration_add(&sides[i].raft.configuration, (raft_id)j + 1, sides[j].address, RAFT_VOTER), 0);
    fy_raft_set_configuration_index(&sides[i].raft, 1);
}

static void start_side(int i)
{
    ck_assert_int_eq(io_of(i)->start(io_of(i), 100, on_tick, on_recv), 0);
}

static void turn_all(void)
{
    for (int i = 0; i < N; i++)
        if (sides[i].lr)
            ferry_libraft_turn(sides[i].lr);
}

/* Let so much time pass, a millisecond at a time. */
static void run_ms(unsigned ms)
{
    while (ms-- > 0) {
        fy_sim_run_until(sim, fy_sim_now_ns(sim) + FY_SIM_MS);
        turn_all();
    }
}

static void setup(void)
{
    heap_setup();
    raft_heap_setup();
    memset(sides, 0, sizeof(sides));
    ck_assert_int_eq(fy_sim_new(1, NULL, &sim), FERRY_OK);
    for (int i = 0; i < N; i++)
        make_side(i);
}

static void setup_started(void)
{
    setup();
    for (int i = 0; i < N; i++) {
        know_each_other(i);
        start_side(i);
    }
    run_ms(SECOND_MS);
}

static void teardown(void)
{
    for (int i = 0; i < N; i++) {
        ferry_transport_free(sides[i].t);
        ferry_libraft_turn(sides[i].lr);
        ferry_libraft_free(sides[i].lr);
        forget_seen(&sides[i]);
        raft_configuration_close(&sides[i].raft.configuration);
    }
    fy_sim_free(sim);
    raft_heap_teardown();
    heap_teardown();
}

/* A request that notes its callback. */
struct sent {
    struct raft_io_send req;
    unsigned n_called;
    int status;
};

static void on_sent(struct raft_io_send *req, int status)
{
    struct sent *sent = req->data;

    sent->n_called++;
    sent->status = status;
}

static int send_message(int from, struct sent *sent, const struct raft_message *message)
{
    *sent = (struct sent){.req = {.data = sent}, .status = -1};
    return io_of(from)->send(io_of(from), &sent->req, message, on_sent);
}

static struct raft_message heartbeat(raft_term term)
{
    return (struct raft_message){.type = RAFT_APPEND_ENTRIES,
                                 .server_id = 2,
                                 .server_address = sides[1].address,
                                 .append_entries = {.term = term, .prev_log_index = 5, .prev_log_term = 1}};
}

static struct raft_message snapshot_of(void *data, size_t len)
{
    return (struct raft_message){.type = RAFT_INSTALL_SNAPSHOT,
                                 .server_id = 2,
                                 .server_address = sides[1].address,
                                 .install_snapshot = {.term = 3,
                                                      .last_index = 9,
                                                      .last_term = 2,
                                                      .conf = sides[0].raft.configuration,
                                                      .conf_index = 1,
                                                      .data = {data, len}}};
}

/* ---- Tests --------------------------------------------------------------------------------------------------------
 */

START_TEST(a_send_is_called_back_once_and_never_from_inside)
{
    struct raft_message message = heartbeat(3);
    unsigned n_wakes = sides[0].n_wakes;
    struct sent sent;

    ck_assert_int_eq(send_message(0, &sent, &message), 0);
    ck_assert_uint_eq(sent.n_called, 0);
    ck_assert_uint_eq(sides[0].n_wakes, n_wakes + 1);
    ferry_libraft_turn(sides[0].lr);
    ck_assert_uint_eq(sent.n_called, 1);
    ck_assert_int_eq(sent.status, 0);
    run_ms(100);
    ck_assert_uint_eq(sent.n_called, 1);
    ck_assert_uint_eq(sides[1].n_seen, 1);
    ck_assert_uint_eq(sides[1].seen[0].server_id, 1);
    ck_assert_str_eq(sides[1].seen_address[0], sides[0].address);
    ck_assert_uint_eq(sides[1].seen[0].append_entries.term, 3);
}
END_TEST

static struct sent inner_sent;

static void on_sent_send_again(struct raft_io_send *req, int status)
{
    struct raft_message message = heartbeat(4);

    on_sent(req, status);
    ck_assert_int_eq(send_message(0, &inner_sent, &message), 0);
}

START_TEST(what_is_sent_from_a_callback_waits_for_the_next_turn)
{
    struct raft_message message = heartbeat(3);
    struct sent sent = {.req = {.data = &sent}};

    ck_assert_int_eq(io_of(0)->send(io_of(0), &sent.req, &message, on_sent_send_again), 0);
    ferry_libraft_turn(sides[0].lr);
    ck_assert_uint_eq(sent.n_called, 1);
    ck_assert_uint_eq(inner_sent.n_called, 0);
    ferry_libraft_turn(sides[0].lr);
    ck_assert_uint_eq(inner_sent.n_called, 1);
}
END_TEST

START_TEST(order_is_kept_and_compact_frames_have_an_address)
{
    char data[] = "12345678";
    struct raft_entry entry = {.term = 1, .type = RAFT_COMMAND, .buf = {data, 8}};
    struct sent sent[20];

    for (int i = 0; i < 20; i++) {
        struct raft_message message = heartbeat(1);

        message.append_entries.prev_log_index = 5 + (raft_index)i;
        message.append_entries.entries = &entry;
        message.append_entries.n_entries = 1;
        ck_assert_int_eq(send_message(0, &sent[i], &message), 0);
    }
    run_ms(200);
    ck_assert_uint_eq(sides[1].n_seen, 20);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_eq(sides[1].seen[i].append_entries.prev_log_index, 5 + i);
        ck_assert_uint_eq(sides[1].seen[i].append_entries.n_entries, 1);
        ck_assert_str_eq(sides[1].seen_address[i], sides[0].address);
    }
}
END_TEST

/* The answer of side 1 to entries; 0: they were taken. */
static void answer_append(raft_index rejected)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT,
                                   .server_id = 1,
                                   .server_address = sides[0].address,
                                   .append_entries_result = {.term = 1, .rejected = rejected, .last_log_index = 5}};
    struct sent sent;

    ck_assert_int_eq(send_message(1, &sent, &message), 0);
    run_ms(10);
    ck_assert_uint_eq(sent.n_called, 1);
}

/* How many messages arrive at side 1 for an AppendEntries of four entries, each as large as a piece may be. */
static unsigned count_pieces(void)
{
    static char data[1u << 20];
    struct raft_entry entries[4];
    struct raft_message message = heartbeat(1);
    struct sent sent;

    for (size_t i = 0; i < 4; i++)
        entries[i] = (struct raft_entry){.term = 1, .type = RAFT_COMMAND, .buf = {data, sizeof(data)}};
    message.append_entries.entries = entries;
    message.append_entries.n_entries = 4;
    forget_seen(&sides[1]);
    ck_assert_int_eq(send_message(0, &sent, &message), 0);
    run_ms(500);
    ck_assert_uint_eq(sent.n_called, 1); /* once, in however many pieces it goes */
    for (unsigned i = 0; i < sides[1].n_seen; i++) {
        ck_assert_uint_eq(sides[1].seen[i].append_entries.prev_log_index, 5 + i);
        ck_assert_uint_eq(sides[1].seen[i].append_entries.n_entries, 1);
    }
    return sides[1].n_seen;
}

START_TEST(a_follower_in_step_gets_all_pieces_and_any_other_the_first_alone)
{
    ck_assert_uint_eq(count_pieces(), 1); /* nothing is known of it */
    answer_append(0);
    ck_assert_uint_eq(count_pieces(), 4);
    answer_append(6);
    ck_assert_uint_eq(count_pieces(), 1); /* it refused */
    answer_append(0);
    ck_assert_uint_eq(count_pieces(), 4);
    ck_assert_int_eq(io_of(0)->set_term(io_of(0), 99), 0);
    ck_assert_uint_eq(count_pieces(), 1); /* a new term */
    answer_append(0);
    ck_assert_uint_eq(count_pieces(), 4);
}
END_TEST

START_TEST(what_a_dead_follower_lacks_is_not_sent_to_it_again_and_again)
{
    struct ferry_peer_status status;
    uint64_t n_sent;

    answer_append(0);
    ck_assert_uint_eq(count_pieces(), 4);
    forget_seen(&sides[1]);
    fy_sim_crash_node(sides[1].node, FERRY_SIM_CRASH_PROCESS);
    ferry_transport_free(sides[1].t);
    sides[1].t = NULL;
    run_ms(100);
    (void)count_pieces(); /* reported as unreachable */
    run_ms(500);
    ck_assert_int_eq(ferry_transport_peer_status(sides[0].t, 2, &status), FERRY_OK);
    n_sent = status.counts.sent;
    for (int i = 0; i < 10; i++)
        (void)count_pieces();
    ck_assert_int_eq(ferry_transport_peer_status(sides[0].t, 2, &status), FERRY_OK);
    ck_assert_uint_eq(status.counts.sent, n_sent + 10);
    ck_assert_uint_le(status.queued_messages, 1);
}
END_TEST

START_TEST(after_a_report_one_append_entries_is_called_back_as_failed)
{
    struct raft_message message = heartbeat(3);
    struct raft_message vote = {
        .type = RAFT_REQUEST_VOTE, .request_vote.candidate_id = 1, .server_id = 2, .server_address = sides[1].address};
    struct sent sent;

    fy_sim_crash_node(sides[1].node, FERRY_SIM_CRASH_PROCESS);
    ferry_transport_free(sides[1].t);
    sides[1].t = NULL;
    run_ms(100);
    ck_assert_int_eq(send_message(0, &sent, &message), 0); /* its POST fails */
    run_ms(SECOND_MS);
    ck_assert_int_eq(sent.status, 0); /* Ferry had it */
    ck_assert_int_eq(send_message(0, &sent, &vote), 0);
    ferry_libraft_turn(sides[0].lr);
    ck_assert_int_eq(sent.status, 0); /* of no use to the core */
    ck_assert_int_eq(send_message(0, &sent, &message), 0);
    ferry_libraft_turn(sides[0].lr);
    ck_assert_int_eq(sent.status, RAFT_NOCONNECTION);
    ck_assert_int_eq(send_message(0, &sent, &message), 0);
    ferry_libraft_turn(sides[0].lr);
    ck_assert_int_eq(sent.status, 0); /* told once */
}
END_TEST

START_TEST(a_snapshot_is_lent_until_it_is_called_back)
{
    size_t len = 300000;
    char *data = malloc(len);
    struct raft_message message = snapshot_of(data, len);
    struct sent sent;

    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 7 + i / 256);
    ck_assert_int_eq(send_message(0, &sent, &message), 0);
    for (int i = 0; i < 5000 && sent.n_called == 0; i++)
        run_ms(1);
    ck_assert_int_eq(sent.status, 0);
    ck_assert_uint_eq(sides[1].n_seen, 1);
    ck_assert_uint_eq(sides[1].seen[0].install_snapshot.data.len, len);
    ck_assert_mem_eq(sides[1].seen[0].install_snapshot.data.base, data, len);
    ck_assert_uint_eq(sides[1].seen[0].install_snapshot.conf.n, N);
    ck_assert_uint_eq(sides[1].seen[0].install_snapshot.last_index, 9);
    free(data);
    run_ms(SECOND_MS);
    ck_assert_uint_eq(sent.n_called, 1);
}
END_TEST

static struct sent term_sent;

/* As libraft 0.22: the index is that of what was loaded, the term is not. */
static void on_loaded(struct raft_io_snapshot_get *req, struct raft_snapshot *snapshot, int status)
{
    static char data[8];
    struct raft_message message = snapshot_of(data, sizeof(data));

    ck_assert_int_eq(status, 0);
    ck_assert_ptr_eq(req->data, &term_sent);
    message.install_snapshot.last_index = snapshot->index;
    ck_assert_int_eq(send_message(0, &term_sent, &message), 0);
}

START_TEST(a_snapshot_has_the_term_with_which_it_was_loaded)
{
    struct raft_io_snapshot_get req = {.data = &term_sent};
    struct raft_snapshot snapshot = {.index = 20, .term = 3};
    struct raft_message message = snapshot_of(&snapshot, 8);
    struct sent sent;
    int rv = RAFT_NOMEM;

    for (long nth = 0; rv == RAFT_NOMEM; nth++) {
        heap_fail_at(nth);
        rv = io_of(0)->snapshot_get(io_of(0), &req, on_loaded);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(rv, 0);
    sides[0].get_req->cb(sides[0].get_req, &snapshot, 0);
    run_ms(SECOND_MS);
    ck_assert_uint_eq(sides[1].n_seen, 1);
    ck_assert_uint_eq(sides[1].seen[0].install_snapshot.last_index, 20);
    ck_assert_uint_eq(sides[1].seen[0].install_snapshot.last_term, 3);

    message.install_snapshot.last_index = 20; /* not from inside the callback */
    ck_assert_int_eq(send_message(0, &sent, &message), 0);
    run_ms(SECOND_MS);
    ck_assert_uint_eq(sides[1].n_seen, 2);
    ck_assert_uint_eq(sides[1].seen[1].install_snapshot.last_term, 2);
}
END_TEST

static int load_status;

/* As libraft does, it sends what it was given, and frees that when it is refused. */
static void on_failed_load(struct raft_io_snapshot_get *req, struct raft_snapshot *snapshot, int status)
{
    struct raft_message message = snapshot_of(NULL, 0);

    (void)req;
    load_status = status;
    ck_assert_uint_eq(snapshot->n_bufs, 1);
    ck_assert_uint_eq(snapshot->configuration.n, 0);
    message.install_snapshot.conf = snapshot->configuration;
    message.install_snapshot.data = snapshot->bufs[0];
    ck_assert_int_eq(send_message(0, &term_sent, &message), RAFT_NOCONNECTION);
    raft_configuration_close(&message.install_snapshot.conf);
    raft_free(message.install_snapshot.data.base);
    raft_free(snapshot->bufs);
    raft_free(snapshot);
}

START_TEST(a_snapshot_that_cannot_be_loaded_is_refused_when_it_is_sent)
{
    struct raft_io_snapshot_get req;

    ck_assert_int_eq(io_of(0)->snapshot_get(io_of(0), &req, on_failed_load), 0);
    sides[0].get_req->cb(sides[0].get_req, NULL, RAFT_CANCELED);
    ck_assert_int_eq(load_status, 0);
    run_ms(SECOND_MS);
    ck_assert_uint_eq(sides[1].n_seen, 0);
}
END_TEST

START_TEST(loading_a_snapshot_survives_every_failed_allocation)
{
    struct raft_io_snapshot_get req;
    int rv = RAFT_NOMEM;

    for (long nth = 0; rv == RAFT_NOMEM; nth++) {
        raft_heap_fail_at(nth);
        rv = io_of(0)->snapshot_get(io_of(0), &req, on_failed_load);
        raft_heap_fail_at(-1);
    }
    ck_assert_int_eq(rv, 0);
    sides[0].get_req->cb(sides[0].get_req, NULL, RAFT_IOERR);
}
END_TEST

START_TEST(a_snapshot_of_no_bytes_arrives)
{
    struct raft_message message = snapshot_of(NULL, 0);
    struct sent sent;

    ck_assert_int_eq(send_message(0, &sent, &message), 0);
    run_ms(SECOND_MS);
    ck_assert_int_eq(sent.status, 0);
    ck_assert_uint_eq(sides[1].n_seen, 1);
    ck_assert_uint_eq(sides[1].seen[0].install_snapshot.data.len, 0);
    ck_assert_ptr_nonnull(sides[1].seen[0].install_snapshot.data.base);
}
END_TEST

START_TEST(a_snapshot_that_fails_is_called_back_as_failed)
{
    char data[8] = "";
    struct raft_message message = snapshot_of(data, sizeof(data));
    struct sent sent;

    fy_sim_crash_node(sides[1].node, FERRY_SIM_CRASH_PROCESS);
    ferry_transport_free(sides[1].t);
    sides[1].t = NULL;
    ck_assert_int_eq(send_message(0, &sent, &message), 0);
    run_ms(SECOND_MS);
    ck_assert_uint_eq(sent.n_called, 1);
    ck_assert_int_eq(sent.status, RAFT_NOCONNECTION);
}
END_TEST

START_TEST(a_message_that_the_transport_refuses_is_called_back_as_failed)
{
    char data[8] = "";
    struct raft_message messages[2] = {snapshot_of(data, sizeof(data)), heartbeat(3)};

    messages[0].server_id = 99;
    for (int i = 0; i < 2; i++) {
        unsigned n_wakes = sides[0].n_wakes;
        struct sent sent;

        ck_assert_int_eq(send_message(0, &sent, &messages[i]), 0);
        ck_assert_uint_gt(sides[0].n_wakes, n_wakes);
        ck_assert_uint_eq(sent.n_called, 0);
        run_ms(100);
        ck_assert_uint_eq(sent.n_called, 1);
        ck_assert_int_eq(sent.status, RAFT_NOCONNECTION);
        ferry_transport_stop(sides[0].t); /* refuses every message */
    }
}
END_TEST

START_TEST(a_refusal_that_cannot_be_called_back_is_returned)
{
    struct raft_message message = {
        .type = RAFT_TIMEOUT_NOW, .server_id = 2, .server_address = sides[1].address, .timeout_now = {.term = 1}};
    struct raft_io_send req = {.data = NULL};
    unsigned n_wakes = sides[0].n_wakes;

    ck_assert_int_eq(io_of(0)->send(io_of(0), &req, &message, NULL), 0);
    ck_assert_uint_eq(sides[0].n_wakes, n_wakes); /* it is not kept for a turn: libraft may free it at once */
    run_ms(100);
    ck_assert_uint_eq(sides[1].n_seen, 1);
    ferry_transport_stop(sides[0].t);
    ck_assert_int_eq(io_of(0)->send(io_of(0), &req, &message, NULL), RAFT_NOCONNECTION);
    ck_assert(strstr(io_of(0)->errmsg, ferry_strerror(FERRY_ERR_CLOSED)));
}
END_TEST

START_TEST(closing_cancels_what_is_out_and_ends_when_all_is_called_back)
{
    size_t len = 3000000;
    char *data = calloc(1, len);
    struct raft_message message = heartbeat(3);
    struct raft_message snapshot = snapshot_of(data, len);
    struct sent first, second;

    ck_assert_int_eq(send_message(0, &second, &snapshot), 0);
    run_ms(5); /* it is on its way */
    ck_assert_uint_eq(second.n_called, 0);
    ck_assert_int_eq(send_message(0, &first, &message), 0);
    io_of(0)->close(io_of(0), on_closed);
    ck_assert_str_eq(sides[0].asked, "close");
    ck_assert_uint_eq(first.n_called, 0);
    sides[0].close_cb(&sides[0].inner);
    ck_assert(!sides[0].is_closed);
    ferry_libraft_turn(sides[0].lr);
    ck_assert_uint_eq(first.n_called, 1);
    ck_assert(!sides[0].is_closed); /* the snapshot's memory is still lent */
    for (int i = 0; i < 1000 && !sides[0].is_closed; i++)
        run_ms(1);
    ck_assert(sides[0].is_closed);
    ck_assert_uint_eq(first.n_called, 1);
    ck_assert_int_eq(first.status, RAFT_CANCELED);
    ck_assert_uint_eq(second.n_called, 1);
    ck_assert_int_eq(second.status, RAFT_CANCELED);
    free(data);
    ck_assert_int_eq(send_message(0, &first, &message), RAFT_NOCONNECTION);
    sides[0].tick(&sides[0].inner);
    ck_assert_uint_eq(sides[0].n_ticks, 0);
}
END_TEST

START_TEST(closing_waits_for_the_inner_one)
{
    io_of(0)->close(io_of(0), on_closed);
    run_ms(100);
    ck_assert(!sides[0].is_closed);
    sides[0].close_cb(&sides[0].inner);
    ck_assert(sides[0].is_closed);
}
END_TEST

static int load(struct raft_io *io)
{
    struct raft_snapshot *snapshot;
    struct raft_entry *entries;
    raft_index start_index;
    size_t n_entries;
    raft_term term;

    return io->load(io, &term, NULL, &snapshot, &start_index, &entries, &n_entries);
}

START_TEST(storage_time_and_chance_are_the_inner_ones)
{
    struct raft_io *io = io_of(0);
    struct side *side = &sides[0];
    struct raft_io_snapshot_get get;

    for (int rv = 0; rv <= RAFT_IOERR; rv += RAFT_IOERR) {
        side->inner_rv = rv;
        io->errmsg[0] = '\0';
        ck_assert_int_eq(load(io), rv);
        ck_assert_str_eq(side->asked, "load");
        ck_assert_int_eq(io->bootstrap(io, NULL), rv);
        ck_assert_str_eq(side->asked, "bootstrap");
        ck_assert_int_eq(io->recover(io, NULL), rv);
        ck_assert_str_eq(side->asked, "recover");
        ck_assert_int_eq(io->set_term(io, 8 + (raft_term)rv), rv);
        ck_assert_str_eq(side->asked, "set_term");
        ck_assert_int_eq(io->set_vote(io, 1), rv);
        ck_assert_str_eq(side->asked, "set_vote");
        ck_assert_int_eq(io->append(io, NULL, NULL, 0, NULL), rv);
        ck_assert_str_eq(side->asked, "append");
        ck_assert_int_eq(io->truncate(io, 1), rv);
        ck_assert_str_eq(side->asked, "truncate");
        ck_assert_int_eq(io->snapshot_put(io, 0, NULL, &stored_snapshot, NULL), rv);
        ck_assert_str_eq(side->asked, "snapshot_put");
        ck_assert_int_eq(io->snapshot_get(io, &get, on_failed_load), rv);
        ck_assert_str_eq(side->asked, "snapshot_get");
        ck_assert_str_eq(io->errmsg, rv ? "no snapshot_get" : "");
        if (rv == 0)
            side->get_req->cb(side->get_req, NULL, RAFT_IOERR);
        io->errmsg[0] = '\0';
#if !FY_RAFT_IS_0_22
        ck_assert_int_eq(io->async_work(io, NULL, NULL), rv);
        ck_assert_str_eq(side->asked, "async_work");
        ck_assert_str_eq(io->errmsg, rv ? "no async_work" : "");
#endif
    }
    ck_assert_uint_eq(io->time(io), 12345);
    ck_assert_int_eq(io->random(io, 1, 9), 8);
    sides[0].tick(&sides[0].inner);
    ck_assert_uint_eq(sides[0].n_ticks, 1);
}
END_TEST

START_TEST(a_term_that_is_stored_is_not_stored_again)
{
    struct raft_io *io = io_of(0);

    ck_assert_int_eq(load(io), 0);
    ck_assert_int_eq(io->set_term(io, 7), 0);
    ck_assert_str_eq(sides[0].asked, "load");
    sides[0].inner_rv = RAFT_IOERR;
    ck_assert_int_eq(io->set_term(io, 8), RAFT_IOERR);
    sides[0].inner_rv = 0;
    sides[0].asked = "";
    ck_assert_int_eq(io->set_term(io, 8), 0);
    ck_assert_str_eq(sides[0].asked, "set_term");
    ck_assert_int_eq(io->set_vote(io, 1), 0);
    ck_assert_int_eq(io->set_term(io, 8), 0);
    ck_assert_str_eq(sides[0].asked, "set_vote");
}
END_TEST

START_TEST(an_address_that_cannot_travel_is_refused)
{
    char too_long[FERRY_LIBRAFT_ADDRESS_MAX + 2];
    struct raft_io *io = io_of(0);

    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    ck_assert_int_eq(io->init(io, 1, ""), RAFT_INVALID);
    ck_assert_int_eq(io->init(io, 1, "a b"), RAFT_INVALID);
    ck_assert_int_eq(io->init(io, 1, too_long), RAFT_INVALID);
    ck_assert(strstr(io->errmsg, "255"));
}
END_TEST

static int peer_status(uint64_t id)
{
    struct ferry_peer_status status;

    return ferry_transport_peer_status(sides[0].t, id, &status);
}

START_TEST(peers_follow_the_configuration)
{
    struct raft *raft = &sides[0].raft;

    ck_assert_int_eq(peer_status(2), FERRY_OK);
    ck_assert_int_eq(peer_status(1), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(raft_configuration_add(&raft->configuration, 3, "http://n3:80", RAFT_SPARE), 0);
    raft->configuration_uncommitted_index = 2;
    sides[0].tick(&sides[0].inner);
    ck_assert_int_eq(peer_status(3), FERRY_OK);

    raft_configuration_close(&raft->configuration); /* rolled back, and another one is proposed */
    raft_configuration_init(&raft->configuration);
    ck_assert_int_eq(raft_configuration_add(&raft->configuration, 1, sides[0].address, RAFT_VOTER), 0);
    ck_assert_int_eq(raft_configuration_add(&raft->configuration, 4, "http://n4:80", RAFT_VOTER), 0);
    raft->configuration_uncommitted_index = 0;
    sides[0].tick(&sides[0].inner);
    ck_assert_int_eq(peer_status(2), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(peer_status(3), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(peer_status(4), FERRY_OK);
}
END_TEST

START_TEST(a_server_that_cannot_be_a_peer_is_told_of)
{
    ck_assert_int_eq(raft_configuration_add(&sides[0].raft.configuration, 3, "nowhere", RAFT_VOTER), 0);
    fy_raft_set_configuration_index(&sides[0].raft, 2);
    sides[0].tick(&sides[0].inner);
    ck_assert_uint_eq(sides[0].n_peers_failed, 1);
    ck_assert_uint_eq(sides[0].failed_id, 3);
    ck_assert_int_eq(sides[0].failed_err, FERRY_ERR_URL);
    sides[0].tick(&sides[0].inner);
    ck_assert_uint_eq(sides[0].n_peers_failed, 1); /* once */
}
END_TEST

START_TEST(following_survives_every_failed_allocation)
{
    bool is_done = false;

    ck_assert_int_eq(raft_configuration_add(&sides[0].raft.configuration, 3, "http://n3:80", RAFT_VOTER), 0);
    for (long nth = 0; !is_done; nth++) {
        unsigned n_failed = sides[0].n_peers_failed;

        fy_raft_set_configuration_index(&sides[0].raft, 3 + 2 * (raft_index)nth);
        heap_fail_at(nth);
        sides[0].tick(&sides[0].inner);
        is_done = !heap_has_failed();
        heap_fail_at(-1);
        ck_assert(is_done || sides[0].n_peers_failed > n_failed || peer_status(3) == FERRY_OK);
        sides[0].tick(&sides[0].inner); /* tried again */
        ck_assert_int_eq(peer_status(3), FERRY_OK);
        ck_assert_int_eq(ferry_transport_remove_peer(sides[0].t, 3), FERRY_OK);
        raft_configuration_close(&sides[0].raft.configuration);
        raft_configuration_init(&sides[0].raft.configuration);
        know_each_other(0);
        fy_raft_set_configuration_index(&sides[0].raft, 4 + 2 * (raft_index)nth);
        sides[0].tick(&sides[0].inner); /* 3 is forgotten */
        ck_assert_int_eq(raft_configuration_add(&sides[0].raft.configuration, 3, "http://n3:80", RAFT_VOTER), 0);
    }
}
END_TEST

START_TEST(sending_survives_every_failed_allocation)
{
    char data[8] = "12345678";
    struct raft_entry entry = {.term = 1, .type = RAFT_COMMAND, .buf = {data, 8}};
    struct raft_message messages[2] = {heartbeat(3), snapshot_of(data, sizeof(data))};

    messages[0].append_entries.entries = &entry;
    messages[0].append_entries.n_entries = 1;
    for (int i = 0; i < 2; i++) {
        struct sent sent = {.status = RAFT_NOMEM};

        for (long nth = 0; sent.status == RAFT_NOMEM; nth++) {
            int rv;

            heap_fail_at(nth);
            rv = send_message(0, &sent, &messages[i]);
            heap_fail_at(-1);
            if (rv == 0 && i == 1)
                run_ms(SECOND_MS);
            ferry_libraft_turn(sides[0].lr);
            ck_assert_uint_eq(sent.n_called, rv == 0 ? 1 : 0);
            if (rv != 0)
                sent.status = rv; /* no memory for the callback itself */
        }
        ck_assert_int_eq(sent.status, 0);
    }
}
END_TEST

START_TEST(making_one_survives_every_failed_allocation)
{
    struct ferry_libraft_config config = FERRY_LIBRAFT_CONFIG_INIT;
    struct ferry_libraft *lr = NULL;
    struct raft_io inner = {.version = 1};
    int err = FERRY_ERR_NOMEM;

    config.inner = &inner;
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = ferry_libraft_new(&config, &lr);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
#if !FY_RAFT_IS_0_22
    ck_assert_ptr_null(ferry_libraft_io(lr)->async_work); /* the inner one has none */
#endif
    ferry_libraft_free(lr);
    config.inner = NULL;
    ck_assert_int_eq(ferry_libraft_new(&config, &lr), FERRY_ERR_INVALID);
    config.inner = &inner;
    config.max_append_bytes = 0;
    ck_assert_int_eq(ferry_libraft_new(&config, &lr), FERRY_ERR_INVALID);
    config.max_append_bytes = 1;
    config.size--;
    ck_assert_int_eq(ferry_libraft_new(&config, &lr), FERRY_ERR_INVALID);
    ferry_libraft_free(NULL);
}
END_TEST

/* The answer to a posted message. */
static int process(const struct ferry_message *msg)
{
    struct ferry_config config = FERRY_CONFIG_INIT;

    ferry_libraft_configure(sides[1].lr, &config);
    return config.core.process(config.core.ctx, msg);
}

START_TEST(what_cannot_be_handed_to_the_core_is_refused)
{
    struct ferry_message msg = {.type = FERRY_MSG_APP, .from = 1, .to = 2, .term = 1};
    struct raft *raft = &sides[1].raft;
    struct raft_configuration conf = raft->configuration;

    ck_assert_int_eq(process(&msg), FERRY_OK);
    msg.from = 2;
    ck_assert_int_eq(process(&msg), FERRY_ERR_INVALID);
    msg.from = 0;
    ck_assert_int_eq(process(&msg), FERRY_ERR_INVALID);
    msg.from = 76; /* not in the configuration */
    ck_assert_int_eq(process(&msg), FERRY_ERR_INVALID);
    ck_assert_int_eq(sides[1].refused_for, FERRY_VERDICT_UNKNOWN_SENDER);
    msg.from = 77; /* neither, but the embedder vouches for it: only its address is missing */
    ck_assert_int_eq(process(&msg), FERRY_ERR_NOT_FOUND);
    raft_configuration_init(&raft->configuration);
    ck_assert_int_eq(process(&msg), FERRY_ERR_NOT_FOUND); /* joining, but it does not say where it is */
    raft->configuration = conf;
    msg.from = 1;
    msg.type = FERRY_MSG_PROP;
    ck_assert_int_eq(process(&msg), FERRY_ERR_INVALID);
    msg.type = FERRY_MSG_APP;
    msg.context = (struct ferry_bytes){(const uint8_t *)"junk", 4};
    ck_assert_int_eq(process(&msg), FERRY_ERR_MALFORMED);
    ck_assert_uint_eq(sides[1].n_seen, 1);
}
END_TEST

/* Member 2 has loaded its log: a snapshot up to 2, entries 3 and 4 of term 2, entry 5 of term 4.  3 is committed. */
static void load_log(void)
{
    ck_assert_int_eq(load(io_of(1)), 0);
    sides[1].raft.current_term = 7;
    sides[1].raft.commit_index = 3;
    sides[1].raft.state = RAFT_FOLLOWER;
}

static void expect(const struct ferry_message *msg, enum ferry_verdict verdict)
{
    struct side *side = &sides[1];
    uint64_t n_before = ferry_libraft_n_refused(side->lr, verdict);
    unsigned n_told = side->n_refused;
    unsigned n_seen = side->n_seen;

    ck_assert_int_eq(process(msg), verdict == FERRY_VERDICT_ADMIT ? FERRY_OK : FERRY_ERR_INVALID);
    if (verdict == FERRY_VERDICT_ADMIT) {
        ck_assert_uint_eq(side->n_seen, n_seen + 1);
        ck_assert_uint_eq(side->n_refused, n_told);
        return;
    }
    ck_assert_uint_eq(side->n_seen, n_seen);
    ck_assert_uint_eq(side->n_refused, n_told + 1);
    ck_assert_str_eq(ferry_verdict_text(side->refused_for), ferry_verdict_text(verdict));
    ck_assert_uint_eq(ferry_libraft_n_refused(side->lr, verdict), n_before + 1);
}

static struct ferry_message append_at(uint64_t index, uint64_t log_term)
{
    return (struct ferry_message){
        .type = FERRY_MSG_APP, .from = 1, .to = 2, .term = 7, .index = index, .log_term = log_term};
}

START_TEST(what_contradicts_the_log_does_not_reach_the_core)
{
    struct ferry_entry entry = {.term = 7, .index = 3};
    struct ferry_message msg = append_at(3, 2);
    struct raft_snapshot own = {.index = 4, .term = 2};

    load_log();
    expect(&msg, FERRY_VERDICT_ADMIT);
    msg = append_at(3, 1);
    expect(&msg, FERRY_VERDICT_CONTRADICTS_COMMITTED);
    msg = append_at(2, 1);
    msg.entries = &entry;
    msg.n_entries = 1;
    expect(&msg, FERRY_VERDICT_CONTRADICTS_COMMITTED);
    entry.index = 1;
    msg.index = msg.log_term = 0;
    expect(&msg, FERRY_VERDICT_COMPACTED);

    /* The core takes a snapshot up to 4, of which it keeps one entry. */
    sides[1].raft.commit_index = 5;
    ck_assert_int_eq(io_of(1)->snapshot_put(io_of(1), 1, NULL, &own, NULL), 0);
    msg = append_at(3, 1);
    expect(&msg, FERRY_VERDICT_CONTRADICTS_COMMITTED);
    msg = append_at(2, 9);
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    msg = append_at(2, 6); /* no longer known */
    expect(&msg, FERRY_VERDICT_ADMIT);

    /* A leader's snapshot replaces the log; truncated, it ends earlier. */
    own = (struct raft_snapshot){.index = 9, .term = 6};
    ck_assert_int_eq(io_of(1)->snapshot_put(io_of(1), 0, NULL, &own, NULL), 0);
    sides[1].raft.commit_index = 9;
    msg = append_at(9, 5);
    expect(&msg, FERRY_VERDICT_CONTRADICTS_COMMITTED);
    msg = append_at(5, 3); /* no longer known */
    expect(&msg, FERRY_VERDICT_ADMIT);
    ck_assert_int_eq(io_of(1)->truncate(io_of(1), 9), 0);
    msg = append_at(9, 5);
    expect(&msg, FERRY_VERDICT_ADMIT);
}
END_TEST

START_TEST(a_term_has_the_leader_that_was_heard_first)
{
    struct ferry_message msg = append_at(3, 2);

    load_log();
    sides[1].raft.follower_state.current_leader.id = 77; /* libraft keeps that of the term before */
    expect(&msg, FERRY_VERDICT_ADMIT);
    sides[1].raft.follower_state.current_leader.id = 1;
    expect(&msg, FERRY_VERDICT_ADMIT);
    msg.from = 77;
    expect(&msg, FERRY_VERDICT_TWO_LEADERS);
    sides[1].raft.current_term = msg.term = 8;
    ck_assert_int_eq(process(&msg), FERRY_ERR_NOT_FOUND); /* in the next term it may; only its address is missing */
    sides[1].raft.state = RAFT_LEADER;
    expect(&msg, FERRY_VERDICT_TWO_LEADERS);
    sides[1].raft.state = RAFT_FOLLOWER;
}
END_TEST

START_TEST(what_the_core_could_not_decode_does_not_reach_it)
{
    struct raft_buffer change;
    struct ferry_entry entry = {.term = 7, .index = 4, .type = FERRY_ENTRY_CONF_CHANGE};
    struct ferry_message msg = append_at(3, 2);
    const struct fy_raft_context sender = {.sender = "http://n1:80"};
    struct ferry_snapshot snapshot = {.term = 4, .index = 8, .data = {(const uint8_t *)"bad", 3}};
    struct ferry_message snap = {.type = FERRY_MSG_SNAP, .from = 1, .to = 2, .term = 7, .snapshot = &snapshot};
    uint8_t *context;
    size_t len;

    load_log();
    msg.entries = &entry;
    msg.n_entries = 1;
    ck_assert_int_eq(raft_configuration_encode(&sides[0].raft.configuration, &change), 0);
    entry.data = (struct ferry_bytes){change.base, change.len};
    expect(&msg, FERRY_VERDICT_ADMIT);
    entry.data.len -= 9;
    expect(&msg, FERRY_VERDICT_MALFORMED_CHANGE);
    entry.data.len = 0;
    expect(&msg, FERRY_VERDICT_EMPTY_CHANGE);
    raft_free(change.base);

    ck_assert_int_eq(fy_raft_context_write_conf(&sender, &sides[0].raft.configuration, 1, &context, &len), FERRY_OK);
    snap.context = (struct ferry_bytes){context, len};
    expect(&snap, FERRY_VERDICT_MALFORMED_SNAPSHOT);
    snapshot.data.data = (const uint8_t *)"any";
    expect(&snap, FERRY_VERDICT_ADMIT);
    free(context);
}
END_TEST

START_TEST(a_leader_that_asks_for_votes_leads_no_more)
{
    struct ferry_message msg = {.type = FERRY_MSG_PRE_VOTE, .from = 1, .to = 2, .term = 3};
    struct raft *raft = &sides[1].raft;
    const int states[] = {RAFT_FOLLOWER, RAFT_FOLLOWER, RAFT_FOLLOWER, RAFT_CANDIDATE};
    const raft_id leaders[] = {1, 2, 0, 1};

    for (unsigned i = 0; i < 4; i++) {
        raft->state = (unsigned short)states[i];
        raft->follower_state.current_leader.id = leaders[i];
        msg.type = i % 2 ? FERRY_MSG_VOTE : FERRY_MSG_PRE_VOTE;
        ck_assert_int_eq(process(&msg), FERRY_OK);
        ck_assert_uint_eq(sides[1].n_seen, i + 1);
        ck_assert_int_eq(sides[1].seen[i].request_vote.disrupt_leader, i == 0);
    }
    raft->state = RAFT_FOLLOWER;
    raft->follower_state.current_leader.id = 0;
}
END_TEST

START_TEST(a_body_is_found_by_its_message_and_the_oldest_are_pushed_out)
{
    const struct fy_raft_context sender = {.sender = "http://n1:80"};
    struct ferry_config config = FERRY_CONFIG_INIT;
    const struct ferry_snapshot_sink *sink = &config.snapshot_sink;
    struct ferry_snapshot snapshot = {.term = 1};
    struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .term = 1, .snapshot = &snapshot};
    uint8_t *context;
    size_t len;
    void *body;

    ck_assert_int_eq(fy_raft_context_write_conf(&sender, &sides[0].raft.configuration, 1, &context, &len), FERRY_OK);
    msg.context = (struct ferry_bytes){context, len};
    ferry_libraft_configure(sides[1].lr, &config);
    for (uint64_t i = 1; i <= 100; i++) {
        snapshot.index = i;
        ck_assert_int_eq(sink->open(sink->ctx, &msg, sizeof(i), &body), FERRY_OK);
        ck_assert_int_eq(sink->write(sink->ctx, body, &i, sizeof(i)), FERRY_OK);
        ck_assert_int_eq(sink->commit(sink->ctx, body), FERRY_OK);
    }
    snapshot.index = 95;
    ck_assert_int_eq(process(&msg), FERRY_OK);
    ck_assert_uint_eq(*(uint64_t *)sides[1].seen[0].install_snapshot.data.base, 95);
    ck_assert_int_eq(process(&msg), FERRY_ERR_MALFORMED); /* once, and data inside the message there is none */
    snapshot.index = 1;
    ck_assert_int_eq(process(&msg), FERRY_ERR_MALFORMED); /* pushed out */
    free(context);
}
END_TEST

START_TEST(a_body_survives_every_failed_allocation)
{
    static char piece[50000];
    struct ferry_config config = FERRY_CONFIG_INIT;
    struct ferry_snapshot snapshot = {.term = 1, .index = 1};
    struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .snapshot = &snapshot};
    const struct ferry_snapshot_sink *sink = &config.snapshot_sink;
    int err = FERRY_ERR_NOMEM;
    void *body;

    ferry_libraft_configure(sides[1].lr, &config);
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        raft_heap_fail_at(nth);
        err = sink->open(sink->ctx, &msg, FERRY_SIZE_UNKNOWN, &body);
        if (err == FERRY_OK) {
            for (int i = 0; i < 4 && err == FERRY_OK; i++)
                err = sink->write(sink->ctx, body, piece, sizeof(piece));
            sink->abort(sink->ctx, body);
        }
        raft_heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
}
END_TEST

START_TEST(it_does_not_start_without_a_transport)
{
    struct ferry_libraft_config config = FERRY_LIBRAFT_CONFIG_INIT;
    struct raft_message message = heartbeat(1);
    struct ferry_libraft *lr;
    struct raft_io *io;
    struct sent sent = {.n_called = 0};
    struct side side = {.address = ""};

    fill_inner(&side);
    config.inner = &side.inner;
    ck_assert_int_eq(ferry_libraft_new(&config, &lr), FERRY_OK);
    io = ferry_libraft_io(lr);
    ck_assert_int_eq(io->start(io, 100, on_tick, on_recv), RAFT_INVALID);
    ck_assert_int_eq(io->send(io, &sent.req, &message, on_sent), RAFT_NOCONNECTION);
    ferry_libraft_free(lr);
}
END_TEST

int main(void)
{
    return rig_main(
        "libraft", setup_started, teardown, a_send_is_called_back_once_and_never_from_inside,
        what_is_sent_from_a_callback_waits_for_the_next_turn, order_is_kept_and_compact_frames_have_an_address,
        a_follower_in_step_gets_all_pieces_and_any_other_the_first_alone,
        what_a_dead_follower_lacks_is_not_sent_to_it_again_and_again,
        after_a_report_one_append_entries_is_called_back_as_failed, a_snapshot_is_lent_until_it_is_called_back,
        a_snapshot_has_the_term_with_which_it_was_loaded, a_snapshot_that_cannot_be_loaded_is_refused_when_it_is_sent,
        loading_a_snapshot_survives_every_failed_allocation, a_snapshot_of_no_bytes_arrives,
        a_snapshot_that_fails_is_called_back_as_failed, a_message_that_the_transport_refuses_is_called_back_as_failed,
        a_refusal_that_cannot_be_called_back_is_returned, closing_cancels_what_is_out_and_ends_when_all_is_called_back,
        closing_waits_for_the_inner_one, a_term_that_is_stored_is_not_stored_again,
        storage_time_and_chance_are_the_inner_ones, an_address_that_cannot_travel_is_refused,
        peers_follow_the_configuration, a_server_that_cannot_be_a_peer_is_told_of,
        following_survives_every_failed_allocation, sending_survives_every_failed_allocation,
        making_one_survives_every_failed_allocation, what_cannot_be_handed_to_the_core_is_refused,
        what_contradicts_the_log_does_not_reach_the_core, a_term_has_the_leader_that_was_heard_first,
        what_the_core_could_not_decode_does_not_reach_it, a_leader_that_asks_for_votes_leads_no_more,
        a_body_is_found_by_its_message_and_the_oldest_are_pushed_out, a_body_survives_every_failed_allocation,
        it_does_not_start_without_a_transport, NULL);
}
