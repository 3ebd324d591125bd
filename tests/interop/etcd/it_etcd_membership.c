/*
 * it_etcd_membership - how a Ferry member comes into a cluster, is counted in it, and leaves it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop/etcd/client.h"
#include "interop/etcd/cluster.h"
#include "interop/etcd/it_etcd.h"
#include "interop/etcd/load.h"
#include "interop/etcd/peers.h"

#define FEW 20   /* puts: no etcd drops entries from its log so early, unless told */
#define MANY 300 /* with a snapshot count of 10 every etcd has dropped some by then */

static void put_some(const struct server *etcd, const char *prefix, unsigned count)
{
    struct load load = {.prefix = prefix, .count = count, .concurrency = 16, .targets = {etcd}, .n_targets = 1};

    load_run(&load);
    load_assert_all(&load);
    load_release(&load);
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned n = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

/* A member that joins is listed as unstarted until it has published its name. */
static bool all_are_started(const struct server *asked, unsigned n_members)
{
    char *list = etcdctl_must(asked, "member", "list", NULL);
    bool are_started = count_of(list, ", started, ") == n_members && count_of(list, "\n") == n_members;

    free(list);
    return are_started;
}

/* One sees what another one was given, all are members, and all hold the same. */
static void assert_works(unsigned n_members)
{
    const struct server *first = NULL, *last = NULL;
    char *dump;

    cluster_await_healthy();
    for (unsigned i = 0; i < cluster.n; i++)
        if (cluster.servers[i].kind == SERVER_ETCD && process_is_running(&cluster.servers[i].process)) {
            first = first ? first : &cluster.servers[i];
            last = &cluster.servers[i];
        }
    ck_assert(client_put(first, "written", "once", 10000));
    ck_assert(client_has(last, "written", "once", READ_LINEARIZABLE));
    await(all_are_started(first, n_members), 10000);
    dump = client_common_dump();
    ck_assert_ptr_nonnull(strstr(dump, "written\nonce\n"));
    free(dump);
}

/* _i: when the Ferry member starts, among those that are started one after the other. */
static void bootstrap(unsigned n_etcds, unsigned ferrys_turn)
{
    for (unsigned i = 0; i <= n_etcds; i++)
        cluster_add(i == ferrys_turn ? SERVER_FERRY : SERVER_ETCD);
    for (unsigned i = 0; i < cluster.n; i++) {
        server_start(&cluster.servers[i]);
        peers_await_listening(&cluster.servers[i]);
    }
    assert_works(cluster.n);
}

START_TEST(two_etcds_and_ferry_bootstrap_in_any_order)
{
    bootstrap(2, (unsigned)_i);
}
END_TEST

START_TEST(one_etcd_and_ferry_bootstrap_in_any_order)
{
    bootstrap(1, (unsigned)_i);
}
END_TEST

START_TEST(a_joining_member_catches_up_by_the_log)
{
    struct server *etcd = cluster_add(SERVER_ETCD), *ferry;

    cluster_start_all();
    cluster_await_healthy();
    put_some(etcd, "before", FEW);
    ferry = cluster_join(SERVER_FERRY, etcd, false);
    server_start(ferry);
    assert_works(2);
    ck_assert_uint_eq(server_log_count(etcd, "\"sent database snapshot\"", 0), 0);
    ck_assert_str_eq(cluster_by_id(ferry->id)->name, ferry->name);
}
END_TEST

START_TEST(a_joining_member_is_sent_a_snapshot_when_the_log_is_cut)
{
    struct server *etcd = cluster_add(SERVER_ETCD), *ferry;
    json_t *status;

    cluster.snapshot_count = 10;
    cluster_start_all();
    cluster_await_healthy();
    put_some(etcd, "before", MANY);
    ferry = cluster_join(SERVER_FERRY, etcd, false);
    server_start(ferry);
    cluster_await_healthy();
    status = server_status(ferry);
    ck_assert_uint_gt(json_number(status, "snap"), 0);
    json_decref(status);
    await(server_log_count(etcd, "\"sent database snapshot\"", 0) >= 1, 10000); /* it hears of it last */
    put_some(etcd, "after", FEW);
    assert_works(2);
}
END_TEST

/* A member can be added: nobody has to start it. */
static bool is_joined(const struct server *asked)
{
    char *output;
    int status = etcdctl(asked, &output, "member", "add", "another", "--peer-urls=http://127.0.0.1:1", NULL);

    free(output);
    return status == 0;
}

static bool is_promoted(const struct server *asked, const struct server *learner)
{
    char *output;
    int status = etcdctl(asked, &output, "member", "promote", learner->id, NULL);

    free(output);
    return status == 0;
}

START_TEST(a_learner_is_promoted_and_then_counted)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD), *ferry;
    char *list;

    cluster_start_all();
    cluster_await_healthy();
    put_some(first, "before", FEW);
    ferry = cluster_join(SERVER_FERRY, first, true);
    server_start(ferry);
    cluster_await_healthy();
    cluster_lead(first); /* a learner is in no quorum: without the second one there is none */
    server_kill(second);
    ck_assert(!client_put(first, "hangs", "v", 1000));
    server_start(second);
    cluster_await_healthy();

    await(is_promoted(first, ferry), 30000);
    list = etcdctl_must(first, "member", "list", NULL);
    ck_assert_msg(!strstr(list, ", true"), "there is still a learner:\n%s", list);
    free(list);
    cluster_lead(first);
    server_kill(second);
    ck_assert(client_put(first, "counted", "v", 10000));
    server_start(second);
    assert_works(3);
}
END_TEST

static uint64_t voters_of(const struct server *ferry)
{
    json_t *status = server_status(ferry);
    uint64_t n = json_number(status, "voters");

    json_decref(status);
    return n;
}

static bool all_ferrys_count_voters(uint64_t n_voters)
{
    for (unsigned i = 0; i < cluster.n; i++)
        if (cluster.servers[i].kind == SERVER_FERRY && voters_of(&cluster.servers[i]) != n_voters)
            return false;
    return true;
}

#define N_LEARNERS 5

/* At once where etcd allows that, else one after the other. */
static void join_learners(const struct server *asked, struct server *learners[N_LEARNERS])
{
    bool at_once = cluster.max_learners >= N_LEARNERS;

    for (unsigned i = 0; i < N_LEARNERS; i++) {
        learners[i] = cluster_join(SERVER_FERRY, asked, true);
        server_start(learners[i]);
        await(all_are_started(asked, cluster.n), 30000); /* the next one is told all names */
        if (!at_once)
            await(is_promoted(asked, learners[i]), 30000);
    }
    for (unsigned i = 0; at_once && i < N_LEARNERS; i++)
        await(is_promoted(asked, learners[i]), 30000);
}

/* Who counts fewer voters than there are takes a put as committed that a real majority has never seen. */
START_TEST(five_learners_are_promoted_and_each_is_counted)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY), *learners[N_LEARNERS];

    cluster_be_slow_to_elect();
    cluster.can_lead = true;
    if (release_minor() >= 6)
        cluster.max_learners = N_LEARNERS;
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(first);
    join_learners(first, learners);
    cluster_await_healthy();
    await(all_ferrys_count_voters(3 + N_LEARNERS), 30000);

    cluster_lead(ferry);
    server_kill(second);
    for (unsigned i = 1; i < N_LEARNERS; i++)
        server_kill(learners[i]);
    ck_assert_msg(!client_put(first, "three", "of eight", 1500), "3 of 8 members acknowledged a put");
    server_start(second);
    server_start(learners[1]);
    cluster_await_healthy();
    ck_assert(client_put(first, "five", "of eight", 20000));
    free(client_common_dump());
}
END_TEST

/* Put so much that every etcd has made a snapshot, and start them again. */
static void restart_from_snapshots(const struct server *asked)
{
    put_some(asked, "some", MANY);
    for (unsigned i = 0; i < cluster.n; i++)
        if (cluster.servers[i].kind == SERVER_ETCD)
            server_kill(&cluster.servers[i]);
    for (unsigned i = 0; i < cluster.n; i++)
        if (cluster.servers[i].kind == SERVER_ETCD)
            server_start(&cluster.servers[i]);
    cluster_await_healthy();
}

START_TEST(a_bootstrapped_members_name_outlives_etcds_snapshots)
{
    struct server *first = cluster_add(SERVER_ETCD);

    cluster_add(SERVER_ETCD);
    cluster_add(SERVER_FERRY);
    cluster.snapshot_count = 10;
    cluster.is_strict = true; /* then one that is not started keeps others from joining */
    cluster_start_all();
    cluster_await_healthy();
    await(all_are_started(first, 3), 10000);
    restart_from_snapshots(first);
    ck_assert_msg(all_are_started(first, 3), "%s", etcdctl_must(first, "member", "list", NULL));
    await(is_joined(first), 20000);
}
END_TEST

static bool has_version(const struct server *ferry, const char *version)
{
    json_t *status = server_status(ferry);
    bool has = strncmp(json_text(status, "clusterVer"), version, strlen(version)) == 0;

    json_decref(status);
    return has;
}

/* An older etcd takes the data only once the newer one has rewritten them, some time after the cluster's version. */
static bool has_stored_as(const struct server *etcd, const char *version)
{
    json_t *status = server_status(etcd);
    bool has = strncmp(json_text(status, "storageVersion"), version, strlen(version)) == 0;

    json_decref(status);
    return has;
}

START_TEST(a_members_name_outlives_a_downgrade)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY);
    struct server *const etcds[] = {first, second};
    char newer[16], older[16], target[24];

    snprintf(newer, sizeof(newer), "3.%u.", release_minor());
    snprintf(older, sizeof(older), "3.%u.", release_minor() - 1);
    snprintf(target, sizeof(target), "%s0", older);
    cluster.snapshot_count = 10;
    cluster_start_all();
    cluster_await_healthy();
    await(has_version(ferry, newer), 30000);
    put_some(first, "before", MANY);
    free(etcdctl_must(first, "downgrade", "enable", target, NULL));
    await(has_version(ferry, older), 30000);
    await(has_stored_as(first, older) && has_stored_as(second, older), 60000);
    for (unsigned i = 0; i < 2; i++) {
        server_kill(etcds[i]);
        etcds[i]->program = release.older_etcd;
        server_start(etcds[i]);
        peers_await_listening(etcds[i]);
        cluster_await_healthy();
    }
    await(all_are_started(first, 3) && all_are_started(second, 3), 20000);
    restart_from_snapshots(first);
    await(all_are_started(first, 3) && all_are_started(second, 3), 20000);
}
END_TEST

/* Told once, reported once, and dialling no more. */
static void assert_removed(const struct server *etcd, struct server *ferry)
{
    unsigned n_refused;

    await(peers_is_removed(ferry), 10000);
    ck_assert(process_is_running(&ferry->process));
    pause_ms(1000); /* it goes on for an election timeout, lest an answer be missed */
    n_refused = server_log_count(etcd, "because it was removed", 0);
    pause_ms(1000); /* ten times the pause between two dials */
    ck_assert_uint_eq(server_log_count(etcd, "because it was removed", 0), n_refused);
    ck_assert_uint_eq(server_log_count(ferry, "ferry-etcd-member: removed from the cluster", 0), 1);
}

START_TEST(a_member_that_is_removed_is_told_and_stops_dialling)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY);

    cluster_start_all();
    cluster_await_healthy();
    free(etcdctl_must(first, "member", "remove", ferry->id, NULL));
    assert_removed(first, ferry);
    ck_assert(client_put(second, "without", "it", 10000));
}
END_TEST

START_TEST(a_member_that_was_removed_while_it_was_down_is_told_at_its_return)
{
    struct server *first = cluster_add(SERVER_ETCD), *ferry;

    cluster_add(SERVER_ETCD);
    ferry = cluster_add(SERVER_FERRY);
    cluster_start_all();
    cluster_await_healthy();
    server_kill(ferry);
    free(etcdctl_must(first, "member", "remove", ferry->id, NULL));
    server_start(ferry);
    assert_removed(first, ferry);
}
END_TEST

START_TEST(ferry_goes_on_when_an_etcd_is_removed)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY);

    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(first);
    free(etcdctl_must(first, "member", "remove", second->id, NULL));
    await(!process_is_running(&second->process), 20000);
    await(peers_count(ferry) == 1, 10000);
    assert_works(2);
}
END_TEST

void add_membership_tests(TCase *tcase)
{
    tcase_add_loop_test(tcase, two_etcds_and_ferry_bootstrap_in_any_order, 0, 3);
    tcase_add_loop_test(tcase, one_etcd_and_ferry_bootstrap_in_any_order, 0, 2);
    tcase_add_test(tcase, a_joining_member_catches_up_by_the_log);
    tcase_add_test(tcase, a_joining_member_is_sent_a_snapshot_when_the_log_is_cut);
    tcase_add_test(tcase, a_learner_is_promoted_and_then_counted);
    tcase_add_test(tcase, five_learners_are_promoted_and_each_is_counted);
    tcase_add_test(tcase, a_bootstrapped_members_name_outlives_etcds_snapshots);
    /* An etcd before 3.6 does not take newer data; and 3.6 refuses at times what 3.7 says is stored as 3.6's. */
    if (release.older_etcd && release_minor() == 6)
        tcase_add_test(tcase, a_members_name_outlives_a_downgrade);
    tcase_add_test(tcase, a_member_that_is_removed_is_told_and_stops_dialling);
    tcase_add_test(tcase, a_member_that_was_removed_while_it_was_down_is_told_at_its_return);
    tcase_add_test(tcase, ferry_goes_on_when_an_etcd_is_removed);
}
