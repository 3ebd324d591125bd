/*
 * check_receiver - incoming messages: what is refused, the turns of handlers, duplicates, windows, and the store.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "harness/heap.h"
#include "harness/mail_rig.h"
#include "harness/mail_store.h"
#include "harness/rig.h"
#include "mailbox/receiver.h"

static struct mail_rig rig;
static struct fy_receiver *receiver;
static struct fy_receiver_config config;
static struct fy_mail_head head;
static uint8_t frame[8192];
static size_t frame_len;

static size_t n_handled;
static uint64_t handled[64], tokens[64];
static char payloads[64][16];
static bool answers_at_once;
static enum fy_mail_answer_status status_at_once;

static void on_message(void *arg, uint64_t token, const struct fy_mail_head *of, struct ferry_bytes payload)
{
    assert(arg == &rig && n_handled < 64);
    handled[n_handled] = of->sequence;
    tokens[n_handled] = token;
    memset(payloads[n_handled], 0, sizeof(payloads[0]));
    memcpy(payloads[n_handled], payload.data, payload.len < 15 ? payload.len : 15);
    n_handled++;
    if (answers_at_once) {
        int err = fy_receiver_answer(receiver, token, status_at_once, 3, (struct ferry_bytes){NULL, 0});

        assert(!err);
    }
}

static void make(void)
{
    ck_assert_int_eq(fy_receiver_new(&config, &receiver), FERRY_OK);
    ck_assert_int_eq(fy_receiver_add_method(receiver, "work", FY_METHOD_DONE, on_message, &rig), FERRY_OK);
    ck_assert_int_eq(fy_receiver_add_method(receiver, "note", FY_METHOD_ACCEPTED, on_message, &rig), FERRY_OK);
}

#define TEXT(literal) ((struct ferry_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

static void setup(void)
{
    heap_setup();
    mail_rig_init(&rig);
    n_handled = 0;
    answers_at_once = false;
    status_at_once = FY_MAIL_OK;
    config = (struct fy_receiver_config){
        .self = "me",
        .cluster = 5,
        .max_messages = 6,
        .max_bytes = 20000,
        .max_waiting = 3,
        .max_payload = 4000,
        .max_windows = 3,
        .window_size = 4,
        .retention_ms = 60000,
        .handler_timeout_ms = 5000,
        .busy_ms = 250,
        .carrier = rig.carrier,
        .journal = &rig.journal,
        .timers = &rig.timers,
        .now_ns = mail_rig_now_ns,
        .clock_ctx = &rig,
    };
    head = (struct fy_mail_head){
        .attempt = 1,
        .sequence = 10,
        .incarnation = 7,
        .cluster = 5,
        .remaining_ms = 60000,
        .plain_len = 5,
        .sender = TEXT("a"),
        .receiver = TEXT("me"),
        .subject = TEXT("s"),
        .method = TEXT("work"),
        .payload = TEXT("hello"),
    };
    make();
}

static void teardown(void)
{
    fy_journal_release(&rig.journal);
    fy_receiver_free(receiver);
    ck_assert_uint_eq(fy_timers_next_ns(&rig.timers), FY_NEVER);
    heap_teardown();
}

static void take_from(const char *from)
{
    ck_assert_int_eq(fy_mail_frame_size(&head, &frame_len), FERRY_OK);
    ck_assert_uint_le(frame_len, sizeof(frame));
    fy_mail_frame_write(&head, frame);
    fy_receiver_take(receiver, from, (struct ferry_bytes){frame, frame_len}, (void *)(uintptr_t)(rig.n_answers + 1));
    memset(frame, 0, sizeof(frame)); /* it was lent for the call */
}

static void take(uint64_t sequence)
{
    head.sequence = sequence;
    take_from("a");
}

static void assert_answered(size_t nth, uint64_t sequence, enum fy_mail_answer_status status, unsigned flags)
{
    ck_assert_uint_gt(rig.n_answers, nth);
    ck_assert(!rig.answers[nth].is_empty);
    ck_assert_uint_eq(rig.answers[nth].answer.sequence, sequence);
    ck_assert_int_eq(rig.answers[nth].answer.status, status);
    ck_assert_uint_eq(rig.answers[nth].answer.flags, flags);
}

static void finish(size_t nth, enum fy_mail_answer_status status)
{
    ck_assert_int_eq(fy_receiver_answer(receiver, tokens[nth], status, -9, TEXT("result")), FERRY_OK);
}

static void refused(enum fy_mail_answer_status status)
{
    const size_t n = rig.n_answers;

    take_from("a");
    ck_assert_uint_eq(rig.n_answers, n + 1);
    ck_assert_int_eq(rig.answers[n].answer.status, status);
    ck_assert_uint_eq(rig.answers[n].answer.sequence, head.sequence);
    ck_assert_uint_eq(n_handled, 0);
}

START_TEST(a_message_is_handled_and_answered)
{
    take(10);
    ck_assert_uint_eq(n_handled, 1);
    ck_assert_str_eq(payloads[0], "hello");
    ck_assert_uint_eq(rig.n_answers, 0);
    finish(0, FY_MAIL_OK);
    assert_answered(0, 10, FY_MAIL_OK, FY_MAIL_ANSWER_DONE);
    ck_assert_int_eq(rig.answers[0].answer.code, -9);
    ck_assert_uint_eq(rig.answers[0].answer.body.len, 6);
    ck_assert_ptr_eq(rig.answers[0].request, (void *)1);
    ck_assert_int_eq(fy_receiver_answer(receiver, tokens[0], FY_MAIL_OK, 0, TEXT("")), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(fy_receiver_answer(receiver, 99, FY_MAIL_OK, 0, TEXT("")), FERRY_ERR_NOT_FOUND);
}
END_TEST

START_TEST(what_is_wrong_with_a_message_is_said)
{
    head.cluster = 6;
    refused(FY_MAIL_WRONG_CLUSTER);
    head.cluster = 5;
    head.receiver = TEXT("you");
    refused(FY_MAIL_WRONG_TARGET);
    head.receiver = TEXT("me");
    head.sender = TEXT("b"); /* the link says a */
    refused(FY_MAIL_UNAUTHORIZED);
    head.sender = TEXT("a");
    head.plain_len = 4001;
    refused(FY_MAIL_TOO_LARGE);
    head.plain_len = 4; /* it holds five */
    refused(FY_MAIL_MALFORMED);
    head.plain_len = 5;
    head.remaining_ms = 0;
    refused(FY_MAIL_EXPIRED);
    head.remaining_ms = 1;
    head.method = TEXT("nothing");
    refused(FY_MAIL_NO_HANDLER);
    head.method = TEXT("work");
    head.packing = FY_PACKING_ZSTD; /* it is none */
    refused(FY_MAIL_MALFORMED);
    head.packing = 9;
    refused(FY_MAIL_UNSUPPORTED);
    head.packing = FY_PACKING_NONE;
    head.sequence = 0;
    refused(FY_MAIL_MALFORMED);
    head.sequence = 10; /* none of this keeps the message from being taken now */
    take(10);
    ck_assert_uint_eq(n_handled, 1);
}
END_TEST

START_TEST(nonsense_is_answered_too)
{
    fy_receiver_take(receiver, "a", TEXT("nonsense"), NULL);
    assert_answered(0, 0, FY_MAIL_MALFORMED, 0);
    fy_receiver_take(receiver, "a", (struct ferry_bytes){NULL, 0}, NULL);
    assert_answered(1, 0, FY_MAIL_MALFORMED, 0);
}
END_TEST

START_TEST(packed_payloads_are_unpacked_up_to_the_limit)
{
    static uint8_t plain[8000];
    struct fy_compressor *compressor = fy_compressor_new();
    enum fy_packing used;
    struct fy_text packed;

    memset(plain, 'x', sizeof(plain));
    for (size_t size = 4000; size <= 8000; size += 4000) {
        fy_text_init(&packed);
        ck_assert_int_eq(fy_pack(compressor, FY_PACKING_ZSTD, (struct ferry_bytes){plain, size}, &packed, &used),
                         FERRY_OK);
        head.packing = used;
        head.payload = (struct ferry_bytes){(const uint8_t *)packed.data, packed.len};
        head.plain_len = (uint32_t)size;
        take(size);
        head.plain_len = 100; /* a lie */
        take(size + 1);
        fy_text_release(&packed);
    }
    ck_assert_uint_eq(n_handled, 1);
    ck_assert_str_eq(payloads[0], "xxxxxxxxxxxxxxx");
    assert_answered(0, 4001, FY_MAIL_MALFORMED, 0);
    assert_answered(1, 8000, FY_MAIL_TOO_LARGE, 0);
    assert_answered(2, 8001, FY_MAIL_MALFORMED, 0);
    fy_compressor_free(compressor);
}
END_TEST

START_TEST(a_duplicate_gets_the_same_answer_and_is_not_handled)
{
    take(10);
    take(10);
    assert_answered(0, 10, FY_MAIL_IN_PROGRESS, 0);
    finish(0, FY_MAIL_HANDLER_FAILED);
    assert_answered(1, 10, FY_MAIL_HANDLER_FAILED, FY_MAIL_ANSWER_DONE);
    take(10);
    assert_answered(2, 10, FY_MAIL_HANDLER_FAILED, FY_MAIL_ANSWER_DONE | FY_MAIL_ANSWER_DUPLICATE);
    ck_assert_int_eq(rig.answers[2].answer.code, -9);
    ck_assert_mem_eq(rig.answers[2].body, "result", 6);
    ck_assert_uint_eq(n_handled, 1);
    head.incarnation++; /* another life of the sender's numbers */
    take(10);
    ck_assert_uint_eq(n_handled, 2);
}
END_TEST

START_TEST(two_senders_of_one_subject_have_nothing_to_do_with_each_other)
{
    take(10);
    head.sender = TEXT("b");
    take_from("b");
    ck_assert_uint_eq(n_handled, 2);
    finish(1, FY_MAIL_OK);
    ck_assert_ptr_eq(rig.answers[0].request, (void *)1); /* both were the first */
    assert_answered(0, 10, FY_MAIL_OK, FY_MAIL_ANSWER_DONE);
    ck_assert_uint_eq(rig.n_answers, 1);
}
END_TEST

START_TEST(messages_of_a_subject_are_handled_one_at_a_time_in_order)
{
    take(10);
    take(12);
    take(11); /* a later one was taken */
    assert_answered(0, 11, FY_MAIL_TOO_OLD, 0);
    take(13);
    take(14);
    take(15); /* three wait */
    assert_answered(1, 15, FY_MAIL_BUSY, 0);
    ck_assert_uint_eq(rig.answers[1].answer.retry_after_ms, 250);
    ck_assert_uint_eq(n_handled, 1);
    ck_assert_int_eq(fy_receiver_answer(receiver, tokens[0] + 1, FY_MAIL_OK, 0, TEXT("")), FERRY_ERR_NOT_FOUND);
    answers_at_once = true;
    finish(0, FY_MAIL_OK);
    ck_assert_uint_eq(n_handled, 4);
    ck_assert_uint_eq(handled[1], 12);
    ck_assert_uint_eq(handled[2], 13);
    ck_assert_uint_eq(handled[3], 14);
    ck_assert_uint_eq(rig.n_answers, 6);
}
END_TEST

START_TEST(a_window_remembers_so_many_and_the_rest_is_too_old)
{
    struct fy_receiver_counts counts;

    answers_at_once = true;
    for (uint64_t i = 1; i <= 9; i++)
        take(i);
    take(6);
    assert_answered(9, 6, FY_MAIL_OK, FY_MAIL_ANSWER_DONE | FY_MAIL_ANSWER_DUPLICATE);
    take(5);
    assert_answered(10, 5, FY_MAIL_TOO_OLD, 0);
    fy_receiver_read_counts(receiver, &counts);
    ck_assert_uint_eq(counts.taken, 9);
    ck_assert_uint_eq(counts.duplicates, 1);
    ck_assert_uint_eq(counts.answers[FY_MAIL_OK], 10);
    ck_assert_uint_eq(counts.messages + counts.bytes, 0);
    ck_assert_uint_eq(counts.windows, 1);
}
END_TEST

START_TEST(a_window_does_not_lose_what_is_being_handled)
{
    config.max_waiting = 100;
    config.window_size = 2;
    fy_receiver_free(receiver);
    make();
    take(1);
    take(2);
    take(3);
    assert_answered(0, 3, FY_MAIL_BUSY, 0);
    finish(0, FY_MAIL_OK);
    take(3);
    ck_assert_uint_eq(rig.n_answers, 2);
}
END_TEST

START_TEST(windows_are_forgotten_when_they_are_old_and_room_is_needed)
{
    const char *names[] = {"p", "q", "r", "s"};

    answers_at_once = true;
    for (size_t i = 0; i < 4; i++) {
        head.subject = (struct ferry_bytes){(const uint8_t *)names[i], 1};
        take(5);
        mail_rig_run(&rig, 10000);
    }
    assert_answered(3, 5, FY_MAIL_BUSY, 0); /* three are all, and none is old */
    head.subject = TEXT("p");
    take(5); /* used now: q is the oldest */
    mail_rig_run(&rig, 30000);
    head.subject = TEXT("s");
    take(5);
    assert_answered(5, 5, FY_MAIL_OK, FY_MAIL_ANSWER_DONE);
    head.subject = TEXT("p");
    take(5);
    assert_answered(6, 5, FY_MAIL_OK, FY_MAIL_ANSWER_DONE | FY_MAIL_ANSWER_DUPLICATE);
    fy_receiver_forget(receiver, "a");
    take(5);
    assert_answered(7, 5, FY_MAIL_OK, FY_MAIL_ANSWER_DONE);
}
END_TEST

START_TEST(a_window_in_use_is_not_forgotten)
{
    for (uint64_t i = 0; i < 3; i++) {
        head.incarnation = i;
        take(5);
    }
    mail_rig_run(&rig, 4000); /* before the handlers' time is up */
    config.retention_ms = 0;
    head.incarnation = 9;
    mail_rig_run(&rig, 0);
    take(5);
    assert_answered(0, 5, FY_MAIL_BUSY, 0);
    fy_receiver_forget(receiver, "a");
    head.incarnation = 0;
    take(5);
    assert_answered(1, 5, FY_MAIL_IN_PROGRESS, 0);
}
END_TEST

START_TEST(a_handler_that_does_not_answer_has_failed)
{
    take(10);
    take(11);
    mail_rig_run(&rig, 4999);
    ck_assert_uint_eq(rig.n_answers, 0);
    mail_rig_run(&rig, 1);
    assert_answered(0, 10, FY_MAIL_HANDLER_FAILED, FY_MAIL_ANSWER_DONE);
    ck_assert_int_eq(rig.answers[0].answer.code, FERRY_ERR_TIMEOUT);
    ck_assert_uint_eq(n_handled, 2); /* it is the next one's turn */
    ck_assert_int_eq(fy_receiver_answer(receiver, tokens[0], FY_MAIL_OK, 0, TEXT("")), FERRY_ERR_NOT_FOUND);
    finish(1, FY_MAIL_OK);
    head.remaining_ms = 700; /* the sender has less time */
    take(12);
    mail_rig_run(&rig, 700);
    assert_answered(2, 12, FY_MAIL_HANDLER_FAILED, FY_MAIL_ANSWER_DONE);
}
END_TEST

START_TEST(a_handler_can_send_a_message_away_for_now)
{
    answers_at_once = true;
    status_at_once = FY_MAIL_BUSY;
    take(10);
    assert_answered(0, 10, FY_MAIL_BUSY, 0);
    ck_assert_uint_eq(rig.answers[0].answer.retry_after_ms, 250);
    status_at_once = FY_MAIL_OK;
    take(10);
    assert_answered(1, 10, FY_MAIL_OK, FY_MAIL_ANSWER_DONE);
    answers_at_once = false;
    take(11);
    take(12);
    finish(2, FY_MAIL_NOT_LEADER); /* it cannot come again: 12 is there */
    assert_answered(2, 11, FY_MAIL_HANDLER_FAILED, FY_MAIL_ANSWER_DONE);
    finish(3, FY_MAIL_NOT_LEADER);
    assert_answered(3, 12, FY_MAIL_NOT_LEADER, 0);
    ck_assert_mem_eq(rig.answers[3].body, "result", 6);
}
END_TEST

START_TEST(an_accepted_method_is_answered_before_it_is_handled)
{
    head.method = TEXT("note");
    take(10);
    assert_answered(0, 10, FY_MAIL_OK, 0);
    take(10);
    assert_answered(1, 10, FY_MAIL_OK, FY_MAIL_ANSWER_DUPLICATE);
    take(11);
    assert_answered(2, 11, FY_MAIL_OK, 0);
    ck_assert_uint_eq(n_handled, 1);
    finish(0, FY_MAIL_HANDLER_FAILED); /* the result is not reported */
    ck_assert_uint_eq(n_handled, 2);
    ck_assert_uint_eq(rig.n_answers, 3);
}
END_TEST

START_TEST(who_wants_no_answer_gets_none)
{
    head.flags = FY_MAIL_NO_ANSWER;
    take(10);
    finish(0, FY_MAIL_OK);
    ck_assert(rig.answers[0].is_empty);
    take(10);
    ck_assert(rig.answers[1].is_empty);
}
END_TEST

START_TEST(methods_come_and_go)
{
    static char name[FY_MAIL_MAX_NAME + 2];

    memset(name, 'x', FY_MAIL_MAX_NAME + 1);
    ck_assert_int_eq(fy_receiver_add_method(receiver, name, FY_METHOD_DONE, on_message, &rig), FERRY_ERR_INVALID);
    ck_assert_int_eq(fy_receiver_add_method(receiver, "", FY_METHOD_DONE, on_message, &rig), FERRY_ERR_INVALID);
    ck_assert_int_eq(fy_receiver_add_method(receiver, "work", FY_METHOD_DONE, on_message, &rig), FERRY_ERR_EXISTS);
    take(10);
    take(11);
    ck_assert_int_eq(fy_receiver_remove_method(receiver, "work"), FERRY_OK);
    ck_assert_int_eq(fy_receiver_remove_method(receiver, "work"), FERRY_ERR_NOT_FOUND);
    finish(0, FY_MAIL_OK); /* it was called before; 11 was not */
    assert_answered(1, 11, FY_MAIL_HANDLER_FAILED, FY_MAIL_ANSWER_DONE);
    ck_assert_int_eq(rig.answers[1].answer.code, FERRY_ERR_NOT_FOUND);
    ck_assert_uint_eq(n_handled, 1);
    take(12);
    assert_answered(2, 12, FY_MAIL_NO_HANDLER, 0);
}
END_TEST

START_TEST(limits_answer_busy)
{
    for (uint64_t i = 0; i < 6; i++) {
        head.incarnation = i / 2;
        take(5 + i);
    }
    ck_assert_uint_eq(rig.n_answers, 0);
    take(20);
    assert_answered(0, 20, FY_MAIL_BUSY, 0); /* six are all */
    finish(0, FY_MAIL_OK);
    config.max_bytes = 50;
    fy_receiver_free(receiver);
    make();
    take(20);
    ck_assert_int_eq(rig.answers[rig.n_answers - 1].answer.status, FY_MAIL_BUSY);
}
END_TEST

/* ---- The store ---- */

START_TEST(a_durable_outcome_is_stored_before_it_is_answered)
{
    head.flags = FY_MAIL_DURABLE;
    answers_at_once = true;
    take(10);
    take(10);
    assert_answered(0, 10, FY_MAIL_IN_PROGRESS, 0);
    fy_journal_flush(&rig.journal);
    ck_assert_uint_eq(mail_rig_count(&rig, FY_CHANGE_PUT_SEEN), 1);
    mail_rig_store(&rig, FERRY_ERR_SYSTEM);
    ck_assert_uint_eq(rig.n_answers, 1);
    take(11);
    assert_answered(1, 11, FY_MAIL_BUSY, 0); /* the store fails */
    mail_rig_run(&rig, FY_JOURNAL_RETRY_MS);
    mail_rig_store(&rig, FERRY_OK);
    assert_answered(2, 10, FY_MAIL_OK, FY_MAIL_ANSWER_DONE);
    take(10);
    assert_answered(3, 10, FY_MAIL_OK, FY_MAIL_ANSWER_DONE | FY_MAIL_ANSWER_DUPLICATE);
    take(11);
    ck_assert_uint_eq(n_handled, 2);
}
END_TEST

static struct mail_store store;

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

START_TEST(after_a_restart_duplicates_are_known)
{
    mail_store_init(&store, 1);
    head.flags = FY_MAIL_DURABLE;
    answers_at_once = true;
    for (uint64_t i = 10; i < 16; i++) {
        take(i);
        apply_and_store();
    }
    ck_assert_uint_eq(store.n_seen, 4); /* the window's size */
    fy_receiver_free(receiver);
    make();
    for (size_t i = 0; i < store.n_seen; i++)
        ck_assert_int_eq(fy_receiver_load(receiver, &store.seen[i].row), FERRY_OK);
    ck_assert_int_eq(fy_receiver_load(receiver, &store.seen[0].row), FERRY_ERR_MALFORMED);
    take(12);
    assert_answered(6, 12, FY_MAIL_OK, FY_MAIL_ANSWER_DONE | FY_MAIL_ANSWER_DUPLICATE);
    take(11);
    assert_answered(7, 11, FY_MAIL_TOO_OLD, 0);
    ck_assert_uint_eq(n_handled, 6);
    fy_receiver_forget(receiver, "a");
    apply_and_store();
    ck_assert_uint_eq(store.n_seen, 0);
    mail_store_release(&store);
}
END_TEST

START_TEST(messages_that_are_not_durable_push_stored_ones_out_of_the_store)
{
    mail_store_init(&store, 1);
    answers_at_once = true;
    for (uint64_t i = 10; i < 20; i++) {
        head.flags = i % 5 == 0 ? FY_MAIL_DURABLE : 0;
        take(i);
        apply_and_store();
    }
    head.flags = FY_MAIL_DURABLE;
    take(20);
    apply_and_store();
    ck_assert_uint_eq(store.n_seen, 1);
    mail_store_release(&store);
}
END_TEST

START_TEST(a_window_that_is_dropped_while_the_journal_ends_leaks_nothing)
{
    head.flags = FY_MAIL_DURABLE;
    answers_at_once = true;
    take(10);
    mail_rig_store(&rig, FERRY_OK);
    fy_receiver_forget(receiver, "a"); /* the teardown finds it in the journal */
    take(11);
    fy_journal_flush(&rig.journal);
    ck_assert_uint_eq(mail_rig_count(&rig, FY_CHANGE_DROP_WINDOW), 1);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    uint8_t copy[512];
    bool has_failed = true;

    answers_at_once = true;
    head.flags = FY_MAIL_DURABLE;
    ck_assert_int_eq(fy_mail_frame_size(&head, &frame_len), FERRY_OK);
    fy_mail_frame_write(&head, copy);
    for (long nth = 0; has_failed; nth++) {
        int err;

        fy_receiver_free(receiver);
        receiver = NULL;
        n_handled = rig.n_answers = 0;
        heap_fail_at(nth);
        err = fy_receiver_new(&config, &receiver);
        if (!err)
            err = fy_receiver_add_method(receiver, "work", FY_METHOD_DONE, on_message, &rig);
        if (!err)
            fy_receiver_take(receiver, "a", (struct ferry_bytes){copy, frame_len}, NULL);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        if (!err)
            mail_rig_store(&rig, FERRY_OK);
        if (err)
            ck_assert_int_eq(err, FERRY_ERR_NOMEM);
        else if (n_handled == 0)
            assert_answered(0, head.sequence, FY_MAIL_BUSY, 0);
        else
            assert_answered(0, head.sequence, FY_MAIL_OK, FY_MAIL_ANSWER_DONE);
    }
    ck_assert_uint_eq(n_handled, 1);
}
END_TEST

int main(void)
{
    return rig_main(
        "receiver", setup, teardown, a_message_is_handled_and_answered, what_is_wrong_with_a_message_is_said,
        nonsense_is_answered_too, packed_payloads_are_unpacked_up_to_the_limit,
        a_duplicate_gets_the_same_answer_and_is_not_handled,
        two_senders_of_one_subject_have_nothing_to_do_with_each_other,
        messages_of_a_subject_are_handled_one_at_a_time_in_order, a_window_remembers_so_many_and_the_rest_is_too_old,
        a_window_does_not_lose_what_is_being_handled, windows_are_forgotten_when_they_are_old_and_room_is_needed,
        a_window_in_use_is_not_forgotten, a_handler_that_does_not_answer_has_failed,
        a_handler_can_send_a_message_away_for_now, an_accepted_method_is_answered_before_it_is_handled,
        who_wants_no_answer_gets_none, methods_come_and_go, limits_answer_busy,
        a_durable_outcome_is_stored_before_it_is_answered, after_a_restart_duplicates_are_known,
        messages_that_are_not_durable_push_stored_ones_out_of_the_store,
        a_window_that_is_dropped_while_the_journal_ends_leaks_nothing, every_allocation_may_fail, NULL);
}
