/*
 * libraft's messages as raftpb's and back, over the wire.
 */
#include "adapters/libraft/raft_message.h"

#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/raft_heap.h"
#include "harness/rig.h"
#include "wire/encoder.h"
#include "wire/message.h"
#include "wire/outgoing.h"

#define SELF 3
#define ADDRESS "http://10.0.0.3:2380"
#define ALL_BYTES (((size_t)16 << 20) + 100) /* of entries, and what little they take beside their data */
#define MAX_BYTES (1u << 20)

static void setup(void)
{
    heap_setup();
    raft_heap_setup();
}

static void teardown(void)
{
    raft_heap_teardown();
    heap_teardown();
}

/* What the other end decodes of what is sent, by POST. */
static const struct ferry_message *over_the_wire(const struct ferry_message *msg, enum ferry_wire_form form)
{
    const struct ferry_message *seen;
    struct fy_outgoing *packed;

    ck_assert_int_eq(fy_outgoing_new(msg, form, MAX_BYTES, &packed), FERRY_OK);
    {
        struct fy_encoder enc;
        size_t len = packed->packed_len;
        uint8_t *bytes = malloc(len);

        fy_encoder_init(&enc, FY_CODEC_BARE, form);
        fy_encoder_start(&enc, packed);
        ck_assert_uint_eq(fy_encoder_read(&enc, bytes, len), len);
        ck_assert_int_eq(fy_message_decode(bytes, len, MAX_BYTES, &seen), FERRY_OK);
        free(bytes);
    }
    fy_outgoing_free(packed);
    return seen;
}

/* The message as the other end's core is given it; body: of a snapshot, NULL for all else. */
static void travel(const struct raft_message *message, enum ferry_wire_form form, struct raft_buffer *body,
                   struct raft_message *ret_message)
{
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    const struct ferry_message *seen;
    struct fy_raft_out out;

    ck_assert_int_eq(fy_raft_out_init(&out, message, SELF, ADDRESS, ALL_BYTES), FERRY_OK);
    ck_assert_uint_eq(out.msg.to, message->server_id);
    ck_assert_uint_eq(out.msg.from, SELF);
    seen = over_the_wire(&out.msg, form);
    fy_raft_out_release(&out);
    memset(ret_message, 0xee, sizeof(*ret_message));
    ck_assert_int_eq(fy_raft_in_init(ret_message, seen, body, sender), FERRY_OK);
    ferry_message_unref(seen);
    ck_assert_uint_eq(ret_message->type, message->type);
    ck_assert_uint_eq(ret_message->server_id, SELF);
    ck_assert_str_eq(sender, ADDRESS);
}

static enum ferry_message_type type_of(const struct raft_message *message)
{
    struct fy_raft_out out;

    ck_assert_int_eq(fy_raft_out_init(&out, message, SELF, ADDRESS, ALL_BYTES), FERRY_OK);
    fy_raft_out_release(&out);
    return out.msg.type;
}

/* libraft 0.15 has no reports: none arrives. */
static void assert_same_report(struct fy_raft_report seen, struct fy_raft_report sent)
{
    ck_assert_uint_eq(seen.features, FY_RAFT_IS_0_22 ? sent.features : 0);
    ck_assert_uint_eq(seen.capacity, FY_RAFT_IS_0_22 ? sent.capacity : 0);
}

START_TEST(a_request_for_a_vote_travels_whole)
{
    for (int form = FERRY_FORM_3_4; form <= FERRY_FORM_3_7; form++) {
        for (int i = 0; i < 4; i++) {
            struct raft_message seen;
            struct raft_message message = {.type = RAFT_REQUEST_VOTE,
                                           .server_id = 2,
                                           .request_vote = {.term = 7,
                                                            .candidate_id = SELF,
                                                            .last_log_index = UINT64_MAX,
                                                            .last_log_term = 6,
                                                            .disrupt_leader = i & 1,
                                                            .pre_vote = i & 2}};

            ck_assert_int_eq(type_of(&message), i & 2 ? FERRY_MSG_PRE_VOTE : FERRY_MSG_VOTE);
            travel(&message, (enum ferry_wire_form)form, NULL, &seen);
            ck_assert_uint_eq(seen.request_vote.term, 7);
            ck_assert_uint_eq(seen.request_vote.candidate_id, SELF);
            ck_assert_uint_eq(seen.request_vote.last_log_index, UINT64_MAX);
            ck_assert_uint_eq(seen.request_vote.last_log_term, 6);
            ck_assert_int_eq(seen.request_vote.disrupt_leader, i & 1);
            ck_assert_int_eq(seen.request_vote.pre_vote, (i & 2) != 0);
        }
    }
}
END_TEST

START_TEST(a_vote_travels_whole)
{
    static const enum fy_raft_pre_vote pre_votes[] = {FY_RAFT_PRE_VOTE_UNKNOWN, FY_RAFT_PRE_VOTE_YES,
                                                      FY_RAFT_PRE_VOTE_NO};

    for (int i = 0; i < 6; i++) {
        struct raft_message seen;
        struct raft_message message = {.type = RAFT_REQUEST_VOTE_RESULT,
                                       .server_id = 2,
                                       .request_vote_result = {.term = 9, .vote_granted = i & 1}};
        struct fy_raft_report report = {.features = 1, .capacity = 0xfffe};

        fy_raft_set_pre_vote(&message.request_vote_result, pre_votes[i / 2]);
        fy_raft_set_report(&message.request_vote_result, report);
        ck_assert_int_eq(type_of(&message), i / 2 == 1 ? FERRY_MSG_PRE_VOTE_RESP : FERRY_MSG_VOTE_RESP);
        travel(&message, FERRY_FORM_3_4, NULL, &seen);
        ck_assert_uint_eq(seen.request_vote_result.term, 9);
        ck_assert_int_eq(seen.request_vote_result.vote_granted, i & 1);
        ck_assert_int_eq(fy_raft_get_pre_vote(&seen.request_vote_result), pre_votes[i / 2]);
        assert_same_report(fy_raft_get_report(&seen.request_vote_result), report);
    }
}
END_TEST

START_TEST(an_answer_to_entries_travels_whole)
{
    static const raft_index rejected[] = {0, 17};

    for (int i = 0; i < 2; i++) {
        struct raft_message seen;
        struct raft_message message = {
            .type = RAFT_APPEND_ENTRIES_RESULT,
            .server_id = 2,
            .append_entries_result = {.term = 4, .rejected = rejected[i], .last_log_index = 12}};
        struct fy_raft_report report = {.features = 0, .capacity = (uint16_t)i};

        fy_raft_set_report(&message.append_entries_result, report);
        ck_assert_int_eq(type_of(&message), FERRY_MSG_APP_RESP);
        travel(&message, FERRY_FORM_3_4, NULL, &seen);
        ck_assert_uint_eq(seen.append_entries_result.term, 4);
        ck_assert_uint_eq(seen.append_entries_result.rejected, rejected[i]);
        ck_assert_uint_eq(seen.append_entries_result.last_log_index, 12);
        assert_same_report(fy_raft_get_report(&seen.append_entries_result), report);
    }
}
END_TEST

START_TEST(a_call_to_take_over_travels_whole)
{
    struct raft_message seen;
    struct raft_message message = {
        .type = RAFT_TIMEOUT_NOW, .server_id = 2, .timeout_now = {.term = 4, .last_log_index = 12, .last_log_term = 3}};

    ck_assert_int_eq(type_of(&message), FERRY_MSG_TIMEOUT_NOW);
    travel(&message, FERRY_FORM_3_4, NULL, &seen);
    ck_assert_uint_eq(seen.timeout_now.term, 4);
    ck_assert_uint_eq(seen.timeout_now.last_log_index, 12);
    ck_assert_uint_eq(seen.timeout_now.last_log_term, 3);
}
END_TEST

static char barrier_bytes[8] = "garbage";
static char odd_bytes[13] = "thirteen long";
static char change_bytes[16] = "a configuration";

static struct raft_entry entries[] = {
    {.term = 1, .type = RAFT_COMMAND, .buf = {odd_bytes, sizeof(odd_bytes)}},
    {.term = 1, .type = RAFT_BARRIER, .buf = {barrier_bytes, sizeof(barrier_bytes)}},
    {.term = 2, .type = RAFT_COMMAND, .buf = {NULL, 0}},
    {.term = 2, .type = RAFT_CHANGE, .buf = {change_bytes, sizeof(change_bytes)}},
};
#define N_ENTRIES (sizeof(entries) / sizeof(*entries))

static struct raft_message append_message(unsigned n)
{
    return (struct raft_message){.type = RAFT_APPEND_ENTRIES,
                                 .server_id = 2,
                                 .append_entries = {.term = 2,
                                                    .prev_log_index = 10,
                                                    .prev_log_term = 1,
                                                    .leader_commit = 9,
                                                    .entries = n > 0 ? entries : NULL,
                                                    .n_entries = n}};
}

static void assert_entries(const struct raft_append_entries *seen)
{
    static const char zeros[8];

    ck_assert_uint_eq(seen->n_entries, N_ENTRIES);
    for (unsigned i = 0; i < N_ENTRIES; i++) {
        const struct raft_entry *entry = &seen->entries[i];

        ck_assert_uint_eq(entry->term, entries[i].term);
        ck_assert_uint_eq(entry->type, entries[i].type);
        ck_assert_uint_eq(entry->buf.len, entries[i].buf.len);
        ck_assert_ptr_eq(entry->batch, seen->entries[0].buf.base);
        ck_assert_uint_eq((uintptr_t)entry->buf.base % 8, 0);
        if (entry->buf.len > 0)
            ck_assert_mem_eq(entry->buf.base, entry->type == RAFT_BARRIER ? zeros : entries[i].buf.base,
                             entry->buf.len);
    }
}

START_TEST(entries_travel_whole_into_one_batch)
{
    for (int form = FERRY_FORM_3_4; form <= FERRY_FORM_3_7; form++) {
        struct raft_message message = append_message(N_ENTRIES);
        struct raft_message seen;

        ck_assert_int_eq(type_of(&message), FERRY_MSG_APP);
        travel(&message, (enum ferry_wire_form)form, NULL, &seen);
        ck_assert_uint_eq(seen.append_entries.term, 2);
        ck_assert_uint_eq(seen.append_entries.prev_log_index, 10);
        ck_assert_uint_eq(seen.append_entries.prev_log_term, 1);
        ck_assert_uint_eq(seen.append_entries.leader_commit, 9);
        assert_entries(&seen.append_entries);
        fy_raft_in_release(&seen);
    }
}
END_TEST

START_TEST(no_more_is_committed_than_the_message_shows_in_common)
{
    struct raft_message message = append_message(N_ENTRIES);
    struct raft_message seen;

    message.append_entries.leader_commit = 99;
    travel(&message, FERRY_FORM_3_4, NULL, &seen);
    ck_assert_uint_eq(seen.append_entries.leader_commit, 10 + N_ENTRIES);
    fy_raft_in_release(&seen);
    message = append_message(0);
    message.append_entries.leader_commit = 11; /* a leftover of the follower's may stand there */
    travel(&message, FERRY_FORM_3_4, NULL, &seen);
    ck_assert_uint_eq(seen.append_entries.leader_commit, 10);
    fy_raft_in_release(&seen);
}
END_TEST

/* The sizes of entries in MiB, and how many of them go first. */
START_TEST(more_than_a_message_bears_goes_in_parts)
{
    static const struct {
        size_t mib[3];
        size_t n;
    } rows[] = {{{5, 5, 5}, 3}, {{8, 8, 1}, 2}, {{10, 10, 1}, 1}, {{20, 1, 1}, 1}, {{1, 20, 1}, 1}};
    static char large[20 << 20];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct raft_entry some[3];
        struct raft_message message = append_message(3);
        struct fy_raft_out out;

        for (size_t k = 0; k < 3; k++)
            some[k] = (struct raft_entry){.term = 1, .type = RAFT_COMMAND, .buf = {large, rows[i].mib[k] << 20}};
        message.append_entries.entries = some;
        ck_assert_int_eq(fy_raft_out_init(&out, &message, SELF, ADDRESS, ALL_BYTES), FERRY_OK);
        ck_assert_uint_eq(out.msg.n_entries, rows[i].n);
        fy_raft_out_release(&out);
    }
}
END_TEST

START_TEST(pieces_follow_each_other)
{
    static char data[1000];
    struct raft_entry some[5];
    struct raft_message message = append_message(5);
    struct fy_raft_out out;

    for (size_t i = 0; i < 5; i++)
        some[i] = (struct raft_entry){.term = 1 + i, .type = RAFT_COMMAND, .buf = {data, i == 3 ? 1000 : 100}};
    message.append_entries.entries = some;
    ck_assert_int_eq(fy_raft_out_init(&out, &message, SELF, ADDRESS, ALL_BYTES), FERRY_OK);

    fy_raft_out_cut(&out, 250); /* the first two */
    ck_assert_uint_eq(out.msg.index, 10);
    ck_assert_uint_eq(out.msg.n_entries, 2);
    ck_assert(fy_raft_out_next(&out));
    fy_raft_out_cut(&out, 250); /* the third: the fourth is larger */
    ck_assert_uint_eq(out.msg.index, 12);
    ck_assert_uint_eq(out.msg.log_term, 2);
    ck_assert_uint_eq(out.msg.n_entries, 1);
    ck_assert_uint_eq(out.msg.entries[0].index, 13);
    ck_assert(fy_raft_out_next(&out));
    fy_raft_out_cut(&out, 250);
    ck_assert_uint_eq(out.msg.n_entries, 1);
    ck_assert_uint_eq(out.msg.entries[0].index, 14);
    ck_assert_uint_eq(out.msg.entries[0].data.len, 1000);
    ck_assert(fy_raft_out_next(&out));
    fy_raft_out_cut(&out, 250);
    ck_assert_uint_eq(out.msg.index, 14);
    ck_assert_uint_eq(out.msg.log_term, 4);
    ck_assert_uint_eq(out.msg.n_entries, 1);
    ck_assert(!fy_raft_out_next(&out));
    fy_raft_out_release(&out);

    message = append_message(0);
    ck_assert_int_eq(fy_raft_out_init(&out, &message, SELF, ADDRESS, ALL_BYTES), FERRY_OK);
    fy_raft_out_cut(&out, 250);
    ck_assert_uint_eq(out.msg.n_entries, 0);
    ck_assert(!fy_raft_out_next(&out));
    fy_raft_out_release(&out);
}
END_TEST

START_TEST(a_heartbeat_is_a_message_without_entries)
{
    struct raft_message message = append_message(0);
    struct raft_message seen;

    ck_assert_int_eq(type_of(&message), FERRY_MSG_APP);
    travel(&message, FERRY_FORM_3_4, NULL, &seen);
    ck_assert_uint_eq(seen.append_entries.prev_log_index, 10);
    ck_assert_uint_eq(seen.append_entries.n_entries, 0);
    ck_assert_ptr_null(seen.append_entries.entries);
    fy_raft_in_release(&seen);
}
END_TEST

static void fill_conf(struct raft_configuration *conf)
{
    raft_configuration_init(conf);
    ck_assert_int_eq(raft_configuration_add(conf, 1, "http://a:1", RAFT_VOTER), 0);
    ck_assert_int_eq(raft_configuration_add(conf, 2, "http://b:1", RAFT_STANDBY), 0);
    ck_assert_int_eq(raft_configuration_add(conf, 3, "http://c:1", RAFT_VOTER), 0);
    ck_assert_int_eq(raft_configuration_add(conf, 4, "http://d:1", RAFT_SPARE), 0);
}

static struct raft_message snapshot_message(struct raft_configuration *conf)
{
    return (struct raft_message){.type = RAFT_INSTALL_SNAPSHOT,
                                 .server_id = 2,
                                 .install_snapshot = {.term = 5,
                                                      .last_index = 100,
                                                      .last_term = 4,
                                                      .conf = *conf,
                                                      .conf_index = 80,
                                                      .data = {odd_bytes, sizeof(odd_bytes)}}};
}

static struct raft_buffer body_of(const char *text)
{
    struct raft_buffer body = {.base = raft_malloc(strlen(text)), .len = strlen(text)};

    memcpy(body.base, text, body.len);
    return body;
}

START_TEST(a_snapshot_travels_whole_with_its_data_as_the_body)
{
    struct raft_buffer body = body_of("the body");
    void *base = body.base;
    struct raft_configuration conf;
    struct raft_message message, seen;

    fill_conf(&conf);
    message = snapshot_message(&conf);
    ck_assert_int_eq(type_of(&message), FERRY_MSG_SNAP);
    travel(&message, FERRY_FORM_3_4, &body, &seen);
    ck_assert_uint_eq(seen.install_snapshot.term, 5);
    ck_assert_uint_eq(seen.install_snapshot.last_index, 100);
    ck_assert_uint_eq(seen.install_snapshot.last_term, 4);
    ck_assert_uint_eq(seen.install_snapshot.conf_index, 80);
    ck_assert_uint_eq(seen.install_snapshot.conf.n, 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(seen.install_snapshot.conf.servers[i].id, conf.servers[i].id);
        ck_assert_int_eq(seen.install_snapshot.conf.servers[i].role, conf.servers[i].role);
        ck_assert_str_eq(seen.install_snapshot.conf.servers[i].address, conf.servers[i].address);
    }
    ck_assert_ptr_eq(seen.install_snapshot.data.base, base);
    ck_assert_uint_eq(seen.install_snapshot.data.len, 8);
    ck_assert_ptr_null(body.base);
    fy_raft_in_release(&seen);
    raft_configuration_close(&conf);
}
END_TEST

START_TEST(a_snapshot_shows_its_voters_and_learners)
{
    struct raft_configuration conf;
    struct raft_message message;
    const struct ferry_conf_state *state;
    struct fy_raft_out out;

    fill_conf(&conf);
    message = snapshot_message(&conf);
    ck_assert_int_eq(fy_raft_out_init(&out, &message, SELF, ADDRESS, ALL_BYTES), FERRY_OK);
    state = &out.msg.snapshot->conf_state;
    ck_assert_uint_eq(state->n_voters, 2);
    ck_assert_uint_eq(state->voters[0], 1);
    ck_assert_uint_eq(state->voters[1], 3);
    ck_assert_uint_eq(state->n_learners, 1);
    ck_assert_uint_eq(state->learners[0], 2);
    ck_assert_ptr_null(out.msg.snapshot->data.data);
    fy_raft_out_release(&out);
    raft_configuration_close(&conf);
}
END_TEST

/* A MsgSnap as ours, with what the caller changes of it. */
static struct ferry_message some_snapshot(struct ferry_snapshot *snapshot, uint8_t **ret_context)
{
    const struct fy_raft_context context = {.sender = ADDRESS};
    struct raft_configuration conf;
    size_t len;

    fill_conf(&conf);
    ck_assert_int_eq(fy_raft_context_write_conf(&context, &conf, 3, ret_context, &len), FERRY_OK);
    raft_configuration_close(&conf);
    *snapshot = (struct ferry_snapshot){.index = 3, .term = 1, .data = {(const uint8_t *)"inside", 6}};
    return (struct ferry_message){
        .type = FERRY_MSG_SNAP, .from = 2, .snapshot = snapshot, .context = {*ret_context, len}};
}

START_TEST(data_inside_the_message_will_do)
{
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    struct ferry_snapshot snapshot;
    struct raft_message seen;
    uint8_t *context;
    struct ferry_message msg = some_snapshot(&snapshot, &context);

    ck_assert_int_eq(fy_raft_in_init(&seen, &msg, NULL, sender), FERRY_OK);
    ck_assert_uint_eq(seen.install_snapshot.data.len, 6);
    ck_assert_mem_eq(seen.install_snapshot.data.base, "inside", 6);
    fy_raft_in_release(&seen);
    free(context);
}
END_TEST

START_TEST(a_snapshot_without_data_or_configuration_is_refused)
{
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    struct ferry_snapshot snapshot;
    struct raft_message seen;
    uint8_t *context;
    struct ferry_message msg = some_snapshot(&snapshot, &context);

    snapshot.data = (struct ferry_bytes){NULL, 0};
    ck_assert_int_eq(fy_raft_in_init(&seen, &msg, NULL, sender), FERRY_ERR_MALFORMED);
    msg.snapshot = NULL;
    ck_assert_int_eq(fy_raft_in_init(&seen, &msg, NULL, sender), FERRY_ERR_MALFORMED);
    msg.snapshot = &snapshot;
    msg.context = (struct ferry_bytes){NULL, 0};
    ck_assert_int_eq(fy_raft_in_init(&seen, &msg, NULL, sender), FERRY_ERR_TRUNCATED);
    free(context);
}
END_TEST

START_TEST(what_libraft_has_no_counterpart_of_is_refused)
{
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    struct raft_message seen;

    for (int type = FERRY_MSG_HUP; type <= FERRY_MSG_FORGET_LEADER + 1; type++) {
        struct ferry_message msg = {.type = (enum ferry_message_type)type, .from = 2};
        int err = fy_raft_in_init(&seen, &msg, NULL, sender);

        switch (type) {
        case FERRY_MSG_APP:
        case FERRY_MSG_APP_RESP:
        case FERRY_MSG_VOTE:
        case FERRY_MSG_VOTE_RESP:
        case FERRY_MSG_PRE_VOTE:
        case FERRY_MSG_PRE_VOTE_RESP:
        case FERRY_MSG_TIMEOUT_NOW:
            ck_assert_int_eq(err, FERRY_OK);
            break;
        case FERRY_MSG_SNAP:
            ck_assert_int_eq(err, FERRY_ERR_MALFORMED);
            break;
        default:
            ck_assert_int_eq(err, FERRY_ERR_INVALID);
        }
    }
}
END_TEST

static int receive_entry(struct ferry_entry entry)
{
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    struct ferry_message msg = {.type = FERRY_MSG_APP, .from = 2, .index = 4, .entries = &entry, .n_entries = 1};
    struct raft_message seen;
    int err = fy_raft_in_init(&seen, &msg, NULL, sender);

    if (err == FERRY_OK)
        fy_raft_in_release(&seen);
    return err;
}

START_TEST(entries_that_libraft_has_not_are_refused)
{
    ck_assert_int_eq(receive_entry((struct ferry_entry){.index = 5, .term = 1}), FERRY_OK);
    ck_assert_int_eq(receive_entry((struct ferry_entry){.index = 5}), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(receive_entry((struct ferry_entry){.index = 6, .term = 1}), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(receive_entry((struct ferry_entry){.index = 5, .term = 1, .type = FERRY_ENTRY_CONF_CHANGE_V2}),
                     FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(a_refusal_of_nothing_is_refused)
{
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    struct ferry_message msg = {.type = FERRY_MSG_APP_RESP, .from = 2, .reject = true};
    struct raft_message seen;

    ck_assert_int_eq(fy_raft_in_init(&seen, &msg, NULL, sender), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(a_message_of_libraft_that_has_no_form_is_refused)
{
    struct raft_entry strange = {.term = 1, .type = 99};
    struct raft_message message = append_message(1);
    struct fy_raft_out out;

    message.append_entries.entries = &strange;
    ck_assert_int_eq(fy_raft_out_init(&out, &message, SELF, ADDRESS, ALL_BYTES), FERRY_ERR_INVALID);
    message.type = 99;
    ck_assert_int_eq(fy_raft_out_init(&out, &message, SELF, ADDRESS, ALL_BYTES), FERRY_ERR_INVALID);
}
END_TEST

static void send_survives_failed_allocations(const struct raft_message *message)
{
    int err = FERRY_ERR_NOMEM;
    struct fy_raft_out out;
    long nth;

    for (nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_raft_out_init(&out, message, SELF, ADDRESS, ALL_BYTES);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_int_ge(nth, 2);
    fy_raft_out_release(&out);
}

START_TEST(sending_survives_every_failed_allocation)
{
    struct raft_message message = append_message(N_ENTRIES);
    struct raft_configuration conf;

    send_survives_failed_allocations(&message);
    fill_conf(&conf);
    message = snapshot_message(&conf);
    send_survives_failed_allocations(&message);
    raft_configuration_close(&conf);
}
END_TEST

static void receiving_survives_failed_allocations(const struct ferry_message *msg)
{
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    int err = FERRY_ERR_NOMEM;
    struct raft_message seen;
    long nth;

    for (nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        raft_heap_fail_at(nth);
        err = fy_raft_in_init(&seen, msg, NULL, sender);
        raft_heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_int_ge(nth, 3);
    fy_raft_in_release(&seen);
}

START_TEST(receiving_survives_every_failed_allocation)
{
    struct raft_message message = append_message(N_ENTRIES);
    struct ferry_snapshot snapshot;
    struct ferry_message msg;
    struct fy_raft_out out;
    uint8_t *context;

    ck_assert_int_eq(fy_raft_out_init(&out, &message, SELF, ADDRESS, ALL_BYTES), FERRY_OK);
    receiving_survives_failed_allocations(&out.msg);
    fy_raft_out_release(&out);
    msg = some_snapshot(&snapshot, &context);
    receiving_survives_failed_allocations(&msg);
    free(context);
}
END_TEST

int main(void)
{
    return rig_main("raft_message", setup, teardown, a_request_for_a_vote_travels_whole, a_vote_travels_whole,
                    an_answer_to_entries_travels_whole, a_call_to_take_over_travels_whole,
                    entries_travel_whole_into_one_batch, no_more_is_committed_than_the_message_shows_in_common,
                    more_than_a_message_bears_goes_in_parts, pieces_follow_each_other,
                    a_heartbeat_is_a_message_without_entries, a_snapshot_travels_whole_with_its_data_as_the_body,
                    a_snapshot_shows_its_voters_and_learners, data_inside_the_message_will_do,
                    a_snapshot_without_data_or_configuration_is_refused, what_libraft_has_no_counterpart_of_is_refused,
                    entries_that_libraft_has_not_are_refused, a_refusal_of_nothing_is_refused,
                    a_message_of_libraft_that_has_no_form_is_refused, sending_survives_every_failed_allocation,
                    receiving_survives_every_failed_allocation, NULL);
}
