/*
 * it_etcd_load - what a cluster with a Ferry member does, beside one of etcds alone, in the same run.
 *
 * The puts come from etcd-load, which uses etcd's own client: the JSON gateway would cost more than the cluster.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/child.h"
#include "interop/etcd/client.h"
#include "interop/etcd/cluster.h"
#include "interop/etcd/it_etcd.h"

#define CLIENTS "64"
#define VALUE_SIZE "1024"
#define LOAD_MS 240000

struct figures {
    double puts_per_s;
    double p50_ms;
    double p99_ms;
    double cpu_s; /* of the third member, a follower, in that time */
    size_t rss_kib;
    size_t peak_kib;
};

/* etcd-load's puts at one etcd, all of which have to be acknowledged. */
static void run_load(const struct server *etcd, struct figures *figures)
{
    const char *const argv[] = {release.load, "-endpoints", etcd->client_url,
                                "-clients",   CLIENTS,      "-size",
                                VALUE_SIZE,   "-count",     release.is_full ? "100000" : "5000",
                                NULL};
    struct child child;
    json_t *result;

    ck_assert(child_start(&child, argv));
    ck_assert_msg(child_wait(&child, LOAD_MS) == 0, "etcd-load: %s", child.text ? child.text : "");
    result = json_loads(child.text, 0, NULL);
    ck_assert_ptr_nonnull(result);
    figures->puts_per_s = json_number_value(json_object_get(result, "puts_per_s"));
    figures->p50_ms = json_number_value(json_object_get(result, "p50_ms"));
    figures->p99_ms = json_number_value(json_object_get(result, "p99_ms"));
    json_decref(result);
    child_stop(&child);
}

/* The third member is of that kind; with the second one dead it is in every quorum. */
static struct figures measure(enum server_kind third_kind, bool is_needed)
{
    struct server *first, *second, *third;
    struct process_usage before, after;
    struct figures figures = {.puts_per_s = 0};

    cluster_setup();
    cluster.heartbeat_ms = 100;
    cluster.election_ms = 1000;
    first = cluster_add(SERVER_ETCD);
    second = cluster_add(SERVER_ETCD);
    third = cluster_add(third_kind);
    cluster_start_all();
    cluster_await_healthy();
    cluster_lead(first);
    if (is_needed)
        server_kill(second);
    before = process_usage(&third->process);
    run_load(first, &figures);
    cluster_await_applied();
    after = process_usage(&third->process);
    figures.cpu_s = after.cpu_s - before.cpu_s;
    figures.rss_kib = after.rss_kib;
    figures.peak_kib = after.peak_kib;
    ck_assert(client_put(first, "after", "v", 10000));
    cluster_teardown();
    return figures;
}

static void print(const char *name, const struct figures *figures)
{
    printf("# etcd %s, %s: %.0f puts/s, p50 %.1f ms, p99 %.1f ms; the third: %.2f s of a processor, %zu KiB resident, "
           "%zu at most\n",
           release.version, name, figures->puts_per_s, figures->p50_ms, figures->p99_ms, figures->cpu_s,
           figures->rss_kib, figures->peak_kib);
}

START_TEST(puts_of_a_kibibyte_beside_an_all_etcd_cluster)
{
    struct figures figures;

    if (!release.load) {
        printf("# SKIP etcd-load is not there: %s\n", release.no_load);
        return;
    }
    figures = measure(SERVER_ETCD, false);
    print("3 etcds", &figures);
    figures = measure(SERVER_FERRY, false);
    print("2 etcds and Ferry", &figures);
    figures = measure(SERVER_ETCD, true);
    print("2 of 3 etcds", &figures);
    figures = measure(SERVER_FERRY, true);
    print("1 of 2 etcds and Ferry", &figures);
    fflush(stdout);
}
END_TEST

void add_load_tests(TCase *tcase)
{
    tcase_add_test(tcase, puts_of_a_kibibyte_beside_an_all_etcd_cluster);
}
