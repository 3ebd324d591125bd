/*
 * chunks.h - a body in chunks: which of a connection's bytes are the body's.  A pure byte machine: accepts input cut at
 * any byte, copies nothing and allocates nothing.
 */
#ifndef FY_WIRE_CHUNKS_H
#define FY_WIRE_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

struct fy_chunks {
    unsigned step;   /* chunks.c: enum step */
    unsigned n_line; /* bytes of the line that is being read, or of the trailers */
    uint64_t left;   /* of the chunk, as far as its size is known */
};

enum fy_chunks_got {
    FY_CHUNKS_NOTHING, /* all input is used */
    FY_CHUNKS_BODY,    /* the last *ret_len of the *ret_used bytes are the body's */
    FY_CHUNKS_END,     /* the body is complete; what follows is not its own */
};

void fy_chunks_init(struct fy_chunks *chunks);

/*
 * Take bytes from data up to the end of one piece of the body, or all.  Call again with the rest.
 * Returns an enum fy_chunks_got, or FERRY_ERR_PROTOCOL: a size that is none, a chunk that does not end where it has to,
 * and extensions or trailers that do not end at all.
 */
int fy_chunks_feed(struct fy_chunks *chunks, const uint8_t *data, size_t len, size_t *ret_used, size_t *ret_len);

/* So many bytes of the body come next, without anything in between; 0: that is not known yet. */
uint64_t fy_chunks_left(const struct fy_chunks *chunks);

#endif
