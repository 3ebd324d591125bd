/*
 * it_metrics - what two members tell of themselves: as a struct, for Prometheus, as JSON.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/heap.h"
#include "harness/http_get.h"
#include "harness/member.h"
#include "harness/metrics_page.h"
#include "harness/patience.h"
#include "harness/rig.h"

#define PROBE_INTERVAL_MS 40

static struct member members[2];

static void setup(void)
{
    for (size_t i = 0; i < 2; i++) {
        member_init(&members[i], i + 1);
        members[i].config.probe_interval_ms = PROBE_INTERVAL_MS;
    }
}

static void teardown(void)
{
    for (size_t i = 0; i < 2; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < 2; i++)
        member_release(&members[i]);
}

static void start_and_connect(void)
{
    for (size_t i = 0; i < 2; i++)
        member_start(&members[i]);
    members_connect(members, 2);
    members_await_streams(members, 2);
}

/* ---- Writing to memory ---- */

struct written {
    char *text;
    size_t len;
    size_t n_calls;
    int answer;
};

static int on_write(void *ctx, const char *text, size_t len)
{
    struct written *w = ctx;
    char *larger = realloc(w->text, w->len + len + 1);

    w->n_calls++;
    if (!larger)
        return FERRY_ERR_NOMEM;
    w->text = larger;
    memcpy(w->text + w->len, text, len);
    w->len += len;
    w->text[w->len] = '\0';
    return w->answer;
}

static json_t *read_debug(const struct member *m)
{
    struct written w = {0};
    json_t *json;
    json_error_t error;

    ck_assert_int_eq(ferry_debug_peers_write(m->t, on_write, &w), FERRY_OK);
    ck_assert_ptr_nonnull(w.text);
    json = json_loadb(w.text, w.len, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(json, "%s at %d of: %s", error.text, error.position, w.text);
    free(w.text);
    return json;
}

/* ---- Traffic ---- */

/* Ten of each class from the first to the second, and all there. */
static void send_of_each_class(void)
{
    static const struct {
        enum ferry_message_type type;
        enum ferry_message_class class;
    } kinds[] = {{FERRY_MSG_HEARTBEAT, FERRY_CLASS_CONTROL},
                 {FERRY_MSG_APP, FERRY_CLASS_APPEND},
                 {FERRY_MSG_PROP, FERRY_CLASS_PROPOSAL},
                 {FERRY_MSG_SNAP, FERRY_CLASS_SNAPSHOT}};
    struct ferry_snapshot snapshot = {.index = 1, .term = 1};

    for (size_t i = 0; i < 4; i++) {
        struct ferry_message msg = {.type = kinds[i].type, .from = 1, .to = 2, .snapshot = &snapshot};

        ck_assert_int_eq(ferry_message_type_class(msg.type), kinds[i].class);
        for (int n = 0; n < 10; n++)
            member_send(&members[0], &msg);
    }
    ck_assert(recorder_wait_messages(&members[1].recorder, 40, patience_ms(10000)));
    members_await_rest(members, 2);
}

static bool are_probed(void *arg)
{
    (void)arg;
    return member_status(&members[0], 2).probe.n_good >= 3 && member_status(&members[1], 1).probe.n_good >= 3;
}

START_TEST(the_status_says_what_went_which_way)
{
    struct ferry_peer_status out, in;

    start_and_connect();
    send_of_each_class();
    ck_assert(members_wait(members, 2, are_probed, NULL, patience_ms(10000)));
    out = member_status(&members[0], 2);
    in = member_status(&members[1], 1);
    ck_assert(!out.remote);
    ck_assert(out.active);
    ck_assert_uint_eq(out.counts.sent, 40);
    for (int i = 0; i < FERRY_N_CLASSES; i++) {
        ck_assert_uint_eq(out.counts.by_class[i].sent, 10);
        ck_assert_uint_eq(out.counts.by_class[i].written, 10);
        ck_assert_uint_eq(in.counts.by_class[i].received, 10);
    }
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        ck_assert_int_eq(out.reader_state[i], FERRY_READER_ACTIVE);
        ck_assert_uint_gt(out.reader_since_ms[i], 0);
        ck_assert_uint_gt(out.writer_since_ms[i], 0);
    }
    ck_assert(out.probe.healthy);
    ck_assert_uint_gt(out.probe.rtt_ns, 0);
    ck_assert_uint_gt(out.probe.smoothed_ns, 0);
    ck_assert_uint_ge(out.round_trips.count, 3);
    ck_assert(out.probe.has_clock); /* of one machine */
    ck_assert_int_lt(llabs((long long)out.probe.clock_ahead_ns), 1000000LL * patience_ms(1000));
}
END_TEST

static bool has_waited(void *arg)
{
    struct ferry_peer_status status = member_status(&members[0], 2);

    (void)arg;
    return status.queues[FERRY_LANE_PIPELINE].oldest_ms >= 100;
}

START_TEST(the_age_of_the_oldest_message_grows_while_it_waits)
{
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2};
    struct fake_peer *silent = fake_peer_new();
    struct ferry_peer_status status;

    member_start(&members[0]);
    member_add(&members[0], 2, fake_peer_url(silent));
    for (int i = 0; i < 10; i++)
        member_send(&members[0], &msg);
    ck_assert(members_wait(members, 1, has_waited, NULL, patience_ms(5000)));
    status = member_status(&members[0], 2);
    ck_assert_uint_eq(status.queued_messages, 10);
    ck_assert_uint_eq(status.queues[FERRY_LANE_PIPELINE].messages, 10);
    ck_assert_uint_eq(status.queues[FERRY_LANE_PIPELINE].bytes, status.queued_bytes);
    ck_assert_uint_eq(status.queues[FERRY_LANE_MSGAPP].oldest_ms, 0);
    ck_assert_uint_eq(status.queues[FERRY_LANE_MESSAGE].messages, 0);
    fake_peer_free(silent);
}
END_TEST

START_TEST(a_program_built_for_a_smaller_status_gets_that_and_no_more)
{
    struct ferry_peer_status status;
    const size_t small = offsetof(struct ferry_peer_status, remote);

    start_and_connect();
    memset(&status, 0xa5, sizeof(status));
    ck_assert_int_eq(ferry_transport_peer_status_sized(members[0].t, 2, &status, small), FERRY_OK);
    ck_assert_uint_eq(status.id, 2);
    for (size_t i = small; i < sizeof(status); i++)
        ck_assert_int_eq(((const unsigned char *)&status)[i], 0xa5);
    ck_assert_int_eq(ferry_transport_peer_status_sized(members[0].t, 2, &status, sizeof(status) + 1),
                     FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_peer_status_sized(members[0].t, 3, &status, small), FERRY_ERR_NOT_FOUND);
}
END_TEST

/* ---- Metrics ---- */

/* etcd's families, as its packages define them. */
static const struct {
    const char *name;
    const char *type;
    const char *labels; /* of the first member's series about the second */
    const char *le;     /* a histogram's first and last bound */
} etcd_families[] = {
    {"etcd_network_active_peers", "gauge", "Local=1,Remote=2", NULL},
    {"etcd_network_disconnected_peers_total", "counter", "Local=1,Remote=2", NULL},
    {"etcd_network_peer_sent_bytes_total", "counter", "To=2", NULL},
    {"etcd_network_peer_received_bytes_total", "counter", "From=2", NULL},
    {"etcd_network_peer_sent_failures_total", "counter", "To=2", NULL},
    {"etcd_network_peer_received_failures_total", "counter", "From=2", NULL},
    {"etcd_network_snapshot_send_success", "counter", "To=2", NULL},
    {"etcd_network_snapshot_send_failures", "counter", "To=2", NULL},
    {"etcd_network_snapshot_send_inflights_total", "gauge", "To=2", NULL},
    {"etcd_network_snapshot_send_total_duration_seconds", "histogram", "To=2", "0.1 51.2 10"},
    {"etcd_network_snapshot_receive_success", "counter", "From=2", NULL},
    {"etcd_network_snapshot_receive_failures", "counter", "From=2", NULL},
    {"etcd_network_snapshot_receive_inflights_total", "gauge", "From=2", NULL},
    {"etcd_network_snapshot_receive_total_duration_seconds", "histogram", "From=2", "0.1 51.2 10"},
    {"etcd_network_peer_round_trip_time_seconds", "histogram", "To=2", "0.0001 3.2768 16"},
};

static void check_buckets(const struct metrics_page *page, const char *name, const char *labels, const char *bounds)
{
    char bucket[100], first[16], last[16], with_le[100];
    unsigned n;
    size_t n_seen = 0;

    ck_assert_int_eq(sscanf(bounds, "%15s %15s %u", first, last, &n), 3);
    snprintf(bucket, sizeof(bucket), "%s_bucket", name);
    snprintf(with_le, sizeof(with_le), "%s,le=%s", labels, first);
    ck_assert_msg(metrics_page_sample(page, bucket, with_le), "no %s{%s}", bucket, with_le);
    snprintf(with_le, sizeof(with_le), "%s,le=%s", labels, last);
    ck_assert_msg(metrics_page_sample(page, bucket, with_le), "no %s{%s}", bucket, with_le);
    for (size_t i = 0; i < page->n_samples; i++)
        n_seen += strcmp(page->samples[i].name, bucket) == 0 ? 1 : 0;
    ck_assert_uint_eq(n_seen, n + 1); /* and +Inf */
}

START_TEST(etcds_series_are_there_with_etcds_types_labels_and_buckets)
{
    struct metrics_page page;
    size_t n_etcd = 0;

    start_and_connect();
    page = metrics_page_of(members[0].t);
    for (size_t i = 0; i < sizeof(etcd_families) / sizeof(etcd_families[0]); i++) {
        const struct metric_family *family = metrics_page_family(&page, etcd_families[i].name);

        ck_assert_msg(family, "no %s", etcd_families[i].name);
        ck_assert_str_eq(family->type, etcd_families[i].type);
        if (etcd_families[i].le)
            check_buckets(&page, etcd_families[i].name, etcd_families[i].labels, etcd_families[i].le);
        else
            (void)metrics_page_value(&page, etcd_families[i].name, etcd_families[i].labels);
    }
    for (size_t i = 0; i < page.n_families; i++)
        n_etcd += strncmp(page.families[i].name, "etcd_", 5) == 0 ? 1 : 0;
    ck_assert_uint_eq(n_etcd, sizeof(etcd_families) / sizeof(etcd_families[0])); /* none that etcd does not have */
    metrics_page_release(&page);
}
END_TEST

START_TEST(the_figures_are_those_of_the_status)
{
    static const char *const classes[] = {"control", "append", "proposal", "snapshot"};
    struct metrics_page out, in;
    struct ferry_peer_status status;
    char labels[100];

    start_and_connect();
    send_of_each_class();
    ck_assert(members_wait(members, 2, are_probed, NULL, patience_ms(10000)));
    ferry_transport_pause(members[0].t);
    member_send(&members[0], &(struct ferry_message){.type = FERRY_MSG_APP, .from = 1, .to = 2});
    member_send(&members[0], &(struct ferry_message){.type = FERRY_MSG_APP, .from = 1, .to = 99});
    status = member_status(&members[0], 2);
    out = metrics_page_of(members[0].t);
    in = metrics_page_of(members[1].t);
    ck_assert(metrics_page_value(&out, "etcd_network_active_peers", "Local=1,Remote=2") == 1);
    ck_assert(metrics_page_value(&out, "etcd_network_disconnected_peers_total", "Local=1,Remote=2") ==
              (double)status.n_inactive); /* 1 when the first dial came before the other side knew of us */
    ck_assert(metrics_page_value(&out, "etcd_network_peer_sent_bytes_total", "To=2") ==
              (double)status.counts.sent_bytes);
    ck_assert(metrics_page_value(&in, "etcd_network_peer_received_bytes_total", "From=1") ==
              (double)status.counts.sent_bytes);
    ck_assert(metrics_page_value(&out, "etcd_network_peer_sent_failures_total", "To=2") == 0); /* it was asked for */
    ck_assert(metrics_page_value(&out, "etcd_network_peer_round_trip_time_seconds_count", "To=2") >= 3);
    ck_assert(metrics_page_value(&out, "etcd_network_peer_round_trip_time_seconds_sum", "To=2") > 0);
    for (size_t i = 0; i < 4; i++) {
        snprintf(labels, sizeof(labels), "peer=2,class=%s", classes[i]);
        ck_assert(metrics_page_value(&out, "ferry_peer_messages_accepted_total", labels) == (i == 1 ? 11 : 10));
        ck_assert(metrics_page_value(&out, "ferry_peer_messages_written_total", labels) == 10);
        snprintf(labels, sizeof(labels), "peer=1,class=%s", classes[i]);
        ck_assert(metrics_page_value(&in, "ferry_peer_messages_received_total", labels) == 10);
        snprintf(labels, sizeof(labels), "peer=2,class=%s,reason=paused", classes[i]);
        ck_assert(metrics_page_value(&out, "ferry_peer_messages_dropped_total", labels) == (i == 1 ? 1 : 0));
    }
    ck_assert(metrics_page_value(&out, "ferry_unknown_peer_messages_total", "") == 1);
    ck_assert(metrics_page_value(&out, "ferry_stream_attached", "peer=2,stream=msgapp,direction=in") == 1);
    ck_assert(metrics_page_value(&out, "ferry_stream_attached", "peer=2,stream=message,direction=out") == 1);
    ck_assert(metrics_page_value(&out, "ferry_peer_link_up", "peer=2,direction=in") == 1);
    ck_assert(metrics_page_value(&out, "ferry_peer_link_up", "peer=2,direction=out") == 1);
    ck_assert(metrics_page_value(&out, "ferry_stream_dials_total", "peer=2,stream=message") >= 1);
    ck_assert(metrics_page_value(&out, "ferry_peer_probe_healthy", "peer=2") == 1);
    ck_assert(metrics_page_value(&out, "ferry_peer_probes_total", "peer=2,result=good") >= 3);
    ck_assert(metrics_page_value(&out, "ferry_peer_smoothed_round_trip_seconds", "peer=2") > 0);
    ck_assert(metrics_page_value(&out, "ferry_peer_queue_messages", "peer=2,lane=pipeline") == 0);
    ck_assert(metrics_page_value(&out, "ferry_peer_queue_oldest_age_seconds", "peer=2,lane=msgapp") == 0);
    ck_assert(metrics_page_value(&out, "ferry_send_budget_bytes", "") == (double)members[0].config.max_send_bytes);
    ck_assert(metrics_page_value(&out, "ferry_send_budget_used_bytes", "") == 0);
    ck_assert(metrics_page_value(&out, "ferry_member_removed", "") == 0);
    ck_assert(metrics_page_value(&out, "ferry_remotes", "") == 0);
    metrics_page_release(&out);
    metrics_page_release(&in);
}
END_TEST

static bool is_lost(void *arg)
{
    struct ferry_peer_status status = member_status(&members[0], 2);

    (void)arg;
    return !status.active && !status.writer_attached[FERRY_STREAM_MSGAPP] &&
           !status.writer_attached[FERRY_STREAM_MESSAGE];
}

START_TEST(failures_are_counted_where_etcd_counts_them)
{
    struct metrics_page page;
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2};

    start_and_connect();
    member_stop(&members[1]);
    member_send(&members[0], &msg); /* by a stream that is still open, or by a POST that fails */
    ck_assert(members_wait(members, 1, is_lost, NULL, patience_ms(5000)));
    member_send(&members[0], &msg);
    members_await_rest(members, 1);
    page = metrics_page_of(members[0].t);
    ck_assert(metrics_page_value(&page, "etcd_network_active_peers", "Local=1,Remote=2") == 0);
    ck_assert(metrics_page_value(&page, "etcd_network_disconnected_peers_total", "Local=1,Remote=2") >= 1);
    ck_assert(metrics_page_value(&page, "etcd_network_peer_sent_failures_total", "To=2") >= 1);
    metrics_page_release(&page);
}
END_TEST

START_TEST(there_are_metrics_before_start_and_after_stop)
{
    struct metrics_page page;

    ck_assert_int_eq(ferry_transport_new(&members[0].config, &members[0].t), FERRY_OK);
    page = metrics_page_of(members[0].t);
    ck_assert_ptr_nonnull(metrics_page_family(&page, "etcd_network_active_peers"));
    ck_assert(metrics_page_value(&page, "ferry_remotes", "") == 0);
    metrics_page_release(&page);
    json_decref(read_debug(&members[0]));
    member_stop(&members[0]);
    start_and_connect();
    ferry_transport_stop(members[0].t);
    page = metrics_page_of(members[0].t);
    ck_assert_ptr_null(metrics_page_sample(&page, "etcd_network_active_peers", "Local=1,Remote=2"));
    metrics_page_release(&page);
}
END_TEST

START_TEST(writing_survives_every_failed_allocation)
{
    int (*const writers[])(const struct ferry_transport *t, ferry_write_fn *fn, void *ctx) = {ferry_metrics_write,
                                                                                              ferry_debug_peers_write};

    members[0].config.delivery = FERRY_DELIVER_HOST; /* no thread of ours allocates meanwhile */
    member_start(&members[0]);
    member_add(&members[0], 2, "http://127.0.0.1:1");
    for (size_t i = 0; i < 2; i++) {
        int err = FERRY_ERR_NOMEM;
        long nth = 0;

        for (; err == FERRY_ERR_NOMEM; nth++) {
            struct written w = {0};

            heap_fail_at(nth);
            err = writers[i](members[0].t, on_write, &w);
            heap_fail_at(-1);
            free(w.text);
        }
        ck_assert_int_eq(err, FERRY_OK);
        ck_assert_int_ge(nth, 3);
    }
}
END_TEST

START_TEST(what_the_writer_answers_is_returned)
{
    struct written w = {.answer = 42};

    start_and_connect();
    ck_assert_int_eq(ferry_metrics_write(members[0].t, on_write, &w), 42);
    ck_assert_uint_eq(w.n_calls, 1);
    ck_assert_int_eq(ferry_debug_peers_write(members[0].t, on_write, &w), 42);
    ck_assert_uint_eq(w.n_calls, 2);
    free(w.text);
}
END_TEST

/* ---- JSON ---- */

static uint64_t number_of(json_t *object, const char *path)
{
    char copy[100], *save = NULL;

    snprintf(copy, sizeof(copy), "%s", path);
    for (char *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save)) {
        object = json_object_get(object, key);
        ck_assert_msg(object, "no \"%s\" of %s", key, path);
    }
    if (json_is_boolean(object))
        return json_is_true(object) ? 1 : 0;
    ck_assert_msg(json_is_integer(object), "%s is no number", path);
    return (uint64_t)json_integer_value(object);
}

START_TEST(the_debug_page_has_all_of_it)
{
    json_t *json, *peer;

    start_and_connect();
    send_of_each_class();
    ck_assert(members_wait(members, 2, are_probed, NULL, patience_ms(10000)));
    ferry_transport_cut_peer(members[0].t, 2);
    member_send(&members[0], &(struct ferry_message){.type = FERRY_MSG_VOTE, .from = 1, .to = 2});
    json = read_debug(&members[0]);
    ck_assert_str_eq(json_string_value(json_object_get(json, "id")), "1");
    ck_assert_str_eq(json_string_value(json_object_get(json, "cluster_id")), "1000");
    ck_assert_uint_eq(number_of(json, "removed"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "peers")), 1);
    peer = json_array_get(json_object_get(json, "peers"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(peer, "id")), "2");
    ck_assert_uint_eq(number_of(peer, "active"), 1);
    ck_assert_uint_eq(number_of(peer, "cut"), 1);
    ck_assert_uint_eq(number_of(peer, "remote"), 0);
    ck_assert_uint_eq(number_of(peer, "sent"), 41);
    ck_assert_uint_eq(number_of(peer, "written"), 40);
    ck_assert_uint_eq(number_of(peer, "dropped.cut"), 1);
    ck_assert_uint_eq(number_of(peer, "classes.control.dropped.cut"), 1);
    ck_assert_uint_eq(number_of(peer, "classes.snapshot.written"), 10);
    ck_assert_str_eq(json_string_value(json_object_get(peer, "link")), "both");
    ck_assert_uint_eq(number_of(peer, "streams.msgapp.out.attached"), 1);
    ck_assert_uint_gt(number_of(peer, "streams.message.in.since_ms"), 0);
    ck_assert_uint_eq(number_of(peer, "queues.pipeline.messages"), 0);
    ck_assert_uint_eq(number_of(peer, "queues.msgapp.oldest_ms"), 0);
    ck_assert_uint_ge(number_of(peer, "probe.round_trips.count"), 3);
    ck_assert_uint_eq(number_of(peer, "probe.healthy"), 1);
    ck_assert_uint_eq(number_of(peer, "snapshots_sent.in_flight"), 0);
    json_decref(json);
}
END_TEST

/* ---- The routes ---- */

START_TEST(both_pages_are_served)
{
    struct http_page got;
    struct metrics_page page;
    json_t *json;

    start_and_connect();
    http_get(member_url(&members[0]), "/metrics", &got, patience_ms(5000));
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.content_type, "text/plain; version=0.0.4; charset=utf-8");
    page = metrics_page_read(got.body);
    ck_assert(metrics_page_value(&page, "etcd_network_active_peers", "Local=1,Remote=2") == 1);
    metrics_page_release(&page);
    http_page_release(&got);

    http_get(member_url(&members[0]), "/debug/peers", &got, patience_ms(5000));
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.content_type, "application/json");
    json = json_loadb(got.body, got.len, 0, NULL);
    ck_assert_ptr_nonnull(json);
    json_decref(json);
    http_page_release(&got);
}
END_TEST

static void on_own(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    (void)req;
    res->body = (struct ferry_bytes){ctx, strlen(ctx)};
}

START_TEST(the_embedders_own_route_comes_first)
{
    static char own[] = "own\n";
    struct http_page got;

    ck_assert_int_eq(ferry_transport_new(&members[0].config, &members[0].t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_handle(members[0].t, "/metrics", on_own, own), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(members[0].t), FERRY_OK);
    http_get(member_url(&members[0]), "/metrics", &got, patience_ms(5000));
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.body, "own\n");
    http_page_release(&got);
}
END_TEST

int main(void)
{
    return rig_main("metrics", setup, teardown, the_status_says_what_went_which_way,
                    the_age_of_the_oldest_message_grows_while_it_waits,
                    a_program_built_for_a_smaller_status_gets_that_and_no_more,
                    etcds_series_are_there_with_etcds_types_labels_and_buckets, the_figures_are_those_of_the_status,
                    failures_are_counted_where_etcd_counts_them, there_are_metrics_before_start_and_after_stop,
                    writing_survives_every_failed_allocation, what_the_writer_answers_is_returned,
                    the_debug_page_has_all_of_it, both_pages_are_served, the_embedders_own_route_comes_first, NULL);
}
