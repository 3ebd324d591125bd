/*
 * check_inbox - the queue in front of the core, alone.
 */
#include <stdlib.h>

#include "harness/peer_rig.h"
#include "wire/message.h"

static struct fy_inbox inbox;
static int done_results[64];
static size_t n_done;

static void on_done(void *arg, int result)
{
    ck_assert_ptr_eq(arg, &inbox);
    done_results[n_done++] = result;
}

static void setup(void)
{
    heap_setup();
    fy_inbox_init(&inbox, NULL, 40, 1u << 20);
    n_done = 0;
}

static void teardown(void)
{
    fy_inbox_release(&inbox);
    heap_teardown();
}

/* Put a message; one that is refused is let go. */
static int put_sized(enum ferry_message_type type, uint64_t index, size_t len, struct fy_inbox_queue **ret_queue)
{
    struct fy_inbox_item item = {.msg = rig_decoded(type, index, len), .done = on_done, .done_arg = &inbox};
    int err;

    *ret_queue = NULL;
    err = fy_inbox_put(&inbox, item, ret_queue);
    if (err != FERRY_OK)
        ferry_message_unref(item.msg);
    return err;
}

static int put(enum ferry_message_type type, uint64_t index)
{
    struct fy_inbox_queue *queue;

    return put_sized(type, index, 0, &queue);
}

static void let_go(struct fy_inbox_item *items, size_t n, uint64_t first)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(items[i].msg->index, first + i);
        ferry_message_unref(items[i].msg);
    }
}

START_TEST(proposals_wait_apart_from_all_else)
{
    struct fy_inbox_queue *receive, *propose;
    struct fy_inbox_reports reports;
    struct fy_inbox_item items[8];

    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 1, 0, &receive), FERRY_OK);
    ck_assert_int_eq(put_sized(FERRY_MSG_PROP, 7, 0, &propose), FERRY_OK);
    ck_assert_int_eq(put(FERRY_MSG_HEARTBEAT, 2), FERRY_OK);
    ck_assert_ptr_eq(receive, &inbox.queues[FY_INBOX_RECEIVE]);
    ck_assert_ptr_eq(propose, &inbox.queues[FY_INBOX_PROPOSE]);
    ck_assert_uint_eq(fy_inbox_take(receive, items, 8, &reports), 2);
    let_go(items, 2, 1);
    ck_assert_uint_eq(fy_inbox_take(propose, items, 8, &reports), 1);
    let_go(items, 1, 7);
    ck_assert_uint_eq(n_done, 0); /* who took a message says what became of it */
}
END_TEST

START_TEST(a_queue_is_scheduled_once_until_it_is_settled)
{
    struct fy_inbox_queue *queue, *again;
    struct fy_inbox_reports reports;
    struct fy_inbox_item items[8];

    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 1, 0, &queue), FERRY_OK);
    ck_assert(fy_inbox_is_scheduled(queue));
    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 2, 0, &again), FERRY_OK);
    ck_assert_ptr_null(again);
    ck_assert_uint_eq(fy_inbox_take(queue, items, 1, &reports), 1);
    let_go(items, 1, 1);
    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 3, 0, &again), FERRY_OK);
    ck_assert_ptr_null(again); /* still in the hands of whoever took the first */
    ck_assert(fy_inbox_settle(queue));
    ck_assert_uint_eq(fy_inbox_take(queue, items, 8, &reports), 2);
    let_go(items, 2, 2);
    ck_assert(!fy_inbox_settle(queue));
    ck_assert(!fy_inbox_is_scheduled(queue));
    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 4, 0, &again), FERRY_OK);
    ck_assert_ptr_eq(again, queue);
}
END_TEST

START_TEST(order_is_kept_while_the_ring_turns_and_grows)
{
    struct fy_inbox_queue *queue = &inbox.queues[FY_INBOX_RECEIVE];
    struct fy_inbox_reports reports;
    struct fy_inbox_item items[40];
    uint64_t next_in = 0, next_out = 0;

    for (size_t fill = 1; fill <= 40; fill++) {
        while (next_in - next_out < fill)
            ck_assert_int_eq(put(FERRY_MSG_APP, next_in++), FERRY_OK);
        ck_assert_uint_eq(fy_inbox_take(queue, items, fill / 2 + 1, &reports), fill / 2 + 1);
        let_go(items, fill / 2 + 1, next_out);
        next_out += fill / 2 + 1;
    }
}
END_TEST

START_TEST(each_queue_is_bounded_in_messages)
{
    for (uint64_t i = 0; i < 40; i++)
        ck_assert_int_eq(put(FERRY_MSG_APP, i), FERRY_OK);
    ck_assert_int_eq(put(FERRY_MSG_APP, 40), FERRY_ERR_FULL);
    ck_assert_int_eq(put(FERRY_MSG_PROP, 0), FERRY_OK);
}
END_TEST

START_TEST(each_queue_is_bounded_in_bytes)
{
    struct fy_inbox_queue *queue;

    inbox.max_bytes = 10000;
    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 0, 6000, &queue), FERRY_OK);
    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 1, 6000, &queue), FERRY_ERR_FULL);
    ck_assert_int_eq(put_sized(FERRY_MSG_PROP, 1, 6000, &queue), FERRY_OK);
    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 1, 2000, &queue), FERRY_OK);
}
END_TEST

START_TEST(a_message_larger_than_the_bound_passes_alone_and_nothing_beside_it)
{
    struct fy_inbox_reports reports;
    struct fy_inbox_queue *queue;
    struct fy_inbox_item items[8];

    inbox.max_bytes = 10000;
    ck_assert_int_eq(put_sized(FERRY_MSG_APP, 0, 20000, &queue), FERRY_OK);
    ck_assert_int_eq(put(FERRY_MSG_APP, 1), FERRY_ERR_FULL);
    ck_assert_uint_eq(fy_inbox_take(&inbox.queues[FY_INBOX_RECEIVE], items, 8, &reports), 1);
    let_go(items, 1, 0);
    ck_assert_int_eq(put(FERRY_MSG_APP, 1), FERRY_OK);
}
END_TEST

START_TEST(reports_fold_but_each_snapshot_counts)
{
    struct fy_inbox_queue *queue = fy_inbox_report_unreachable(&inbox);
    struct fy_inbox_reports reports;

    ck_assert_ptr_eq(queue, &inbox.queues[FY_INBOX_RECEIVE]);
    ck_assert_ptr_null(fy_inbox_report_unreachable(&inbox));
    ck_assert_ptr_null(fy_inbox_report_snapshot(&inbox, FERRY_SNAPSHOT_FAILURE));
    ck_assert_ptr_null(fy_inbox_report_snapshot(&inbox, FERRY_SNAPSHOT_FAILURE));
    ck_assert_ptr_null(fy_inbox_report_snapshot(&inbox, FERRY_SNAPSHOT_FINISH));
    ck_assert_uint_eq(fy_inbox_take(queue, NULL, 0, &reports), 0);
    ck_assert(reports.unreachable);
    ck_assert_uint_eq(reports.n_snapshot_failure, 2);
    ck_assert_uint_eq(reports.n_snapshot_finish, 1);

    ck_assert_ptr_null(fy_inbox_report_snapshot(&inbox, FERRY_SNAPSHOT_FINISH)); /* before it was settled */
    ck_assert(fy_inbox_settle(queue));
    (void)fy_inbox_take(queue, NULL, 0, &reports);
    ck_assert(!reports.unreachable);
    ck_assert_uint_eq(reports.n_snapshot_failure, 0);
    ck_assert_uint_eq(reports.n_snapshot_finish, 1);
    ck_assert(!fy_inbox_settle(queue));
}
END_TEST

START_TEST(a_proposal_does_not_carry_the_reports)
{
    struct fy_inbox_reports reports;
    struct fy_inbox_queue *queue;
    struct fy_inbox_item items[1];

    ck_assert_int_eq(put_sized(FERRY_MSG_PROP, 0, 0, &queue), FERRY_OK);
    (void)fy_inbox_report_unreachable(&inbox);
    ck_assert_uint_eq(fy_inbox_take(queue, items, 1, &reports), 1);
    let_go(items, 1, 0);
    ck_assert(!reports.unreachable);
    ck_assert(!fy_inbox_settle(queue));
}
END_TEST

START_TEST(closing_throws_away_what_waits_and_says_so)
{
    struct fy_inbox_reports reports;
    struct fy_inbox_queue *queue;

    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(put(i == 1 ? FERRY_MSG_PROP : FERRY_MSG_APP, i), FERRY_OK);
    fy_inbox_close(&inbox);
    ck_assert_uint_eq(n_done, 3);
    for (size_t i = 0; i < n_done; i++)
        ck_assert_int_eq(done_results[i], FERRY_ERR_CLOSED);
    ck_assert_int_eq(put(FERRY_MSG_APP, 9), FERRY_ERR_CLOSED);
    (void)fy_inbox_report_snapshot(&inbox, FERRY_SNAPSHOT_FAILURE); /* reports still pass */
    queue = &inbox.queues[FY_INBOX_RECEIVE];
    ck_assert_uint_eq(fy_inbox_take(queue, NULL, 0, &reports), 0);
    ck_assert_uint_eq(reports.n_snapshot_failure, 1);
}
END_TEST

START_TEST(put_survives_every_failed_allocation)
{
    const struct ferry_message *msg = rig_decoded(FERRY_MSG_APP, 0, 0);
    struct fy_inbox_item item = {.msg = msg};
    struct fy_inbox_queue *queue = NULL;
    int n_failed = 0;

    for (uint64_t i = 0; i < 40; i++) { /* the ring grows three times */
        int err = FERRY_ERR_NOMEM;

        for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
            heap_fail_at(nth);
            err = fy_inbox_put(&inbox, item, &queue);
            heap_fail_at(-1);
            n_failed += err == FERRY_ERR_NOMEM;
        }
        ck_assert_int_eq(err, FERRY_OK);
        (void)ferry_message_ref(msg);
    }
    ck_assert_int_eq(n_failed, 3);
    ferry_message_unref(msg);
}
END_TEST

int main(void)
{
    return rig_main("inbox", setup, teardown, proposals_wait_apart_from_all_else,
                    a_queue_is_scheduled_once_until_it_is_settled, order_is_kept_while_the_ring_turns_and_grows,
                    each_queue_is_bounded_in_messages, each_queue_is_bounded_in_bytes,
                    a_message_larger_than_the_bound_passes_alone_and_nothing_beside_it,
                    reports_fold_but_each_snapshot_counts, a_proposal_does_not_carry_the_reports,
                    closing_throws_away_what_waits_and_says_so, put_survives_every_failed_allocation, NULL);
}
