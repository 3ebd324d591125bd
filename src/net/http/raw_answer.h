/*
 * raw_answer.h - an answer that libmicrohttpd would not take.
 */
#ifndef FY_NET_HTTP_RAW_ANSWER_H
#define FY_NET_HTTP_RAW_ANSWER_H

#include "net/http/request.h"

/* Answer a request in the middle of its body or after a bulk, let it go, and end its connection. */
void fy_raw_answer_begin(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                         const void *body, size_t body_len);
void fy_raw_answer_release(struct fy_request *req); /* also of one that was not answered so */

#endif
