/*
 * check_etcd_raft - ferry-etcd-member's Raft: its rules one by one, and whole clusters with lost and delayed messages.
 */
#include "etcd-member/raft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/say.h"
#include "harness/patience.h"
#include "harness/rig.h"

/* In the place of the member's log: what is said here is not wanted. */
void say(const char *format, ...)
{
    (void)format;
}

void die(const char *format, ...)
{
    ck_abort_msg("%s", format);
    abort();
}

#define ELECTION 10
#define MAX_NODES 5
#define MAX_SEEN 64
#define N_WORLDS (PATIENCE_SANITIZED ? 20 : 100)

/* ---- One member, and what it says
 * ------------------------------------------------------------------------------------- */

static struct raft one;

static struct {
    struct ferry_message msg;
    char context[32];
} seen[MAX_SEEN];
static size_t n_seen;

static void note(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    ck_assert_uint_lt(n_seen, MAX_SEEN);
    seen[n_seen].msg = *msg;
    memcpy(seen[n_seen].context, msg->context.data ? (const char *)msg->context.data : "", msg->context.len);
    n_seen++;
}

static void make_stable(struct raft *r)
{
    struct raft_unstable u = raft_unstable(r);

    raft_stable(r, &u);
}

/* Everything reaches the disk, and then the others. */
static void flush(void)
{
    memset(seen, 0, sizeof(seen));
    n_seen = 0;
    make_stable(&one);
    raft_flush(&one, note, NULL);
}

static void tell(const struct ferry_message *msg)
{
    struct ferry_message addressed = *msg;

    addressed.to = 1;
    raft_step(&one, &addressed);
    flush();
}

static void begin(bool can_lead)
{
    static const uint64_t voters[] = {1, 2, 3};
    const struct raft_options options = {.id = 1,
                                         .election_ticks = ELECTION,
                                         .heartbeat_ticks = 1,
                                         .campaign_ticks = 2 * ELECTION,
                                         .can_lead = can_lead};
    const struct raft_hard_state state = {.term = 1};

    raft_init(&one, &options);
    ids_set(&one.conf.voters, voters, 3);
    raft_recover(&one, &state);
}

static void setup(void)
{
    begin(true);
}

static void teardown(void)
{
    raft_release(&one);
}

static struct ferry_entry entry_of(uint64_t index, uint64_t term)
{
    return (struct ferry_entry){.index = index, .term = term, .data = {(const uint8_t *)"x", 1}};
}

/* Append from member 2: n entries of entry_term behind index. */
static void append(uint64_t term, uint64_t index, uint64_t log_term, size_t n, uint64_t entry_term, uint64_t commit)
{
    struct ferry_entry entries[8];

    for (size_t i = 0; i < n; i++)
        entries[i] = entry_of(index + 1 + i, entry_term);
    tell(&(struct ferry_message){.type = FERRY_MSG_APP,
                                 .from = 2,
                                 .term = term,
                                 .index = index,
                                 .log_term = log_term,
                                 .entries = entries,
                                 .n_entries = n,
                                 .commit = commit});
}

static const struct ferry_message *only(enum ferry_message_type type)
{
    ck_assert_uint_eq(n_seen, 1);
    ck_assert_int_eq(seen[0].msg.type, type);
    return &seen[0].msg;
}

START_TEST(entries_are_taken_and_acknowledged)
{
    append(2, 0, 0, 3, 2, 2);
    ck_assert_uint_eq(only(FERRY_MSG_APP_RESP)->index, 3);
    ck_assert(!seen[0].msg.reject);
    ck_assert_uint_eq(seen[0].msg.term, 2);
    ck_assert_uint_eq(one.commit, 2);
    ck_assert_uint_eq(one.leader, 2);
}
END_TEST

START_TEST(what_does_not_match_is_refused_with_our_last_index)
{
    append(2, 0, 0, 3, 2, 0);
    append(2, 7, 2, 1, 2, 0);
    ck_assert(only(FERRY_MSG_APP_RESP)->reject);
    ck_assert_uint_eq(seen[0].msg.index, 7);
    ck_assert_uint_eq(seen[0].msg.reject_hint, 3);
    append(3, 3, 3, 1, 3, 0); /* there is an entry, of another term */
    ck_assert(only(FERRY_MSG_APP_RESP)->reject);
    ck_assert_uint_eq(raft_log_last_index(&one.log), 3);
}
END_TEST

START_TEST(entries_that_contradict_are_replaced)
{
    append(2, 0, 0, 3, 2, 1);
    append(3, 1, 2, 1, 3, 1);
    ck_assert_uint_eq(only(FERRY_MSG_APP_RESP)->index, 2);
    ck_assert_uint_eq(raft_log_last_index(&one.log), 2);
    ck_assert_uint_eq(raft_log_last_term(&one.log), 3);
}
END_TEST

START_TEST(what_replaces_entries_is_to_be_stored)
{
    struct ferry_entry entry = entry_of(2, 3);
    struct raft_unstable u;

    append(2, 0, 0, 3, 2, 1);
    raft_step(&one, &(struct ferry_message){.type = FERRY_MSG_APP,
                                            .from = 3,
                                            .to = 1,
                                            .term = 3,
                                            .index = 1,
                                            .log_term = 2,
                                            .entries = &entry,
                                            .n_entries = 1});
    u = raft_unstable(&one);
    ck_assert(u.must_sync);
    ck_assert_uint_eq(u.first, 2);
    ck_assert_uint_eq(u.n, 1);
}
END_TEST

START_TEST(an_old_append_takes_nothing_away)
{
    append(2, 0, 0, 3, 2, 1);
    append(2, 0, 0, 1, 2, 1);
    ck_assert_uint_eq(raft_log_last_index(&one.log), 3);
}
END_TEST

START_TEST(an_append_before_the_commit_is_answered_with_it)
{
    append(2, 0, 0, 3, 2, 3);
    append(2, 1, 2, 2, 2, 3);
    ck_assert_uint_eq(only(FERRY_MSG_APP_RESP)->index, 3);
}
END_TEST

START_TEST(entries_that_do_not_follow_each_other_are_not_taken)
{
    struct ferry_entry gap[] = {entry_of(1, 2), entry_of(3, 2)};
    struct ferry_entry future[] = {entry_of(1, 9)};
    struct ferry_message msg = {.type = FERRY_MSG_APP, .from = 2, .term = 2, .entries = gap, .n_entries = 2};

    tell(&msg);
    ck_assert_uint_eq(n_seen, 0);
    msg.entries = future;
    msg.n_entries = 1;
    tell(&msg);
    ck_assert_uint_eq(n_seen, 0);
    ck_assert_uint_eq(raft_log_last_index(&one.log), 0);
}
END_TEST

START_TEST(a_heartbeats_context_comes_back_byte_for_byte)
{
    tell(&(struct ferry_message){.type = FERRY_MSG_HEARTBEAT,
                                 .from = 2,
                                 .term = 2,
                                 .commit = 99, /* more than we have */
                                 .context = {(const uint8_t *)"\0\1ctx", 5}});
    ck_assert_uint_eq(only(FERRY_MSG_HEARTBEAT_RESP)->context.len, 5);
    ck_assert_mem_eq(seen[0].context, "\0\1ctx", 5);
    ck_assert_uint_eq(one.commit, 0);
}
END_TEST

START_TEST(a_stale_leader_is_told_the_term)
{
    append(5, 0, 0, 1, 5, 0);
    append(4, 0, 0, 1, 4, 0);
    ck_assert_uint_eq(only(FERRY_MSG_APP_RESP)->term, 5);
    ck_assert_uint_eq(seen[0].msg.index, 0);
}
END_TEST

START_TEST(nothing_is_said_before_it_is_stable)
{
    struct ferry_entry entry = entry_of(1, 2);
    struct raft_unstable u;

    n_seen = 0;
    raft_step(&one, &(struct ferry_message){
                        .type = FERRY_MSG_APP, .from = 2, .to = 1, .term = 2, .entries = &entry, .n_entries = 1});
    u = raft_unstable(&one);
    ck_assert_uint_eq(n_seen, 0);
    ck_assert(u.must_sync);
    ck_assert_uint_eq(u.first, 1);
    ck_assert_uint_eq(u.n, 1);
    ck_assert_uint_eq(u.state.term, 2);
    flush();
    ck_assert_uint_eq(n_seen, 1);
    ck_assert(!raft_unstable(&one).state_changed);
}
END_TEST

/* ---- Votes
 * -------------------------------------------------------------------------------------------------------------- */

static void ask_for_vote(enum ferry_message_type type, uint64_t from, uint64_t term, uint64_t index, uint64_t log_term,
                         const char *context)
{
    tell(&(struct ferry_message){.type = type,
                                 .from = from,
                                 .term = term,
                                 .index = index,
                                 .log_term = log_term,
                                 .context = {(const uint8_t *)context, strlen(context)}});
}

START_TEST(a_vote_is_given_once_a_term)
{
    ask_for_vote(FERRY_MSG_VOTE, 2, 2, 0, 0, "");
    ck_assert(!only(FERRY_MSG_VOTE_RESP)->reject);
    ask_for_vote(FERRY_MSG_VOTE, 3, 2, 0, 0, "");
    ck_assert(only(FERRY_MSG_VOTE_RESP)->reject);
    ask_for_vote(FERRY_MSG_VOTE, 2, 2, 0, 0, ""); /* the same again */
    ck_assert(!only(FERRY_MSG_VOTE_RESP)->reject);
    ck_assert_uint_eq(one.vote, 2);
}
END_TEST

START_TEST(who_lacks_entries_gets_no_vote)
{
    append(2, 0, 0, 3, 2, 0);
    for (int i = 0; i < ELECTION; i++)
        raft_tick(&one); /* the lease ends */
    ask_for_vote(FERRY_MSG_VOTE, 3, 3, 2, 2, "");
    ck_assert(only(FERRY_MSG_VOTE_RESP)->reject);
    ask_for_vote(FERRY_MSG_VOTE, 3, 4, 9, 1, ""); /* longer, but of an older term */
    ck_assert(only(FERRY_MSG_VOTE_RESP)->reject);
    ask_for_vote(FERRY_MSG_VOTE, 3, 5, 3, 2, "");
    ck_assert(!only(FERRY_MSG_VOTE_RESP)->reject);
}
END_TEST

START_TEST(a_leaders_lease_forbids_votes_but_for_transfers)
{
    append(2, 0, 0, 1, 2, 0);
    ask_for_vote(FERRY_MSG_VOTE, 3, 3, 9, 2, "");
    ck_assert_uint_eq(n_seen, 0);
    ck_assert_uint_eq(one.term, 2);
    ask_for_vote(FERRY_MSG_PRE_VOTE, 3, 3, 9, 2, "");
    ck_assert_uint_eq(n_seen, 0);
    ask_for_vote(FERRY_MSG_VOTE, 3, 3, 9, 2, "CampaignTransfer");
    ck_assert(!only(FERRY_MSG_VOTE_RESP)->reject);
}
END_TEST

/* The lease of a member that may not stand ends, too. */
START_TEST(a_lease_ends_for_who_cannot_lead)
{
    raft_release(&one);
    begin(false);
    append(2, 0, 0, 1, 2, 0);
    for (int i = 0; i < 5 * ELECTION; i++) {
        raft_tick(&one);
        if (i < ELECTION)
            continue;
        ask_for_vote(FERRY_MSG_PRE_VOTE, 3, 3, 9, 2, "");
        ck_assert_msg(n_seen == 1, "tick %d", i);
    }
    ck_assert_int_eq(one.role, RAFT_FOLLOWER);
}
END_TEST

START_TEST(a_pre_vote_carries_the_candidates_term_and_changes_nothing)
{
    ask_for_vote(FERRY_MSG_PRE_VOTE, 2, 8, 0, 0, "");
    ck_assert(!only(FERRY_MSG_PRE_VOTE_RESP)->reject);
    ck_assert_uint_eq(seen[0].msg.term, 8);
    ck_assert_uint_eq(one.term, 1);
    ck_assert_uint_eq(one.vote, 0);
    ask_for_vote(FERRY_MSG_PRE_VOTE, 3, 9, 0, 0, ""); /* nor does it forbid another */
    ck_assert(!only(FERRY_MSG_PRE_VOTE_RESP)->reject);
    one.term = 20;
    ask_for_vote(FERRY_MSG_PRE_VOTE, 3, 9, 0, 0, ""); /* an old one hears of the term */
    ck_assert(only(FERRY_MSG_PRE_VOTE_RESP)->reject);
    ck_assert_uint_eq(seen[0].msg.term, 20);
}
END_TEST

static void win(void)
{
    ck_assert(raft_campaign(&one));
    flush();
    tell(&(struct ferry_message){.type = FERRY_MSG_VOTE_RESP, .from = 2, .term = one.term});
    ck_assert_int_eq(one.role, RAFT_LEADER);
}

START_TEST(who_is_left_without_a_leader_asks_first)
{
    for (int i = 0; i < 3 * ELECTION; i++)
        raft_tick(&one);
    flush();
    ck_assert_uint_eq(n_seen, 2);
    ck_assert_int_eq(seen[0].msg.type, FERRY_MSG_PRE_VOTE);
    ck_assert_uint_eq(seen[0].msg.term, 2);
    ck_assert_uint_eq(one.term, 1);
    tell(&(struct ferry_message){.type = FERRY_MSG_PRE_VOTE_RESP, .from = 3, .term = 2});
    ck_assert_uint_eq(n_seen, 2);
    ck_assert_int_eq(seen[0].msg.type, FERRY_MSG_VOTE);
    ck_assert_uint_eq(one.term, 2);
}
END_TEST

/* It may have entries that the others lack; then only it can be elected. */
START_TEST(candidates_that_cannot_win_do_not_put_off_the_election)
{
    append(2, 0, 0, 3, 2, 0);
    for (unsigned i = 0; i < 3 * ELECTION; i++) {
        raft_tick(&one);
        if (i > ELECTION && i % (ELECTION / 2) == 0 && one.role == RAFT_FOLLOWER)
            ask_for_vote(FERRY_MSG_VOTE, 3, one.term + 1, 0, 0, "");
    }
    ck_assert_uint_gt(one.term, 2);
    ck_assert_int_eq(one.role, RAFT_PRE_CANDIDATE);
}
END_TEST

START_TEST(who_may_not_lead_does_not_stand)
{
    raft_release(&one);
    begin(false);
    ck_assert(!raft_campaign(&one));
    tell(&(struct ferry_message){.type = FERRY_MSG_TIMEOUT_NOW, .from = 2, .term = 1});
    ck_assert_int_eq(one.role, RAFT_FOLLOWER);
    ck_assert_uint_eq(n_seen, 0);
}
END_TEST

START_TEST(a_candidate_that_is_refused_follows_again)
{
    ck_assert(raft_campaign(&one));
    flush();
    tell(&(struct ferry_message){.type = FERRY_MSG_VOTE_RESP, .from = 2, .term = 2, .reject = true});
    ck_assert_int_eq(one.role, RAFT_CANDIDATE);
    tell(&(struct ferry_message){.type = FERRY_MSG_VOTE_RESP, .from = 3, .term = 2, .reject = true});
    ck_assert_int_eq(one.role, RAFT_FOLLOWER);
    ck_assert_uint_eq(one.term, 2);
}
END_TEST

START_TEST(a_leader_that_is_told_to_hands_over)
{
    tell(&(struct ferry_message){.type = FERRY_MSG_TIMEOUT_NOW, .from = 2, .term = 1});
    ck_assert_uint_eq(n_seen, 2);
    ck_assert_int_eq(seen[0].msg.type, FERRY_MSG_VOTE);
    ck_assert_str_eq(seen[0].context, "CampaignTransfer");
}
END_TEST

/* ---- Leading
 * -------------------------------------------------------------------------------------------------------------- */

static void take(uint64_t from, uint64_t index)
{
    tell(&(struct ferry_message){.type = FERRY_MSG_APP_RESP, .from = from, .term = one.term, .index = index});
}

START_TEST(only_entries_of_its_own_term_are_committed_by_counting)
{
    append(2, 0, 0, 2, 2, 0);
    win(); /* term 3; its empty entry is the third */
    take(3, 2);
    ck_assert_uint_eq(one.commit, 0);
    take(3, 3);
    ck_assert_uint_eq(one.commit, 3);
}
END_TEST

START_TEST(a_read_waits_for_a_commit_of_this_term_and_for_a_quorum)
{
    const struct ferry_entry ask = {.data = {(const uint8_t *)"read", 4}};
    const struct ferry_message question = {.type = FERRY_MSG_READ_INDEX, .from = 3, .entries = &ask, .n_entries = 1};
    const struct ferry_message confirmation = {
        .type = FERRY_MSG_HEARTBEAT_RESP, .from = 2, .term = 2, .context = {(const uint8_t *)"read", 4}};

    win();
    tell(&question);
    tell(&confirmation); /* of a question that was not asked yet */
    for (size_t i = 0; i < n_seen; i++)
        ck_assert_int_ne(seen[i].msg.type, FERRY_MSG_READ_INDEX_RESP);
    take(2, 1);
    ck_assert_uint_eq(one.commit, 1);
    ck_assert_uint_gt(n_seen, 0);
    ck_assert_int_eq(seen[0].msg.type, FERRY_MSG_HEARTBEAT);
    ck_assert_mem_eq(seen[0].context, "read", 4);
    tell(&confirmation);
    ck_assert_int_eq(seen[0].msg.type, FERRY_MSG_READ_INDEX_RESP);
    ck_assert_uint_eq(seen[0].msg.to, 3);
    ck_assert_uint_eq(seen[0].msg.index, 1);
    ck_assert_uint_eq(seen[0].msg.n_entries, 1);
    ck_assert_uint_eq(one.n_reads, 0);
}
END_TEST

START_TEST(a_leader_that_hears_of_no_quorum_steps_down)
{
    win();
    for (int i = 0; i < 2 * ELECTION + 1; i++) /* in the first half those who elected it count */
        raft_tick(&one);
    ck_assert_int_eq(one.role, RAFT_FOLLOWER);
    ck_assert_uint_eq(one.leader, 0);
}
END_TEST

START_TEST(who_lacks_what_the_log_begins_behind_is_sent_the_snapshot)
{
    raft_log_reset(&one.log, 50, 1);
    one.commit = one.applied = one.stable = 50;
    win();
    tell(&(struct ferry_message){
        .type = FERRY_MSG_APP_RESP, .from = 3, .term = 2, .index = 50, .reject = true, .reject_hint = 7});
    ck_assert_int_eq(only(FERRY_MSG_SNAP)->to, 3);
    for (int i = 0; i < 3; i++) {
        raft_tick(&one);
        flush();
        for (size_t k = 0; k < n_seen; k++)
            ck_assert_int_eq(seen[k].msg.type, FERRY_MSG_HEARTBEAT); /* and no second one */
    }
    raft_report_snapshot(&one, 3, true);
    tell(&(struct ferry_message){.type = FERRY_MSG_APP_RESP, .from = 3, .term = 2, .index = 50});
    ck_assert_int_eq(only(FERRY_MSG_APP)->to, 3);
    ck_assert_uint_eq(seen[0].msg.index, 50);
    ck_assert_uint_eq(seen[0].msg.n_entries, 1);
}
END_TEST

START_TEST(a_snapshot_that_was_not_stored_is_sent_again_after_a_heartbeat)
{
    raft_log_reset(&one.log, 50, 1);
    one.commit = one.applied = one.stable = 50;
    win();
    tell(&(struct ferry_message){
        .type = FERRY_MSG_APP_RESP, .from = 3, .term = 2, .index = 50, .reject = true, .reject_hint = 7});
    raft_report_snapshot(&one, 3, false);
    flush();
    ck_assert_uint_eq(n_seen, 0);
    tell(&(struct ferry_message){.type = FERRY_MSG_HEARTBEAT_RESP, .from = 3, .term = 2});
    ck_assert_int_eq(only(FERRY_MSG_SNAP)->to, 3);
}
END_TEST

START_TEST(leadership_goes_to_who_is_level)
{
    win();
    ck_assert(raft_transfer(&one, 3));
    flush();
    for (size_t i = 0; i < n_seen; i++)
        ck_assert_int_ne(seen[i].msg.type, FERRY_MSG_TIMEOUT_NOW);
    ck_assert(!raft_propose(&one, &(struct ferry_entry){0}, 1)); /* it would differ from the others */
    take(3, 1);
    ck_assert_int_eq(seen[0].msg.type, FERRY_MSG_TIMEOUT_NOW);
    ck_assert_uint_eq(seen[0].msg.to, 3);
}
END_TEST

START_TEST(a_second_configuration_change_waits_for_the_first)
{
    const struct ferry_entry change = {.type = FERRY_ENTRY_CONF_CHANGE, .data = {(const uint8_t *)"c", 1}};

    win();
    take(2, 1);
    raft_applied(&one, 1);
    ck_assert(raft_propose(&one, &change, 1));
    ck_assert(raft_propose(&one, &change, 1));
    ck_assert_int_eq(raft_log_get(&one.log, 2)->type, FERRY_ENTRY_CONF_CHANGE);
    ck_assert_int_eq(raft_log_get(&one.log, 3)->type, FERRY_ENTRY_NORMAL); /* refused */
    ck_assert_uint_eq(raft_log_get(&one.log, 3)->data.len, 0);
}
END_TEST

START_TEST(two_changes_at_once_need_both_majorities)
{
    const struct conf_change changes[] = {{CONF_ADD_NODE, 4}, {CONF_REMOVE_NODE, 2}, {CONF_ADD_LEARNER, 3}};

    win();
    raft_change_conf(&one, changes, 3, CONF_AUTO);
    ck_assert(conf_is_joint(&one.conf));
    ck_assert_uint_eq(one.conf.voters.n, 2); /* 1 and 4 */
    ck_assert(ids_have(&one.conf.learners_next, 3));
    take(2, 1);
    ck_assert_uint_eq(one.commit, 0); /* a majority of the old half alone */
    take(4, 1);
    ck_assert_uint_eq(one.commit, 1);
    raft_change_conf(&one, NULL, 0, CONF_AUTO);
    ck_assert(!conf_is_joint(&one.conf));
    ck_assert(ids_have(&one.conf.learners, 3));
    ck_assert(!conf_has(&one.conf, 2));
}
END_TEST

START_TEST(who_claims_more_than_there_is_is_not_believed)
{
    win();
    take(2, 1000);
    ck_assert_uint_eq(one.commit, 0);
    take(99, 1); /* not a member */
    ck_assert_uint_eq(one.commit, 0);
}
END_TEST

/* ---- Clusters in bad weather
 * ------------------------------------------------------------------------------------------------ */

struct world {
    struct raft nodes[MAX_NODES];
    struct raft_log disks[MAX_NODES];
    struct raft_hard_state states[MAX_NODES]; /* on the disks */
    size_t n;
    unsigned random;
    unsigned loss; /* of 100 messages */
    uint64_t leader_of[4096];
    uint64_t committed[4096]; /* terms, by index: what was ever applied */
    uint64_t n_committed;
};

static struct world world;

static unsigned chance(unsigned of)
{
    world.random = world.random * 1664525u + 1013904223u;
    return (world.random >> 8) % of;
}

static void carry(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    if (chance(100) >= world.loss)
        raft_step(&world.nodes[msg->to - 1], msg);
}

static void node_begin(size_t i)
{
    const struct raft_options options = {.id = i + 1,
                                         .election_ticks = ELECTION,
                                         .heartbeat_ticks = 1,
                                         .campaign_ticks = ELECTION,
                                         .can_lead = true,
                                         .seed = world.random + (unsigned)i};

    raft_init(&world.nodes[i], &options);
    for (size_t k = 0; k < world.n; k++)
        ids_add(&world.nodes[i].conf.voters, k + 1);
}

/* What stands at an index is replaced, and all behind it goes. */
static void write_to_disk(size_t i, const struct raft_unstable *u)
{
    struct raft_log *disk = &world.disks[i];

    for (uint64_t k = u->first; k < u->first + u->n; k++) {
        const struct ferry_entry *entry = raft_log_get(&world.nodes[i].log, k);

        ck_assert_ptr_nonnull(entry);
        raft_log_truncate(disk, k);
        ck_assert_uint_eq(raft_log_last_index(disk) + 1, k);
        raft_log_append(disk, entry->term, entry->type, entry->data);
    }
    world.states[i] = u->state;
}

/* It dies, and comes back with what was on disk. */
static void crash(size_t i)
{
    const struct raft_log *disk = &world.disks[i];

    raft_release(&world.nodes[i]);
    node_begin(i);
    for (uint64_t k = 1; k <= raft_log_last_index(disk); k++) {
        const struct ferry_entry *entry = raft_log_get(disk, k);

        raft_log_append(&world.nodes[i].log, entry->term, entry->type, entry->data);
    }
    raft_recover(&world.nodes[i], &world.states[i]);
}

static void settle(size_t i)
{
    struct raft *r = &world.nodes[i];
    const struct ferry_entry *entry;
    struct raft_unstable u;

    if (chance(4) == 0)
        return; /* its disk is slow today */
    u = raft_unstable(r);
    if (u.state_changed)
        write_to_disk(i, &u);
    raft_stable(r, &u);
    raft_flush(r, carry, NULL);
    while ((entry = raft_next(r)) != NULL && entry->index <= r->stable) {
        ck_assert_uint_lt(entry->index, 4096);
        if (entry->index > world.n_committed) {
            world.n_committed = entry->index;
            world.committed[entry->index] = entry->term;
        }
        ck_assert_uint_eq(world.committed[entry->index], entry->term);
        raft_applied(r, entry->index);
    }
}

static void check_leaders(void)
{
    for (size_t i = 0; i < world.n; i++) {
        const struct raft *r = &world.nodes[i];

        if (r->role != RAFT_LEADER)
            continue;
        ck_assert_uint_lt(r->term, 4096);
        if (world.leader_of[r->term] == 0)
            world.leader_of[r->term] = i + 1;
        ck_assert_uint_eq(world.leader_of[r->term], i + 1);
    }
}

static void turn(void)
{
    size_t i = chance((unsigned)world.n);

    if (chance(200) == 0)
        crash(i);
    raft_tick(&world.nodes[i]);
    if (chance(3) == 0)
        (void)raft_propose(&world.nodes[i], &(struct ferry_entry){.data = {(const uint8_t *)"p", 1}}, 1);
    for (size_t k = 0; k < world.n; k++)
        settle(k);
    check_leaders();
}

static void run_world(unsigned seed)
{
    memset(&world, 0, sizeof(world));
    world.random = seed;
    world.n = seed % 2 ? 3 : 5;
    for (size_t i = 0; i < world.n; i++) {
        node_begin(i);
        raft_recover(&world.nodes[i], &(struct raft_hard_state){0});
    }
    for (int i = 0; i < 1500; i++) {
        if (i % 100 == 0)
            world.loss = chance(3) * 25;
        turn();
    }
    world.loss = 0; /* the weather clears up */
    for (int i = 0; i < 1500; i++)
        turn();
    for (int i = 0; i < 20; i++)
        for (size_t k = 0; k < world.n; k++) {
            raft_tick(&world.nodes[k]);
            settle(k);
        }
    for (size_t i = 0; i < world.n; i++) {
        raft_release(&world.nodes[i]);
        raft_log_release(&world.disks[i]);
    }
    ck_assert_msg(world.n_committed > 50, "seed %u: %lu committed", seed, (unsigned long)world.n_committed);
}

START_TEST(nothing_that_was_committed_is_ever_lost)
{
    for (unsigned seed = 1; seed <= N_WORLDS; seed++)
        run_world(seed);
}
END_TEST

int main(void)
{
    rig_step_aside();
    return rig_main(
        "etcd_raft", setup, teardown, entries_are_taken_and_acknowledged,
        what_does_not_match_is_refused_with_our_last_index, entries_that_contradict_are_replaced,
        what_replaces_entries_is_to_be_stored, an_old_append_takes_nothing_away,
        an_append_before_the_commit_is_answered_with_it, entries_that_do_not_follow_each_other_are_not_taken,
        a_heartbeats_context_comes_back_byte_for_byte, a_stale_leader_is_told_the_term,
        nothing_is_said_before_it_is_stable, a_vote_is_given_once_a_term, who_lacks_entries_gets_no_vote,
        a_leaders_lease_forbids_votes_but_for_transfers, a_lease_ends_for_who_cannot_lead,
        a_pre_vote_carries_the_candidates_term_and_changes_nothing, who_is_left_without_a_leader_asks_first,
        candidates_that_cannot_win_do_not_put_off_the_election, who_may_not_lead_does_not_stand,
        a_candidate_that_is_refused_follows_again, a_leader_that_is_told_to_hands_over,
        only_entries_of_its_own_term_are_committed_by_counting, a_read_waits_for_a_commit_of_this_term_and_for_a_quorum,
        a_leader_that_hears_of_no_quorum_steps_down, who_lacks_what_the_log_begins_behind_is_sent_the_snapshot,
        a_snapshot_that_was_not_stored_is_sent_again_after_a_heartbeat, leadership_goes_to_who_is_level,
        a_second_configuration_change_waits_for_the_first, two_changes_at_once_need_both_majorities,
        who_claims_more_than_there_is_is_not_believed, nothing_that_was_committed_is_ever_lost, NULL);
}
