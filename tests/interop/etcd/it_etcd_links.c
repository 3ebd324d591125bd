/*
 * it_etcd_links - nothing between the members is half dead, as the wire and etcd's own metrics show it.
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
#include "interop/etcd/tap.h"

#define PUTS 500
#define ROUND_TRIP_MS 40000 /* etcd enters the round-trip time of its probes every 30 seconds */

static struct server *first, *second, *ferry;

/* They are slow to elect: what is counted is to be the puts' alone, however busy the machine. */
static void add_three(void)
{
    first = cluster_add(SERVER_ETCD);
    second = cluster_add(SERVER_ETCD);
    ferry = cluster_add(SERVER_FERRY);
    cluster.can_lead = true;
    cluster_be_slow_to_elect();
}

static void put_at_both(const char *prefix)
{
    struct load load = {.prefix = prefix, .count = PUTS, .concurrency = 8, .targets = {first, second}, .n_targets = 2};

    load_run(&load);
    load_assert_all(&load);
    load_release(&load);
}

static double metric_of_ferry(const struct server *etcd, const char *name, const char *label)
{
    char labels[96];

    snprintf(labels, sizeof(labels), "%s=\"%s\"", label, ferry->id);
    return peers_metric(etcd, name, labels);
}

static bool is_active(const struct server *etcd)
{
    char labels[96];

    snprintf(labels, sizeof(labels), "Local=\"%s\",Remote=\"%s\"", etcd->id, ferry->id);
    return peers_metric(etcd, "etcd_network_active_peers", labels) == 1;
}

/* ---- On machines of their own, with the wire tapped ----------------------------------------------------------------
 */

/* From when all streams stand: what the puts put on the wire between ferry and the etcds. */
static struct tap_counts tapped_puts(struct tap *tap, const char *prefix)
{
    struct tap_counts before, after;

    await(peers_streams(ferry) == 8, 10000);
    before = tap_read(tap);
    put_at_both(prefix);
    cluster_await_applied();
    after = tap_read(tap);
    ck_assert_uint_eq(after.lost, 0);
    after.posts -= before.posts;
    for (int i = 0; i < TAP_N_DIRECTIONS; i++) {
        after.compact[i] -= before.compact[i];
        after.full[i] -= before.full[i];
        after.dials[i] -= before.dials[i];
    }
    return after;
}

/* Each append comes once with the entry and once with the commit; some of them together. */
static void assert_appended(const struct tap_counts *counts, enum tap_direction direction)
{
    ck_assert_uint_eq(counts->posts, 0);
    ck_assert_uint_eq(counts->dials[TAP_FROM_SERVER] + counts->dials[TAP_TO_SERVER], 0);
    ck_assert_msg(counts->compact[direction] >= PUTS / 8, "%lu compact frames for %d puts",
                  (unsigned long)counts->compact[direction], PUTS);
    ck_assert_msg(counts->full[direction] < counts->compact[direction] / 4, "%lu full frames, %lu compact ones",
                  (unsigned long)counts->full[direction], (unsigned long)counts->compact[direction]);
}

START_TEST(four_streams_stand_to_each_peer_and_carry_all_in_compact_frames)
{
    struct tap_counts counts;
    struct tap *tap;

    network_enter();
    add_three();
    network_add_host(first);
    network_add_host(second);
    network_add_host(ferry);
    tap = tap_start(ferry);
    cluster_start_all();
    cluster_await_healthy();

    cluster_lead(first);
    counts = tapped_puts(tap, "etcd-leads");
    assert_appended(&counts, TAP_TO_SERVER);
    cluster_lead(ferry);
    counts = tapped_puts(tap, "ferry-leads");
    assert_appended(&counts, TAP_FROM_SERVER); /* to each of two */
    ck_assert(is_active(first) && is_active(second));
    ck_assert_ptr_eq(cluster_leader(), ferry);
    tap_stop(tap);
}
END_TEST

void add_tapped_tests(TCase *tcase)
{
    tcase_add_test(tcase, four_streams_stand_to_each_peer_and_carry_all_in_compact_frames);
}

/* ---- On loopback ---------------------------------------------------------------------------------------------------
 */

START_TEST(etcds_metrics_of_ferry_are_content)
{
    struct server *etcds[2];

    add_three();
    etcds[0] = first;
    etcds[1] = second;
    server_start(ferry);
    peers_await_listening(ferry); /* a vote that is posted to nobody is a failure */
    for (int i = 0; i < 2; i++)
        server_start(etcds[i]);
    cluster_await_healthy();
    await(peers_streams(ferry) == 8, 10000);
    for (int i = 0; i < 2; i++) {
        cluster_lead(etcds[i]); /* followers have nothing to say to each other */
        put_at_both("a");
    }
    for (int i = 0; i < 2; i++)
        await(metric_of_ferry(etcds[i], "etcd_network_peer_round_trip_time_seconds_count", "To") > 0, ROUND_TRIP_MS);
    for (int i = 0; i < 2; i++) {
        double n = metric_of_ferry(etcds[i], "etcd_network_peer_round_trip_time_seconds_count", "To");
        double sum = metric_of_ferry(etcds[i], "etcd_network_peer_round_trip_time_seconds_sum", "To");
        char both[96];

        ck_assert_msg(sum > 0 && sum / n < 1, "a round trip of %f s", sum / n);
        ck_assert(is_active(etcds[i]));
        snprintf(both, sizeof(both), "Local=\"%s\",Remote=\"%s\"", etcds[i]->id, ferry->id);
        ck_assert(peers_metric(etcds[i], "etcd_network_disconnected_peers_total", both) <=
                  0); /* absent until the first */
        ck_assert(metric_of_ferry(etcds[i], "etcd_network_peer_sent_failures_total", "To") <= 0);
        ck_assert(metric_of_ferry(etcds[i], "etcd_network_peer_received_failures_total", "From") <= 0);
        ck_assert(metric_of_ferry(etcds[i], "etcd_network_peer_sent_bytes_total", "To") > 0);
        ck_assert(metric_of_ferry(etcds[i], "etcd_network_peer_received_bytes_total", "From") > 0);
    }
}
END_TEST

void add_links_tests(TCase *tcase)
{
    tcase_add_test(tcase, etcds_metrics_of_ferry_are_content);
}
