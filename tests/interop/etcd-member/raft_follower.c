/*
 * raft_follower - a follower's answers: appends by the log matching rule, heartbeats, snapshots; what belongs to the
 * leader is passed on to it.
 *
 * A message that no honest leader sends - entries that do not follow each other, or that contradict what is committed -
 * is said and not answered.
 */
#include <inttypes.h>

#include "etcd-member/raft_internal.h"
#include "etcd-member/say.h"

static void hear_of_leader(struct raft *r, uint64_t leader)
{
    if (r->leader != leader)
        say("%" PRIx64 " leads term %" PRIu64, leader, r->term);
    r->election_elapsed = 0;
    r->leader = leader;
}

static void acknowledge(struct raft *r, uint64_t to, uint64_t index)
{
    raft_post(r, &(struct ferry_message){.type = FERRY_MSG_APP_RESP, .to = to, .index = index});
}

static bool is_consistent(const struct ferry_message *msg)
{
    uint64_t term = msg->log_term;

    for (size_t i = 0; i < msg->n_entries; i++) {
        const struct ferry_entry *entry = &msg->entries[i];

        if (entry->index != msg->index + 1 + i || entry->term < term || entry->term > msg->term)
            return false;
        term = entry->term;
    }
    return true;
}

/* The first entry of msg that our log does not have; n_entries: it has them all. */
static size_t first_new(const struct raft *r, const struct ferry_message *msg)
{
    size_t i = 0;
    uint64_t term;

    while (i < msg->n_entries && raft_log_term(&r->log, msg->entries[i].index, &term) && term == msg->entries[i].term)
        i++;
    return i;
}

static void take_entries(struct raft *r, const struct ferry_message *msg, size_t from)
{
    uint64_t first = msg->index + 1 + from;

    if (first <= raft_log_last_index(&r->log))
        raft_log_truncate(&r->log, first);
    if (r->stable >= first)
        r->stable = first - 1;
    for (size_t i = from; i < msg->n_entries; i++)
        raft_log_append(&r->log, msg->entries[i].term, msg->entries[i].type, msg->entries[i].data);
}

static void on_append(struct raft *r, const struct ferry_message *msg)
{
    uint64_t end = msg->index + msg->n_entries;
    uint64_t term;
    size_t from;

    if (!is_consistent(msg)) {
        say("MsgApp of %" PRIx64 " behind %" PRIu64 " has entries that do not follow each other", msg->from,
            msg->index);
        return;
    }
    if (msg->index < r->commit) {
        acknowledge(r, msg->from, r->commit);
        return;
    }
    if (!raft_log_term(&r->log, msg->index, &term) || term != msg->log_term) {
        raft_post(r, &(struct ferry_message){.type = FERRY_MSG_APP_RESP,
                                             .to = msg->from,
                                             .index = msg->index,
                                             .reject = true,
                                             .reject_hint = raft_log_last_index(&r->log)});
        return;
    }
    from = first_new(r, msg);
    if (from < msg->n_entries)
        take_entries(r, msg, from);
    raft_commit_to(r, msg->commit < end ? msg->commit : end);
    acknowledge(r, msg->from, end);
}

static void on_heartbeat(struct raft *r, const struct ferry_message *msg)
{
    raft_commit_to(r, msg->commit);
    raft_post(r, &(struct ferry_message){.type = FERRY_MSG_HEARTBEAT_RESP, .to = msg->from, .context = msg->context});
}

void raft_step_follower(struct raft *r, const struct ferry_message *msg)
{
    struct ferry_message passed_on = *msg;

    switch (msg->type) {
    case FERRY_MSG_APP:
    case FERRY_MSG_HEARTBEAT:
        hear_of_leader(r, msg->from);
        if (msg->type == FERRY_MSG_APP)
            on_append(r, msg);
        else
            on_heartbeat(r, msg);
        break;
    case FERRY_MSG_PROP:
    case FERRY_MSG_READ_INDEX:
    case FERRY_MSG_TRANSFER_LEADER:
        passed_on.to = r->leader;
        if (r->leader != 0)
            raft_post(r, &passed_on);
        break;
    default:
        break; /* answers to what we no longer are */
    }
}

/* ---- Snapshots
 * ------------------------------------------------------------------------------------------------------- */

bool raft_wants_snapshot(struct raft *r, const struct ferry_message *msg)
{
    const struct ferry_snapshot *snapshot = msg->snapshot;
    struct conf conf = {0};
    bool has_us;
    uint64_t term;

    raft_step(r, msg); /* sees to the term, and to who leads */
    if (msg->term != r->term || r->role != RAFT_FOLLOWER || !snapshot)
        return false;
    hear_of_leader(r, msg->from);
    conf_from_state(&snapshot->conf_state, &conf);
    has_us = conf_has(&conf, r->options.id);
    conf_release(&conf);
    if (snapshot->index <= r->commit || !has_us) {
        acknowledge(r, msg->from, r->commit);
        return false;
    }
    if (raft_log_term(&r->log, snapshot->index, &term) && term == snapshot->term) {
        raft_commit_to(r, snapshot->index); /* we have all of it in the log */
        acknowledge(r, msg->from, r->commit);
        return false;
    }
    return true;
}

void raft_restored(struct raft *r, const struct ferry_message *msg)
{
    const struct ferry_snapshot *snapshot = msg->snapshot;

    raft_log_reset(&r->log, snapshot->index, snapshot->term);
    r->commit = r->applied = r->stable = snapshot->index;
    conf_from_state(&snapshot->conf_state, &r->conf);
    acknowledge(r, msg->from, snapshot->index);
}
