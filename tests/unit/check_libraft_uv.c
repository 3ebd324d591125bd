/*
 * The adapter in a real libuv loop: two raft_ios with the uv backend between them and a loopback transport each.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "adapters/libraft/raft_compat.h"
#include "ferry/libraft.h"
#include "harness/heap.h"
#include "harness/patience.h"
#include "harness/raft_versions.h"
#include "harness/rig.h"

struct side {
    struct ferry_transport *t;
    struct raft_uv_transport no_network;
    struct raft_io inner;
    struct ferry_libraft *lr;
    struct ferry_libraft_uv *turner;
    struct raft raft;
    char dir[32];
    unsigned n_seen;
    bool is_closed;
};

static uv_loop_t loop;
static struct side sides[2];
static unsigned n_sent;
static int sent_status;

static struct raft_io *io_of(struct side *side)
{
    return ferry_libraft_io(side->lr);
}

static void on_tick(struct raft_io *io)
{
    (void)io;
}

static void on_recv(struct raft_io *io, struct raft_message *message)
{
    struct side *side = ((struct raft *)io->data)->data;

    ck_assert_int_eq(message->type, RAFT_TIMEOUT_NOW);
    side->n_seen++;
}

static void on_sent(struct raft_io_send *req, int status)
{
    (void)req;
    n_sent++;
    sent_status = status;
}

static void make_side(struct side *side, uint64_t id)
{
    const char *const listen[] = {"http://127.0.0.1:0", NULL};
    struct ferry_libraft_config config = FERRY_LIBRAFT_CONFIG_INIT;
    struct ferry_config ferry = FERRY_CONFIG_INIT;

    strcpy(side->dir, "/tmp/ferry-uv-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(side->dir));
    ferry_libraft_uv_no_network(&side->no_network);
    ck_assert_int_eq(raft_uv_init(&side->inner, &loop, side->dir, &side->no_network), 0);
    config.inner = &side->inner;
    ck_assert_int_eq(ferry_libraft_new(&config, &side->lr), FERRY_OK);
    ferry.id = id;
    ferry.cluster_id = 7;
    ferry.listen_urls = listen;
    ferry_libraft_configure(side->lr, &ferry);
    ck_assert_int_eq(ferry_transport_new(&ferry, &side->t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(side->t), FERRY_OK);
    ck_assert_int_eq(ferry_libraft_uv_new(side->lr, &loop, &side->turner), FERRY_ERR_STATE);
    ferry_libraft_attach(side->lr, side->t);
    side->raft.id = id;
    side->raft.data = side;
    side->raft.io = io_of(side);
    raft_requests_init(&side->raft);
    io_of(side)->data = &side->raft;
    ck_assert_int_eq(io_of(side)->init(io_of(side), id, ferry_transport_listen_url(side->t, 0)), 0);
}

static void load_and_start(struct side *side)
{
    struct raft_snapshot *snapshot;
    struct raft_entry *entries;
    raft_index start_index;
    raft_term term;
    raft_id voted_for;
    size_t n;

    raft_configuration_init(&side->raft.configuration);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(raft_configuration_add(&side->raft.configuration, (raft_id)i + 1,
                                                ferry_transport_listen_url(sides[i].t, 0), RAFT_VOTER),
                         0);
    ck_assert_int_eq(io_of(side)->load(io_of(side), &term, &voted_for, &snapshot, &start_index, &entries, &n), 0);
    ck_assert_int_eq(io_of(side)->start(io_of(side), 50, on_tick, on_recv), 0);
}

static void on_turner_closed(void *arg)
{
    ((struct side *)arg)->is_closed = true;
}

static void on_io_closed(struct raft_io *io)
{
    struct side *side = ((struct raft *)io->data)->data;

    ferry_libraft_uv_close(side->turner, on_turner_closed, side);
}

static void close_side(struct side *side)
{
    io_of(side)->close(io_of(side), on_io_closed);
}

static void remove_dir(const char *dir)
{
    uv_fs_t req;
    uv_dirent_t entry;
    char path[600];

    ck_assert_int_ge(uv_fs_scandir(NULL, &req, dir, 0, NULL), 0);
    while (uv_fs_scandir_next(&req, &entry) == 0) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entry.name);
        ck_assert_int_eq(unlink(path), 0);
    }
    uv_fs_req_cleanup(&req);
    ck_assert_int_eq(rmdir(dir), 0);
}

static void free_side(struct side *side)
{
    ferry_transport_free(side->t);
    ferry_libraft_free(side->lr);
    raft_uv_close(&side->inner);
    raft_configuration_close(&side->raft.configuration);
    remove_dir(side->dir);
}

static void setup(void)
{
    heap_setup();
    memset(sides, 0, sizeof(sides));
    n_sent = 0;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    for (int i = 0; i < 2; i++)
        make_side(&sides[i], (uint64_t)i + 1);
}

static void teardown(void)
{
    for (int i = 0; i < 2; i++)
        free_side(&sides[i]);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    heap_teardown();
}

static void run_until(const unsigned *count, unsigned at_least)
{
    uint64_t deadline = monotonic_ms() + patience_ms(10000);

    while (*count < at_least) {
        ck_assert_uint_lt(monotonic_ms(), deadline);
        (void)uv_run(&loop, UV_RUN_ONCE); /* libraft's tick ends it at the latest */
    }
}

START_TEST(messages_go_through_the_loop_and_all_ends)
{
    struct raft_io_send req;
    struct raft_message message = {.type = RAFT_TIMEOUT_NOW, .server_id = 2, .timeout_now = {.term = 1}};

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ferry_libraft_uv_new(sides[i].lr, &loop, &sides[i].turner), FERRY_OK);
        load_and_start(&sides[i]);
    }
    for (unsigned i = 1; i <= 20; i++) {
        ck_assert_int_eq(io_of(&sides[0])->send(io_of(&sides[0]), &req, &message, on_sent), 0);
        ck_assert_uint_eq(n_sent, i - 1);
        run_until(&n_sent, i);
        ck_assert_int_eq(sent_status, 0);
    }
    run_until(&sides[1].n_seen, 20);
    for (int i = 0; i < 2; i++)
        close_side(&sides[i]);
    (void)uv_run(&loop, UV_RUN_DEFAULT); /* until no handle is left */
    ck_assert(sides[0].is_closed && sides[1].is_closed);
}
END_TEST

START_TEST(making_it_survives_every_failed_allocation)
{
    for (int i = 0; i < 2; i++) {
        int err = FERRY_ERR_NOMEM;

        for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
            heap_fail_at(nth);
            err = ferry_libraft_uv_new(sides[i].lr, &loop, &sides[i].turner);
            heap_fail_at(-1);
        }
        ck_assert_int_eq(err, FERRY_OK);
        load_and_start(&sides[i]);
        close_side(&sides[i]);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(sides[0].is_closed && sides[1].is_closed);
}
END_TEST

int main(void)
{
    return rig_main("libraft_uv", setup, teardown, messages_go_through_the_loop_and_all_ends,
                    making_it_survives_every_failed_allocation, NULL);
}
