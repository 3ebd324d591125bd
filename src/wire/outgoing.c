/*
 * outgoing - packs a message into its block.
 *
 * The message comes from the embedder, so it is checked first.  Then its size is counted, compared with the limit, and
 * the message is written into one block.  Counting and writing use the same code (protobuf.h), run twice, or once for
 * small parts.
 *
 * The fields are written by hand: the three forms differ in which zeros they write, compact frames need gaps for the
 * entries' lengths, and this runs on the caller's thread for every message.  The fields that every message has are
 * inlined for the same reason: a writer whose state stays in registers takes half the instructions.
 *
 * A leader sends the same entries to all followers.  Long ones are packed once, into a counted block of their own, and
 * each message then has only its head and tail to itself.  That saves copies, and the kernel finds the entries in the
 * cache for the second follower's socket.
 */
#include "wire/outgoing.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "wire/be64.h"
#include "wire/message.h"
#include "wire/raftpb.h"

/* ---- Checks of the embedder's input ---- */

static bool is_counted_but_null(const void *data, size_t n)
{
    return n > 0 && !data;
}

static bool is_snapshot_valid(const struct ferry_snapshot *snapshot)
{
    const struct ferry_conf_state *state = &snapshot->conf_state;

    return !is_counted_but_null(snapshot->data.data, snapshot->data.len) &&
           !is_counted_but_null(state->voters, state->n_voters) &&
           !is_counted_but_null(state->learners, state->n_learners) &&
           !is_counted_but_null(state->voters_outgoing, state->n_voters_outgoing) &&
           !is_counted_but_null(state->learners_next, state->n_learners_next);
}

static int check(const struct ferry_message *msg, unsigned depth)
{
    int err = FERRY_OK;

    if (is_counted_but_null(msg->entries, msg->n_entries) || is_counted_but_null(msg->responses, msg->n_responses) ||
        is_counted_but_null(msg->context.data, msg->context.len))
        return FERRY_ERR_INVALID;
    if (msg->snapshot && !is_snapshot_valid(msg->snapshot))
        return FERRY_ERR_INVALID;
    for (size_t i = 0; i < msg->n_entries; i++)
        if (is_counted_but_null(msg->entries[i].data.data, msg->entries[i].data.len))
            return FERRY_ERR_INVALID;
    if (msg->n_responses > 0 && depth == FY_MESSAGE_MAX_DEPTH)
        return FERRY_ERR_DEPTH;
    for (size_t i = 0; i < msg->n_responses && err == FERRY_OK; i++)
        err = check(&msg->responses[i], depth + 1);
    return err;
}

/* ---- Writing, or counting ---- */

/* Enums are 32-bit integers; protobuf sign-extends them. */
static uint64_t enum_value(int value)
{
    return (uint64_t)(int64_t)(int32_t)value;
}

#define INLINE static inline __attribute__((always_inline))

INLINE void write_scalar(struct fy_pb_writer *out, enum ferry_wire_form form, uint8_t tag, uint64_t value)
{
    if (value != 0 || form != FERRY_FORM_3_7)
        fy_pb_write_varint(out, tag, value);
}

INLINE void write_entry(struct fy_pb_writer *out, enum ferry_wire_form form, const struct ferry_entry *entry)
{
    write_scalar(out, form, FY_ENTRY_TYPE, enum_value((int)entry->type));
    write_scalar(out, form, FY_ENTRY_TERM, entry->term);
    write_scalar(out, form, FY_ENTRY_INDEX, entry->index);
    if (entry->data.data)
        fy_pb_write_bytes(out, FY_ENTRY_DATA, entry->data);
}

INLINE size_t entry_size(enum ferry_wire_form form, const struct ferry_entry *entry, size_t max)
{
    struct fy_pb_writer count = {.max = max};

    write_entry(&count, form, entry);
    return count.len;
}

static void write_ids(struct fy_pb_writer *out, unsigned number, const uint64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fy_pb_write_varint(out, FY_PB_TAG(number, FY_PB_VARINT), ids[i]);
}

static void write_conf_state(struct fy_pb_writer *out, const struct ferry_conf_state *state)
{
    write_ids(out, 1, state->voters, state->n_voters);
    write_ids(out, 2, state->learners, state->n_learners);
    write_ids(out, 3, state->voters_outgoing, state->n_voters_outgoing);
    write_ids(out, 4, state->learners_next, state->n_learners_next);
    fy_pb_write_varint(out, FY_CONF_STATE_AUTO_LEAVE, state->auto_leave);
}

static void write_metadata(struct fy_pb_writer *out, const struct ferry_snapshot *snapshot)
{
    struct fy_pb_writer count = {.max = out->max};

    write_conf_state(&count, &snapshot->conf_state);
    fy_pb_write_head(out, FY_METADATA_CONF_STATE, count.len);
    write_conf_state(out, &snapshot->conf_state);
    fy_pb_write_varint(out, FY_METADATA_INDEX, snapshot->index);
    fy_pb_write_varint(out, FY_METADATA_TERM, snapshot->term);
}

static void write_snapshot(struct fy_pb_writer *out, const struct ferry_snapshot *snapshot)
{
    struct fy_pb_writer count = {.max = out->max};

    if (snapshot->data.data)
        fy_pb_write_bytes(out, FY_SNAPSHOT_DATA, snapshot->data);
    write_metadata(&count, snapshot);
    fy_pb_write_head(out, FY_SNAPSHOT_METADATA, count.len);
    write_metadata(out, snapshot);
}

/* What 3.4 writes if there is no snapshot. */
INLINE void write_empty_snapshot(struct fy_pb_writer *out)
{
    static const uint8_t empty[] = {FY_SNAPSHOT_METADATA, 8, FY_METADATA_CONF_STATE, 2, FY_CONF_STATE_AUTO_LEAVE, 0,
                                    FY_METADATA_INDEX,    0, FY_METADATA_TERM,       0};

    fy_pb_write_bytes(out, FY_MESSAGE_SNAPSHOT, (struct ferry_bytes){empty, sizeof(empty)});
}

/* The snapshot field of a message: its own, or the empty one of 3.4. */
static void write_snapshot_field(struct fy_pb_writer *out, enum ferry_wire_form form,
                                 const struct ferry_snapshot *snapshot)
{
    struct fy_pb_writer count = {.max = out->max};

    if (snapshot) {
        write_snapshot(&count, snapshot);
        fy_pb_write_head(out, FY_MESSAGE_SNAPSHOT, count.len);
        write_snapshot(out, snapshot);
    } else if (form == FERRY_FORM_3_4) {
        write_empty_snapshot(out);
    }
}

INLINE void write_head(struct fy_pb_writer *out, enum ferry_wire_form form, const struct ferry_message *msg)
{
    write_scalar(out, form, FY_MESSAGE_TYPE, enum_value((int)msg->type));
    write_scalar(out, form, FY_MESSAGE_TO, msg->to);
    write_scalar(out, form, FY_MESSAGE_FROM, msg->from);
    write_scalar(out, form, FY_MESSAGE_TERM, msg->term);
    write_scalar(out, form, FY_MESSAGE_LOG_TERM, msg->log_term);
    write_scalar(out, form, FY_MESSAGE_INDEX, msg->index);
}

static void write_response(struct fy_pb_writer *out, enum ferry_wire_form form, const struct ferry_message *msg);

/* is_plain: without snapshot, context and responses.  A constant where this is inlined. */
INLINE void write_tail_of(struct fy_pb_writer *out, enum ferry_wire_form form, const struct ferry_message *msg,
                          bool is_plain)
{
    write_scalar(out, form, FY_MESSAGE_COMMIT, msg->commit);
    if (!is_plain)
        write_snapshot_field(out, form, msg->snapshot);
    else if (form == FERRY_FORM_3_4)
        write_empty_snapshot(out);
    write_scalar(out, form, FY_MESSAGE_REJECT, msg->reject);
    write_scalar(out, form, FY_MESSAGE_REJECT_HINT, msg->reject_hint);
    if (!is_plain && msg->context.data)
        fy_pb_write_bytes(out, FY_MESSAGE_CONTEXT, msg->context);
    if (msg->vote != 0 || form == FERRY_FORM_3_6)
        fy_pb_write_varint(out, FY_MESSAGE_VOTE, msg->vote);
    for (size_t i = 0; !is_plain && i < msg->n_responses; i++) {
        struct fy_pb_writer count = {.max = out->max};

        write_response(&count, form, &msg->responses[i]);
        fy_pb_write_head(out, FY_MESSAGE_RESPONSES, count.len);
        write_response(out, form, &msg->responses[i]);
    }
}

static void write_tail(struct fy_pb_writer *out, enum ferry_wire_form form, const struct ferry_message *msg)
{
    write_tail_of(out, form, msg, false);
}

/* A complete message, without gaps.  Nested messages are counted again at each level; there are few levels. */
static void write_response(struct fy_pb_writer *out, enum ferry_wire_form form, const struct ferry_message *msg)
{
    write_head(out, form, msg);
    for (size_t i = 0; i < msg->n_entries; i++) {
        fy_pb_write_head(out, FY_MESSAGE_ENTRIES, entry_size(form, &msg->entries[i], out->max));
        write_entry(out, form, &msg->entries[i]);
    }
    write_tail(out, form, msg);
}

/* ---- The block ---- */

/*
 * The fields before and after the entries of most messages are small.  They are written at once into a buffer, which
 * tells their length, and then only copied.
 */
#define SCALAR_MAX 11 /* a tag of one byte, and a varint */
#define HEAD_MAX (6 * SCALAR_MAX)
#define TAIL_MAX (4 * SCALAR_MAX + 16) /* four scalars, and the empty snapshot of 3.4 */

struct ends {
    uint8_t head[HEAD_MAX];
    uint8_t tail[TAIL_MAX];
    bool has_tail; /* if false: larger fields are present, and it is written into the block directly */
};

/*
 * Compute the lengths of the three runs, and write the small head and tail.  FERRY_ERR_TOO_LARGE: more than max bytes.
 */
static int measure(const struct ferry_message *msg, enum ferry_wire_form form, size_t max, struct fy_outgoing *out,
                   struct ends *ret_ends)
{
    bool has_tail = !msg->snapshot && !msg->context.data && msg->n_responses == 0;
    struct fy_pb_writer head = {.at = ret_ends->head, .max = HEAD_MAX};
    struct fy_pb_writer tail = {.at = ret_ends->tail, .max = TAIL_MAX};
    struct fy_pb_writer count = {.max = max};
    size_t left = max;

    ret_ends->has_tail = has_tail;
    write_head(&head, form, msg);
    if (has_tail)
        write_tail_of(&tail, form, msg, true);
    else
        write_tail(&count, form, msg);
    out->head_len = head.len;
    out->tail_len = has_tail ? tail.len : count.len;
    if (out->head_len > left || out->tail_len > left - out->head_len)
        return FERRY_ERR_TOO_LARGE;
    left -= out->head_len + out->tail_len;
    out->entries_len = 0;
    for (size_t i = 0; i < msg->n_entries; i++) {
        size_t len = entry_size(form, &msg->entries[i], left);
        size_t overhead = 1 + fy_pb_varint_size(len);

        if (len > left || overhead > left - len)
            return FERRY_ERR_TOO_LARGE;
        left -= len + overhead;
        out->entries_len += FY_BE64_SIZE + len;
    }
    out->packed_len = max - left;
    return FERRY_OK;
}

/* Write the entries as a block has them: each after its length.  Returns the end. */
static uint8_t *write_entries(uint8_t *at, enum ferry_wire_form form, const struct ferry_message *msg)
{
    for (size_t i = 0; i < msg->n_entries; i++) {
        struct fy_pb_writer writer = {.at = at + FY_BE64_SIZE, .max = SIZE_MAX / 2};

        write_entry(&writer, form, &msg->entries[i]);
        fy_be64_put(at, writer.len);
        at = writer.at;
    }
    return at;
}

/* ---- Entries shared by several messages ---- */

#define MIN_SHARED 1024 /* in bytes; below it, counting references costs more than copying */

struct fy_packed_entries {
    atomic_uint n_refs;                /* one for each message, and one for the packer */
    const struct ferry_entry *entries; /* the array that was packed, by which the packer recognizes it */
    size_t n_entries;
    size_t memory;
    uint8_t packed[];
};

/* Does this hold the entries of msg?  The array's address is compared, not its contents. */
static bool has_entries(const struct ferry_message *msg, const struct ferry_entry *entries, size_t n_entries)
{
    return msg->entries == entries && msg->n_entries == n_entries;
}

/* Drop a reference.  Returns the pile, with the memory on it if that was the last one. */
static struct fy_shelf_block *unref_entries(struct fy_packed_entries *shared, struct fy_shelf_block *pile)
{
    if (atomic_fetch_sub_explicit(&shared->n_refs, 1, memory_order_acq_rel) != 1)
        return pile;
    return fy_shelf_pile(pile, shared, shared->memory);
}

void fy_packer_release(struct fy_packer *packer)
{
    if (packer->shared)
        fy_shelf_put(packer->shelf, unref_entries(packer->shared, NULL));
    packer->shared = NULL;
}

/* Pack the entries of msg into packer->shared if they are to be shared.  If out of memory, they are not shared. */
static void share_entries(struct fy_packer *packer, const struct ferry_message *msg, const struct ferry_message *next,
                          size_t entries_len)
{
    struct fy_packed_entries *shared = packer->shared;

    if (shared && has_entries(msg, shared->entries, shared->n_entries))
        return;
    fy_packer_release(packer);
    if (!next || entries_len < MIN_SHARED || !has_entries(next, msg->entries, msg->n_entries))
        return;
    shared = fy_shelf_take(packer->shelf, sizeof(*shared) + entries_len);
    if (!shared)
        return;
    atomic_init(&shared->n_refs, 1);
    shared->entries = msg->entries;
    shared->n_entries = msg->n_entries;
    shared->memory = sizeof(*shared) + entries_len;
    (void)write_entries(shared->packed, packer->form, msg);
    packer->shared = shared;
}

/* ---- The message ---- */

/* The part of out->item.memory that is in its own block. */
static size_t own_memory(const struct fy_outgoing *out)
{
    return out->item.memory - (out->shared ? out->entries_len : 0);
}

static void write_all(struct fy_outgoing *out, enum ferry_wire_form form, const struct ferry_message *msg,
                      const struct ends *ends)
{
    uint8_t *at = out->packed;

    out->head = at;
    memcpy(at, ends->head, out->head_len);
    at += out->head_len;
    if (out->shared) {
        out->entries = out->shared->packed;
    } else {
        out->entries = at;
        at = write_entries(at, form, msg);
        assert((size_t)(at - out->entries) == out->entries_len);
    }
    out->tail = at;
    if (ends->has_tail) {
        memcpy(at, ends->tail, out->tail_len);
    } else {
        struct fy_pb_writer writer = {.at = at, .max = SIZE_MAX / 2};

        write_tail(&writer, form, msg);
        assert(writer.len == out->tail_len);
    }
}

int fy_packer_pack(struct fy_packer *packer, const struct ferry_message *msg, const struct ferry_message *next,
                   struct fy_outgoing **ret_out)
{
    /* Gaps take at most four times the size of their packed entries, so below this limit no sum can overflow. */
    size_t max = packer->max_bytes < SIZE_MAX / 16 ? packer->max_bytes : SIZE_MAX / 16;
    struct fy_outgoing sizes = {.type = msg->type};
    struct fy_outgoing *out;
    struct ends ends;
    int err = check(msg, 0);

    if (err == FERRY_OK)
        err = measure(msg, packer->form, max, &sizes, &ends);
    if (err != FERRY_OK)
        return err;
    share_entries(packer, msg, next, sizes.entries_len);
    sizes.shelf = packer->shelf;
    sizes.shared = packer->shared;
    sizes.item.memory = sizeof(*out) + sizes.head_len + sizes.entries_len + sizes.tail_len;
    out = fy_shelf_take(packer->shelf, own_memory(&sizes));
    if (!out)
        return FERRY_ERR_NOMEM;
    if (sizes.shared)
        atomic_fetch_add_explicit(&sizes.shared->n_refs, 1, memory_order_relaxed);
    *out = sizes;
    out->to = msg->to;
    out->from = msg->from;
    out->term = msg->term;
    out->log_term = msg->log_term;
    out->index = msg->index;
    out->commit = msg->commit;
    out->n_entries = msg->n_entries;
    out->last_index = msg->n_entries > 0 ? msg->entries[msg->n_entries - 1].index : msg->index;
    write_all(out, packer->form, msg, &ends);
    *ret_out = out;
    return FERRY_OK;
}

int fy_outgoing_new(const struct ferry_message *msg, enum ferry_wire_form form, size_t max_bytes,
                    struct fy_outgoing **ret_out)
{
    struct fy_packer packer = {.form = form, .max_bytes = max_bytes};

    return fy_packer_pack(&packer, msg, NULL, ret_out);
}

static struct fy_shelf_block *pile_up(struct fy_outgoing *out, struct fy_shelf_block *pile)
{
    size_t memory = own_memory(out);

    assert(!fy_node_is_linked(&out->item.node));
    if (out->shared)
        pile = unref_entries(out->shared, pile);
    return fy_shelf_pile(pile, out, memory);
}

void fy_outgoing_free(struct fy_outgoing *out)
{
    struct fy_shelf *shelf;

    if (!out)
        return;
    shelf = out->shelf;
    fy_shelf_put(shelf, pile_up(out, NULL));
}

void fy_outgoing_free_all(struct fy_list *list)
{
    struct fy_node *node = fy_list_first(list);
    struct fy_shelf *shelf = node ? fy_container(node, struct fy_outgoing, item.node)->shelf : NULL;
    struct fy_shelf_block *pile = NULL;

    while ((node = fy_list_take_first(list))) {
        struct fy_outgoing *out = fy_container(node, struct fy_outgoing, item.node);

        assert(out->shelf == shelf);
        pile = pile_up(out, pile);
    }
    fy_shelf_put(shelf, pile);
}
