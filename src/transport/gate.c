/*
 * gate - the rules that every message of a correct member keeps.
 *
 * Normal path: sender, term, leadership, then what the type carries.  Each rule follows from Raft itself: a term has at
 * most one leader, entries are numbered without a gap with terms that never fall, and what is committed never changes.
 * So a message that breaks one is forged or comes from a broken member, and refusing it costs a correct cluster
 * nothing.
 */
#include "ferry/gate.h"

const char *ferry_verdict_text(enum ferry_verdict verdict)
{
    switch (verdict) {
    case FERRY_VERDICT_ADMIT:
        return "admitted";
#define TEXT(name, value, text)                                                                                        \
    case FERRY_VERDICT_##name:                                                                                         \
        return text;
        FERRY_VERDICT_MAP(TEXT)
#undef TEXT
    default:
        return "unknown verdict";
    }
}

/* Messages by which a member of the core talks to itself, or to its storage. */
static bool is_local(enum ferry_message_type type)
{
    switch (type) {
    case FERRY_MSG_HUP:
    case FERRY_MSG_BEAT:
    case FERRY_MSG_UNREACHABLE:
    case FERRY_MSG_SNAP_STATUS:
    case FERRY_MSG_CHECK_QUORUM:
    case FERRY_MSG_STORAGE_APPEND:
    case FERRY_MSG_STORAGE_APPEND_RESP:
    case FERRY_MSG_STORAGE_APPLY:
    case FERRY_MSG_STORAGE_APPLY_RESP:
        return true;
    default:
        return (unsigned)type > FERRY_MSG_FORGET_LEADER;
    }
}

/* etcd sends these without a term: the receiver's own is meant. */
static bool has_term(enum ferry_message_type type)
{
    switch (type) {
    case FERRY_MSG_PROP:
    case FERRY_MSG_READ_INDEX:
    case FERRY_MSG_TRANSFER_LEADER:
    case FERRY_MSG_FORGET_LEADER:
        return false;
    default:
        return true;
    }
}

/* Only the leader of a term sends these in it. */
static bool is_from_a_leader(enum ferry_message_type type)
{
    return type == FERRY_MSG_APP || type == FERRY_MSG_SNAP || type == FERRY_MSG_HEARTBEAT ||
           type == FERRY_MSG_TIMEOUT_NOW || type == FERRY_MSG_READ_INDEX_RESP;
}

static uint64_t term_of(const struct ferry_core_view *view, uint64_t index)
{
    return view->term_of ? view->term_of(view->ctx, index) : 0;
}

/* index > base + ahead, without overflow */
static bool is_beyond(uint64_t index, uint64_t base, uint64_t ahead)
{
    return index > base && index - base > ahead;
}

static enum ferry_verdict judge_sender(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    if (is_local(msg->type))
        return FERRY_VERDICT_LOCAL_TYPE;
    if (msg->from == 0 || msg->from == view->id)
        return FERRY_VERDICT_FROM_SELF;
    if (msg->to != 0 && msg->to != view->id)
        return FERRY_VERDICT_WRONG_MEMBER;
    if (view->is_member && view->has_configuration && !view->is_member(view->ctx, msg->from))
        return FERRY_VERDICT_UNKNOWN_SENDER;
    return FERRY_VERDICT_ADMIT;
}

static enum ferry_verdict judge_term(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    if (msg->term == 0)
        return has_term(msg->type) ? FERRY_VERDICT_TERM_ZERO : FERRY_VERDICT_ADMIT;
    if (is_beyond(msg->term, view->term, view->max_term_ahead))
        return FERRY_VERDICT_TERM_AHEAD;
    if (msg->term == view->term && is_from_a_leader(msg->type) &&
        (view->leads || (view->leader != 0 && view->leader != msg->from)))
        return FERRY_VERDICT_TWO_LEADERS;
    return FERRY_VERDICT_ADMIT;
}

/*
 * What the message says of the entry at index.  An index whose term is not known was compacted, or is not there yet:
 * the core answers with what it has.
 */
static enum ferry_verdict judge_committed(const struct ferry_core_view *view, uint64_t index, uint64_t term)
{
    uint64_t known = index <= view->commit_index ? term_of(view, index) : 0;

    return known == 0 || known == term ? FERRY_VERDICT_ADMIT : FERRY_VERDICT_CONTRADICTS_COMMITTED;
}

static enum ferry_verdict judge_entry(const struct ferry_entry *entry, const struct ferry_core_view *view)
{
    bool is_change = entry->type == FERRY_ENTRY_CONF_CHANGE || entry->type == FERRY_ENTRY_CONF_CHANGE_V2;

    if (entry->type != FERRY_ENTRY_NORMAL && !is_change)
        return FERRY_VERDICT_ENTRY_TYPE;
    if (entry->type == FERRY_ENTRY_CONF_CHANGE_V2 && !view->has_conf_change_v2)
        return FERRY_VERDICT_ENTRY_TYPE;
    /* A ConfChangeV2 of no bytes leaves a joint configuration; a ConfChange without data changes nothing. */
    if (entry->type == FERRY_ENTRY_CONF_CHANGE && entry->data.len == 0)
        return FERRY_VERDICT_EMPTY_CHANGE;
    return FERRY_VERDICT_ADMIT;
}

static enum ferry_verdict judge_previous(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    if (is_beyond(msg->index, view->last_index, view->max_index_ahead) || msg->n_entries > UINT64_MAX - msg->index)
        return FERRY_VERDICT_INDEX_AHEAD;
    if (msg->log_term > msg->term || (msg->index == 0) != (msg->log_term == 0))
        return FERRY_VERDICT_LOG_TERM;
    if (msg->index > 0)
        return judge_committed(view, msg->index, msg->log_term);
    /* With nothing before them these entries always fit, so the core would not look for a gap. */
    return msg->n_entries > 0 && view->commit_index > 0 && view->term_of && term_of(view, 1) == 0
               ? FERRY_VERDICT_COMPACTED
               : FERRY_VERDICT_ADMIT;
}

static enum ferry_verdict judge_append(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    uint64_t term = msg->log_term;
    enum ferry_verdict verdict = judge_previous(msg, view);

    for (size_t i = 0; i < msg->n_entries && verdict == FERRY_VERDICT_ADMIT; i++) {
        const struct ferry_entry *entry = &msg->entries[i];

        if (entry->index != msg->index + 1 + i)
            return FERRY_VERDICT_ENTRY_INDEX;
        if (entry->term == 0 || entry->term < term || entry->term > msg->term)
            return FERRY_VERDICT_LOG_TERM;
        term = entry->term;
        verdict = judge_committed(view, entry->index, entry->term);
        if (verdict == FERRY_VERDICT_ADMIT)
            verdict = judge_entry(entry, view);
    }
    return verdict;
}

static enum ferry_verdict judge_snapshot(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    const struct ferry_snapshot *snapshot = msg->snapshot;

    if (!snapshot || snapshot->index == 0)
        return FERRY_VERDICT_NO_SNAPSHOT;
    if (snapshot->term == 0 || snapshot->term > msg->term)
        return FERRY_VERDICT_LOG_TERM;
    if (is_beyond(snapshot->index, view->last_index, view->max_index_ahead))
        return FERRY_VERDICT_INDEX_AHEAD;
    if (snapshot->index > view->commit_index)
        return FERRY_VERDICT_ADMIT;
    /* A leader that does not know how far its follower is may send what that has: the core answers with its last index.
     */
    return term_of(view, snapshot->index) == 0 ? FERRY_VERDICT_OLD_SNAPSHOT
                                               : judge_committed(view, snapshot->index, snapshot->term);
}

static enum ferry_verdict judge_append_response(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    bool is_ours = view->leads && msg->term == view->term;

    return view->has_exact_acks && is_ours && msg->index > view->last_index ? FERRY_VERDICT_UNSENT_INDEX
                                                                            : FERRY_VERDICT_ADMIT;
}

static enum ferry_verdict judge_vote(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    if (is_beyond(msg->index, view->last_index, view->max_index_ahead))
        return FERRY_VERDICT_INDEX_AHEAD;
    if (msg->log_term > msg->term || (msg->index == 0) != (msg->log_term == 0))
        return FERRY_VERDICT_LOG_TERM;
    return FERRY_VERDICT_ADMIT;
}

static enum ferry_verdict judge_contents(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    switch (msg->type) {
    case FERRY_MSG_APP:
        return judge_append(msg, view);
    case FERRY_MSG_APP_RESP:
        return judge_append_response(msg, view);
    case FERRY_MSG_VOTE:
    case FERRY_MSG_PRE_VOTE:
        return judge_vote(msg, view);
    case FERRY_MSG_SNAP:
        return judge_snapshot(msg, view);
    default:
        return FERRY_VERDICT_ADMIT;
    }
}

enum ferry_verdict ferry_message_judge(const struct ferry_message *msg, const struct ferry_core_view *view)
{
    enum ferry_verdict verdict = judge_sender(msg, view);

    if (verdict == FERRY_VERDICT_ADMIT)
        verdict = judge_term(msg, view);
    /* An old message is answered by the core with its own term, and never looked into. */
    if (verdict == FERRY_VERDICT_ADMIT && (msg->term == 0 || msg->term >= view->term))
        verdict = judge_contents(msg, view);
    return verdict;
}
