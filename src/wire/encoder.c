/*
 * encoder - produces frames as a sequence of runs of bytes.
 *
 * A frame is never assembled in memory.  Starting it only sets its first run and its total length.  Bytes are taken
 * from the current run, and when it is used up from the next, so taking can stop at any byte.
 *
 *   message, bare, full frame:  start, head, { tag and length, entry } ..., tail
 *   compact frame:              start, all entries as they lie in msg, commit
 *   heartbeat:                  start
 */
#include "wire/encoder.h"

#include <assert.h>
#include <string.h>

#include "wire/be64.h"
#include "wire/raftpb.h"

/* The run after the current one. */
enum step { STEP_HEAD, STEP_ENTRY_TAG, STEP_ENTRY, STEP_TAIL, STEP_ALL_ENTRIES, STEP_COMMIT, STEP_NONE };

/* MsgHeartbeat with all other fields zero, as each form writes it on the message stream. */
static const uint8_t heartbeat_3_4[] = {0,    0,    0,    0,    0,    0,    0,    30,   0x08, 8,    0x10, 0,    0x18,
                                        0,    0x20, 0,    0x28, 0,    0x30, 0,    0x40, 0,    0x4a, 10,   0x12, 8,
                                        0x0a, 2,    0x28, 0,    0x10, 0,    0x18, 0,    0x50, 0,    0x58, 0};
static const uint8_t heartbeat_3_6[] = {0,    0, 0,    0, 0,    0, 0,    20, 0x08, 8, 0x10, 0, 0x18, 0,
                                        0x20, 0, 0x28, 0, 0x30, 0, 0x40, 0,  0x50, 0, 0x58, 0, 0x68, 0};
static const uint8_t heartbeat_3_7[] = {0, 0, 0, 0, 0, 0, 0, 2, 0x08, 8};
static const uint8_t heartbeat_v2[] = {FY_FRAME_HEARTBEAT};

void fy_encoder_init(struct fy_encoder *enc, enum fy_codec codec, enum ferry_wire_form form)
{
    *enc = (struct fy_encoder){.codec = codec, .form = form, .step = STEP_NONE};
}

static void set_run(struct fy_encoder *enc, const uint8_t *run, size_t len, enum step next)
{
    enc->run = run;
    enc->run_len = len;
    enc->step = next;
}

/* Begin a frame whose protobuf message follows the start_len bytes in small. */
static void start_message(struct fy_encoder *enc, const struct fy_outgoing *msg, size_t start_len)
{
    enc->msg = msg;
    enc->entry = msg->entries;
    enc->entries_left = msg->n_entries;
    enc->left = start_len + msg->packed_len;
    set_run(enc, enc->small, start_len, STEP_HEAD);
}

static void start_entries(struct fy_encoder *enc, const struct fy_outgoing *msg)
{
    enc->msg = msg;
    enc->small[0] = FY_FRAME_ENTRIES;
    fy_be64_put(enc->small + 1, msg->n_entries);
    enc->left = 1 + FY_BE64_SIZE + msg->entries_len + FY_BE64_SIZE;
    set_run(enc, enc->small, 1 + FY_BE64_SIZE, STEP_ALL_ENTRIES);
}

static void start_constant(struct fy_encoder *enc, const uint8_t *data, size_t len)
{
    enc->msg = NULL;
    enc->left = len;
    set_run(enc, data, len, STEP_NONE);
}

/* The same tests in the same order as in etcd: the decoder's state must change in the same way. */
static void start_v2(struct fy_encoder *enc, const struct fy_outgoing *msg)
{
    if (msg->type == FERRY_MSG_HEARTBEAT && msg->from == 0 && msg->to == 0) {
        fy_encoder_start_heartbeat(enc);
    } else if (enc->index == msg->index && enc->term == msg->log_term && msg->log_term == msg->term) {
        start_entries(enc, msg);
        enc->index += msg->n_entries;
    } else {
        enc->small[0] = FY_FRAME_MESSAGE;
        fy_be64_put(enc->small + 1, msg->packed_len);
        start_message(enc, msg, 1 + FY_BE64_SIZE);
        enc->term = msg->term;
        enc->index = msg->last_index;
    }
}

void fy_encoder_start(struct fy_encoder *enc, const struct fy_outgoing *msg)
{
    assert(enc->left == 0);
    switch (enc->codec) {
    case FY_CODEC_MESSAGE:
        fy_be64_put(enc->small, msg->packed_len);
        start_message(enc, msg, FY_BE64_SIZE);
        break;
    case FY_CODEC_MSGAPPV2:
        start_v2(enc, msg);
        break;
    case FY_CODEC_BARE:
        start_message(enc, msg, 0);
        break;
    }
}

void fy_encoder_start_heartbeat(struct fy_encoder *enc)
{
    assert(enc->left == 0 && enc->codec != FY_CODEC_BARE);
    if (enc->codec == FY_CODEC_MSGAPPV2)
        start_constant(enc, heartbeat_v2, sizeof(heartbeat_v2));
    else if (enc->form == FERRY_FORM_3_4)
        start_constant(enc, heartbeat_3_4, sizeof(heartbeat_3_4));
    else if (enc->form == FERRY_FORM_3_6)
        start_constant(enc, heartbeat_3_6, sizeof(heartbeat_3_6));
    else
        start_constant(enc, heartbeat_3_7, sizeof(heartbeat_3_7));
}

/* Go to the run named by enc->step.  It may be empty. */
static void next_run(struct fy_encoder *enc)
{
    const struct fy_outgoing *msg = enc->msg;
    size_t len;

    switch ((enum step)enc->step) {
    case STEP_HEAD:
        set_run(enc, msg->head, msg->head_len, enc->entries_left > 0 ? STEP_ENTRY_TAG : STEP_TAIL);
        break;
    case STEP_ENTRY_TAG:
        enc->small[0] = FY_MESSAGE_ENTRIES;
        len = (size_t)(fy_pb_put_varint(enc->small + 1, fy_be64_get(enc->entry)) - enc->small);
        set_run(enc, enc->small, len, STEP_ENTRY);
        break;
    case STEP_ENTRY:
        len = (size_t)fy_be64_get(enc->entry);
        enc->entries_left--;
        set_run(enc, enc->entry + FY_BE64_SIZE, len, enc->entries_left > 0 ? STEP_ENTRY_TAG : STEP_TAIL);
        enc->entry += FY_BE64_SIZE + len;
        break;
    case STEP_TAIL:
        set_run(enc, msg->tail, msg->tail_len, STEP_NONE);
        break;
    case STEP_ALL_ENTRIES:
        set_run(enc, msg->entries, msg->entries_len, STEP_COMMIT);
        break;
    case STEP_COMMIT:
        fy_be64_put(enc->small, msg->commit);
        set_run(enc, enc->small, FY_BE64_SIZE, STEP_NONE);
        break;
    case STEP_NONE:
        assert(!"a frame has as many bytes as its runs");
        break;
    }
}

size_t fy_encoder_left(const struct fy_encoder *enc)
{
    return enc->left;
}

/* len bytes of the current run are taken. */
static void advance(struct fy_encoder *enc, size_t len)
{
    enc->run += len;
    enc->run_len -= len;
    enc->left -= len;
}

void fy_encoder_gather(struct fy_encoder *enc, struct fy_gather *g)
{
    while (enc->left > 0) {
        size_t len = enc->run_len;

        if (len > 0) {
            size_t n = fy_gather_add(g, enc->run, len);

            advance(enc, n);
            if (n < len)
                return;
        }
        if (enc->left > 0)
            next_run(enc);
    }
    enc->msg = NULL; /* not used any more */
}

void fy_encoder_skip(struct fy_encoder *enc, size_t n)
{
    assert(n <= enc->left);
    if (n == enc->left) {
        enc->run_len = enc->left = 0;
        enc->msg = NULL;
        return;
    }
    while (n >= enc->run_len) { /* never the last run: some of the frame is left */
        n -= enc->run_len;
        advance(enc, enc->run_len);
        next_run(enc);
    }
    advance(enc, n);
}

void fy_encoder_copy(struct fy_encoder *copy, const struct fy_encoder *enc)
{
    uintptr_t run = (uintptr_t)enc->run, small = (uintptr_t)enc->small;

    *copy = *enc;
    if (run >= small && run <= small + sizeof(enc->small)) /* points to its own copy */
        copy->run = copy->small + (run - small);
}

size_t fy_encoder_read(struct fy_encoder *enc, uint8_t *buf, size_t cap)
{
    struct fy_gather g = fy_gather_copy(buf, cap);

    fy_encoder_gather(enc, &g);
    return g.len;
}
