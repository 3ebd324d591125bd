/*
 * raft - terms, votes and time; what leads from one role to another.
 *
 * Normal path of a member that follows: messages of the leader's term come to raft_follower.c, answers wait for the
 * flush.  A higher term always makes a follower of us, except for a vote that a leader's lease forbids and for
 * pre-votes, which ask about a term without beginning it.  What has a lower term is answered only where a stale leader
 * or candidate would otherwise never learn of it.
 */
#include "etcd-member/raft.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/mem.h"
#include "etcd-member/raft_internal.h"
#include "etcd-member/say.h"

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static void reset_timeout(struct raft *r)
{
    r->election_elapsed = 0;
    r->random = r->random * 1103515245u + 12345u;
    r->campaign_timeout = r->options.campaign_ticks + (r->random >> 16) % r->options.election_ticks;
}

void raft_init(struct raft *r, const struct raft_options *options)
{
    *r = (struct raft){.options = *options, .random = options->seed};
    reset_timeout(r);
}

static void forget_letters(struct raft *r)
{
    for (size_t i = 0; i < r->n_letters; i++) {
        struct raft_letter *letter = &r->letters[i];

        for (size_t k = 0; k < letter->msg.n_entries; k++)
            free((void *)(uintptr_t)letter->entries[k].data.data); /* copies of our own */
        free(letter->entries);
        free((void *)(uintptr_t)letter->msg.context.data);
    }
    r->n_letters = 0;
}

void raft_release(struct raft *r)
{
    forget_letters(r);
    free(r->letters);
    raft_drop_reads(r);
    free(r->reads);
    progress_table_release(&r->progress);
    raft_log_release(&r->log);
    conf_release(&r->conf);
}

void raft_recover(struct raft *r, const struct raft_hard_state *state)
{
    r->term = state->term;
    r->vote = state->vote;
    r->commit = r->applied = r->log.base_index;
    raft_commit_to(r, state->commit);
    r->stable = raft_log_last_index(&r->log);
    r->stable_state = (struct raft_hard_state){r->term, r->vote, r->commit};
}

const char *raft_role_name(const struct raft *r)
{
    static const char *const names[] = {[RAFT_FOLLOWER] = "follower",
                                        [RAFT_PRE_CANDIDATE] = "candidate",
                                        [RAFT_CANDIDATE] = "candidate",
                                        [RAFT_LEADER] = "leader"};

    return ids_have(&r->conf.learners, r->options.id) ? "learner" : names[r->role];
}

/* ---- Messages that wait -------------------------------------------------------------------------------------------
 */

static struct ferry_bytes copy_bytes(struct ferry_bytes bytes)
{
    return bytes.data ? (struct ferry_bytes){mem_copy(bytes.data, bytes.len), bytes.len} : bytes;
}

/* One acknowledgement says what the ones before it said. */
static bool merges_with_last(struct raft *r, const struct ferry_message *msg)
{
    struct ferry_message *last = r->n_letters > 0 ? &r->letters[r->n_letters - 1].msg : NULL;

    if (!last || msg->type != FERRY_MSG_APP_RESP || last->type != FERRY_MSG_APP_RESP || msg->reject || last->reject ||
        msg->to != last->to || msg->term != last->term || msg->index < last->index)
        return false;
    last->index = msg->index;
    return true;
}

void raft_post(struct raft *r, const struct ferry_message *msg)
{
    bool is_without_term = msg->type == FERRY_MSG_PROP || msg->type == FERRY_MSG_READ_INDEX;
    struct ferry_message filled = *msg;
    struct raft_letter *letter;

    if (filled.from == 0)
        filled.from = r->options.id;
    if (is_without_term)
        filled.term = 0;
    else if (filled.term == 0)
        filled.term = r->term;
    if (merges_with_last(r, &filled))
        return;
    r->letters = mem_grow(r->letters, r->n_letters, &r->room_letters, sizeof(*r->letters));
    letter = &r->letters[r->n_letters++];
    letter->msg = filled;
    letter->msg.context = copy_bytes(filled.context);
    letter->entries = filled.n_entries > 0 ? mem_zero(filled.n_entries * sizeof(*letter->entries)) : NULL;
    for (size_t i = 0; i < filled.n_entries; i++) {
        letter->entries[i] = filled.entries[i];
        letter->entries[i].data = copy_bytes(filled.entries[i].data);
    }
    letter->msg.entries = letter->entries;
}

void raft_flush(struct raft *r, void (*send)(void *ctx, const struct ferry_message *msg), void *ctx)
{
    for (size_t i = 0; i < r->n_letters; i++)
        send(ctx, &r->letters[i].msg);
    forget_letters(r);
    if (r->role == RAFT_LEADER)
        raft_send_appends(r, send, ctx);
}

/* ---- Roles ----------------------------------------------------------------------------------------------------------
 */

static void reset(struct raft *r, uint64_t term)
{
    if (term != r->term) {
        r->term = term;
        r->vote = 0;
    }
    r->leader = 0;
    r->heartbeat_elapsed = 0;
    r->transferee = 0;
    r->pending_conf_index = 0;
    raft_drop_reads(r);
    progress_table_release(&r->progress);
}

void raft_become_follower(struct raft *r, uint64_t term, uint64_t leader)
{
    bool is_news = r->role != RAFT_FOLLOWER || r->leader != leader || r->term != term;

    /* who has no leader is not put off by candidates that cannot win: it may be the only one that can */
    if (leader != 0 || r->role != RAFT_FOLLOWER)
        reset_timeout(r);
    reset(r, term);
    r->role = RAFT_FOLLOWER;
    r->leader = leader;
    if (is_news)
        say("follower at term %" PRIu64 ", leader %" PRIx64, term, leader);
}

void raft_retire(struct raft *r)
{
    raft_become_follower(r, r->term, 0);
}

bool raft_is_promotable(const struct raft *r)
{
    return r->options.can_lead && conf_votes(&r->conf, r->options.id);
}

static bool has_pending_conf(const struct raft *r)
{
    for (uint64_t i = r->applied + 1; i <= r->commit; i++)
        if (raft_log_get(&r->log, i)->type != FERRY_ENTRY_NORMAL)
            return true;
    return false;
}

static bool has_granted(const void *ctx, uint64_t id)
{
    const struct progress *p = progress_find(ctx, id);

    return p && p->vote == VOTE_YES;
}

static bool has_not_refused(const void *ctx, uint64_t id)
{
    const struct progress *p = progress_find(ctx, id);

    return !p || p->vote != VOTE_NO;
}

static void campaign(struct raft *r, enum raft_role as, bool is_transfer);

static void record_vote(struct raft *r, uint64_t id, bool is_granted)
{
    struct progress *p = progress_find(&r->progress, id);

    if (!p)
        p = progress_add(&r->progress, id, 0);
    if (p->vote == VOTE_NONE)
        p->vote = is_granted ? VOTE_YES : VOTE_NO;
    if (conf_is_quorum(&r->conf, has_granted, &r->progress)) {
        if (r->role == RAFT_PRE_CANDIDATE)
            campaign(r, RAFT_CANDIDATE, false);
        else
            raft_lead(r);
    } else if (!conf_is_quorum(&r->conf, has_not_refused, &r->progress)) {
        raft_become_follower(r, r->term, 0);
    }
}

static void ask_for_votes(struct raft *r, const struct ids *voters, const struct ids *not_these,
                          const struct ferry_message *question)
{
    for (size_t i = 0; i < voters->n; i++) {
        struct ferry_message msg = *question;

        msg.to = voters->list[i];
        if (msg.to != r->options.id && !(not_these && ids_have(not_these, msg.to)))
            raft_post(r, &msg);
    }
}

static void campaign(struct raft *r, enum raft_role as, bool is_transfer)
{
    struct ferry_message question = {.index = raft_log_last_index(&r->log), .log_term = raft_log_last_term(&r->log)};

    if (as == RAFT_PRE_CANDIDATE) {
        progress_table_release(&r->progress);
        reset_timeout(r);
        r->leader = 0;
        question.type = FERRY_MSG_PRE_VOTE;
        question.term = r->term + 1; /* about a term that has not begun */
    } else {
        reset(r, r->term + 1);
        reset_timeout(r);
        r->vote = r->options.id;
        question.type = FERRY_MSG_VOTE;
        question.term = r->term;
    }
    if (is_transfer)
        question.context = (struct ferry_bytes){(const uint8_t *)CAMPAIGN_TRANSFER, strlen(CAMPAIGN_TRANSFER)};
    r->role = as;
    say("%s at term %" PRIu64, as == RAFT_CANDIDATE ? "candidate" : "pre-candidate", r->term);
    ask_for_votes(r, &r->conf.voters, NULL, &question);
    ask_for_votes(r, &r->conf.outgoing, &r->conf.voters, &question);
    record_vote(r, r->options.id, true);
}

static bool stand(struct raft *r, enum raft_role as, bool is_transfer)
{
    if (r->role == RAFT_LEADER || !raft_is_promotable(r) || has_pending_conf(r))
        return false;
    campaign(r, as, is_transfer);
    return true;
}

bool raft_campaign(struct raft *r)
{
    return stand(r, RAFT_CANDIDATE, false);
}

/* ---- Messages -------------------------------------------------------------------------------------------------------
 */

static bool is_transfer_vote(const struct ferry_message *msg)
{
    return msg->context.len == strlen(CAMPAIGN_TRANSFER) &&
           memcmp(msg->context.data, CAMPAIGN_TRANSFER, msg->context.len) == 0;
}

static bool has_lease(const struct raft *r)
{
    return r->leader != 0 && r->election_elapsed < r->options.election_ticks;
}

/* See to a term that is not ours.  False: that was all there is to do with the message. */
static bool step_term(struct raft *r, const struct ferry_message *msg)
{
    bool is_vote = msg->type == FERRY_MSG_VOTE || msg->type == FERRY_MSG_PRE_VOTE;
    bool is_from_leader = msg->type == FERRY_MSG_APP || msg->type == FERRY_MSG_HEARTBEAT || msg->type == FERRY_MSG_SNAP;

    if (msg->term == 0 || msg->term == r->term)
        return true;
    if (msg->term > r->term) {
        if (is_vote && has_lease(r) && !is_transfer_vote(msg))
            return false;
        if (msg->type != FERRY_MSG_PRE_VOTE && !(msg->type == FERRY_MSG_PRE_VOTE_RESP && !msg->reject))
            raft_become_follower(r, msg->term, is_from_leader ? msg->from : 0);
        return true;
    }
    if (msg->type == FERRY_MSG_HEARTBEAT || msg->type == FERRY_MSG_APP)
        raft_post(r, &(struct ferry_message){.type = FERRY_MSG_APP_RESP, .to = msg->from});
    else if (msg->type == FERRY_MSG_PRE_VOTE)
        raft_post(r, &(struct ferry_message){.type = FERRY_MSG_PRE_VOTE_RESP, .to = msg->from, .reject = true});
    return false;
}

static bool is_up_to_date(const struct raft *r, const struct ferry_message *msg)
{
    uint64_t last_term = raft_log_last_term(&r->log);

    return msg->log_term > last_term || (msg->log_term == last_term && msg->index >= raft_log_last_index(&r->log));
}

static void answer_candidate(struct raft *r, const struct ferry_message *msg)
{
    bool is_real = msg->type == FERRY_MSG_VOTE;
    bool may = r->vote == msg->from || (r->vote == 0 && r->leader == 0) || (!is_real && msg->term > r->term);
    struct ferry_message answer = {.type = is_real ? FERRY_MSG_VOTE_RESP : FERRY_MSG_PRE_VOTE_RESP, .to = msg->from};

    if (may && is_up_to_date(r, msg)) {
        answer.term = msg->term; /* for a pre-vote one that is not ours: with ours it would be ignored as old */
        if (is_real) {
            r->election_elapsed = 0;
            r->vote = msg->from;
        }
    } else {
        answer.reject = true;
    }
    raft_post(r, &answer);
}

static void step_candidate(struct raft *r, const struct ferry_message *msg)
{
    enum ferry_message_type mine = r->role == RAFT_PRE_CANDIDATE ? FERRY_MSG_PRE_VOTE_RESP : FERRY_MSG_VOTE_RESP;

    if (msg->type == mine)
        record_vote(r, msg->from, !msg->reject);
}

void raft_step(struct raft *r, const struct ferry_message *msg)
{
    bool is_from_leader = msg->type == FERRY_MSG_APP || msg->type == FERRY_MSG_HEARTBEAT || msg->type == FERRY_MSG_SNAP;

    if (msg->from == r->options.id || !step_term(r, msg))
        return;
    if (msg->type == FERRY_MSG_VOTE || msg->type == FERRY_MSG_PRE_VOTE) {
        answer_candidate(r, msg);
        return;
    }
    if ((r->role == RAFT_CANDIDATE || r->role == RAFT_PRE_CANDIDATE) && is_from_leader)
        raft_become_follower(r, msg->term, msg->from); /* somebody else has won this term */
    switch (r->role) {
    case RAFT_FOLLOWER:
        if (msg->type == FERRY_MSG_TIMEOUT_NOW)
            (void)stand(r, RAFT_CANDIDATE, true); /* or not: then the leader goes on after its timeout */
        else
            raft_step_follower(r, msg);
        break;
    case RAFT_PRE_CANDIDATE:
    case RAFT_CANDIDATE:
        step_candidate(r, msg);
        break;
    case RAFT_LEADER:
        raft_step_leader(r, msg);
        break;
    }
}

void raft_tick(struct raft *r)
{
    r->election_elapsed++;
    if (r->role == RAFT_LEADER)
        raft_tick_leader(r);
    else if (r->election_elapsed >= r->campaign_timeout)
        (void)stand(r, RAFT_PRE_CANDIDATE, false); /* one who may not stand waits on */
}

bool raft_propose(struct raft *r, const struct ferry_entry *entries, size_t n)
{
    if (r->role == RAFT_LEADER)
        return raft_append_proposals(r, entries, n);
    if (r->leader == 0)
        return false;
    raft_post(r, &(struct ferry_message){.type = FERRY_MSG_PROP, .to = r->leader, .entries = entries, .n_entries = n});
    return true;
}

bool raft_transfer(struct raft *r, uint64_t id)
{
    if (r->role == RAFT_LEADER)
        raft_transfer_to(r, id);
    else if (r->leader != 0)
        raft_post(r, &(struct ferry_message){.type = FERRY_MSG_TRANSFER_LEADER, .to = r->leader, .from = id});
    return r->leader != 0;
}

/* ---- Disk and application
 * -------------------------------------------------------------------------------------------- */

void raft_commit_to(struct raft *r, uint64_t index)
{
    uint64_t last = raft_log_last_index(&r->log);

    if (index > last)
        index = last; /* of a member that lost its log a leader may think more than it has */
    if (index > r->commit)
        r->commit = index;
}

struct raft_unstable raft_unstable(const struct raft *r)
{
    const struct raft_hard_state *stable = &r->stable_state;
    struct raft_unstable u = {.state = {r->term, r->vote, r->commit}, .first = r->stable + 1};

    u.n = (size_t)(raft_log_last_index(&r->log) - r->stable);
    u.must_sync = u.n > 0 || stable->term != r->term || stable->vote != r->vote;
    u.state_changed = u.must_sync || stable->commit != r->commit;
    return u;
}

void raft_stable(struct raft *r, const struct raft_unstable *u)
{
    r->stable = u->first + u->n - 1;
    r->stable_state = u->state;
    if (r->role == RAFT_LEADER)
        raft_advance_commit(r); /* we are one of those who have it */
}

bool raft_has_work(const struct raft *r)
{
    return r->n_letters > 0 || raft_unstable(r).state_changed || raft_next(r) ||
           (r->role == RAFT_LEADER && raft_has_appends(r));
}

const struct ferry_entry *raft_next(const struct raft *r)
{
    return r->applied < r->commit ? raft_log_get(&r->log, r->applied + 1) : NULL;
}

void raft_applied(struct raft *r, uint64_t index)
{
    assert(index > r->applied && index <= r->commit);
    r->applied = index;
    if (r->role != RAFT_LEADER || !r->conf.auto_leave || r->applied < r->pending_conf_index)
        return;
    (void)raft_append_proposals(
        r, &(struct ferry_entry){.type = FERRY_ENTRY_CONF_CHANGE_V2, .data = {(const uint8_t *)"", 0}}, 1);
}

void raft_change_conf(struct raft *r, const struct conf_change *changes, size_t n, enum conf_transition transition)
{
    if (!conf_apply(&r->conf, changes, n, transition))
        say("a change of the configuration would leave no voter: not made");
    else if (r->role == RAFT_LEADER)
        raft_conf_changed(r);
}
