/*
 * msgpack.h - the forms of MessagePack, for codecs that know their bounds: what ferry/msgpack.h does with checks of its
 * own, without a call per value.
 *
 * A put_ function writes at a place that is sure to have room for what it writes, and returns where it ended.
 */
#ifndef FY_WIRE_MSGPACK_H
#define FY_WIRE_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry/msgpack.h"

enum {
    FY_MSGPACK_FIXMAP = 0x80,
    FY_MSGPACK_FIXARRAY = 0x90,
    FY_MSGPACK_FIXSTR = 0xa0,
    FY_MSGPACK_NIL = 0xc0,
    FY_MSGPACK_NEVER_USED = 0xc1,
    FY_MSGPACK_FALSE = 0xc2,
    FY_MSGPACK_TRUE = 0xc3,
    FY_MSGPACK_BIN8 = 0xc4,
    FY_MSGPACK_BIN16 = 0xc5,
    FY_MSGPACK_BIN32 = 0xc6,
    FY_MSGPACK_EXT8 = 0xc7,
    FY_MSGPACK_EXT16 = 0xc8,
    FY_MSGPACK_EXT32 = 0xc9,
    FY_MSGPACK_FLOAT32 = 0xca,
    FY_MSGPACK_FLOAT64 = 0xcb,
    FY_MSGPACK_UINT8 = 0xcc,
    FY_MSGPACK_UINT16 = 0xcd,
    FY_MSGPACK_UINT32 = 0xce,
    FY_MSGPACK_UINT64 = 0xcf,
    FY_MSGPACK_INT8 = 0xd0,
    FY_MSGPACK_INT16 = 0xd1,
    FY_MSGPACK_INT32 = 0xd2,
    FY_MSGPACK_INT64 = 0xd3,
    FY_MSGPACK_FIXEXT1 = 0xd4,
    FY_MSGPACK_FIXEXT16 = 0xd8,
    FY_MSGPACK_STR8 = 0xd9,
    FY_MSGPACK_STR16 = 0xda,
    FY_MSGPACK_STR32 = 0xdb,
    FY_MSGPACK_ARRAY16 = 0xdc,
    FY_MSGPACK_ARRAY32 = 0xdd,
    FY_MSGPACK_MAP16 = 0xde,
    FY_MSGPACK_MAP32 = 0xdf,
    FY_MSGPACK_NEGATIVE = 0xe0,
};

#define FY_MSGPACK_MAX_INT 9  /* bytes of an integer */
#define FY_MSGPACK_MAX_HEAD 6 /* bytes before a text, bytes, an ext, elements */

/* ---- Numbers in network order ---- */

static inline uint16_t fy_msgpack_be16(const uint8_t *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t fy_msgpack_be32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t fy_msgpack_be64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return __builtin_bswap64(value);
}

/* The form byte and then a number of so many bits. */
static inline uint8_t *fy_msgpack_put8(uint8_t *at, unsigned form, unsigned value)
{
    at[0] = (uint8_t)form;
    at[1] = (uint8_t)value;
    return at + 2;
}

static inline uint8_t *fy_msgpack_put16(uint8_t *at, unsigned form, unsigned value)
{
    const uint16_t swapped = __builtin_bswap16((uint16_t)value);

    at[0] = (uint8_t)form;
    memcpy(at + 1, &swapped, sizeof(swapped));
    return at + 3;
}

static inline uint8_t *fy_msgpack_put32(uint8_t *at, unsigned form, uint32_t value)
{
    const uint32_t swapped = __builtin_bswap32(value);

    at[0] = (uint8_t)form;
    memcpy(at + 1, &swapped, sizeof(swapped));
    return at + 5;
}

static inline uint8_t *fy_msgpack_put64(uint8_t *at, unsigned form, uint64_t value)
{
    const uint64_t swapped = __builtin_bswap64(value);

    at[0] = (uint8_t)form;
    memcpy(at + 1, &swapped, sizeof(swapped));
    return at + 9;
}

/* ---- Writing ---- */

static inline uint8_t *fy_msgpack_put_uint(uint8_t *at, uint64_t value)
{
    if (value < 0x80) {
        *at = (uint8_t)value;
        return at + 1;
    }
    if (value <= UINT8_MAX)
        return fy_msgpack_put8(at, FY_MSGPACK_UINT8, (unsigned)value);
    if (value <= UINT16_MAX)
        return fy_msgpack_put16(at, FY_MSGPACK_UINT16, (unsigned)value);
    if (value <= UINT32_MAX)
        return fy_msgpack_put32(at, FY_MSGPACK_UINT32, (uint32_t)value);
    return fy_msgpack_put64(at, FY_MSGPACK_UINT64, value);
}

static inline uint8_t *fy_msgpack_put_int(uint8_t *at, int64_t value)
{
    if (value >= 0)
        return fy_msgpack_put_uint(at, (uint64_t)value);
    if (value >= -32) {
        *at = (uint8_t)value;
        return at + 1;
    }
    if (value >= INT8_MIN)
        return fy_msgpack_put8(at, FY_MSGPACK_INT8, (uint8_t)value);
    if (value >= INT16_MIN)
        return fy_msgpack_put16(at, FY_MSGPACK_INT16, (uint16_t)value);
    if (value >= INT32_MIN)
        return fy_msgpack_put32(at, FY_MSGPACK_INT32, (uint32_t)value);
    return fy_msgpack_put64(at, FY_MSGPACK_INT64, (uint64_t)value);
}

static inline uint8_t *fy_msgpack_put_str_head(uint8_t *at, uint32_t len)
{
    if (len < 32) {
        *at = (uint8_t)(FY_MSGPACK_FIXSTR | len);
        return at + 1;
    }
    if (len <= UINT8_MAX)
        return fy_msgpack_put8(at, FY_MSGPACK_STR8, len);
    if (len <= UINT16_MAX)
        return fy_msgpack_put16(at, FY_MSGPACK_STR16, len);
    return fy_msgpack_put32(at, FY_MSGPACK_STR32, len);
}

static inline uint8_t *fy_msgpack_put_bin_head(uint8_t *at, uint32_t len)
{
    if (len <= UINT8_MAX)
        return fy_msgpack_put8(at, FY_MSGPACK_BIN8, len);
    if (len <= UINT16_MAX)
        return fy_msgpack_put16(at, FY_MSGPACK_BIN16, len);
    return fy_msgpack_put32(at, FY_MSGPACK_BIN32, len);
}

static inline uint8_t *fy_msgpack_put_array_head(uint8_t *at, uint32_t n)
{
    if (n < 16) {
        *at = (uint8_t)(FY_MSGPACK_FIXARRAY | n);
        return at + 1;
    }
    return n <= UINT16_MAX ? fy_msgpack_put16(at, FY_MSGPACK_ARRAY16, n) : fy_msgpack_put32(at, FY_MSGPACK_ARRAY32, n);
}

static inline uint8_t *fy_msgpack_put_map_head(uint8_t *at, uint32_t n)
{
    if (n < 16) {
        *at = (uint8_t)(FY_MSGPACK_FIXMAP | n);
        return at + 1;
    }
    return n <= UINT16_MAX ? fy_msgpack_put16(at, FY_MSGPACK_MAP16, n) : fy_msgpack_put32(at, FY_MSGPACK_MAP32, n);
}

/* ---- Reading: as the public functions, which are made of these ---- */

/* Move over a head of n bytes and len bytes behind it, which are lent. */
static inline int fy_msgpack_take(struct ferry_msgpack_reader *reader, size_t n, uint64_t len,
                                  struct ferry_bytes *ret_bytes)
{
    if (reader->len < n || reader->len - n < len)
        return FERRY_ERR_TRUNCATED;
    ret_bytes->data = reader->data + n;
    ret_bytes->len = (size_t)len;
    reader->data += n + len;
    reader->len -= n + (size_t)len;
    return FERRY_OK;
}

/* The same where the head is a form byte and a length of 8, 16 or 32 bits: width is 0, 1 or 2. */
static inline int fy_msgpack_take_sized(struct ferry_msgpack_reader *reader, unsigned width,
                                        struct ferry_bytes *ret_bytes)
{
    const uint8_t *at = reader->data + 1;

    if (reader->len < 1 + ((size_t)1 << width))
        return FERRY_ERR_TRUNCATED;
    if (width == 0)
        return fy_msgpack_take(reader, 2, *at, ret_bytes);
    if (width == 1)
        return fy_msgpack_take(reader, 3, fy_msgpack_be16(at), ret_bytes);
    return fy_msgpack_take(reader, 5, fy_msgpack_be32(at), ret_bytes);
}

static inline int fy_msgpack_read_str(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_text)
{
    unsigned form;

    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    form = reader->data[0];
    if ((form & 0xe0) == FY_MSGPACK_FIXSTR)
        return fy_msgpack_take(reader, 1, form & 0x1f, ret_text);
    if (form < FY_MSGPACK_STR8 || form > FY_MSGPACK_STR32)
        return FERRY_ERR_MALFORMED;
    return fy_msgpack_take_sized(reader, form - FY_MSGPACK_STR8, ret_text);
}

static inline int fy_msgpack_read_bin(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_bytes)
{
    unsigned form;

    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    form = reader->data[0];
    if (form < FY_MSGPACK_BIN8 || form > FY_MSGPACK_BIN32)
        return FERRY_ERR_MALFORMED;
    return fy_msgpack_take_sized(reader, form - FY_MSGPACK_BIN8, ret_bytes);
}

static inline int fy_msgpack_read_key(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_key)
{
    int err = fy_msgpack_read_str(reader, ret_key);

    return err == FERRY_ERR_MALFORMED ? fy_msgpack_read_bin(reader, ret_key) : err;
}

/* An integer of any form: its value as 64 bits, and whether they are of a negative number. */
int fy_msgpack_read_wide(struct ferry_msgpack_reader *reader, uint64_t *ret_bits, bool *ret_is_negative);

static inline int fy_msgpack_read_uint(struct ferry_msgpack_reader *reader, uint64_t max, uint64_t *ret_value)
{
    struct ferry_msgpack_reader at = *reader;
    bool is_negative;
    uint64_t value;
    int err;

    if (reader->len > 0 && reader->data[0] < 0x80 && max >= 0x7f) {
        *ret_value = *reader->data++;
        reader->len--;
        return FERRY_OK;
    }
    err = fy_msgpack_read_wide(&at, &value, &is_negative);
    if (err != FERRY_OK)
        return err;
    if (is_negative || value > max)
        return FERRY_ERR_MALFORMED;
    *ret_value = value;
    *reader = at;
    return FERRY_OK;
}

/* The head of an array or a map, whose forms begin at fix and at sized; each of its n has at least per bytes. */
static inline int fy_msgpack_read_count(struct ferry_msgpack_reader *reader, unsigned fix, unsigned sized, unsigned per,
                                        uint32_t *ret_n)
{
    size_t head = 1;
    unsigned form;
    uint32_t n;

    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    form = reader->data[0];
    if ((form & 0xf0) == fix) {
        n = form & 0x0f;
    } else if (form == sized || form == sized + 1) {
        head = form == sized ? 3 : 5;
        if (reader->len < head)
            return FERRY_ERR_TRUNCATED;
        n = form == sized ? fy_msgpack_be16(reader->data + 1) : fy_msgpack_be32(reader->data + 1);
    } else {
        return FERRY_ERR_MALFORMED;
    }
    if (reader->len - head < (uint64_t)n * per)
        return FERRY_ERR_TRUNCATED;
    reader->data += head;
    reader->len -= head;
    *ret_n = n;
    return FERRY_OK;
}

static inline int fy_msgpack_read_array(struct ferry_msgpack_reader *reader, uint32_t *ret_n)
{
    return fy_msgpack_read_count(reader, FY_MSGPACK_FIXARRAY, FY_MSGPACK_ARRAY16, 1, ret_n);
}

static inline int fy_msgpack_read_map(struct ferry_msgpack_reader *reader, uint32_t *ret_n)
{
    return fy_msgpack_read_count(reader, FY_MSGPACK_FIXMAP, FY_MSGPACK_MAP16, 2, ret_n);
}

static inline bool fy_msgpack_is_text(struct ferry_bytes bytes, const char *text, size_t len)
{
    return bytes.len == len && memcmp(bytes.data, text, len) == 0;
}

#endif
