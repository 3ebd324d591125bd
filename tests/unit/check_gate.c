/*
 * check_gate - every rule of the gate: a message that just satisfies it passes, and one that just breaks it does not.
 */
#include <stdlib.h>
#include <string.h>

#include "ferry/gate.h"
#include "harness/rig.h"

#define SELF 1
#define LEADER 2
#define OTHER 3
#define STRANGER 9

/* A follower at term 5: entries 4 to 10, of which 8 are committed; 1 to 3 are in a snapshot of term 2. */
static struct ferry_core_view view;

static bool is_member(void *ctx, uint64_t id)
{
    (void)ctx;
    return id == SELF || id == LEADER || id == OTHER;
}

static uint64_t term_of(void *ctx, uint64_t index)
{
    static const uint64_t terms[] = {0, 0, 0, 2, 3, 3, 3, 4, 4, 5, 5};

    (void)ctx;
    return index < sizeof(terms) / sizeof(terms[0]) ? terms[index] : 0;
}

static void setup(void)
{
    view = (struct ferry_core_view)FERRY_CORE_VIEW_INIT;
    view.id = SELF;
    view.term = 5;
    view.leader = LEADER;
    view.last_index = 10;
    view.commit_index = 8;
    view.has_configuration = true;
    view.is_member = is_member;
    view.term_of = term_of;
}

static struct ferry_message message(enum ferry_message_type type)
{
    return (struct ferry_message){.type = type, .from = LEADER, .to = SELF, .term = 5};
}

static struct ferry_message append(uint64_t index, uint64_t log_term, const struct ferry_entry *entries, size_t n)
{
    struct ferry_message msg = message(FERRY_MSG_APP);

    msg.index = index;
    msg.log_term = log_term;
    msg.entries = entries;
    msg.n_entries = n;
    return msg;
}

static void expect(const struct ferry_message *msg, enum ferry_verdict verdict)
{
    ck_assert_str_eq(ferry_verdict_text(ferry_message_judge(msg, &view)), ferry_verdict_text(verdict));
}

START_TEST(what_a_leader_sends_is_admitted)
{
    struct ferry_entry entry = {.term = 5, .index = 11};
    struct ferry_message beat = message(FERRY_MSG_HEARTBEAT);
    struct ferry_message next = append(10, 5, &entry, 1);
    struct ferry_message again = append(7, 4, &(struct ferry_entry){.term = 4, .index = 8}, 1);
    struct ferry_message replaced = append(8, 4, &(struct ferry_entry){.term = 4, .index = 9}, 1);

    expect(&beat, FERRY_VERDICT_ADMIT);
    expect(&next, FERRY_VERDICT_ADMIT);
    expect(&again, FERRY_VERDICT_ADMIT);
    expect(&replaced, FERRY_VERDICT_ADMIT); /* entry 9 is not committed here */
}
END_TEST

START_TEST(a_type_that_members_do_not_send_is_refused)
{
    static const enum ferry_message_type local[] = {FERRY_MSG_HUP,
                                                    FERRY_MSG_BEAT,
                                                    FERRY_MSG_UNREACHABLE,
                                                    FERRY_MSG_SNAP_STATUS,
                                                    FERRY_MSG_CHECK_QUORUM,
                                                    FERRY_MSG_STORAGE_APPEND,
                                                    FERRY_MSG_STORAGE_APPLY,
                                                    FERRY_MSG_STORAGE_APPEND_RESP,
                                                    FERRY_MSG_STORAGE_APPLY_RESP,
                                                    (enum ferry_message_type)24,
                                                    (enum ferry_message_type) - 1};

    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        struct ferry_message msg = message(local[i]);

        expect(&msg, FERRY_VERDICT_LOCAL_TYPE);
    }
}
END_TEST

START_TEST(the_sender_is_another_member_of_the_configuration)
{
    struct ferry_message msg = message(FERRY_MSG_HEARTBEAT);

    msg.from = SELF;
    expect(&msg, FERRY_VERDICT_FROM_SELF);
    msg.from = 0;
    expect(&msg, FERRY_VERDICT_FROM_SELF);
    msg.from = STRANGER;
    expect(&msg, FERRY_VERDICT_UNKNOWN_SENDER);
    view.has_configuration = false; /* joining */
    view.leader = 0;
    expect(&msg, FERRY_VERDICT_ADMIT);
    view.has_configuration = true;
    view.is_member = NULL;
    expect(&msg, FERRY_VERDICT_ADMIT);
}
END_TEST

START_TEST(the_receiver_is_this_member)
{
    struct ferry_message msg = message(FERRY_MSG_HEARTBEAT);

    msg.to = OTHER;
    expect(&msg, FERRY_VERDICT_WRONG_MEMBER);
    msg.to = 0;
    expect(&msg, FERRY_VERDICT_ADMIT);
}
END_TEST

START_TEST(a_term_is_not_zero_nor_far_ahead)
{
    struct ferry_message msg = message(FERRY_MSG_VOTE);
    struct ferry_message proposal = message(FERRY_MSG_PROP);

    msg.term = 0;
    expect(&msg, FERRY_VERDICT_TERM_ZERO);
    proposal.term = 0; /* as etcd forwards them */
    expect(&proposal, FERRY_VERDICT_ADMIT);
    msg.term = view.term + view.max_term_ahead;
    expect(&msg, FERRY_VERDICT_ADMIT);
    msg.term++;
    expect(&msg, FERRY_VERDICT_TERM_AHEAD);
    msg.term = UINT64_MAX;
    expect(&msg, FERRY_VERDICT_TERM_AHEAD);
}
END_TEST

START_TEST(a_term_has_one_leader)
{
    static const enum ferry_message_type types[] = {FERRY_MSG_APP, FERRY_MSG_SNAP, FERRY_MSG_HEARTBEAT,
                                                    FERRY_MSG_TIMEOUT_NOW, FERRY_MSG_READ_INDEX_RESP};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct ferry_message msg = message(types[i]);

        setup();
        msg.from = OTHER;
        expect(&msg, FERRY_VERDICT_TWO_LEADERS);
        view.leader = 0;
        ck_assert_int_ne(ferry_message_judge(&msg, &view), FERRY_VERDICT_TWO_LEADERS);
        view.leads = true;
        expect(&msg, FERRY_VERDICT_TWO_LEADERS);
        msg.term++; /* another term, another leader */
        ck_assert_int_ne(ferry_message_judge(&msg, &view), FERRY_VERDICT_TWO_LEADERS);
    }
}
END_TEST

START_TEST(entries_are_numbered_in_a_row_with_terms_that_do_not_fall)
{
    struct ferry_entry entries[] = {{.term = 5, .index = 11}, {.term = 5, .index = 12}};
    struct ferry_message msg = append(10, 5, entries, 2);

    expect(&msg, FERRY_VERDICT_ADMIT);
    entries[1].index = 13;
    expect(&msg, FERRY_VERDICT_ENTRY_INDEX);
    entries[1].index = 12;
    entries[1].term = 4;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    entries[1].term = 6;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    entries[1].term = 0;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    entries[1].term = 5;
    msg.log_term = 6;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    msg.log_term = 0;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    msg = append(0, 5, entries, 0);
    expect(&msg, FERRY_VERDICT_LOG_TERM);
}
END_TEST

START_TEST(an_index_is_not_far_ahead)
{
    struct ferry_entry entry = {.term = 5, .index = 0};
    struct ferry_message msg = append(view.last_index + view.max_index_ahead, 5, NULL, 0);
    struct ferry_message vote = message(FERRY_MSG_VOTE);

    expect(&msg, FERRY_VERDICT_ADMIT);
    msg.index++;
    expect(&msg, FERRY_VERDICT_INDEX_AHEAD);
    view.max_index_ahead = UINT64_MAX;
    msg = append(UINT64_MAX, 5, &entry, 1); /* its entry would have index 0 */
    expect(&msg, FERRY_VERDICT_INDEX_AHEAD);
    setup();
    vote.index = UINT64_MAX;
    vote.log_term = 5;
    expect(&vote, FERRY_VERDICT_INDEX_AHEAD);
}
END_TEST

START_TEST(what_is_committed_is_not_contradicted)
{
    struct ferry_entry entry = {.term = 5, .index = 8};
    struct ferry_message msg = append(7, 4, &entry, 1);

    expect(&msg, FERRY_VERDICT_CONTRADICTS_COMMITTED);
    msg = append(8, 3, NULL, 0);
    expect(&msg, FERRY_VERDICT_CONTRADICTS_COMMITTED);
    msg = append(9, 4, NULL, 0); /* not committed: the core answers that it has another entry */
    expect(&msg, FERRY_VERDICT_ADMIT);
    msg = append(3, 1, NULL, 0); /* the snapshot's last entry */
    expect(&msg, FERRY_VERDICT_CONTRADICTS_COMMITTED);
    msg = append(2, 1, NULL, 0); /* inside the snapshot: the core answers with its last index */
    expect(&msg, FERRY_VERDICT_ADMIT);
}
END_TEST

START_TEST(a_compacted_log_is_not_written_from_its_beginning)
{
    struct ferry_entry entry = {.term = 1, .index = 1};
    struct ferry_message msg = append(0, 0, &entry, 1);

    expect(&msg, FERRY_VERDICT_COMPACTED);
    view.commit_index = 0; /* nothing is committed yet */
    expect(&msg, FERRY_VERDICT_ADMIT);
    setup();
    view.term_of = NULL; /* unknown */
    expect(&msg, FERRY_VERDICT_ADMIT);
}
END_TEST

START_TEST(entries_are_of_types_the_core_knows)
{
    static const uint8_t data[] = {1};
    struct ferry_entry entry = {.term = 5, .index = 11, .type = FERRY_ENTRY_CONF_CHANGE, .data = {data, 1}};
    struct ferry_message msg = append(10, 5, &entry, 1);

    expect(&msg, FERRY_VERDICT_ADMIT);
    entry.data = (struct ferry_bytes){data, 0};
    expect(&msg, FERRY_VERDICT_EMPTY_CHANGE);
    entry.data = (struct ferry_bytes){NULL, 0};
    expect(&msg, FERRY_VERDICT_EMPTY_CHANGE);
    entry.type = FERRY_ENTRY_CONF_CHANGE_V2;
    expect(&msg, FERRY_VERDICT_ENTRY_TYPE);
    view.has_conf_change_v2 = true;
    expect(&msg, FERRY_VERDICT_ADMIT);
    entry.type = (enum ferry_entry_type)3;
    expect(&msg, FERRY_VERDICT_ENTRY_TYPE);
}
END_TEST

START_TEST(a_snapshot_does_not_take_back_what_is_committed)
{
    struct ferry_snapshot snapshot = {.index = 9, .term = 5};
    struct ferry_message msg = message(FERRY_MSG_SNAP);

    expect(&msg, FERRY_VERDICT_NO_SNAPSHOT);
    msg.snapshot = &snapshot;
    expect(&msg, FERRY_VERDICT_ADMIT);
    snapshot.index = 8; /* committed here: the core answers that it has it */
    snapshot.term = 4;
    expect(&msg, FERRY_VERDICT_ADMIT);
    snapshot.term = 5;
    expect(&msg, FERRY_VERDICT_CONTRADICTS_COMMITTED);
    snapshot.index = 2; /* inside this member's own snapshot */
    expect(&msg, FERRY_VERDICT_OLD_SNAPSHOT);
    snapshot.index = 0;
    expect(&msg, FERRY_VERDICT_NO_SNAPSHOT);
    snapshot.index = UINT64_MAX;
    expect(&msg, FERRY_VERDICT_INDEX_AHEAD);
    snapshot.index = 9;
    snapshot.term = 6;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    snapshot.term = 0;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
}
END_TEST

START_TEST(a_leader_is_not_told_of_entries_that_it_never_had)
{
    struct ferry_message msg = message(FERRY_MSG_APP_RESP);

    view.leads = true;
    view.leader = SELF;
    msg.index = 11;
    expect(&msg, FERRY_VERDICT_ADMIT); /* the core may tell leftovers of an earlier term */
    view.has_exact_acks = true;
    expect(&msg, FERRY_VERDICT_UNSENT_INDEX);
    msg.index = 10;
    expect(&msg, FERRY_VERDICT_ADMIT);
}
END_TEST

START_TEST(a_vote_names_a_log_that_can_exist)
{
    struct ferry_message msg = message(FERRY_MSG_PRE_VOTE);

    msg.from = OTHER;
    msg.term = 6;
    msg.index = 10;
    msg.log_term = 5;
    expect(&msg, FERRY_VERDICT_ADMIT);
    msg.log_term = 7;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    msg.log_term = 0;
    expect(&msg, FERRY_VERDICT_LOG_TERM);
    msg.index = 0;
    expect(&msg, FERRY_VERDICT_ADMIT); /* an empty log */
}
END_TEST

START_TEST(an_old_message_is_left_to_the_core)
{
    struct ferry_entry entry = {.term = 4, .index = 99};
    struct ferry_message msg = append(7, 3, &entry, 1);

    msg.term = 4;
    msg.from = OTHER; /* who led term 4 */
    expect(&msg, FERRY_VERDICT_ADMIT);
}
END_TEST

START_TEST(every_verdict_has_a_text)
{
    for (int i = 0; i < FERRY_N_VERDICTS; i++)
        ck_assert_str_ne(ferry_verdict_text((enum ferry_verdict)i), "unknown verdict");
    ck_assert_str_eq(ferry_verdict_text(FERRY_N_VERDICTS), "unknown verdict");
    ck_assert_str_eq(ferry_verdict_text((enum ferry_verdict) - 1), "unknown verdict");
}
END_TEST

int main(void)
{
    return rig_main("gate", setup, NULL, what_a_leader_sends_is_admitted, a_type_that_members_do_not_send_is_refused,
                    the_sender_is_another_member_of_the_configuration, the_receiver_is_this_member,
                    a_term_is_not_zero_nor_far_ahead, a_term_has_one_leader,
                    entries_are_numbered_in_a_row_with_terms_that_do_not_fall, an_index_is_not_far_ahead,
                    what_is_committed_is_not_contradicted, a_compacted_log_is_not_written_from_its_beginning,
                    entries_are_of_types_the_core_knows, a_snapshot_does_not_take_back_what_is_committed,
                    a_leader_is_not_told_of_entries_that_it_never_had, a_vote_names_a_log_that_can_exist,
                    an_old_message_is_left_to_the_core, every_verdict_has_a_text, NULL);
}
