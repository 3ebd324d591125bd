/*
 * msgpack.h - MessagePack: a writer and a reader for small maps and arrays, as requests between members carry them.
 *
 * Neither allocates, locks or keeps anything: a writer fills the caller's buffer, a reader walks over the caller's
 * bytes and lends what it finds there.  All types of the format are known.  What is written takes the fewest bytes;
 * what is read may have any width that the value fits into, as decoders in Go accept it.
 *
 * Threads: any; one writer or reader belongs to one thread at a time.
 */
#ifndef FERRY_MSGPACK_H
#define FERRY_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The ext types of a time: the one of the standard, and the one that Go's msgp writes, which is also ours. */
#define FERRY_MSGPACK_EXT_TIMESTAMP (-1)
#define FERRY_MSGPACK_EXT_TIME 5

/* ---- Writing ------------------------------------------------------------------------------------------------ */

/*
 * Begin with ferry_msgpack_writer_init, write value after value, ask ferry_msgpack_writer_end how it went.  An array or
 * a map is its head and then its elements, or keys and values in turn: that as many follow as the head says is up to
 * the caller.
 */
struct ferry_msgpack_writer {
    uint8_t *data;
    size_t cap; /* of data; nothing is written beyond it */
    size_t len; /* written so far; once data is full, what it would have to hold */
    int err;    /* the first error, FERRY_OK so far */
};

/* data may be NULL when cap is 0: then the writer tells only how long the bytes would be. */
FERRY_API void ferry_msgpack_writer_init(struct ferry_msgpack_writer *writer, uint8_t *data, size_t cap);

/*
 * How it went.  *ret_len is set in any case but the last.
 * FERRY_OK; FERRY_ERR_TOO_LARGE: data is too small, *ret_len bytes are needed; FERRY_ERR_INVALID: a text, bytes or an
 * ext of 4 GiB or more, which has no form.
 */
FERRY_API int ferry_msgpack_writer_end(const struct ferry_msgpack_writer *writer, size_t *ret_len);

FERRY_API void ferry_msgpack_write_nil(struct ferry_msgpack_writer *writer);
FERRY_API void ferry_msgpack_write_bool(struct ferry_msgpack_writer *writer, bool value);
FERRY_API void ferry_msgpack_write_uint(struct ferry_msgpack_writer *writer, uint64_t value);
FERRY_API void ferry_msgpack_write_int(struct ferry_msgpack_writer *writer, int64_t value);
FERRY_API void ferry_msgpack_write_float(struct ferry_msgpack_writer *writer, float value);
FERRY_API void ferry_msgpack_write_double(struct ferry_msgpack_writer *writer, double value);

/* A text, which should be UTF-8, of len bytes; and one that ends with a NUL, as keys do. */
FERRY_API void ferry_msgpack_write_str(struct ferry_msgpack_writer *writer, const char *text, size_t len);
FERRY_API void ferry_msgpack_write_text(struct ferry_msgpack_writer *writer, const char *text);

FERRY_API void ferry_msgpack_write_bin(struct ferry_msgpack_writer *writer, const void *data, size_t len);
FERRY_API void ferry_msgpack_write_ext(struct ferry_msgpack_writer *writer, int8_t type, const void *data, size_t len);

/* A time since 1970 as ext 5; ns is below 1000000000. */
FERRY_API void ferry_msgpack_write_time(struct ferry_msgpack_writer *writer, int64_t seconds, uint32_t ns);

/* The head of an array of n elements, and of a map of n pairs. */
FERRY_API void ferry_msgpack_write_array(struct ferry_msgpack_writer *writer, uint32_t n);
FERRY_API void ferry_msgpack_write_map(struct ferry_msgpack_writer *writer, uint32_t n);

/* Bytes that are MessagePack already. */
FERRY_API void ferry_msgpack_write_raw(struct ferry_msgpack_writer *writer, const void *data, size_t len);

/* ---- Reading ------------------------------------------------------------------------------------------------ */

/*
 * Begin with ferry_msgpack_reader_init.  Each _read_ takes one value, or the head of an array or a map, and moves on;
 * one that fails leaves the reader where it was, so that another can be tried.  Texts and bytes are lent out of data.
 *
 * Unless a function says more, they return FERRY_OK, FERRY_ERR_TRUNCATED when the bytes end too early for what the
 * value announces, or FERRY_ERR_MALFORMED for a value of another type or out of range.
 */
struct ferry_msgpack_reader {
    const uint8_t *data; /* the next value */
    size_t len;          /* bytes from there on */
};

enum ferry_msgpack_type {
    FERRY_MSGPACK_NIL,
    FERRY_MSGPACK_BOOL,
    FERRY_MSGPACK_INT, /* with a sign or without */
    FERRY_MSGPACK_FLOAT,
    FERRY_MSGPACK_STR,
    FERRY_MSGPACK_BIN,
    FERRY_MSGPACK_ARRAY,
    FERRY_MSGPACK_MAP,
    FERRY_MSGPACK_EXT,
};

FERRY_API void ferry_msgpack_reader_init(struct ferry_msgpack_reader *reader, const void *data, size_t len);

/* The type of the next value, judged by its first byte alone. */
FERRY_API int ferry_msgpack_peek(const struct ferry_msgpack_reader *reader, enum ferry_msgpack_type *ret_type);

FERRY_API int ferry_msgpack_read_nil(struct ferry_msgpack_reader *reader);
FERRY_API int ferry_msgpack_read_bool(struct ferry_msgpack_reader *reader, bool *ret_value);

/* An integer of any form that fits: a signed one that is not negative, an unsigned one that is not too large. */
FERRY_API int ferry_msgpack_read_uint(struct ferry_msgpack_reader *reader, uint64_t *ret_value);
FERRY_API int ferry_msgpack_read_int(struct ferry_msgpack_reader *reader, int64_t *ret_value);

/* A number with a point, of 32 or 64 bits. */
FERRY_API int ferry_msgpack_read_double(struct ferry_msgpack_reader *reader, double *ret_value);

/* A text, which need not be UTF-8; bytes; and a map's key, which may be either. */
FERRY_API int ferry_msgpack_read_str(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_text);
FERRY_API int ferry_msgpack_read_bin(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_bytes);
FERRY_API int ferry_msgpack_read_key(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_key);

FERRY_API int ferry_msgpack_read_ext(struct ferry_msgpack_reader *reader, int8_t *ret_type,
                                     struct ferry_bytes *ret_bytes);

/* A time since 1970: ext 5, or ext -1 in each of its three lengths. */
FERRY_API int ferry_msgpack_read_time(struct ferry_msgpack_reader *reader, int64_t *ret_seconds, uint32_t *ret_ns);

/*
 * The head of an array or a map.  FERRY_ERR_TRUNCATED also when fewer bytes are left than elements were announced, so
 * what is allocated by *ret_n is bounded by the bytes at hand.
 */
FERRY_API int ferry_msgpack_read_array(struct ferry_msgpack_reader *reader, uint32_t *ret_n);
FERRY_API int ferry_msgpack_read_map(struct ferry_msgpack_reader *reader, uint32_t *ret_n);

/*
 * Pass over one value with all that is in it.  There is no recursion: nesting costs nothing, however deep.  The second
 * form lends its bytes.
 */
FERRY_API int ferry_msgpack_skip(struct ferry_msgpack_reader *reader);
FERRY_API int ferry_msgpack_read_raw(struct ferry_msgpack_reader *reader, struct ferry_bytes *ret_bytes);

/* Is a text or key that was read this one? */
FERRY_API bool ferry_msgpack_is_text(struct ferry_bytes bytes, const char *text);

#ifdef __cplusplus
}
#endif

#endif
