/*
 * mail_frame - message and answer frames: written into the caller's memory, read where they lie.
 *
 * A reader trusts nothing before the header's checksum, and no length before it was compared with what is there.
 */
#include "wire/mail_frame.h"

#include <assert.h>
#include <string.h>
#include <zlib.h>

#include "wire/be64.h"

#define VERSION 1
#define KIND_MESSAGE 1
#define KIND_ANSWER 2
#define N_PACKINGS 3

enum { AT_ATTEMPT = 14, AT_REMAINING = 48 };

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint32_t checksum(const uint8_t *data, size_t len)
{
    return (uint32_t)crc32_z(0, data, len);
}

bool fy_mail_status_is_final(enum fy_mail_answer_status status)
{
    return status != FY_MAIL_IN_PROGRESS && status != FY_MAIL_BUSY && status != FY_MAIL_NOT_LEADER;
}

/* ---- Messages ---- */

static bool is_name(struct ferry_bytes name)
{
    return name.len > 0 && name.len <= FY_MAIL_MAX_NAME;
}

static size_t names_len(const struct fy_mail_head *head)
{
    return head->sender.len + head->receiver.len + head->subject.len + head->method.len + head->reply_method.len;
}

int fy_mail_frame_size(const struct fy_mail_head *head, size_t *ret_size)
{
    if (!is_name(head->sender) || !is_name(head->receiver) || !is_name(head->subject) || !is_name(head->method) ||
        head->reply_method.len > FY_MAIL_MAX_NAME)
        return FERRY_ERR_INVALID;
    if (head->payload.len > UINT32_MAX)
        return FERRY_ERR_TOO_LARGE;
    *ret_size = FY_MAIL_HEADER_SIZE + names_len(head) + head->payload.len;
    return FERRY_OK;
}

static uint8_t *put_bytes(uint8_t *at, struct ferry_bytes bytes)
{
    if (bytes.len > 0)
        memmove(at, bytes.data, bytes.len);
    return at + bytes.len;
}

void fy_mail_frame_stamp(uint8_t *frame, unsigned attempt, uint32_t remaining_ms)
{
    put16(frame + AT_ATTEMPT, attempt < UINT16_MAX ? attempt : UINT16_MAX);
    put32(frame + AT_REMAINING, remaining_ms);
    put32(frame + FY_MAIL_HEADER_SIZE - 4, checksum(frame, FY_MAIL_HEADER_SIZE - 4));
}

void fy_mail_frame_write(const struct fy_mail_head *head, uint8_t *frame)
{
    const size_t body_len = names_len(head) + head->payload.len;
    uint8_t *at = frame + FY_MAIL_HEADER_SIZE + names_len(head);

    (void)put_bytes(at, head->payload); /* first: it may overlap with where the names go */
    at = put_bytes(frame + FY_MAIL_HEADER_SIZE, head->sender);
    at = put_bytes(at, head->receiver);
    at = put_bytes(at, head->subject);
    at = put_bytes(at, head->method);
    (void)put_bytes(at, head->reply_method);

    memcpy(frame, (const uint8_t[]){'F', 'M', VERSION, KIND_MESSAGE}, 4);
    frame[4] = (uint8_t)head->flags;
    frame[5] = (uint8_t)head->packing;
    put16(frame + 6, FY_MAIL_HEADER_SIZE);
    frame[8] = (uint8_t)head->sender.len;
    frame[9] = (uint8_t)head->receiver.len;
    frame[10] = (uint8_t)head->subject.len;
    frame[11] = (uint8_t)head->method.len;
    frame[12] = (uint8_t)head->reply_method.len;
    frame[13] = (uint8_t)head->hops;
    fy_be64_put(frame + 16, head->sequence);
    fy_be64_put(frame + 24, head->incarnation);
    fy_be64_put(frame + 32, head->cluster);
    fy_be64_put(frame + 40, head->in_reply_to);
    put32(frame + 52, (uint32_t)head->payload.len);
    put32(frame + 56, head->plain_len);
    put32(frame + 60, checksum(frame + FY_MAIL_HEADER_SIZE, body_len));
    fy_mail_frame_stamp(frame, head->attempt, head->remaining_ms);
}

/* The header of either kind: there, of this kind and version, and whole.  *ret_len: how long it is. */
static int check_header(struct ferry_bytes bytes, uint8_t kind, size_t min_len, size_t *ret_len)
{
    size_t len;

    if (bytes.len < min_len)
        return FERRY_ERR_TRUNCATED;
    if (memcmp(bytes.data, "FM", 2) != 0)
        return FERRY_ERR_MALFORMED;
    if (bytes.data[2] != VERSION)
        return FERRY_ERR_INCOMPATIBLE_VERSION;
    len = get16(bytes.data + 6);
    if (bytes.data[3] != kind || len < min_len || len > FY_MAIL_MAX_HEADER)
        return FERRY_ERR_MALFORMED;
    if (bytes.len < len)
        return FERRY_ERR_TRUNCATED;
    if (get32(bytes.data + len - 4) != checksum(bytes.data, len - 4))
        return FERRY_ERR_MALFORMED;
    *ret_len = len;
    return FERRY_OK;
}

static struct ferry_bytes take(const uint8_t **at, size_t len)
{
    struct ferry_bytes bytes = {*at, len};

    *at += len;
    return bytes;
}

static void read_numbers(const uint8_t *frame, struct fy_mail_head *head)
{
    head->flags = frame[4];
    head->packing = frame[5];
    head->hops = frame[13];
    head->attempt = get16(frame + AT_ATTEMPT);
    head->sequence = fy_be64_get(frame + 16);
    head->incarnation = fy_be64_get(frame + 24);
    head->cluster = fy_be64_get(frame + 32);
    head->in_reply_to = fy_be64_get(frame + 40);
    head->remaining_ms = get32(frame + AT_REMAINING);
    head->plain_len = get32(frame + 56);
}

static void read_body(const uint8_t *frame, const uint8_t *body, struct fy_mail_head *head)
{
    head->sender = take(&body, frame[8]);
    head->receiver = take(&body, frame[9]);
    head->subject = take(&body, frame[10]);
    head->method = take(&body, frame[11]);
    head->reply_method = take(&body, frame[12]);
    head->payload = take(&body, get32(frame + 52));
}

int fy_mail_frame_read(struct ferry_bytes bytes, struct fy_mail_head *ret_head)
{
    const uint8_t *frame = bytes.data;
    size_t header_len, body_len;
    int err = check_header(bytes, KIND_MESSAGE, FY_MAIL_HEADER_SIZE, &header_len);

    *ret_head = (struct fy_mail_head){.flags = 0};
    if (err)
        return err;
    read_numbers(frame, ret_head);
    body_len = (size_t)frame[8] + frame[9] + frame[10] + frame[11] + frame[12] + get32(frame + 52);
    if (bytes.len - header_len != body_len)
        return bytes.len - header_len < body_len ? FERRY_ERR_TRUNCATED : FERRY_ERR_MALFORMED;
    if (get32(frame + 60) != checksum(frame + header_len, body_len))
        return FERRY_ERR_MALFORMED;
    if ((ret_head->flags & ~(unsigned)FY_MAIL_FLAGS) != 0 || ret_head->packing >= N_PACKINGS)
        return FERRY_ERR_INCOMPATIBLE_VERSION;
    if (frame[8] == 0 || frame[9] == 0 || frame[10] == 0 || frame[11] == 0)
        return FERRY_ERR_MALFORMED;
    read_body(frame, frame + header_len, ret_head);
    return FERRY_OK;
}

/* ---- Answers ---- */

size_t fy_mail_answer_size(const struct fy_mail_answer *answer)
{
    assert(answer->body.len <= FY_MAIL_MAX_ANSWER_BODY);
    return FY_MAIL_ANSWER_HEADER_SIZE + answer->body.len;
}

void fy_mail_answer_write(const struct fy_mail_answer *answer, uint8_t *frame)
{
    (void)put_bytes(frame + FY_MAIL_ANSWER_HEADER_SIZE, answer->body);
    memcpy(frame, (const uint8_t[]){'F', 'M', VERSION, KIND_ANSWER}, 4);
    frame[4] = (uint8_t)answer->status;
    frame[5] = (uint8_t)answer->flags;
    put16(frame + 6, FY_MAIL_ANSWER_HEADER_SIZE);
    fy_be64_put(frame + 8, answer->sequence);
    fy_be64_put(frame + 16, answer->incarnation);
    put16(frame + 24, answer->attempt);
    put16(frame + 26, (unsigned)answer->body.len);
    put32(frame + 28, answer->retry_after_ms);
    put32(frame + 32, (uint32_t)answer->code);
    put32(frame + 36, checksum(frame + FY_MAIL_ANSWER_HEADER_SIZE, answer->body.len));
    put32(frame + 40, checksum(frame, FY_MAIL_ANSWER_HEADER_SIZE - 4));
}

int fy_mail_answer_read(struct ferry_bytes bytes, struct fy_mail_answer *ret_answer)
{
    const uint8_t *frame = bytes.data;
    size_t header_len, body_len;
    int err = check_header(bytes, KIND_ANSWER, FY_MAIL_ANSWER_HEADER_SIZE, &header_len);

    if (err)
        return err;
    body_len = get16(frame + 26);
    if (bytes.len - header_len != body_len)
        return bytes.len - header_len < body_len ? FERRY_ERR_TRUNCATED : FERRY_ERR_MALFORMED;
    if (body_len > FY_MAIL_MAX_ANSWER_BODY || get32(frame + 36) != checksum(frame + header_len, body_len))
        return FERRY_ERR_MALFORMED;
    if (frame[4] == 0 || frame[4] > FY_MAIL_LAST_STATUS)
        return FERRY_ERR_INCOMPATIBLE_VERSION;
    *ret_answer = (struct fy_mail_answer){
        .status = frame[4],
        .flags = frame[5],
        .sequence = fy_be64_get(frame + 8),
        .incarnation = fy_be64_get(frame + 16),
        .attempt = get16(frame + 24),
        .retry_after_ms = get32(frame + 28),
        .code = (int32_t)get32(frame + 32),
        .body = {frame + header_len, body_len},
    };
    return FERRY_OK;
}
