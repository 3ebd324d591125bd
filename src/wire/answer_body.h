/*
 * answer_body.h - which of the bytes behind an answer's head are its body's.  A pure byte machine: accepts input cut at
 * any byte, copies nothing and allocates nothing.
 */
#ifndef FY_WIRE_ANSWER_BODY_H
#define FY_WIRE_ANSWER_BODY_H

#include <stdbool.h>

#include "wire/chunks.h"
#include "wire/http_header.h"

struct fy_answer_body {
    enum { FY_BODY_IN_CHUNKS, FY_BODY_OF_LENGTH, FY_BODY_UNTIL_CLOSE } form;
    struct fy_chunks chunks;
    uint64_t left; /* of a length, or of one that has none (UINT64_MAX) */
};

/*
 * As the head of an answer to a GET says.  FERRY_OK, or FERRY_ERR_PROTOCOL: a transfer coding other than chunked, a
 * length that is no number, or two that differ.
 */
int fy_answer_body_init(struct fy_answer_body *body, int status, const struct fy_header *headers, size_t n_headers);

/* As fy_chunks_feed. */
int fy_answer_body_feed(struct fy_answer_body *body, const uint8_t *data, size_t len, size_t *ret_used,
                        size_t *ret_len);

/* So many bytes of the body come next, without anything in between; 0: that is not known yet, or it is complete. */
uint64_t fy_answer_body_left(const struct fy_answer_body *body);

/* Is all of a body of known length there? */
bool fy_answer_body_is_complete(const struct fy_answer_body *body);

/* The connection has ended: does that complete the body? */
bool fy_answer_body_ends_by_close(const struct fy_answer_body *body);

#endif
