/*
 * sequence - messages from a seed and a number, and their comparison field by field.
 */
#include "interop/sequence.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block ends with its only MsgSnap: they all go by the pipeline, whose queue is short. */
#define BLOCK_LEN 64u
#define SURVEY_LEN (2 * BLOCK_LEN) /* the first messages go through all types in turn */
#define NEW_TERM_SLOT 30u          /* in a run, the append with which a new leader begins: a full frame */
#define MESSAGE_SALT 1u
#define BLOCK_SALT 2u
#define GOLDEN_GAMMA UINT64_C(0x9e3779b97f4a7c15)
#define LARGE_DATA_SIZE (UINT64_C(1) << 20)

/* ---- Memory --------------------------------------------------------------------------------------------------- */

struct arena_block {
    struct arena_block *next;
    max_align_t data[];
};

static void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block *block = calloc(1, sizeof(*block) + size);

    if (!block)
        abort();
    block->next = arena->blocks;
    arena->blocks = block;
    return block->data;
}

void arena_release(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
}

/* ---- Drawing: a splitmix64 generator ---------------------------------------------------------------------------- */

struct draws {
    uint64_t state;
    struct arena *arena;
};

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static struct draws draws_for(uint64_t seed, uint64_t salt, uint64_t k, struct arena *arena)
{
    return (struct draws){.state = mix(seed + salt) ^ mix(k + GOLDEN_GAMMA), .arena = arena};
}

static uint64_t draw(struct draws *d)
{
    d->state += GOLDEN_GAMMA;
    return mix(d->state);
}

static uint64_t draw_below(struct draws *d, uint64_t n)
{
    return draw(d) % n;
}

/* Of any magnitude from 0 to 2^64 - 1, and a small one as often as a large one. */
static uint64_t draw_number(struct draws *d)
{
    uint64_t value = draw(d);

    return value >> draw_below(d, 64);
}

static const uint64_t *draw_numbers(struct draws *d, size_t *ret_n)
{
    uint64_t n = draw_below(d, 4);
    uint64_t *list = arena_alloc(d->arena, n * sizeof(*list));

    for (size_t i = 0; i < n; i++)
        list[i] = draw_number(d);
    *ret_n = n;
    return list;
}

/* Absent, empty, short, longer, or longer than the buffer that etcd's msgappv2 packs entries into. */
static struct ferry_bytes draw_bytes(struct draws *d)
{
    uint64_t shape = draw_below(d, 8);
    uint64_t len = 0;
    uint8_t *data;

    if (shape == 0)
        return (struct ferry_bytes){0};
    if (shape == 2) {
        len = 1 + draw_below(d, 4096);
        if (draw_below(d, 256) == 0)
            len = LARGE_DATA_SIZE + draw_below(d, LARGE_DATA_SIZE);
    } else if (shape > 2) {
        len = 1 + draw_below(d, 64);
    }
    data = arena_alloc(d->arena, len + 8);
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = draw(d);

        for (unsigned i = 0; i < 8; i++)
            data[at + i] = (uint8_t)(word >> 8 * i);
    }
    return (struct ferry_bytes){.data = data, .len = len};
}

static struct ferry_entry draw_entry(struct draws *d)
{
    struct ferry_entry entry;

    entry.term = draw_number(d);
    entry.index = draw_number(d);
    entry.type = (enum ferry_entry_type)draw_below(d, 3);
    entry.data = draw_bytes(d);
    return entry;
}

static const struct ferry_snapshot *draw_snapshot(struct draws *d)
{
    struct ferry_snapshot *snap = arena_alloc(d->arena, sizeof(*snap));
    struct ferry_conf_state *conf = &snap->conf_state;

    snap->data = draw_bytes(d);
    snap->index = draw_number(d) | 1; /* never an empty one */
    snap->term = draw_number(d);
    conf->voters = draw_numbers(d, &conf->n_voters);
    conf->learners = draw_numbers(d, &conf->n_learners);
    conf->voters_outgoing = draw_numbers(d, &conf->n_voters_outgoing);
    conf->learners_next = draw_numbers(d, &conf->n_learners_next);
    conf->auto_leave = draw_below(d, 2) == 1;
    return snap;
}

/* ---- The sequence ------------------------------------------------------------------------------------------------ */

static bool is_in_run(uint64_t k)
{
    uint64_t slot = k % BLOCK_LEN;

    return k >= SURVEY_LEN && k / BLOCK_LEN % 2 == 0 && slot != BLOCK_LEN - 1 && slot % 4 != 3;
}

static enum ferry_message_type draw_type(const struct sequence *seq, struct draws *d, uint64_t k)
{
    uint64_t drawn;

    if (k % BLOCK_LEN == BLOCK_LEN - 1)
        return FERRY_MSG_SNAP;
    if (k < SURVEY_LEN)
        return (enum ferry_message_type)(k % seq->types);
    drawn = draw_below(d, seq->types + seq->types / 2);
    if (drawn >= seq->types)
        return FERRY_MSG_APP;
    return drawn == FERRY_MSG_SNAP ? FERRY_MSG_HEARTBEAT : (enum ferry_message_type)drawn;
}

/* A MsgApp that continues where the one before it in its block ended: what msgappv2 packs into a compact frame. */
static void draw_run_message(const struct sequence *seq, struct draws *d, uint64_t k, struct ferry_message *msg)
{
    struct draws block = draws_for(seq->seed, BLOCK_SALT, k / BLOCK_LEN, d->arena);
    uint64_t term = draw_number(&block) | 1;
    uint64_t first = draw_number(&block);
    uint64_t n = draw_below(&block, 4);
    uint64_t slot = k % BLOCK_LEN;
    struct ferry_entry *entries = arena_alloc(d->arena, n * sizeof(*entries));

    msg->type = FERRY_MSG_APP;
    msg->term = term;
    msg->log_term = term;
    msg->index = first + n * (slot - slot / 4);
    if (slot == NEW_TERM_SLOT)
        msg->term++;
    for (size_t i = 0; i < n; i++) {
        entries[i] = draw_entry(d);
        entries[i].index = msg->index + 1 + i;
    }
    msg->entries = entries;
    msg->n_entries = n;
}

static struct ferry_message draw_response(const struct sequence *seq, struct draws *d, unsigned depth)
{
    struct ferry_message msg = {.type = (enum ferry_message_type)draw_below(d, seq->types)};

    msg.to = draw_number(d);
    msg.from = draw_number(d);
    msg.term = draw_number(d);
    msg.log_term = draw_number(d);
    msg.index = draw_number(d);
    msg.commit = draw_number(d);
    msg.reject = draw_below(d, 2) == 1;
    msg.reject_hint = draw_number(d);
    msg.context = draw_bytes(d);
    msg.vote = draw_number(d);
    if (draw_below(d, 2) == 1) {
        struct ferry_entry *entry = arena_alloc(d->arena, sizeof(*entry));

        *entry = draw_entry(d);
        msg.entries = entry;
        msg.n_entries = 1;
    }
    if (depth == 0 && draw_below(d, 4) == 0) {
        struct ferry_message *response = arena_alloc(d->arena, sizeof(*response));

        *response = draw_response(seq, d, depth + 1);
        msg.responses = response;
        msg.n_responses = 1;
    }
    return msg;
}

static void draw_late_fields(const struct sequence *seq, struct draws *d, struct ferry_message *msg)
{
    struct ferry_message *responses;

    msg->vote = draw_number(d);
    if (draw_below(d, 8) != 0)
        return;
    msg->n_responses = 1 + draw_below(d, 3);
    responses = arena_alloc(d->arena, msg->n_responses * sizeof(*responses));
    for (size_t i = 0; i < msg->n_responses; i++)
        responses[i] = draw_response(seq, d, 0);
    msg->responses = responses;
}

/* Anything goes, but that a MsgApp's log term differs from its term: a compact frame would lose half of the fields. */
static void draw_full_message(const struct sequence *seq, struct draws *d, struct ferry_message *msg)
{
    struct ferry_entry *entries;

    /* a forwarded MsgTransferLeader, for one, names another sender than the member that sends it */
    if (draw_below(d, 16) == 0)
        msg->from = seq->from + 1 + draw_below(d, 7);
    msg->term = draw_number(d);
    msg->log_term = draw_number(d);
    if (msg->type == FERRY_MSG_APP)
        msg->log_term = msg->term + 1 + draw_below(d, 3);
    msg->index = draw_number(d);
    msg->reject = draw_below(d, 2) == 1;
    msg->reject_hint = draw_number(d);
    msg->context = draw_bytes(d);
    msg->n_entries = draw_below(d, 4);
    entries = arena_alloc(d->arena, msg->n_entries * sizeof(*entries));
    for (size_t i = 0; i < msg->n_entries; i++)
        entries[i] = draw_entry(d);
    msg->entries = entries;
    if (msg->type == FERRY_MSG_SNAP && draw_below(d, 16) == 0)
        msg->snapshot = arena_alloc(d->arena, sizeof(*msg->snapshot));
    else if (msg->type == FERRY_MSG_SNAP || draw_below(d, 8) == 0)
        msg->snapshot = draw_snapshot(d);
    if (seq->late)
        draw_late_fields(seq, d, msg);
}

struct ferry_message sequence_message(const struct sequence *seq, uint64_t k, struct arena *arena)
{
    struct draws d = draws_for(seq->seed, MESSAGE_SALT, k, arena);
    struct ferry_message msg = {.to = seq->to, .from = seq->from, .commit = mix(seq->seed) + k};

    if (is_in_run(k)) {
        draw_run_message(seq, &d, k, &msg);
    } else {
        msg.type = draw_type(seq, &d, k);
        draw_full_message(seq, &d, &msg);
    }
    return msg;
}

uint64_t sequence_number(const struct sequence *seq, const struct ferry_message *msg)
{
    return msg->commit - mix(seq->seed);
}

/* ---- Comparison -------------------------------------------------------------------------------------------------- */

/* Keeps the first difference that it is shown. */
struct differ {
    bool found;
    char *text;
    size_t cap;
};

static void __attribute__((format(printf, 2, 3))) note(struct differ *d, const char *format, ...)
{
    va_list args;

    if (d->found)
        return;
    d->found = true;
    va_start(args, format);
    vsnprintf(d->text, d->cap, format, args);
    va_end(args);
}

static void diff_number(struct differ *d, const char *where, const char *field, uint64_t got, uint64_t want)
{
    if (got != want)
        note(d, "%s%s is %" PRIu64 ", expected %" PRIu64, where, field, got, want);
}

static void diff_bytes(struct differ *d, const char *where, const char *field, struct ferry_bytes got,
                       struct ferry_bytes want)
{
    if (!got.data != !want.data || got.len != want.len)
        note(d, "%s%s is %s%zu bytes, expected %s%zu", where, field, got.data ? "" : "absent: ", got.len,
             want.data ? "" : "absent: ", want.len);
    else if (got.len > 0 && memcmp(got.data, want.data, got.len) != 0)
        note(d, "%s%s has other bytes than expected", where, field);
}

static void diff_numbers(struct differ *d, const char *field, const uint64_t *got, size_t n_got, const uint64_t *want,
                         size_t n_want)
{
    diff_number(d, "the count of ", field, n_got, n_want);
    for (size_t i = 0; i < n_got && i < n_want; i++)
        diff_number(d, "", field, got[i], want[i]);
}

static void diff_entry(struct differ *d, const struct ferry_entry *got, const struct ferry_entry *want)
{
    diff_number(d, "entry ", "term", got->term, want->term);
    diff_number(d, "entry ", "index", got->index, want->index);
    diff_number(d, "entry ", "type", got->type, want->type);
    diff_bytes(d, "entry ", "data", got->data, want->data);
}

static void diff_snapshot(struct differ *d, const struct ferry_snapshot *got, const struct ferry_snapshot *want)
{
    const struct ferry_conf_state *a, *b;

    diff_number(d, "snapshot ", "presence", got != NULL, want != NULL);
    if (!got || !want)
        return;
    a = &got->conf_state;
    b = &want->conf_state;
    diff_bytes(d, "snapshot ", "data", got->data, want->data);
    diff_number(d, "snapshot ", "index", got->index, want->index);
    diff_number(d, "snapshot ", "term", got->term, want->term);
    diff_numbers(d, "voters", a->voters, a->n_voters, b->voters, b->n_voters);
    diff_numbers(d, "learners", a->learners, a->n_learners, b->learners, b->n_learners);
    diff_numbers(d, "voters_outgoing", a->voters_outgoing, a->n_voters_outgoing, b->voters_outgoing,
                 b->n_voters_outgoing);
    diff_numbers(d, "learners_next", a->learners_next, a->n_learners_next, b->learners_next, b->n_learners_next);
    diff_number(d, "snapshot ", "auto_leave", a->auto_leave, b->auto_leave);
}

static void diff_message(struct differ *d, const char *where, const struct ferry_message *got,
                         const struct ferry_message *want)
{
    diff_number(d, where, "type", got->type, want->type);
    diff_number(d, where, "to", got->to, want->to);
    diff_number(d, where, "from", got->from, want->from);
    diff_number(d, where, "term", got->term, want->term);
    diff_number(d, where, "logTerm", got->log_term, want->log_term);
    diff_number(d, where, "index", got->index, want->index);
    diff_number(d, where, "commit", got->commit, want->commit);
    diff_number(d, where, "reject", got->reject, want->reject);
    diff_number(d, where, "rejectHint", got->reject_hint, want->reject_hint);
    diff_bytes(d, where, "context", got->context, want->context);
    diff_number(d, where, "vote", got->vote, want->vote);
    diff_number(d, where, "count of entries", got->n_entries, want->n_entries);
    for (size_t i = 0; i < got->n_entries && i < want->n_entries; i++)
        diff_entry(d, &got->entries[i], &want->entries[i]);
    diff_snapshot(d, got->snapshot, want->snapshot);
    diff_number(d, where, "count of responses", got->n_responses, want->n_responses);
    for (size_t i = 0; i < got->n_responses && i < want->n_responses; i++)
        diff_message(d, "response ", &got->responses[i], &want->responses[i]);
}

bool sequence_difference(const struct ferry_message *got, const struct ferry_message *want, char *text, size_t cap)
{
    struct differ d = {.text = text, .cap = cap};

    diff_message(&d, "", got, want);
    return d.found;
}
