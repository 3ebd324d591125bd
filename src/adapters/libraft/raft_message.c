/*
 * raft_message - one function for each kind of message and direction.
 *
 * Out: fields are copied; entries, addresses and data are borrowed, since Ferry encodes before its send returns.
 * In: what the core keeps is allocated by raft_malloc, as the core frees it.  The entries of one AppendEntries are an
 * array, and their data one batch, in which each begins at a multiple of 8 bytes.
 */
#include "adapters/libraft/raft_message.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define BARRIER_LEN 8 /* libraft's own */
#define BATCH_ALIGN 8
#define ENTRY_OVERHEAD 16 /* about what an entry takes beside its data */

/* ---- Out ----------------------------------------------------------------------------------------------------------
 */

/* Present and empty is not the same as absent. */
static struct ferry_bytes present(const struct raft_buffer *buf)
{
    return (struct ferry_bytes){buf->base ? buf->base : (const void *)"", buf->len};
}

static int put_entry(struct ferry_entry *to, const struct raft_entry *from, uint64_t index)
{
    *to = (struct ferry_entry){.term = from->term, .index = index, .type = FERRY_ENTRY_NORMAL};
    switch (from->type) {
    case RAFT_COMMAND:
        to->data = present(&from->buf);
        return FERRY_OK;
    case RAFT_BARRIER:
        return FERRY_OK;
    case RAFT_CHANGE:
        to->type = FERRY_ENTRY_CONF_CHANGE;
        to->data = present(&from->buf);
        return FERRY_OK;
    default:
        return FERRY_ERR_INVALID;
    }
}

/* Does an entry of len bytes go with the n before it, which have *bytes together?  The first always does. */
static bool fits(size_t n, size_t *bytes, size_t len, size_t max_bytes)
{
    len += ENTRY_OVERHEAD;
    if (n > 0 && (*bytes > max_bytes || len > max_bytes - *bytes))
        return false;
    *bytes += len;
    return true;
}

/*
 * How many of the entries have max_bytes together: at least one.  libraft gives all that a follower lacks, which may be
 * more than any queue takes; a prefix is as good, for the answer tells where to go on.
 */
static unsigned count_given(const struct raft_append_entries *from, size_t max_bytes)
{
    size_t bytes = 0;
    unsigned n = 0;

    while (n < from->n_entries && fits(n, &bytes, from->entries[n].buf.len, max_bytes))
        n++;
    return n;
}

static int put_append_entries(struct fy_raft_out *out, const struct raft_append_entries *from, size_t max_bytes)
{
    unsigned n_entries;
    int err = FERRY_OK;

    out->msg.type = FERRY_MSG_APP;
    out->msg.term = from->term;
    out->msg.index = from->prev_log_index;
    out->msg.log_term = from->prev_log_term;
    out->msg.commit = from->leader_commit;
    if (from->n_entries == 0)
        return FERRY_OK;
    n_entries = count_given(from, max_bytes);
    out->entries = malloc(n_entries * sizeof(*out->entries));
    if (!out->entries)
        return FERRY_ERR_NOMEM;
    for (unsigned i = 0; i < n_entries && err == FERRY_OK; i++)
        err = put_entry(&out->entries[i], &from->entries[i], from->prev_log_index + 1 + i);
    out->msg.entries = out->entries;
    out->msg.n_entries = out->n_left = n_entries;
    return err;
}

void fy_raft_out_cut(struct fy_raft_out *out, size_t max_bytes)
{
    const struct ferry_entry *entries = out->msg.entries;
    size_t bytes = 0, n = 0;

    while (n < out->n_left && fits(n, &bytes, entries[n].data.len, max_bytes))
        n++;
    out->msg.n_entries = n;
}

bool fy_raft_out_next(struct fy_raft_out *out)
{
    const struct ferry_entry *last;

    if (out->n_left == out->msg.n_entries)
        return false;
    last = &out->msg.entries[out->msg.n_entries - 1];
    out->msg.index = last->index;
    out->msg.log_term = last->term;
    out->n_left -= out->msg.n_entries;
    out->msg.entries = last + 1;
    out->msg.n_entries = out->n_left;
    return true;
}

static void put_report(struct fy_raft_context *context, struct fy_raft_report report)
{
    context->has_report = report.features != 0 || report.capacity != 0;
    context->report = report;
}

static void put_append_entries_result(struct fy_raft_out *out, const struct raft_append_entries_result *from,
                                      struct fy_raft_context *context)
{
    out->msg.type = FERRY_MSG_APP_RESP;
    out->msg.term = from->term;
    if (from->rejected > 0) {
        out->msg.reject = true;
        out->msg.index = from->rejected;
        out->msg.reject_hint = from->last_log_index;
    } else {
        out->msg.index = from->last_log_index;
    }
    put_report(context, fy_raft_get_report(from));
}

static void put_request_vote(struct fy_raft_out *out, const struct raft_request_vote *from,
                             struct fy_raft_context *context)
{
    out->msg.type = from->pre_vote ? FERRY_MSG_PRE_VOTE : FERRY_MSG_VOTE;
    out->msg.from = from->candidate_id;
    out->msg.term = from->term;
    out->msg.index = from->last_log_index;
    out->msg.log_term = from->last_log_term;
    context->is_disrupting = from->disrupt_leader;
}

static void put_request_vote_result(struct fy_raft_out *out, const struct raft_request_vote_result *from,
                                    struct fy_raft_context *context)
{
    enum fy_raft_pre_vote pre_vote = fy_raft_get_pre_vote(from);

    out->msg.type = pre_vote == FY_RAFT_PRE_VOTE_YES ? FERRY_MSG_PRE_VOTE_RESP : FERRY_MSG_VOTE_RESP;
    out->msg.term = from->term;
    out->msg.reject = !from->vote_granted;
    context->is_pre_vote_unknown = pre_vote == FY_RAFT_PRE_VOTE_UNKNOWN;
    put_report(context, fy_raft_get_report(from));
}

/* The ConfState of a configuration. */
static int put_conf_state(struct fy_raft_out *out, const struct raft_configuration *conf)
{
    struct ferry_conf_state *state = &out->snapshot.conf_state;
    uint64_t *id;

    if (conf->n == 0)
        return FERRY_OK;
    out->voters = id = malloc(conf->n * sizeof(*id));
    if (!id)
        return FERRY_ERR_NOMEM;
    state->voters = id;
    for (unsigned i = 0; i < conf->n; i++)
        if (conf->servers[i].role == RAFT_VOTER)
            *id++ = conf->servers[i].id;
    state->n_voters = (size_t)(id - state->voters);
    state->learners = id;
    for (unsigned i = 0; i < conf->n; i++)
        if (conf->servers[i].role == RAFT_STANDBY)
            *id++ = conf->servers[i].id;
    state->n_learners = (size_t)(id - state->learners);
    return FERRY_OK;
}

static int put_install_snapshot(struct fy_raft_out *out, const struct raft_install_snapshot *from,
                                const struct fy_raft_context *context)
{
    size_t len;
    int err;

    out->msg.type = FERRY_MSG_SNAP;
    out->msg.term = from->term;
    out->snapshot.index = from->last_index;
    out->snapshot.term = from->last_term;
    out->msg.snapshot = &out->snapshot;
    err = put_conf_state(out, &from->conf);
    if (err == FERRY_OK)
        err = fy_raft_context_write_conf(context, &from->conf, from->conf_index, &out->conf_context, &len);
    if (err == FERRY_OK)
        out->msg.context = (struct ferry_bytes){out->conf_context, len};
    return err;
}

static void put_timeout_now(struct fy_raft_out *out, const struct raft_timeout_now *from)
{
    out->msg.type = FERRY_MSG_TIMEOUT_NOW;
    out->msg.term = from->term;
    out->msg.index = from->last_log_index;
    out->msg.log_term = from->last_log_term;
}

int fy_raft_out_init(struct fy_raft_out *out, const struct raft_message *message, raft_id self, const char *address,
                     size_t max_bytes)
{
    struct fy_raft_context context = {.is_disrupting = false};
    int err = FERRY_OK;

    assert(strlen(address) <= FERRY_LIBRAFT_ADDRESS_MAX);
    memcpy(context.sender, address, strlen(address) + 1);
    out->msg = (struct ferry_message){.to = message->server_id, .from = self};
    out->snapshot = (struct ferry_snapshot){.index = 0};
    out->entries = NULL;
    out->n_left = 0;
    out->voters = NULL;
    out->conf_context = NULL;
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        err = put_append_entries(out, &message->append_entries, max_bytes);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        put_append_entries_result(out, &message->append_entries_result, &context);
        break;
    case RAFT_REQUEST_VOTE:
        put_request_vote(out, &message->request_vote, &context);
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        put_request_vote_result(out, &message->request_vote_result, &context);
        break;
    case RAFT_INSTALL_SNAPSHOT:
        err = put_install_snapshot(out, &message->install_snapshot, &context);
        break;
    case RAFT_TIMEOUT_NOW:
        put_timeout_now(out, &message->timeout_now);
        break;
    default:
        err = FERRY_ERR_INVALID;
    }
    if (err != FERRY_OK)
        fy_raft_out_release(out);
    else if (!out->conf_context)
        out->msg.context =
            (struct ferry_bytes){out->small_context, fy_raft_context_write(&context, out->small_context)};
    return err;
}

void fy_raft_out_release(struct fy_raft_out *out)
{
    free(out->entries);
    free(out->voters);
    free(out->conf_context);
    out->entries = NULL;
    out->voters = NULL;
    out->conf_context = NULL;
}

/* ---- In -----------------------------------------------------------------------------------------------------------
 */

static size_t padded(size_t len)
{
    return (len + BATCH_ALIGN - 1) / BATCH_ALIGN * BATCH_ALIGN;
}

/* libraft's type of an entry; 0: it has none. */
static int type_of(const struct ferry_entry *entry)
{
    switch (entry->type) {
    case FERRY_ENTRY_NORMAL:
        return entry->data.data ? RAFT_COMMAND : RAFT_BARRIER;
    case FERRY_ENTRY_CONF_CHANGE:
        return RAFT_CHANGE;
    default:
        return 0;
    }
}

static size_t len_of(const struct ferry_entry *entry)
{
    return type_of(entry) == RAFT_BARRIER ? BARRIER_LEN : entry->data.len;
}

/* How many bytes the batch takes; SIZE_MAX: the entries are not such as libraft has. */
static size_t measure(const struct ferry_message *msg)
{
    size_t total = 0;

    for (size_t i = 0; i < msg->n_entries; i++) {
        const struct ferry_entry *entry = &msg->entries[i];

        if (type_of(entry) == 0 || entry->term == 0 || entry->index != msg->index + 1 + i)
            return SIZE_MAX;
        total += padded(len_of(entry)); /* all of them lie in memory: no overflow */
    }
    return total;
}

/*
 * What the follower may commit: no more than this message shows it to have in common with the leader.  libraft commits
 * up to its last entry, which may be a leftover of an earlier term behind what the message is about.
 */
static uint64_t commit_of(const struct ferry_message *msg)
{
    uint64_t last = msg->index + msg->n_entries;

    return msg->commit < last ? msg->commit : last;
}

static int get_append_entries(struct raft_append_entries *to, const struct ferry_message *msg)
{
    size_t total = measure(msg);
    uint8_t *p;

    *to = (struct raft_append_entries){.term = msg->term,
                                       .prev_log_index = msg->index,
                                       .prev_log_term = msg->log_term,
                                       .leader_commit = commit_of(msg)};
    if (total == SIZE_MAX || msg->n_entries > UINT_MAX)
        return FERRY_ERR_MALFORMED;
    if (msg->n_entries == 0)
        return FERRY_OK;
    to->entries = raft_malloc(msg->n_entries * sizeof(*to->entries));
    p = raft_malloc(total > 0 ? total : 1);
    if (!to->entries || !p) {
        raft_free(to->entries);
        raft_free(p);
        return FERRY_ERR_NOMEM;
    }
    to->n_entries = (unsigned)msg->n_entries;
    memset(p, 0, total);
    for (unsigned i = 0; i < to->n_entries; i++) {
        const struct ferry_entry *from = &msg->entries[i];

        to->entries[i] = (struct raft_entry){.term = from->term,
                                             .type = (unsigned short)type_of(from),
                                             .buf = {.base = p, .len = len_of(from)},
                                             .batch = i == 0 ? p : to->entries[0].batch};
        if (from->data.len > 0)
            memcpy(p, from->data.data, from->data.len);
        p += padded(len_of(from));
    }
    return FERRY_OK;
}

static int get_append_entries_result(struct raft_append_entries_result *to, const struct ferry_message *msg,
                                     const struct fy_raft_context *context)
{
    if (msg->reject && msg->index == 0) /* to libraft, 0 means that nothing was refused */
        return FERRY_ERR_MALFORMED;
    to->term = msg->term;
    to->rejected = msg->reject ? msg->index : 0;
    to->last_log_index = msg->reject ? msg->reject_hint : msg->index;
    fy_raft_set_report(to, context->report);
    return FERRY_OK;
}

static void get_request_vote(struct raft_request_vote *to, const struct ferry_message *msg,
                             const struct fy_raft_context *context)
{
    to->term = msg->term;
    to->candidate_id = msg->from;
    to->last_log_index = msg->index;
    to->last_log_term = msg->log_term;
    to->disrupt_leader = context->is_disrupting;
    to->pre_vote = msg->type == FERRY_MSG_PRE_VOTE;
}

static void get_request_vote_result(struct raft_request_vote_result *to, const struct ferry_message *msg,
                                    const struct fy_raft_context *context)
{
    to->term = msg->term;
    to->vote_granted = !msg->reject;
    if (msg->type == FERRY_MSG_PRE_VOTE_RESP)
        fy_raft_set_pre_vote(to, FY_RAFT_PRE_VOTE_YES);
    else
        fy_raft_set_pre_vote(to, context->is_pre_vote_unknown ? FY_RAFT_PRE_VOTE_UNKNOWN : FY_RAFT_PRE_VOTE_NO);
    fy_raft_set_report(to, context->report);
}

static int take_data(struct raft_buffer *to, struct raft_buffer *body, const struct ferry_bytes *data)
{
    if (body) {
        *to = *body;
        body->base = NULL;
        return FERRY_OK;
    }
    if (!data->data)
        return FERRY_ERR_MALFORMED;
    to->len = data->len;
    to->base = raft_malloc(data->len > 0 ? data->len : 1);
    if (!to->base)
        return FERRY_ERR_NOMEM;
    if (data->len > 0)
        memcpy(to->base, data->data, data->len);
    return FERRY_OK;
}

static int get_install_snapshot(struct raft_install_snapshot *to, const struct ferry_message *msg,
                                struct raft_buffer *body, struct fy_raft_context *ret_context)
{
    int err;

    if (!msg->snapshot || msg->snapshot->index == 0 || msg->snapshot->term == 0)
        return FERRY_ERR_MALFORMED;
    to->term = msg->term;
    to->last_index = msg->snapshot->index;
    to->last_term = msg->snapshot->term;
    err = fy_raft_context_read_conf(msg->context.data, msg->context.len, ret_context, &to->conf, &to->conf_index);
    if (err != FERRY_OK)
        return err;
    err = take_data(&to->data, body, &msg->snapshot->data);
    if (err != FERRY_OK)
        raft_configuration_close(&to->conf);
    return err;
}

static void get_timeout_now(struct raft_timeout_now *to, const struct ferry_message *msg)
{
    to->term = msg->term;
    to->last_log_index = msg->index;
    to->last_log_term = msg->log_term;
}

int fy_raft_in_init(struct raft_message *message, const struct ferry_message *msg, struct raft_buffer *body,
                    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1])
{
    struct fy_raft_context context = {.sender = ""};
    int err = FERRY_OK;

    *message = (struct raft_message){.server_id = msg->from};
    if (msg->type != FERRY_MSG_SNAP)
        err = fy_raft_context_read(msg->context.data, msg->context.len, &context);
    if (err != FERRY_OK)
        return err;
    switch (msg->type) {
    case FERRY_MSG_APP:
        message->type = RAFT_APPEND_ENTRIES;
        err = get_append_entries(&message->append_entries, msg);
        break;
    case FERRY_MSG_APP_RESP:
        message->type = RAFT_APPEND_ENTRIES_RESULT;
        err = get_append_entries_result(&message->append_entries_result, msg, &context);
        break;
    case FERRY_MSG_VOTE:
    case FERRY_MSG_PRE_VOTE:
        message->type = RAFT_REQUEST_VOTE;
        get_request_vote(&message->request_vote, msg, &context);
        break;
    case FERRY_MSG_VOTE_RESP:
    case FERRY_MSG_PRE_VOTE_RESP:
        message->type = RAFT_REQUEST_VOTE_RESULT;
        get_request_vote_result(&message->request_vote_result, msg, &context);
        break;
    case FERRY_MSG_SNAP:
        message->type = RAFT_INSTALL_SNAPSHOT;
        err = get_install_snapshot(&message->install_snapshot, msg, body, &context);
        break;
    case FERRY_MSG_TIMEOUT_NOW:
        message->type = RAFT_TIMEOUT_NOW;
        get_timeout_now(&message->timeout_now, msg);
        break;
    default:
        err = FERRY_ERR_INVALID;
    }
    if (err == FERRY_OK)
        memcpy(sender, context.sender, sizeof(context.sender));
    return err;
}

void fy_raft_in_release(struct raft_message *message)
{
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        if (message->append_entries.n_entries > 0)
            raft_free(message->append_entries.entries[0].batch);
        raft_free(message->append_entries.entries);
        break;
    case RAFT_INSTALL_SNAPSHOT:
        raft_configuration_close(&message->install_snapshot.conf);
        raft_free(message->install_snapshot.data.base);
        break;
    default:
        break;
    }
}
