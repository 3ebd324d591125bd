/*
 * it_remotes - members that are no peers yet: added, learned, answered, bounded, promoted; and members whose URLs
 * change.
 */
#include <stdio.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/heap.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "net/sim/sim.h"
#include "transport/transport.h"

static struct member members[2];

static void setup(void)
{
    for (size_t i = 0; i < 2; i++)
        member_init(&members[i], i + 1);
}

static void teardown(void)
{
    for (size_t i = 0; i < 2; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < 2; i++)
        member_release(&members[i]);
}

static void start_both(void)
{
    for (size_t i = 0; i < 2; i++)
        member_start(&members[i]);
}

static struct ferry_message message(enum ferry_message_type type, uint64_t from, uint64_t to)
{
    static const struct ferry_snapshot snapshot = {.index = 1, .term = 1};

    return (struct ferry_message){
        .type = type, .from = from, .to = to, .snapshot = type == FERRY_MSG_SNAP ? &snapshot : NULL};
}

static void add_remote(struct member *m, uint64_t id, const char *url)
{
    ck_assert_int_eq(ferry_transport_add_remote(m->t, id, (const char *const[]){url, NULL}), FERRY_OK);
}

/* Is 2 a remote of the first member? */
static bool is_remote(void *arg)
{
    struct ferry_peer_status status;

    (void)arg;
    return ferry_transport_peer_status(members[0].t, 2, &status) == FERRY_OK && status.remote;
}

/* ---- What a remote is ---------------------------------------------------------------------------------------------
 */

START_TEST(a_remote_is_answered_by_post_and_neither_dialled_nor_probed)
{
    static const enum ferry_message_type types[] = {FERRY_MSG_APP, FERRY_MSG_HEARTBEAT, FERRY_MSG_VOTE, FERRY_MSG_SNAP};
    struct ferry_peer_status status;

    members[0].config.probe_interval_ms = 20;
    start_both();
    add_remote(&members[0], 2, member_url(&members[1]));
    for (size_t round = 1; round <= 5; round++) {
        for (size_t i = 0; i < 4; i++) {
            struct ferry_message msg = message(types[i], 1, 2);

            member_send(&members[0], &msg);
        }
        ck_assert(recorder_wait_messages(&members[1].recorder, 4 * round, patience_ms(5000)));
    }
    members_await_rest(members, 1);
    status = member_status(&members[0], 2);
    ck_assert(status.remote);
    ck_assert(status.active);
    ck_assert_uint_eq(status.counts.written, 20);
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        ck_assert_uint_eq(status.dials[i], 0);
        ck_assert_int_eq(status.reader_state[i], FERRY_READER_STOPPED);
        ck_assert(!status.writer_attached[i]);
    }
    ck_assert_uint_eq(status.probe.n_good + status.probe.n_failed, 0);
    ck_assert_uint_eq(ferry_transport_active_peers(members[0].t), 0); /* it is none */
    ck_assert(recorder_wait_snapshots(&members[0].recorder, 5, patience_ms(5000)));
    ck_assert_uint_eq(recorder_snapshots(&members[0].recorder, 2, FERRY_SNAPSHOT_FINISH), 5);
}
END_TEST

START_TEST(a_remotes_full_queue_is_told_of_for_snapshots_alone)
{
    struct fake_peer *silent = fake_peer_new();
    struct ferry_message msg = message(FERRY_MSG_HEARTBEAT, 1, 2), snapshot = message(FERRY_MSG_SNAP, 1, 2);
    struct ferry_peer_status status;

    members[0].config.max_pipeline_messages = 4;
    member_start(&members[0]);
    add_remote(&members[0], 2, fake_peer_url(silent));
    for (int i = 0; i < 50; i++)
        member_send(&members[0], &msg);
    member_send(&members[0], &snapshot);
    status = member_status(&members[0], 2);
    ck_assert_uint_ge(status.counts.dropped[FERRY_DROP_QUEUE_FULL], 42);
    ck_assert_uint_eq(status.counts.by_class[FERRY_CLASS_SNAPSHOT].dropped[FERRY_DROP_QUEUE_FULL], 1);
    member_stop(&members[0]); /* which brings what is to be reported, and drops the rest as stopped */
    ck_assert_uint_eq(recorder_snapshots(&members[0].recorder, 2, FERRY_SNAPSHOT_FAILURE), 1);
    fake_peer_free(silent);
}
END_TEST

static bool has_failed_post(void *arg)
{
    (void)arg;
    return member_status(&members[0], 2).counts.dropped[FERRY_DROP_POST_FAILED] > 0;
}

START_TEST(a_remote_that_cannot_be_reached_is_told_of)
{
    struct ferry_message msg = message(FERRY_MSG_HEARTBEAT, 1, 2);

    member_start(&members[0]);
    add_remote(&members[0], 2, "http://127.0.0.1:1");
    member_send(&members[0], &msg);
    ck_assert(members_wait(members, 1, has_failed_post, NULL, patience_ms(5000)));
    ck_assert(recorder_wait_unreachable(&members[0].recorder, 2, patience_ms(5000)));
}
END_TEST

START_TEST(remotes_that_cannot_be_are_refused)
{
    static const char *const good[] = {"http://127.0.0.1:1", NULL}, *const bad[] = {"http://x/y", NULL},
                             *const none[] = {NULL};
    struct ferry_transport *t;

    ck_assert_int_eq(ferry_transport_new(&members[0].config, &members[0].t), FERRY_OK);
    t = members[0].t;
    ck_assert_int_eq(ferry_transport_add_remote(t, 2, good), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_transport_start(t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_add_remote(t, 0, good), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_add_remote(t, 1, good), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_add_remote(t, 2, NULL), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_add_remote(t, 2, bad), FERRY_ERR_URL);
    ck_assert_int_eq(ferry_transport_add_remote(t, 2, none), FERRY_ERR_URL);
    ck_assert_int_eq(ferry_transport_add_remote(t, 2, good), FERRY_OK);
    ck_assert_int_eq(ferry_transport_add_remote(t, 2, good), FERRY_ERR_EXISTS);
    ck_assert_int_eq(ferry_transport_add_peer(t, 3, good), FERRY_OK);
    ck_assert_int_eq(ferry_transport_add_remote(t, 3, good), FERRY_ERR_EXISTS);
    ck_assert_int_eq(ferry_transport_cut_peer(t, 2), FERRY_OK);
    ck_assert_int_eq(ferry_transport_mend_peer(t, 2), FERRY_OK);
    ck_assert_int_eq(ferry_transport_update_peer(t, 2, good), FERRY_OK);
    ck_assert_int_eq(ferry_transport_remove_all_peers(t), FERRY_OK); /* remotes stay */
    ck_assert(is_remote(NULL));
    ck_assert_int_eq(ferry_transport_remove_peer(t, 3), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_transport_remove_peer(t, 2), FERRY_OK);
    ck_assert_int_eq(ferry_transport_remove_peer(t, 2), FERRY_ERR_NOT_FOUND);
    ferry_transport_stop(t);
    ck_assert_int_eq(ferry_transport_add_remote(t, 2, good), FERRY_ERR_CLOSED);
}
END_TEST

/* ---- Remotes that come by themselves ------------------------------------------------------------------------------
 */

START_TEST(a_stranger_that_posts_can_be_answered)
{
    struct ferry_message question = message(FERRY_MSG_APP_RESP, 2, 1), answer = message(FERRY_MSG_APP, 1, 2);

    start_both();
    member_add(&members[1], 1, member_url(&members[0])); /* the second knows the first, not the reverse */
    ck_assert(members_wait(members, 2, is_remote, NULL, patience_ms(5000)));
    for (uint64_t i = 1; i <= 20; i++) {
        member_send(&members[1], &question);
        ck_assert(recorder_wait_messages(&members[0].recorder, i, patience_ms(5000)));
        member_send(&members[0], &answer);
        ck_assert(recorder_wait_messages(&members[1].recorder, i, patience_ms(5000)));
    }
    ck_assert_uint_eq(member_totals(&members[0]).dropped[FERRY_DROP_UNKNOWN_PEER], 0);
    ck_assert_uint_eq(member_status(&members[0], 2).counts.received, 20);
    ck_assert(!member_status(&members[0], 2).writer_attached[FERRY_STREAM_MESSAGE]); /* its dials are still refused */
}
END_TEST

START_TEST(a_remote_becomes_a_peer_in_place)
{
    struct ferry_message msg = message(FERRY_MSG_APP, 1, 2);
    struct ferry_peer_status status;

    members[0].config.probe_interval_ms = 20;
    start_both();
    add_remote(&members[0], 2, member_url(&members[1]));
    for (int i = 0; i < 10; i++)
        member_send(&members[0], &msg);
    members_connect(members, 2); /* the first 10 may still be on their way */
    members_await_streams(members, 2);
    for (int i = 0; i < 10; i++)
        member_send(&members[0], &msg);
    ck_assert(recorder_wait_messages(&members[1].recorder, 20, patience_ms(5000)));
    members_await_rest(members, 2);
    status = member_status(&members[0], 2);
    ck_assert(!status.remote);
    ck_assert_uint_eq(status.counts.sent, 20);
    ck_assert_uint_eq(status.counts.written, 20); /* nothing was dropped on the way */
    ck_assert_uint_eq(ferry_transport_active_peers(members[0].t), 1);
    ck_assert_int_eq(ferry_transport_remove_peer(members[0].t, 2), FERRY_OK);
}
END_TEST

/* A POST of a heartbeat from a member with this id that says it is at url. */
static void post_as(uint64_t id, const char *cluster_id, const char *urls, struct fake_answer *ret_answer)
{
    uint8_t body[8] = {0x08, FERRY_MSG_HEARTBEAT, 0x10, 1, 0x18, 0, 0x20, 1};
    char request[1024];
    int len;

    body[5] = (uint8_t)id; /* a varint of one byte */
    ck_assert_uint_lt(id, 128);
    len = snprintf(request, sizeof(request),
                   "POST /raft HTTP/1.1\r\nHost: x\r\nX-Server-From: %llx\r\nX-Server-Version: 3.4.0\r\n"
                   "X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: %s\r\n%s%s%sContent-Length: %zu\r\n\r\n",
                   (unsigned long long)id, cluster_id, urls ? "X-PeerURLs: " : "", urls ? urls : "", urls ? "\r\n" : "",
                   sizeof(body));
    memcpy(request + len, body, sizeof(body));
    fake_ask(member_url(&members[0]), request, (size_t)len + sizeof(body), ret_answer, patience_ms(5000));
}

static bool is_known(uint64_t id)
{
    struct ferry_peer_status status;

    return ferry_transport_peer_status(members[0].t, id, &status) == FERRY_OK;
}

START_TEST(only_plausible_strangers_are_remembered)
{
    struct fake_answer answer;

    recorder_set_removed(&members[0].recorder, 0x15);
    member_start(&members[0]);
    post_as(0x10, "2000", "http://127.0.0.1:1", &answer);
    ck_assert_int_eq(answer.status, 412);
    ck_assert(!is_known(0x10));
    ck_assert_uint_eq(journal_count(&members[0].journal, FERRY_LOG_WARN, JOURNAL_ANY, "cluster ID mismatch"), 1);
    ck_assert_uint_eq(journal_count(&members[0].journal, FERRY_LOG_WARN, JOURNAL_ANY, "\"2000\""), 1);
    post_as(0x11, "1000", NULL, &answer);
    ck_assert_int_eq(answer.status, 204);
    ck_assert(!is_known(0x11));
    post_as(0x12, "1000", "ftp://127.0.0.1:1", &answer); /* its message is taken all the same */
    ck_assert_int_eq(answer.status, 204);
    ck_assert(!is_known(0x12));
    post_as(1, "1000", "http://127.0.0.1:1", &answer); /* itself */
    ck_assert_int_eq(answer.status, 204);
    ck_assert(!is_known(1));
    post_as(0x13, "1000", "http://127.0.0.1:1,http://127.0.0.1:2", &answer);
    ck_assert_int_eq(answer.status, 204);
    ck_assert(is_known(0x13));
    ck_assert(member_status(&members[0], 0x13).remote);
    post_as(0x15, "1000", "http://127.0.0.1:1", &answer);
    ck_assert_int_eq(answer.status, 403);
    ck_assert_mem_eq(answer.body, "{\"message\":\"cannot process message from removed member\"}", answer.body_len);
    ck_assert_uint_eq(answer.body_len, 56);
    ck_assert_str_eq(fake_answer_header(&answer, "Content-Type"), "application/json");
    ck_assert_str_eq(fake_answer_header(&answer, "X-Etcd-Cluster-ID"), "1000");
    ck_assert(!is_known(0x15));
    ck_assert_uint_eq(recorder_messages(&members[0].recorder), 4);
}
END_TEST

START_TEST(strangers_cannot_invent_more_remotes_than_allowed)
{
    struct fake_answer answer;
    size_t n = 0;

    members[0].config.max_remotes = 3;
    member_start(&members[0]);
    add_remote(&members[0], 0x7f, "http://127.0.0.1:1"); /* the embedder's own does not count */
    for (uint64_t id = 0x10; id < 0x20; id++) {
        post_as(id, "1000", "http://127.0.0.1:1", &answer);
        ck_assert_int_eq(answer.status, 204);
        n += is_known(id) ? 1 : 0;
    }
    ck_assert_uint_eq(n, 3);
    ck_assert(is_known(0x10) && is_known(0x11) && is_known(0x12) && is_known(0x7f));
    ck_assert_uint_eq(journal_count(&members[0].journal, FERRY_LOG_WARN, JOURNAL_ANY, "max_remotes"), 1);
}
END_TEST

START_TEST(none_is_learned_when_none_is_wanted)
{
    struct fake_answer answer;

    members[0].config.max_remotes = 0;
    member_start(&members[0]);
    post_as(0x10, "1000", "http://127.0.0.1:1", &answer);
    ck_assert_int_eq(answer.status, 204);
    ck_assert(!is_known(0x10));
}
END_TEST

START_TEST(adding_survives_every_failed_allocation)
{
    static const char *const urls[] = {"http://127.0.0.1:1", NULL};
    int err = FERRY_ERR_NOMEM;

    members[0].config.delivery = FERRY_DELIVER_HOST; /* no thread of ours allocates meanwhile */
    member_start(&members[0]);
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = ferry_transport_add_remote(members[0].t, 2, urls);
        heap_fail_at(-1);
        ck_assert_int_eq(is_remote(NULL), err == FERRY_OK);
    }
    ck_assert_int_eq(err, FERRY_OK);
    err = FERRY_ERR_NOMEM;
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = ferry_transport_add_peer(members[0].t, 2, urls);
        heap_fail_at(-1);
        ck_assert_int_eq(is_remote(NULL), err != FERRY_OK);
        ck_assert(is_known(2));
    }
    ck_assert_int_eq(err, FERRY_OK);
}
END_TEST

/* ---- A member that moves ------------------------------------------------------------------------------------------
 */

static bool is_probed_well(void *arg)
{
    return member_status(&members[0], 2).probe.n_good > *(const uint64_t *)arg;
}

static bool is_probed_badly(void *arg)
{
    (void)arg;
    return !member_status(&members[0], 2).probe.healthy;
}

START_TEST(a_member_that_moves_is_found_and_probed_at_its_new_url)
{
    uint64_t n_good = 0;

    members[0].config.probe_interval_ms = 50;
    start_both();
    members_connect(members, 2);
    members_await_streams(members, 2);
    ck_assert(members_wait(members, 2, is_probed_well, &n_good, patience_ms(5000)));
    member_stop(&members[1]);
    ck_assert(members_wait(members, 1, is_probed_badly, NULL, patience_ms(5000)));
    n_good = member_status(&members[0], 2).probe.n_good;
    member_start(&members[1]); /* on another port */
    member_add(&members[1], 1, member_url(&members[0]));
    ck_assert_int_eq(ferry_transport_update_peer(members[0].t, 2, (const char *const[]){member_url(&members[1]), NULL}),
                     FERRY_OK);
    members_await_streams(members, 2);
    ck_assert(members_wait(members, 2, is_probed_well, &n_good, patience_ms(5000)));
    ck_assert(member_status(&members[0], 2).probe.healthy);
}
END_TEST

/* ---- On the simulated network: half a minute passes at once --------------------------------------------------------
 */

struct call_end {
    bool has_ended;
    int status;
};

static void on_head(void *arg, const struct fy_answer *answer)
{
    ((struct call_end *)arg)->status = answer->status;
}

static void on_body(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

static void on_end(void *arg, int err, const char *detail)
{
    (void)err;
    (void)detail;
    ((struct call_end *)arg)->has_ended = true;
}

/* A stream GET as of a stranger with this id; what it is answered with. */
static int get_as(struct fy_sim *sim, struct fy_net *net, uint64_t id)
{
    static const struct fy_call_events events = {.on_head = on_head, .on_body = on_body, .on_end = on_end};
    struct fy_id_text from = fy_id_format(id);
    struct fy_header headers[] = {{FY_HEADER_SERVER_FROM, from.text},       {FY_HEADER_SERVER_VERSION, "3.4.0"},
                                  {FY_HEADER_MIN_CLUSTER_VERSION, "3.0.0"}, {FY_HEADER_CLUSTER_ID, "1000"},
                                  {FY_HEADER_PEER_URLS, "http://them:80"},  {FY_HEADER_RAFT_TO, "1"}};
    char url[80];
    struct fy_call_spec spec = {.method = "GET", .url = url, .headers = headers, .n_headers = 6};
    struct call_end end = {.has_ended = false};
    struct fy_call *call;

    snprintf(url, sizeof(url), "http://us:80/raft/stream/message/%s", from.text);
    ck_assert_int_eq(fy_net_call(net, &spec, &events, &end, &call), FERRY_OK);
    while (!end.has_ended)
        ck_assert(fy_sim_step(sim));
    return end.status;
}

static int process_nothing(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    (void)msg;
    return 0;
}

START_TEST(a_stranger_takes_the_place_of_one_that_has_long_been_silent)
{
    static const char *const listen_urls[] = {"http://us:80", NULL};
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    struct fy_sim_node *us, *them;
    struct ferry_peer_status status;
    struct ferry_transport *t;
    struct fy_net *net;
    struct fy_sim *sim;

    ck_assert_int_eq(fy_sim_new(1, NULL, &sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "us", &us), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "them", &them), FERRY_OK);
    net = fy_sim_node_net(them);
    cfg.id = 1;
    cfg.cluster_id = 0x1000;
    cfg.core.process = process_nothing;
    cfg.listen_urls = listen_urls;
    cfg.max_remotes = 2;
    ck_assert_int_eq(fy_transport_new_on(&cfg, fy_sim_node_net(us), &t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(t), FERRY_OK);

    ck_assert_int_eq(get_as(sim, net, 0x10), 404); /* refused, and remembered */
    ck_assert_int_eq(get_as(sim, net, 0x11), 404);
    ck_assert_int_eq(get_as(sim, net, 0x12), 404);
    ck_assert_int_eq(ferry_transport_peer_status(t, 0x10, &status), FERRY_OK);
    ck_assert_int_eq(ferry_transport_peer_status(t, 0x11, &status), FERRY_OK);
    ck_assert_int_eq(ferry_transport_peer_status(t, 0x12, &status), FERRY_ERR_NOT_FOUND);

    fy_sim_run_until(sim, fy_sim_now_ns(sim) + 29 * FY_SIM_S);
    ck_assert_int_eq(get_as(sim, net, 0x10), 404); /* heard again */
    ck_assert_int_eq(get_as(sim, net, 0x12), 404);
    ck_assert_int_eq(ferry_transport_peer_status(t, 0x12, &status), FERRY_ERR_NOT_FOUND);
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + 2 * FY_SIM_S);
    ck_assert_int_eq(get_as(sim, net, 0x12), 404);
    ck_assert_int_eq(ferry_transport_peer_status(t, 0x10, &status), FERRY_OK);
    ck_assert_int_eq(ferry_transport_peer_status(t, 0x11, &status), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_transport_peer_status(t, 0x12, &status), FERRY_OK);
    ferry_transport_free(t);
    fy_sim_free(sim);
}
END_TEST

int main(void)
{
    return rig_main("remotes", setup, teardown, a_remote_is_answered_by_post_and_neither_dialled_nor_probed,
                    a_remotes_full_queue_is_told_of_for_snapshots_alone, a_remote_that_cannot_be_reached_is_told_of,
                    remotes_that_cannot_be_are_refused, a_stranger_that_posts_can_be_answered,
                    a_remote_becomes_a_peer_in_place, only_plausible_strangers_are_remembered,
                    strangers_cannot_invent_more_remotes_than_allowed, none_is_learned_when_none_is_wanted,
                    adding_survives_every_failed_allocation, a_member_that_moves_is_found_and_probed_at_its_new_url,
                    a_stranger_takes_the_place_of_one_that_has_long_been_silent, NULL);
}
