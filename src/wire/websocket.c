/*
 * websocket - frames in, pieces of messages out; and the heads of our own frames.
 *
 * A head is gathered in the reader, fourteen bytes at most, whatever the cuts of the input; its first two bytes are
 * judged as soon as they are there.  Payload is never gathered: each stretch of it in the input is one piece.  Control
 * frames may come between the frames of a message; they are copied, since they are short and must be whole.
 */
#include "wire/websocket.h"

#include <string.h>

#include "ferry/ferry.h"

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define LENGTH_16 126
#define LENGTH_64 127
#define MAX_REASON ((size_t)FY_WS_MAX_CONTROL - 2)

/* ---- The head of a frame ---- */

void fy_ws_reader_init(struct fy_ws_reader *reader, bool masked, size_t max_message)
{
    *reader = (struct fy_ws_reader){.masked = masked, .max_message = max_message};
}

static bool is_control(unsigned opcode)
{
    return opcode >= FY_WS_CLOSE;
}

static unsigned frame_opcode(const struct fy_ws_reader *reader)
{
    return reader->head[0] & OPCODE;
}

static unsigned length_bytes(const struct fy_ws_reader *reader)
{
    unsigned length = reader->head[1] & LENGTH;

    return length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
}

/* How many bytes the head has, as far as the bytes that have come tell. */
static unsigned head_len(const struct fy_ws_reader *reader)
{
    if (reader->n_head < 2)
        return 2;
    return 2 + length_bytes(reader) + (reader->head[1] & MASKED ? 4 : 0);
}

/* May a frame begin with these two bytes here? */
static bool is_allowed(const struct fy_ws_reader *reader)
{
    const unsigned opcode = frame_opcode(reader);

    if ((reader->head[0] & RESERVED) || !(reader->head[1] & MASKED) == reader->masked)
        return false;
    if (is_control(opcode))
        return opcode <= FY_WS_PONG && (reader->head[0] & FIN) && (reader->head[1] & LENGTH) <= FY_WS_MAX_CONTROL;
    if (opcode == FY_WS_CONTINUATION)
        return reader->in_message;
    return opcode <= FY_WS_BINARY && !reader->in_message;
}

static uint64_t read_length(const struct fy_ws_reader *reader)
{
    const unsigned n = length_bytes(reader);
    uint64_t length = 0;

    if (n == 0)
        return reader->head[1] & LENGTH;
    for (unsigned i = 0; i < n; i++)
        length = length << 8 | reader->head[2 + i];
    return length;
}

static int begin_payload(struct fy_ws_reader *reader)
{
    const unsigned opcode = frame_opcode(reader);

    reader->frame_len = read_length(reader);
    reader->n_taken = 0;
    reader->in_payload = true;
    if (reader->frame_len >> 63)
        return FERRY_ERR_PROTOCOL;
    if (is_control(opcode))
        return FERRY_OK;
    if (opcode != FY_WS_CONTINUATION) {
        reader->opcode = opcode;
        reader->message_len = 0;
        reader->in_message = true;
        reader->is_piece_first = true;
    }
    if (reader->frame_len > reader->max_message - reader->message_len)
        return FERRY_ERR_TOO_LARGE;
    reader->message_len += (size_t)reader->frame_len;
    return FERRY_OK;
}

/* Take what is there of the head.  FERRY_OK, whether it is complete now or not. */
static int take_head(struct fy_ws_reader *reader, const uint8_t *data, size_t len, size_t *ret_used)
{
    size_t used = 0;

    while (used < len && reader->n_head < head_len(reader)) {
        reader->head[reader->n_head++] = data[used++];
        if (reader->n_head == 2 && !is_allowed(reader))
            return FERRY_ERR_PROTOCOL;
    }
    *ret_used = used;
    return reader->n_head >= 2 && reader->n_head == head_len(reader) ? begin_payload(reader) : FERRY_OK;
}

/* ---- Its payload ---- */

static void end_frame(struct fy_ws_reader *reader)
{
    reader->in_payload = false;
    reader->n_head = 0;
}

static void unmask(const struct fy_ws_reader *reader, uint8_t *dst, const uint8_t *src, size_t len)
{
    if (reader->masked)
        fy_ws_mask(dst, src, len, reader->head + 2 + length_bytes(reader), reader->n_taken);
    else if (dst != src)
        memcpy(dst, src, len);
}

static size_t stretch(const struct fy_ws_reader *reader, size_t len)
{
    const uint64_t left = reader->frame_len - reader->n_taken;

    return len < left ? len : (size_t)left;
}

static int take_control(struct fy_ws_reader *reader, const uint8_t *data, size_t len, size_t *ret_used,
                        struct fy_ws_piece *ret_piece)
{
    const size_t n = stretch(reader, len);

    if (n > 0)
        unmask(reader, reader->control + reader->n_taken, data, n);
    reader->n_taken += n;
    *ret_used = n;
    if (reader->n_taken < reader->frame_len)
        return FY_WS_NOTHING;
    *ret_piece = (struct fy_ws_piece){.opcode = frame_opcode(reader),
                                      .data = reader->control,
                                      .len = (size_t)reader->frame_len,
                                      .is_first = true,
                                      .is_last = true};
    end_frame(reader);
    return FY_WS_CONTROL;
}

static int take_data(struct fy_ws_reader *reader, uint8_t *data, size_t len, size_t *ret_used,
                     struct fy_ws_piece *ret_piece)
{
    const size_t n = stretch(reader, len);
    const bool is_frame_over = reader->n_taken + n == reader->frame_len;
    const bool is_last = is_frame_over && (reader->head[0] & FIN);

    if (n > 0)
        unmask(reader, data, data, n);
    reader->n_taken += n;
    *ret_used = n;
    if (is_frame_over)
        end_frame(reader);
    if (n == 0 && !is_last)
        return FY_WS_NOTHING;
    *ret_piece = (struct fy_ws_piece){
        .opcode = reader->opcode, .data = data, .len = n, .is_first = reader->is_piece_first, .is_last = is_last};
    reader->is_piece_first = false;
    if (is_last)
        reader->in_message = false;
    return FY_WS_DATA;
}

int fy_ws_reader_feed(struct fy_ws_reader *reader, uint8_t *data, size_t len, size_t *ret_used,
                      struct fy_ws_piece *ret_piece)
{
    size_t used = 0;
    int got = FY_WS_NOTHING;

    while (got == FY_WS_NOTHING) {
        size_t n = 0;

        if (!reader->in_payload) {
            int err = used < len ? take_head(reader, data + used, len - used, &n) : FERRY_OK;

            if (err != FERRY_OK)
                return err;
        }
        used += n;
        if (!reader->in_payload || (used == len && reader->n_taken < reader->frame_len))
            break; /* the rest of the head, or of the payload, is still to come */
        got = is_control(frame_opcode(reader)) ? take_control(reader, data + used, len - used, &n, ret_piece)
                                               : take_data(reader, data + used, len - used, &n, ret_piece);
        used += n;
    }
    *ret_used = used;
    return got;
}

uint64_t fy_ws_reader_left(const struct fy_ws_reader *reader)
{
    return reader->in_payload && !is_control(frame_opcode(reader)) ? reader->frame_len - reader->n_taken : 0;
}

int fy_ws_reader_end(const struct fy_ws_reader *reader)
{
    return reader->in_message || reader->n_head > 0 ? FERRY_ERR_TRUNCATED : FERRY_OK;
}

/* ---- Writing ---- */

size_t fy_ws_head_write(uint8_t head[FY_WS_MAX_HEAD], enum fy_ws_opcode opcode, bool is_last, const uint8_t *mask,
                        uint64_t len)
{
    const unsigned n_length = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;
    const unsigned length = n_length == 0 ? (unsigned)len : n_length == 2 ? LENGTH_16 : LENGTH_64;

    head[0] = (uint8_t)((is_last ? FIN : 0) | opcode);
    head[1] = (uint8_t)((mask ? MASKED : 0) | length);
    for (unsigned i = 0; i < n_length; i++)
        head[2 + i] = (uint8_t)(len >> 8 * (n_length - 1 - i));
    if (mask)
        memcpy(head + 2 + n_length, mask, 4);
    return 2 + n_length + (mask ? 4 : 0);
}

/* Four words a step, which the compiler turns into vectors where there are any. */
void fy_ws_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t mask[4], uint64_t offset)
{
    uint8_t turned[8];
    uint64_t word, words[4];
    size_t i = 0;

    for (unsigned k = 0; k < sizeof(turned); k++)
        turned[k] = mask[(offset + k) % 4];
    memcpy(&word, turned, sizeof(word));
    for (; len - i >= sizeof(words); i += sizeof(words)) {
        memcpy(words, src + i, sizeof(words));
        for (unsigned k = 0; k < 4; k++)
            words[k] ^= word;
        memcpy(dst + i, words, sizeof(words));
    }
    for (; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(words, src + i, sizeof(word));
        words[0] ^= word;
        memcpy(dst + i, words, sizeof(word));
    }
    for (; i < len; i++)
        dst[i] = src[i] ^ turned[i % 4];
}

/* ---- Closing ---- */

enum fy_ws_close fy_ws_close_code(int err)
{
    switch (err) {
    case FERRY_OK:
        return FY_WS_CLOSE_NORMAL;
    case FERRY_ERR_CLOSED:
        return FY_WS_CLOSE_GOING_AWAY;
    case FERRY_ERR_TOO_LARGE:
        return FY_WS_CLOSE_TOO_BIG;
    case FERRY_ERR_PROTOCOL:
    case FERRY_ERR_MALFORMED:
    case FERRY_ERR_TRUNCATED:
        return FY_WS_CLOSE_PROTOCOL_ERROR;
    default:
        return FY_WS_CLOSE_INTERNAL_ERROR;
    }
}

size_t fy_ws_close_write(uint8_t payload[FY_WS_MAX_CONTROL], unsigned code, const char *reason)
{
    size_t len = strlen(reason);

    if (len > MAX_REASON) {
        len = MAX_REASON;
        while (len > 0 && ((uint8_t)reason[len] & 0xc0) == 0x80)
            len--; /* not into the middle of a character */
    }
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    memcpy(payload + 2, reason, len);
    return 2 + len;
}

int fy_ws_close_read(const uint8_t *payload, size_t len, unsigned *ret_code)
{
    unsigned code;

    if (len == 0) {
        *ret_code = FY_WS_CLOSE_NO_CODE;
        return FERRY_OK;
    }
    if (len == 1)
        return FERRY_ERR_PROTOCOL;
    code = (unsigned)payload[0] << 8 | payload[1];
    if (code < 1000 || (code > 1003 && code < 1007) || (code > 1014 && code < 3000) || code > 4999)
        return FERRY_ERR_PROTOCOL;
    *ret_code = code;
    return FERRY_OK;
}
