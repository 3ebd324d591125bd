/*
 * check_stream_writer - an outgoing stream, read by the scripted member; both kinds, on the simulated net.
 */
#include <string.h>

#include "harness/peer_rig.h"

#define MSG FERRY_STREAM_MESSAGE
#define APP FERRY_STREAM_MSGAPP

static struct rig_call first, second;

static void teardown(void)
{
    rig_hang_up(&first);
    rig_hang_up(&second);
    rig_teardown();
}

static const struct fy_stream_writer *writer(enum ferry_stream stream)
{
    return &rig.peer->writers[stream];
}

static void attach(struct rig_call *call, enum ferry_stream stream)
{
    rig_dial(call, stream);
    rig_run_ms(RIG_ANSWER_MS);
    ck_assert_int_eq(call->status, 200);
}

static void expect_in_order(const struct rig_call *call, uint64_t first_index, size_t n)
{
    ck_assert_int_eq(call->decode_err, FERRY_OK);
    ck_assert_uint_eq(call->n_messages, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(call->messages[i].index, first_index + i);
}

START_TEST(a_get_is_answered_at_once_and_makes_the_peer_active)
{
    ck_assert(!rig_status().writer_attached[MSG]);
    attach(&first, MSG);
    ck_assert_str_eq(first.version, "3.4.0");
    ck_assert_str_eq(first.cluster_id, "1000");
    ck_assert(rig_status().writer_attached[MSG]);
    ck_assert(!rig_status().writer_attached[APP]);
    ck_assert(rig_status().active);
    ck_assert_uint_eq(first.n_bytes, 0);
}
END_TEST

START_TEST(messages_of_a_burst_arrive_in_order_and_are_counted)
{
    attach(&first, MSG);
    for (uint64_t i = 0; i < 16; i++)
        rig_send(FERRY_MSG_HEARTBEAT, i);
    ck_assert_uint_eq(rig_status().queued_messages, 16);
    rig_check_account();
    rig_run_ms(2);
    expect_in_order(&first, 0, 16);
    ck_assert_uint_eq(first.message_ns[0], first.message_ns[15]); /* one batch */
    ck_assert_uint_eq(rig_status().counts.written, 16);
    ck_assert_uint_eq(rig_status().queued_messages, 0);
    ck_assert_uint_eq(atomic_load(&rig.local.send_bytes), 0);
    rig_check_account();
}
END_TEST

START_TEST(sent_bytes_are_those_of_the_frames)
{
    attach(&first, MSG);
    attach(&second, APP);
    for (uint64_t i = 0; i < 5; i++)
        rig_send(FERRY_MSG_VOTE, i);
    rig_run_ms(2);
    ck_assert_uint_eq(rig_status().counts.sent_bytes, first.n_bytes);
    for (uint64_t i = 0; i < 5; i++)
        rig_send_sized(FERRY_MSG_APP, i, 100); /* one full frame, then compact ones */
    rig_run_ms(2);
    expect_in_order(&second, 0, 5);
    ck_assert_uint_eq(rig_status().counts.sent_bytes, first.n_bytes + second.n_bytes);
    rig_run_ms(2000); /* link heartbeats do not count */
    ck_assert_uint_eq(second.n_heartbeats, 1);
    ck_assert_uint_eq(rig_status().counts.sent_bytes, first.n_bytes - 38 + second.n_bytes - 1);
}
END_TEST

START_TEST(the_append_stream_is_compact_and_starts_anew_with_each_connection)
{
    attach(&first, APP);
    for (uint64_t i = 0; i < 3; i++)
        rig_send_sized(FERRY_MSG_APP, i, 10);
    rig_run_ms(2);
    expect_in_order(&first, 0, 3);
    attach(&second, APP);
    for (uint64_t i = 3; i < 6; i++)
        rig_send_sized(FERRY_MSG_APP, i, 10);
    rig_run_ms(2);
    expect_in_order(&second, 3, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(second.messages[i].term, 1);
        ck_assert_uint_eq(second.messages[i].from, RIG_US);
        ck_assert_uint_eq(second.messages[i].n_entries, 1);
    }
}
END_TEST

/* At the moments that are the same for all peers; a millisecond for the way. */
static void check_heartbeats(const struct rig_call *call, size_t n)
{
    const uint64_t third = fy_local_heartbeat_ns(&rig.local);
    const uint64_t first_ns = call->stream == FERRY_STREAM_MSGAPP ? third : third / 2;

    ck_assert_uint_eq(third / 1000, rig.local.read_timeout_ns / 3000);
    ck_assert_int_eq(call->decode_err, FERRY_OK);
    ck_assert_uint_eq(call->n_heartbeats, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(call->heartbeat_ns[i], FY_SIM_MS + first_ns + i * third);
}

START_TEST(an_idle_stream_beats_every_third_of_the_read_timeout)
{
    rig_dial(&first, MSG);
    rig_dial(&second, APP);
    rig_run_ms(20000);
    check_heartbeats(&first, 12);
    check_heartbeats(&second, 11);
}
END_TEST

START_TEST(a_stream_under_load_beats_too)
{
    uint64_t sent = 0;

    rig_dial(&first, MSG);
    rig_run_ms(RIG_ANSWER_MS);
    while (rig_now_ns() < 10 * FY_SIM_S) {
        rig_send(FERRY_MSG_HEARTBEAT_RESP, sent++);
        rig_run_ms(1);
    }
    check_heartbeats(&first, 6);
    ck_assert_uint_ge(first.n_messages, sent - 2);
}
END_TEST

START_TEST(a_heartbeat_waits_for_the_border_of_a_frame)
{
    uint64_t sent = 0;

    rig_dial(&first, MSG);
    fy_sim_slow(rig.our_node, rig.their_node, 300 * FY_SIM_MS); /* so that a frame takes longer than a third */
    fy_sim_slow(rig.their_node, rig.our_node, 300 * FY_SIM_MS);
    rig_run_ms(2000);
    while (rig_now_ns() < 30 * FY_SIM_S) {
        rig_send_sized(FERRY_MSG_VOTE, sent++, 120000); /* twice the window */
        rig_run_ms(100);
        rig_check_account();
    }
    ck_assert_int_eq(first.decode_err, FERRY_OK);
    ck_assert_uint_ge(first.n_messages, 10);
    ck_assert_uint_ge(first.n_heartbeats, 12);
}
END_TEST

START_TEST(frames_survive_being_read_and_brought_in_pieces)
{
    const struct ferry_sim_weather weather = {
        .min_delay_ns = FY_SIM_US, .max_delay_ns = FY_SIM_MS, .pieces_ppm = 500000, .bytes_ppm = 100000};

    fy_sim_set_weather(rig.sim, &weather);
    rig_dial(&first, APP);
    rig_dial(&second, MSG);
    rig_run_ms(20);
    for (uint64_t i = 0; i < 200; i++) {
        rig_send_sized(FERRY_MSG_APP, i, i * 7 % 300);
        rig_send_sized(FERRY_MSG_READ_INDEX, i, i % 50);
        rig_run_ms(2);
    }
    rig_run_ms(5000);
    ck_assert_int_eq(first.decode_err, FERRY_OK);
    ck_assert_uint_eq(first.n_messages + rig_dropped(FERRY_DROP_QUEUE_FULL), 200);
    expect_in_order(&second, 0, 200);
    rig_check_account();
}
END_TEST

START_TEST(a_newer_connection_ends_the_older_cleanly_and_takes_its_place)
{
    attach(&first, MSG);
    rig_send(FERRY_MSG_HEARTBEAT, 1);
    rig_run_ms(2);
    attach(&second, MSG);
    rig_run_ms(2);
    ck_assert(first.has_ended);
    ck_assert_int_eq(first.err, FERRY_OK);
    ck_assert_int_eq(first.decode_err, FERRY_OK);
    ck_assert(rig_status().writer_attached[MSG]);
    ck_assert(rig_status().active);
    ck_assert_uint_eq(rig.n_unreachable, 0); /* nothing was queued */
    rig_send(FERRY_MSG_HEARTBEAT, 2);
    rig_run_ms(2);
    expect_in_order(&first, 1, 1);
    expect_in_order(&second, 2, 1);
    rig_run_ms(1700);
    ck_assert_uint_eq(second.n_heartbeats, 1);
    ck_assert_uint_eq(first.n_heartbeats, 0);
}
END_TEST

/* Let the peer take nothing, and queue until the stream is stuck in the middle of a message. */
static void get_stuck(struct rig_call *call)
{
    attach(call, MSG);
    fy_sim_cut(rig.our_node, rig.their_node);
    for (uint64_t i = 0; i < 5; i++)
        rig_send_sized(FERRY_MSG_VOTE, i, 50000);
    rig_run_ms(2);
    ck_assert_uint_eq(rig_status().counts.written, 1);
    ck_assert_uint_eq(rig_status().queued_messages, 4);
}

/* The window ends where a frame does, so that what is behind it was shown and nothing of it taken. */
START_TEST(a_message_that_waits_at_the_border_of_a_frame_has_an_age)
{
    const size_t frame_len = 8192;
    size_t around;

    attach(&first, MSG);
    rig_send_sized(FERRY_MSG_VOTE, 0, frame_len);
    rig_run_ms(10);
    around = first.n_bytes - frame_len;
    fy_sim_cut(rig.our_node, rig.their_node);
    for (uint64_t i = 1; i <= 10; i++)
        rig_send_sized(FERRY_MSG_VOTE, i, frame_len - around - (i == 1 ? around : 0)); /* all: eighths of the window */
    rig_run_ms(2);
    ck_assert_uint_eq(rig_status().counts.written, 8);
    ck_assert_ptr_null(writer(MSG)->current);
    rig_run_ms(300);
    ck_assert_uint_ge(rig_status().queues[MSG].oldest_ms, 300);
    rig_send(FERRY_MSG_VOTE, 11); /* a younger one does not hide it */
    ck_assert_uint_ge(rig_status().queues[MSG].oldest_ms, 300);
    fy_sim_heal_all(rig.sim);
    rig_run_ms(10);
    expect_in_order(&first, 0, 12);
    ck_assert_uint_eq(rig_status().queues[MSG].oldest_ms, 0);
}
END_TEST

START_TEST(replacement_drops_what_was_queued_and_tells_the_core_once)
{
    get_stuck(&first);
    rig_dial(&second, MSG);
    rig_run_ms(1);
    ck_assert_ptr_nonnull(writer(MSG)->out);
    fy_sim_heal_all(rig.sim);
    rig_run_ms(10);
    ck_assert(first.has_ended);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_STREAM_CLOSED), 4);
    ck_assert_uint_eq(rig.n_unreachable, 1);
    rig_check_account();
    rig_send(FERRY_MSG_VOTE, 9);
    rig_run_ms(2);
    expect_in_order(&second, 9, 1);
    ck_assert_uint_eq(rig_status().queued_messages, 0);
}
END_TEST

START_TEST(a_peer_that_takes_nothing_is_cut_after_the_write_timeout)
{
    uint64_t since_ns;

    get_stuck(&first);
    since_ns = rig_now_ns();
    rig_run_ms(4990);
    ck_assert(rig_status().active);
    rig_run_ms(20);
    ck_assert(!rig_status().active);
    ck_assert(!rig_status().writer_attached[MSG]);
    ck_assert_str_eq(rig_status().last_error, "failed to write 2 on stream Message (timed out)");
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_STREAM_CLOSED), 4);
    ck_assert_uint_eq(rig.n_unreachable, 1);
    ck_assert_uint_lt(rig_now_ns() - since_ns, 5020 * FY_SIM_MS);
    rig_check_account();
    rig_send(FERRY_MSG_VOTE, 9); /* the stream is closed: by POST */
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_STREAM_CLOSED), 4);
    ck_assert_uint_eq(rig_status().queued_messages, 1);
}
END_TEST

START_TEST(a_peer_that_leaves_makes_the_peer_inactive)
{
    attach(&first, APP);
    rig_hang_up(&first);
    rig_run_ms(2);
    ck_assert(!rig_status().active);
    ck_assert(!rig_status().writer_attached[APP]);
    ck_assert(strstr(rig_status().last_error, "failed to write 2 on stream MsgApp v2 (") != NULL);
    ck_assert_uint_eq(rig.n_unreachable, 0);
    rig_run_ms(10000); /* no heartbeat without a connection */
    attach(&second, APP);
    ck_assert(rig_status().active);
}
END_TEST

START_TEST(a_reset_connection_drops_what_was_queued)
{
    get_stuck(&first);
    fy_sim_heal_all(rig.sim);
    ck_assert_uint_eq(fy_sim_reset_connections(rig.our_node, rig.their_node, FERRY_SIM_RESET_BOTH), 1);
    rig_run_ms(2);
    ck_assert(!rig_status().writer_attached[MSG]);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_STREAM_CLOSED) + rig_status().counts.written, 5);
    ck_assert_uint_eq(rig.n_unreachable, 1);
    rig_check_account();
}
END_TEST

START_TEST(stopping_ends_the_stream_cleanly_and_drops_for_its_own_reason)
{
    attach(&first, MSG);
    rig_send(FERRY_MSG_VOTE, 1);
    fy_stream_writer_stop(&rig.peer->writers[MSG], FERRY_DROP_STOPPED);
    fy_stream_writer_stop(&rig.peer->writers[MSG], FERRY_DROP_STOPPED);
    rig_run_ms(2);
    ck_assert(first.has_ended);
    ck_assert_int_eq(first.err, FERRY_OK);
    ck_assert_int_eq(first.decode_err, FERRY_OK);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_STOPPED), 1);
    rig_check_account();
}
END_TEST

START_TEST(attaching_and_writing_survive_every_failed_allocation)
{
    bool has_failed = true;

    for (long nth = 0; has_failed; nth++) {
        heap_fail_at(nth);
        rig_dial(&first, APP);
        rig_run_ms(RIG_ANSWER_MS);
        for (uint64_t i = 0; i < 3; i++)
            rig_send_sized(FERRY_MSG_APP, i, 10);
        rig_run_ms(5);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        rig_check_account();
        if (rig_status().writer_attached[APP])
            ck_assert_ptr_nonnull(writer(APP)->out);
        else
            ck_assert_ptr_null(writer(APP)->out);
        if (!has_failed)
            expect_in_order(&first, 0, 3);
        rig_hang_up(&first);
        rig_run_ms(10);
        ck_assert(!rig_status().writer_attached[APP]);
    }
}
END_TEST

int main(void)
{
    return rig_main("stream_writer", rig_setup, teardown, a_get_is_answered_at_once_and_makes_the_peer_active,
                    messages_of_a_burst_arrive_in_order_and_are_counted, sent_bytes_are_those_of_the_frames,
                    the_append_stream_is_compact_and_starts_anew_with_each_connection,
                    an_idle_stream_beats_every_third_of_the_read_timeout, a_stream_under_load_beats_too,
                    a_heartbeat_waits_for_the_border_of_a_frame, frames_survive_being_read_and_brought_in_pieces,
                    a_newer_connection_ends_the_older_cleanly_and_takes_its_place,
                    a_message_that_waits_at_the_border_of_a_frame_has_an_age,
                    replacement_drops_what_was_queued_and_tells_the_core_once,
                    a_peer_that_takes_nothing_is_cut_after_the_write_timeout,
                    a_peer_that_leaves_makes_the_peer_inactive, a_reset_connection_drops_what_was_queued,
                    stopping_ends_the_stream_cleanly_and_drops_for_its_own_reason,
                    attaching_and_writing_survive_every_failed_allocation, NULL);
}
