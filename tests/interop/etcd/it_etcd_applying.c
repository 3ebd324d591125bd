/*
 * it_etcd_applying - what etcd refuses when it applies it: a Ferry member refuses the same, or says that it cannot
 * tell.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop/etcd/client.h"
#include "interop/etcd/cluster.h"
#include "interop/etcd/http.h"
#include "interop/etcd/it_etcd.h"

static struct server *first, *second, *ferry;

static void start_three(void)
{
    first = cluster_add(SERVER_ETCD);
    second = cluster_add(SERVER_ETCD);
    ferry = cluster_add(SERVER_FERRY);
    cluster_start_all();
    cluster_await_healthy();
}

/* Does etcd answer a request to its gateway with 200? */
static bool is_done(const struct server *etcd, const char *path, const char *body)
{
    char url[160];
    json_t *answer;

    snprintf(url, sizeof(url), "%s%s", etcd->client_url, path);
    answer = http_json(url, body, 10000);
    json_decref(answer);
    return answer != NULL;
}

static uint64_t revision_of(const struct server *etcd)
{
    json_t *status = server_status(etcd);
    uint64_t revision = json_number(json_object_get(status, "header"), "revision");

    json_decref(status);
    return revision;
}

/* Whether a put is made only if k was changed last at this revision decides who counts as etcd does. */
static void assert_same_revisions(void)
{
    char body[256];

    ck_assert(client_put(first, "k", "counted", 10000));
    snprintf(body, sizeof(body),
             "{\"compare\":[{\"target\":\"MOD\",\"key\":\"aw==\",\"modRevision\":\"%" PRIu64 "\"}],"
             "\"success\":[{\"requestPut\":{\"key\":\"aw==\",\"value\":\"c2FtZQ==\"}}]}",
             revision_of(first));
    ck_assert(is_done(first, "/v3/kv/txn", body));
    ck_assert(client_has(first, "k", "same", READ_LINEARIZABLE));
    free(client_common_dump());
}

static void switch_alarm(const char *action, const char *type)
{
    char body[160];

    snprintf(body, sizeof(body), "{\"action\":\"%s\",\"memberID\":\"%" PRIu64 "\",\"alarm\":\"%s\"}", action,
             (uint64_t)strtoull(second->id, NULL, 16), type);
    ck_assert(is_done(first, "/v3/maintenance/alarm", body));
}

/* DELETE of "gone", and a put of "in" within an inner transaction. */
#define DELETION "{\"success\":[{\"requestDeleteRange\":{\"key\":\"Z29uZQ==\"}}]}"
#define INNER_PUT                                                                                                      \
    "{\"success\":[{\"requestTxn\":{\"success\":[{\"requestPut\":{\"key\":\"aW4=\",\"value\":\"aW4=\"}}]}}]}"

START_TEST(what_an_alarm_refuses_is_refused)
{
    start_three();
    ck_assert(client_put(first, "gone", "v", 10000));
    switch_alarm("ACTIVATE", "NOSPACE");
    ck_assert(!client_put(first, "refused", "v", 10000));
    (void)is_done(first, "/v3/kv/txn", INNER_PUT); /* 3.4 takes it */
    ck_assert(!is_done(first, "/v3/lease/grant", "{\"TTL\":\"60\",\"ID\":\"77\"}"));
    ck_assert(is_done(first, "/v3/kv/txn", DELETION));
    free(client_common_dump());
    switch_alarm("DEACTIVATE", "NOSPACE");
    ck_assert(!is_done(first, "/v3/kv/put", "{\"key\":\"eA==\",\"value\":\"eA==\",\"lease\":\"77\"}"));
    assert_same_revisions();
    switch_alarm("ACTIVATE", "CORRUPT");
    ck_assert(!is_done(second, "/v3/kv/txn", DELETION));
    ck_assert(!client_put(second, "refused", "v", 10000));
    switch_alarm("DEACTIVATE", "CORRUPT");
    assert_same_revisions();
}
END_TEST

/* Puts "x" and reads it at revision: until 3.6 etcds differ among each other unless the read is in an inner one. */
static bool reads_and_puts(uint64_t revision)
{
    bool is_inner = release_minor() < 7;
    char body[320];

    snprintf(body, sizeof(body),
             "{\"success\":[{\"requestPut\":{\"key\":\"eA==\",\"value\":\"eA==\"}},%s{\"requestRange\":"
             "{\"key\":\"eA==\",\"revision\":\"%" PRIu64 "\"}}%s]}",
             is_inner ? "{\"requestTxn\":{\"success\":[" : "", revision, is_inner ? "]}}" : "");
    return is_done(first, "/v3/kv/txn", body);
}

START_TEST(a_transaction_that_reads_what_is_compacted_or_to_come_is_refused)
{
    char revision[32];

    start_three();
    for (unsigned i = 0; i < 20; i++)
        ck_assert(client_put(first, "k", "v", 10000));
    snprintf(revision, sizeof(revision), "%" PRIu64, revision_of(first) - 5);
    free(etcdctl_must(first, "compact", revision, NULL));
    ck_assert(!reads_and_puts(revision_of(first) + 1000));
    ck_assert(!reads_and_puts(revision_of(first) - 6));
    free(client_common_dump()); /* without x */
    ck_assert(reads_and_puts(revision_of(first) - 5));
    assert_same_revisions();
}
END_TEST

#define MANY 300 /* puts: with a snapshot count of 10 every etcd has dropped entries by then */

START_TEST(alarms_and_compactions_come_with_a_snapshot)
{
    json_t *status;
    char revision[32];

    first = cluster_add(SERVER_ETCD);
    second = first; /* whose alarm it is */
    cluster.snapshot_count = 10;
    cluster_start_all();
    cluster_await_healthy();
    for (unsigned i = 0; i < MANY; i++)
        ck_assert(client_put(first, "k", "v", 10000));
    snprintf(revision, sizeof(revision), "%" PRIu64, revision_of(first) - 5);
    free(etcdctl_must(first, "compact", revision, NULL));
    switch_alarm("ACTIVATE", "NOSPACE");
    for (unsigned i = 0; i < MANY; i++) /* the snapshot is to be one from after that */
        ck_assert(!client_put(first, "refused", "v", 10000));
    ferry = cluster_join(SERVER_FERRY, first, false);
    server_start(ferry);
    await(server_applied(ferry) > MANY, 30000); /* an etcd with an alarm is not healthy */
    status = server_status(ferry);
    ck_assert_uint_gt(json_number(status, "snap"), MANY);
    json_decref(status);
    ck_assert(!client_put(first, "refused", "v", 10000));
    free(client_common_dump());
    switch_alarm("DEACTIVATE", "NOSPACE");
    cluster_await_healthy();
    ck_assert(!reads_and_puts(revision_of(first) - 6));
    assert_same_revisions();
}
END_TEST

static uint64_t diverged_at(void)
{
    json_t *status = server_status(ferry);
    uint64_t entry = json_number(status, "diverged");

    json_decref(status);
    return entry;
}

START_TEST(what_authentication_may_have_refused_marks_the_dump)
{
    char *dump, *output;

    start_three();
    free(etcdctl_must(first, "user", "add", "root:secret", NULL));
    free(etcdctl_must(first, "user", "grant-role", "root", "root", NULL));
    free(etcdctl_must(first, "user", "add", "guest:guest", NULL));
    ck_assert(client_put(first, "open", "v", 10000));
    free(etcdctl_must(first, "auth", "enable", NULL));
    ck_assert_uint_eq(diverged_at(), 0);
    ck_assert_int_ne(etcdctl(first, &output, "--user=guest:guest", "put", "refused", "v", NULL), 0);
    free(output);
    await(diverged_at() != 0, 10000);
    dump = client_dump(ferry);
    ck_assert_msg(strncmp(dump, "diverged from entry ", 20) == 0, "%s", dump);
    free(dump);
}
END_TEST

void add_applying_tests(TCase *tcase)
{
    tcase_add_test(tcase, what_an_alarm_refuses_is_refused);
    tcase_add_test(tcase, a_transaction_that_reads_what_is_compacted_or_to_come_is_refused);
    tcase_add_test(tcase, alarms_and_compactions_come_with_a_snapshot);
    tcase_add_test(tcase, what_authentication_may_have_refused_marks_the_dump);
}
