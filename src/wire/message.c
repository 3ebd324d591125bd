/*
 * message - decodes protobuf bytes into one counted block, in two passes.
 *
 * The scan reads every field once: scalars go to a draft on the stack, lists are counted, the block's size is summed
 * up, and malformed input ends it.  Then the block is allocated, and the fill copies what has no fixed size: entries,
 * members, responses, bytes.  The fill reads only what the scan has accepted, so it cannot fail.  Bytes in a frame that
 * the message takes over stay where they are.
 *
 * Rules of protobuf, as etcd's decoders apply them: the last of a repeated scalar wins, repeated embedded messages are
 * merged, lists of numbers may be packed or not, unknown fields are skipped and not stored.  A known field with another
 * wire type is malformed.
 *
 * Why not protobuf-c's unpack: it has no limits (scratch memory for long messages, copies of unknown fields, merging in
 * quadratic time), it recurses as deep as the input says, and it is slower: 224 ns for a MsgApp with one small entry in
 * the 3.4 form, without allocation, against 148 ns here with allocation.  The tests compare every message with its
 * result.
 */
#include "wire/message.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "wire/be64.h"
#include "wire/frame.h"
#include "wire/raftpb.h"

/* The block: this, then structs and ids, whose sizes are multiples of 8 bytes, then bytes. */
struct block {
    atomic_size_t n_refs;
    size_t memory;
    struct fy_frame *frame; /* memory of the bytes; NULL: they are in the block */
    struct ferry_message msg;
};

_Static_assert(sizeof(struct block) % 8 == 0 && sizeof(struct ferry_message) % 8 == 0 &&
                   sizeof(struct ferry_entry) % 8 == 0 && sizeof(struct ferry_snapshot) % 8 == 0,
               "structs stand in the block back to back");

/* Size of the block's contents after its head. */
struct budget {
    size_t structs;
    size_t bytes;
    size_t max; /* sum of both */
};

/* What the scan found in one message. */
struct draft {
    struct ferry_message msg;       /* context points into the input; entries and responses are only counted */
    struct ferry_snapshot snapshot; /* data points into the input; members are only counted */
    bool has_snapshot;
    struct ferry_bytes nested; /* from the first to the last field that the fill reads again */
};

/* Where the fill writes. */
struct arena {
    uint8_t *structs;
    uint8_t *bytes; /* NULL: bytes stay where they are */
};

static bool spend(struct budget *budget, size_t *which, size_t size)
{
    if (size > budget->max - budget->structs - budget->bytes)
        return false;
    *which += size;
    return true;
}

static void *take(struct arena *arena, size_t n, size_t size)
{
    void *at = arena->structs;

    if (n == 0)
        return NULL;
    arena->structs += n * size;
    return at;
}

static struct ferry_bytes keep(struct arena *arena, struct ferry_bytes bytes)
{
    struct ferry_bytes kept = {NULL, 0};

    if (!arena->bytes)
        return bytes;
    if (bytes.data) {
        kept.data = arena->bytes;
        kept.len = bytes.len;
        memcpy(arena->bytes, bytes.data, bytes.len);
        arena->bytes += bytes.len;
    }
    return kept;
}

/* ---- Fields that both passes read alike ---- */

/* Read the number after tag, if that tag is next. false: the tag is next, but malformed. */
static inline bool read_if(struct fy_pb_reader *in, uint8_t tag, uint64_t *ret_value)
{
    if (in->at == in->end || *in->at != tag)
        return true;
    in->at++;
    return fy_pb_read_varint(in, ret_value);
}

/* Read an entry in its usual form: no field twice, in ascending order. false: it may still be a valid entry. */
static bool parse_usual_entry(struct ferry_bytes bytes, struct ferry_entry *ret_entry)
{
    struct fy_pb_reader in = fy_pb_reader(bytes);
    uint64_t type = 0, term = 0, index = 0, len = 0;

    if (!read_if(&in, FY_ENTRY_TYPE, &type) || !read_if(&in, FY_ENTRY_TERM, &term) ||
        !read_if(&in, FY_ENTRY_INDEX, &index))
        return false;
    *ret_entry = (struct ferry_entry){.type = (enum ferry_entry_type)(int32_t)type, .term = term, .index = index};
    if (in.at == in.end)
        return true;
    if (*in.at != FY_ENTRY_DATA || !read_if(&in, FY_ENTRY_DATA, &len) || len != (size_t)(in.end - in.at))
        return false;
    ret_entry->data = (struct ferry_bytes){in.at, (size_t)len};
    return true;
}

static bool parse_entry(struct ferry_bytes bytes, struct ferry_entry *ret_entry)
{
    struct fy_pb_reader in = fy_pb_reader(bytes);
    struct fy_pb_field field;

    if (parse_usual_entry(bytes, ret_entry))
        return true;
    *ret_entry = (struct ferry_entry){.term = 0};
    while (fy_pb_next(&in, &field)) {
        switch (field.tag) {
        case FY_ENTRY_TYPE:
            ret_entry->type = (enum ferry_entry_type)(int32_t)field.value;
            break;
        case FY_ENTRY_TERM:
            ret_entry->term = field.value;
            break;
        case FY_ENTRY_INDEX:
            ret_entry->index = field.value;
            break;
        case FY_ENTRY_DATA:
            ret_entry->data = field.bytes;
            break;
        default:
            if (FY_PB_NUMBER(field.tag) <= FY_ENTRY_LAST_NUMBER)
                return false;
        }
    }
    return in.at == in.end;
}

/* The id lists of a conf state.  Without arrays they are only counted. */
struct members {
    uint64_t *ids[FY_CONF_STATE_N_LISTS];
    size_t n[FY_CONF_STATE_N_LISTS];
};

static void add_member(struct members *members, unsigned list, uint64_t id)
{
    if (members->ids[list])
        members->ids[list][members->n[list]] = id;
    members->n[list]++;
}

static bool parse_conf_state(struct ferry_bytes bytes, struct members *members, bool *auto_leave)
{
    struct fy_pb_reader in = fy_pb_reader(bytes);
    struct fy_pb_field field;

    while (fy_pb_next(&in, &field)) {
        unsigned list = FY_PB_NUMBER(field.tag) - 1;

        if (field.tag == FY_CONF_STATE_AUTO_LEAVE) {
            *auto_leave = field.value != 0;
        } else if (list < FY_CONF_STATE_N_LISTS && field.tag == FY_PB_TAG(list + 1, FY_PB_VARINT)) {
            add_member(members, list, field.value);
        } else if (list < FY_CONF_STATE_N_LISTS && field.tag == FY_PB_TAG(list + 1, FY_PB_BYTES)) {
            struct fy_pb_reader packed = fy_pb_reader(field.bytes);
            uint64_t id;

            while (fy_pb_read_varint(&packed, &id))
                add_member(members, list, id);
            if (packed.at != packed.end)
                return false;
        } else if (FY_PB_NUMBER(field.tag) <= FY_CONF_STATE_LAST_NUMBER) {
            return false;
        }
    }
    return in.at == in.end;
}

static bool parse_metadata(struct ferry_bytes bytes, struct ferry_snapshot *snapshot, struct members *members)
{
    struct fy_pb_reader in = fy_pb_reader(bytes);
    struct fy_pb_field field;

    while (fy_pb_next(&in, &field)) {
        switch (field.tag) {
        case FY_METADATA_CONF_STATE:
            if (!parse_conf_state(field.bytes, members, &snapshot->conf_state.auto_leave))
                return false;
            break;
        case FY_METADATA_INDEX:
            snapshot->index = field.value;
            break;
        case FY_METADATA_TERM:
            snapshot->term = field.value;
            break;
        default:
            if (FY_PB_NUMBER(field.tag) <= FY_METADATA_LAST_NUMBER)
                return false;
        }
    }
    return in.at == in.end;
}

static bool parse_snapshot(struct ferry_bytes bytes, struct ferry_snapshot *snapshot, struct members *members)
{
    struct fy_pb_reader in = fy_pb_reader(bytes);
    struct fy_pb_field field;

    while (fy_pb_next(&in, &field)) {
        switch (field.tag) {
        case FY_SNAPSHOT_DATA:
            snapshot->data = field.bytes;
            break;
        case FY_SNAPSHOT_METADATA:
            if (!parse_metadata(field.bytes, snapshot, members))
                return false;
            break;
        default:
            if (FY_PB_NUMBER(field.tag) <= FY_SNAPSHOT_LAST_NUMBER)
                return false;
        }
    }
    return in.at == in.end;
}

static void set_members(struct ferry_conf_state *state, const struct members *members)
{
    state->voters = members->ids[0];
    state->n_voters = members->n[0];
    state->learners = members->ids[1];
    state->n_learners = members->n[1];
    state->voters_outgoing = members->ids[2];
    state->n_voters_outgoing = members->n[2];
    state->learners_next = members->ids[3];
    state->n_learners_next = members->n[3];
}

static size_t count_members(const struct ferry_conf_state *state)
{
    return state->n_voters + state->n_learners + state->n_voters_outgoing + state->n_learners_next;
}

static bool is_empty(const struct ferry_snapshot *snapshot)
{
    return !snapshot->data.data && snapshot->index == 0 && snapshot->term == 0 && !snapshot->conf_state.auto_leave &&
           count_members(&snapshot->conf_state) == 0;
}

/* ---- The scan ---- */

static int scan(struct ferry_bytes bytes, unsigned depth, struct budget *budget, struct draft *draft);

/* The data of *ret_entry points into bytes. */
static int scan_entry(struct ferry_bytes bytes, struct budget *budget, struct ferry_entry *ret_entry)
{
    if (!parse_entry(bytes, ret_entry))
        return FERRY_ERR_MALFORMED;
    if (!spend(budget, &budget->structs, sizeof(*ret_entry)) || !spend(budget, &budget->bytes, ret_entry->data.len))
        return FERRY_ERR_TOO_LARGE;
    return FERRY_OK;
}

static int scan_response(struct ferry_bytes bytes, unsigned depth, struct budget *budget)
{
    struct draft response;

    if (depth == FY_MESSAGE_MAX_DEPTH)
        return FERRY_ERR_DEPTH;
    if (!spend(budget, &budget->structs, sizeof(struct ferry_message)))
        return FERRY_ERR_TOO_LARGE;
    return scan(bytes, depth + 1, budget, &response);
}

/* Add up what the fill will copy for this message itself: known only after all fields were read. */
static int spend_draft(struct draft *draft, struct budget *budget)
{
    const struct ferry_snapshot *snapshot = &draft->snapshot;

    if (draft->has_snapshot && draft->msg.type != FERRY_MSG_SNAP && is_empty(snapshot))
        draft->has_snapshot = false;
    if (!spend(budget, &budget->bytes, draft->msg.context.len))
        return FERRY_ERR_TOO_LARGE;
    if (draft->has_snapshot && (!spend(budget, &budget->structs, sizeof(*snapshot)) ||
                                !spend(budget, &budget->structs, count_members(&snapshot->conf_state) * 8) ||
                                !spend(budget, &budget->bytes, snapshot->data.len)))
        return FERRY_ERR_TOO_LARGE;
    return FERRY_OK;
}

static int scan(struct ferry_bytes bytes, unsigned depth, struct budget *budget, struct draft *draft)
{
    struct fy_pb_reader in = fy_pb_reader(bytes);
    const uint8_t *start = in.at;
    struct members members = {.n = {0}};
    struct ferry_message *msg = &draft->msg;
    struct ferry_entry entry;
    struct fy_pb_field field;
    int err;

    memset(draft, 0, sizeof(*draft));
    for (; fy_pb_next(&in, &field); start = in.at) {
        err = FERRY_OK;
        switch (field.tag) {
        case FY_MESSAGE_TYPE:
            msg->type = (enum ferry_message_type)(int32_t)field.value;
            continue;
        case FY_MESSAGE_TO:
            msg->to = field.value;
            continue;
        case FY_MESSAGE_FROM:
            msg->from = field.value;
            continue;
        case FY_MESSAGE_TERM:
            msg->term = field.value;
            continue;
        case FY_MESSAGE_LOG_TERM:
            msg->log_term = field.value;
            continue;
        case FY_MESSAGE_INDEX:
            msg->index = field.value;
            continue;
        case FY_MESSAGE_COMMIT:
            msg->commit = field.value;
            continue;
        case FY_MESSAGE_REJECT:
            msg->reject = field.value != 0;
            continue;
        case FY_MESSAGE_REJECT_HINT:
            msg->reject_hint = field.value;
            continue;
        case FY_MESSAGE_CONTEXT:
            msg->context = field.bytes;
            continue;
        case FY_MESSAGE_VOTE:
            msg->vote = field.value;
            continue;
        case FY_MESSAGE_ENTRIES:
            msg->n_entries++;
            err = scan_entry(field.bytes, budget, &entry);
            break;
        case FY_MESSAGE_RESPONSES:
            msg->n_responses++;
            err = scan_response(field.bytes, depth, budget);
            break;
        case FY_MESSAGE_SNAPSHOT:
            draft->has_snapshot = true;
            if (!parse_snapshot(field.bytes, &draft->snapshot, &members))
                err = FERRY_ERR_MALFORMED;
            break;
        default:
            if (FY_PB_NUMBER(field.tag) <= FY_MESSAGE_LAST_NUMBER)
                return FERRY_ERR_MALFORMED;
            continue;
        }
        if (err != FERRY_OK)
            return err;
        if (!draft->nested.data)
            draft->nested.data = start;
        draft->nested.len = (size_t)(in.at - draft->nested.data);
    }
    if (in.at != in.end)
        return FERRY_ERR_MALFORMED;
    set_members(&draft->snapshot.conf_state, &members);
    return spend_draft(draft, budget);
}

/* ---- The fill ---- */

static void fill_members(const struct ferry_conf_state *counts, struct arena *arena, struct members *members)
{
    const size_t n[FY_CONF_STATE_N_LISTS] = {counts->n_voters, counts->n_learners, counts->n_voters_outgoing,
                                             counts->n_learners_next};

    for (unsigned i = 0; i < FY_CONF_STATE_N_LISTS; i++)
        members->ids[i] = take(arena, n[i], sizeof(uint64_t));
}

static void fill(const struct draft *draft, struct arena *arena, struct ferry_message *ret_msg);

static void fill_response(struct ferry_bytes bytes, struct arena *arena, struct ferry_message *ret_msg)
{
    struct budget unlimited = {.max = SIZE_MAX};
    struct draft response;
    int err = scan(bytes, 0, &unlimited, &response);

    assert(err == FERRY_OK); /* the scan already limited the depth */
    (void)err;
    fill(&response, arena, ret_msg);
}

static void fill(const struct draft *draft, struct arena *arena, struct ferry_message *ret_msg)
{
    struct ferry_entry *entry = take(arena, draft->msg.n_entries, sizeof(*entry));
    struct ferry_message *response = take(arena, draft->msg.n_responses, sizeof(*response));
    struct ferry_snapshot *snapshot = take(arena, draft->has_snapshot, sizeof(*snapshot));
    struct fy_pb_reader in = fy_pb_reader(draft->nested);
    struct members members = {.n = {0}};
    struct fy_pb_field field;

    *ret_msg = draft->msg;
    ret_msg->context = keep(arena, draft->msg.context);
    ret_msg->entries = entry;
    ret_msg->responses = response;
    ret_msg->snapshot = snapshot;
    if (snapshot) {
        *snapshot = draft->snapshot;
        snapshot->data = keep(arena, draft->snapshot.data);
        fill_members(&draft->snapshot.conf_state, arena, &members);
    }
    while (fy_pb_next(&in, &field)) {
        if (field.tag == FY_MESSAGE_ENTRIES) {
            (void)parse_entry(field.bytes, entry); /* the scan has accepted it */
            entry->data = keep(arena, entry->data);
            entry++;
        } else if (field.tag == FY_MESSAGE_RESPONSES) {
            fill_response(field.bytes, arena, response++);
        } else if (field.tag == FY_MESSAGE_SNAPSHOT && snapshot) {
            struct ferry_snapshot known;

            (void)parse_snapshot(field.bytes, &known, &members); /* only for the members */
        }
    }
    if (snapshot)
        set_members(&snapshot->conf_state, &members);
}

/* ---- The block ---- */

/* Does the message use enough of the memory that its bytes lie in to keep it? */
static bool is_worth(const struct fy_frame *home, const struct budget *budget)
{
    return home && budget->bytes >= home->cap / 2 && home->cap <= budget->max - budget->structs;
}

/* *ret_arena: where the fill continues. */
static int new_block(const struct budget *budget, struct fy_frame **home, struct arena *ret_arena,
                     struct block **ret_block)
{
    bool is_taken = home && is_worth(*home, budget);
    size_t size = sizeof(struct block) + budget->structs; /* limited by max_memory, so it does not overflow */
    struct block *block = malloc(is_taken ? size : size + budget->bytes);

    if (!block)
        return FERRY_ERR_NOMEM;
    atomic_init(&block->n_refs, 1);
    ret_arena->structs = (uint8_t *)(block + 1);
    ret_arena->bytes = NULL;
    if (is_taken) {
        block->memory = size + (*home)->cap;
        block->frame = *home;
        *home = NULL;
    } else {
        block->memory = size + budget->bytes;
        block->frame = NULL;
        ret_arena->bytes = (uint8_t *)block + size;
    }
    *ret_block = block;
    return FERRY_OK;
}

static int init_budget(struct budget *budget, size_t max_memory)
{
    if (max_memory < sizeof(struct block))
        return FERRY_ERR_TOO_LARGE;
    *budget = (struct budget){.max = max_memory - sizeof(struct block)};
    return FERRY_OK;
}

static int decode(struct ferry_bytes bytes, size_t max_memory, bool skip_heartbeats, struct fy_frame **home,
                  const struct ferry_message **ret_msg)
{
    struct budget budget;
    struct draft draft;
    struct arena arena;
    struct block *block;
    int err = init_budget(&budget, max_memory);

    if (err == FERRY_OK)
        err = scan(bytes, 0, &budget, &draft);
    if (err == FERRY_OK && skip_heartbeats && fy_message_is_link_heartbeat(&draft.msg)) {
        *ret_msg = NULL;
        return FERRY_OK;
    }
    if (err == FERRY_OK)
        err = new_block(&budget, home, &arena, &block);
    if (err != FERRY_OK)
        return err;
    fill(&draft, &arena, &block->msg);
    assert((size_t)(arena.structs - (uint8_t *)(block + 1)) == budget.structs);
    assert(block->frame || (size_t)(arena.bytes - (uint8_t *)block) == block->memory);
    *ret_msg = &block->msg;
    return FERRY_OK;
}

int fy_message_decode(const uint8_t *data, size_t len, size_t max_memory, const struct ferry_message **ret_msg)
{
    return decode((struct ferry_bytes){data, len}, max_memory, false, NULL, ret_msg);
}

int fy_message_decode_in(const uint8_t *data, size_t len, size_t max_memory, struct fy_frame **home,
                         const struct ferry_message **ret_msg)
{
    return decode((struct ferry_bytes){data, len}, max_memory, false, home, ret_msg);
}

int fy_message_decode_unless_heartbeat(const uint8_t *data, size_t len, size_t max_memory, struct fy_frame **home,
                                       const struct ferry_message **ret_msg)
{
    return decode((struct ferry_bytes){data, len}, max_memory, true, home, ret_msg);
}

/* How many entries of a compact frame the scan remembers.  Longer frames are scanned again by the fill. */
#define N_SCANNED 8

/* Read the next entry of a compact frame. */
static int next_entry(struct fy_pb_reader *in, struct ferry_bytes *ret_bytes)
{
    const uint8_t *length = in->at;

    if (!fy_pb_skip(in, FY_BE64_SIZE))
        return FERRY_ERR_MALFORMED;
    ret_bytes->data = in->at;
    ret_bytes->len = (size_t)fy_be64_get(length);
    return fy_pb_skip(in, fy_be64_get(length)) ? FERRY_OK : FERRY_ERR_MALFORMED;
}

int fy_message_decode_entries(const struct ferry_message *head, const uint8_t *data, size_t len, size_t n_entries,
                              size_t max_memory, struct fy_frame **home, const struct ferry_message **ret_msg)
{
    struct fy_pb_reader in = fy_pb_reader((struct ferry_bytes){data, len});
    struct ferry_entry scanned[N_SCANNED];
    struct ferry_bytes bytes;
    struct ferry_entry *entries;
    struct budget budget;
    struct arena arena;
    struct block *block;
    int err = init_budget(&budget, max_memory);

    for (size_t i = 0; i < n_entries && err == FERRY_OK; i++) {
        err = next_entry(&in, &bytes);
        if (err == FERRY_OK)
            err = scan_entry(bytes, &budget, &scanned[i < N_SCANNED ? i : N_SCANNED - 1]);
    }
    if (err == FERRY_OK && in.at != in.end)
        err = FERRY_ERR_MALFORMED;
    if (err == FERRY_OK)
        err = new_block(&budget, home, &arena, &block);
    if (err != FERRY_OK)
        return err;

    block->msg = *head;
    entries = take(&arena, n_entries, sizeof(*entries));
    in.at = data;
    for (size_t i = 0; i < n_entries; i++) {
        if (n_entries <= N_SCANNED) {
            entries[i] = scanned[i];
        } else {
            (void)next_entry(&in, &bytes); /* the scan has accepted it and its length */
            (void)parse_entry(bytes, &entries[i]);
        }
        entries[i].data = keep(&arena, entries[i].data);
    }
    block->msg.entries = entries;
    block->msg.n_entries = n_entries;
    *ret_msg = &block->msg;
    return FERRY_OK;
}

/* For messages made by decode.  They are handed out as const, but the block's count is ours. */
static struct block *block_of(const struct ferry_message *msg)
{
    return (struct block *)((uintptr_t)msg - offsetof(struct block, msg));
}

const struct ferry_message *ferry_message_ref(const struct ferry_message *msg)
{
    atomic_fetch_add_explicit(&block_of(msg)->n_refs, 1, memory_order_relaxed);
    return msg;
}

void ferry_message_unref(const struct ferry_message *msg)
{
    struct block *block;

    if (!msg)
        return;
    block = block_of(msg);
    if (atomic_fetch_sub_explicit(&block->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    fy_frame_put(block->frame);
    free(block);
}

size_t fy_message_memory(const struct ferry_message *msg)
{
    return block_of(msg)->memory;
}

bool fy_message_is_link_heartbeat(const struct ferry_message *msg)
{
    return msg->type == FERRY_MSG_HEARTBEAT && msg->from == 0 && msg->to == 0;
}

const char *ferry_message_type_name(enum ferry_message_type type)
{
    static const char *const names[] = {
        [FERRY_MSG_HUP] = "MsgHup",
        [FERRY_MSG_BEAT] = "MsgBeat",
        [FERRY_MSG_PROP] = "MsgProp",
        [FERRY_MSG_APP] = "MsgApp",
        [FERRY_MSG_APP_RESP] = "MsgAppResp",
        [FERRY_MSG_VOTE] = "MsgVote",
        [FERRY_MSG_VOTE_RESP] = "MsgVoteResp",
        [FERRY_MSG_SNAP] = "MsgSnap",
        [FERRY_MSG_HEARTBEAT] = "MsgHeartbeat",
        [FERRY_MSG_HEARTBEAT_RESP] = "MsgHeartbeatResp",
        [FERRY_MSG_UNREACHABLE] = "MsgUnreachable",
        [FERRY_MSG_SNAP_STATUS] = "MsgSnapStatus",
        [FERRY_MSG_CHECK_QUORUM] = "MsgCheckQuorum",
        [FERRY_MSG_TRANSFER_LEADER] = "MsgTransferLeader",
        [FERRY_MSG_TIMEOUT_NOW] = "MsgTimeoutNow",
        [FERRY_MSG_READ_INDEX] = "MsgReadIndex",
        [FERRY_MSG_READ_INDEX_RESP] = "MsgReadIndexResp",
        [FERRY_MSG_PRE_VOTE] = "MsgPreVote",
        [FERRY_MSG_PRE_VOTE_RESP] = "MsgPreVoteResp",
        [FERRY_MSG_STORAGE_APPEND] = "MsgStorageAppend",
        [FERRY_MSG_STORAGE_APPEND_RESP] = "MsgStorageAppendResp",
        [FERRY_MSG_STORAGE_APPLY] = "MsgStorageApply",
        [FERRY_MSG_STORAGE_APPLY_RESP] = "MsgStorageApplyResp",
        [FERRY_MSG_FORGET_LEADER] = "MsgForgetLeader",
    };

    return (unsigned)type < sizeof(names) / sizeof(names[0]) ? names[type] : "MsgUnknown";
}
