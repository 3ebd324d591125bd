/*
 * check_peer - the choice of a lane, drops, and the account, over all lanes and with network faults.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "harness/peer_rig.h"
#include "wire/url.h"

#define MSG FERRY_STREAM_MESSAGE
#define APP FERRY_STREAM_MSGAPP

static struct rig_call calls[FERRY_N_STREAMS];

static void teardown(void)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        rig_hang_up(&calls[i]);
    rig_teardown();
}

static void attach(enum ferry_stream stream)
{
    rig_dial(&calls[stream], stream);
    rig_run_ms(RIG_ANSWER_MS);
    ck_assert(rig_status().writer_attached[stream]);
}

static size_t n_queued(struct fy_channel *ch)
{
    size_t n, n_bytes;
    uint64_t oldest_ns;

    fy_channel_read(ch, &n, &n_bytes, &oldest_ns);
    return n;
}

/* ---- Lanes ---- */

enum lane { LANE_APP, LANE_MSG, LANE_PIPELINE };

static void check_lane(enum ferry_message_type type, enum lane expected)
{
    struct fy_channel *const lanes[] = {&rig.peer->writers[APP].channel, &rig.peer->writers[MSG].channel,
                                        &rig.peer->pipeline.channel};
    size_t before[3];

    for (int i = 0; i < 3; i++)
        before[i] = n_queued(lanes[i]);
    rig_send(type, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(n_queued(lanes[i]) == before[i] + (i == (int)expected), "%s by lane %d, not %d",
                      ferry_message_type_name(type), i, (int)expected);
    rig_run_ms(1); /* the streams carry it off */
}

START_TEST(each_type_takes_its_lane_whatever_is_attached)
{
    for (int attached = 0; attached < 4; attached++) {
        if (attached & 1)
            attach(APP);
        if (attached & 2)
            attach(MSG);
        for (int type = FERRY_MSG_HUP; type <= FERRY_MSG_FORGET_LEADER; type++) {
            enum lane expected = attached & 2 ? LANE_MSG : LANE_PIPELINE;

            if (type == FERRY_MSG_SNAP)
                expected = LANE_PIPELINE;
            else if (type == FERRY_MSG_APP && (attached & 1))
                expected = LANE_APP;
            check_lane((enum ferry_message_type)type, expected);
        }
        rig_hang_up(&calls[APP]);
        rig_hang_up(&calls[MSG]);
        rig_run_ms(10);
        rig_remake_peer(); /* the pipeline's are dropped */
    }
}
END_TEST

START_TEST(a_full_lane_does_not_fall_over_to_the_next)
{
    attach(MSG);
    for (uint64_t i = 0; i < 20; i++)
        rig_send(FERRY_MSG_VOTE, i);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_QUEUE_FULL), 4);
    ck_assert_uint_eq(rig.n_unreachable, 1);
    ck_assert_uint_eq(n_queued(&rig.peer->pipeline.channel), 0);
    rig_check_account();
    rig_run_ms(2);
    ck_assert_uint_eq(calls[MSG].n_messages, 16);
    ck_assert_uint_eq(calls[MSG].messages[15].index, 15);
    rig_check_account();
}
END_TEST

START_TEST(the_core_is_told_at_most_once_in_ten_milliseconds)
{
    uint64_t n_sent = 0;

    attach(MSG);
    for (int ms = 0; ms < 100; ms++) {
        for (uint64_t i = 0; i < 100; i++, n_sent++)
            rig_send(FERRY_MSG_VOTE, i);
        rig_run_ms(1);
    }
    ck_assert_uint_gt(rig_dropped(FERRY_DROP_QUEUE_FULL), n_sent / 2);
    ck_assert_uint_ge(rig.n_unreachable, 8);
    ck_assert_uint_le(rig.n_unreachable, 11); /* at 0, 10, ... 100 ms */
    rig_check_account();
}
END_TEST

START_TEST(a_report_follows_every_drop)
{
    attach(MSG);
    for (uint64_t i = 0; i < 18; i++)
        rig_send(FERRY_MSG_VOTE, i);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_QUEUE_FULL), 2);
    ck_assert_uint_eq(rig.n_unreachable, 1);
    rig_run_ms(9);
    ck_assert_uint_eq(rig.n_unreachable, 1);
    rig_run_ms(2); /* it takes an attention to set the timer */
    ck_assert_uint_eq(rig.n_unreachable, 2);
    rig_run_ms(100);
    ck_assert_uint_eq(rig.n_unreachable, 2);

    fy_peer_stop(rig.peer, FERRY_DROP_STOPPED);
    for (uint64_t i = 0; i < 2; i++) {
        rig_send(FERRY_MSG_VOTE, i);
        rig_run_ms(1);
    }
    ck_assert_uint_eq(rig.n_unreachable, 4);
}
END_TEST

START_TEST(the_bytes_of_a_lane_are_bounded)
{
    rig.raft.max_queue_bytes = 10000;
    rig_remake_peer();
    attach(MSG);
    rig_send_sized(FERRY_MSG_VOTE, 1, 6000);
    rig_send_sized(FERRY_MSG_VOTE, 2, 6000);
    rig_send_sized(FERRY_MSG_VOTE, 3, 1000);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_QUEUE_FULL), 1);
    ck_assert_uint_eq(rig_status().queued_messages, 2);
    rig_check_account();
}
END_TEST

START_TEST(the_loop_is_asked_once_for_any_number_of_messages)
{
    ck_assert(!atomic_load(&rig.peer->base.needs_attention));
    rig_send(FERRY_MSG_VOTE, 1);
    ck_assert(atomic_load(&rig.peer->base.needs_attention));
    rig_send(FERRY_MSG_VOTE, 2);
    rig_run_ms(1);
    ck_assert(!atomic_load(&rig.peer->base.needs_attention));
    ck_assert_uint_eq(rig_status().queued_messages, 2); /* not started: it waits */
    fy_peer_start(rig.peer);
    rig_run_ms(20);
    ck_assert_uint_eq(rig.n_posts, 2); /* and starting is enough */
}
END_TEST

/* ---- Drops ---- */

/* One vote and one snapshot are dropped for reason; the core hears of it unless the test plays it. */
static void check_drop(enum ferry_drop_reason reason, const struct ferry_message *msg, bool is_told)
{
    struct ferry_message snapshot = *msg;
    uint64_t n_before = rig_dropped(reason);

    rig_run_ms(30); /* the last drop was reported, and the interval after that is over */
    rig.n_unreachable = 0;
    rig.n_failure = 0;
    fy_peer_send(rig.peer, msg);
    ck_assert_uint_eq(rig_dropped(reason), n_before + 1);
    ck_assert_uint_eq(rig.n_unreachable, is_told ? 1 : 0);
    ck_assert_uint_eq(rig.n_failure, 0);
    snapshot.type = FERRY_MSG_SNAP;
    fy_peer_send(rig.peer, &snapshot);
    ck_assert_uint_eq(rig_dropped(reason), n_before + 2);
    ck_assert_uint_eq(rig.n_failure, 1); /* always: Raft waits for it */
    ck_assert_uint_eq(rig.n_finish, 0);
    rig_check_account();
}

START_TEST(what_cannot_be_sent_is_dropped_for_its_reason)
{
    struct ferry_message good = rig_message(FERRY_MSG_VOTE, 1, 0, 0);
    struct ferry_message large = rig_message(FERRY_MSG_VOTE, 1, 1, 70000);
    struct ferry_message invalid = good;

    rig.raft.max_message_bytes = 60000;
    check_drop(FERRY_DROP_TOO_LARGE, &large, true);
    invalid.entries = NULL;
    invalid.n_entries = 1;
    check_drop(FERRY_DROP_INVALID, &invalid, true);
    atomic_store(&rig.peer->base.is_paused, true);
    check_drop(FERRY_DROP_PAUSED, &good, false);
    atomic_store(&rig.peer->base.is_paused, false);
    atomic_store(&rig.peer->base.is_cut, true);
    check_drop(FERRY_DROP_CUT, &good, false);
    atomic_store(&rig.peer->base.is_cut, false);
    rig.local.max_send_bytes = 10;
    check_drop(FERRY_DROP_BUDGET, &good, true);
    rig.local.max_send_bytes = 1u << 20;
    fy_peer_stop(rig.peer, FERRY_DROP_STOPPED);
    check_drop(FERRY_DROP_STOPPED, &good, true);
    ck_assert_uint_eq(atomic_load(&rig.local.send_bytes), 0);
    ck_assert_uint_eq(rig_status().counts.written, 0);
}
END_TEST

/* ---- A dead peer ---- */

#define LARGE ((size_t)64 << 10)

/* POSTs to the peer have failed, and the next is not made yet. */
static void make_unreachable(void)
{
    rig.peer->is_started = true;
    rig.on_post = (struct rig_answer){.aborts = true};
    rig_send(FERRY_MSG_VOTE, 1);
    rig_run_ms(20);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 1);
}

/* Send one that is dropped at once, without a copy. */
static void check_not_copied(enum ferry_message_type type, uint64_t n_before)
{
    heap_reset_largest();
    rig_send_sized(type, 1, LARGE);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_UNREACHABLE), n_before + 1);
    ck_assert_uint_lt(heap_largest(), LARGE);
    rig_check_account();
}

START_TEST(large_messages_to_an_unreachable_peer_are_dropped_before_they_are_copied)
{
    rig_send_sized(FERRY_MSG_APP, 1, LARGE); /* nothing is known of it yet */
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_UNREACHABLE), 0);
    rig_remake_peer();
    make_unreachable();
    check_not_copied(FERRY_MSG_APP, 0);
    check_not_copied(FERRY_MSG_PROP, 1);
    check_not_copied(FERRY_MSG_SNAP, 2);
    ck_assert_uint_eq(rig.n_failure, 1);
    rig_run_ms(20);
    ck_assert_uint_ge(rig.n_unreachable, 2);
    rig_send_sized(FERRY_MSG_APP, 1, LARGE / 2);
    ck_assert_uint_eq(rig_status().queued_messages, 1); /* a small one waits for the next POST */
    rig_run_ms(50);
    check_not_copied(FERRY_MSG_APP, 3);

    rig_run_ms(100); /* it was posted, and failed */
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 2);
    check_not_copied(FERRY_MSG_APP, 4);
}
END_TEST

START_TEST(a_large_message_may_be_what_finds_the_peer_alive)
{
    make_unreachable();
    rig.on_post = (struct rig_answer){.status = 204};
    rig_run_ms(100); /* the next POST may be made, and nothing waits for it */
    rig_send_sized(FERRY_MSG_SNAP, 1, LARGE);
    rig_send_sized(FERRY_MSG_SNAP, 2, LARGE);
    rig_run_ms(20);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_UNREACHABLE), 0);
    ck_assert_uint_eq(rig.n_finish, 2);
    rig_check_account();
}
END_TEST

START_TEST(large_messages_take_a_stream_though_posts_fail)
{
    make_unreachable();
    attach(MSG);
    rig_send_sized(FERRY_MSG_APP, 1, LARGE);
    check_not_copied(FERRY_MSG_SNAP, 0); /* which only a POST carries */
    rig_run_ms(20);
    ck_assert_uint_eq(calls[MSG].n_messages, 1);
    rig_check_account();
}
END_TEST

START_TEST(the_budget_is_of_all_lanes_and_comes_back)
{
    struct ferry_message msg = rig_message(FERRY_MSG_VOTE, 1, 1, 10000);
    size_t n_fit;

    rig.local.max_send_bytes = 55000;
    attach(MSG);
    fy_sim_cut(rig.our_node, rig.their_node);
    for (int i = 0; i < 3; i++) {
        rig_send_sized(FERRY_MSG_VOTE, 1, 10000);
        rig_send_sized(FERRY_MSG_SNAP, 1, 10000);
    }
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_BUDGET), 1);
    ck_assert_uint_le(atomic_load(&rig.local.send_bytes), 55000);
    rig_check_account();
    fy_sim_heal_all(rig.sim);
    rig_run_ms(20);
    rig_check_account();
    n_fit = rig_status().queued_messages; /* the pipeline's: the peer is not started */
    ck_assert_uint_eq(n_fit, 2);
    fy_peer_send(rig.peer, &msg);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_BUDGET), 1);
}
END_TEST

START_TEST(sending_survives_every_failed_allocation)
{
    bool has_failed = true;
    size_t n_nomem = 0;

    for (long nth = 0; has_failed; nth++) {
        heap_fail_at(nth);
        rig_send(FERRY_MSG_VOTE, 1);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        n_nomem += has_failed;
        rig_check_account();
    }
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_NOMEM), n_nomem);
    ck_assert_uint_eq(rig.n_unreachable, n_nomem);
    ck_assert_uint_ge(n_nomem, 1);
    ck_assert_uint_eq(rig_status().queued_messages, 1);
}
END_TEST

START_TEST(making_a_peer_survives_every_failed_allocation)
{
    static const char *const urls[] = {"http://x:1", NULL};
    int err = FERRY_ERR_NOMEM;
    struct fy_peer *peer;
    char **copy;

    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_peer_new(&rig.raft, 9, copy, &peer);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    fy_peer_stop(peer, FERRY_DROP_REMOVED); /* one that never started */
    fy_peer_free(peer);
}
END_TEST

/* ---- A whole life ---- */

START_TEST(a_started_peer_dials_both_streams_and_a_stopped_one_none)
{
    fy_peer_start(rig.peer);
    rig_run_ms(10);
    ck_assert_uint_eq(rig.n_gets, 2);
    ck_assert(rig_status().reader_attached[APP] && rig_status().reader_attached[MSG]);
    attach(APP);
    attach(MSG);
    rig_send(FERRY_MSG_APP, 1);
    rig_send(FERRY_MSG_VOTE, 1);
    rig_send(FERRY_MSG_SNAP, 1);
    rig_run_ms(20);
    ck_assert_uint_eq(rig_status().counts.written, 3);
    ck_assert_uint_eq(rig.n_finish, 1);
    fy_peer_stop(rig.peer, FERRY_DROP_REMOVED);
    rig_run_ms(10);
    ck_assert(calls[APP].has_ended && calls[APP].err == FERRY_OK && calls[APP].decode_err == FERRY_OK);
    ck_assert(calls[MSG].has_ended && calls[MSG].err == FERRY_OK && calls[MSG].decode_err == FERRY_OK);
    ck_assert_uint_eq(rig.feeds[APP].n_gone + rig.feeds[MSG].n_gone, 2);
    ck_assert_uint_eq(fy_sim_n_connections(rig.sim), 0);
    rig_run_ms(20000);
    ck_assert_uint_eq(rig.n_gets, 2);
}
END_TEST

START_TEST(new_urls_reach_the_readers_that_wait)
{
    static const char *const urls[] = {"http://them:81", NULL};
    char **copy;

    rig.on_get = (struct rig_answer){.status = 404, .version = "3.4.0"};
    fy_peer_start(rig.peer);
    rig_run_ms(3000);
    rig.on_get = (struct rig_answer){.status = 200, .version = "3.4.0"};
    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    fy_peer_update(rig.peer, copy);
    rig_run_ms(150 + RIG_ANSWER_MS);
    ck_assert(rig_status().reader_attached[APP] && rig_status().reader_attached[MSG]);
    ck_assert_uint_eq(rig.gets[rig.n_gets - 1].port, 81);
}
END_TEST

START_TEST(one_stream_that_fails_makes_the_peer_inactive_until_something_works)
{
    fy_peer_start(rig.peer);
    rig_run_ms(10);
    ck_assert(rig_status().active);
    rig.on_get.status = 404;
    rig_lose_link(&rig.peer->readers[APP].end, "for the test");
    rig_run_ms(10);
    ck_assert(!rig_status().active);
    rig_send(FERRY_MSG_SNAP, 1);
    rig_run_ms(10);
    ck_assert(rig_status().active);
}
END_TEST

/* ---- Bad weather ---- */

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Let one thing happen, of all that can. */
static void shake(uint64_t *state)
{
    static const int statuses[] = {204, 204, 204, 500, 0, 412};
    enum ferry_stream stream = next_random(state) % 2 ? APP : MSG;

    switch (next_random(state) % 10) {
    case 0:
        rig_hang_up(&calls[stream]);
        break;
    case 1:
        rig_hang_up(&calls[stream]);
        rig_dial(&calls[stream], stream);
        break;
    case 2:
        fy_sim_cut(rig.our_node, rig.their_node);
        break;
    case 3:
        fy_sim_cut(rig.their_node, rig.our_node);
        break;
    case 4:
        (void)fy_sim_reset_connections(rig.our_node, rig.their_node, FERRY_SIM_RESET_ONE);
        break;
    case 5:
        rig.on_post.status = statuses[next_random(state) % 6];
        break;
    default:
        fy_sim_heal_all(rig.sim);
    }
}

static void send_some(uint64_t *state, uint64_t *n_sent, uint64_t *n_snapshots)
{
    for (uint64_t n = next_random(state) % 30; n > 0; n--, (*n_sent)++) {
        enum ferry_message_type type = (enum ferry_message_type)(next_random(state) % 24);

        *n_snapshots += type == FERRY_MSG_SNAP;
        rig_send_sized(type, *n_sent, next_random(state) % 8 == 0 ? 40000 : next_random(state) % 200);
    }
}

START_TEST(the_account_is_exact_in_any_weather)
{
    const struct ferry_sim_weather weather = {
        .min_delay_ns = FY_SIM_US, .max_delay_ns = 20 * FY_SIM_MS, .pieces_ppm = 300000, .resets_ppm = 2000};

    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t state = seed, n_sent = 0, n_snapshots = 0;

        fy_sim_set_weather(rig.sim, &weather);
        rig_remake_peer();
        rig.peer->is_started = true;
        for (int step = 0; step < 150; step++) {
            if (rig.n_posts > RIG_MAX_SEEN - 64)
                break;
            send_some(&state, &n_sent, &n_snapshots);
            shake(&state);
            rig_run_ms(next_random(&state) % (step % 20 == 0 ? 7000 : 50));
            rig_check_account();
            for (int i = 0; i < FERRY_N_STREAMS; i++)
                ck_assert_int_eq(calls[i].decode_err == FERRY_ERR_TRUNCATED ? 0 : calls[i].decode_err, 0);
        }
        fy_sim_heal_all(rig.sim);
        rig.on_post.status = 204;
        rig_run_ms(30000);
        rig_check_account();
        ck_assert_uint_eq(rig_status().counts.sent, n_sent);
        ck_assert_uint_eq(rig_status().queued_messages, 0);
        ck_assert_uint_eq(atomic_load(&rig.local.send_bytes), 0);
        ck_assert_uint_eq(rig.n_finish + rig.n_failure, n_snapshots);
        rig_forget_posts();
    }
}
END_TEST

/* ---- Many senders ---- */

enum { N_SENDERS = 3, N_EACH = 1500 };

static atomic_bool is_asked;
static atomic_int n_running;

static void note_attention(void *ctx, struct fy_peer *peer)
{
    (void)ctx;
    (void)peer;
    atomic_store(&is_asked, true);
}

static void *send_many(void *arg)
{
    static const enum ferry_message_type types[] = {FERRY_MSG_APP, FERRY_MSG_VOTE, FERRY_MSG_SNAP};
    enum ferry_message_type type = types[(uintptr_t)arg];
    struct ferry_message msg = {.type = type, .to = RIG_THEM, .from = RIG_US};

    for (uint64_t i = 0; i < N_EACH; i++) {
        msg.index = i;
        fy_peer_send(rig.peer, &msg);
        if (i % 8 == 7)
            sched_yield();
    }
    atomic_fetch_sub(&n_running, 1);
    return NULL;
}

/* The loop, which attends when it is asked.  Time goes on only then: heartbeats alone would fill the notebook. */
static void turn(void)
{
    if (!atomic_exchange(&is_asked, false)) {
        sched_yield();
        return;
    }
    atomic_store(&rig.peer->base.needs_attention, false);
    fy_peer_attend(rig.peer);
    rig_run_ms(1);
}

START_TEST(senders_on_many_threads_keep_order_and_account)
{
    pthread_t threads[N_SENDERS];

    rig.raft.up.attend = note_attention;
    rig.raft.max_pipeline_messages = 4;
    rig.on_post = (struct rig_answer){.aborts = true};
    rig_remake_peer();
    attach(APP);
    attach(MSG);
    atomic_store(&n_running, N_SENDERS);
    for (uintptr_t i = 0; i < N_SENDERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_many, (void *)i), 0);
    while (atomic_load(&n_running) > 0)
        turn();
    for (size_t i = 0; i < N_SENDERS; i++)
        pthread_join(threads[i], NULL);
    turn();
    rig_run_ms(10);
    rig_check_account();
    ck_assert_uint_eq(rig_status().counts.sent, (uint64_t)N_SENDERS * N_EACH);
    ck_assert_uint_eq(rig_status().counts.written, calls[APP].n_messages + calls[MSG].n_messages);
    for (int s = 0; s < FERRY_N_STREAMS; s++) {
        ck_assert_int_eq(calls[s].decode_err, FERRY_OK);
        ck_assert_uint_gt(calls[s].n_messages, 0);
        for (size_t i = 1; i < calls[s].n_messages && i < RIG_MAX_SEEN; i++)
            ck_assert_uint_gt(calls[s].messages[i].index, calls[s].messages[i - 1].index);
    }
    fy_peer_stop(rig.peer, FERRY_DROP_STOPPED);
    rig_check_account();
    ck_assert_uint_eq(rig.n_failure, N_EACH);
}
END_TEST

START_TEST(senders_may_go_on_while_the_peer_is_stopped)
{
    pthread_t threads[N_SENDERS];

    rig.raft.up.attend = note_attention;
    rig_remake_peer();
    attach(APP);
    attach(MSG);
    atomic_store(&n_running, N_SENDERS);
    for (uintptr_t i = 0; i < N_SENDERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_many, (void *)i), 0);
    while (rig_status().counts.sent < 200)
        turn();
    fy_peer_stop(rig.peer, FERRY_DROP_STOPPED);
    for (size_t i = 0; i < N_SENDERS; i++)
        pthread_join(threads[i], NULL);
    turn();
    rig_check_account();
    ck_assert_uint_eq(rig_status().counts.sent, (uint64_t)N_SENDERS * N_EACH);
    ck_assert_uint_eq(rig_status().queued_messages, 0);
    ck_assert_uint_eq(atomic_load(&rig.local.send_bytes), 0);
    ck_assert_uint_eq(rig.n_failure, N_EACH);
    ck_assert_uint_gt(rig_dropped(FERRY_DROP_STOPPED), 0);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_REMOVED), 0);
}
END_TEST

static void *ask_for_too_much(void *arg)
{
    struct fy_local *local = arg;

    for (int i = 0; i < 200000; i++)
        if (fy_local_reserve(local, local->max_send_bytes))
            ck_abort_msg("more than there is");
    atomic_store(&n_running, 0);
    return NULL;
}

START_TEST(what_does_not_fit_into_the_budget_takes_no_room_from_others)
{
    pthread_t thread;

    ck_assert(fy_local_reserve(&rig.local, 1));
    atomic_store(&n_running, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_for_too_much, &rig.local), 0);
    while (atomic_load(&n_running) > 0) {
        if (!fy_local_reserve(&rig.local, 1))
            ck_abort_msg("refused, though there is room");
        fy_local_unreserve(&rig.local, 1);
    }
    pthread_join(thread, NULL);
    fy_local_unreserve(&rig.local, 1);
}
END_TEST

/* ---- Ages, remotes, silence ---- */

START_TEST(the_age_of_a_lane_is_that_of_its_oldest_message)
{
    rig.on_post = (struct rig_answer){.status = 0}; /* held */
    fy_peer_start(rig.peer);
    rig_run_ms(1); /* a clock that says 0 is taken for one that says 1 */
    rig_send(FERRY_MSG_SNAP, 1);
    rig_run_ms(250);
    rig_send(FERRY_MSG_SNAP, 2);
    rig_run_ms(100);
    ck_assert_uint_eq(rig_status().queues[FERRY_LANE_PIPELINE].messages, 2);
    ck_assert_uint_eq(rig_status().queues[FERRY_LANE_PIPELINE].oldest_ms, 350);
    ck_assert_uint_eq(rig_status().queues[FERRY_LANE_MESSAGE].oldest_ms, 0);
    rig_reply(&rig.posts[0], &(struct rig_answer){.status = 204}); /* the older one */
    rig_run_ms(10);
    ck_assert_uint_eq(rig_status().queues[FERRY_LANE_PIPELINE].oldest_ms, 110);
    rig_reply(&rig.posts[1], &(struct rig_answer){.status = 204});
    rig_run_ms(10);
    ck_assert_uint_eq(rig_status().queues[FERRY_LANE_PIPELINE].oldest_ms, 0);
    ck_assert_uint_eq(rig_status().queued_messages, 0);
}
END_TEST

START_TEST(a_stream_that_is_stuck_says_for_how_long)
{
    static struct rig_call call;

    rig_dial(&call, FERRY_STREAM_MESSAGE);
    rig_run_ms(20);
    fy_sim_cut(rig.our_node, rig.their_node);
    for (uint64_t i = 0; i < 6; i++) { /* more than a connection holds, so that one stays in the encoder */
        rig_send_sized(FERRY_MSG_HEARTBEAT, i, 30000);
        rig_run_ms(100);
    }
    ck_assert_uint_gt(rig_status().queues[FERRY_LANE_MESSAGE].messages, 1);
    ck_assert_uint_ge(rig_status().queues[FERRY_LANE_MESSAGE].oldest_ms, 300);
    ck_assert_uint_le(rig_status().queues[FERRY_LANE_MESSAGE].oldest_ms, 500);
    fy_sim_heal_all(rig.sim);
    rig_run_ms(100);
    ck_assert_uint_eq(rig_status().queues[FERRY_LANE_MESSAGE].messages, 0);
    ck_assert_uint_eq(rig_status().queues[FERRY_LANE_MESSAGE].oldest_ms, 0);
    rig_hang_up(&call);
    rig_run_ms(10);
}
END_TEST

START_TEST(a_remote_posts_everything_and_tells_of_no_full_queue)
{
    rig.raft.max_pipeline_messages = 4;
    rig_remake_peer();
    fy_peer_set_remote(rig.peer);
    rig.on_post = (struct rig_answer){.status = 0};
    rig.raft.probe_interval_ns = FY_SIM_S;
    fy_peer_start(rig.peer);
    for (uint64_t i = 0; i < 20; i++)
        rig_send(i % 2 == 0 ? FERRY_MSG_APP : FERRY_MSG_HEARTBEAT, i);
    rig_send(FERRY_MSG_SNAP, 99);
    rig_run_ms(5000);
    ck_assert_uint_eq(rig.n_gets + rig.n_probes, 0);
    ck_assert_uint_eq(rig.n_posts, 4);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_QUEUE_FULL), 13);
    ck_assert_uint_eq(rig.n_unreachable, 0);
    ck_assert_uint_eq(rig.n_failure, 1); /* the snapshot's fate is told: Raft waits for it */
    rig_check_account();

    fy_peer_promote(rig.peer);
    fy_peer_start(rig.peer);
    rig_run_ms(2000);
    ck_assert_uint_eq(rig.n_gets, FERRY_N_STREAMS);
    ck_assert_uint_gt(rig.n_probes, 0);
    ck_assert_uint_eq(rig.n_posts, 4); /* what is under way goes on */
    rig_send(FERRY_MSG_APP, 0);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_QUEUE_FULL), 14);
    ck_assert_uint_eq(rig.n_unreachable, 1);
    rig_check_account();
}
END_TEST

START_TEST(a_silenced_peer_dials_posts_and_probes_no_more_but_goes_on_being_read)
{
    static struct rig_call call;
    size_t n_gets, n_probes;

    rig.raft.probe_interval_ns = FY_SIM_S;
    fy_peer_start(rig.peer);
    rig_dial(&call, FERRY_STREAM_MESSAGE);
    rig_run_ms(3000);
    ck_assert_uint_eq(rig.n_gets, FERRY_N_STREAMS);
    rig.on_post = (struct rig_answer){.status = 0};
    rig_send(FERRY_MSG_SNAP, 1);
    rig_run_ms(10);
    fy_peer_silence(rig.peer);
    fy_peer_silence(rig.peer);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_MEMBER_REMOVED), 1);
    ck_assert_uint_eq(rig.n_failure, 1);
    n_gets = rig.n_gets;
    n_probes = rig.n_probes;
    fy_peer_start(rig.peer); /* as with any attention */
    rig_send(FERRY_MSG_SNAP, 2);
    rig_send(FERRY_MSG_HEARTBEAT, 3);
    rig_run_ms(30000);
    ck_assert_uint_eq(rig.n_gets, n_gets);
    ck_assert_uint_eq(rig.n_probes, n_probes);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_MEMBER_REMOVED), 2);
    ck_assert_uint_eq(call.n_messages, 1);
    rig_check_account();
    rig_hang_up(&call);
    rig_run_ms(10);
}
END_TEST

/* ---- Activity ---- */

static void connect_all(void)
{
    rig.raft.probe_interval_ns = FY_SIM_S;
    rig_remake_peer();
    fy_peer_start(rig.peer);
    rig_run_ms(RIG_ANSWER_MS);
    attach(APP);
    attach(MSG);
    ck_assert(rig_status().active);
}

/* As etcd-io/etcd#14523: what the receiver's application says is no fault of the network. */
START_TEST(a_post_that_fails_while_a_stream_stands_leaves_the_peer_active)
{
    connect_all();
    rig.on_post = (struct rig_answer){.status = 500, .body = "disk full\n"};
    rig_send(FERRY_MSG_SNAP, 1);
    rig_run_ms(50);
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 1);
    ck_assert(rig_status().active);
    ck_assert_str_eq(rig_status().last_error, "");
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "failed to post 2 on pipeline (unexpected http status 500"), 1);
    ck_assert_uint_eq(rig.n_failure, 1); /* the core is told all the same */
}
END_TEST

START_TEST(a_post_that_fails_while_no_stream_stands_makes_the_peer_inactive)
{
    rig.peer->is_started = true;
    rig_send(FERRY_MSG_VOTE, 1);
    rig_run_ms(50);
    ck_assert(rig_status().active);
    rig.on_post = (struct rig_answer){.status = 500};
    rig_send(FERRY_MSG_VOTE, 1);
    rig_run_ms(50);
    ck_assert(!rig_status().active);
}
END_TEST

START_TEST(a_good_probe_activates_a_peer_whose_streams_all_stand_and_no_other)
{
    connect_all();
    fy_peer_status_deactivate(&rig.peer->base.member.status, "test", "nothing", "no reason");
    ck_assert(!rig_status().active);
    rig_run_ms(1000);
    ck_assert_uint_eq(rig_status().probe.n_good, 1);
    ck_assert(rig_status().active);

    rig_hang_up(&calls[APP]);
    rig_run_ms(10);
    ck_assert(!rig_status().active);
    rig_run_ms(1000);
    ck_assert_uint_eq(rig_status().probe.n_good, 2);
    ck_assert(!rig_status().active);
}
END_TEST

/* ---- The cache of memory ---- */

static bool is_trimming(void)
{
    return fy_timer_is_set(&rig.local.trim);
}

START_TEST(the_cache_is_trimmed_by_a_timer_that_ends_when_nothing_is_cached)
{
    fy_shelf_init(&rig.local.shelf, 1 << 20);
    ck_assert(!is_trimming());
    for (int i = 0; i < 8; i++) /* by the pipeline: no stream stands, and the peer does not read from us */
        rig_send_sized(FERRY_MSG_APP, 1, 50000);
    rig_forget_posts();
    rig.peer->is_started = true;
    fy_peer_attend(rig.peer);
    ck_assert(is_trimming());
    rig_run_ms(500);
    ck_assert_uint_eq(rig_status().counts.written, 8);
    ck_assert_uint_ge(rig.local.shelf.n_bytes, 400000);
    rig_run_ms(2500); /* memory that was unused for a second */
    ck_assert_uint_eq(rig.local.shelf.n_bytes, 0);
    ck_assert(!is_trimming());
    fy_shelf_release(&rig.local.shelf);
}
END_TEST

START_TEST(the_cache_is_trimmed_as_long_as_messages_wait)
{
    fy_shelf_init(&rig.local.shelf, 1 << 20);
    rig.on_post.status = 0;
    rig.peer->is_started = true;
    rig_send_sized(FERRY_MSG_APP, 1, 50000);
    rig_run_ms(5000);
    ck_assert(is_trimming());
    rig_run_ms(16000); /* the POST has failed: two windows */
    ck_assert_uint_eq(rig_dropped(FERRY_DROP_POST_FAILED), 1);
    ck_assert_uint_eq(rig.local.shelf.n_bytes, 0);
    ck_assert(!is_trimming());
    fy_shelf_release(&rig.local.shelf);
}
END_TEST

START_TEST(what_a_stopped_peer_drops_is_trimmed)
{
    fy_shelf_init(&rig.local.shelf, 1 << 20);
    rig.raft.up.attend = note_attention;
    rig_send_sized(FERRY_MSG_APP, 1, 50000); /* the loop does not attend to it before the peer is stopped */
    rig_remake_peer();
    ck_assert_uint_ge(rig.local.shelf.n_bytes, 50000);
    rig_run_ms(3000);
    ck_assert_uint_eq(rig.local.shelf.n_bytes, 0);
    ck_assert(!is_trimming());
    fy_shelf_release(&rig.local.shelf);
}
END_TEST

int main(void)
{
    return rig_main(
        "peer", rig_setup, teardown, each_type_takes_its_lane_whatever_is_attached,
        a_full_lane_does_not_fall_over_to_the_next, the_core_is_told_at_most_once_in_ten_milliseconds,
        a_report_follows_every_drop, the_bytes_of_a_lane_are_bounded, the_loop_is_asked_once_for_any_number_of_messages,
        what_cannot_be_sent_is_dropped_for_its_reason,
        large_messages_to_an_unreachable_peer_are_dropped_before_they_are_copied,
        a_large_message_may_be_what_finds_the_peer_alive, large_messages_take_a_stream_though_posts_fail,
        the_budget_is_of_all_lanes_and_comes_back, sending_survives_every_failed_allocation,
        making_a_peer_survives_every_failed_allocation, a_started_peer_dials_both_streams_and_a_stopped_one_none,
        new_urls_reach_the_readers_that_wait, one_stream_that_fails_makes_the_peer_inactive_until_something_works,
        the_account_is_exact_in_any_weather, senders_on_many_threads_keep_order_and_account,
        senders_may_go_on_while_the_peer_is_stopped, what_does_not_fit_into_the_budget_takes_no_room_from_others,
        the_age_of_a_lane_is_that_of_its_oldest_message, a_stream_that_is_stuck_says_for_how_long,
        a_remote_posts_everything_and_tells_of_no_full_queue,
        a_silenced_peer_dials_posts_and_probes_no_more_but_goes_on_being_read,
        a_post_that_fails_while_a_stream_stands_leaves_the_peer_active,
        a_post_that_fails_while_no_stream_stands_makes_the_peer_inactive,
        a_good_probe_activates_a_peer_whose_streams_all_stand_and_no_other,
        the_cache_is_trimmed_by_a_timer_that_ends_when_nothing_is_cached, the_cache_is_trimmed_as_long_as_messages_wait,
        what_a_stopped_peer_drops_is_trimmed, NULL);
}
