/*
 * msgpack - the public writer and reader.
 *
 * The writer forms each head in a few bytes of its own and then adds it and what follows, so there is one place that
 * looks at the room.  The reader checks every length against what is left before it moves; a number of elements counts
 * as a length, since each has at least one byte.
 */
#include "wire/msgpack.h"

#define NS_PER_S 1000000000u

/* ---- Writing ---- */

void ferry_msgpack_writer_init(struct ferry_msgpack_writer *writer, uint8_t *data, size_t cap)
{
    *writer = (struct ferry_msgpack_writer){.data = data, .cap = cap};
}

int ferry_msgpack_writer_end(const struct ferry_msgpack_writer *writer, size_t *ret_len)
{
    if (writer->err != FERRY_ERR_INVALID)
        *ret_len = writer->len;
    return writer->err;
}

static void add(struct ferry_msgpack_writer *writer, const void *data, size_t len)
{
    if (writer->err == FERRY_OK && writer->cap - writer->len < len)
        writer->err = FERRY_ERR_TOO_LARGE;
    if (writer->err == FERRY_OK && len > 0)
        memcpy(writer->data + writer->len, data, len);
    writer->len = len < SIZE_MAX - writer->len ? writer->len + len : SIZE_MAX;
}

/* A head, which ends at end, and then the bytes that it announces. */
static void add_sized(struct ferry_msgpack_writer *writer, const uint8_t *head, const uint8_t *end, const void *data,
                      size_t len)
{
    if (len > UINT32_MAX)
        writer->err = FERRY_ERR_INVALID;
    add(writer, head, (size_t)(end - head));
    add(writer, data, len);
}

static void add_byte(struct ferry_msgpack_writer *writer, unsigned byte)
{
    const uint8_t form = (uint8_t)byte;

    add(writer, &form, 1);
}

void ferry_msgpack_write_nil(struct ferry_msgpack_writer *writer)
{
    add_byte(writer, FY_MSGPACK_NIL);
}

void ferry_msgpack_write_bool(struct ferry_msgpack_writer *writer, bool value)
{
    add_byte(writer, value ? FY_MSGPACK_TRUE : FY_MSGPACK_FALSE);
}

void ferry_msgpack_write_uint(struct ferry_msgpack_writer *writer, uint64_t value)
{
    uint8_t head[FY_MSGPACK_MAX_INT];

    add(writer, head, (size_t)(fy_msgpack_put_uint(head, value) - head));
}

void ferry_msgpack_write_int(struct ferry_msgpack_writer *writer, int64_t value)
{
    uint8_t head[FY_MSGPACK_MAX_INT];

    add(writer, head, (size_t)(fy_msgpack_put_int(head, value) - head));
}

void ferry_msgpack_write_float(struct ferry_msgpack_writer *writer, float value)
{
    uint8_t head[5];
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    add(writer, head, (size_t)(fy_msgpack_put32(head, FY_MSGPACK_FLOAT32, bits) - head));
}

void ferry_msgpack_write_double(struct ferry_msgpack_writer *writer, double value)
{
    uint8_t head[9];
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    add(writer, head, (size_t)(fy_msgpack_put64(head, FY_MSGPACK_FLOAT64, bits) - head));
}

void ferry_msgpack_write_str(struct ferry_msgpack_writer *writer, const char *text, size_t len)
{
    uint8_t head[FY_MSGPACK_MAX_HEAD];

    add_sized(writer, head, fy_msgpack_put_str_head(head, (uint32_t)len), text, len);
}

void ferry_msgpack_write_text(struct ferry_msgpack_writer *writer, const char *text)
{
    ferry_msgpack_write_str(writer, text, strlen(text));
}

void ferry_msgpack_write_bin(struct ferry_msgpack_writer *writer, const void *data, size_t len)
{
    uint8_t head[FY_MSGPACK_MAX_HEAD];

    add_sized(writer, head, fy_msgpack_put_bin_head(head, (uint32_t)len), data, len);
}

void ferry_msgpack_write_ext(struct ferry_msgpack_writer *writer, int8_t type, const void *data, size_t len)
{
    uint8_t head[FY_MSGPACK_MAX_HEAD], *end = head;

    if (len > 0 && len <= 16 && (len & (len - 1)) == 0)
        *end++ = (uint8_t)(FY_MSGPACK_FIXEXT1 + __builtin_ctz((unsigned)len));
    else if (len <= UINT8_MAX)
        end = fy_msgpack_put8(head, FY_MSGPACK_EXT8, (unsigned)len);
    else if (len <= UINT16_MAX)
        end = fy_msgpack_put16(head, FY_MSGPACK_EXT16, (unsigned)len);
    else
        end = fy_msgpack_put32(head, FY_MSGPACK_EXT32, (uint32_t)len);
    *end++ = (uint8_t)type;
    add_sized(writer, head, end, data, len);
}

void ferry_msgpack_write_time(struct ferry_msgpack_writer *writer, int64_t seconds, uint32_t ns)
{
    uint8_t data[12];
    const uint64_t s = __builtin_bswap64((uint64_t)seconds);
    const uint32_t n = __builtin_bswap32(ns);

    memcpy(data, &s, sizeof(s));
    memcpy(data + sizeof(s), &n, sizeof(n));
    ferry_msgpack_write_ext(writer, FERRY_MSGPACK_EXT_TIME, data, sizeof(data));
}

void ferry_msgpack_write_array(struct ferry_msgpack_writer *writer, uint32_t n)
{
    uint8_t head[FY_MSGPACK_MAX_HEAD];

    add(writer, head, (size_t)(fy_msgpack_put_array_head(head, n) - head));
}

void ferry_msgpack_write_map(struct ferry_msgpack_writer *writer, uint32_t n)
{
    uint8_t head[FY_MSGPACK_MAX_HEAD];

    add(writer, head, (size_t)(fy_msgpack_put_map_head(head, n) - head));
}

void ferry_msgpack_write_raw(struct ferry_msgpack_writer *writer, const void *data, size_t len)
{
    add(writer, data, len);
}

/* ---- Reading ---- */

void ferry_msgpack_reader_init(struct ferry_msgpack_reader *reader, const void *data, size_t len)
{
    *reader = (struct ferry_msgpack_reader){.data = data, .len = len};
}

int ferry_msgpack_peek(const struct ferry_msgpack_reader *reader, enum ferry_msgpack_type *ret_type)
{
    static const struct {
        uint8_t last; /* form byte of the type */
        uint8_t type;
    } types[] = {
        {0x7f, FERRY_MSGPACK_INT}, {0x8f, FERRY_MSGPACK_MAP},   {0x9f, FERRY_MSGPACK_ARRAY}, {0xbf, FERRY_MSGPACK_STR},
        {0xc0, FERRY_MSGPACK_NIL}, {0xc1, UINT8_MAX},           {0xc3, FERRY_MSGPACK_BOOL},  {0xc6, FERRY_MSGPACK_BIN},
        {0xc9, FERRY_MSGPACK_EXT}, {0xcb, FERRY_MSGPACK_FLOAT}, {0xd3, FERRY_MSGPACK_INT},   {0xd8, FERRY_MSGPACK_EXT},
        {0xdb, FERRY_MSGPACK_STR}, {0xdd, FERRY_MSGPACK_ARRAY}, {0xdf, FERRY_MSGPACK_MAP},   {0xff, FERRY_MSGPACK_INT},
    };
    size_t i = 0;

    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    while (types[i].last < reader->data[0])
        i++;
    if (types[i].type == UINT8_MAX)
        return FERRY_ERR_MALFORMED;
    *ret_type = (enum ferry_msgpack_type)types[i].type;
    return FERRY_OK;
}

static int take_form(struct ferry_msgpack_reader *reader, unsigned form)
{
    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    if (reader->data[0] != form)
        return FERRY_ERR_MALFORMED;
    reader->data++;
    reader->len--;
    return FERRY_OK;
}

int ferry_msgpack_read_nil(struct ferry_msgpack_reader *reader)
{
    return take_form(reader, FY_MSGPACK_NIL);
}

int ferry_msgpack_read_bool(struct ferry_msgpack_reader *reader, bool *ret_value)
{
    int err = take_form(reader, FY_MSGPACK_TRUE);

    if (err == FERRY_OK)
        *ret_value = true;
    if (err != FERRY_ERR_MALFORMED)
        return err;
    err = take_form(reader, FY_MSGPACK_FALSE);
    if (err == FERRY_OK)
        *ret_value = false;
    return err;
}

/* The number of 1, 2, 4 or 8 bytes at at, with its sign if it has one. */
static uint64_t wide(const uint8_t *at, unsigned width, bool is_signed)
{
    switch (width) {
    case 0:
        return is_signed ? (uint64_t)(int64_t)(int8_t)*at : *at;
    case 1:
        return is_signed ? (uint64_t)(int64_t)(int16_t)fy_msgpack_be16(at) : fy_msgpack_be16(at);
    case 2:
        return is_signed ? (uint64_t)(int64_t)(int32_t)fy_msgpack_be32(at) : fy_msgpack_be32(at);
    default:
        return fy_msgpack_be64(at);
    }
}

int fy_msgpack_read_wide(struct ferry_msgpack_reader *reader, uint64_t *ret_bits, bool *ret_is_negative)
{
    struct ferry_bytes number;
    unsigned form, width;
    bool is_signed;
    int err;

    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    form = reader->data[0];
    if (form < 0x80 || form >= FY_MSGPACK_NEGATIVE) {
        *ret_is_negative = form >= FY_MSGPACK_NEGATIVE;
        *ret_bits = wide(reader->data, 0, true);
        return fy_msgpack_take(reader, 1, 0, &number);
    }
    if (form < FY_MSGPACK_UINT8 || form > FY_MSGPACK_INT64)
        return FERRY_ERR_MALFORMED;
    is_signed = form >= FY_MSGPACK_INT8;
    width = (form - FY_MSGPACK_UINT8) % 4;
    err = fy_msgpack_take(reader, 1, (uint64_t)1 << width, &number);
    if (err != FERRY_OK)
        return err;
    *ret_bits = wide(number.data, width, is_signed);
    *ret_is_negative = is_signed && *ret_bits >> 63;
    return FERRY_OK;
}

int ferry_msgpack_read_uint(struct ferry_msgpack_reader *reader, uint64_t *ret_value)
{
    return fy_msgpack_read_uint(reader, UINT64_MAX, ret_value);
}

int ferry_msgpack_read_int(struct ferry_msgpack_reader *reader, int64_t *ret_value)
{
    struct ferry_msgpack_reader at = *reader;
    bool is_negative;
    uint64_t bits;
    int err = fy_msgpack_read_wide(&at, &bits, &is_negative);

    if (err != FERRY_OK)
        return err;
    if (!is_negative && bits > INT64_MAX)
        return FERRY_ERR_MALFORMED;
    *ret_value = (int64_t)bits;
    *reader = at;
    return FERRY_OK;
}

int ferry_msgpack_read_double(struct ferry_msgpack_reader *reader, double *ret_value)
{
    struct ferry_bytes number;
    uint64_t bits;
    uint32_t short_bits;
    float short_value;
    bool is_double;
    int err;

    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    if (reader->data[0] != FY_MSGPACK_FLOAT32 && reader->data[0] != FY_MSGPACK_FLOAT64)
        return FERRY_ERR_MALFORMED;
    is_double = reader->data[0] == FY_MSGPACK_FLOAT64;
    err = fy_msgpack_take(reader, 1, is_double ? sizeof(bits) : sizeof(short_bits), &number);
    if (err != FERRY_OK)
        return err;
    if (is_double) {
        bits = fy_msgpack_be64(number.data);
        memcpy(ret_value, &bits, sizeof(bits));
    } else {
        short_bits = fy_msgpack_be32(number.data);
        memcpy(&short_value, &short_bits, sizeof(short_bits));
        *ret_value = (double)short_value;
    }
    return FERRY_OK;
}

int ferry_msgpack_read_str(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_text)
{
    return fy_msgpack_read_str(reader, ret_text);
}

int ferry_msgpack_read_bin(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_bytes)
{
    return fy_msgpack_read_bin(reader, ret_bytes);
}

int ferry_msgpack_read_key(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_key)
{
    return fy_msgpack_read_key(reader, ret_key);
}

/* The length of an ext whose form byte comes next, and that of its head; FERRY_ERR_MALFORMED if it is no ext. */
static int ext_sizes(const struct ferry_msgpack_reader *reader, size_t *ret_head, uint64_t *ret_len)
{
    const unsigned form = reader->data[0];

    if (form >= FY_MSGPACK_FIXEXT1 && form <= FY_MSGPACK_FIXEXT16) {
        *ret_head = 2;
        *ret_len = (uint64_t)1 << (form - FY_MSGPACK_FIXEXT1);
        return FERRY_OK;
    }
    if (form < FY_MSGPACK_EXT8 || form > FY_MSGPACK_EXT32)
        return FERRY_ERR_MALFORMED;
    *ret_head = 2 + ((size_t)1 << (form - FY_MSGPACK_EXT8));
    if (reader->len < *ret_head)
        return FERRY_ERR_TRUNCATED;
    *ret_len = wide(reader->data + 1, form - FY_MSGPACK_EXT8, false);
    return FERRY_OK;
}

int ferry_msgpack_read_ext(struct ferry_msgpack_reader *reader, int8_t *ret_type, struct ferry_bytes *ret_bytes)
{
    size_t head;
    uint64_t len;
    int err;

    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    err = ext_sizes(reader, &head, &len);
    if (err == FERRY_OK)
        err = fy_msgpack_take(reader, head, len, ret_bytes);
    if (err == FERRY_OK)
        *ret_type = (int8_t)ret_bytes->data[-1];
    return err;
}

/* The standard's timestamp in each of its lengths. */
static int read_timestamp(struct ferry_bytes bytes, int64_t *ret_seconds, uint32_t *ret_ns)
{
    switch (bytes.len) {
    case 4:
        *ret_seconds = fy_msgpack_be32(bytes.data);
        *ret_ns = 0;
        return FERRY_OK;
    case 8:
        *ret_seconds = (int64_t)(fy_msgpack_be64(bytes.data) & ((UINT64_C(1) << 34) - 1));
        *ret_ns = (uint32_t)(fy_msgpack_be64(bytes.data) >> 34);
        return FERRY_OK;
    case 12:
        *ret_seconds = (int64_t)fy_msgpack_be64(bytes.data + 4);
        *ret_ns = fy_msgpack_be32(bytes.data);
        return FERRY_OK;
    default:
        return FERRY_ERR_MALFORMED;
    }
}

int ferry_msgpack_read_time(struct ferry_msgpack_reader *reader, int64_t *ret_seconds, uint32_t *ret_ns)
{
    struct ferry_msgpack_reader at = *reader;
    struct ferry_bytes bytes;
    int64_t seconds = 0; /* for a compiler that does not see that an error leaves them unused */
    uint32_t ns = 0;
    int8_t type;
    int err = ferry_msgpack_read_ext(&at, &type, &bytes);

    if (err != FERRY_OK)
        return err;
    if (type == FERRY_MSGPACK_EXT_TIME && bytes.len == 12) {
        seconds = (int64_t)fy_msgpack_be64(bytes.data);
        ns = fy_msgpack_be32(bytes.data + 8);
    } else if (type == FERRY_MSGPACK_EXT_TIMESTAMP) {
        err = read_timestamp(bytes, &seconds, &ns);
    } else {
        err = FERRY_ERR_MALFORMED;
    }
    if (err != FERRY_OK || ns >= NS_PER_S)
        return FERRY_ERR_MALFORMED;
    *ret_seconds = seconds;
    *ret_ns = ns;
    *reader = at;
    return FERRY_OK;
}

int ferry_msgpack_read_array(struct ferry_msgpack_reader *reader, uint32_t *ret_n)
{
    return fy_msgpack_read_array(reader, ret_n);
}

int ferry_msgpack_read_map(struct ferry_msgpack_reader *reader, uint32_t *ret_n)
{
    return fy_msgpack_read_map(reader, ret_n);
}

/* Pass over a value, but for the elements of an array or a map, whose number is returned. */
static int skip_one(struct ferry_msgpack_reader *reader, uint64_t *ret_n)
{
    enum ferry_msgpack_type type;
    struct ferry_bytes bytes;
    bool is_negative;
    uint64_t bits;
    uint32_t n = 0;
    double number;
    int8_t ext;
    int err = ferry_msgpack_peek(reader, &type);

    *ret_n = 0;
    if (err != FERRY_OK)
        return err;
    switch (type) {
    case FERRY_MSGPACK_INT:
        return fy_msgpack_read_wide(reader, &bits, &is_negative);
    case FERRY_MSGPACK_FLOAT:
        return ferry_msgpack_read_double(reader, &number);
    case FERRY_MSGPACK_STR:
    case FERRY_MSGPACK_BIN:
        return fy_msgpack_read_key(reader, &bytes);
    case FERRY_MSGPACK_EXT:
        return ferry_msgpack_read_ext(reader, &ext, &bytes);
    case FERRY_MSGPACK_ARRAY:
        err = fy_msgpack_read_array(reader, &n);
        *ret_n = n;
        return err;
    case FERRY_MSGPACK_MAP:
        err = fy_msgpack_read_map(reader, &n);
        *ret_n = (uint64_t)n * 2;
        return err;
    default: /* nil and bool are a byte */
        return fy_msgpack_take(reader, 1, 0, &bytes);
    }
}

int ferry_msgpack_skip(struct ferry_msgpack_reader *reader)
{
    struct ferry_msgpack_reader at = *reader;
    uint64_t n_open = 1; /* values that are still to come; never more than bytes are left */

    while (n_open > 0) {
        uint64_t n;
        int err = skip_one(&at, &n);

        if (err != FERRY_OK)
            return err;
        n_open += n - 1;
        if (n_open > at.len)
            return FERRY_ERR_TRUNCATED;
    }
    *reader = at;
    return FERRY_OK;
}

int ferry_msgpack_read_raw(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_bytes)
{
    const uint8_t *begin = reader->data;
    int err = ferry_msgpack_skip(reader);

    if (err == FERRY_OK)
        *ret_bytes = (struct ferry_bytes){.data = begin, .len = (size_t)(reader->data - begin)};
    return err;
}

bool ferry_msgpack_is_text(struct ferry_bytes bytes, const char *text)
{
    return fy_msgpack_is_text(bytes, text, strlen(text));
}
