/*
 * check_stream_reader - an incoming stream, written by the scripted member.  It runs on the simulated net, so that each
 * rule about time is checked exactly.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/peer_rig.h"
#include "wire/url.h"

#define MSG FERRY_STREAM_MESSAGE
#define APP FERRY_STREAM_MSGAPP

static struct fy_stream_reader *reader; /* of the message stream */

static void setup(void)
{
    rig_setup();
    reader = &rig.peer->readers[MSG];
}

static void start(void)
{
    fy_stream_reader_start(reader);
}

/* Start, and run until the answer's head is there. */
static void start_and_dial(void)
{
    start();
    rig_run_ms(RIG_ANSWER_MS);
}

static const char *last_error(void)
{
    static struct ferry_peer_status status;

    status = rig_status();
    return status.last_error;
}

static uint64_t n_dials(void)
{
    return rig_status().dials[MSG];
}

/* Run until the nth GET has come to them. */
static void run_until_get(size_t n)
{
    for (int i = 0; rig.n_gets < n; i++) {
        ck_assert_int_lt(i, 100000);
        rig_run_ms(1);
    }
}

static uint64_t gap_ms(size_t n)
{
    return (rig.gets[n].at_ns - rig.gets[n - 1].at_ns) / FY_SIM_MS;
}

/* ---- The dial ---- */

START_TEST(the_request_is_the_protocols)
{
    const struct rig_request *get = &rig.gets[0];

    start_and_dial();
    ck_assert_uint_eq(rig.n_gets, 1);
    ck_assert_uint_eq(get->at_ns, RIG_ARRIVAL_MS * FY_SIM_MS); /* the first dial does not wait */
    ck_assert_str_eq(get->method, "GET");
    ck_assert_str_eq(get->path, "/raft/stream/message/1");
    ck_assert_str_eq(get->from, "1");
    ck_assert_str_eq(get->version, "3.4.0");
    ck_assert_str_eq(get->min_version, "3.0.0");
    ck_assert_str_eq(get->cluster_id, "1000");
    ck_assert_str_eq(get->peer_urls, "http://us:80");
    ck_assert_str_eq(get->raft_to, "2");
    ck_assert_str_eq(get->content_type, "(absent)");

    fy_stream_reader_start(&rig.peer->readers[APP]);
    rig_run_ms(RIG_ANSWER_MS);
    ck_assert_str_eq(rig.gets[1].path, "/raft/stream/msgapp/1");
}
END_TEST

START_TEST(no_urls_of_ours_means_no_header)
{
    rig.raft.peer_urls[0] = '\0';
    start_and_dial();
    ck_assert_str_eq(rig.gets[0].peer_urls, "(absent)");
}
END_TEST

START_TEST(a_200_makes_the_peer_active)
{
    start_and_dial();
    ck_assert(rig_status().reader_attached[MSG]);
    ck_assert(!rig_status().reader_attached[APP]);
    ck_assert(rig_status().active);
    ck_assert_uint_eq(n_dials(), 1);
}
END_TEST

/* ---- What comes ---- */

START_TEST(messages_come_up_in_order_and_heartbeats_do_not)
{
    size_t n_bytes;

    start_and_dial();
    for (uint64_t i = 0; i < 20; i++) {
        struct ferry_message msg = rig_message(FERRY_MSG_VOTE, i, i % 3, 50);

        rig_feed_message(MSG, &msg);
    }
    n_bytes = rig.feeds[MSG].len;
    rig_feed_heartbeat(MSG);
    rig_run_ms(2);
    ck_assert_uint_eq(rig.n_delivered, 20);
    for (size_t i = 0; i < 20; i++)
        ck_assert_uint_eq(rig.delivered[i].index, i);
    ck_assert_uint_eq(rig_status().counts.received, 20);
    ck_assert_uint_eq(rig_status().counts.received_bytes, n_bytes);
}
END_TEST

START_TEST(compact_frames_are_from_the_peer_to_us)
{
    struct ferry_message msg;

    fy_stream_reader_start(&rig.peer->readers[APP]);
    rig_run_ms(RIG_ANSWER_MS);
    for (uint64_t i = 0; i < 3; i++) {
        msg = rig_message(FERRY_MSG_APP, i, 1, 10);
        msg.from = RIG_THEM;
        msg.to = RIG_US;
        rig_feed_message(APP, &msg);
    }
    rig_feed_heartbeat(APP);
    rig_run_ms(2);
    ck_assert_uint_eq(rig.n_delivered, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(rig.delivered[i].type, FERRY_MSG_APP);
        ck_assert_uint_eq(rig.delivered[i].from, RIG_THEM);
        ck_assert_uint_eq(rig.delivered[i].to, RIG_US);
        ck_assert_uint_eq(rig.delivered[i].index, i);
        ck_assert_uint_eq(rig.delivered[i].n_entries, 1);
    }
}
END_TEST

START_TEST(bytes_may_come_one_at_a_time)
{
    const struct ferry_sim_weather weather = {.min_delay_ns = 1, .max_delay_ns = FY_SIM_US, .bytes_ppm = 1000000};
    struct ferry_message msg = rig_message(FERRY_MSG_VOTE, 7, 3, 100);

    fy_sim_set_weather(rig.sim, &weather);
    start_and_dial();
    for (int i = 0; i < 5; i++)
        rig_feed_message(MSG, &msg);
    rig_run_ms(1000);
    ck_assert_uint_eq(rig.n_delivered, 5);
}
END_TEST

START_TEST(a_paused_or_cut_peers_messages_are_counted_and_dropped)
{
    struct ferry_message msg = rig_message(FERRY_MSG_VOTE, 1, 0, 0);

    start_and_dial();
    atomic_store(&rig.peer->base.is_paused, true);
    rig_feed_message(MSG, &msg);
    rig_run_ms(2);
    atomic_store(&rig.peer->base.is_paused, false);
    atomic_store(&rig.peer->base.is_cut, true);
    rig_feed_message(MSG, &msg);
    rig_run_ms(2);
    ck_assert_uint_eq(rig.n_delivered, 0);
    ck_assert_uint_eq(rig_status().counts.received, 2);
    ck_assert_uint_eq(rig_status().counts.received_dropped, 2);
    ck_assert(rig_status().reader_attached[MSG]);
    atomic_store(&rig.peer->base.is_cut, false);
    rig_feed_message(MSG, &msg);
    rig_run_ms(2);
    ck_assert_uint_eq(rig.n_delivered, 1);
}
END_TEST

/* ---- When to dial again ---- */

START_TEST(a_failed_dial_is_repeated_at_a_bounded_rate_with_jitter)
{
    uint64_t min = UINT64_MAX, max = 0;

    rig.on_get = (struct rig_answer){.aborts = true};
    start();
    run_until_get(60);
    for (size_t i = 1; i < 60; i++) {
        uint64_t gap_ns = rig.gets[i].at_ns - rig.gets[i - 1].at_ns;

        ck_assert_uint_ge(gap_ns, rig.local.dial_retry_ns);
        ck_assert_uint_le(gap_ns, rig.local.dial_retry_ns * 3 / 2);
        min = gap_ns < min ? gap_ns : min;
        max = gap_ns > max ? gap_ns : max;
    }
    ck_assert_uint_lt(min, rig.local.dial_retry_ns * 11 / 10);
    ck_assert_uint_gt(max, rig.local.dial_retry_ns * 14 / 10);
    ck_assert_str_eq(last_error(), "failed to dial 2 on stream Message (connection reset)");
}
END_TEST

START_TEST(refusals_slow_the_dials_down_to_a_sixteenth)
{
    rig.on_get = (struct rig_answer){.status = 404, .version = "3.4.0"};
    start();
    run_until_get(9);
    for (size_t i = 1; i < 9; i++) {
        uint64_t interval_ms = 100u << (i < 4 ? i : 4);

        ck_assert_uint_ge(gap_ms(i), interval_ms);
        ck_assert_uint_le(gap_ms(i), interval_ms * 3 / 2);
    }
}
END_TEST

START_TEST(a_success_makes_the_dials_fast_again)
{
    rig.on_get = (struct rig_answer){.status = 412, .version = "3.4.0", .body = "to field mismatch\n"};
    start();
    run_until_get(6);
    rig.on_get = (struct rig_answer){.status = 200, .version = "3.4.0"};
    run_until_get(7);
    rig_run_ms(1);
    ck_assert(rig_status().reader_attached[MSG]);
    rig.on_get = (struct rig_answer){.status = 404, .version = "3.4.0"};
    fy_outflow_end(rig.feeds[MSG].out);
    rig.feeds[MSG].out = NULL;
    run_until_get(9);
    ck_assert_uint_le(gap_ms(7), 150);
    ck_assert_uint_ge(gap_ms(7), 100);
    ck_assert_uint_ge(gap_ms(8), 200);
    ck_assert_uint_le(gap_ms(8), 300);
}
END_TEST

START_TEST(new_urls_make_the_dials_fast_again)
{
    static const char *const urls[] = {"http://them:81", NULL};
    uint64_t changed_ns;
    char **copy;

    rig.on_get = (struct rig_answer){.status = 404, .version = "3.4.0"};
    start();
    run_until_get(6);
    rig_run_ms(200); /* of at least 1600 */
    ck_assert_int_eq(reader->state, FERRY_READER_BACKOFF);
    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    changed_ns = rig_now_ns();
    fy_url_picker_update(&rig.peer->base.member.picker, copy);
    fy_stream_reader_urls_changed(reader);
    rig_run_ms(RIG_ANSWER_MS);
    ck_assert_uint_eq(rig.n_gets, 7); /* the least interval is over: at once */
    ck_assert_uint_eq(rig.gets[6].at_ns, changed_ns + RIG_ARRIVAL_MS * FY_SIM_MS);
    ck_assert_uint_eq(rig.gets[6].port, 81);

    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    fy_url_picker_update(&rig.peer->base.member.picker, copy);
    fy_stream_reader_urls_changed(reader); /* right after a dial: not before the interval is over */
    run_until_get(8);
    ck_assert_uint_ge(gap_ms(7), 100);
    ck_assert_uint_le(gap_ms(7), 150);
}
END_TEST

START_TEST(new_urls_leave_a_stream_alone_that_stands)
{
    static const char *const urls[] = {"http://them:81", NULL};
    char **copy;

    start_and_dial();
    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    fy_peer_update(rig.peer, copy);
    fy_stream_reader_urls_changed(reader);
    rig_run_ms(1000);
    ck_assert(rig_status().reader_attached[MSG]);
    ck_assert_uint_eq(n_dials(), 1);
}
END_TEST

START_TEST(a_stream_that_stood_long_is_dialled_again_at_once)
{
    uint64_t ended_ns;

    start_and_dial();
    for (int i = 0; i < 4; i++) {
        rig_feed_heartbeat(MSG);
        rig_run_ms(3000);
    }
    fy_outflow_end(rig.feeds[MSG].out);
    rig.feeds[MSG].out = NULL;
    ended_ns = rig_now_ns();
    run_until_get(2);
    ck_assert_uint_eq(rig.gets[1].at_ns, ended_ns + (1 + RIG_ARRIVAL_MS) * FY_SIM_MS);
}
END_TEST

START_TEST(a_dial_that_fails_moves_to_the_next_url)
{
    static const char *const urls[] = {"http://them:79", "http://them:81", NULL}; /* no listener at the first */
    char **copy;

    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    fy_url_picker_update(&rig.peer->base.member.picker, copy);
    start();
    run_until_get(1);
    ck_assert_uint_eq(rig.gets[0].port, 81);
    ck_assert_uint_eq(n_dials(), 2);
    ck_assert_str_eq(last_error(), "failed to dial 2 on stream Message (connection refused)");
    rig_run_ms(1);
    ck_assert_uint_eq(fy_sim_reset_connections(rig.our_node, rig.their_node, FERRY_SIM_RESET_BOTH), 1);
    run_until_get(2);
    ck_assert_uint_eq(rig.gets[1].port, 81); /* a stream that broke says nothing about its URL */
    ck_assert_uint_eq(n_dials(), 3);
}
END_TEST

/* ---- What the answers mean ---- */

START_TEST(each_refusal_has_its_words_and_is_retried_slowly)
{
    static const struct {
        struct rig_answer answer;
        const char *words;
    } cases[] = {
        {{.status = 404, .version = "3.4.0"}, "peer 2 failed to find local node 1: add it there, or check the URL"},
        {{.status = 412, .version = "3.4.0", .body = "incompatible version\n"},
         "incompatible version: update the older of the two members"},
        {{.status = 412, .version = "3.4.0", .cluster_id = "2000", .body = "cluster ID mismatch\n"},
         "cluster ID mismatch: the peer's is \"2000\", ours is \"1000\""},
        {{.status = 412, .version = "3.4.0", .body = "to field mismatch\n"},
         "to field mismatch: another member answers at this URL"},
        {{.status = 500, .version = "3.4.0", .body = "oops\n"}, "unexpected http status 500 \"oops\""},
        {{.status = 301, .version = "3.4.0"}, "unexpected http status 301 \"\""},
        {{.status = 204, .version = "3.4.0"}, "unexpected http status 204 \"\""},
        {{.status = 403, .version = "3.4.0"}, "unexpected http status 403 \"\""},
        {{.status = 200},
         "the peer's version does not support the stream type (no X-Server-Version: not a member, check its URL)"},
        {{.status = 400, .body = "no\n"}, "unexpected http status 400 \"no\""},
        {{.status = 404},
         "the peer's version does not support the stream type (no X-Server-Version: not a member, check its URL)"},
        {{.status = 200, .version = "1.9.9"},
         "the peer's version does not support the stream type (its answer's version is 1.9.9: update it)"},
        {{.status = 200, .version = "abc"}, "the answer's X-Server-Version is not a version"},
        {{.status = 200, .version = "3.4"}, "the answer's X-Server-Version is not a version"},
        {{.status = 410, .version = "v3.4.0"}, "the answer's X-Server-Version is not a version"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[200];

        rig.on_get = cases[i].answer;
        start();
        rig_run_ms(10);
        snprintf(expected, sizeof(expected), "failed to dial 2 on stream Message (%s)", cases[i].words);
        expected[sizeof(rig_status().last_error) - 1] = '\0';
        ck_assert_str_eq(last_error(), expected);
        ck_assert(!rig_status().active);
        ck_assert(!rig_status().reader_attached[MSG]);
        ck_assert_int_eq(reader->state, FERRY_READER_BACKOFF);
        ck_assert_uint_eq(reader->n_refusals, i + 1);
        ck_assert_uint_eq(fy_sim_n_connections(rig.sim), 0);
        fy_stream_reader_stop(reader);
        rig_run_ms(10);
    }
    ck_assert_uint_eq(rig.n_fatal, 0);
}
END_TEST

START_TEST(newer_and_known_older_versions_are_read_from)
{
    static const char *const versions[] = {"3.4.0", "3.4.23", "9.9.9", "3.3.0", "2.1.0", "3.5.0-rc.1+git"};

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        rig.on_get = (struct rig_answer){.status = 200, .version = versions[i]};
        start_and_dial();
        ck_assert_msg(reader->state == FERRY_READER_ACTIVE, "%s", versions[i]);
        fy_stream_reader_stop(reader);
        rig_run_ms(10);
    }
}
END_TEST

START_TEST(a_410_says_once_that_we_were_removed_and_ends_the_dials)
{
    rig.on_get = (struct rig_answer){.status = 410, .version = "3.4.0", .body = "removed member\n"};
    start();
    rig_run_ms(60000);
    ck_assert_uint_eq(rig.n_fatal, 1);
    ck_assert_int_eq(rig.fatal_err, FERRY_ERR_MEMBER_REMOVED);
    ck_assert_uint_eq(rig.n_gets, 1);
    ck_assert_int_eq(reader->state, FERRY_READER_STOPPED);
    ck_assert(!rig_status().active);
    ck_assert(strstr(last_error(), "permanently removed") != NULL);
}
END_TEST

START_TEST(a_long_refusal_is_judged_by_its_start)
{
    static char body[50000];

    memset(body, 'x', sizeof(body) - 1);
    rig.on_get = (struct rig_answer){.status = 500, .version = "3.4.0", .body = body};
    start();
    rig_run_ms(10);
    ck_assert(strstr(last_error(), "unexpected http status 500 \"xxx") != NULL);
    ck_assert_int_eq(reader->state, FERRY_READER_BACKOFF);
}
END_TEST

START_TEST(a_refusal_whose_reason_never_comes_is_one_too)
{
    rig.on_get = (struct rig_answer){.status = 412, .version = "3.4.0", .body = "incompatible version\n"};
    start();
    while (reader->state != FERRY_READER_REFUSED)
        ck_assert(fy_sim_step(rig.sim));
    fy_sim_cut(rig.their_node, rig.our_node);
    if (reader->refusal.len == 0) {
        rig_run_ms(6990);
        ck_assert_int_eq(reader->state, FERRY_READER_REFUSED);
    }
    rig_run_ms(7000);
    ck_assert(strstr(last_error(), "when precondition failed") || strstr(last_error(), "incompatible version") ||
              strstr(last_error(), "no answer"));
    ck_assert_uint_ge(n_dials(), 2);
}
END_TEST

/* ---- Time ---- */

START_TEST(an_answer_without_a_head_is_given_up_after_both_timeouts)
{
    rig.on_get = (struct rig_answer){.status = 0};
    start();
    rig_run_ms(6999);
    ck_assert_int_eq(reader->state, FERRY_READER_DIALING);
    rig_run_ms(2);
    ck_assert_str_eq(last_error(), "failed to dial 2 on stream Message (no answer within the dial and read timeouts)");
    rig_run_ms(1);
    ck_assert(rig.gets[0].is_gone);
    ck_assert_uint_eq(reader->n_refusals, 0);
    run_until_get(2);
    ck_assert_uint_eq(rig.gets[1].at_ns, (7000 + RIG_ARRIVAL_MS) * FY_SIM_MS); /* the interval is long over */
}
END_TEST

START_TEST(a_connection_that_does_not_come_about_is_given_up_after_the_dial_timeout)
{
    fy_sim_cut(rig.our_node, rig.their_node);
    start();
    rig_run_ms(1999);
    ck_assert_int_eq(reader->state, FERRY_READER_DIALING);
    ck_assert_uint_eq(n_dials(), 1);
    rig_run_ms(2);
    ck_assert(strstr(last_error(), "failed to dial 2 on stream Message (") != NULL);
    ck_assert_uint_eq(n_dials(), 2);
}
END_TEST

/* Lose the stream that stands and the way to them, and let dial after dial fail, each of which is followed by the next
 * at once.  How long each took, in ms. */
static void fail_dials(unsigned *ret_took_ms, size_t n)
{
    fy_sim_cut(rig.our_node, rig.their_node);
    rig_lose_link(&reader->end, "the test says so");
    while (reader->state != FERRY_READER_DIALING)
        rig_run_ms(1);
    for (size_t i = 0; i < n; i++) {
        uint64_t begin_ns = rig_now_ns(), n_before = n_dials();

        while (n_dials() == n_before && rig_now_ns() - begin_ns < 3000 * FY_SIM_MS)
            rig_run_ms(1);
        ret_took_ms[i] = (unsigned)((rig_now_ns() - begin_ns) / FY_SIM_MS);
    }
}

START_TEST(where_a_dial_worked_before_one_that_does_not_is_made_anew_soon)
{
    unsigned took_ms[17];

    rig.local.link_timeout_ns = 2000 * FY_SIM_MS;
    start_and_dial();
    fail_dials(took_ms, 17);
    for (int i = 0; i < 17; i++) { /* every second has more time, and soon all: the way may have become slower */
        unsigned ms = i % 2 == 0 ? 600 : i == 1 ? 1200 : 2000;

        ck_assert_msg(took_ms[i] >= ms - 1 && took_ms[i] <= ms + 1, "%d: %u ms", i, took_ms[i]);
    }
    fy_sim_heal(rig.our_node, rig.their_node);
    rig_run_ms(1000);
    ck_assert_int_eq(reader->state, FERRY_READER_ACTIVE);
    fail_dials(took_ms, 2); /* a success begins the count anew */
    ck_assert_uint_le(took_ms[0], 601);
}
END_TEST

START_TEST(where_dials_take_long_they_are_given_as_much_more_time)
{
    unsigned took_ms[1];

    rig.local.link_timeout_ns = 2000 * FY_SIM_MS;
    fy_sim_slow(rig.our_node, rig.their_node, 70 * FY_SIM_MS);
    fy_sim_slow(rig.their_node, rig.our_node, 70 * FY_SIM_MS); /* so a dial takes 4 * 71 ms */
    start();
    rig_run_ms(400);
    ck_assert_int_eq(reader->state, FERRY_READER_ACTIVE);
    fail_dials(took_ms, 1);
    ck_assert_msg(took_ms[0] >= 1100 && took_ms[0] <= 1180, "%u ms", took_ms[0]);
}
END_TEST

START_TEST(a_first_dial_and_one_without_a_link_timeout_have_all_of_their_time)
{
    unsigned took_ms[2];

    rig.local.link_timeout_ns = 2000 * FY_SIM_MS;
    fy_sim_cut(rig.our_node, rig.their_node);
    start();
    rig_run_ms(1999);
    ck_assert_int_eq(reader->state, FERRY_READER_DIALING);
    rig.local.link_timeout_ns = 0;
    fy_sim_heal(rig.our_node, rig.their_node);
    rig_run_ms(3000);
    ck_assert_int_eq(reader->state, FERRY_READER_ACTIVE);
    fail_dials(took_ms, 2);
    ck_assert_uint_ge(took_ms[0], 1999);
    ck_assert_uint_ge(took_ms[1], 1999);
}
END_TEST

START_TEST(silence_for_the_read_timeout_ends_a_stream)
{
    start_and_dial();
    rig_run_ms(4999);
    ck_assert(rig_status().active);
    rig_run_ms(1);
    ck_assert(!rig_status().active);
    ck_assert_str_eq(last_error(), "failed to read 2 on stream Message (no frame within the read timeout)");
    rig_run_ms(1);
    ck_assert_uint_eq(rig.feeds[MSG].n_gone, 1);
    ck_assert_uint_eq(n_dials(), 2);
}
END_TEST

/* The loop is blocked for longer than the read timeout, and then runs. */
static void look_late(void)
{
    fy_timer_unset(&reader->watch);
    rig_run_ms(6000);
    reader->watch.fn(reader->watch.arg);
}

START_TEST(a_look_that_comes_late_is_made_again_once)
{
    start_and_dial();
    look_late();
    rig_run_ms(4999);
    ck_assert(rig_status().active);
    rig_feed_heartbeat(MSG);
    rig_run_ms(10);
    look_late();
    ck_assert(rig_status().active);
    look_late();
    ck_assert(!rig_status().active);
    ck_assert_str_eq(last_error(), "failed to read 2 on stream Message (no frame within the read timeout)");
}
END_TEST

START_TEST(a_heartbeat_in_time_keeps_a_stream)
{
    start_and_dial();
    for (int i = 0; i < 10; i++) {
        rig_run_ms(4998);
        rig_feed_heartbeat(MSG);
    }
    rig_run_ms(10);
    ck_assert(rig_status().active);
    ck_assert_uint_eq(n_dials(), 1);
    rig_run_ms(4980);
    ck_assert_uint_eq(n_dials(), 1);
    rig_run_ms(15);
    ck_assert_uint_eq(n_dials(), 2);
}
END_TEST

/* Begin a frame of 100000 bytes and bring n of them each millis for some seconds; does the stream stand? */
static bool stands_trickle(size_t n, uint64_t millis)
{
    static const uint8_t head[8] = {0, 0, 0, 0, 0, 1, 0x86, 0xa0};
    static const uint8_t bytes[2048]; /* the walk of the protobuf begins when it is whole */

    start_and_dial();
    rig_feed_bytes(MSG, head, sizeof(head));
    for (uint64_t t = 0; t < 20000 && rig.feeds[MSG].out; t += millis) {
        rig_run_ms(millis);
        if (rig.feeds[MSG].out)
            rig_feed_bytes(MSG, bytes, n);
    }
    return rig_status().active && n_dials() == 1;
}

START_TEST(a_trickle_below_the_least_progress_ends_a_stream)
{
    ck_assert(!stands_trickle(1, 10)); /* 500 bytes in 5 s */
    ck_assert(strstr(last_error(), "no frame within the read timeout") != NULL);
}
END_TEST

START_TEST(a_long_frame_may_take_long_while_it_makes_progress)
{
    ck_assert(stands_trickle(1100, 4500));
}
END_TEST

/* ---- How it ends ---- */

START_TEST(a_clean_end_leaves_the_status_as_it_is)
{
    struct ferry_message msg = rig_message(FERRY_MSG_VOTE, 1, 0, 0);

    start_and_dial();
    rig_feed_message(MSG, &msg);
    rig_run_ms(2);
    fy_outflow_end(rig.feeds[MSG].out);
    rig.feeds[MSG].out = NULL;
    rig_run_ms(2);
    ck_assert(!rig_status().reader_attached[MSG]);
    ck_assert(rig_status().active);
    ck_assert_str_eq(last_error(), "");
    run_until_get(2);
    rig_run_ms(1);
    ck_assert(rig_status().reader_attached[MSG]);
}
END_TEST

START_TEST(an_end_inside_a_frame_is_a_failure)
{
    start_and_dial();
    rig_feed_bytes(MSG, "\0\0\0", 3);
    rig_run_ms(2);
    fy_outflow_end(rig.feeds[MSG].out);
    rig.feeds[MSG].out = NULL;
    rig_run_ms(2);
    ck_assert(!rig_status().active);
    ck_assert_str_eq(last_error(), "failed to read 2 on stream Message (the bytes end inside a frame)");
}
END_TEST

START_TEST(a_broken_connection_is_a_failure)
{
    start_and_dial();
    fy_outflow_abort(rig.feeds[MSG].out);
    rig.feeds[MSG].out = NULL;
    rig_run_ms(2);
    ck_assert(!rig_status().active);
    ck_assert(strstr(last_error(), "failed to read 2 on stream Message (") != NULL);
}
END_TEST

START_TEST(garbage_ends_the_stream_after_what_was_good)
{
    static const struct {
        enum ferry_stream stream;
        uint8_t bytes[24];
        size_t len;
        const char *words;
    } cases[] = {
        {APP, {77}, 1, "unknown frame type"},
        {MSG, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8, "larger than the configured limit"},
        {APP, {2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 9, "larger than the configured limit"},
        {APP, {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 9, "larger than the configured limit"},
        {MSG, {0, 0, 0, 0, 0, 0, 0, 2, 0xff, 0xff}, 10, "malformed bytes"},
    };
    struct ferry_message msg = rig_message(FERRY_MSG_VOTE, 1, 0, 0);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum ferry_stream stream = cases[i].stream;

        fy_stream_reader_start(&rig.peer->readers[stream]);
        rig_run_ms(RIG_ANSWER_MS);
        heap_reset_largest();
        rig_feed_message(stream, &msg);
        rig_feed_bytes(stream, cases[i].bytes, cases[i].len);
        rig_run_ms(2);
        ck_assert_uint_eq(rig.n_delivered, i + 1);
        ck_assert(!rig_status().active);
        ck_assert_msg(strstr(last_error(), cases[i].words) != NULL, "%zu: %s", i, last_error());
        ck_assert_uint_lt(heap_largest(), 70000);
        rig_run_ms(200); /* dialled again, and the decoder is fresh */
        ck_assert(rig_status().reader_attached[stream]);
        fy_stream_reader_stop(&rig.peer->readers[stream]);
        rig_run_ms(10);
    }
}
END_TEST

START_TEST(a_reader_can_be_stopped_in_every_state)
{
    static const enum ferry_reader_state all[] = {FERRY_READER_DIALING, FERRY_READER_REFUSED, FERRY_READER_ACTIVE,
                                                  FERRY_READER_BACKOFF};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        rig.on_get = (struct rig_answer){.status = all[i] == FERRY_READER_ACTIVE ? 200 : 412, .version = "3.4.0"};
        start();
        while (reader->state != all[i])
            ck_assert(fy_sim_step(rig.sim));
        fy_stream_reader_stop(reader);
        fy_stream_reader_stop(reader);
        ck_assert_int_eq(reader->state, FERRY_READER_STOPPED);
        ck_assert(!rig_status().reader_attached[MSG]);
        rig.n_gets = 0;
        rig_run_ms(10000);
        ck_assert_uint_le(rig.n_gets, 1); /* what was under way */
        ck_assert_uint_eq(fy_sim_n_connections(rig.sim), 0);
        if (i + 1 < sizeof(all) / sizeof(all[0]))
            ck_assert_int_eq(reader->state, FERRY_READER_STOPPED);
    }
}
END_TEST

START_TEST(the_same_failure_is_logged_once_and_another_one_again)
{
    rig.on_get = (struct rig_answer){.status = 404, .version = "3.4.0"};
    start();
    rig_run_ms(20000);
    ck_assert_uint_ge(rig.n_gets, 8);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "stream Message: failed to dial http://them:80: peer 2"), 1);
    rig.on_get.status = 500;
    rig_run_ms(20000);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "unexpected http status 500"), 1);
}
END_TEST

START_TEST(dialling_and_reading_survive_every_failed_allocation)
{
    struct ferry_message msg = rig_message(FERRY_MSG_VOTE, 1, 2, 3000);
    bool has_failed = true;
    long nth;

    for (nth = 0; has_failed; nth++) {
        struct rig_feed *feed = &rig.feeds[MSG];

        rig.n_delivered = 0;
        rig.n_gets = 0;
        heap_fail_at(nth);
        start_and_dial();
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        if (feed->out) {
            rig_feed_message(MSG, &msg); /* the rig's own allocations do not fail */
            heap_fail_at(has_failed ? -1 : 0);
            rig_run_ms(2);
            heap_fail_at(-1);
        }
        rig_run_ms(500);
        ck_assert(rig_status().reader_attached[MSG]); /* whatever failed: it is back */
        fy_stream_reader_stop(reader);
        rig_run_ms(10);
    }
    ck_assert_int_ge(nth, 4);
}
END_TEST

START_TEST(decoding_survives_every_failed_allocation)
{
    struct ferry_message msg = rig_message(FERRY_MSG_VOTE, 1, 2, 3000);
    bool has_failed = true;
    long nth;

    for (nth = 0; has_failed; nth++) {
        start_and_dial();
        ck_assert(rig_status().reader_attached[MSG]);
        rig.n_delivered = 0;
        rig_feed_message(MSG, &msg);
        heap_fail_at(nth);
        rig_run_ms(2);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        ck_assert(rig.n_delivered == 1 || !rig_status().active);
        fy_stream_reader_stop(reader);
        rig_run_ms(10);
    }
    ck_assert_uint_eq(rig.n_delivered, 1);
    ck_assert_int_ge(nth, 2);
}
END_TEST

int main(void)
{
    return rig_main(
        "stream_reader", setup, rig_teardown, the_request_is_the_protocols, no_urls_of_ours_means_no_header,
        a_200_makes_the_peer_active, messages_come_up_in_order_and_heartbeats_do_not,
        compact_frames_are_from_the_peer_to_us, bytes_may_come_one_at_a_time,
        a_paused_or_cut_peers_messages_are_counted_and_dropped, a_failed_dial_is_repeated_at_a_bounded_rate_with_jitter,
        refusals_slow_the_dials_down_to_a_sixteenth, a_success_makes_the_dials_fast_again,
        new_urls_make_the_dials_fast_again, new_urls_leave_a_stream_alone_that_stands,
        a_stream_that_stood_long_is_dialled_again_at_once, a_dial_that_fails_moves_to_the_next_url,
        each_refusal_has_its_words_and_is_retried_slowly, newer_and_known_older_versions_are_read_from,
        a_410_says_once_that_we_were_removed_and_ends_the_dials, a_long_refusal_is_judged_by_its_start,
        a_refusal_whose_reason_never_comes_is_one_too, an_answer_without_a_head_is_given_up_after_both_timeouts,
        a_connection_that_does_not_come_about_is_given_up_after_the_dial_timeout,
        where_a_dial_worked_before_one_that_does_not_is_made_anew_soon,
        where_dials_take_long_they_are_given_as_much_more_time,
        a_first_dial_and_one_without_a_link_timeout_have_all_of_their_time, silence_for_the_read_timeout_ends_a_stream,
        a_look_that_comes_late_is_made_again_once, a_heartbeat_in_time_keeps_a_stream,
        a_trickle_below_the_least_progress_ends_a_stream, a_long_frame_may_take_long_while_it_makes_progress,
        a_clean_end_leaves_the_status_as_it_is, an_end_inside_a_frame_is_a_failure, a_broken_connection_is_a_failure,
        garbage_ends_the_stream_after_what_was_good, a_reader_can_be_stopped_in_every_state,
        the_same_failure_is_logged_once_and_another_one_again, dialling_and_reading_survive_every_failed_allocation,
        decoding_survives_every_failed_allocation, NULL);
}
