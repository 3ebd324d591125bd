/*
 * it_etcd_faults - members die and come back, the network parts them, and leadership moves, all under load.
 *
 * What was acknowledged has to be there in the end, on all sides; whatever else was lost is the client's to repeat.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop/etcd/client.h"
#include "interop/etcd/cluster.h"
#include "interop/etcd/it_etcd.h"
#include "interop/etcd/load.h"
#include "interop/etcd/network.h"
#include "interop/etcd/peers.h"

#define MAX_PUTS 400000
#define PROGRESS 50 /* puts that have to be acknowledged in each state */
#define PROGRESS_MS 30000
#define STREAMS_MS                                                                                                     \
    45000 /* from 3.5 on etcd reads a dead stream until its keepalive finds out: that begins after 30 s */

static struct server *first, *second, *ferry;
static struct load load;

static void add_three(void)
{
    first = cluster_add(SERVER_ETCD);
    second = cluster_add(SERVER_ETCD);
    ferry = cluster_add(SERVER_FERRY);
    cluster.can_lead = true;
    cluster.campaign_after_s = 2; /* what only ferry has acknowledged beside a dead leader, only ferry can lead with */
}

static void begin_load(void)
{
    cluster_start_all();
    cluster_await_healthy();
    load = (struct load){
        .prefix = "k", .count = MAX_PUTS, .concurrency = 4, .put_ms = 3000, .targets = {first, second}, .n_targets = 2};
    load_start(&load);
}

/* The cluster serves: so many puts more are acknowledged. */
static void await_progress(void)
{
    unsigned n = atomic_load(&load.n_acked);

    await(atomic_load(&load.n_acked) >= n + PROGRESS, PROGRESS_MS);
}

/* What an etcd says when a peer does not keep to the protocol, or when itself is at its end. */
static void assert_no_protocol_error(const struct server *etcd)
{
    static const char *const never[] = {
        "panic",
        "\"level\":\"fatal\"",
        "dropped internal Raft message",
        "cluster ID mismatch",
        "to field mismatch",
        "version compatib",
        "failed to decode",
        "failed to unmarshal",
        "failed to process Raft message",
        "failed to process raft message",
        "unexpected EOF while reading a message",
        "proto:",
        "unhandled message",
        "because it was removed",
    };

    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        ck_assert_msg(server_log_count(etcd, never[i], 0) == 0, "%s logs: %s", etcd->name, never[i]);
}

static void end_load(void)
{
    char *dump;

    load_stop(&load);
    cluster_await_healthy();
    await(peers_streams(ferry) == 8, STREAMS_MS);
    free(etcdctl_must(first, "endpoint", "health", NULL));
    free(etcdctl_must(second, "endpoint", "health", NULL));
    dump = client_common_dump();
    load_assert_kept(&load, dump);
    assert_no_protocol_error(first);
    assert_no_protocol_error(second);
    printf("# %u puts acknowledged, %u not\n", atomic_load(&load.n_acked), atomic_load(&load.n_failed));
    free(dump);
    load_release(&load);
}

START_TEST(nothing_acknowledged_is_lost_when_members_are_killed)
{
    unsigned n_rounds = release.is_full ? 20 : 5;
    unsigned seed = (unsigned)environment_number("FERRY_ETCD_SEED", monotonic_ns() % 100000);

    printf("# FERRY_ETCD_SEED=%u\n", seed);
    add_three();
    begin_load();
    for (unsigned i = 0; i < n_rounds; i++) {
        struct server *victim = &cluster.servers[i < 3 ? (i + seed) % 3 : (unsigned)rand_r(&seed) % 3];

        await_progress();
        server_kill(victim);
        await_progress();
        server_start(victim);
        peers_await_listening(victim);
    }
    end_load();
}
END_TEST

START_TEST(nothing_acknowledged_is_lost_when_leadership_moves)
{
    add_three();
    begin_load();
    for (unsigned i = 0; i < (release.is_full ? 20u : 4u); i++) {
        cluster_lead(&cluster.servers[(i + 2) % 3]); /* ferry is the third */
        await_progress();
    }
    end_load();
}
END_TEST

void add_faults_tests(TCase *tcase)
{
    tcase_add_test(tcase, nothing_acknowledged_is_lost_when_members_are_killed);
    tcase_add_test(tcase, nothing_acknowledged_is_lost_when_leadership_moves);
}

/* ---- On machines of their own --------------------------------------------------------------------------------------
 */

/* Each of the members alone, then each pair apart; with the leader and without, as it happens to fall. */
START_TEST(nothing_acknowledged_is_lost_when_the_network_parts)
{
    network_enter();
    add_three();
    for (unsigned i = 0; i < cluster.n; i++)
        network_add_host(&cluster.servers[i]);
    begin_load();
    for (unsigned i = 0; i < cluster.n; i++) {
        await_progress();
        network_isolate(&cluster.servers[i]);
        await_progress();
        network_rejoin(&cluster.servers[i]);
    }
    for (unsigned i = 0; i < cluster.n; i++) {
        const struct server *a = &cluster.servers[i], *b = &cluster.servers[(i + 1) % 3];

        await_progress();
        network_cut(a, b);
        await_progress();
        network_mend(a, b);
    }
    end_load();
}
END_TEST

START_TEST(a_leader_that_is_parted_from_the_others_gives_up)
{
    struct server *leader, *others_leader = NULL;

    network_enter();
    add_three();
    for (unsigned i = 0; i < cluster.n; i++)
        network_add_host(&cluster.servers[i]);
    begin_load();
    for (unsigned i = 0; i < 2; i++) {
        leader = i == 0 ? first : ferry;
        cluster_lead(leader);
        network_isolate(leader);
        await(!server_leads(leader), 20000);
        await((others_leader = cluster_leader()) != NULL && others_leader != leader, 20000);
        await_progress();
        network_rejoin(leader);
    }
    end_load();
}
END_TEST

void add_parted_tests(TCase *tcase)
{
    tcase_add_test(tcase, nothing_acknowledged_is_lost_when_the_network_parts);
    tcase_add_test(tcase, a_leader_that_is_parted_from_the_others_gives_up);
}
