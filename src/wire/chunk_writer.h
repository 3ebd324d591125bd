/*
 * chunk_writer.h - the chunked coding of an outgoing body: the bytes around the data, and how much is sent.  A pure
 * byte machine: its output may be cut at any byte; it copies no body bytes and allocates nothing.
 */
#ifndef FY_WIRE_CHUNK_WRITER_H
#define FY_WIRE_CHUNK_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* Zeroed: no chunk yet. */
struct fy_chunk_writer {
    char head[20]; /* of the current chunk */
    size_t head_len;
    size_t head_off;  /* bytes of the head that are sent */
    size_t left;      /* body bytes of the chunk that are still to be sent */
    size_t tail_left; /* bytes of the line end after them */
};

/* Is a chunk begun and not completely sent? */
bool fy_chunk_writer_is_in_chunk(const struct fy_chunk_writer *writer);

/* How many body bytes to send next, all in one chunk: the rest of a chunk that is begun, else max_len at most. */
size_t fy_chunk_writer_take(const struct fy_chunk_writer *writer, size_t max_len);

/*
 * Frame the next len bytes of the body, at most what fy_chunk_writer_take returned.  The caller puts them into n_runs
 * entries from iov[1] on; the chunk's head goes to iov[0], and there must be room for one entry after them.  If no
 * chunk is begun, they make a new one, and len > 0. len may be 0 only when nothing but the chunk's line end is left.
 * Returns the number of entries, valid until the next call with this writer.
 */
size_t fy_chunk_writer_frame(struct fy_chunk_writer *writer, struct iovec *iov, size_t n_runs, size_t len);

/* The first n bytes of the last frame are sent.  Returns how many of them are body bytes. */
size_t fy_chunk_writer_sent(struct fy_chunk_writer *writer, size_t n);

#endif
