/*
 * raft_leader - what a leader does: append, replicate, commit, confirm reads, hand over.
 *
 * Appends are not sent where the need for them is seen: the member's progress is marked, and the next flush sends what
 * its log lacks by then, so that a burst of proposals leaves in one message.  A member whose log ends before ours
 * begins is sent the snapshot that our log begins behind.
 *
 * A leader that has not heard of a quorum for an election timeout steps down.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/mem.h"
#include "etcd-member/raft_internal.h"
#include "etcd-member/say.h"

#define MAX_APPEND_BYTES ((size_t)1 << 20) /* of entries in one MsgApp; a larger entry goes alone */

static void ask_all(struct raft *r, enum progress_ask ask)
{
    for (size_t i = 0; i < r->progress.n; i++)
        if (r->progress.list[i]->ask < ask)
            r->progress.list[i]->ask = ask;
}

static uint64_t match_of(const void *ctx, uint64_t id)
{
    const struct raft *r = ctx;
    const struct progress *p = progress_find(&r->progress, id);

    if (id == r->options.id)
        return r->stable;
    return p ? p->match : 0;
}

static bool has_committed_in_term(const struct raft *r)
{
    uint64_t term;

    return raft_log_term(&r->log, r->commit, &term) && term == r->term;
}

/* ---- Reads
 * ------------------------------------------------------------------------------------------------------------- */

static void forget_read(struct raft_read *read)
{
    free((void *)(uintptr_t)read->context.data); /* a copy of our own */
    ids_release(&read->acks);
}

void raft_drop_reads(struct raft *r)
{
    for (size_t i = 0; i < r->n_reads; i++)
        forget_read(&r->reads[i]);
    r->n_reads = 0;
}

static void send_heartbeats(struct raft *r, struct ferry_bytes context)
{
    for (size_t i = 0; i < r->progress.n; i++) {
        const struct progress *p = r->progress.list[i];

        if (p->id != r->options.id)
            raft_post(r, &(struct ferry_message){.type = FERRY_MSG_HEARTBEAT,
                                                 .to = p->id,
                                                 .commit = p->match < r->commit ? p->match : r->commit,
                                                 .context = context});
    }
}

static bool has_acknowledged(const void *ctx, uint64_t id)
{
    const struct raft_read *read = ctx;

    return ids_have(&read->acks, id);
}

/* Answer the first n reads: a quorum has confirmed us since they came. */
static void answer_reads(struct raft *r, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        struct raft_read *read = &r->reads[i];
        const struct ferry_entry echo = {.data = read->context};

        raft_post(r, &(struct ferry_message){.type = FERRY_MSG_READ_INDEX_RESP,
                                             .to = read->from,
                                             .index = read->index,
                                             .entries = &echo,
                                             .n_entries = 1});
        forget_read(read);
    }
    memmove(r->reads, r->reads + n, (r->n_reads - n) * sizeof(*r->reads));
    r->n_reads -= n;
}

/* The read has its index now; whoever answers the heartbeat confirms it. */
static void begin_read(struct raft *r, struct raft_read *read)
{
    read->index = r->commit;
    ids_add(&read->acks, r->options.id);
    send_heartbeats(r, read->context);
}

static void answer_what_needs_nobody(struct raft *r)
{
    size_t n = 0;

    while (n < r->n_reads && r->reads[n].index > 0 && conf_is_quorum(&r->conf, has_acknowledged, &r->reads[n]))
        n++;
    answer_reads(r, n);
}

static void begin_waiting_reads(struct raft *r)
{
    for (size_t i = 0; i < r->n_reads; i++)
        if (r->reads[i].index == 0)
            begin_read(r, &r->reads[i]);
    answer_what_needs_nobody(r);
}

static void on_read_index(struct raft *r, const struct ferry_message *msg)
{
    struct raft_read *read;

    if (msg->n_entries != 1 || !msg->entries[0].data.data)
        return;
    r->reads = mem_grow(r->reads, r->n_reads, &r->room_reads, sizeof(*r->reads));
    read = &r->reads[r->n_reads++];
    *read = (struct raft_read){.from = msg->from};
    read->context.data = mem_copy(msg->entries[0].data.data, msg->entries[0].data.len);
    read->context.len = msg->entries[0].data.len;
    if (has_committed_in_term(r)) /* else it waits: what is committed may be more than we know */
        begin_waiting_reads(r);
}

static void confirm_reads(struct raft *r, uint64_t from, struct ferry_bytes context)
{
    for (size_t i = 0; i < r->n_reads; i++) {
        struct raft_read *read = &r->reads[i];

        if (read->index == 0 || context.len != read->context.len ||
            memcmp(context.data, read->context.data, context.len) != 0)
            continue;
        ids_add(&read->acks, from);
        if (conf_is_quorum(&r->conf, has_acknowledged, read))
            answer_reads(r, i + 1); /* it also confirms those that came before */
        return;
    }
}

/* ---- Appending and committing
 * ------------------------------------------------------------------------------------------ */

void raft_advance_commit(struct raft *r)
{
    uint64_t index = conf_quorum_index(&r->conf, match_of, r);
    uint64_t term;

    /* What earlier terms left is committed by an entry of ours behind it, never by counting alone. */
    if (index <= r->commit || !raft_log_term(&r->log, index, &term) || term != r->term)
        return;
    raft_commit_to(r, index);
    ask_all(r, ASK_ALWAYS);
    begin_waiting_reads(r);
}

bool raft_append_proposals(struct raft *r, const struct ferry_entry *entries, size_t n)
{
    static const struct ferry_entry refused = {.type = FERRY_ENTRY_NORMAL};

    if (r->transferee != 0 || !conf_has(&r->conf, r->options.id))
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct ferry_entry *entry = &entries[i];

        if (entry->type != FERRY_ENTRY_NORMAL) {
            if (r->pending_conf_index > r->applied)
                entry = &refused; /* one change at a time: whoever waits for this one sees it do nothing */
            else
                r->pending_conf_index = raft_log_last_index(&r->log) + 1;
        }
        raft_log_append(&r->log, r->term, entry->type, entry->data);
    }
    ask_all(r, ASK_ALWAYS);
    return true;
}

static void make_progress(struct raft *r, const struct ids *ids, uint64_t next)
{
    for (size_t i = 0; i < ids->n; i++) {
        struct progress *p = progress_find(&r->progress, ids->list[i]);

        if (p)
            continue;
        p = progress_add(&r->progress, ids->list[i], next > 0 ? next : 1);
        p->recent_active = true; /* it has until the end of a whole election timeout */
        p->ask = ASK_ALWAYS;
    }
}

static void make_all_progress(struct raft *r, uint64_t next)
{
    make_progress(r, &r->conf.voters, next);
    make_progress(r, &r->conf.outgoing, next);
    make_progress(r, &r->conf.learners, next);
}

void raft_lead(struct raft *r)
{
    r->role = RAFT_LEADER;
    r->leader = r->options.id;
    r->election_elapsed = 0;
    r->heartbeat_elapsed = 0;
    progress_table_release(&r->progress);
    make_all_progress(r, raft_log_last_index(&r->log) + 1);
    r->pending_conf_index = raft_log_last_index(&r->log); /* there may be one among them */
    say("leader at term %" PRIu64, r->term);
    raft_log_append(&r->log, r->term, FERRY_ENTRY_NORMAL, (struct ferry_bytes){0});
    ask_all(r, ASK_ALWAYS);
}

void raft_conf_changed(struct raft *r)
{
    size_t i = 0;

    while (i < r->progress.n) {
        uint64_t id = r->progress.list[i]->id;

        if (conf_has(&r->conf, id))
            i++;
        else
            progress_remove(&r->progress, id);
    }
    make_all_progress(r, raft_log_last_index(&r->log));
    if (r->transferee != 0 && !conf_votes(&r->conf, r->transferee))
        r->transferee = 0;
    if (conf_votes(&r->conf, r->options.id))
        raft_advance_commit(r); /* the quorum may be smaller now */
}

/* ---- Sending
 * ----------------------------------------------------------------------------------------------------------- */

typedef void send_fn(void *ctx, const struct ferry_message *msg);

static bool send_snapshot(struct raft *r, struct progress *p, send_fn *send, void *ctx)
{
    if (!p->recent_active)
        return false; /* it would be sent to nobody, and its failure seen late */
    say("%" PRIx64 " lacks entry %" PRIu64 ", our log begins behind %" PRIu64 ": snapshot", p->id, p->next,
        r->log.base_index);
    progress_snapshot(p, r->log.base_index);
    send(ctx, &(struct ferry_message){.type = FERRY_MSG_SNAP, .from = r->options.id, .to = p->id, .term = r->term});
    return true;
}

static bool send_append(struct raft *r, struct progress *p, bool also_empty, send_fn *send, void *ctx)
{
    struct ferry_message msg = {.type = FERRY_MSG_APP,
                                .from = r->options.id,
                                .to = p->id,
                                .term = r->term,
                                .index = p->next - 1,
                                .commit = r->commit};

    if (progress_is_paused(p))
        return false;
    if (!raft_log_term(&r->log, msg.index, &msg.log_term))
        return send_snapshot(r, p, send, ctx);
    msg.n_entries = raft_log_run(&r->log, p->next, MAX_APPEND_BYTES);
    msg.entries = raft_log_get(&r->log, p->next);
    if (msg.n_entries == 0 && !also_empty)
        return false;
    progress_sent(p, msg.index + msg.n_entries, msg.n_entries);
    send(ctx, &msg);
    return msg.n_entries > 0;
}

void raft_send_appends(struct raft *r, send_fn *send, void *ctx)
{
    for (size_t i = 0; i < r->progress.n; i++) {
        struct progress *p = r->progress.list[i];
        bool also_empty = p->ask == ASK_ALWAYS;

        if (p->ask == ASK_NOTHING || p->id == r->options.id)
            continue;
        p->ask = ASK_NOTHING;
        while (send_append(r, p, also_empty, send, ctx))
            also_empty = false;
    }
}

bool raft_has_appends(const struct raft *r)
{
    for (size_t i = 0; i < r->progress.n; i++)
        if (r->progress.list[i]->ask != ASK_NOTHING && r->progress.list[i]->id != r->options.id)
            return true;
    return false;
}

/* ---- Handing over
 * ------------------------------------------------------------------------------------------------------ */

static void hand_over_when_level(struct raft *r, const struct progress *p)
{
    if (p->match == raft_log_last_index(&r->log))
        raft_post(r, &(struct ferry_message){.type = FERRY_MSG_TIMEOUT_NOW, .to = p->id});
}

void raft_transfer_to(struct raft *r, uint64_t id)
{
    struct progress *p = progress_find(&r->progress, id);

    if (!p || !conf_votes(&r->conf, id) || id == r->options.id || id == r->transferee)
        return;
    say("leadership goes to %" PRIx64, id);
    r->election_elapsed = 0; /* it has an election timeout to take it */
    r->transferee = id;
    hand_over_when_level(r, p);
    p->ask = ASK_ALWAYS;
}

void raft_hand_over(struct raft *r)
{
    uint64_t last = raft_log_last_index(&r->log);

    for (size_t i = 0; i < r->progress.n && r->role == RAFT_LEADER && r->transferee == 0; i++) {
        const struct progress *p = r->progress.list[i];

        if (p->id != r->options.id && p->recent_active && p->match == last && conf_votes(&r->conf, p->id))
            raft_transfer_to(r, p->id);
    }
}

bool raft_leads_up_to_date(const struct raft *r)
{
    uint64_t term;

    return r->role == RAFT_LEADER && raft_log_term(&r->log, r->applied, &term) && term == r->term;
}

bool raft_is_learner_ready(const struct raft *r, uint64_t id)
{
    const struct progress *p = r->role == RAFT_LEADER ? progress_find(&r->progress, id) : NULL;

    return p && (double)p->match >= 0.9 * (double)r->stable;
}

/* ---- Answers
 * ----------------------------------------------------------------------------------------------------------- */

static void on_append_refused(struct progress *p, const struct ferry_message *msg)
{
    if (progress_decrease(p, msg->index, msg->reject_hint))
        p->ask = ASK_ALWAYS;
}

static void on_append_taken(struct raft *r, struct progress *p, uint64_t index)
{
    bool was_paused = progress_is_paused(p);

    if (index > raft_log_last_index(&r->log) || !progress_update(p, index))
        return; /* nobody has more than its leader; and what is known is no news */
    if (p->state == PROGRESS_PROBE || (p->state == PROGRESS_SNAPSHOT && p->match >= p->pending_snapshot))
        progress_replicate(p);
    raft_advance_commit(r);
    if (p->ask == ASK_NOTHING)
        p->ask = was_paused ? ASK_ALWAYS : ASK_ENTRIES;
    if (p->id == r->transferee)
        hand_over_when_level(r, p);
}

static void on_heartbeat_answer(struct raft *r, struct progress *p, const struct ferry_message *msg)
{
    p->probe_sent = false;
    progress_free_one(p);
    if (p->match < raft_log_last_index(&r->log))
        p->ask = ASK_ALWAYS;
    if (msg->context.len > 0)
        confirm_reads(r, msg->from, msg->context);
}

void raft_step_leader(struct raft *r, const struct ferry_message *msg)
{
    struct progress *p = progress_find(&r->progress, msg->from);

    switch (msg->type) {
    case FERRY_MSG_PROP:
        (void)raft_append_proposals(r, msg->entries, msg->n_entries); /* one that is dropped times out at its client */
        return;
    case FERRY_MSG_READ_INDEX:
        on_read_index(r, msg);
        return;
    case FERRY_MSG_TRANSFER_LEADER:
        raft_transfer_to(r, msg->from);
        return;
    default:
        break;
    }
    if (!p || (msg->type != FERRY_MSG_APP_RESP && msg->type != FERRY_MSG_HEARTBEAT_RESP))
        return;
    p->recent_active = true;
    if (msg->type == FERRY_MSG_HEARTBEAT_RESP)
        on_heartbeat_answer(r, p, msg);
    else if (msg->reject)
        on_append_refused(p, msg);
    else
        on_append_taken(r, p, msg->index);
}

void raft_report_unreachable(struct raft *r, uint64_t id)
{
    struct progress *p = r->role == RAFT_LEADER ? progress_find(&r->progress, id) : NULL;

    if (p && p->state == PROGRESS_REPLICATE)
        progress_probe(p); /* an append is lost, most likely */
}

void raft_report_snapshot(struct raft *r, uint64_t id, bool is_stored)
{
    struct progress *p = r->role == RAFT_LEADER ? progress_find(&r->progress, id) : NULL;

    if (!p || p->state != PROGRESS_SNAPSHOT)
        return;
    if (!is_stored)
        p->pending_snapshot = 0;
    progress_probe(p);
    p->probe_sent = true; /* until its answer comes, or for a heartbeat's time */
}

/* ---- Time
 * -------------------------------------------------------------------------------------------------------------- */

static bool is_active(const void *ctx, uint64_t id)
{
    const struct raft *r = ctx;
    const struct progress *p = progress_find(&r->progress, id);

    return id == r->options.id || (p && p->recent_active);
}

static void check_quorum(struct raft *r)
{
    if (!conf_is_quorum(&r->conf, is_active, r)) {
        say("a quorum was not heard of for an election timeout");
        raft_become_follower(r, r->term, 0);
        return;
    }
    for (size_t i = 0; i < r->progress.n; i++)
        r->progress.list[i]->recent_active = false;
}

void raft_tick_leader(struct raft *r)
{
    if (r->election_elapsed >= r->options.election_ticks) {
        r->election_elapsed = 0;
        r->transferee = 0; /* it did not take it */
        check_quorum(r);
        if (r->role != RAFT_LEADER)
            return;
    }
    if (++r->heartbeat_elapsed < r->options.heartbeat_ticks)
        return;
    r->heartbeat_elapsed = 0;
    send_heartbeats(r, r->n_reads > 0 && r->reads[r->n_reads - 1].index > 0 ? r->reads[r->n_reads - 1].context
                                                                            : (struct ferry_bytes){0});
}
