/*
 * decoder - reads messages from a connection's bytes.
 *
 * A frame is read in steps.  Each step needs a number of bytes, reads what they say, and tells how many the next step
 * needs, until the frame is complete.  The steps run directly on the input.  Only if the input ends inside a frame are
 * its bytes gathered, and the steps continue there without starting over.
 *
 * A long frame is always gathered, because its message then keeps the same memory: copying its bytes there costs no
 * more than copying them into the message's own block, and bytes read into fy_decoder_room are not copied at all.
 *
 * Limits: a length is compared with max_bytes as soon as it is read, before any byte that it announces has arrived.
 * For a compact frame, the whole frame is limited too, and its number of entries by the memory that they will take.
 * Gathering allocates at most twice what has arrived, or MIN_ROOM more than that, unless a block of an earlier frame
 * can be reused.
 */
#include "wire/decoder.h"

#include <assert.h>
#include <string.h>

#include "wire/be64.h"
#include "wire/frame.h"
#include "wire/message.h"

/* A buffer up to this size is kept between frames. */
#define KEEP_BYTES 4096
/* A frame of this length or more is a long one. */
#define LONG_BYTES ((size_t)16 << 10)
/* The least room that is worth reading into directly. */
#define MIN_ROOM ((size_t)16 << 10)

/* What the last of the needed bytes hold. */
enum step {
    STEP_TYPE,         /* type of a msgappv2 frame */
    STEP_LENGTH,       /* length of a protobuf message */
    STEP_COUNT,        /* number of entries */
    STEP_ENTRY_LENGTH, /* length of the next entry */
    STEP_WHOLE         /* end of the frame */
};

/* Length of what precedes the protobuf message of a full frame. */
static size_t prefix_len(const struct fy_decoder *dec)
{
    return dec->codec == FY_CODEC_MSGAPPV2 ? 1 + FY_BE64_SIZE : FY_BE64_SIZE;
}

static void begin_frame(struct fy_decoder *dec)
{
    dec->step = dec->codec == FY_CODEC_MSGAPPV2 ? STEP_TYPE : STEP_LENGTH;
    dec->need = dec->codec == FY_CODEC_MSGAPPV2 ? 1 : FY_BE64_SIZE;
}

void fy_decoder_init(struct fy_decoder *dec, enum fy_codec codec, uint64_t local_id, uint64_t remote_id,
                     size_t max_bytes)
{
    assert(codec != FY_CODEC_BARE);
    *dec = (struct fy_decoder){
        .codec = codec,
        .local_id = local_id,
        .remote_id = remote_id,
        .max_bytes = max_bytes < SIZE_MAX / 2 ? max_bytes : SIZE_MAX / 2, /* so that adding a prefix cannot overflow */
    };
    begin_frame(dec);
}

void fy_decoder_release(struct fy_decoder *dec)
{
    fy_frame_put(dec->gathered);
    dec->gathered = NULL;
    dec->n_gathered = 0;
    fy_frames_close(dec->frames);
    dec->frames = NULL;
}

/* ---- The steps of a frame ---- */

static int step_type(struct fy_decoder *dec, uint8_t type)
{
    switch (type) {
    case FY_FRAME_HEARTBEAT:
        dec->step = STEP_WHOLE;
        return FERRY_OK;
    case FY_FRAME_ENTRIES:
        dec->step = STEP_COUNT;
        dec->need += FY_BE64_SIZE;
        return FERRY_OK;
    case FY_FRAME_MESSAGE:
        dec->step = STEP_LENGTH;
        dec->need += FY_BE64_SIZE;
        return FERRY_OK;
    default:
        return FERRY_ERR_FRAME_TYPE;
    }
}

static int step_length(struct fy_decoder *dec, uint64_t length)
{
    if (length > dec->max_bytes)
        return FERRY_ERR_TOO_LARGE;
    dec->need += (size_t)length;
    dec->step = STEP_WHOLE;
    return FERRY_OK;
}

/* After a count or an entry: at least a length for each remaining entry and the commit index must follow. */
static int step_entries(struct fy_decoder *dec)
{
    if (dec->need > dec->max_bytes || dec->entries_left > (dec->max_bytes - dec->need) / FY_BE64_SIZE)
        return FERRY_ERR_TOO_LARGE;
    dec->step = dec->entries_left > 0 ? STEP_ENTRY_LENGTH : STEP_WHOLE;
    dec->need += FY_BE64_SIZE;
    return FERRY_OK;
}

static int step_count(struct fy_decoder *dec, uint64_t count)
{
    if (count > dec->max_bytes / sizeof(struct ferry_entry))
        return FERRY_ERR_TOO_LARGE;
    dec->n_entries = dec->entries_left = count;
    return step_entries(dec);
}

static int step_entry_length(struct fy_decoder *dec, uint64_t length)
{
    if (length > dec->max_bytes)
        return FERRY_ERR_TOO_LARGE;
    dec->need += (size_t)length;
    dec->entries_left--;
    return step_entries(dec);
}

/*
 * Advance as far as the first len bytes of the frame allow.  *ret_whole: the frame is complete, dec->need bytes long.
 */
static int advance(struct fy_decoder *dec, const uint8_t *frame, size_t len, bool *ret_whole)
{
    int err = FERRY_OK;

    while (err == FERRY_OK && dec->need <= len && dec->step != STEP_WHOLE) {
        const uint8_t *end = frame + dec->need;

        switch ((enum step)dec->step) {
        case STEP_TYPE:
            err = step_type(dec, frame[0]);
            break;
        case STEP_LENGTH:
            err = step_length(dec, fy_be64_get(end - FY_BE64_SIZE));
            break;
        case STEP_COUNT:
            err = step_count(dec, fy_be64_get(end - FY_BE64_SIZE));
            break;
        case STEP_ENTRY_LENGTH:
            err = step_entry_length(dec, fy_be64_get(end - FY_BE64_SIZE));
            break;
        case STEP_WHOLE:
            break;
        }
    }
    *ret_whole = err == FERRY_OK && dec->step == STEP_WHOLE && dec->need <= len;
    return err;
}

/* ---- A complete frame ---- */

static int decode_message_frame(struct fy_decoder *dec, const uint8_t *frame, struct fy_frame **home,
                                const struct ferry_message **ret_msg)
{
    const struct ferry_message *msg;
    size_t prefix = prefix_len(dec);
    int err = fy_message_decode_unless_heartbeat(frame + prefix, dec->need - prefix, dec->max_bytes, home, &msg);

    if (err != FERRY_OK)
        return err;
    if (!msg)
        return FY_DECODED_HEARTBEAT;
    *ret_msg = msg;
    return FY_DECODED_MESSAGE;
}

/* A full frame: the stream's state follows the message, of any type. */
static int decode_full_frame(struct fy_decoder *dec, const uint8_t *frame, struct fy_frame **home,
                             const struct ferry_message **ret_msg)
{
    const struct ferry_message *msg;
    size_t prefix = prefix_len(dec);
    int err = fy_message_decode_in(frame + prefix, dec->need - prefix, dec->max_bytes, home, &msg);

    if (err != FERRY_OK)
        return err;
    dec->term = msg->term;
    dec->index = msg->n_entries > 0 ? msg->entries[msg->n_entries - 1].index : msg->index;
    if (fy_message_is_link_heartbeat(msg)) {
        ferry_message_unref(msg);
        return FY_DECODED_HEARTBEAT;
    }
    *ret_msg = msg;
    return FY_DECODED_MESSAGE;
}

/* A compact frame: what it omits comes from the stream's state and the ids of the two members. */
static int decode_entries_frame(struct fy_decoder *dec, const uint8_t *frame, struct fy_frame **home,
                                const struct ferry_message **ret_msg)
{
    const size_t prefix = 1 + FY_BE64_SIZE;
    const struct ferry_message head = {
        .type = FERRY_MSG_APP,
        .to = dec->local_id,
        .from = dec->remote_id,
        .term = dec->term,
        .log_term = dec->term,
        .index = dec->index,
        .commit = fy_be64_get(frame + dec->need - FY_BE64_SIZE),
    };
    int err = fy_message_decode_entries(&head, frame + prefix, dec->need - prefix - FY_BE64_SIZE,
                                        (size_t)dec->n_entries, dec->max_bytes, home, ret_msg);

    if (err != FERRY_OK)
        return err;
    dec->index += dec->n_entries;
    return FY_DECODED_MESSAGE;
}

/*
 * Decode the dec->need bytes of a frame.  *home: the memory that they lie in, which the message may take over; NULL:
 * none.
 */
static int decode_frame(struct fy_decoder *dec, const uint8_t *frame, struct fy_frame **home,
                        const struct ferry_message **ret_msg)
{
    if (dec->codec == FY_CODEC_MESSAGE)
        return decode_message_frame(dec, frame, home, ret_msg);
    switch (frame[0]) {
    case FY_FRAME_ENTRIES:
        return decode_entries_frame(dec, frame, home, ret_msg);
    case FY_FRAME_MESSAGE:
        return decode_full_frame(dec, frame, home, ret_msg);
    default:
        return FY_DECODED_HEARTBEAT;
    }
}

/* ---- Gathering ---- */

/* Continue in the memory of an earlier frame, if one is large enough for all that must follow. */
static bool take_kept(struct fy_decoder *dec)
{
    struct fy_frame *kept = dec->need >= LONG_BYTES ? fy_frames_take(dec->frames, dec->need) : NULL;

    if (!kept)
        return false;
    if (dec->n_gathered > 0)
        memcpy(kept->bytes, dec->gathered->bytes, dec->n_gathered);
    fy_frame_put(dec->gathered);
    dec->gathered = kept;
    return true;
}

static int reserve(struct fy_decoder *dec, size_t size)
{
    size_t cap = dec->gathered ? dec->gathered->cap : 0;
    struct fy_frame *grown;

    if (size <= cap)
        return FERRY_OK;
    if (!dec->frames)
        dec->frames = fy_frames_new();
    if (!dec->frames)
        return FERRY_ERR_NOMEM;
    if (take_kept(dec))
        return FERRY_OK;
    cap = cap * 2;
    if (dec->step == STEP_WHOLE && cap > dec->need)
        cap = dec->need; /* nothing beyond the frame is needed */
    if (cap < size)
        cap = size;
    grown = fy_frames_grow(dec->frames, dec->gathered, cap);
    if (!grown)
        return FERRY_ERR_NOMEM;
    dec->gathered = grown;
    return FERRY_OK;
}

static int gather(struct fy_decoder *dec, const uint8_t *data, size_t len)
{
    int err;

    if (dec->gathered && data == dec->gathered->bytes + dec->n_gathered) {
        assert(dec->n_gathered + len <= dec->gathered->cap);
        dec->n_gathered += len;
        return FERRY_OK;
    }
    err = reserve(dec, dec->n_gathered + len);
    if (err == FERRY_OK) {
        memcpy(dec->gathered->bytes + dec->n_gathered, data, len);
        dec->n_gathered += len;
    }
    return err;
}

uint8_t *fy_decoder_room(struct fy_decoder *dec, size_t *ret_cap)
{
    size_t missing = dec->need - dec->n_gathered;
    size_t room;

    if (dec->n_gathered == 0 || missing < MIN_ROOM || reserve(dec, dec->n_gathered + MIN_ROOM) != FERRY_OK)
        return NULL; /* also if out of memory: feeding the bytes will return the error */
    room = dec->gathered->cap - dec->n_gathered;
    *ret_cap = room < missing ? room : missing;
    return dec->gathered->bytes + dec->n_gathered;
}

void fy_decoder_trim(struct fy_decoder *dec)
{
    if (dec->frames)
        fy_frames_trim(dec->frames);
}

/* The frame is done: start the next. */
static void forget(struct fy_decoder *dec)
{
    if (dec->gathered && dec->gathered->cap > KEEP_BYTES) {
        fy_frame_put(dec->gathered);
        dec->gathered = NULL;
    }
    dec->n_gathered = 0;
    begin_frame(dec);
}

/* Nothing is gathered yet, and the frame begins at data. */
static int feed_in_place(struct fy_decoder *dec, const uint8_t *data, size_t len, size_t *ret_used,
                         const struct ferry_message **ret_msg)
{
    bool whole;
    int err = advance(dec, data, len, &whole);

    if (err != FERRY_OK)
        return err;
    if (whole && dec->need < LONG_BYTES) {
        *ret_used = dec->need;
        return decode_frame(dec, data, NULL, ret_msg);
    }
    *ret_used = whole ? dec->need : len;
    err = gather(dec, data, *ret_used);
    if (err == FERRY_OK && whole)
        return decode_frame(dec, dec->gathered->bytes, &dec->gathered, ret_msg);
    return err == FERRY_OK ? FY_DECODED_NOTHING : err;
}

static int feed_gathered(struct fy_decoder *dec, const uint8_t *data, size_t len, size_t *ret_used,
                         const struct ferry_message **ret_msg)
{
    bool whole = false;
    size_t used = 0;
    int err = FERRY_OK;

    while (err == FERRY_OK && used < len && !whole) {
        size_t missing = dec->need - dec->n_gathered; /* bytes after the frame belong to the next */
        size_t n = len - used < missing ? len - used : missing;

        err = gather(dec, data + used, n);
        used += n;
        if (err == FERRY_OK)
            err = advance(dec, dec->gathered->bytes, dec->n_gathered, &whole);
    }
    *ret_used = used;
    if (err != FERRY_OK)
        return err;
    if (!whole)
        return FY_DECODED_NOTHING;
    return decode_frame(dec, dec->gathered->bytes, dec->need < LONG_BYTES ? NULL : &dec->gathered, ret_msg);
}

int fy_decoder_feed(struct fy_decoder *dec, const uint8_t *data, size_t len, size_t *ret_used,
                    const struct ferry_message **ret_msg, size_t *ret_frame_len)
{
    int ret;

    *ret_used = 0;
    if (len == 0)
        return FY_DECODED_NOTHING;
    ret = dec->n_gathered == 0 ? feed_in_place(dec, data, len, ret_used, ret_msg)
                               : feed_gathered(dec, data, len, ret_used, ret_msg);
    if (ret == FY_DECODED_MESSAGE || ret == FY_DECODED_HEARTBEAT) {
        *ret_frame_len = dec->need;
        forget(dec);
    }
    return ret;
}

int fy_decoder_end(const struct fy_decoder *dec)
{
    return dec->n_gathered == 0 ? FERRY_OK : FERRY_ERR_TRUNCATED;
}
