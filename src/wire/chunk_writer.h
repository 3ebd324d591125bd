/*
 * chunk_writer.h - a body in chunks, on its way out: what stands around its bytes, and how much of it is sent.  A pure
 * byte machine: what it gives may be cut at any byte, it copies no byte of the body and allocates nothing.
 */
#ifndef FY_WIRE_CHUNK_WRITER_H
#define FY_WIRE_CHUNK_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* All zeros: no chunk yet. */
struct fy_chunk_writer {
    char head[20]; /* of the chunk that is being written */
    size_t head_len;
    size_t head_off;  /* so much of it is sent */
    size_t left;      /* bytes of the body still to be sent in the chunk */
    size_t tail_left; /* of the line's end behind them */
};

/* Was a chunk announced to the other end, and is not all of it sent? */
bool fy_chunk_writer_is_in_chunk(const struct fy_chunk_writer *writer);

/* So many bytes of the body have to come next, and are all of the chunk: max_len at most, if none was announced. */
size_t fy_chunk_writer_take(const struct fy_chunk_writer *writer, size_t max_len);

/*
 * Put what stands around the next len bytes of the body, at most what _take said, in a row with them: those are in
 * n_runs entries from iov[1] on, the head goes to iov[0], and there is room for one more behind.  If no chunk was
 * announced, they make up a new one, and len > 0.  len may be 0 only when nothing is left but the chunk's line's end.
 * Returns how many entries there are; they stay good until the next call with the writer.
 */
size_t fy_chunk_writer_frame(struct fy_chunk_writer *writer, struct iovec *iov, size_t n_runs, size_t len);

/* The first n bytes of what was framed just now are sent; how many of them are the body's. */
size_t fy_chunk_writer_sent(struct fy_chunk_writer *writer, size_t n);

#endif
