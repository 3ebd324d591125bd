/*
 * gob.h - the part of Go's gob encoding that one fixed message needs: bounded reading, and writing as Go writes it.
 *
 * A gob stream describes its types before the first value that uses them.  So a reader finds fields by name, whatever
 * their order, the type ids and the additional fields of the writer.  Described types are structs and slices; basic
 * types are those of Go.  Maps, arrays, interfaces and types with custom encoders are malformed here.  Strings point
 * into the input, and nothing is allocated.
 */
#ifndef FY_WIRE_GOB_H
#define FY_WIRE_GOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct fy_text;

enum fy_gob_basic {
    FY_GOB_BOOL = 1,
    FY_GOB_INT = 2,
    FY_GOB_UINT = 3,
    FY_GOB_FLOAT = 4,
    FY_GOB_BYTES = 5,
    FY_GOB_STRING = 6,
    FY_GOB_COMPLEX = 7,
};

#define FY_GOB_FIRST_ID 64 /* of described types */
#define FY_GOB_MAX_TYPES 16
#define FY_GOB_MAX_FIELDS 128 /* of all structs of a stream together */
#define FY_GOB_MAX_DEPTH 16   /* of nested values */

struct fy_gob_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct fy_gob_field {
    struct ferry_bytes name;
    int64_t type;
};

struct fy_gob_type {
    int64_t id;
    bool is_struct;                    /* if false: a slice */
    int64_t element;                   /* of a slice */
    const struct fy_gob_field *fields; /* of a struct */
    size_t n_fields;
};

struct fy_gob_types {
    size_t n_types;
    size_t n_fields;
    struct fy_gob_type types[FY_GOB_MAX_TYPES];
    struct fy_gob_field fields[FY_GOB_MAX_FIELDS];
};

/*
 * Read the type descriptions at the start of a stream into *types, up to its single value, which must be a struct.
 * On success *ret_reader holds the value's fields, and *ret_type describes them.
 * FERRY_ERR_TRUNCATED, FERRY_ERR_MALFORMED; FERRY_ERR_TOO_LARGE: more types or fields than the limits above.
 */
int fy_gob_open(struct ferry_bytes stream, struct fy_gob_types *types, struct fy_gob_reader *ret_reader,
                const struct fy_gob_type **ret_type);

/* The described type with this id, or NULL. */
const struct fy_gob_type *fy_gob_find(const struct fy_gob_types *types, int64_t id);

/*
 * The next field of a struct that has a value; zero values are not sent.  *index starts as FY_GOB_BEFORE_FIRST and
 * keeps the position for fy_gob_next_field.  *ret_field is NULL at the end of the struct.
 */
#define FY_GOB_BEFORE_FIRST SIZE_MAX
int fy_gob_next_field(struct fy_gob_reader *reader, const struct fy_gob_type *type, size_t *index,
                      const struct fy_gob_field **ret_field);

/* Skip a value of any type.  FERRY_ERR_DEPTH: it is nested deeper than depth. */
int fy_gob_skip(struct fy_gob_reader *reader, const struct fy_gob_types *types, int64_t type, unsigned depth);

int fy_gob_read_uint(struct fy_gob_reader *reader, uint64_t *ret_value);
int fy_gob_read_int(struct fy_gob_reader *reader, int64_t *ret_value);
int fy_gob_read_bytes(struct fy_gob_reader *reader, struct ferry_bytes *ret_bytes); /* also for strings */

/* The number of items of a list.  It never exceeds the bytes that are left, since each item takes at least one. */
int fy_gob_read_count(struct fy_gob_reader *reader, size_t *ret_n);

/* Writing.  If memory runs out, out remembers it. */
void fy_gob_put_uint(struct fy_text *out, uint64_t value);
void fy_gob_put_int(struct fy_text *out, int64_t value);
void fy_gob_put_bytes(struct fy_text *out, struct ferry_bytes bytes);
void fy_gob_put_part(struct fy_text *out, const struct fy_text *body); /* after its length */

/* The description of a type, as a part of the stream. */
void fy_gob_put_type(struct fy_text *out, const char *name, const struct fy_gob_type *type);

#endif
