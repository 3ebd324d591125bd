/*
 * protobuf.h - protobuf's wire format: a message is a sequence of fields, each a tag and a value.
 *
 * The reader handles untrusted bytes: it never reads past the end and accepts only well-formed input.  The writer's
 * code runs twice, once to count and once to write, so the two cannot disagree.
 */
#ifndef FY_WIRE_PROTOBUF_H
#define FY_WIRE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry/ferry.h"

enum fy_pb_wire_type { FY_PB_VARINT = 0, FY_PB_FIXED64 = 1, FY_PB_BYTES = 2, FY_PB_FIXED32 = 5 };

/* The kind of a field's value. */
#define FY_PB_TAG(number, wire_type) ((uint32_t)(number) << 3 | (uint32_t)(wire_type))
#define FY_PB_NUMBER(tag) ((tag) >> 3)

/* ---- Reading ---- */

struct fy_pb_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct fy_pb_field {
    uint32_t tag;
    uint64_t value;           /* FY_PB_VARINT */
    struct ferry_bytes bytes; /* FY_PB_BYTES: points into the input; data is not NULL */
};

/* data may be NULL if len is 0 */
static inline struct fy_pb_reader fy_pb_reader(struct ferry_bytes bytes)
{
    return (struct fy_pb_reader){bytes.data, bytes.len > 0 ? bytes.data + bytes.len : bytes.data};
}

/* At most ten bytes and 64 bits; need not be the shortest form. */
static inline bool fy_pb_read_varint(struct fy_pb_reader *in, uint64_t *ret_value)
{
    const uint8_t *at = in->at;
    uint64_t value = 0;

    if (at < in->end && *at < 0x80) { /* most tags, lengths and values are one byte */
        *ret_value = *at;
        in->at = at + 1;
        return true;
    }
    for (unsigned shift = 0; at < in->end; shift += 7) {
        uint8_t byte = *at++;

        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            in->at = at;
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static inline bool fy_pb_skip(struct fy_pb_reader *in, uint64_t len)
{
    if (len > (size_t)(in->end - in->at))
        return false;
    in->at += len;
    return true;
}

/*
 * Read the next field. false: at the end, where in->at == in->end; or malformed, where it is not: tag 0, a field number
 * above 29 bits, groups, invalid wire types, and anything that reaches past the end.
 */
static inline bool fy_pb_next(struct fy_pb_reader *in, struct fy_pb_field *ret_field)
{
    struct fy_pb_reader at = *in;
    uint64_t tag;
    uint64_t len;
    bool good = false;

    if (!fy_pb_read_varint(&at, &tag) || tag > UINT32_MAX || FY_PB_NUMBER(tag) == 0)
        return false;
    *ret_field = (struct fy_pb_field){.tag = (uint32_t)tag};
    switch (tag & 7) {
    case FY_PB_VARINT:
        good = fy_pb_read_varint(&at, &ret_field->value);
        break;
    case FY_PB_BYTES:
        if (fy_pb_read_varint(&at, &len)) {
            ret_field->bytes.data = at.at;
            ret_field->bytes.len = (size_t)len; /* skip checks that it is no longer than the input */
            good = fy_pb_skip(&at, len);
        }
        break;
    case FY_PB_FIXED64:
        good = fy_pb_skip(&at, 8);
        break;
    case FY_PB_FIXED32:
        good = fy_pb_skip(&at, 4);
        break;
    default:
        break;
    }
    if (good)
        in->at = at.at;
    return good;
}

/* ---- Writing ---- */

/*
 * Counts if at is NULL, otherwise also writes.  If the sum would exceed max, the writer stops and len stays above max,
 * so that no later addition can overflow.
 */
struct fy_pb_writer {
    uint8_t *at;
    size_t len;
    size_t max; /* at most SIZE_MAX / 2 */
};

static inline size_t fy_pb_varint_size(uint64_t value)
{
    unsigned top_bit = 63 - (unsigned)__builtin_clzll(value | 1);

    return (top_bit * 9 + 73) / 64; /* one byte for each started group of 7 bits, without a division */
}

static inline bool fy_pb_reserve(struct fy_pb_writer *out, size_t size)
{
    if (out->len > out->max || size > out->max - out->len) {
        out->len = out->max + 1;
        return false;
    }
    out->len += size;
    return out->at != NULL;
}

/* Write the shortest form; returns the end. */
static inline uint8_t *fy_pb_put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* For tags of one byte: field numbers below 16. */
static inline void fy_pb_write_varint(struct fy_pb_writer *out, uint8_t tag, uint64_t value)
{
    if (value < 0x80) { /* the common case */
        if (fy_pb_reserve(out, 2)) {
            out->at[0] = tag;
            out->at[1] = (uint8_t)value;
            out->at += 2;
        }
    } else if (fy_pb_reserve(out, 1 + fy_pb_varint_size(value))) {
        *out->at++ = tag;
        out->at = fy_pb_put_varint(out->at, value);
    }
}

/* Write the tag and length of the field that is written next. */
static inline void fy_pb_write_head(struct fy_pb_writer *out, uint8_t tag, size_t len)
{
    fy_pb_write_varint(out, tag, len);
}

static inline void fy_pb_write_bytes(struct fy_pb_writer *out, uint8_t tag, struct ferry_bytes bytes)
{
    fy_pb_write_head(out, tag, bytes.len);
    if (fy_pb_reserve(out, bytes.len) && bytes.len > 0) {
        memcpy(out->at, bytes.data, bytes.len);
        out->at += bytes.len;
    }
}

#endif
