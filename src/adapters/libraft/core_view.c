/*
 * core_view - libraft's core as the gate sees it.
 *
 * Beyond the gate's own rules, the configuration changes in a MsgApp are decoded: the core decodes them when it has
 * appended them, and does not bear one that it cannot decode.
 */
#include "adapters/libraft/core_view.h"

#include "adapters/libraft/raft_change.h"

/* What the gate's questions are answered from. */
struct judging {
    const struct fy_core_view *view;
    const struct raft *r;
    const struct fy_voucher *voucher;
};

void fy_core_view_release(struct fy_core_view *view)
{
    fy_term_runs_release(&view->terms);
}

void fy_core_view_on_load(struct fy_core_view *view, const struct raft_snapshot *snapshot, raft_index start_index,
                          const struct raft_entry *entries, size_t n)
{
    fy_term_runs_reset(&view->terms, snapshot ? snapshot->index : 0, snapshot ? snapshot->term : 0);
    for (size_t i = 0; i < n; i++)
        fy_term_runs_put(&view->terms, start_index + i, entries[i].term);
}

void fy_core_view_on_append(struct fy_core_view *view, struct raft *r, const struct raft_entry *entries, unsigned n)
{
    raft_index last = raft_last_index(r);

    for (unsigned i = 0; i < n; i++)
        fy_term_runs_put(&view->terms, last - n + 1 + i, entries[i].term);
}

void fy_core_view_on_truncate(struct fy_core_view *view, raft_index index)
{
    fy_term_runs_truncate(&view->terms, index);
}

void fy_core_view_on_snapshot(struct fy_core_view *view, const struct raft_snapshot *snapshot, unsigned trailing)
{
    if (fy_term_runs_at(&view->terms, snapshot->index) != snapshot->term) /* it replaces the log */
        fy_term_runs_reset(&view->terms, snapshot->index, snapshot->term);
    else if (snapshot->index > trailing)
        fy_term_runs_forget_before(&view->terms, snapshot->index - trailing);
}

void fy_core_view_on_received(struct fy_core_view *view, const struct raft *r, const struct ferry_message *msg)
{
    bool is_leader = r->state == RAFT_FOLLOWER && r->follower_state.current_leader.id == msg->from;

    if (!is_leader || msg->term != r->current_term || (msg->type != FERRY_MSG_APP && msg->type != FERRY_MSG_SNAP))
        return;
    view->leader = msg->from;
    view->leader_term = msg->term;
}

static bool judging_is_member(void *ctx, uint64_t id)
{
    const struct judging *judging = ctx;
    const struct raft_configuration *conf = &judging->r->configuration;

    for (unsigned i = 0; i < conf->n; i++)
        if (conf->servers[i].id == id)
            return true;
    /* A leader that removes itself goes on until that is committed. */
    if (judging->view->leader == id && judging->view->leader_term == judging->r->current_term)
        return true;
    return judging->voucher->fn && judging->voucher->fn(judging->voucher->ctx, id);
}

static uint64_t judging_term_of(void *ctx, uint64_t index)
{
    const struct judging *judging = ctx;

    return fy_term_runs_at(&judging->view->terms, index);
}

static enum ferry_verdict judge_changes(const struct ferry_message *msg)
{
    for (size_t i = 0; i < msg->n_entries; i++) {
        const struct ferry_entry *entry = &msg->entries[i];

        if (entry->type == FERRY_ENTRY_CONF_CHANGE && !fy_raft_change_is_valid(entry->data.data, entry->data.len))
            return FERRY_VERDICT_MALFORMED_CHANGE;
    }
    return FERRY_VERDICT_ADMIT;
}

enum ferry_verdict fy_core_view_judge(const struct fy_core_view *view, struct raft *r, const struct ferry_message *msg,
                                      const struct fy_voucher *voucher)
{
    struct judging judging = {.view = view, .r = r, .voucher = voucher};
    struct ferry_core_view core = FERRY_CORE_VIEW_INIT;
    enum ferry_verdict verdict;

    core.id = r->id;
    core.term = r->current_term;
    core.leads = r->state == RAFT_LEADER;
    core.leader = view->leader_term == r->current_term ? view->leader : 0;
    core.last_index = raft_last_index(r);
    core.commit_index = r->commit_index;
    core.has_configuration = r->configuration.n > 0;
    core.ctx = &judging;
    core.is_member = judging_is_member;
    core.term_of = judging_term_of;
    verdict = ferry_message_judge(msg, &core);
    return verdict == FERRY_VERDICT_ADMIT ? judge_changes(msg) : verdict;
}
