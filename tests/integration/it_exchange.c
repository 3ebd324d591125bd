/*
 * it_exchange - members exchange messages of every type, by every lane and in every delivery.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/member.h"
#include "harness/message_diff.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/standstill.h"

#define N_TYPES 24
#define MEBI ((size_t)1 << 20)

static struct member members[3];

static void setup(void)
{
    for (size_t i = 0; i < 3; i++)
        member_init(&members[i], i + 1);
}

static void teardown(void)
{
    for (size_t i = 0; i < 3; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < 3; i++)
        member_release(&members[i]);
}

static void start(size_t n, enum ferry_delivery delivery)
{
    for (size_t i = 0; i < n; i++) {
        members[i].config.delivery = delivery;
        member_start(&members[i]);
    }
}

/* ---- Messages with every field filled ------------------------------------------------------------------------- */

struct specimen {
    struct ferry_message msg;
    struct ferry_message response;
    struct ferry_entry entries[4];
    struct ferry_snapshot snapshot;
    uint64_t ids[4][3];
};

static struct ferry_bytes bytes_of(const char *text)
{
    return (struct ferry_bytes){(const uint8_t *)text, strlen(text)};
}

static void specimen_fill(struct specimen *s, enum ferry_message_type type, uint64_t from, uint64_t to)
{
    uint64_t salt = (uint64_t)type * 1000 + from * 10 + to;
    struct ferry_conf_state *conf = &s->snapshot.conf_state;

    memset(s, 0, sizeof(*s));
    s->entries[0] = (struct ferry_entry){salt + 1, UINT64_MAX - salt, FERRY_ENTRY_NORMAL, bytes_of("some data")};
    s->entries[1] = (struct ferry_entry){2, 0, FERRY_ENTRY_CONF_CHANGE, {NULL, 0}};
    s->entries[2] = (struct ferry_entry){0, 3, FERRY_ENTRY_CONF_CHANGE_V2, {(const uint8_t *)"", 0}};
    s->entries[3] = (struct ferry_entry){0, 0, FERRY_ENTRY_NORMAL, {(const uint8_t *)"\0\xff\n", 3}};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 3; k++)
            s->ids[i][k] = salt << (20 * k) | i;
    *conf = (struct ferry_conf_state){s->ids[0], 3, s->ids[1], 2, s->ids[2], 1, s->ids[3], 3, true};
    s->snapshot.data = bytes_of("a snapshot");
    s->snapshot.index = UINT64_MAX;
    s->snapshot.term = salt;
    s->response = (struct ferry_message){.type = FERRY_MSG_APP_RESP, .to = 7, .from = 8, .index = salt, .reject = true};
    s->msg = (struct ferry_message){
        .type = type,
        .to = to,
        .from = from,
        .term = salt + 5,
        .log_term = salt + 4, /* not the term: a MsgApp goes by the full frame, which loses nothing */
        .index = UINT64_MAX - 7,
        .entries = s->entries,
        .n_entries = 4,
        .commit = (uint64_t)1 << 63,
        .snapshot = &s->snapshot,
        .reject = true,
        .reject_hint = salt * 3,
        .context = bytes_of("context"),
        .vote = salt + 9,
        .responses = &s->response,
        .n_responses = 1,
    };
}

struct awaited {
    size_t n_members;
    uint64_t n_each;
};

static bool all_received(void *arg)
{
    const struct awaited *a = arg;

    for (size_t i = 0; i < a->n_members; i++)
        if (recorder_messages(&members[i].recorder) < a->n_each)
            return false;
    return true;
}

static void await_messages(size_t n_members, uint64_t n_each)
{
    struct awaited a = {n_members, n_each};

    if (members_wait(members, n_members, all_received, &a, patience_ms(10000)))
        return;
    for (size_t i = 0; i < n_members; i++)
        ck_assert_msg(recorder_messages(&members[i].recorder) >= n_each, "member %zu has %llu of %llu: %s", i,
                      (unsigned long long)recorder_messages(&members[i].recorder), (unsigned long long)n_each,
                      journal_text(&members[i].journal, JOURNAL_ANY));
}

static const struct ferry_message *find(const struct recorder *r, enum ferry_message_type type, uint64_t from)
{
    const struct ferry_message *found = NULL;

    for (size_t i = 0; i < r->n_kept; i++)
        if (r->kept[i]->type == type && r->kept[i]->from == from) {
            ck_assert_ptr_null(found);
            found = r->kept[i];
        }
    return found;
}

static void check_specimens(size_t n)
{
    struct specimen s;

    for (size_t from = 0; from < n; from++)
        for (size_t to = 0; to < n; to++)
            for (int type = 0; from != to && type < N_TYPES; type++) {
                const struct ferry_message *got =
                    find(&members[to].recorder, (enum ferry_message_type)type, members[from].id);
                const char *diff;

                specimen_fill(&s, (enum ferry_message_type)type, members[from].id, members[to].id);
                ck_assert_msg(got, "%s %zu to %zu did not come", ferry_message_type_name(s.msg.type), from, to);
                diff = message_diff(&s.msg, got);
                ck_assert_msg(!diff, "%s %zu to %zu: another %s", ferry_message_type_name(s.msg.type), from, to, diff);
            }
}

static void exchange_specimens(size_t n, enum ferry_delivery delivery, enum ferry_wire_form form)
{
    struct specimen s;

    for (size_t i = 0; i < n; i++) {
        members[i].config.form = form;
        members[i].recorder.keep = true;
    }
    start(n, delivery);
    members_connect(members, n);
    members_await_streams(members, n);
    for (size_t from = 0; from < n; from++)
        for (size_t to = 0; to < n; to++)
            for (int type = 0; from != to && type < N_TYPES; type++) {
                specimen_fill(&s, (enum ferry_message_type)type, members[from].id, members[to].id);
                member_send(&members[from], &s.msg);
            }
    memset(&s, 0xa5, sizeof(s)); /* what was passed may change as soon as send has returned */
    await_messages(n, (n - 1) * N_TYPES);
    members_await_rest(members, n);
    for (size_t i = 0; i < n; i++) {
        struct ferry_counts totals = member_totals(&members[i]);

        ck_assert_uint_eq(totals.sent, (n - 1) * N_TYPES);
        ck_assert_uint_eq(totals.written, (n - 1) * N_TYPES);
        ck_assert_uint_eq(totals.received, (n - 1) * N_TYPES);
        ck_assert_uint_eq(totals.received_dropped, 0);
        ck_assert_uint_eq(totals.refused, 0);
        ck_assert_uint_gt(totals.sent_bytes, 0);
        ck_assert_uint_gt(totals.received_bytes, 0);
        ck_assert_uint_eq(recorder_messages(&members[i].recorder), (n - 1) * N_TYPES);
    }
    check_specimens(n);
    for (size_t i = 0; i < n; i++) /* those kept outlive their transport */
        member_stop(&members[i]);
    check_specimens(n);
    for (size_t i = 0; i < n; i++)
        recorder_clear(&members[i].recorder);
}

START_TEST(two_members_exchange_every_type_with_every_field_in_each_form)
{
    exchange_specimens(2, FERRY_DELIVER_WORKERS, FERRY_FORM_3_4);
    exchange_specimens(2, FERRY_DELIVER_WORKERS, FERRY_FORM_3_6);
    exchange_specimens(2, FERRY_DELIVER_WORKERS, FERRY_FORM_3_7);
}
END_TEST

START_TEST(three_members_exchange_every_type_through_workers)
{
    exchange_specimens(3, FERRY_DELIVER_WORKERS, FERRY_FORM_3_4);
}
END_TEST

START_TEST(three_members_exchange_every_type_inline)
{
    exchange_specimens(3, FERRY_DELIVER_INLINE, FERRY_FORM_3_6);
}
END_TEST

START_TEST(three_members_exchange_every_type_in_a_hosts_loop)
{
    exchange_specimens(3, FERRY_DELIVER_HOST, FERRY_FORM_3_7);
}
END_TEST

/* ---- Order ---------------------------------------------------------------------------------------------------- */

#define N_ORDERED 20000u
#define ORDERED_BATCH 64u
#define ORDERED_WINDOW 1024u

/* Written by process alone: that one peer's messages come one after the other is part of what is tested. */
struct order {
    uint64_t next_append;
    uint64_t next_heartbeat;
};

static void on_ordered(void *arg, const struct ferry_message *msg)
{
    struct order *o = arg;

    if (msg->type == FERRY_MSG_APP) {
        ck_assert_uint_eq(msg->index, o->next_append);
        ck_assert_uint_eq(msg->n_entries, 1);
        ck_assert_uint_eq(msg->entries[0].index, o->next_append + 1);
        ck_assert_uint_eq(msg->entries[0].data.len, 8);
        ck_assert_int_eq(memcmp(msg->entries[0].data.data, &o->next_append, 8), 0);
        o->next_append++;
    } else {
        ck_assert_int_eq((int)msg->type, FERRY_MSG_HEARTBEAT);
        ck_assert_uint_eq(msg->commit, o->next_heartbeat);
        o->next_heartbeat++;
    }
}

static bool second_has(void *arg)
{
    return recorder_messages(&members[1].recorder) >= *(const uint64_t *)arg;
}

static void await_second(uint64_t n)
{
    ck_assert_msg(members_wait(members, 2, second_has, &n, patience_ms(10000)), "%llu of %llu came",
                  (unsigned long long)recorder_messages(&members[1].recorder), (unsigned long long)n);
}

static void send_ordered(enum ferry_delivery delivery)
{
    struct order order = {0, 0};
    uint64_t n_sent = 0;

    members[1].recorder.on_message = on_ordered;
    members[1].recorder.arg = &order;
    start(2, delivery);
    members_connect(members, 2);
    members_await_streams(members, 2);
    for (uint64_t next = 0; next < N_ORDERED;) {
        struct ferry_message batch[2 * ORDERED_BATCH];
        struct ferry_entry entries[ORDERED_BATCH];
        uint64_t indices[ORDERED_BATCH];
        size_t n = 0;

        for (size_t i = 0; i < ORDERED_BATCH && next < N_ORDERED; i++, next++) {
            indices[i] = next;
            entries[i] = (struct ferry_entry){
                .term = 3, .index = next + 1, .data = {(const uint8_t *)&indices[i], sizeof(indices[i])}};
            batch[n++] = (struct ferry_message){.type = FERRY_MSG_APP,
                                                .from = 1,
                                                .to = 2,
                                                .term = 3,
                                                .log_term = 3,
                                                .index = next,
                                                .entries = &entries[i],
                                                .n_entries = 1};
            batch[n++] = (struct ferry_message){.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2, .commit = next};
        }
        ck_assert_int_eq(ferry_transport_send(members[0].t, batch, n), FERRY_OK);
        n_sent += n;
        await_second(n_sent > ORDERED_WINDOW ? n_sent - ORDERED_WINDOW : 0);
    }
    members_await_rest(members, 2);
    ck_assert_uint_eq(member_totals(&members[0]).written, 2 * N_ORDERED);
    await_second(n_sent);
    for (size_t i = 0; i < 2; i++)
        member_stop(&members[i]);
    ck_assert_uint_eq(order.next_append, N_ORDERED);
    ck_assert_uint_eq(order.next_heartbeat, N_ORDERED);
}

START_TEST(each_stream_keeps_its_order_through_workers)
{
    send_ordered(FERRY_DELIVER_WORKERS);
}
END_TEST

START_TEST(each_stream_keeps_its_order_inline)
{
    send_ordered(FERRY_DELIVER_INLINE);
}
END_TEST

START_TEST(each_stream_keeps_its_order_in_a_hosts_loop)
{
    send_ordered(FERRY_DELIVER_HOST);
}
END_TEST

/* ---- Size ----------------------------------------------------------------------------------------------------- */

static void send_large(size_t size, enum ferry_delivery delivery, bool by_post)
{
    uint8_t *data = malloc(size);
    struct ferry_entry entry = {.term = 2, .index = 6, .data = {data, size}};
    struct ferry_message msg = {.type = FERRY_MSG_APP,
                                .from = 1,
                                .to = 2,
                                .term = 2,
                                .log_term = 1,
                                .index = 5,
                                .entries = &entry,
                                .n_entries = 1};
    uint64_t n = by_post ? 1 : 2;

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(31 * i + (i >> 16));
    members[1].recorder.keep = true;
    start(2, delivery);
    member_add(&members[0], 2, member_url(&members[1]));
    if (!by_post) {
        member_add(&members[1], 1, member_url(&members[0]));
        members_await_streams(members, 2);
    }
    member_send(&members[0], &msg);
    if (!by_post) { /* the second goes by a compact frame */
        msg.log_term = 2;
        msg.index = 6;
        entry.index = 7;
        member_send(&members[0], &msg);
    }
    await_second(n);
    members_await_rest(members, 2);
    ck_assert_uint_eq(member_totals(&members[0]).written, n);
    ck_assert_ptr_null(message_diff(&msg, members[1].recorder.kept[n - 1]));
    for (size_t i = 0; i < 2; i++)
        member_stop(&members[i]);
    recorder_clear(&members[1].recorder);
    free(data);
}

START_TEST(entries_of_a_mebibyte_and_of_eight_arrive_whole)
{
    send_large(MEBI, FERRY_DELIVER_WORKERS, false);
    send_large(8 * MEBI, FERRY_DELIVER_WORKERS, false);
    send_large(8 * MEBI, FERRY_DELIVER_INLINE, false);
    send_large(8 * MEBI, FERRY_DELIVER_HOST, false);
}
END_TEST

START_TEST(large_entries_arrive_by_post_too)
{
    send_large(MEBI, FERRY_DELIVER_WORKERS, true);
    send_large(8 * MEBI, FERRY_DELIVER_HOST, true);
}
END_TEST

START_TEST(a_message_over_the_limit_is_dropped_and_counted)
{
    static uint8_t data[65536];
    struct ferry_entry entry = {.term = 2, .index = 6, .data = {data, sizeof(data)}};
    struct ferry_message msg = {
        .type = FERRY_MSG_APP, .from = 1, .to = 2, .term = 2, .entries = &entry, .n_entries = 1};
    struct ferry_message small = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2};

    members[0].config.max_message_bytes = sizeof(data);
    start(2, FERRY_DELIVER_WORKERS);
    members_connect(members, 2);
    members_await_streams(members, 2);
    member_send(&members[0], &msg);
    member_send(&members[0], &small);
    ck_assert(recorder_wait_messages(&members[1].recorder, 1, patience_ms(5000)));
    ck_assert(recorder_wait_unreachable(&members[0].recorder, 2, patience_ms(5000)));
    members_await_rest(members, 2);
    ck_assert_uint_eq(member_totals(&members[0]).dropped[FERRY_DROP_TOO_LARGE], 1);
    ck_assert_uint_eq(member_totals(&members[0]).written, 1);
}
END_TEST

static bool second_has_redialled(void *arg)
{
    struct ferry_peer_status status = member_status(&members[1], 1);

    return status.dials[FERRY_STREAM_MSGAPP] > *(const uint64_t *)arg && status.reader_attached[FERRY_STREAM_MSGAPP];
}

START_TEST(a_frame_over_the_receivers_limit_costs_the_stream_alone)
{
    static uint8_t data[65536];
    struct ferry_entry entry = {.term = 2, .index = 6, .data = {data, sizeof(data)}};
    struct ferry_message msg = {
        .type = FERRY_MSG_APP, .from = 1, .to = 2, .term = 2, .entries = &entry, .n_entries = 1};
    struct ferry_message small = {.type = FERRY_MSG_APP, .from = 1, .to = 2};
    uint64_t dials;

    members[1].config.max_message_bytes = sizeof(data) / 2;
    start(2, FERRY_DELIVER_WORKERS);
    members_connect(members, 2);
    members_await_streams(members, 2);
    dials = member_status(&members[1], 1).dials[FERRY_STREAM_MSGAPP];
    member_send(&members[0], &msg);
    ck_assert_msg(journal_wait(&members[1].journal, 1, ferry_strerror(FERRY_ERR_TOO_LARGE), patience_ms(5000)), "%s",
                  journal_text(&members[1].journal, JOURNAL_ANY));
    ck_assert(members_wait(members, 2, second_has_redialled, &dials, patience_ms(5000)));
    member_send(&members[0], &small);
    ck_assert(recorder_wait_messages(&members[1].recorder, 1, patience_ms(5000)));
    ck_assert(member_status(&members[1], 1).reader_attached[FERRY_STREAM_MESSAGE]); /* untouched */
}
END_TEST

/* ---- Without streams ------------------------------------------------------------------------------------------ */

START_TEST(what_is_sent_before_the_streams_stand_goes_by_post)
{
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2};
    struct ferry_peer_status status;

    start(2, FERRY_DELIVER_WORKERS);
    member_add(&members[0], 2, member_url(&members[1]));
    for (msg.commit = 0; msg.commit < 50; msg.commit++)
        member_send(&members[0], &msg);
    ck_assert(recorder_wait_messages(&members[1].recorder, 50, patience_ms(10000)));
    members_await_rest(members, 1);
    status = member_status(&members[0], 2);
    ck_assert_uint_eq(status.counts.written, 50);
    ck_assert(!status.writer_attached[FERRY_STREAM_MESSAGE]);
    ck_assert(!status.writer_attached[FERRY_STREAM_MSGAPP]);

    member_add(&members[1], 1, member_url(&members[0]));
    members_await_streams(members, 2);
    for (; msg.commit < 100; msg.commit++)
        member_send(&members[0], &msg);
    ck_assert(recorder_wait_messages(&members[1].recorder, 100, patience_ms(10000)));
    members_await_rest(members, 2);
    ck_assert_uint_eq(member_totals(&members[0]).written, 100);
}
END_TEST

START_TEST(a_strangers_post_reaches_the_core)
{
    struct ferry_message msg = {.type = FERRY_MSG_PROP, .from = 3, .to = 1};

    start(3, FERRY_DELIVER_WORKERS);
    member_add(&members[2], 1, member_url(&members[0]));
    member_send(&members[2], &msg);
    ck_assert(recorder_wait_messages(&members[0].recorder, 1, patience_ms(5000)));
    members_await_rest(members, 3);
    ck_assert_uint_eq(member_totals(&members[2]).written, 1);
    ck_assert_uint_eq(ferry_transport_active_peers(members[0].t), 0);
}
END_TEST

START_TEST(a_core_that_does_not_take_a_post_fails_it)
{
    struct ferry_message msg = {.type = FERRY_MSG_VOTE, .from = 1, .to = 2};

    recorder_set_answer(&members[1].recorder, -1);
    start(2, FERRY_DELIVER_WORKERS);
    member_add(&members[0], 2, member_url(&members[1]));
    member_send(&members[0], &msg);
    ck_assert(recorder_wait_unreachable(&members[0].recorder, 2, patience_ms(5000)));
    members_await_rest(members, 2);
    ck_assert_uint_eq(member_totals(&members[0]).written, 0);
    ck_assert_uint_eq(member_totals(&members[0]).dropped[FERRY_DROP_POST_FAILED], 1);
    ck_assert_uint_eq(member_totals(&members[0]).sent, 1);
    ck_assert_uint_eq(recorder_messages(&members[1].recorder), 1);
    ck_assert(!member_status(&members[0], 2).active);
}
END_TEST

/* The worker counts after the core has spoken, so maybe after the test has seen that it was asked. */
static bool second_has_refused(void *arg)
{
    (void)arg;
    return member_totals(&members[1]).refused > 0;
}

START_TEST(a_core_that_does_not_take_a_streamed_message_is_only_counted)
{
    struct ferry_message msg = {.type = FERRY_MSG_VOTE, .from = 1, .to = 2};

    recorder_set_answer(&members[1].recorder, -1);
    start(2, FERRY_DELIVER_WORKERS);
    members_connect(members, 2);
    members_await_streams(members, 2);
    member_send(&members[0], &msg);
    ck_assert(recorder_wait_messages(&members[1].recorder, 1, patience_ms(5000)));
    ck_assert(members_wait(members, 2, second_has_refused, NULL, patience_ms(5000)));
    members_await_rest(members, 2);
    member_stop(&members[0]);
    ck_assert_uint_eq(member_totals(&members[1]).received, 1);
    ck_assert_uint_eq(member_totals(&members[1]).refused, 1);
}
END_TEST

START_TEST(each_snapshot_is_reported_exactly_once)
{
    struct ferry_snapshot snapshot = {.data = bytes_of("state"), .index = 7, .term = 2};
    struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .to = 2, .term = 2, .snapshot = &snapshot};

    members[1].recorder.keep = true;
    start(2, FERRY_DELIVER_WORKERS);
    members_connect(members, 2);
    members_await_streams(members, 2);
    member_send(&members[0], &msg);
    ck_assert(recorder_wait_messages(&members[1].recorder, 1, patience_ms(5000)));
    ck_assert_ptr_null(message_diff(&msg, members[1].recorder.kept[0]));
    members_await_rest(members, 2);
    member_stop(&members[1]); /* connecting is refused now */
    member_send(&members[0], &msg);
    ck_assert(recorder_wait_unreachable(&members[0].recorder, 2, patience_ms(10000)));
    members_await_rest(members, 1);
    member_stop(&members[0]); /* no callback comes after it */
    ck_assert_uint_eq(recorder_snapshots(&members[0].recorder, 2, FERRY_SNAPSHOT_FINISH), 1);
    ck_assert_uint_eq(recorder_snapshots(&members[0].recorder, 2, FERRY_SNAPSHOT_FAILURE), 1);
}
END_TEST

/* ---- Whom and whom not ---------------------------------------------------------------------------------------- */

START_TEST(a_batch_reaches_several_members_and_skips_only_unknown_ones)
{
    struct ferry_message batch[] = {
        {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2},
        {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 0}, /* skipped */
        {.type = FERRY_MSG_APP, .from = 1, .to = 3},
        {.type = FERRY_MSG_VOTE, .from = 1, .to = 99}, /* not a member */
        {.type = FERRY_MSG_VOTE, .from = 1, .to = 2},
    };
    struct ferry_counts totals;

    start(3, FERRY_DELIVER_INLINE);
    members_connect(members, 3);
    members_await_streams(members, 3);
    ck_assert_int_eq(ferry_transport_send(members[0].t, batch, 5), FERRY_OK);
    ck_assert_int_eq(ferry_transport_send(members[0].t, NULL, 0), FERRY_OK);
    ck_assert(recorder_wait_messages(&members[1].recorder, 2, patience_ms(5000)));
    ck_assert(recorder_wait_messages(&members[2].recorder, 1, patience_ms(5000)));
    members_await_rest(members, 3);
    totals = member_totals(&members[0]);
    ck_assert_uint_eq(totals.sent, 4);
    ck_assert_uint_eq(totals.written, 3);
    ck_assert_uint_eq(totals.dropped[FERRY_DROP_UNKNOWN_PEER], 1);
    ck_assert_uint_eq(member_status(&members[0], 2).counts.written, 2);
    ck_assert_uint_eq(member_status(&members[0], 3).counts.written, 1);
}
END_TEST

/* ---- Peace ---------------------------------------------------------------------------------------------------- */

static uint64_t dials_between_two(void)
{
    uint64_t n = 0;

    for (size_t i = 0; i < 2; i++)
        for (int k = 0; k < FERRY_N_STREAMS; k++)
            n += member_status(&members[i], members[1 - i].id).dials[k];
    return n;
}

#define IDLE_READ_TIMEOUT_MS 900
#define IDLE_MS 1200 /* a stream without heartbeats would be gone by then */
#define MAX_IDLE_TRIES 10

static bool was_dialled_again(void *arg)
{
    return dials_between_two() != *(const uint64_t *)arg || !member_has_streams(&members[0], 2);
}

/* If the whole machine was stalled, members have not received from each other: that proves nothing. */
static bool are_kept_up(void)
{
    for (int i = 0; i < MAX_IDLE_TRIES; i++) {
        uint64_t dials, still_ms = standstill_ms();

        members_await_streams(members, 2);
        dials = dials_between_two();
        if (!members_wait(members, 2, was_dialled_again, &dials, patience_ms(IDLE_MS)))
            return true;
        if (standstill_ms() - still_ms < patience_ms(IDLE_READ_TIMEOUT_MS) / 2)
            return false;
    }
    return false;
}

static void stay_idle(enum ferry_delivery delivery)
{
    for (size_t i = 0; i < 2; i++)
        members[i].config.read_timeout_ms = patience_ms(IDLE_READ_TIMEOUT_MS);
    start(2, delivery);
    members_connect(members, 2);
    standstill_start();
    ck_assert(are_kept_up());
    standstill_stop();
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(recorder_messages(&members[i].recorder), 0); /* link heartbeats are not delivered */
        ck_assert_uint_eq(member_totals(&members[i]).received, 0);
        member_stop(&members[i]);
    }
}

START_TEST(idle_streams_stay_up_by_their_heartbeats)
{
    stay_idle(FERRY_DELIVER_WORKERS);
    stay_idle(FERRY_DELIVER_HOST);
}
END_TEST

int main(void)
{
    return rig_main(
        "exchange", setup, teardown, two_members_exchange_every_type_with_every_field_in_each_form,
        three_members_exchange_every_type_through_workers, three_members_exchange_every_type_inline,
        three_members_exchange_every_type_in_a_hosts_loop, each_stream_keeps_its_order_through_workers,
        each_stream_keeps_its_order_inline, each_stream_keeps_its_order_in_a_hosts_loop,
        entries_of_a_mebibyte_and_of_eight_arrive_whole, large_entries_arrive_by_post_too,
        a_message_over_the_limit_is_dropped_and_counted, a_frame_over_the_receivers_limit_costs_the_stream_alone,
        what_is_sent_before_the_streams_stand_goes_by_post, a_strangers_post_reaches_the_core,
        a_core_that_does_not_take_a_post_fails_it, a_core_that_does_not_take_a_streamed_message_is_only_counted,
        each_snapshot_is_reported_exactly_once, a_batch_reaches_several_members_and_skips_only_unknown_ones,
        idle_streams_stay_up_by_their_heartbeats, NULL);
}
