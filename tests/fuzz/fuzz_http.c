/*
 * fuzz_http - answers as they come from a connection: any cut gives the same head and body; and bodies in chunks,
 * written and read.
 */
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "fuzz.h"
#include "fuzz_heap.h"
#include "wire/answer_body.h"
#include "wire/answer_head.h"
#include "wire/chunk_writer.h"
#include "wire/chunks.h"

static int feed_body(struct fy_answer_body *body, struct fuzz_input *input, size_t at, bool whole,
                     struct fuzz_trace *trace)
{
    int got = FY_CHUNKS_NOTHING;

    while (at < input->len && got != FY_CHUNKS_END) {
        size_t n = fuzz_cut(input, input->len - at, whole), n_used, len;
        const uint64_t left = fy_answer_body_left(body);

        got = fy_answer_body_feed(body, input->data + at, n, &n_used, &len);
        if (got < 0)
            return got;
        FUZZ_CHECK(n_used <= n && (left == 0 || got != FY_CHUNKS_BODY || n_used == len));
        if (got == FY_CHUNKS_BODY)
            fuzz_trace_add(trace, input->data + at + n_used - len, len);
        at += n_used;
        if (n_used == 0 && got == FY_CHUNKS_NOTHING)
            break;
    }
    fuzz_trace_number(trace, fy_answer_body_is_complete(body) * 2u + fy_answer_body_ends_by_close(body));
    return got == FY_CHUNKS_END;
}

/* Its status, headers and body; an error ends it. */
static uint64_t run(struct fuzz_input *input, bool whole)
{
    struct fuzz_trace trace = {0};
    struct fy_answer_head head = {0};
    struct fy_answer_body body;
    struct fy_header *headers;
    size_t at = 0;
    int got = FY_ANSWER_HEAD_MORE;

    while (at < input->len && got == FY_ANSWER_HEAD_MORE) {
        size_t n = fuzz_cut(input, input->len - at, whole), n_used = n;

        got = fy_answer_head_feed(&head, input->data + at, n, &n_used);
        at += n_used;
    }
    fuzz_trace_number(&trace, (uint64_t)got);
    if (got >= 0)
        fuzz_trace_number(&trace, fy_answer_head_has_begun(&head));
    headers = got == FY_ANSWER_HEAD_COMPLETE ? fy_answer_head_list(&head) : NULL;
    if (headers) {
        fuzz_trace_number(&trace, (uint64_t)head.status);
        for (size_t i = 0; i < head.n_headers; i++) {
            fuzz_trace_add(&trace, headers[i].name, strlen(headers[i].name));
            fuzz_trace_add(&trace, headers[i].value, strlen(headers[i].value));
        }
        got = fy_answer_body_init(&body, head.status, headers, head.n_headers);
        if (got == FERRY_OK)
            got = feed_body(&body, input, at, whole, &trace);
        fuzz_trace_number(&trace, (uint64_t)got);
    }
    free(headers);
    fy_answer_head_release(&head);
    return trace.hash;
}

/* The input alone as chunks, and written as chunks, of any sizes and sent in any pieces, and read again. */
static void chunks(struct fuzz_input *input)
{
    struct fy_chunk_writer writer = {.left = 0};
    struct fy_chunks reader;
    size_t at = 0, n_read = 0, n_used, len;

    fy_chunks_init(&reader);
    while (at < input->len &&
           fy_chunks_feed(&reader, input->data + at, input->len - at, &n_used, &len) == FY_CHUNKS_BODY)
        at += n_used;
    (void)fy_chunks_left(&reader);

    fy_chunks_init(&reader);
    at = 0;
    while (at < input->len || fy_chunk_writer_is_in_chunk(&writer)) {
        size_t n = fy_chunk_writer_take(&writer, fuzz_cut(input, input->len - at + (at == input->len), false));
        struct iovec iov[3] = {{0}};
        size_t n_iov, sent = 0;

        n = n < input->len - at ? n : input->len - at;
        iov[1] = (struct iovec){.iov_base = input->data + at, .iov_len = n};
        n_iov = fy_chunk_writer_frame(&writer, iov, n > 0, n);
        for (size_t i = 0; i < n_iov; i++) {
            size_t part = fuzz_cut(input, iov[i].iov_len, false), fed = 0;

            while (fed < part) {
                int got = fy_chunks_feed(&reader, (uint8_t *)iov[i].iov_base + fed, part - fed, &n_used, &len);

                FUZZ_CHECK(got == FY_CHUNKS_NOTHING || got == FY_CHUNKS_BODY);
                if (got == FY_CHUNKS_BODY)
                    FUZZ_CHECK(memcmp((uint8_t *)iov[i].iov_base + fed + n_used - len, input->data + n_read, len) == 0);
                n_read += got == FY_CHUNKS_BODY ? len : 0;
                fed += n_used;
            }
            sent += part;
            if (part < iov[i].iov_len)
                break;
        }
        at += fy_chunk_writer_sent(&writer, sent);
        FUZZ_CHECK(at == n_read);
    }
}

static void lines(const struct fuzz_input *input)
{
    struct fy_answer_head head = {0};
    size_t at = 0;

    while (at < input->len) {
        const uint8_t *end = memchr(input->data + at, '\n', input->len - at);
        size_t len = end ? (size_t)(end - input->data) + 1 - at : input->len - at;

        if (fy_answer_head_add(&head, (const char *)input->data + at, len) < 0)
            break;
        at += len;
    }
    fy_answer_head_release(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;
    uint64_t cut, whole;

    if (!fuzz_begin(&input, data, size))
        return 0;
    cut = run(&input, false);
    whole = run(&input, true);
    FUZZ_CHECK(data[2] != 255 || cut == whole);
    chunks(&input);
    lines(&input);
    fuzz_end(&input);
    return 0;
}
