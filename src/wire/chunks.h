/*
 * chunks.h - reads a chunked body: tells which bytes of a connection belong to the body.  A pure byte machine: accepts
 * input cut at any byte, copies nothing and allocates nothing.
 */
#ifndef FY_WIRE_CHUNKS_H
#define FY_WIRE_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

struct fy_chunks {
    unsigned step;   /* chunks.c: enum step */
    unsigned n_line; /* bytes of the current line, or of the trailers */
    uint64_t left;   /* bytes left of the chunk, as far as its size is known */
};

enum fy_chunks_got {
    FY_CHUNKS_NOTHING, /* all input is used */
    FY_CHUNKS_BODY,    /* the last *ret_len of the *ret_used bytes are body bytes */
    FY_CHUNKS_END,     /* the body is complete; later bytes do not belong to it */
};

void fy_chunks_init(struct fy_chunks *chunks);

/*
 * Consume data up to the end of one piece of the body, or all of it.  Call again with the rest.
 * Returns an enum fy_chunks_got, or FERRY_ERR_PROTOCOL: an invalid chunk size, a chunk without its line end, or
 * extensions or trailers that are too long.
 */
int fy_chunks_feed(struct fy_chunks *chunks, const uint8_t *data, size_t len, size_t *ret_used, size_t *ret_len);

/* How many body bytes follow without framing in between. 0: not known yet. */
uint64_t fy_chunks_left(const struct fy_chunks *chunks);

#endif
