/*
 * check_snapshot - a snapshot between two transports on the simulated net, with each allocation failing in turn.
 */
#include <errno.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "harness/snapshots.h"
#include "net/sim/sim.h"
#include "transport/transport.h"

#define SEED 8
#define SIZE 700000

static struct fy_sim *sim;
static struct ferry_transport *ts[2];
static struct vault vault;
static struct body body;
static unsigned n_finish, n_failure, n_processed, n_astray;

static int process(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    if (msg->type == FERRY_MSG_SNAP)
        n_processed++;
    return 0;
}

static void report_snapshot(void *ctx, uint64_t id, enum ferry_snapshot_result result)
{
    (void)ctx;
    n_astray += id != 2; /* seen later: an assertion takes memory, which may be what is missing */
    n_finish += result == FERRY_SNAPSHOT_FINISH;
    n_failure += result == FERRY_SNAPSHOT_FAILURE;
}

static void start(size_t i, const char *url, const char *peer_url)
{
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    struct fy_sim_node *node;

    cfg.id = i + 1;
    cfg.cluster_id = 1;
    cfg.core = (struct ferry_core){.process = process, .report_snapshot = report_snapshot};
    cfg.listen_urls = (const char *const[]){url, NULL};
    cfg.snapshot_sink = vault_sink(&vault);
    ck_assert_int_eq(fy_sim_add_node(sim, i == 0 ? "one" : "two", &node), FERRY_OK);
    ck_assert_int_eq(fy_transport_new_on(&cfg, fy_sim_node_net(node), &ts[i]), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(ts[i]), FERRY_OK);
    ck_assert_int_eq(ferry_transport_add_peer(ts[i], 2 - i, (const char *const[]){peer_url, NULL}), FERRY_OK);
}

static void setup(void)
{
    heap_setup();
    vault_init(&vault, SEED);
    ck_assert_int_eq(fy_sim_new(1, NULL, &sim), FERRY_OK);
    start(0, "http://one:80", "http://two:80");
    start(1, "http://two:80", "http://one:80");
    fy_sim_run_until(sim, FY_SIM_S);
    n_finish = n_failure = n_processed = n_astray = 0;
}

static void teardown(void)
{
    ferry_transport_free(ts[0]);
    ferry_transport_free(ts[1]);
    fy_sim_free(sim);
    ck_assert_uint_eq(n_astray, 0);
    ck_assert_uint_eq(vault.n_opened, vault.n_commits + vault.n_aborts);
    ck_assert_uint_eq(vault.n_misuses, 0);
    vault_release(&vault);
    heap_teardown();
}

static int send_body_to(uint64_t id)
{
    static const struct ferry_snapshot snapshot = {.index = 3, .term = 2};
    struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .to = id, .snapshot = &snapshot};
    struct ferry_snapshot_source source = body_source(&body);

    return ferry_transport_send_snapshot(ts[0], &msg, &source);
}

static int send_body(void)
{
    return send_body_to(2);
}

static struct ferry_peer_status status_of(uint64_t id)
{
    struct ferry_peer_status status;

    ck_assert_int_eq(ferry_transport_peer_status(ts[0], id, &status), FERRY_OK);
    return status;
}

START_TEST(a_send_that_finds_no_memory_closes_the_source_and_reports_nothing)
{
    int err = FERRY_ERR_NOMEM;

    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        body_init(&body, SEED, SIZE);
        heap_fail_at(nth);
        err = send_body();
        heap_fail_at(-1);
        ck_assert_uint_eq(body.n_closed, err == FERRY_OK ? 0 : 1);
        if (err != FERRY_OK)
            body_release(&body);
    }
    ck_assert_int_eq(err, FERRY_OK);
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + 10 * FY_SIM_S);
    ck_assert_uint_eq(n_finish, 1);
    ck_assert_uint_eq(n_failure, 0);
    ck_assert_uint_eq(body.n_closed, 1);
    body_release(&body);
}
END_TEST

/* Wherever memory runs out on the way, at either end: one report, one close, one end in the sink; and the next passes.
 */
START_TEST(no_failed_allocation_on_the_way_loses_the_outcome)
{
    bool failed = true;

    for (long nth = 0; failed; nth++) {
        ck_assert_int_lt(nth, 2000);
        body_init(&body, SEED, SIZE);
        n_finish = n_failure = n_processed = 0;
        vault.is_right = false;
        ck_assert_int_eq(send_body(), FERRY_OK);
        heap_fail_at(nth);
        fy_sim_run_until(sim, fy_sim_now_ns(sim) + 40 * FY_SIM_MS);
        failed = heap_has_failed();
        heap_fail_at(-1);
        fy_sim_run_until(sim, fy_sim_now_ns(sim) + 30 * FY_SIM_S);
        ck_assert_uint_eq(n_finish + n_failure, 1);
        ck_assert_uint_eq(body.n_closed, 1);
        ck_assert_uint_eq(body.close_err == FERRY_OK, n_finish);
        ck_assert_uint_ge(n_processed, n_finish);
        ck_assert(!n_finish || vault.is_right);
        body_release(&body);
    }
    ck_assert_uint_eq(n_finish, 1);
}
END_TEST

/* A disk that is full says nothing about the network. */
START_TEST(a_snapshot_that_the_receiver_refuses_leaves_a_peer_with_streams_active)
{
    ck_assert(status_of(2).active);
    vault.open_err = ENOSPC;
    body_init(&body, SEED, SIZE);
    ck_assert_int_eq(send_body(), FERRY_OK);
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + FY_SIM_S);
    ck_assert_uint_eq(n_failure, 1);
    ck_assert(status_of(2).active);
    ck_assert_str_eq(status_of(2).last_error, "");
    body_release(&body);
}
END_TEST

/* At the URL of peer 3 there is member 2, which accepts neither its streams nor its snapshots. */
START_TEST(a_snapshot_that_fails_without_streams_is_why_the_peer_is_inactive)
{
    const char *const urls[] = {"http://two:80", NULL};

    ck_assert_int_eq(ferry_transport_add_peer(ts[0], 3, urls), FERRY_OK);
    body_init(&body, SEED, SIZE);
    ck_assert_int_eq(send_body_to(3), FERRY_OK);
    for (int i = 0; i < 1000 && !strstr(status_of(3).last_error, "failed to post 3 on sendMsgSnap"); i++)
        fy_sim_run_until(sim, fy_sim_now_ns(sim) + FY_SIM_MS);
    ck_assert_ptr_nonnull(strstr(status_of(3).last_error, "failed to post 3 on sendMsgSnap"));
    ck_assert(!status_of(3).active);
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + FY_SIM_S);
    n_astray = 0; /* peer 3's failure */
    body_release(&body);
}
END_TEST

int main(void)
{
    return rig_main("snapshot", setup, teardown, a_send_that_finds_no_memory_closes_the_source_and_reports_nothing,
                    no_failed_allocation_on_the_way_loses_the_outcome,
                    a_snapshot_that_the_receiver_refuses_leaves_a_peer_with_streams_active,
                    a_snapshot_that_fails_without_streams_is_why_the_peer_is_inactive, NULL);
}
