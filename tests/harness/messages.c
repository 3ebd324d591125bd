/*
 * messages - random Raft messages, their comparison, and protobuf-c's view of them.
 */
#include "harness/messages.h"

#include <stdlib.h>
#include <string.h>

/* ---- Memory ---- */

struct pool_block {
    struct pool_block *next;
    _Alignas(16) uint8_t data[];
};

void *pool_take(struct pool *pool, size_t n, size_t size)
{
    struct pool_block *block;

    if (n == 0)
        return NULL;
    block = calloc(1, sizeof(*block) + n * size + 1); /* one more, so that empty bytes have an address too */
    if (!block)
        abort();
    block->next = pool->blocks;
    pool->blocks = block;
    return block->data;
}

void pool_release(struct pool *pool)
{
    while (pool->blocks) {
        struct pool_block *next = pool->blocks->next;

        free(pool->blocks);
        pool->blocks = next;
    }
}

/* ---- Random messages ---- */

static size_t below(size_t n)
{
    return (size_t)random() % n;
}

uint64_t random_u64(void)
{
    static const uint64_t edges[] = {0, 0, 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX};
    uint64_t bits = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();

    return below(3) == 0 ? edges[below(sizeof(edges) / sizeof(edges[0]))] : bits >> below(64);
}

static struct ferry_bytes random_bytes(struct pool *pool)
{
    size_t len = below(8) == 0 ? 1000 : below(40);
    uint8_t *data;

    switch (below(6)) {
    case 0:
        return (struct ferry_bytes){NULL, 0};
    case 1:
        return (struct ferry_bytes){pool_take(pool, 1, 0), 0};
    default:
        data = pool_take(pool, 1, len);
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)random();
        return (struct ferry_bytes){data, len};
    }
}

static const uint64_t *random_ids(struct pool *pool, size_t *ret_n)
{
    size_t n = below(2) == 0 ? 0 : below(40);
    uint64_t *ids = pool_take(pool, n, sizeof(*ids));

    for (size_t i = 0; i < n; i++)
        ids[i] = random_u64();
    *ret_n = n;
    return ids;
}

static struct ferry_snapshot *random_snapshot(struct pool *pool)
{
    struct ferry_snapshot *snapshot = pool_take(pool, 1, sizeof(*snapshot));
    struct ferry_conf_state *state = &snapshot->conf_state;

    if (below(4) == 0)
        return snapshot;
    snapshot->data = random_bytes(pool);
    snapshot->index = random_u64();
    snapshot->term = random_u64();
    state->voters = random_ids(pool, &state->n_voters);
    state->learners = random_ids(pool, &state->n_learners);
    state->voters_outgoing = random_ids(pool, &state->n_voters_outgoing);
    state->learners_next = random_ids(pool, &state->n_learners_next);
    state->auto_leave = below(2);
    return snapshot;
}

static struct ferry_entry *random_entries(struct pool *pool, size_t n)
{
    struct ferry_entry *entries = pool_take(pool, n, sizeof(*entries));

    for (size_t i = 0; i < n; i++) {
        entries[i].type = (enum ferry_entry_type)below(4); /* one more than there are */
        entries[i].term = random_u64();
        entries[i].index = random_u64();
        entries[i].data = random_bytes(pool);
    }
    return entries;
}

struct ferry_message *message_random(struct pool *pool, unsigned depth)
{
    struct ferry_message *msg = pool_take(pool, 1, sizeof(*msg));
    struct ferry_message *responses;

    msg->type = (enum ferry_message_type)below(26); /* two more than there are */
    msg->to = random_u64();
    msg->from = random_u64();
    msg->term = random_u64();
    msg->log_term = below(2) ? msg->term : random_u64();
    msg->index = random_u64();
    msg->n_entries = below(2) ? 0 : below(below(20) == 0 ? 200 : 6);
    msg->entries = random_entries(pool, msg->n_entries);
    msg->commit = random_u64();
    msg->snapshot = below(4) == 0 ? random_snapshot(pool) : NULL;
    msg->reject = below(2);
    msg->reject_hint = random_u64();
    msg->context = random_bytes(pool);
    msg->vote = below(2) ? 0 : random_u64();
    msg->n_responses = depth > 0 && below(3) == 0 ? below(4) : 0;
    msg->responses = responses = pool_take(pool, msg->n_responses, sizeof(*responses));
    for (size_t i = 0; i < msg->n_responses; i++)
        responses[i] = *message_random(pool, depth - 1);
    return msg;
}

/* ---- Comparison ---- */

static bool are_bytes_equal(struct ferry_bytes a, struct ferry_bytes b)
{
    return !a.data == !b.data && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool are_ids_equal(const uint64_t *a, size_t n_a, const uint64_t *b, size_t n_b)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

static const char *snapshot_difference(const struct ferry_snapshot *a, const struct ferry_snapshot *b)
{
    static const struct ferry_snapshot empty;
    const struct ferry_conf_state *x;
    const struct ferry_conf_state *y;

    a = a ? a : &empty;
    b = b ? b : &empty;
    x = &a->conf_state;
    y = &b->conf_state;
    if (!are_bytes_equal(a->data, b->data))
        return "snapshot.data";
    if (a->index != b->index)
        return "snapshot.index";
    if (a->term != b->term)
        return "snapshot.term";
    if (!are_ids_equal(x->voters, x->n_voters, y->voters, y->n_voters))
        return "voters";
    if (!are_ids_equal(x->learners, x->n_learners, y->learners, y->n_learners))
        return "learners";
    if (!are_ids_equal(x->voters_outgoing, x->n_voters_outgoing, y->voters_outgoing, y->n_voters_outgoing))
        return "voters_outgoing";
    if (!are_ids_equal(x->learners_next, x->n_learners_next, y->learners_next, y->n_learners_next))
        return "learners_next";
    return x->auto_leave == y->auto_leave ? NULL : "auto_leave";
}

static const char *entries_difference(const struct ferry_message *a, const struct ferry_message *b)
{
    if (a->n_entries != b->n_entries)
        return "n_entries";
    for (size_t i = 0; i < a->n_entries; i++) {
        const struct ferry_entry *x = &a->entries[i];
        const struct ferry_entry *y = &b->entries[i];

        if (x->type != y->type)
            return "entry.type";
        if (x->term != y->term)
            return "entry.term";
        if (x->index != y->index)
            return "entry.index";
        if (!are_bytes_equal(x->data, y->data))
            return "entry.data";
    }
    return NULL;
}

const char *message_difference(const struct ferry_message *a, const struct ferry_message *b)
{
    const char *difference = entries_difference(a, b);

    if (!difference)
        difference = snapshot_difference(a->snapshot, b->snapshot);
    if (difference)
        return difference;
#define COMPARE(field)                                                                                                 \
    if (a->field != b->field)                                                                                          \
    return #field
    COMPARE(type);
    COMPARE(to);
    COMPARE(from);
    COMPARE(term);
    COMPARE(log_term);
    COMPARE(index);
    COMPARE(commit);
    COMPARE(reject);
    COMPARE(reject_hint);
    COMPARE(vote);
    COMPARE(n_responses);
#undef COMPARE
    if (!are_bytes_equal(a->context, b->context))
        return "context";
    for (size_t i = 0; i < a->n_responses && !difference; i++)
        difference = message_difference(&a->responses[i], &b->responses[i]);
    return difference;
}

/* ---- To protobuf-c ---- */

static ProtobufCBinaryData to_binary(struct pool *pool, struct ferry_bytes bytes)
{
    ProtobufCBinaryData binary = {.len = bytes.len, .data = pool_take(pool, 1, bytes.len)};

    if (bytes.len > 0)
        memcpy(binary.data, bytes.data, bytes.len);
    return binary;
}

static uint64_t *to_ids(struct pool *pool, const uint64_t *ids, size_t n)
{
    uint64_t *copy = pool_take(pool, n, sizeof(*copy));

    if (n > 0)
        memcpy(copy, ids, n * sizeof(*copy));
    return copy;
}

static Raftpb__Snapshot *to_snapshot(struct pool *pool, const struct ferry_snapshot *snapshot)
{
    Raftpb__Snapshot *pb = pool_take(pool, 1, sizeof(*pb));
    Raftpb__SnapshotMetadata *metadata = pool_take(pool, 1, sizeof(*metadata));
    Raftpb__ConfState *state = pool_take(pool, 1, sizeof(*state));
    const struct ferry_conf_state *from = &snapshot->conf_state;

    raftpb__snapshot__init(pb);
    raftpb__snapshot_metadata__init(metadata);
    raftpb__conf_state__init(state);
    pb->metadata = metadata;
    pb->has_data = snapshot->data.data != NULL;
    pb->data = to_binary(pool, snapshot->data);
    metadata->conf_state = state;
    metadata->has_index = metadata->has_term = true;
    metadata->index = snapshot->index;
    metadata->term = snapshot->term;
    state->n_voters = from->n_voters;
    state->voters = to_ids(pool, from->voters, from->n_voters);
    state->n_learners = from->n_learners;
    state->learners = to_ids(pool, from->learners, from->n_learners);
    state->n_voters_outgoing = from->n_voters_outgoing;
    state->voters_outgoing = to_ids(pool, from->voters_outgoing, from->n_voters_outgoing);
    state->n_learners_next = from->n_learners_next;
    state->learners_next = to_ids(pool, from->learners_next, from->n_learners_next);
    state->has_auto_leave = true;
    state->auto_leave = from->auto_leave;
    return pb;
}

static Raftpb__Entry *to_entry(struct pool *pool, const struct ferry_entry *entry, bool always)
{
    Raftpb__Entry *pb = pool_take(pool, 1, sizeof(*pb));

    raftpb__entry__init(pb);
    pb->has_type = always || entry->type != 0;
    pb->type = (Raftpb__EntryType)entry->type;
    pb->has_term = always || entry->term != 0;
    pb->term = entry->term;
    pb->has_index = always || entry->index != 0;
    pb->index = entry->index;
    pb->has_data = entry->data.data != NULL;
    pb->data = to_binary(pool, entry->data);
    return pb;
}

Raftpb__Message *message_to_protobuf(struct pool *pool, const struct ferry_message *msg, enum ferry_wire_form form)
{
    static const struct ferry_snapshot empty;
    const bool always = form != FERRY_FORM_3_7;
    Raftpb__Message *pb = pool_take(pool, 1, sizeof(*pb));

    raftpb__message__init(pb);
#define SET(to, field)                                                                                                 \
    do {                                                                                                               \
        pb->has_##to = always || msg->field != 0;                                                                      \
        pb->to = msg->field;                                                                                           \
    } while (0)
    pb->has_type = always || msg->type != 0;
    pb->type = (Raftpb__MessageType)msg->type;
    SET(to, to);
    SET(from, from);
    SET(term, term);
    SET(logterm, log_term);
    SET(index, index);
    SET(commit, commit);
    SET(reject, reject);
    SET(rejecthint, reject_hint);
    SET(vote, vote);
#undef SET
    if (form == FERRY_FORM_3_4)
        pb->has_vote = msg->vote != 0;
    pb->has_context = msg->context.data != NULL;
    pb->context = to_binary(pool, msg->context);
    if (msg->snapshot || form == FERRY_FORM_3_4)
        pb->snapshot = to_snapshot(pool, msg->snapshot ? msg->snapshot : &empty);
    pb->n_entries = msg->n_entries;
    pb->entries = pool_take(pool, msg->n_entries, sizeof(*pb->entries));
    for (size_t i = 0; i < msg->n_entries; i++)
        pb->entries[i] = to_entry(pool, &msg->entries[i], always);
    pb->n_responses = msg->n_responses;
    pb->responses = pool_take(pool, msg->n_responses, sizeof(*pb->responses));
    for (size_t i = 0; i < msg->n_responses; i++)
        pb->responses[i] = message_to_protobuf(pool, &msg->responses[i], form);
    return pb;
}

/* ---- From protobuf-c ---- */

static struct ferry_bytes from_binary(struct pool *pool, bool has, ProtobufCBinaryData binary)
{
    uint8_t *data = has ? pool_take(pool, 1, binary.len) : NULL;

    if (data && binary.len > 0)
        memcpy(data, binary.data, binary.len);
    return (struct ferry_bytes){data, data ? binary.len : 0};
}

static struct ferry_snapshot *from_snapshot(struct pool *pool, const Raftpb__Snapshot *pb)
{
    struct ferry_snapshot *snapshot = pool_take(pool, 1, sizeof(*snapshot));
    const Raftpb__ConfState *state = pb->metadata ? pb->metadata->conf_state : NULL;

    snapshot->data = from_binary(pool, pb->has_data, pb->data);
    if (pb->metadata) {
        snapshot->index = pb->metadata->index;
        snapshot->term = pb->metadata->term;
    }
    if (state) {
        snapshot->conf_state = (struct ferry_conf_state){
            .voters = to_ids(pool, state->voters, state->n_voters),
            .n_voters = state->n_voters,
            .learners = to_ids(pool, state->learners, state->n_learners),
            .n_learners = state->n_learners,
            .voters_outgoing = to_ids(pool, state->voters_outgoing, state->n_voters_outgoing),
            .n_voters_outgoing = state->n_voters_outgoing,
            .learners_next = to_ids(pool, state->learners_next, state->n_learners_next),
            .n_learners_next = state->n_learners_next,
            .auto_leave = state->auto_leave,
        };
    }
    return snapshot;
}

struct ferry_message *message_from_protobuf(struct pool *pool, const Raftpb__Message *pb)
{
    struct ferry_message *msg = pool_take(pool, 1, sizeof(*msg));
    struct ferry_entry *entries = pool_take(pool, pb->n_entries, sizeof(*entries));
    struct ferry_message *responses = pool_take(pool, pb->n_responses, sizeof(*responses));

    for (size_t i = 0; i < pb->n_entries; i++) {
        const Raftpb__Entry *entry = pb->entries[i];

        entries[i].type = (enum ferry_entry_type)entry->type;
        entries[i].term = entry->term;
        entries[i].index = entry->index;
        entries[i].data = from_binary(pool, entry->has_data, entry->data);
    }
    for (size_t i = 0; i < pb->n_responses; i++)
        responses[i] = *message_from_protobuf(pool, pb->responses[i]);
    *msg = (struct ferry_message){
        .type = (enum ferry_message_type)pb->type,
        .to = pb->to,
        .from = pb->from,
        .term = pb->term,
        .log_term = pb->logterm,
        .index = pb->index,
        .entries = entries,
        .n_entries = pb->n_entries,
        .commit = pb->commit,
        .snapshot = pb->snapshot ? from_snapshot(pool, pb->snapshot) : NULL,
        .reject = pb->reject,
        .reject_hint = pb->rejecthint,
        .context = from_binary(pool, pb->has_context, pb->context),
        .vote = pb->vote,
        .responses = responses,
        .n_responses = pb->n_responses,
    };
    return msg;
}
