/*
 * it_etcd_quorum - the cluster's progress rests on the Ferry member's acknowledgements.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop/etcd/client.h"
#include "interop/etcd/cluster.h"
#include "interop/etcd/it_etcd.h"
#include "interop/etcd/load.h"

#define PUTS 1000

static struct server *first, *second, *ferry;

static void start_three(void)
{
    first = cluster_add(SERVER_ETCD);
    second = cluster_add(SERVER_ETCD);
    ferry = cluster_add(SERVER_FERRY);
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(first);
}

static void assert_puts_and_reads(const char *prefix)
{
    struct load puts = {.prefix = prefix, .count = PUTS, .concurrency = 16, .targets = {first}, .n_targets = 1};
    struct load reads = {
        .prefix = prefix, .count = PUTS, .concurrency = 16, .targets = {first}, .n_targets = 1, .reads = true};

    load_run(&puts);
    load_assert_all(&puts);
    load_run(&reads);
    load_assert_all(&reads);
    load_release(&puts);
    load_release(&reads);
}

/* One put hangs while ferry is away, and is acknowledged once it is back. */
static void assert_waits_for_ferry(const char *key, void (*take_away)(void), void (*bring_back)(void))
{
    struct load hanging = {.prefix = key, .count = 1, .concurrency = 1, .targets = {first}, .n_targets = 1};

    take_away();
    load_start(&hanging);
    ck_assert_ptr_null(
        client_get(first, "a00000000", READ_LINEARIZABLE, 1000)); /* nor is there a read in all its time */
    ck_assert_uint_eq(atomic_load(&hanging.n_acked) + atomic_load(&hanging.n_failed), 0);
    bring_back();
    load_join(&hanging);
    load_assert_all(&hanging);
    load_release(&hanging);
}

static void pause_ferry(void)
{
    process_pause(&ferry->process);
}

static void resume_ferry(void)
{
    process_resume(&ferry->process);
}

static void kill_ferry(void)
{
    server_kill(ferry);
}

static void restart_ferry(void)
{
    server_start(ferry);
}

START_TEST(puts_and_reads_go_on_with_ferry_and_wait_without)
{
    char *dump;

    cluster_be_slow_to_elect(); /* a put in an election is refused */
    start_three();
    server_kill(second);
    assert_puts_and_reads("a");
    assert_waits_for_ferry("paused", pause_ferry, resume_ferry);
    assert_puts_and_reads("b");
    assert_waits_for_ferry("killed", kill_ferry, restart_ferry);
    assert_puts_and_reads("c");
    server_start(second);
    cluster_await_healthy();
    dump = client_common_dump(); /* what ferry saw committed is what both etcds have */
    ck_assert_ptr_nonnull(strstr(dump, "paused00000000\n"));
    ck_assert_ptr_nonnull(strstr(dump, "killed00000000\n"));
    free(dump);
}
END_TEST

START_TEST(a_leader_that_dies_is_followed_by_one_with_ferrys_vote)
{
    start_three();
    for (unsigned i = 0; i < 3; i++) {
        struct server *leader = cluster_await_leader(), *other = leader == first ? second : first;
        long end = server_log_end(other);
        char vote[64], key[16], *dump;

        snprintf(vote, sizeof(vote), "Resp from %s", ferry->id); /* MsgVoteResp; MsgPreVoteResp with pre-vote */
        snprintf(key, sizeof(key), "leader%u", i);
        ck_assert_ptr_ne(leader, ferry);
        server_kill(leader);
        await(server_leads(other), 20000);
        ck_assert_uint_ge(server_log_count(other, vote, end), 1);
        ck_assert(client_put(other, key, "v", 10000));
        server_start(leader);
        cluster_await_healthy();
        ck_assert(client_has(leader, key, "v", READ_LINEARIZABLE));
        dump = client_common_dump();
        free(dump);
    }
}
END_TEST

/* What it has in its log while it is behind comes from the log, and from a snapshot when the log is cut. */
START_TEST(ferry_catches_up_after_a_crash)
{
    struct load load = {.prefix = "k", .count = release.is_full ? 20000 : 6000, .concurrency = 32, .n_targets = 2};
    bool by_snapshot = _i == 1;
    json_t *status;
    char *dump;

    cluster_be_slow_to_elect();
    cluster.snapshot_count = by_snapshot ? 100 : 0;
    cluster.catchup_entries = by_snapshot ? 100 : 50000;
    start_three();
    load.targets[0] = first;
    load.targets[1] = second;
    server_kill(ferry);
    load_run(&load);
    load_assert_all(&load);
    server_start(ferry);
    cluster_await_healthy();
    cluster_await_applied();
    status = server_status(ferry);
    if (by_snapshot) {
        ck_assert_uint_gt(json_number(status, "snap"), 0);
    } else {
        ck_assert_uint_eq(json_number(status, "snap"), 0);
        dump = client_common_dump();
        load_assert_kept(&load, dump);
        free(dump);
    }
    json_decref(status);
    server_kill(second);
    assert_puts_and_reads("after");
    load_release(&load);
}
END_TEST

void add_quorum_tests(TCase *tcase)
{
    tcase_add_test(tcase, puts_and_reads_go_on_with_ferry_and_wait_without);
    tcase_add_test(tcase, a_leader_that_dies_is_followed_by_one_with_ferrys_vote);
    tcase_add_loop_test(tcase, ferry_catches_up_after_a_crash, 0, 2);
}
