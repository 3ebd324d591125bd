/*
 * smallraft - a small Raft core.
 */
#include "smallraft.h"

#include <stdlib.h>
#include <string.h>

/* ---- The log ---- */

uint64_t sr_last_index(const struct smallraft *raft)
{
    return raft->snapshot.index + raft->n_entries;
}

static struct sr_entry *entry_at(const struct smallraft *raft, uint64_t index)
{
    return &raft->entries[index - raft->snapshot.index - 1];
}

uint64_t sr_term_of(const struct smallraft *raft, uint64_t index)
{
    if (index == raft->snapshot.index)
        return raft->snapshot.term;
    return index > raft->snapshot.index && index <= sr_last_index(raft) ? entry_at(raft, index)->term : 0;
}

static uint8_t *copy_bytes(const void *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    if (copy && len > 0)
        memcpy(copy, data, len);
    return copy;
}

static size_t encode_members(const struct sr_members *members, uint8_t data[8 * SR_MAX_MEMBERS])
{
    for (size_t i = 0; i < 8 * members->n; i++)
        data[i] = (uint8_t)(members->ids[i / 8] >> i % 8 * 8);
    return 8 * members->n;
}

bool sr_decode_members(const uint8_t *data, size_t len, struct sr_members *ret_members)
{
    *ret_members = (struct sr_members){.n = len / 8};
    if (len % 8 != 0 || len == 0 || len / 8 > SR_MAX_MEMBERS)
        return false;
    for (size_t i = 0; i < len; i++)
        ret_members->ids[i / 8] |= (uint64_t)data[i] << i % 8 * 8;
    for (size_t i = 0; i < ret_members->n; i++)
        for (size_t k = 0; k <= i; k++)
            if (ret_members->ids[i] == (k < i ? ret_members->ids[k] : 0))
                return false;
    return true;
}

static size_t find(const struct sr_members *members, uint64_t id)
{
    size_t i = 0;

    while (i < members->n && members->ids[i] != id)
        i++;
    return i;
}

bool sr_is_member(const struct smallraft *raft, uint64_t id)
{
    return find(&raft->members, id) < raft->members.n;
}

/* The members as of an entry, and the entry that says so; 0 or the snapshot's index: the snapshot does. */
static struct sr_members members_at(const struct smallraft *raft, uint64_t index, uint64_t *ret_index)
{
    struct sr_members members;

    for (; index > raft->snapshot.index; index--) {
        const struct sr_entry *entry = entry_at(raft, index);

        if (entry->kind == SR_MEMBERS && sr_decode_members(entry->data, entry->len, &members)) {
            *ret_index = index;
            return members;
        }
    }
    *ret_index = raft->snapshot.index;
    return raft->snapshot.members;
}

/* Take the members from the log, which has changed.  What the leader knows of those that stay is kept. */
static void update_members(struct smallraft *raft)
{
    struct sr_members before = raft->members;
    struct sr_progress known[SR_MAX_MEMBERS];

    memcpy(known, raft->progress, sizeof(known));
    raft->members = members_at(raft, sr_last_index(raft), &raft->members_index);
    for (size_t i = 0; i < raft->members.n; i++) {
        size_t was = find(&before, raft->members.ids[i]);

        raft->progress[i] =
            was < before.n ? known[was] : (struct sr_progress){.next = sr_last_index(raft) + 1, .has_answered = true};
    }
    if (raft->members.n != before.n || memcmp(raft->members.ids, before.ids, before.n * sizeof(before.ids[0])) != 0)
        raft->host.on_members(raft->host.ctx, &raft->members);
}

static void drop_entries(struct smallraft *raft, size_t first, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = first; i < first + n; i++)
        free((void *)(uintptr_t)raft->entries[i].data);
    memmove(raft->entries + first, raft->entries + first + n, (raft->n_entries - first - n) * sizeof(*raft->entries));
    raft->n_entries -= n;
}

/* Copies of all of them, or nothing. */
static bool add_copies(struct smallraft *raft, const struct sr_entry *entries, size_t n)
{
    size_t n_before = raft->n_entries;

    if (raft->n_entries + n > raft->n_room) {
        size_t n_room = 2 * (raft->n_entries + n);
        struct sr_entry *grown = realloc(raft->entries, n_room * sizeof(*grown));

        if (!grown)
            return false;
        raft->entries = grown;
        raft->n_room = n_room;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *data = copy_bytes(entries[i].data, entries[i].len);

        if (!data) {
            drop_entries(raft, n_before, raft->n_entries - n_before);
            return false;
        }
        raft->entries[raft->n_entries] = entries[i];
        raft->entries[raft->n_entries++].data = data;
    }
    return true;
}

static enum sr_error break_down(struct smallraft *raft)
{
    raft->is_broken = true;
    return SR_STORAGE;
}

/* Put entries at index and on, in place of what is there. */
static enum sr_error append(struct smallraft *raft, uint64_t index, const struct sr_entry *entries, size_t n)
{
    size_t at = (size_t)(index - raft->snapshot.index - 1), n_old = raft->n_entries - at;

    if (!add_copies(raft, entries, n))
        return SR_NOMEM;
    drop_entries(raft, at, n_old);
    if (raft->host.save_entries(raft->host.ctx, index, entry_at(raft, index), n) != 0)
        return break_down(raft);
    update_members(raft);
    return SR_OK;
}

static void apply_committed(struct smallraft *raft)
{
    while (raft->applied < raft->commit) {
        raft->applied++;
        raft->host.apply(raft->host.ctx, raft->applied, entry_at(raft, raft->applied));
    }
}

/* ---- Roles ---- */

static void restart_timer(struct smallraft *raft)
{
    raft->ticks = 0;
    raft->timeout_ticks = SR_ELECTION_TICKS + raft->host.random(raft->host.ctx) % SR_ELECTION_TICKS;
}

static enum sr_error set_term(struct smallraft *raft, uint64_t term, uint64_t vote)
{
    if (raft->term == term && raft->vote == vote)
        return SR_OK;
    raft->term = term;
    raft->vote = vote;
    return raft->host.save_term(raft->host.ctx, term, vote) == 0 ? SR_OK : break_down(raft);
}

static enum sr_error follow(struct smallraft *raft, uint64_t term, uint64_t leader)
{
    raft->role = SR_FOLLOWER;
    raft->leader = leader;
    restart_timer(raft);
    return set_term(raft, term, term == raft->term ? raft->vote : 0);
}

static void send(struct smallraft *raft, struct sr_message msg)
{
    msg.from = raft->id;
    msg.term = raft->term;
    raft->host.send(raft->host.ctx, &msg);
}

static void send_snapshot(struct smallraft *raft, size_t i)
{
    struct sr_progress *progress = &raft->progress[i];

    if (progress->snapshot_ticks > 0)
        return;
    progress->snapshot_ticks = SR_ELECTION_TICKS;
    progress->next = raft->snapshot.index + 1;
    send(raft, (struct sr_message){.type = SR_SNAPSHOT, .to = raft->members.ids[i], .snapshot = &raft->snapshot});
}

/* The entries that a member lacks, as far as a message holds them, or none: a heartbeat. */
static void send_append(struct smallraft *raft, size_t i)
{
    struct sr_progress *progress = &raft->progress[i];
    struct sr_message msg = {.type = SR_APPEND, .to = raft->members.ids[i], .commit = raft->commit};
    size_t n_bytes = 0;

    if (progress->next <= raft->snapshot.index)
        send_snapshot(raft, i);
    msg.index = progress->next > raft->snapshot.index ? progress->next - 1 : raft->snapshot.index;
    msg.log_term = sr_term_of(raft, msg.index);
    msg.entries = raft->entries + (msg.index - raft->snapshot.index);
    while (msg.n_entries < SR_MAX_BATCH && msg.index + msg.n_entries < sr_last_index(raft) &&
           (n_bytes += msg.entries[msg.n_entries].len) <= SR_MAX_BATCH_BYTES)
        msg.n_entries++;
    if (msg.n_entries == 0 && msg.index < sr_last_index(raft))
        msg.n_entries = 1; /* one that is larger than a batch */
    if (progress->next > raft->snapshot.index)
        progress->next = msg.index + msg.n_entries + 1; /* until it turns out otherwise */
    else
        msg.n_entries = 0;
    send(raft, msg);
}

static void send_appends(struct smallraft *raft)
{
    for (size_t i = 0; i < raft->members.n; i++)
        if (raft->members.ids[i] != raft->id)
            send_append(raft, i);
}

/* An entry of this term that a majority has is committed, with all before it. */
static void advance_commit(struct smallraft *raft)
{
    for (uint64_t index = sr_last_index(raft); index > raft->commit && sr_term_of(raft, index) == raft->term; index--) {
        size_t n = 0;

        for (size_t i = 0; i < raft->members.n; i++)
            n += raft->members.ids[i] == raft->id || raft->progress[i].match >= index;
        if (n > raft->members.n / 2) {
            raft->commit = index;
            break;
        }
    }
    apply_committed(raft);
    if (raft->members_index <= raft->commit && !sr_is_member(raft, raft->id))
        (void)follow(raft, raft->term, 0); /* its removal is committed */
}

static enum sr_error lead_entry(struct smallraft *raft, enum sr_kind kind, const void *data, size_t len)
{
    struct sr_entry entry = {.term = raft->term, .kind = kind, .data = data, .len = len};
    enum sr_error err = append(raft, sr_last_index(raft) + 1, &entry, 1);

    if (err == SR_OK) {
        send_appends(raft);
        advance_commit(raft); /* it may be the only member */
    }
    return err;
}

static void lead(struct smallraft *raft)
{
    raft->role = SR_LEADER;
    raft->leader = raft->id;
    raft->ticks = 0;
    for (size_t i = 0; i < raft->members.n; i++)
        raft->progress[i] = (struct sr_progress){.next = sr_last_index(raft) + 1, .has_answered = true};
    if (lead_entry(raft, SR_NOTHING, NULL, 0) == SR_NOMEM)
        (void)follow(raft, raft->term, 0);
}

static size_t count_votes(const struct smallraft *raft)
{
    size_t n = 0;

    for (size_t i = 0; i < raft->members.n; i++)
        n += raft->progress[i].has_voted;
    return n;
}

/* It is a member, or its removal is in the log and not committed: without it, that might never be. */
static bool may_lead(const struct smallraft *raft)
{
    uint64_t unused;
    struct sr_members committed = members_at(raft, raft->commit, &unused);

    return sr_is_member(raft, raft->id) || find(&committed, raft->id) < committed.n;
}

static void campaign(struct smallraft *raft)
{
    uint64_t last = sr_last_index(raft);

    restart_timer(raft);
    if (!may_lead(raft) || set_term(raft, raft->term + 1, raft->id) != SR_OK)
        return;
    raft->role = SR_CANDIDATE;
    raft->leader = 0;
    for (size_t i = 0; i < raft->members.n; i++)
        raft->progress[i].has_voted = raft->members.ids[i] == raft->id;
    if (count_votes(raft) > raft->members.n / 2) {
        lead(raft); /* it is the only member */
        return;
    }
    for (size_t i = 0; i < raft->members.n; i++)
        if (raft->members.ids[i] != raft->id)
            send(raft,
                 (struct sr_message){
                     .type = SR_VOTE, .to = raft->members.ids[i], .index = last, .log_term = sr_term_of(raft, last)});
}

/* Has a majority answered since the last time?  A leader that is alone must not keep its followers. */
static bool is_heard(struct smallraft *raft)
{
    size_t n = 0;

    for (size_t i = 0; i < raft->members.n; i++) {
        n += raft->members.ids[i] == raft->id || raft->progress[i].has_answered;
        raft->progress[i].has_answered = false;
    }
    return n > raft->members.n / 2;
}

void sr_tick(struct smallraft *raft)
{
    if (raft->is_broken)
        return;
    raft->ticks++;
    if (raft->role != SR_LEADER) {
        if (raft->ticks >= raft->timeout_ticks)
            campaign(raft);
        return;
    }
    for (size_t i = 0; i < raft->members.n; i++)
        raft->progress[i].snapshot_ticks -= raft->progress[i].snapshot_ticks > 0;
    if (raft->ticks % (2 * SR_ELECTION_TICKS) == 0 && !is_heard(raft))
        (void)follow(raft, raft->term, 0);
    else if (raft->ticks % SR_HEARTBEAT_TICKS == 0)
        send_appends(raft);
}

/* ---- Messages ---- */

static enum sr_error receive_vote(struct smallraft *raft, const struct sr_message *msg)
{
    uint64_t last = sr_last_index(raft), log_term = sr_term_of(raft, last);
    bool is_behind = msg->log_term < log_term || (msg->log_term == log_term && msg->index < last);
    bool is_granted = msg->term == raft->term && !is_behind && (raft->vote == 0 || raft->vote == msg->from);

    if (is_granted) {
        restart_timer(raft);
        if (set_term(raft, raft->term, msg->from) != SR_OK)
            return SR_STORAGE;
    }
    send(raft, (struct sr_message){.type = SR_VOTE_ANSWER, .to = msg->from, .reject = !is_granted});
    return SR_OK;
}

/* Those before skip are here already.  What contradicts a committed entry is no leader's. */
static enum sr_error take_entries(struct smallraft *raft, const struct sr_message *msg)
{
    size_t skip = 0;
    uint64_t index = msg->index + 1;

    for (; skip < msg->n_entries && sr_term_of(raft, index) == msg->entries[skip].term; skip++)
        index++;
    if (skip == msg->n_entries)
        return SR_OK;
    return index <= raft->commit ? SR_INVALID : append(raft, index, msg->entries + skip, msg->n_entries - skip);
}

static enum sr_error receive_append(struct smallraft *raft, const struct sr_message *msg)
{
    struct sr_message answer = {.type = SR_APPEND_ANSWER, .to = msg->from, .index = msg->index};
    uint64_t last = sr_last_index(raft);
    enum sr_error err = SR_OK;

    if (msg->term < raft->term) {
        answer.reject = true;
    } else if (msg->index < raft->snapshot.index) {
        answer.index = raft->commit; /* what is in the snapshot is committed, and so is all up to here */
    } else if (sr_term_of(raft, msg->index) != msg->log_term || msg->index > last) {
        answer.reject = true;
        answer.hint = last < msg->index ? last : msg->index - 1;
    } else {
        err = take_entries(raft, msg);
        answer.index += msg->n_entries;
        if (err == SR_OK && msg->commit > raft->commit)
            raft->commit = msg->commit < answer.index ? msg->commit : answer.index;
    }
    if (err == SR_OK)
        send(raft, answer);
    if (err == SR_OK)
        apply_committed(raft);
    return err;
}

/* Keep a copy of it in place of the entries up to it. */
static enum sr_error keep_snapshot(struct smallraft *raft, const struct sr_snapshot *snapshot)
{
    bool keeps_log = sr_term_of(raft, snapshot->index) == snapshot->term;
    uint8_t *data = copy_bytes(snapshot->data, snapshot->len);
    size_t n_old = keeps_log ? (size_t)(snapshot->index - raft->snapshot.index) : raft->n_entries;

    if (!data)
        return SR_NOMEM;
    drop_entries(raft, 0, n_old);
    free((void *)(uintptr_t)raft->snapshot.data);
    raft->snapshot = *snapshot;
    raft->snapshot.data = data;
    if (raft->host.save_snapshot(raft->host.ctx, &raft->snapshot, keeps_log) != 0)
        return break_down(raft);
    update_members(raft);
    return SR_OK;
}

static enum sr_error receive_snapshot(struct smallraft *raft, const struct sr_message *msg)
{
    if (msg->term == raft->term && msg->snapshot->index > raft->commit) {
        enum sr_error err = keep_snapshot(raft, msg->snapshot);

        if (err != SR_OK)
            return err;
        raft->commit = raft->applied = raft->snapshot.index;
        raft->host.restore(raft->host.ctx, &raft->snapshot);
    }
    send(raft, (struct sr_message){
                   .type = SR_APPEND_ANSWER, .to = msg->from, .index = raft->commit, .reject = msg->term < raft->term});
    return SR_OK;
}

static void receive_append_answer(struct smallraft *raft, const struct sr_message *msg)
{
    size_t i = find(&raft->members, msg->from);
    struct sr_progress *progress = &raft->progress[i];

    if (i == raft->members.n || msg->index > sr_last_index(raft))
        return;
    progress->has_answered = true;
    if (!msg->reject) {
        progress->match = msg->index > progress->match ? msg->index : progress->match;
        progress->next = progress->next > progress->match ? progress->next : progress->match + 1;
        advance_commit(raft);
    } else if (msg->index >= progress->match && progress->snapshot_ticks == 0) {
        progress->next = (msg->hint > progress->match ? msg->hint : progress->match) + 1;
    }
    if (raft->role == SR_LEADER && progress->next <= sr_last_index(raft) && progress->snapshot_ticks == 0)
        send_append(raft, i);
}

static void receive_vote_answer(struct smallraft *raft, const struct sr_message *msg)
{
    size_t i = find(&raft->members, msg->from);

    if (i == raft->members.n || msg->reject)
        return;
    raft->progress[i].has_voted = true;
    if (count_votes(raft) > raft->members.n / 2)
        lead(raft);
}

enum sr_error sr_receive(struct smallraft *raft, const struct sr_message *msg)
{
    bool is_from_leader = msg->type == SR_APPEND || msg->type == SR_SNAPSHOT;
    bool has_leader = raft->role == SR_LEADER || (raft->leader != 0 && raft->ticks < SR_ELECTION_TICKS);
    enum sr_error err = SR_OK;

    if (raft->is_broken)
        return SR_STORAGE;
    if (msg->type == SR_VOTE && msg->term > raft->term && has_leader)
        return SR_OK; /* of one who hears no leader, or was removed and does not know it */
    if (msg->term > raft->term || (is_from_leader && msg->term == raft->term))
        err = follow(raft, msg->term, is_from_leader ? msg->from : 0);
    if (err != SR_OK)
        return err;
    switch (msg->type) {
    case SR_VOTE:
        return receive_vote(raft, msg);
    case SR_APPEND:
        return receive_append(raft, msg);
    case SR_SNAPSHOT:
        return receive_snapshot(raft, msg);
    case SR_VOTE_ANSWER:
        if (raft->role == SR_CANDIDATE && msg->term == raft->term)
            receive_vote_answer(raft, msg);
        return SR_OK;
    case SR_APPEND_ANSWER:
        if (raft->role == SR_LEADER && msg->term == raft->term)
            receive_append_answer(raft, msg);
        return SR_OK;
    }
    return SR_INVALID;
}

/* ---- What the program asks for ---- */

void sr_unreachable(struct smallraft *raft, uint64_t id)
{
    size_t i = find(&raft->members, id);

    if (raft->role == SR_LEADER && i < raft->members.n)
        raft->progress[i].next = raft->progress[i].match + 1; /* with the next heartbeat */
}

enum sr_error sr_propose(struct smallraft *raft, const void *data, size_t len)
{
    if (raft->is_broken)
        return SR_STORAGE;
    return raft->role == SR_LEADER ? lead_entry(raft, SR_COMMAND, data, len) : SR_NOT_LEADER;
}

enum sr_error sr_change(struct smallraft *raft, uint64_t id, bool is_added)
{
    struct sr_members members = raft->members;
    size_t i = find(&members, id);
    uint8_t data[8 * SR_MAX_MEMBERS];

    if (raft->role != SR_LEADER || raft->is_broken)
        return raft->is_broken ? SR_STORAGE : SR_NOT_LEADER;
    if (raft->members_index > raft->commit || sr_term_of(raft, raft->commit) != raft->term)
        return SR_BUSY;
    if (id == 0 || is_added == (i < members.n) || (is_added ? members.n == SR_MAX_MEMBERS : members.n == 1))
        return SR_INVALID;
    if (is_added)
        members.ids[members.n++] = id;
    else
        memmove(members.ids + i, members.ids + i + 1, (--members.n - i) * sizeof(members.ids[0]));
    return lead_entry(raft, SR_MEMBERS, data, encode_members(&members, data));
}

enum sr_error sr_compact(struct smallraft *raft, const void *data, size_t len)
{
    uint64_t unused;
    struct sr_snapshot snapshot = {.index = raft->applied,
                                   .term = sr_term_of(raft, raft->applied),
                                   .members = members_at(raft, raft->applied, &unused),
                                   .data = data,
                                   .len = len};

    if (raft->is_broken)
        return SR_STORAGE;
    return snapshot.index > raft->snapshot.index ? keep_snapshot(raft, &snapshot) : SR_OK;
}

enum sr_error sr_new(uint64_t id, const struct sr_host *host, const struct sr_stored *stored,
                     struct smallraft **ret_raft)
{
    struct smallraft *raft = calloc(1, sizeof(*raft));

    if (!raft)
        return SR_NOMEM;
    raft->id = id;
    raft->host = *host;
    raft->term = stored->term;
    raft->vote = stored->vote;
    raft->snapshot = stored->snapshot;
    raft->snapshot.data = copy_bytes(stored->snapshot.data, stored->snapshot.len);
    raft->commit = raft->applied = raft->snapshot.index;
    if (!raft->snapshot.data || !add_copies(raft, stored->entries, stored->n_entries)) {
        sr_free(raft);
        return SR_NOMEM;
    }
    restart_timer(raft);
    if (raft->snapshot.index > 0)
        raft->host.restore(raft->host.ctx, &raft->snapshot);
    update_members(raft);
    *ret_raft = raft;
    return SR_OK;
}

void sr_free(struct smallraft *raft)
{
    if (!raft)
        return;
    drop_entries(raft, 0, raft->n_entries);
    free(raft->entries);
    free((void *)(uintptr_t)raft->snapshot.data);
    free(raft);
}
