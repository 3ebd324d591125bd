/*
 * answer_body.h - tells which of the bytes after an answer's head belong to its body.  A pure byte machine: accepts
 * input cut at any byte, copies nothing and allocates nothing.
 */
#ifndef FY_WIRE_ANSWER_BODY_H
#define FY_WIRE_ANSWER_BODY_H

#include <stdbool.h>

#include "wire/chunks.h"
#include "wire/http_header.h"

struct fy_answer_body {
    enum { FY_BODY_IN_CHUNKS, FY_BODY_OF_LENGTH, FY_BODY_UNTIL_CLOSE } form;
    struct fy_chunks chunks;
    uint64_t left; /* bytes left of the given length; UINT64_MAX: no length was given */
};

/*
 * Choose the framing by the head of an answer to a GET.  FERRY_OK, or FERRY_ERR_PROTOCOL: a transfer coding other than
 * chunked, an invalid length, or two different lengths.
 */
int fy_answer_body_init(struct fy_answer_body *body, int status, const struct fy_header *headers, size_t n_headers);

/* Like fy_chunks_feed. */
int fy_answer_body_feed(struct fy_answer_body *body, const uint8_t *data, size_t len, size_t *ret_used,
                        size_t *ret_len);

/* How many bytes of the body follow without framing in between. 0: not known yet, or the body is complete. */
uint64_t fy_answer_body_left(const struct fy_answer_body *body);

/* Is a body of known length complete? */
bool fy_answer_body_is_complete(const struct fy_answer_body *body);

/* The connection has ended: is the body complete now? */
bool fy_answer_body_ends_by_close(const struct fy_answer_body *body);

#endif
