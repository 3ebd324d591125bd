/*
 * check_pipeline - POSTs to the scripted member, on the simulated net.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/peer_rig.h"
#include "wire/outgoing.h"
#include "wire/url.h"

static void setup(void)
{
    rig_setup();
    rig.peer->is_started = true; /* without its readers, which would have a say in the status */
}

static const struct rig_answer held = {.status = 0};

static void send_one(enum ferry_message_type type)
{
    rig_send(type, 7);
}

/* The bare bytes of a message, for free(). */
static uint8_t *bare(const struct ferry_message *msg, size_t *ret_len)
{
    struct fy_encoder encoder;
    struct fy_outgoing *out;
    uint8_t *bytes;

    ck_assert_int_eq(fy_outgoing_new(msg, FERRY_FORM_3_4, 1u << 20, &out), FERRY_OK);
    bytes = malloc(out->packed_len);
    ck_assert_ptr_nonnull(bytes);
    fy_encoder_init(&encoder, FY_CODEC_BARE, FERRY_FORM_3_4);
    fy_encoder_start(&encoder, out);
    *ret_len = fy_encoder_read(&encoder, bytes, out->packed_len);
    ck_assert_uint_eq(*ret_len, out->packed_len);
    fy_outgoing_free(out);
    return bytes;
}

START_TEST(the_request_is_the_protocols)
{
    const struct rig_request *post = &rig.posts[0];
    struct ferry_message msg = rig_message(FERRY_MSG_SNAP, 7, 3, 1000);
    uint8_t *bytes;
    size_t len;

    fy_peer_send(rig.peer, &msg);
    rig_run_ms(10);
    ck_assert_uint_eq(rig.n_posts, 1);
    ck_assert_str_eq(post->method, "POST");
    ck_assert_str_eq(post->path, "/raft");
    ck_assert_str_eq(post->content_type, "application/protobuf");
    ck_assert_str_eq(post->from, "1");
    ck_assert_str_eq(post->version, "3.4.0");
    ck_assert_str_eq(post->min_version, "3.0.0");
    ck_assert_str_eq(post->cluster_id, "1000");
    ck_assert_str_eq(post->peer_urls, "http://us:80");
    ck_assert_str_eq(post->raft_to, "(absent)");
    bytes = bare(&msg, &len);
    ck_assert_uint_eq(post->body_len, len);
    ck_assert_mem_eq(post->body, bytes, len);
    free(bytes);
}
END_TEST

START_TEST(no_urls_of_ours_means_no_header)
{
    rig.raft.peer_urls[0] = '\0';
    send_one(FERRY_MSG_VOTE);
    rig_run_ms(10);
    ck_assert_str_eq(rig.posts[0].peer_urls, "(absent)");
}
END_TEST

START_TEST(a_204_means_written)
{
    send_one(FERRY_MSG_VOTE);
    ck_assert_uint_eq(rig_status().queued_messages, 1);
    rig_run_ms(3);
    ck_assert_uint_eq(rig_status().counts.written, 0); /* it is not when only the bytes are on their way */
    rig_run_ms(7);
    ck_assert_uint_eq(rig_status().counts.written, 1);
    ck_assert_uint_eq(rig_status().counts.sent_bytes, rig.posts[0].body_len);
    ck_assert_uint_eq(rig_status().queued_messages, 0);
    ck_assert(rig_status().active);
    ck_assert_uint_eq(rig.n_unreachable, 0);
    rig_check_account();
}
END_TEST

START_TEST(every_other_answer_is_a_failure_with_its_words)
{
    static const struct {
        struct rig_answer answer;
        const char *words;
    } cases[] = {
        {{.status = 200}, "unexpected http status 200 \"\""},
        {{.status = 200, .body = "ok\n"}, "unexpected http status 200 \"ok\""},
        {{.status = 205}, "unexpected http status 205 \"\""},
        {{.status = 400, .body = "error unmarshalling raft message\n"},
         "unexpected http status 400 \"error unmarshalling raft message\""},
        {{.status = 404}, "unexpected http status 404, not a member's, check its URL: \"\""},
        {{.status = 405, .body = "no POST"}, "unexpected http status 405, not a member's, check its URL: \"no POST\""},
        {{.status = 410}, "unexpected http status 410 \"\""},
        {{.status = 412, .body = "incompatible version\n"},
         "incompatible version: update the older of the two members"},
        {{.status = 412, .cluster_id = "2000", .body = "cluster ID mismatch\n"},
         "cluster ID mismatch: the peer's is \"2000\", ours is \"1000\""},
        {{.status = 412, .body = "to field mismatch\n"}, "to field mismatch: another member answers at this URL"},
        {{.status = 500, .body = "error processing raft message\n"},
         "unexpected http status 500 \"error processing raft message\""},
        {{.status = 503}, "unexpected http status 503 \"\""},
        {{.aborts = true}, "closed without an answer"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[200];

        rig.on_post = cases[i].answer;
        send_one(FERRY_MSG_VOTE);
        rig_run_ms(10);
        snprintf(expected, sizeof(expected), "failed to post 2 on pipeline (%s)", cases[i].words);
        ck_assert_str_eq(rig_status().last_error, expected);
        ck_assert(!rig_status().active);
        ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), i + 1);
        ck_assert_uint_eq(rig.n_unreachable, i + 1);
        rig_check_account();
    }
    ck_assert_uint_eq(rig_status().counts.written, 0);
    ck_assert_uint_eq(rig.n_posts, sizeof(cases) / sizeof(cases[0])); /* none was posted again */
    ck_assert_uint_eq(rig.n_fatal, 0);
    ck_assert_uint_eq(rig.n_failure, 0);
}
END_TEST

START_TEST(a_403_says_that_we_were_removed)
{
    rig.on_post = (struct rig_answer){.status = 403, .body = "{\"message\":\"...\"}"};
    send_one(FERRY_MSG_SNAP);
    rig_run_ms(10);
    ck_assert_uint_eq(rig.n_fatal, 1);
    ck_assert_int_eq(rig.fatal_err, FERRY_ERR_MEMBER_REMOVED);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 1);
    ck_assert_uint_eq(rig.n_failure, 1);
    ck_assert(!rig_status().active);
}
END_TEST

START_TEST(four_are_in_flight_and_sixty_four_wait)
{
    rig.on_post = held;
    for (uint64_t i = 0; i < 4; i++)
        rig_send(FERRY_MSG_VOTE, i);
    rig_run_ms(10);
    for (uint64_t i = 4; i < 68; i++)
        rig_send(FERRY_MSG_VOTE, i);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_QUEUE_FULL), 0);
    rig_send(FERRY_MSG_VOTE, 68);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_QUEUE_FULL), 1);
    ck_assert_uint_eq(rig.n_unreachable, 1);
    rig_run_ms(100);
    ck_assert_uint_eq(rig.n_posts, 4);
    ck_assert_uint_eq(rig_status().queued_messages, 68);
    rig_check_account();

    rig.on_post = (struct rig_answer){.status = 204};
    rig_reply(&rig.posts[2], &rig.on_post);
    rig_run_ms(2);
    ck_assert_uint_eq(rig_status().counts.written, 1);
    rig_run_ms(8);
    ck_assert_uint_gt(rig.n_posts, 4);
    rig_run_ms(2000);
    ck_assert_uint_eq(rig_status().counts.written, 65); /* but for the three that are still held */
    rig_check_account();
}
END_TEST

START_TEST(messages_are_posted_oldest_first)
{
    struct ferry_message msg;

    for (uint64_t i = 0; i < 12; i++)
        rig_send(FERRY_MSG_VOTE, i);
    rig_run_ms(100);
    ck_assert_uint_eq(rig.n_posts, 12);
    for (uint64_t i = 0; i < 12; i++) {
        uint8_t *bytes;
        size_t len;

        msg = rig_message(FERRY_MSG_VOTE, i, 0, 0);
        bytes = bare(&msg, &len);
        ck_assert_uint_eq(rig.posts[i].body_len, len);
        ck_assert_mem_eq(rig.posts[i].body, bytes, len);
        free(bytes);
    }
}
END_TEST

START_TEST(a_post_without_an_answer_in_time_has_failed)
{
    rig.on_post = held;
    send_one(FERRY_MSG_SNAP);
    rig_run_ms(9999);
    ck_assert_uint_eq(rig_status().queued_messages, 1);
    rig_run_ms(1);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 1);
    ck_assert_str_eq(rig_status().last_error, "failed to post 2 on pipeline (no answer in time)");
    ck_assert_uint_eq(rig.n_failure, 1);
    rig_run_ms(2);
    ck_assert(rig.posts[0].is_gone);
    rig_check_account();
}
END_TEST

START_TEST(a_long_body_has_time_as_long_as_it_moves)
{
    rig.local.dial_timeout_ns = 20000 * FY_SIM_MS;
    fy_sim_slow(rig.our_node, rig.their_node, 6000 * FY_SIM_MS);
    rig_send_sized(FERRY_MSG_SNAP, 1, 120 * 1024); /* twice what is under way at a time */
    rig_run_ms(13000);
    ck_assert_uint_eq(rig.n_posts, 1);
    ck_assert(!rig.posts[0].is_body_whole);
    ck_assert_uint_eq(rig_status().queued_messages, 1);
    rig_run_ms(6000);
    ck_assert_uint_eq(rig_status().counts.written, 1);
    ck_assert_uint_eq(rig.n_finish, 1);
    rig_check_account();
}
END_TEST

START_TEST(a_long_body_that_stops_moving_has_failed)
{
    rig.on_post = held;
    rig_send_sized(FERRY_MSG_SNAP, 1, 120 * 1024);
    rig_run_ms(19999); /* it moved in the first window, and not in the second */
    ck_assert_uint_eq(rig_status().queued_messages, 1);
    rig_run_ms(1);
    ck_assert_uint_eq(rig_status().queued_messages, 0);
    ck_assert_str_eq(rig_status().last_error, "failed to post 2 on pipeline (no answer in time)");
    rig_run_ms(2);
    ck_assert(rig.posts[0].is_gone);
    rig_check_account();
}
END_TEST

START_TEST(a_long_body_is_encoded_when_a_connection_takes_it)
{
    struct fy_post *post = &rig.peer->pipeline.posts[0];

    fy_sim_cut(rig.our_node, rig.their_node);
    rig_send_sized(FERRY_MSG_SNAP, 1, 100 * 1024);
    heap_reset_largest();
    rig_run_ms(1000);
    ck_assert_ptr_nonnull(post->msg);
    ck_assert_uint_eq(fy_encoder_left(&post->encoder), post->msg->packed_len);
    ck_assert_uint_lt(heap_largest(), 100 * 1024);
    rig_run_ms(2000);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 1);
    rig_check_account();
}
END_TEST

START_TEST(a_long_body_arrives_as_it_was_encoded)
{
    struct ferry_message msg = rig_message(FERRY_MSG_SNAP, 7, 3, 30000);
    uint8_t *bytes;
    size_t len;

    fy_peer_send(rig.peer, &msg);
    rig_run_ms(20);
    bytes = bare(&msg, &len);
    ck_assert_uint_gt(len, 90000);
    ck_assert_uint_eq(rig.posts[0].body_len, len);
    ck_assert_mem_eq(rig.posts[0].body, bytes, len);
    free(bytes);
}
END_TEST

START_TEST(each_snapshot_is_reported_exactly_once)
{
    static const struct rig_answer answers[] = {{.status = 204}, {.status = 500}, {.aborts = true}, {.status = 200}};
    size_t n_sent = 0;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        rig.on_post = answers[i];
        send_one(FERRY_MSG_SNAP);
        send_one(FERRY_MSG_VOTE); /* of which nothing is told */
        rig_run_ms(100);
        n_sent++;
    }
    ck_assert_uint_eq(rig.n_finish, 1);
    ck_assert_uint_eq(rig.n_failure, 3);

    rig.on_post = held;
    for (int i = 0; i < 69; i++) { /* one too many */
        send_one(FERRY_MSG_SNAP);
        rig_run_ms(i < 4 ? 10 : 0);
        n_sent++;
    }
    ck_assert_uint_eq(rig.n_failure, 4);
    rig_run_ms(5000);
    ck_assert_uint_eq(fy_sim_reset_connections(rig.our_node, rig.their_node, FERRY_SIM_RESET_BOTH), 4);
    rig_run_ms(10);
    ck_assert_uint_eq(rig.n_failure, 8);
    fy_peer_stop(rig.peer, FERRY_DROP_STOPPED);
    ck_assert_uint_eq(rig.n_finish + rig.n_failure, n_sent);
    send_one(FERRY_MSG_SNAP); /* to a stopped peer */
    ck_assert_uint_eq(rig.n_finish + rig.n_failure, n_sent + 1);
    rig_run_ms(60000);
    ck_assert_uint_eq(rig.n_finish + rig.n_failure, n_sent + 1);
    rig_check_account();
}
END_TEST

static const struct rig_answer taken = {.status = 204};

/* Four posts that wait for their answers, and behind them one of each class, old; and one that is young. */
static void queue_behind_held_posts(void)
{
    rig.on_post = held;
    for (int i = 0; i < 4; i++)
        send_one(FERRY_MSG_VOTE);
    rig_run_ms(10);
    rig.on_post = taken;
    send_one(FERRY_MSG_HEARTBEAT);
    send_one(FERRY_MSG_PROP);
    send_one(FERRY_MSG_APP);
    send_one(FERRY_MSG_SNAP);
    rig_run_ms(200);
    send_one(FERRY_MSG_PRE_VOTE);
    rig_run_ms(100);
    ck_assert_uint_eq(rig.n_posts, 4);
    ck_assert_uint_eq(rig_status().queued_messages, 9);
}

START_TEST(a_post_without_an_answer_takes_what_has_waited_long_but_proposals_and_snapshots)
{
    queue_behind_held_posts();
    ck_assert_uint_eq(fy_sim_reset_connections(rig.our_node, rig.their_node, FERRY_SIM_RESET_BOTH), 4);
    rig_run_ms(50);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 4);
    ck_assert_uint_eq(rig.n_posts, 4); /* the next is made after dial_retry_ms */
    rig_run_ms(100);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_STALE), 2);
    ck_assert_uint_eq(rig.n_posts, 7);
    ck_assert_uint_eq(rig.n_finish, 1);
    ck_assert_uint_eq(rig_status().counts.written, 3);
    rig_check_account();
}
END_TEST

START_TEST(a_queue_that_is_only_slow_loses_nothing)
{
    const struct rig_answer refusal = {.status = 500};

    queue_behind_held_posts();
    rig_reply(&rig.posts[0], &refusal); /* it was heard */
    for (int i = 1; i < 4; i++)
        rig_reply(&rig.posts[i], &taken);
    rig_run_ms(50);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_STALE), 0);
    ck_assert_uint_eq(rig_status().counts.written, 8);
    rig_check_account();
}
END_TEST

/* How long a post to a peer that is cut off keeps its message. */
static unsigned stuck_ms(void)
{
    uint64_t before = rig_dropped(FERRY_DROP_POST_FAILED);
    unsigned ms = 0;

    rig_run_ms(100); /* so that it is posted at once */
    send_one(FERRY_MSG_VOTE);
    while (rig_dropped(FERRY_DROP_POST_FAILED) == before) {
        rig_run_ms(1);
        ck_assert_uint_lt(++ms, 5000);
    }
    return ms;
}

START_TEST(a_post_takes_no_longer_to_connect_than_dials_that_are_known_to_work)
{
    rig.local.link_timeout_ns = 2000 * FY_SIM_MS;
    fy_sim_cut(rig.our_node, rig.their_node);
    ck_assert_uint_ge(stuck_ms(), 1999); /* to a peer of which nothing is known, all of the dial timeout */
    rig.peer->base.member.dial_took_ns[0] = 2 * FY_SIM_MS;
    ck_assert_uint_le(stuck_ms(), 601);
    rig.peer->base.member.dial_took_ns[0] = 200 * FY_SIM_MS;
    ck_assert_uint_ge(stuck_ms(), 799); /* of a way that is slow, four times as much as it takes */
    rig.local.link_timeout_ns = 0;
    ck_assert_uint_ge(stuck_ms(), 1999);
    rig_check_account();
}
END_TEST

/* What dials take without TLS says nothing of those with it. */
START_TEST(dials_are_hurried_by_what_those_of_their_scheme_take)
{
    struct fy_call_spec plain = {.url = "http://them:80/"}, secure = {.url = "https://them:80/"};

    rig.local.link_timeout_ns = 2000 * FY_SIM_MS;
    rig.local.handshake_timeout_ns = 5000 * FY_SIM_MS;
    fy_member_note_dial(&rig.peer->base.member, plain.url, 2 * FY_SIM_MS);
    fy_member_limit_dial(&rig.peer->base.member, 1, &plain);
    fy_member_limit_dial(&rig.peer->base.member, 1, &secure);
    ck_assert_uint_eq(plain.connect_timeout_ms, 600);
    ck_assert_uint_eq(secure.connect_timeout_ms, 2000);
    ck_assert_uint_eq(secure.handshake_timeout_ms, 5000);
    fy_member_note_dial(&rig.peer->base.member, secure.url, 200 * FY_SIM_MS);
    fy_member_limit_dial(&rig.peer->base.member, 1, &secure);
    ck_assert_uint_eq(secure.connect_timeout_ms, 800);
    ck_assert_uint_eq(secure.handshake_timeout_ms, 800);
}
END_TEST

START_TEST(an_unreachable_url_is_left_once_for_several_failures)
{
    static const char *const urls[] = {"http://them:78", "http://them:80", "http://them:81", NULL};
    char **copy;

    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    fy_url_picker_update(&rig.peer->base.member.picker, copy);
    for (int i = 0; i < 4; i++)
        send_one(FERRY_MSG_VOTE);
    rig_run_ms(10);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 4);
    send_one(FERRY_MSG_VOTE);
    rig_run_ms(10);
    ck_assert_uint_eq(rig.posts[0].port, 80);
    rig.on_post.status = 500; /* an answer that says no moves on, too */
    send_one(FERRY_MSG_VOTE);
    rig_run_ms(10);
    rig.on_post.status = 204;
    send_one(FERRY_MSG_VOTE);
    rig_run_ms(10);
    ck_assert_uint_eq(rig.posts[2].port, 81);
    ck_assert(rig_status().active);
}
END_TEST

START_TEST(stopping_cancels_what_is_in_flight_and_drops_all)
{
    rig.on_post = held;
    for (int i = 0; i < 10; i++)
        send_one(i % 2 ? FERRY_MSG_SNAP : FERRY_MSG_VOTE);
    rig_run_ms(10);
    fy_peer_stop(rig.peer, FERRY_DROP_STOPPED);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_STOPPED), 10);
    ck_assert_uint_eq(rig.n_failure, 5);
    ck_assert_uint_eq(rig_status().queued_messages, 0);
    rig_run_ms(10);
    for (size_t i = 0; i < 4; i++)
        ck_assert(rig.posts[i].is_gone);
    ck_assert_uint_eq(rig.n_posts, 4);
    rig_check_account();
}
END_TEST

START_TEST(nothing_is_posted_before_the_peer_is_started)
{
    rig.peer->is_started = false;
    send_one(FERRY_MSG_VOTE);
    rig_run_ms(1000);
    ck_assert_uint_eq(rig.n_posts, 0);
    ck_assert_uint_eq(rig_status().queued_messages, 1);
}
END_TEST

START_TEST(posting_survives_every_failed_allocation)
{
    bool has_failed = true;
    size_t n_sent = 0;
    long nth;

    for (nth = 0; has_failed; nth++) {
        struct ferry_message msg = rig_message(FERRY_MSG_SNAP, 1, 1, 1000);

        ck_assert_uint_lt(rig.n_posts, RIG_MAX_SEEN);
        rig_run_ms(100); /* the last POST may have got no answer */
        heap_fail_at(nth);
        fy_peer_send(rig.peer, &msg);
        rig_run_ms(20);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        n_sent++;
        rig_check_account();
        ck_assert_uint_eq(rig_status().queued_messages, 0);
        ck_assert_uint_eq(rig.n_finish + rig.n_failure, n_sent);
    }
    ck_assert_uint_ge(rig_dropped(FERRY_DROP_NOMEM), 2); /* to encode it, and for its body */
    ck_assert_uint_ge(rig_status().counts.written, 1);
    ck_assert_int_ge(nth, 5);
}
END_TEST

/* A core that goes on sending to a dead peer, a message each millisecond. */
static void send_for_ms(int ms)
{
    for (int i = 0; i < ms; i++) {
        send_one(FERRY_MSG_VOTE);
        rig_run_ms(1);
    }
}

START_TEST(a_dead_peer_gets_one_post_in_each_retry_interval)
{
    rig.on_post = (struct rig_answer){.aborts = true};
    send_for_ms(2000);
    ck_assert_uint_ge(rig.n_posts, 2000 / 110);
    ck_assert_uint_le(rig.n_posts, 2000 / 100 + FY_PIPELINE_WIDTH);
    rig_check_account();

    rig.on_post = taken;
    rig_run_ms(250); /* one is answered, and then all that are not too old are posted without a pause */
    ck_assert_uint_eq(rig_status().queued_messages, 0);
    for (uint64_t n = rig_status().counts.written; n < 20;) {
        send_one(FERRY_MSG_VOTE);
        rig_run_ms(10);
        ck_assert_uint_eq(rig_status().counts.written, ++n);
    }
    rig_check_account();
}
END_TEST

START_TEST(each_url_of_a_dead_peer_is_tried_at_once_and_new_ones_too)
{
    static const char *const dead_urls[] = {"http://them:70", "http://them:71", "http://them:72", NULL};
    static const char *const urls[] = {"http://them:80", NULL};
    char **copy;

    ck_assert_int_eq(fy_urls_copy(dead_urls, &copy), FERRY_OK);
    fy_peer_update(rig.peer, copy);
    for (int i = 0; i < 20; i++)
        send_one(FERRY_MSG_VOTE);
    rig_run_ms(30);
    ck_assert_uint_ge(rig_dropped(FERRY_DROP_POST_FAILED), 3);
    ck_assert_uint_le(rig_dropped(FERRY_DROP_POST_FAILED), 3 * FY_PIPELINE_WIDTH);
    ck_assert_uint_eq(rig.n_posts, 0);
    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    fy_peer_update(rig.peer, copy);
    rig_run_ms(30);
    ck_assert_uint_ge(rig_status().counts.written, 20 - 3 * FY_PIPELINE_WIDTH);
    ck_assert_uint_eq(rig_status().queued_messages, 0);
    rig_check_account();
}
END_TEST

int main(void)
{
    return rig_main(
        "pipeline", setup, rig_teardown, the_request_is_the_protocols, no_urls_of_ours_means_no_header,
        a_204_means_written, every_other_answer_is_a_failure_with_its_words, a_403_says_that_we_were_removed,
        four_are_in_flight_and_sixty_four_wait, messages_are_posted_oldest_first,
        a_post_without_an_answer_in_time_has_failed, a_long_body_has_time_as_long_as_it_moves,
        a_long_body_that_stops_moving_has_failed, a_long_body_is_encoded_when_a_connection_takes_it,
        a_long_body_arrives_as_it_was_encoded, each_snapshot_is_reported_exactly_once,
        a_post_without_an_answer_takes_what_has_waited_long_but_proposals_and_snapshots,
        a_queue_that_is_only_slow_loses_nothing, a_post_takes_no_longer_to_connect_than_dials_that_are_known_to_work,
        dials_are_hurried_by_what_those_of_their_scheme_take, an_unreachable_url_is_left_once_for_several_failures,
        stopping_cancels_what_is_in_flight_and_drops_all, nothing_is_posted_before_the_peer_is_started,
        a_dead_peer_gets_one_post_in_each_retry_interval, each_url_of_a_dead_peer_is_tried_at_once_and_new_ones_too,
        posting_survives_every_failed_allocation, NULL);
}
