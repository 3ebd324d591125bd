/*
 * cbor - CBOR item heads, and the few kinds of items that fixed messages use.
 *
 * An item begins with a byte of 3 bits of kind and 5 bits of number; numbers above 23 follow in 1, 2, 4 or 8 bytes.
 * Every length is compared with the bytes that are left before it is used.
 */
#include "wire/cbor.h"

#include "base/text.h"

enum kind {
    KIND_UNSIGNED = 0,
    KIND_NEGATIVE = 1,
    KIND_BYTES = 2,
    KIND_TEXT = 3,
    KIND_ARRAY = 4,
    KIND_SIMPLE = 7,
};

#define FIRST_LONG 24 /* the number follows in 1, 2, 4 or 8 bytes */
#define INDEFINITE_BITS 31

#define BYTE_FALSE 0xf4
#define BYTE_TRUE 0xf5
#define BYTE_NULL 0xf6
#define BYTE_UNDEFINED 0xf7
#define BYTE_BREAK 0xff

struct fy_cbor_reader fy_cbor_reader(struct ferry_bytes bytes)
{
    return (struct fy_cbor_reader){.at = bytes.data, .end = bytes.data ? bytes.data + bytes.len : NULL};
}

static size_t left(const struct fy_cbor_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Read an item's head, of kind a or b, with its number.  *reader moves only on success. */
static int read_head(struct fy_cbor_reader *reader, enum kind a, enum kind b, enum kind *ret_kind, uint64_t *ret_number)
{
    uint8_t low;
    uint64_t number = 0;
    size_t n;

    if (left(reader) == 0)
        return FERRY_ERR_TRUNCATED;
    if (*reader->at >> 5 != a && *reader->at >> 5 != b)
        return FERRY_ERR_MALFORMED;
    low = *reader->at & 0x1f;
    if (low >= FIRST_LONG + 4)
        return FERRY_ERR_MALFORMED;
    n = low < FIRST_LONG ? 0 : (size_t)1 << (low - FIRST_LONG);
    if (left(reader) < 1 + n)
        return FERRY_ERR_TRUNCATED;
    for (size_t i = 1; i <= n; i++)
        number = number << 8 | reader->at[i];
    *ret_kind = (enum kind)(*reader->at >> 5);
    *ret_number = n == 0 ? low : number;
    reader->at += 1 + n;
    return FERRY_OK;
}

int fy_cbor_read_int(struct fy_cbor_reader *reader, int64_t *ret_value)
{
    struct fy_cbor_reader ahead = *reader;
    enum kind kind;
    uint64_t number;
    int err = read_head(&ahead, KIND_UNSIGNED, KIND_NEGATIVE, &kind, &number);

    if (err)
        return err;
    if (number > INT64_MAX)
        return FERRY_ERR_MALFORMED;
    *ret_value = kind == KIND_NEGATIVE ? -1 - (int64_t)number : (int64_t)number;
    *reader = ahead;
    return FERRY_OK;
}

int fy_cbor_read_bool(struct fy_cbor_reader *reader, bool *ret_value)
{
    if (left(reader) == 0)
        return FERRY_ERR_TRUNCATED;
    if (*reader->at != BYTE_FALSE && *reader->at != BYTE_TRUE)
        return FERRY_ERR_MALFORMED;
    *ret_value = *reader->at++ == BYTE_TRUE;
    return FERRY_OK;
}

static int read_string(struct fy_cbor_reader *reader, enum kind kind, struct ferry_bytes *ret_string)
{
    struct fy_cbor_reader ahead = *reader;
    uint64_t len;
    int err = read_head(&ahead, kind, kind, &kind, &len);

    if (err)
        return err;
    if (len > left(&ahead))
        return FERRY_ERR_TRUNCATED;
    *ret_string = (struct ferry_bytes){ahead.at, (size_t)len};
    reader->at = ahead.at + len;
    return FERRY_OK;
}

int fy_cbor_read_text(struct fy_cbor_reader *reader, struct ferry_bytes *ret_text)
{
    return read_string(reader, KIND_TEXT, ret_text);
}

int fy_cbor_read_bytes(struct fy_cbor_reader *reader, struct ferry_bytes *ret_bytes)
{
    return read_string(reader, KIND_BYTES, ret_bytes);
}

int fy_cbor_read_array(struct fy_cbor_reader *reader, size_t *ret_n)
{
    struct fy_cbor_reader ahead = *reader;
    enum kind kind;
    uint64_t n;
    int err;

    if (left(reader) > 0 && *reader->at == (KIND_ARRAY << 5 | INDEFINITE_BITS)) {
        reader->at++;
        *ret_n = FY_CBOR_INDEFINITE;
        return FERRY_OK;
    }
    err = read_head(&ahead, KIND_ARRAY, KIND_ARRAY, &kind, &n);
    if (err)
        return err;
    if (n > left(&ahead))
        return FERRY_ERR_TRUNCATED;
    *ret_n = (size_t)n;
    *reader = ahead;
    return FERRY_OK;
}

static bool skip(struct fy_cbor_reader *reader, uint8_t byte)
{
    if (left(reader) == 0 || *reader->at != byte)
        return false;
    reader->at++;
    return true;
}

bool fy_cbor_skip_null(struct fy_cbor_reader *reader)
{
    return skip(reader, BYTE_NULL) || skip(reader, BYTE_UNDEFINED);
}

bool fy_cbor_skip_break(struct fy_cbor_reader *reader)
{
    return skip(reader, BYTE_BREAK);
}

/* ---- Writing ---- */

static void put_byte(struct fy_text *out, uint8_t byte)
{
    fy_text_add(out, (const char *)&byte, 1);
}

static void put_head(struct fy_text *out, enum kind kind, uint64_t number)
{
    unsigned power = 0, n; /* 2 to this power is the number of bytes that follow */

    if (number < FIRST_LONG) {
        put_byte(out, (uint8_t)(kind << 5 | number));
        return;
    }
    while (power < 3 && number >> (8u << power) > 0)
        power++;
    put_byte(out, (uint8_t)(kind << 5 | (FIRST_LONG + power)));
    n = 1u << power;
    while (n-- > 0)
        put_byte(out, (uint8_t)(number >> 8 * n));
}

static void put_string(struct fy_text *out, enum kind kind, struct ferry_bytes string)
{
    put_head(out, kind, string.len);
    if (string.len > 0)
        fy_text_add(out, (const char *)string.data, string.len);
}

void fy_cbor_put_int(struct fy_text *out, int64_t value)
{
    if (value < 0)
        put_head(out, KIND_NEGATIVE, (uint64_t)(-1 - value));
    else
        put_head(out, KIND_UNSIGNED, (uint64_t)value);
}

void fy_cbor_put_bool(struct fy_text *out, bool value)
{
    put_byte(out, value ? BYTE_TRUE : BYTE_FALSE);
}

void fy_cbor_put_text(struct fy_text *out, struct ferry_bytes text)
{
    put_string(out, KIND_TEXT, text);
}

void fy_cbor_put_bytes(struct fy_text *out, struct ferry_bytes bytes)
{
    put_string(out, KIND_BYTES, bytes);
}

void fy_cbor_put_array(struct fy_text *out, size_t n)
{
    put_head(out, KIND_ARRAY, n);
}

void fy_cbor_put_null(struct fy_text *out)
{
    put_byte(out, BYTE_NULL);
}
