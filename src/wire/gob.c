/*
 * gob - Go's gob streams: parts that begin with their length.  The first parts describe types.
 *
 * A description is a gob struct, wireType, of which exactly one field is set; here SliceT or StructT.  A struct is sent
 * as pairs of (difference from the previous field number, value) and ends with 0; numbering starts at -1.
 */
#include "wire/gob.h"

#include <string.h>

#include "base/text.h"

/* The fields of wireType, CommonType and so on, as differences from -1. */
enum { WIRE_SLICE = 2, WIRE_STRUCT = 3 };

#define MAX_UINT_BYTES 8

static size_t left(const struct fy_gob_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

int fy_gob_read_uint(struct fy_gob_reader *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t n;

    if (left(reader) == 0)
        return FERRY_ERR_TRUNCATED;
    if (*reader->at < 0x80) {
        *ret_value = *reader->at++;
        return FERRY_OK;
    }
    n = 256 - (size_t)*reader->at;
    if (n > MAX_UINT_BYTES)
        return FERRY_ERR_MALFORMED;
    if (left(reader) < 1 + n)
        return FERRY_ERR_TRUNCATED;
    for (size_t i = 1; i <= n; i++)
        value = value << 8 | reader->at[i];
    reader->at += 1 + n;
    *ret_value = value;
    return FERRY_OK;
}

int fy_gob_read_int(struct fy_gob_reader *reader, int64_t *ret_value)
{
    uint64_t bits;
    int err = fy_gob_read_uint(reader, &bits);

    if (err)
        return err;
    *ret_value = bits & 1 ? -1 - (int64_t)(bits >> 1) : (int64_t)(bits >> 1);
    return FERRY_OK;
}

int fy_gob_read_bytes(struct fy_gob_reader *reader, struct ferry_bytes *ret_bytes)
{
    uint64_t len;
    int err = fy_gob_read_uint(reader, &len);

    if (err)
        return err;
    if (len > left(reader))
        return FERRY_ERR_TRUNCATED;
    *ret_bytes = (struct ferry_bytes){reader->at, (size_t)len};
    reader->at += len;
    return FERRY_OK;
}

int fy_gob_read_count(struct fy_gob_reader *reader, size_t *ret_n)
{
    uint64_t n;
    int err = fy_gob_read_uint(reader, &n);

    if (err)
        return err;
    if (n > left(reader))
        return FERRY_ERR_TRUNCATED;
    *ret_n = (size_t)n;
    return FERRY_OK;
}

/* ---- Structs ---- */

/* Advance *number to the next field present, of n; to n at the end of the struct. */
static int next_number(struct fy_gob_reader *reader, size_t n, size_t *number)
{
    uint64_t distance;
    int err = fy_gob_read_uint(reader, &distance);

    if (err)
        return err;
    if (distance == 0) {
        *number = n;
        return FERRY_OK;
    }
    if (distance > n || *number + distance >= n) /* FY_GOB_BEFORE_FIRST is -1 */
        return FERRY_ERR_MALFORMED;
    *number += distance;
    return FERRY_OK;
}

int fy_gob_next_field(struct fy_gob_reader *reader, const struct fy_gob_type *type, size_t *index,
                      const struct fy_gob_field **ret_field)
{
    int err = next_number(reader, type->n_fields, index);

    if (err)
        return err;
    *ret_field = *index < type->n_fields ? &type->fields[*index] : NULL;
    return FERRY_OK;
}

/* ---- Descriptions ---- */

/* A struct with a name and a number: CommonType or fieldType. */
static int read_named_number(struct fy_gob_reader *reader, struct fy_gob_field *ret_field)
{
    size_t number = FY_GOB_BEFORE_FIRST;

    *ret_field = (struct fy_gob_field){.type = 0};
    for (;;) {
        int err = next_number(reader, 2, &number);

        if (!err && number == 0)
            err = fy_gob_read_bytes(reader, &ret_field->name);
        else if (!err && number == 1)
            err = fy_gob_read_int(reader, &ret_field->type);
        if (err || number == 2)
            return err;
    }
}

static int read_fields(struct fy_gob_reader *reader, struct fy_gob_types *types, struct fy_gob_type *type)
{
    int err = fy_gob_read_count(reader, &type->n_fields);

    if (err)
        return err;
    if (type->n_fields > FY_GOB_MAX_FIELDS - types->n_fields)
        return FERRY_ERR_TOO_LARGE;
    type->fields = types->fields + types->n_fields;
    for (size_t i = 0; !err && i < type->n_fields; i++)
        err = read_named_number(reader, &types->fields[types->n_fields++]);
    return err;
}

/* SliceType or StructType: a CommonType and the element or field types. */
static int read_type(struct fy_gob_reader *reader, struct fy_gob_types *types, struct fy_gob_type *type)
{
    size_t number = FY_GOB_BEFORE_FIRST;
    struct fy_gob_field common;

    for (;;) {
        int err = next_number(reader, 2, &number);

        if (!err && number == 0)
            err = read_named_number(reader, &common);
        else if (!err && number == 1)
            err = type->is_struct ? read_fields(reader, types, type) : fy_gob_read_int(reader, &type->element);
        if (err || number == 2)
            return err;
    }
}

static int read_description(struct fy_gob_reader *reader, struct fy_gob_types *types, int64_t id)
{
    struct fy_gob_type *type = &types->types[types->n_types];
    uint64_t kind, end;
    int err;

    if (id < FY_GOB_FIRST_ID || fy_gob_find(types, id))
        return FERRY_ERR_MALFORMED;
    if (types->n_types == FY_GOB_MAX_TYPES)
        return FERRY_ERR_TOO_LARGE;
    err = fy_gob_read_uint(reader, &kind);
    if (err)
        return err;
    if (kind != WIRE_SLICE && kind != WIRE_STRUCT)
        return FERRY_ERR_MALFORMED;
    *type = (struct fy_gob_type){.id = id, .is_struct = kind == WIRE_STRUCT};
    err = read_type(reader, types, type);
    if (!err)
        err = fy_gob_read_uint(reader, &end);
    if (err)
        return err;
    if (end != 0 || left(reader) > 0)
        return FERRY_ERR_MALFORMED;
    types->n_types++;
    return FERRY_OK;
}

const struct fy_gob_type *fy_gob_find(const struct fy_gob_types *types, int64_t id)
{
    for (size_t i = 0; i < types->n_types; i++) {
        if (types->types[i].id == id)
            return &types->types[i];
    }
    return NULL;
}

int fy_gob_open(struct ferry_bytes stream, struct fy_gob_types *types, struct fy_gob_reader *ret_reader,
                const struct fy_gob_type **ret_type)
{
    struct fy_gob_reader parts = {.at = stream.data, .end = stream.data ? stream.data + stream.len : NULL};

    types->n_types = types->n_fields = 0;
    for (;;) {
        struct fy_gob_reader part;
        struct ferry_bytes body;
        int64_t id = 0;
        int err = fy_gob_read_bytes(&parts, &body);

        if (err)
            return err;
        part = (struct fy_gob_reader){.at = body.data, .end = body.data + body.len};
        err = fy_gob_read_int(&part, &id);
        if (!err && id < 0 && id > INT64_MIN) {
            err = read_description(&part, types, -id);
        } else if (!err) {
            *ret_type = fy_gob_find(types, id);
            *ret_reader = part;
            return *ret_type && (*ret_type)->is_struct && left(&parts) == 0 ? FERRY_OK : FERRY_ERR_MALFORMED;
        }
        if (err) /* a part that ends early is malformed, because the stream goes on */
            return err == FERRY_ERR_TRUNCATED ? FERRY_ERR_MALFORMED : err;
    }
}

/* ---- Values of any type ---- */

static int skip_basic(struct fy_gob_reader *reader, int64_t type)
{
    struct ferry_bytes bytes;
    uint64_t number;
    int err;

    switch (type) {
    case FY_GOB_BOOL:
    case FY_GOB_INT:
    case FY_GOB_UINT:
    case FY_GOB_FLOAT:
        return fy_gob_read_uint(reader, &number);
    case FY_GOB_BYTES:
    case FY_GOB_STRING:
        return fy_gob_read_bytes(reader, &bytes);
    case FY_GOB_COMPLEX:
        err = fy_gob_read_uint(reader, &number);
        return err ? err : fy_gob_read_uint(reader, &number);
    default:
        return FERRY_ERR_MALFORMED;
    }
}

int fy_gob_skip(struct fy_gob_reader *reader, const struct fy_gob_types *types, int64_t type, unsigned depth)
{
    const struct fy_gob_type *described = fy_gob_find(types, type);
    const struct fy_gob_field *field;
    size_t n = 0, index = FY_GOB_BEFORE_FIRST;
    int err = FERRY_OK;

    if (!described)
        return skip_basic(reader, type);
    if (depth == 0)
        return FERRY_ERR_DEPTH;
    if (!described->is_struct) {
        err = fy_gob_read_count(reader, &n);
        for (size_t i = 0; !err && i < n; i++)
            err = fy_gob_skip(reader, types, described->element, depth - 1);
        return err;
    }
    for (;;) {
        err = fy_gob_next_field(reader, described, &index, &field);
        if (!err && field)
            err = fy_gob_skip(reader, types, field->type, depth - 1);
        if (err || !field)
            return err;
    }
}

/* ---- Writing ---- */

static void put_byte(struct fy_text *out, uint8_t byte)
{
    fy_text_add(out, (const char *)&byte, 1);
}

void fy_gob_put_uint(struct fy_text *out, uint64_t value)
{
    unsigned n = MAX_UINT_BYTES;

    if (value < 0x80) {
        put_byte(out, (uint8_t)value);
        return;
    }
    while (value >> 8 * (n - 1) == 0)
        n--;
    put_byte(out, (uint8_t)(256 - n));
    while (n-- > 0)
        put_byte(out, (uint8_t)(value >> 8 * n));
}

void fy_gob_put_int(struct fy_text *out, int64_t value)
{
    fy_gob_put_uint(out, value < 0 ? (uint64_t)(-1 - value) << 1 | 1 : (uint64_t)value << 1);
}

void fy_gob_put_bytes(struct fy_text *out, struct ferry_bytes bytes)
{
    fy_gob_put_uint(out, bytes.len);
    if (bytes.len > 0)
        fy_text_add(out, (const char *)bytes.data, bytes.len);
}

void fy_gob_put_part(struct fy_text *out, const struct fy_text *body)
{
    if (body->err)
        out->err = body->err;
    fy_gob_put_bytes(out, (struct ferry_bytes){(const uint8_t *)body->data, body->len});
}

static void put_named_number(struct fy_text *out, struct ferry_bytes name, int64_t number)
{
    fy_gob_put_uint(out, 1);
    fy_gob_put_bytes(out, name);
    fy_gob_put_uint(out, 1);
    fy_gob_put_int(out, number);
    fy_gob_put_uint(out, 0);
}

void fy_gob_put_type(struct fy_text *out, const char *name, const struct fy_gob_type *type)
{
    const struct ferry_bytes name_bytes = {(const uint8_t *)name, strlen(name)};
    struct fy_text body;

    fy_text_init(&body);
    fy_gob_put_int(&body, -type->id);
    fy_gob_put_uint(&body, type->is_struct ? WIRE_STRUCT : WIRE_SLICE);
    fy_gob_put_uint(&body, 1);
    put_named_number(&body, name_bytes, type->id);
    fy_gob_put_uint(&body, 1);
    if (type->is_struct) {
        fy_gob_put_uint(&body, type->n_fields);
        for (size_t i = 0; i < type->n_fields; i++)
            put_named_number(&body, type->fields[i].name, type->fields[i].type);
    } else {
        fy_gob_put_int(&body, type->element);
    }
    fy_gob_put_uint(&body, 0);
    fy_gob_put_uint(&body, 0);
    fy_gob_put_part(out, &body);
    fy_text_release(&body);
}
