/*
 * cbor.h - the part of CBOR (RFC 8949) that fixed messages need: bounded reading, shortest-form writing.
 *
 * A reader walks over bytes that must stay in place: strings point into them, and nothing is allocated.  It reads
 * 64-bit integers, text, byte strings, booleans, null, and arrays of definite and indefinite length.  Everything else
 * (maps, tags, floats, chunked strings) is reported as malformed.
 */
#ifndef FY_WIRE_CBOR_H
#define FY_WIRE_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct fy_text;

struct fy_cbor_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct fy_cbor_reader fy_cbor_reader(struct ferry_bytes bytes);

/*
 * Each of these reads one item.  FERRY_ERR_TRUNCATED: the bytes end inside it; FERRY_ERR_MALFORMED: another kind of
 * item, or a value that does not fit the type.
 */
int fy_cbor_read_int(struct fy_cbor_reader *reader, int64_t *ret_value);
int fy_cbor_read_bool(struct fy_cbor_reader *reader, bool *ret_value);
int fy_cbor_read_text(struct fy_cbor_reader *reader, struct ferry_bytes *ret_text); /* UTF-8 is not checked */
int fy_cbor_read_bytes(struct fy_cbor_reader *reader, struct ferry_bytes *ret_bytes);

/*
 * Read the head of an array; its items follow.  A definite length never exceeds the bytes that are left, since each
 * item takes at least one.
 */
#define FY_CBOR_INDEFINITE SIZE_MAX
int fy_cbor_read_array(struct fy_cbor_reader *reader, size_t *ret_n);

/* Skip a null, or the end of an array of indefinite length, if it is next. */
bool fy_cbor_skip_null(struct fy_cbor_reader *reader);
bool fy_cbor_skip_break(struct fy_cbor_reader *reader);

/* Write one item in the shortest form.  If memory runs out, out remembers it. */
void fy_cbor_put_int(struct fy_text *out, int64_t value);
void fy_cbor_put_bool(struct fy_text *out, bool value);
void fy_cbor_put_text(struct fy_text *out, struct ferry_bytes text);
void fy_cbor_put_bytes(struct fy_text *out, struct ferry_bytes bytes);
void fy_cbor_put_array(struct fy_text *out, size_t n);
void fy_cbor_put_null(struct fy_text *out);

#endif
