/*
 * it_etcd_refusals - who is let in: mutual TLS, and what does not belong to the cluster, refused in etcd's own words.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/certificates.h"
#include "interop/etcd/client.h"
#include "interop/etcd/cluster.h"
#include "interop/etcd/http.h"
#include "interop/etcd/it_etcd.h"
#include "interop/etcd/load.h"
#include "interop/etcd/peers.h"

#define PUTS 200

static struct server *first, *second, *ferry;

static void add_three(void)
{
    first = cluster_add(SERVER_ETCD);
    second = cluster_add(SERVER_ETCD);
    ferry = cluster_add(SERVER_FERRY);
}

/* ---- TLS ---- */

static struct certificate make_ca(void)
{
    return certificate_make(&(struct certificate_spec){.common_name = "ca", .is_ca = true}, NULL);
}

/* For both ends: the address that it is dialled at, and the one that its own calls come from. */
static void give_certificate(struct server *server, const struct certificate *ca, const char *ca_file)
{
    char names[96], cert_name[32], key_name[32], host[32];
    struct certificate own;

    ck_assert_int_eq(sscanf(server->peer_url, "https://%31[0-9.]", host), 1);
    snprintf(names, sizeof(names), "IP:127.0.0.1,IP:%s", host);
    snprintf(cert_name, sizeof(cert_name), "%s.pem", server->name);
    snprintf(key_name, sizeof(key_name), "%s.key", server->name);
    own = certificate_make(&(struct certificate_spec){.common_name = server->name, .names = names}, ca);
    server->tls = (struct tls_files){
        .cert = certificate_write(cert_name, &own, NULL), .key = certificate_write_key(key_name, &own), .ca = ca_file};
    certificate_release(&own);
}

START_TEST(members_talk_over_mutual_tls)
{
    struct load load = {.prefix = "k", .count = PUTS, .concurrency = 8, .n_targets = 1};
    struct certificate ca;
    const char *ca_file;

    certificates_setup();
    ca = make_ca();
    ca_file = certificate_write("ca.pem", &ca, NULL);
    cluster.has_tls = true;
    cluster.can_lead = true;
    add_three();
    for (unsigned i = 0; i < cluster.n; i++)
        give_certificate(&cluster.servers[i], &ca, ca_file);
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(ferry);
    cluster_lead(first);
    server_kill(second); /* from here on all goes by ferry */
    load.targets[0] = first;
    load_run(&load);
    load_assert_all(&load);
    server_start(second);
    cluster_await_healthy();
    free(client_common_dump());
    load_release(&load);
    certificate_release(&ca);
}
END_TEST

static void assert_left_out(void)
{
    json_t *status;

    ck_assert(process_is_running(&ferry->process));
    status = server_status(ferry);
    ck_assert_uint_eq(json_number(status, "active"), 0);
    ck_assert_uint_eq(json_number(status, "commit"), 0);
    json_decref(status);
}

static void assert_others_work(void)
{
    ck_assert(client_put(first, "without", "it", 10000));
    ck_assert(client_has(second, "without", "it", READ_LINEARIZABLE));
}

static void start_with_one_left_out(void)
{
    cluster_start_all();
    await(server_is_healthy(first) && server_is_healthy(second), 30000);
}

START_TEST(a_member_of_another_ca_is_refused)
{
    struct certificate ca, other;
    const char *ca_file, *other_file;

    certificates_setup();
    ca = make_ca();
    other = make_ca();
    ca_file = certificate_write("ca.pem", &ca, NULL);
    other_file = certificate_write("other.pem", &other, NULL);
    cluster.has_tls = true;
    add_three();
    give_certificate(first, &ca, ca_file);
    give_certificate(second, &ca, ca_file);
    give_certificate(ferry, &other, other_file);
    start_with_one_left_out();
    await(server_log_count(first, "rejected connection", 0) > 0, 10000);                     /* as a server */
    await(server_log_count(first, "certificate signed by unknown authority", 0) > 0, 10000); /* and as a client */
    assert_left_out();
    assert_others_work();
    certificate_release(&ca);
    certificate_release(&other);
}
END_TEST

/* ---- Identity ---- */

START_TEST(a_member_with_another_token_is_refused)
{
    add_three();
    ferry->token = "another";
    start_with_one_left_out();
    await(server_log_count(first, "request cluster ID mismatch", 0) > 0, 10000); /* ferry's calls */
    await(server_log_count(first, "request sent was ignored by remote peer due to cluster ID mismatch", 0) > 0, 10000);
    assert_left_out();
    assert_others_work();
}
END_TEST

/* That the others work is not said: etcd takes the lowest version that a member tells it for the cluster's. */
START_TEST(a_member_with_too_low_a_version_is_refused)
{
    add_three();
    ferry->version = "2.0.0";
    start_with_one_left_out();
    await(server_log_count(first, "version compatibility", 0) > 0, 10000); /* ferry's calls */
    assert_left_out();
}
END_TEST

/* Asked wrongly, ferry gives the answer that etcd gives. */
struct question {
    const char *name;
    const char *path; /* with the id of who asks as %s */
    const char *body; /* NULL: GET */
    const char *from; /* NULL: the id of second, who is a member */
    const char *to;   /* NULL: the id of who is asked */
    const char *cluster;
    const char *version;
    const char *min_cluster;
    long status; /* as etcd has it */
};

static const struct question questions[] = {
    {"wrong cluster", "/raft/stream/msgapp/%s", NULL, NULL, NULL, "1234", NULL, "3.0.0", 412},
    {"wrong cluster, message stream", "/raft/stream/message/%s", NULL, NULL, NULL, "1234", NULL, "3.0.0", 412},
    {"wrong cluster, POST", "/raft", "x", NULL, NULL, "1234", NULL, "3.0.0", 412},
    {"wrong cluster, snapshot", "/raft/snapshot", "x", NULL, NULL, "1234", NULL, "3.0.0", 412},
    {"too low a version", "/raft/stream/msgapp/%s", NULL, NULL, NULL, NULL, "2.0.0", "2.0.0", 412},
    {"too low a version, POST", "/raft", "x", NULL, NULL, NULL, "2.0.0", "2.0.0", 412},
    {"too low a version, snapshot", "/raft/snapshot", "x", NULL, NULL, NULL, "2.0.0", "2.0.0", 412},
    {"too high a minimum", "/raft/stream/msgapp/%s", NULL, NULL, NULL, NULL, "9.0.0", "9.0.0", 412},
    {"wrong receiver", "/raft/stream/msgapp/%s", NULL, NULL, "1234", NULL, NULL, "3.0.0", 412},
    {"unknown sender", "/raft/stream/msgapp/%s", NULL, "1234", NULL, NULL, NULL, "3.0.0", 404},
    {"no message", "/raft", "no message", NULL, NULL, NULL, NULL, "3.0.0", 400},
    {"no such stream", "/raft/stream/nothing/%s", NULL, NULL, NULL, NULL, NULL, "3.0.0", 404},
};

static void ask(const struct server *asked, const struct question *q, const char *cluster_id,
                struct http_reply *ret_reply)
{
    char url[192], path[96], from[64], to[64], in_cluster[64], version[64], min_cluster[64];
    const char *const headers[] = {from, to, in_cluster, version, min_cluster, NULL};

    snprintf(path, sizeof(path), "%.*s%s", (int)strcspn(q->path, "%"), q->path,
             strchr(q->path, '%') ? (q->from ? q->from : second->id) : "");
    snprintf(url, sizeof(url), "%s%s", asked->peer_url, path);
    snprintf(from, sizeof(from), "X-Server-From: %s", q->from ? q->from : second->id);
    snprintf(to, sizeof(to), "X-Raft-To: %s", q->to ? q->to : asked->id);
    snprintf(in_cluster, sizeof(in_cluster), "X-Etcd-Cluster-ID: %s", q->cluster ? q->cluster : cluster_id);
    snprintf(version, sizeof(version), "X-Server-Version: %s", q->version ? q->version : release.version);
    snprintf(min_cluster, sizeof(min_cluster), "X-Min-Cluster-Version: %s", q->min_cluster);
    http_call(url, headers, q->body, 10000, ret_reply);
}

static void assert_same_answer(const struct question *q, const char *cluster_id)
{
    struct http_reply etcds, ours;

    ask(first, q, cluster_id, &etcds);
    ask(ferry, q, cluster_id, &ours);
    ck_assert_msg(etcds.status == q->status, "%s: etcd answers %ld: %s", q->name, etcds.status, etcds.body);
    ck_assert_msg(ours.status == etcds.status, "%s: ferry answers %ld: %s", q->name, ours.status, ours.body);
    ck_assert_msg(strcmp(ours.body ? ours.body : "", etcds.body ? etcds.body : "") == 0, "%s: etcd says %s, ferry %s",
                  q->name, etcds.body, ours.body);
    ck_assert_str_eq(ours.cluster_id, etcds.cluster_id);
    http_reply_release(&etcds);
    http_reply_release(&ours);
}

START_TEST(wrong_headers_get_the_answers_that_etcd_gives)
{
    struct http_reply members;
    char url[96];

    add_three();
    cluster_start_all();
    cluster_await_healthy();
    snprintf(url, sizeof(url), "%s/members", first->peer_url);
    http_call(url, NULL, NULL, 10000, &members);
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        assert_same_answer(&questions[i], members.cluster_id);
    http_reply_release(&members);
    cluster_await_healthy();
}
END_TEST

void add_refusals_tests(TCase *tcase)
{
    tcase_add_test(tcase, members_talk_over_mutual_tls);
    tcase_add_test(tcase, a_member_of_another_ca_is_refused);
    tcase_add_test(tcase, a_member_with_another_token_is_refused);
    tcase_add_test(tcase, a_member_with_too_low_a_version_is_refused);
    tcase_add_test(tcase, wrong_headers_get_the_answers_that_etcd_gives);
}
