/*
 * chunk_writer - writes the chunked transfer coding of an endless answer.
 *
 * A chunk's head announces how many bytes follow, so once its first byte is sent all of them must follow: bytes that
 * the socket did not take continue the same chunk, and ending before the chunk is complete is not a clean end.  A head
 * of which nothing was sent is made again for the bytes that are there next time.
 */
#include "wire/chunk_writer.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

#define LINE_END "\r\n"
#define LINE_END_LEN 2

bool fy_chunk_writer_is_in_chunk(const struct fy_chunk_writer *writer)
{
    return writer->head_off > 0 && writer->tail_left > 0;
}

size_t fy_chunk_writer_take(const struct fy_chunk_writer *writer, size_t max_len)
{
    return fy_chunk_writer_is_in_chunk(writer) ? writer->left : max_len;
}

static void begin_chunk(struct fy_chunk_writer *writer, size_t len)
{
    assert(len > 0); /* a chunk of size 0 would end the body */
    writer->head_len = (size_t)snprintf(writer->head, sizeof(writer->head), "%zx" LINE_END, len);
    writer->head_off = 0;
    writer->left = len;
    writer->tail_left = LINE_END_LEN;
}

size_t fy_chunk_writer_frame(struct fy_chunk_writer *writer, struct iovec *iov, size_t n_runs, size_t len)
{
    static const char line_end[] = LINE_END;
    size_t n = 1 + n_runs;

    if (!fy_chunk_writer_is_in_chunk(writer))
        begin_chunk(writer, len);
    assert(len <= writer->left && (len > 0 || writer->left == 0)); /* an announced length cannot shrink */
    iov[0] =
        (struct iovec){.iov_base = writer->head + writer->head_off, .iov_len = writer->head_len - writer->head_off};
    if (len == writer->left)
        iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)(line_end + LINE_END_LEN - writer->tail_left),
                                  .iov_len = writer->tail_left};
    return n;
}

size_t fy_chunk_writer_sent(struct fy_chunk_writer *writer, size_t n)
{
    size_t head = writer->head_len - writer->head_off, body;

    head = head < n ? head : n;
    writer->head_off += head;
    n -= head;
    body = writer->left < n ? writer->left : n;
    writer->left -= body;
    assert(n - body <= writer->tail_left);
    writer->tail_left -= n - body;
    return body;
}
