/*
 * it_etcd_leading - real etcd servers follow a Ferry member.
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

#define PUTS 20000
#define FEW 300 /* with a snapshot count of 10 every etcd has dropped some by then */

static void put_at(const struct server *first, const struct server *second, const char *prefix, unsigned count,
                   struct load *ret_load)
{
    *ret_load = (struct load){
        .prefix = prefix, .count = count, .concurrency = 64, .targets = {first, second}, .n_targets = second ? 2 : 1};
    load_run(ret_load);
    load_assert_all(ret_load);
}

START_TEST(etcds_follow_ferry_for_20000_puts)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY);
    struct load load;
    json_t *status;
    uint64_t term;
    char *dump;

    cluster_be_slow_to_elect();
    cluster.can_lead = true;
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(ferry);
    status = server_status(ferry);
    term = json_number(status, "term");
    json_decref(status);
    put_at(first, second, "led", PUTS, &load);
    status = server_status(ferry);
    ck_assert_uint_eq(json_number(status, "term"), term); /* it led all the while */
    ck_assert_str_eq(json_text(status, "role"), "leader");
    json_decref(status);
    dump = client_common_dump();
    load_assert_kept(&load, dump);
    free(dump);

    cluster_lead(first); /* and it hands over */
    ck_assert(client_put(second, "after", "v", 10000));
    load_release(&load);
}
END_TEST

/* "...,"hash":123456,..." of etcdctl's JSON; the same revision is asked of both. */
static uint64_t hash_of(const struct server *etcd)
{
    char *output = etcdctl_must(etcd, "endpoint", "hashkv", "-w", "json", NULL);
    char *at = strstr(output, "\"hash\":");
    uint64_t hash;

    ck_assert_msg(at, "no hash in %s", output);
    hash = strtoull(at + strlen("\"hash\":"), NULL, 10);
    free(output);
    return hash;
}

START_TEST(a_fresh_etcd_bootstraps_from_a_snapshot_that_ferry_sent)
{
    struct server *first = cluster_add(SERVER_ETCD), *ferry, *fresh;
    struct load before, led, after;

    cluster_be_slow_to_elect();
    cluster.snapshot_count = 10;
    cluster.can_lead = true;
    cluster_start_all();
    cluster_await_healthy();
    put_at(first, NULL, "before", FEW, &before);
    ferry = cluster_join(SERVER_FERRY, first, false); /* it gets a snapshot, and keeps its body */
    server_start(ferry);
    cluster_await_healthy();
    cluster_lead(ferry);
    put_at(first, NULL, "led", FEW, &led);

    fresh = cluster_join(SERVER_ETCD, first, false);
    server_start(fresh);
    cluster_await_healthy();
    ck_assert_ptr_eq(cluster_leader(), ferry);
    await(peers_number(ferry, fresh, "snapshots_sent", "good") >= 1, 10000);        /* it hears of it last */
    ck_assert_uint_eq(server_log_count(first, "\"sent database snapshot\"", 0), 1); /* the one to ferry */
    put_at(fresh, first, "after", FEW, &after);
    cluster_await_applied();
    ck_assert_uint_eq(hash_of(first), hash_of(fresh));
    ck_assert(client_has(fresh, "before00000000", "vbefore00000000", READ_LOCAL));
    load_release(&before);
    load_release(&led);
    load_release(&after);
}
END_TEST

START_TEST(ferry_campaigns_when_it_is_left_without_a_leader)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY);
    struct load load;

    /* What second lacks and ferry has: only ferry can be elected when first is gone. */
    cluster.can_lead = true;
    cluster.campaign_after_s = 1;
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(first);
    server_kill(second);
    put_at(first, NULL, "k", FEW, &load);
    server_kill(first);
    server_start(second);
    await(cluster_leader() == ferry, 20000);
    ck_assert(client_put(second, "led", "v", 10000));
    free(client_common_dump());
    server_start(first);
    cluster_await_healthy();
    ck_assert(client_has(first, "led", "v", READ_LINEARIZABLE));
    load_release(&load);
}
END_TEST

static bool is_promoted(const struct server *asked, const struct server *learner)
{
    char *output;
    int status = etcdctl(asked, &output, "member", "promote", learner->id, NULL);

    free(output);
    return status == 0;
}

static bool is_refused(const struct server *asked, const char *id, const char *why)
{
    char *output;
    int status = etcdctl(asked, &output, "member", "promote", id, NULL);
    bool is_so = status != 0 && strstr(output, why);

    ck_assert_msg(is_so, "%d: %s", status, output);
    free(output);
    return is_so;
}

/* What the leader alone can do, an etcd asks it for on its peer port. */
START_TEST(ferry_promotes_a_learner_while_it_leads)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY), *learner;

    cluster_be_slow_to_elect();
    cluster.can_lead = true;
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(ferry);
    learner = cluster_join(SERVER_ETCD, first, true);
    ck_assert(is_refused(first, learner->id, "in sync with leader"));
    ck_assert(is_refused(first, second->id, "can only promote a learner member"));
    ck_assert(is_refused(first, "77", "member not found"));
    server_start(learner);
    await(is_promoted(first, learner), 30000);
    ck_assert(is_refused(first, learner->id, "can only promote a learner member"));
    ck_assert_ptr_eq(cluster_leader(), ferry);
    server_kill(second);
    ck_assert(client_put(first, "with", "the promoted one", 10000));
}
END_TEST

/* Grant a lease at asked, and put key with it. */
static void put_leased(const struct server *asked, const char *key, const char *ttl, char ret_lease[32])
{
    char flag[48], *output = etcdctl_must(asked, "lease", "grant", ttl, NULL);

    ck_assert_int_eq(sscanf(output, "lease %31[0-9a-f] granted", ret_lease), 1);
    free(output);
    snprintf(flag, sizeof(flag), "--lease=%s", ret_lease);
    free(etcdctl_must(asked, "put", key, "v", flag, NULL));
}

static bool is_there(const struct server *asked, const char *key)
{
    return client_has(asked, key, "v", READ_LINEARIZABLE);
}

static unsigned seconds_left(const struct server *asked, const char *lease)
{
    char *output = etcdctl_must(asked, "lease", "timetolive", lease, NULL);
    unsigned left;

    ck_assert_msg(sscanf(output, "lease %*[0-9a-f] granted with TTL(60s), remaining(%us)", &left) == 1, "%s", output);
    free(output);
    return left;
}

/* A machine that stands still may need more than one try. */
static bool is_longer_once_renewed(const struct server *asked, const char *lease)
{
    char *output = etcdctl_must(asked, "lease", "keep-alive", "--once", lease, NULL);

    ck_assert_msg(strstr(output, "keepalived with TTL(60)"), "%s", output);
    free(output);
    return seconds_left(asked, lease) > 57;
}

/* While an etcd follows, it has its leader renew the leases of its clients. */
START_TEST(leases_end_and_are_renewed_while_ferry_leads)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY);
    char ends[32], stays[32], old[32], *output;

    cluster_be_slow_to_elect();
    cluster.can_lead = true;
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(first);
    put_leased(first, "old", "8", old);
    cluster_lead(ferry);
    put_leased(first, "stays", "60", stays);
    put_leased(second, "ends", "8", ends);
    await(!is_there(second, "ends") && !is_there(second, "old"), 60000);
    await(seconds_left(second, stays) <= 57, 30000);
    await(is_longer_once_renewed(first, stays), 30000);
    ck_assert(is_there(second, "stays"));
    ck_assert_ptr_eq(cluster_leader(), ferry);
    ck_assert_int_ne(etcdctl(first, &output, "lease", "revoke", ends, NULL), 0); /* it is gone, not only its key */
    free(output);
    free(client_common_dump());
}
END_TEST

static bool has_role(const struct server *ferry, const char *role)
{
    json_t *status = server_status(ferry);
    bool has = strcmp(json_text(status, "role"), role) == 0;

    json_decref(status);
    return has;
}

START_TEST(ferry_does_not_say_that_it_leads_once_it_is_removed)
{
    struct server *first = cluster_add(SERVER_ETCD), *second = cluster_add(SERVER_ETCD),
                  *ferry = cluster_add(SERVER_FERRY);
    json_t *status;

    cluster.can_lead = true;
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(ferry);
    free(etcdctl_must(first, "member", "remove", ferry->id, NULL));
    await(peers_is_removed(ferry), 10000);
    ck_assert(has_role(ferry, "removed"));
    status = server_status(ferry);
    ck_assert_str_eq(json_text(status, "lead"), "0");
    json_decref(status);
    await(cluster_leader() == first || cluster_leader() == second, 30000);
    ck_assert(client_put(second, "without", "it", 10000));
    await(peers_count(ferry) == 0, 10000);
    ck_assert(has_role(ferry, "removed"));
}
END_TEST

void add_leading_tests(TCase *tcase)
{
    tcase_add_test(tcase, etcds_follow_ferry_for_20000_puts);
    tcase_add_test(tcase, a_fresh_etcd_bootstraps_from_a_snapshot_that_ferry_sent);
    tcase_add_test(tcase, ferry_promotes_a_learner_while_it_leads);
    tcase_add_test(tcase, leases_end_and_are_renewed_while_ferry_leads);
    tcase_add_test(tcase, ferry_does_not_say_that_it_leads_once_it_is_removed);
    tcase_add_test(tcase, ferry_campaigns_when_it_is_left_without_a_leader);
}
