/*
 * adapter - smallraft's messages over Ferry.
 */
#include "adapter.h"

/* ---- Out ---- */

static const enum ferry_message_type types[] = {[SR_VOTE] = FERRY_MSG_VOTE,
                                                [SR_VOTE_ANSWER] = FERRY_MSG_VOTE_RESP,
                                                [SR_APPEND] = FERRY_MSG_APP,
                                                [SR_APPEND_ANSWER] = FERRY_MSG_APP_RESP,
                                                [SR_SNAPSHOT] = FERRY_MSG_SNAP};

/* A command has data that is present, even if it is empty; SR_NOTHING is etcd's empty entry. */
static struct ferry_bytes bytes_of(const struct sr_entry *entry)
{
    static const uint8_t none[1];

    if (entry->kind == SR_NOTHING)
        return (struct ferry_bytes){.data = NULL};
    return (struct ferry_bytes){.data = entry->data ? entry->data : none, .len = entry->len};
}

void sr_ferry_send(struct sr_ferry *ferry, const struct sr_message *msg)
{
    struct ferry_entry entries[SR_MAX_BATCH];
    struct ferry_snapshot snapshot;
    struct ferry_message out = {.type = types[msg->type],
                                .to = msg->to,
                                .from = msg->from,
                                .term = msg->term,
                                .index = msg->index,
                                .log_term = msg->log_term,
                                .commit = msg->commit,
                                .reject = msg->reject,
                                .reject_hint = msg->hint,
                                .entries = entries,
                                .n_entries = msg->n_entries};

    for (size_t i = 0; i < msg->n_entries; i++)
        entries[i] = (struct ferry_entry){.term = msg->entries[i].term,
                                          .index = msg->index + 1 + i,
                                          .type = msg->entries[i].kind == SR_MEMBERS ? FERRY_ENTRY_CONF_CHANGE
                                                                                     : FERRY_ENTRY_NORMAL,
                                          .data = bytes_of(&msg->entries[i])};
    if (msg->snapshot) {
        const struct sr_snapshot *from = msg->snapshot;

        snapshot = (struct ferry_snapshot){.index = from->index,
                                           .term = from->term,
                                           .data = {.data = from->data, .len = from->len},
                                           .conf_state = {.voters = from->members.ids, .n_voters = from->members.n}};
        out.snapshot = &snapshot;
    }
    if (ferry->transport)
        (void)ferry_transport_send(ferry->transport, &out, 1); /* lost, it is as good as lost on the way */
}

/* ---- In ---- */

/*
 * Everybody in the address book may send.  The configuration alone is not enough: a member that was cut off does not
 * know who was added meanwhile, and a former leader may have a removal in its log that will never be committed.
 */
static bool is_member(void *ctx, uint64_t id)
{
    const struct sr_ferry *ferry = ctx;

    return ferry->url_of(ferry->url_ctx, id) != NULL;
}

static uint64_t term_of(void *ctx, uint64_t index)
{
    return sr_term_of(((const struct sr_ferry *)ctx)->raft, index);
}

static enum ferry_verdict judge(const struct ferry_message *msg, struct sr_ferry *ferry)
{
    struct ferry_core_view view = FERRY_CORE_VIEW_INIT;
    const struct smallraft *raft = ferry->raft;

    view.id = raft->id;
    view.term = raft->term;
    view.leads = raft->role == SR_LEADER;
    view.leader = raft->leader;
    view.last_index = sr_last_index(raft);
    view.commit_index = raft->commit;
    view.ctx = ferry;
    view.is_member = is_member;
    view.has_configuration = raft->members.n > 0;
    view.term_of = term_of;
    view.has_exact_acks = true;
    return ferry_message_judge(msg, &view);
}

/* What only this core's encoding tells. */
static bool get_entries(const struct ferry_message *msg, struct sr_entry entries[SR_MAX_BATCH])
{
    if (msg->n_entries > SR_MAX_BATCH)
        return false;
    for (size_t i = 0; i < msg->n_entries; i++) {
        const struct ferry_entry *from = &msg->entries[i];
        struct sr_members members;

        entries[i] = (struct sr_entry){.term = from->term, .data = from->data.data, .len = from->data.len};
        entries[i].kind = !from->data.data ? SR_NOTHING : SR_COMMAND;
        if (from->type == FERRY_ENTRY_CONF_CHANGE) {
            entries[i].kind = SR_MEMBERS;
            if (!sr_decode_members(from->data.data, from->data.len, &members))
                return false;
        }
    }
    return true;
}

static bool get_snapshot(const struct ferry_snapshot *from, struct sr_snapshot *ret_snapshot)
{
    *ret_snapshot = (struct sr_snapshot){.index = from->index,
                                         .term = from->term,
                                         .members = {.n = from->conf_state.n_voters},
                                         .data = from->data.data,
                                         .len = from->data.len};
    if (from->conf_state.n_voters == 0 || from->conf_state.n_voters > SR_MAX_MEMBERS)
        return false;
    for (size_t i = 0; i < from->conf_state.n_voters; i++)
        ret_snapshot->members.ids[i] = from->conf_state.voters[i];
    return true;
}

static bool get_type(enum ferry_message_type from, enum sr_type *ret_type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i] == from) {
            *ret_type = (enum sr_type)i;
            return true;
        }
    return false;
}

static int refuse(struct sr_ferry *ferry, enum ferry_verdict verdict)
{
    ferry->n_refused++;
    ferry->last_refusal = verdict;
    return -1;
}

static int process(void *ctx, const struct ferry_message *msg)
{
    struct sr_ferry *ferry = ctx;
    enum ferry_verdict verdict = judge(msg, ferry);
    struct sr_entry entries[SR_MAX_BATCH];
    struct sr_snapshot snapshot;
    struct sr_message in = {.from = msg->from,
                            .to = msg->to,
                            .term = msg->term,
                            .index = msg->index,
                            .log_term = msg->log_term,
                            .commit = msg->commit,
                            .entries = entries,
                            .n_entries = msg->n_entries,
                            .reject = msg->reject,
                            .hint = msg->reject_hint};

    if (verdict != FERRY_VERDICT_ADMIT)
        return refuse(ferry, verdict);
    if (!get_type(msg->type, &in.type))
        return refuse(ferry, FERRY_VERDICT_LOCAL_TYPE);
    if (!get_entries(msg, entries))
        return refuse(ferry, FERRY_VERDICT_MALFORMED_CHANGE);
    if (in.type == SR_SNAPSHOT) {
        if (!msg->snapshot || !get_snapshot(msg->snapshot, &snapshot))
            return refuse(ferry, FERRY_VERDICT_MALFORMED_SNAPSHOT);
        in.snapshot = &snapshot;
    }
    return sr_receive(ferry->raft, &in) == SR_OK ? 0 : -1;
}

static void report_unreachable(void *ctx, uint64_t id)
{
    struct sr_ferry *ferry = ctx;

    if (ferry->raft)
        sr_unreachable(ferry->raft, id);
}

/* ---- Members ---- */

static bool has(const struct sr_members *members, uint64_t id)
{
    size_t i = 0;

    while (i < members->n && members->ids[i] != id)
        i++;
    return i < members->n;
}

void sr_ferry_set_members(struct sr_ferry *ferry, const struct sr_members *members)
{
    struct sr_members before = ferry->members;

    ferry->members = *members;
    if (!ferry->raft)
        return; /* start adds them all */
    for (size_t i = 0; i < before.n; i++)
        if (before.ids[i] != ferry->id && !has(members, before.ids[i]))
            (void)ferry_transport_remove_peer(ferry->transport, before.ids[i]);
    for (size_t i = 0; i < members->n; i++) {
        const char *urls[] = {ferry->url_of(ferry->url_ctx, members->ids[i]), NULL};

        if (urls[0] && members->ids[i] != ferry->id && !has(&before, members->ids[i]))
            (void)ferry_transport_add_peer(ferry->transport, members->ids[i], urls);
    }
}

void sr_ferry_init(struct sr_ferry *ferry, struct ferry_config *cfg, const char *(*url_of)(void *ctx, uint64_t id),
                   void *url_ctx)
{
    *ferry = (struct sr_ferry){.id = cfg->id, .url_of = url_of, .url_ctx = url_ctx};
    cfg->delivery = FERRY_DELIVER_HOST;
    cfg->core = (struct ferry_core){.ctx = ferry, .process = process, .report_unreachable = report_unreachable};
}

int sr_ferry_start(struct sr_ferry *ferry, struct smallraft *raft)
{
    struct sr_members members = ferry->members;
    int err = ferry_transport_start(ferry->transport);

    if (err != FERRY_OK)
        return err;
    ferry->raft = raft;
    ferry->members.n = 0;
    sr_ferry_set_members(ferry, &members);
    return FERRY_OK;
}
