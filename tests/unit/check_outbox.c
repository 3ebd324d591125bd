/*
 * check_outbox - outgoing messages: order, attempts, ends, limits, dead letters, and the requests to the store.
 */
#include <string.h>

#include "harness/heap.h"
#include "harness/mail_rig.h"
#include "harness/mail_store.h"
#include "harness/rig.h"
#include "mailbox/outbox.h"

#define INCARNATION 77

static struct mail_rig rig;
static struct fy_outbox *box;
static struct fy_outbox_config config;
static struct fy_post post;

static struct {
    uint64_t sequence;
    enum fy_mail_end end;
    uint32_t answer;
    uint32_t misses;
    int err;
    int32_t code;
    char body[16];
} told[128];
static size_t n_told, n_stored;
static uint64_t sequence;

static void on_told(void *ctx, const struct fy_mail *mail)
{
    (void)ctx;
    ck_assert_uint_lt(n_told, 128);
    told[n_told].sequence = mail->sequence;
    told[n_told].end = mail->end;
    told[n_told].answer = mail->answer;
    told[n_told].misses = mail->misses;
    told[n_told].err = mail->last_err;
    told[n_told].code = mail->code;
    memset(told[n_told].body, 0, sizeof(told[n_told].body));
    if (mail->body.len > 0)
        memcpy(told[n_told].body, mail->body.data, mail->body.len);
    n_told++;
}

static void on_stored(void *ctx, const struct fy_mail *mail)
{
    (void)ctx;
    ck_assert(mail->is_stored);
    n_stored++;
}

static void setup(void)
{
    heap_setup();
    mail_rig_init(&rig);
    n_told = n_stored = 0;
    config = (struct fy_outbox_config){
        .self = "me",
        .cluster = 5,
        .incarnation = INCARNATION,
        .first_sequence = 100,
        .reserved = 1000,
        .block = 100,
        .seed = 3,
        .max_messages = 20,
        .max_bytes = 10000,
        .max_peer_messages = 10,
        .max_peer_bytes = 5000,
        .max_message_bytes = 2000,
        .max_peer_in_flight = 2,
        .max_dead = 3,
        .backoff_ms = 100,
        .max_backoff_ms = 1000,
        .carrier = rig.carrier,
        .journal = &rig.journal,
        .timers = &rig.timers,
        .now_ns = mail_rig_now_ns,
        .wall_ms = mail_rig_wall_ms,
        .clock_ctx = &rig,
        .told = on_told,
        .stored = on_stored,
    };
    post = (struct fy_post){
        .receiver = {(const uint8_t *)"a", 1},
        .subject = {(const uint8_t *)"s", 1},
        .method = {(const uint8_t *)"m", 1},
        .payload = {(const uint8_t *)"hello", 5},
        .plain_len = 5,
        .timeout_ms = 60000,
        .ack_timeout_ms = 2000,
        .max_attempts = 3,
        .wants_answer = true,
    };
    ck_assert_int_eq(fy_outbox_new(&config, &box), FERRY_OK);
}

static void teardown(void)
{
    fy_journal_release(&rig.journal);
    fy_outbox_free(box);
    ck_assert_uint_eq(fy_timers_next_ns(&rig.timers), FY_NEVER);
    heap_teardown();
}

static uint64_t post_one(void)
{
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_OK);
    return sequence;
}

static uint64_t post_to(const char *receiver, const char *subject)
{
    post.receiver = (struct ferry_bytes){(const uint8_t *)receiver, strlen(receiver)};
    post.subject = (struct ferry_bytes){(const uint8_t *)subject, strlen(subject)};
    return post_one();
}

static void answer_from(const char *node, uint64_t of, unsigned attempt, enum fy_mail_answer_status status)
{
    uint8_t frame[200];
    const struct fy_mail_answer answer = {.status = status,
                                          .sequence = of,
                                          .incarnation = INCARNATION,
                                          .attempt = attempt,
                                          .retry_after_ms = status == FY_MAIL_BUSY ? 700 : 0,
                                          .code = 42,
                                          .body = {(const uint8_t *)"body", 4}};

    fy_mail_answer_write(&answer, frame);
    fy_outbox_answer(box, node, (struct ferry_bytes){frame, fy_mail_answer_size(&answer)});
}

static void answer(uint64_t of, enum fy_mail_answer_status status)
{
    answer_from("a", of, 1, status);
}

static void assert_told(size_t nth, uint64_t of, enum fy_mail_end end)
{
    fy_outbox_tell(box);
    ck_assert_uint_gt(n_told, nth);
    ck_assert_uint_eq(told[nth].sequence, of);
    ck_assert_int_eq(told[nth].end, end);
}

static void assert_nothing_told(void)
{
    fy_outbox_tell(box);
    ck_assert_uint_eq(n_told, 0);
}

START_TEST(a_message_is_sent_and_its_answer_settles_it)
{
    struct fy_outbox_counts counts;

    fy_outbox_link(box, "a", true);
    post_one();
    ck_assert_uint_eq(sequence, 100);
    ck_assert_uint_eq(rig.n_sent, 1);
    ck_assert_str_eq(rig.sent[0].node, "a");
    ck_assert_uint_eq(rig.sent[0].sequence, 100);
    ck_assert_uint_eq(rig.sent[0].call, 100);
    ck_assert_uint_eq(rig.sent[0].attempt, 1);
    ck_assert_uint_eq(rig.sent[0].remaining_ms, 60000);
    answer(100, FY_MAIL_OK);
    assert_told(0, 100, FY_END_DELIVERED);
    ck_assert_int_eq(told[0].code, 42);
    ck_assert_str_eq(told[0].body, "body");
    answer(100, FY_MAIL_OK);
    fy_outbox_tell(box);
    ck_assert_uint_eq(n_told, 1);
    fy_outbox_read_counts(box, &counts);
    ck_assert_uint_eq(counts.accepted, 1);
    ck_assert_uint_eq(counts.ended[FY_END_DELIVERED], 1);
    ck_assert_uint_eq(counts.messages + counts.bytes + counts.in_flight, 0);
}
END_TEST

START_TEST(messages_of_a_subject_go_one_after_the_other_and_subjects_do_not_wait)
{
    uint64_t first, second, other, third;

    fy_outbox_link(box, "a", true);
    first = post_to("a", "s");
    second = post_to("a", "s");
    other = post_to("a", "t");
    third = post_to("a", "u"); /* two are in flight */
    ck_assert_uint_eq(rig.n_sent, 2);
    ck_assert_uint_eq(rig.sent[1].sequence, other);
    answer(first, FY_MAIL_OK);
    ck_assert_uint_eq(rig.n_sent, 3);
    ck_assert_uint_eq(rig.sent[2].sequence, third);
    answer(other, FY_MAIL_OK);
    ck_assert_uint_eq(rig.n_sent, 4);
    ck_assert_uint_eq(rig.sent[3].sequence, second);
}
END_TEST

START_TEST(a_late_answer_does_not_settle_the_next_message)
{
    uint64_t first, second;

    fy_outbox_link(box, "a", true);
    post.max_attempts = 1;
    first = post_one();
    second = post_one();
    mail_rig_run(&rig, 2000);
    assert_told(0, first, FY_END_GAVE_UP);
    ck_assert_int_eq(told[0].err, FERRY_ERR_TIMEOUT);
    ck_assert_uint_eq(rig.sent[1].sequence, second);
    answer(first, FY_MAIL_OK);
    fy_outbox_tell(box);
    ck_assert_uint_eq(n_told, 1);
    answer(second, FY_MAIL_OK);
    assert_told(1, second, FY_END_DELIVERED);
}
END_TEST

START_TEST(an_answer_counts_only_from_the_receiver_and_for_this_life)
{
    uint8_t frame[FY_MAIL_ANSWER_HEADER_SIZE];
    struct fy_mail_answer other = {.status = FY_MAIL_OK, .sequence = 100, .incarnation = INCARNATION + 1};

    post_one();
    answer(100, FY_MAIL_OK); /* it was never sent */
    assert_nothing_told();
    fy_outbox_link(box, "a", true);
    answer_from("b", 100, 1, FY_MAIL_OK);
    fy_mail_answer_write(&other, frame);
    fy_outbox_answer(box, "a", (struct ferry_bytes){frame, sizeof(frame)});
    fy_outbox_answer(box, "a", (struct ferry_bytes){frame, 7});
    answer(101, FY_MAIL_OK);
    assert_nothing_told();
}
END_TEST

START_TEST(attempts_are_spread_and_bounded)
{
    uint64_t sent_ns;

    fy_outbox_link(box, "a", true);
    post.timeout_ms = 0;
    post_one();
    for (unsigned attempt = 1; attempt <= 3; attempt++) {
        ck_assert_uint_eq(rig.n_sent, attempt);
        ck_assert_uint_eq(rig.sent[attempt - 1].attempt, attempt);
        ck_assert_uint_eq(rig.sent[attempt - 1].remaining_ms, FY_MAIL_NO_DEADLINE);
        mail_rig_run(&rig, 1999);
        ck_assert_uint_eq(rig.n_sent, attempt);
        sent_ns = rig.now_ns;
        while (rig.n_sent == attempt && n_told == 0) {
            mail_rig_run(&rig, 1);
            fy_outbox_tell(box);
        }
        ck_assert_uint_le(rig.now_ns - sent_ns, UINT64_C(1000000) * (2 + (100 << (attempt - 1))));
    }
    assert_told(0, 100, FY_END_GAVE_UP);
    ck_assert_uint_eq(told[0].misses, 3);
    ck_assert_uint_eq(rig.n_forgotten, 3);
}
END_TEST

START_TEST(busy_sets_a_floor_and_costs_an_attempt)
{
    fy_outbox_link(box, "a", true);
    post_one();
    answer(100, FY_MAIL_BUSY);
    answer(100, FY_MAIL_BUSY); /* of an attempt that is over */
    mail_rig_run(&rig, 699);
    ck_assert_uint_eq(rig.n_sent, 1);
    mail_rig_run(&rig, 1);
    ck_assert_uint_eq(rig.n_sent, 2);
    answer(100, FY_MAIL_BUSY); /* of the first attempt: too late to count */
    mail_rig_run(&rig, 100);
    answer_from("a", 100, 2, FY_MAIL_NOT_LEADER);
    mail_rig_run(&rig, 300);
    ck_assert_uint_eq(rig.n_sent, 3);
    answer_from("a", 100, 3, FY_MAIL_BUSY);
    assert_told(0, 100, FY_END_GAVE_UP);
    ck_assert_uint_eq(told[0].answer, FY_MAIL_BUSY);
}
END_TEST

START_TEST(a_handler_that_takes_long_costs_no_attempt)
{
    fy_outbox_link(box, "a", true);
    post.max_attempts = 1;
    post_one();
    for (unsigned i = 1; i <= 10; i++) {
        mail_rig_run(&rig, 1000);
        answer_from("a", 100, i, FY_MAIL_IN_PROGRESS);
        mail_rig_run(&rig, 2000);
        ck_assert_uint_eq(rig.n_sent, i + 1); /* it asks again */
    }
    assert_nothing_told();
    answer_from("a", 100, 3, FY_MAIL_OK);
    assert_told(0, 100, FY_END_DELIVERED);
}
END_TEST

START_TEST(a_final_answer_counts_whatever_its_attempt)
{
    fy_outbox_link(box, "a", true);
    post_one();
    mail_rig_run(&rig, 2000); /* a miss */
    answer(100, FY_MAIL_HANDLER_FAILED);
    assert_told(0, 100, FY_END_REFUSED);
    ck_assert_uint_eq(told[0].answer, FY_MAIL_HANDLER_FAILED);
}
END_TEST

START_TEST(an_unreachable_node_costs_no_attempts_but_time)
{
    post.max_attempts = 1;
    post_one();
    mail_rig_run(&rig, 30000);
    ck_assert_uint_eq(rig.n_sent, 0);
    fy_outbox_link(box, "a", true);
    ck_assert_uint_eq(rig.n_sent, 1);
    fy_outbox_link(box, "a", true); /* again: nothing */
    fy_outbox_link(box, "a", false);
    mail_rig_run(&rig, 10000);
    fy_outbox_link(box, "a", true); /* what was sent is sent again at a random time */
    mail_rig_run(&rig, 100);
    ck_assert_uint_eq(rig.n_sent, 2);
    fy_outbox_link(box, "a", false);
    assert_nothing_told();
    mail_rig_run(&rig, 20000);
    assert_told(0, 100, FY_END_EXPIRED);
    fy_outbox_link(box, "b", false); /* an unknown node */
}
END_TEST

START_TEST(a_carrier_without_room_is_asked_again_later)
{
    fy_outbox_link(box, "a", true);
    rig.send_err = FERRY_ERR_FULL;
    post_one();
    mail_rig_run(&rig, 99);
    rig.send_err = FERRY_OK;
    ck_assert_uint_eq(rig.n_sent, 0);
    mail_rig_run(&rig, 1);
    ck_assert_uint_eq(rig.n_sent, 1);
    ck_assert_uint_eq(rig.sent[0].attempt, 1);
    answer(100, FY_MAIL_OK);
    rig.send_err = FERRY_ERR_TOO_LARGE;
    post_one();
    assert_told(1, 101, FY_END_REFUSED);
    ck_assert_int_eq(told[1].err, FERRY_ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_message_without_an_answer_ends_when_it_is_sent)
{
    post.wants_answer = false;
    for (int i = 0; i < 9; i++)
        post_one();
    assert_nothing_told();
    fy_outbox_link(box, "a", true);
    fy_outbox_tell(box);
    ck_assert_uint_eq(n_told, 9);
    for (size_t i = 0; i < 9; i++) {
        ck_assert_uint_eq(rig.sent[i].sequence, 100 + i);
        ck_assert_uint_eq(rig.sent[i].call, 0);
        assert_told(i, 100 + i, FY_END_SENT);
    }
    ck_assert_uint_eq(rig.n_forgotten, 0);
}
END_TEST

START_TEST(wrong_posts_are_refused)
{
    static uint8_t large[2000];

    post.payload = (struct ferry_bytes){large, sizeof(large)};
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_TOO_LARGE);
    post.payload.len = 5;
    post.subject.len = 0;
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_INVALID);
    post.subject.len = 1;
    post.max_attempts = 0;
    post.timeout_ms = 0;
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_INVALID); /* both unlimited */
    post.timeout_ms = UINT64_MAX;
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_INVALID);
    post.timeout_ms = 1000;
    post.ack_timeout_ms = 0;
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_INVALID);
    post.ack_timeout_ms = 1000;
    post.is_durable = true;
    post.wants_answer = false;
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_INVALID);
    post.wants_answer = true;
    rig.journal.is_failing = true;
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_SYSTEM);
    post.is_durable = false;
    ck_assert_uint_eq(post_one(), 100);
}
END_TEST

START_TEST(limits_refuse_at_once)
{
    for (int i = 0; i < 10; i++)
        post_to("a", "s");
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_FULL); /* of one peer */
    for (int i = 0; i < 10; i++)
        post_to("b", "s");
    post.receiver.data = (const uint8_t *)"c";
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_FULL); /* of all */
    post.overflow = FY_OVERFLOW_DROP_OLDEST;
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_FULL); /* its stream has none to drop */
    post_to("b", "s");
    assert_told(0, 110, FY_END_OVERFLOWED);
    ck_assert_uint_eq(n_told, 1);
}
END_TEST

START_TEST(bytes_are_limited_too)
{
    static uint8_t large[1800];

    post.payload = (struct ferry_bytes){large, sizeof(large)};
    post_to("a", "s");
    post_to("a", "s");
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_FULL);
    post_to("b", "s");
    post_to("b", "s");
    post_to("c", "s");
    post.receiver.data = (const uint8_t *)"d";
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_FULL);
}
END_TEST

START_TEST(what_is_in_flight_is_not_dropped_for_room)
{
    config.max_peer_messages = 2;
    fy_outbox_free(box);
    ck_assert_int_eq(fy_outbox_new(&config, &box), FERRY_OK);
    fy_outbox_link(box, "a", true);
    post.overflow = FY_OVERFLOW_DROP_OLDEST;
    post_one(); /* in flight */
    post_one();
    post_one();
    assert_told(0, 101, FY_END_OVERFLOWED);
    answer(100, FY_MAIL_OK);
    ck_assert_uint_eq(rig.sent[1].sequence, 102);
    fy_outbox_link(box, "a", false);
}
END_TEST

START_TEST(a_key_replaces_what_was_not_sent)
{
    fy_outbox_link(box, "a", true);
    post.key = 9;
    post_one(); /* in flight */
    post_one();
    post.key = 8;
    post_one();
    post.key = 9;
    post_one();
    assert_told(0, 101, FY_END_OVERFLOWED);
    ck_assert_uint_eq(n_told, 1);
    fy_outbox_link(box, "a", false);
}
END_TEST

START_TEST(messages_can_be_cancelled_and_peers_removed)
{
    fy_outbox_link(box, "a", true);
    post_one();
    post_one();
    post_one();
    ck_assert_int_eq(fy_outbox_cancel(box, 101), FERRY_OK);
    assert_told(0, 101, FY_END_CANCELLED);
    ck_assert_int_eq(fy_outbox_cancel(box, 101), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(fy_outbox_cancel(box, 100), FERRY_OK); /* the head: the next one goes */
    ck_assert_uint_eq(rig.sent[1].sequence, 102);
    post_to("a", "t");
    post_to("b", "s");
    fy_outbox_remove_peer(box, "a");
    fy_outbox_remove_peer(box, "z");
    assert_told(2, 102, FY_END_PEER_REMOVED);
    assert_told(3, 103, FY_END_PEER_REMOVED);
    ck_assert_uint_eq(n_told, 4);
    ck_assert_uint_eq(rig.n_sent, 3);
    fy_outbox_link(box, "a", false);
}
END_TEST

START_TEST(a_stop_tells_of_all_and_keeps_what_is_stored)
{
    post.is_durable = true;
    post_one();
    post_one();
    mail_rig_store(&rig, FERRY_OK);
    fy_outbox_link(box, "a", true);
    fy_outbox_stop(box);
    assert_told(0, 100, FY_END_SHUT_DOWN);
    assert_told(1, 101, FY_END_SHUT_DOWN);
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_CLOSED);
    ck_assert(fy_journal_is_idle(&rig.journal)); /* nothing is dropped */
    ck_assert_uint_eq(rig.n_sent, 1);
}
END_TEST

/* ---- The store ---- */

START_TEST(a_message_that_is_settled_before_it_is_stored_costs_no_write)
{
    post.is_durable = true;
    fy_outbox_link(box, "a", true);
    post_one();
    answer(100, FY_MAIL_OK);
    assert_told(0, 100, FY_END_DELIVERED);
    ck_assert(fy_journal_is_idle(&rig.journal));
    post_one();
    fy_journal_flush(&rig.journal);
    ck_assert_uint_eq(mail_rig_count(&rig, FY_CHANGE_PUT_MAIL), 1);
    answer(101, FY_MAIL_OK); /* while it is being stored */
    assert_told(1, 101, FY_END_DELIVERED);
    rig.storing = NULL;
    fy_journal_done(&rig.journal, FERRY_OK);
    ck_assert_uint_eq(n_stored, 0);
    fy_journal_flush(&rig.journal);
    ck_assert_uint_eq(mail_rig_count(&rig, FY_CHANGE_DROP_MAIL), 1);
    mail_rig_store(&rig, FERRY_OK);
}
END_TEST

START_TEST(stored_is_told_after_the_store_said_so)
{
    post.is_durable = true;
    post_one();
    mail_rig_store(&rig, FERRY_ERR_SYSTEM);
    ck_assert_uint_eq(n_stored, 0);
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_SYSTEM);
    mail_rig_run(&rig, FY_JOURNAL_RETRY_MS);
    ck_assert_uint_eq(mail_rig_count(&rig, FY_CHANGE_PUT_MAIL), 1);
    mail_rig_store(&rig, FERRY_OK);
    ck_assert_uint_eq(n_stored, 1);
    post_one();
}
END_TEST

START_TEST(a_failed_message_holds_its_stream_until_its_end_is_stored)
{
    post.is_durable = true;
    fy_outbox_link(box, "a", true);
    post_one();
    post_one();
    mail_rig_store(&rig, FERRY_OK);
    answer(100, FY_MAIL_NO_HANDLER);
    assert_told(0, 100, FY_END_REFUSED);
    ck_assert_uint_eq(rig.n_sent, 1);
    fy_outbox_link(box, "a", false); /* nothing of this lets it go */
    fy_outbox_link(box, "a", true);
    mail_rig_run(&rig, 1000);
    ck_assert_uint_eq(rig.n_sent, 1);
    mail_rig_store(&rig, FERRY_OK);
    ck_assert_uint_eq(rig.n_sent, 2);
    answer(101, FY_MAIL_NO_HANDLER); /* a stream without messages is held, too */
    mail_rig_store(&rig, FERRY_OK);
    fy_outbox_link(box, "a", false);
}
END_TEST

START_TEST(numbers_are_reserved_ahead_and_never_used_before)
{
    size_t n = 0;

    config.first_sequence = 100;
    config.reserved = 110;
    config.block = 10;
    config.max_peer_messages = 100;
    config.max_messages = 100;
    fy_outbox_free(box);
    ck_assert_int_eq(fy_outbox_new(&config, &box), FERRY_OK);
    while (fy_outbox_post(box, &post, &sequence) == FERRY_OK)
        n++;
    ck_assert_uint_eq(n, 10);
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_FULL);
    fy_journal_flush(&rig.journal);
    ck_assert_uint_eq(mail_rig_count(&rig, FY_CHANGE_RESERVE), 1);
    ck_assert_uint_eq(fy_container(fy_list_first(rig.storing), struct fy_change, node)->sequence, 120);
    ck_assert_int_eq(fy_outbox_post(box, &post, &sequence), FERRY_ERR_FULL);
    mail_rig_store(&rig, FERRY_OK);
    ck_assert_uint_eq(post_one(), 110);
}
END_TEST

static struct mail_store store;

static void reopen(void)
{
    fy_journal_release(&rig.journal);
    rig.storing = NULL;
    fy_outbox_free(box);
    config.first_sequence = 1000;
    config.reserved = 2000;
    ck_assert_int_eq(fy_outbox_new(&config, &box), FERRY_OK);
}

static void apply_and_store(void)
{
    fy_journal_flush(&rig.journal);
    while (rig.storing) {
        mail_store_apply(&store, rig.storing);
        rig.storing = NULL;
        fy_journal_done(&rig.journal, FERRY_OK);
        fy_journal_flush(&rig.journal);
    }
}

START_TEST(after_a_restart_messages_go_on_in_their_order)
{
    mail_store_init(&store, 1000);
    post.is_durable = true;
    for (int i = 0; i < 3; i++)
        post_one();
    apply_and_store();
    reopen();
    rig.wall_ms += 10000;
    mail_store_load(&store, box, NULL);
    fy_outbox_link(box, "a", true);
    ck_assert_uint_eq(rig.n_sent, 1);
    ck_assert_uint_eq(rig.sent[0].sequence, 100);
    ck_assert_uint_eq(rig.sent[0].remaining_ms, 50000);
    answer(100, FY_MAIL_OK);
    ck_assert_uint_eq(rig.sent[1].sequence, 101);
    ck_assert_uint_eq(post_one(), 1000);
    apply_and_store();
    ck_assert(!mail_store_has(&store, 100));
    mail_store_release(&store);
}
END_TEST

START_TEST(a_wall_clock_that_ran_backwards_is_not_believed)
{
    mail_store_init(&store, 1000);
    post.is_durable = true;
    post_one();
    apply_and_store();
    for (int i = 0; i < 2; i++) {
        rig.n_sent = 0;
        reopen();
        rig.wall_ms -= 3600000;
        mail_store_load(&store, box, NULL);
        fy_outbox_link(box, "a", true);
        ck_assert_uint_eq(rig.sent[0].remaining_ms, 60000);
        fy_outbox_link(box, "a", false);
    }
    reopen();
    rig.wall_ms += 3 * 3600000; /* and what is over is over */
    mail_store_load(&store, box, NULL);
    mail_rig_run(&rig, 0);
    assert_told(0, 100, FY_END_EXPIRED);
    apply_and_store();
    ck_assert_uint_eq(store.n_mails, 0);
    ck_assert_uint_eq(store.n_dead, 1);
    mail_store_release(&store);
}
END_TEST

START_TEST(damage_is_told_and_buried)
{
    mail_store_init(&store, 1000);
    post.is_durable = true;
    post_one();
    post_one();
    post_one();
    apply_and_store();
    ((uint8_t *)(uintptr_t)store.mails[0].row.frame.data)[70] ^= 4;
    store.mails[1].sequence = 999; /* another message's frame */
    reopen();
    mail_store_load(&store, box, NULL);
    assert_told(0, 100, FY_END_DAMAGED);
    assert_told(1, 999, FY_END_DAMAGED);
    ck_assert_uint_eq(n_told, 2);
    apply_and_store();
    ck_assert_uint_eq(store.n_mails, 1);
    ck_assert_uint_eq(store.n_dead, 2);
    reopen();
    mail_store_load(&store, box, NULL);
    ck_assert_int_eq(fy_outbox_next_dead(box, NULL)->end, FY_END_DAMAGED);
    ck_assert_int_eq(fy_outbox_requeue(box, 100, 1000, &sequence), FERRY_ERR_NOT_FOUND);
    mail_store_release(&store);
}
END_TEST

/* ---- Dead letters ---- */

START_TEST(dead_letters_are_kept_posted_again_and_purged)
{
    mail_store_init(&store, 1000);
    fy_outbox_link(box, "a", true);
    post.is_durable = true;
    for (uint64_t i = 100; i < 105; i++) {
        post_one();
        apply_and_store();
        answer(i, FY_MAIL_NO_HANDLER);
        fy_outbox_tell(box);
        apply_and_store();
    }
    ck_assert_uint_eq(store.n_dead, 3); /* the oldest made room */
    ck_assert_uint_eq(fy_outbox_next_dead(box, NULL)->sequence, 102);
    reopen();
    mail_store_load(&store, box, NULL);
    ck_assert_uint_eq(fy_outbox_next_dead(box, NULL)->sequence, 102);
    ck_assert_uint_eq(fy_outbox_next_dead(box, NULL)->answer, FY_MAIL_NO_HANDLER);
    ck_assert_int_eq(fy_outbox_requeue(box, 102, 1000, &sequence), FERRY_OK);
    ck_assert_uint_eq(sequence, 1000);
    ck_assert_int_eq(fy_outbox_requeue(box, 102, 1000, &sequence), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(fy_outbox_purge(box, 103), FERRY_OK);
    ck_assert_int_eq(fy_outbox_purge(box, 103), FERRY_ERR_NOT_FOUND);
    apply_and_store();
    ck_assert_uint_eq(store.n_dead, 1);
    ck_assert_uint_eq(store.n_mails, 1);
    ck_assert_uint_eq(fy_outbox_next_dead(box, NULL)->sequence, 104);
    ck_assert_ptr_null(fy_outbox_next_dead(box, fy_outbox_next_dead(box, NULL)));
    fy_outbox_stop(box);
    ck_assert_int_eq(fy_outbox_requeue(box, 104, 1000, &sequence), FERRY_ERR_CLOSED);
    ck_assert_uint_eq(fy_outbox_next_dead(box, NULL)->sequence, 104);
    mail_store_release(&store);
}
END_TEST

/* ---- What it costs ---- */

START_TEST(missed_answers_leave_nothing_behind)
{
    long live;

    fy_outbox_link(box, "a", true);
    post.max_attempts = 0;
    post.timeout_ms = UINT64_C(300) * 24 * 3600 * 1000;
    post_one();
    mail_rig_run(&rig, 10000);
    live = heap_live();
    mail_rig_run(&rig, UINT64_C(24) * 3600 * 1000);
    ck_assert_uint_gt(rig.n_sent, 20000);
    ck_assert_int_eq(heap_live(), live);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    static const struct fy_mail_row row = {.frame = {NULL, 0}};
    int err = FERRY_ERR_NOMEM;

    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        fy_outbox_free(box);
        box = NULL;
        heap_fail_at(nth);
        err = fy_outbox_new(&config, &box);
        if (!err)
            err = fy_outbox_post(box, &post, &sequence);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    fy_outbox_link(box, "a", true);
    answer(100, FY_MAIL_OK);
    assert_told(0, 100, FY_END_DELIVERED);
    heap_fail_at(0);
    ck_assert_int_eq(fy_outbox_load(box, 50, &row), FERRY_ERR_NOMEM);
    heap_fail_at(0);
    ck_assert_int_eq(fy_outbox_load_dead(box, 50, &row, &(struct fy_end_row){.status = FY_END_EXPIRED}),
                     FERRY_ERR_NOMEM);
    heap_fail_at(-1);
    fy_outbox_link(box, "a", false);
}
END_TEST

int main(void)
{
    return rig_main(
        "outbox", setup, teardown, a_message_is_sent_and_its_answer_settles_it,
        messages_of_a_subject_go_one_after_the_other_and_subjects_do_not_wait,
        a_late_answer_does_not_settle_the_next_message, an_answer_counts_only_from_the_receiver_and_for_this_life,
        attempts_are_spread_and_bounded, busy_sets_a_floor_and_costs_an_attempt,
        a_handler_that_takes_long_costs_no_attempt, a_final_answer_counts_whatever_its_attempt,
        an_unreachable_node_costs_no_attempts_but_time, a_carrier_without_room_is_asked_again_later,
        a_message_without_an_answer_ends_when_it_is_sent, wrong_posts_are_refused, limits_refuse_at_once,
        bytes_are_limited_too, what_is_in_flight_is_not_dropped_for_room, a_key_replaces_what_was_not_sent,
        messages_can_be_cancelled_and_peers_removed, a_stop_tells_of_all_and_keeps_what_is_stored,
        a_message_that_is_settled_before_it_is_stored_costs_no_write, stored_is_told_after_the_store_said_so,
        a_failed_message_holds_its_stream_until_its_end_is_stored, numbers_are_reserved_ahead_and_never_used_before,
        after_a_restart_messages_go_on_in_their_order, a_wall_clock_that_ran_backwards_is_not_believed,
        damage_is_told_and_buried, dead_letters_are_kept_posted_again_and_purged, missed_answers_leave_nothing_behind,
        every_allocation_may_fail, NULL);
}
