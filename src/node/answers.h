/*
 * answers.h - short plain-text answers, in etcd's words.
 */
#ifndef FY_NODE_ANSWERS_H
#define FY_NODE_ANSWERS_H

#include "net/net.h"

#define FY_ANSWER_MAX_HEADERS 4 /* besides those of a text answer itself */

/* Answer with status and text plus a newline, as Go's http.Error does.  Takes req. */
void fy_answer_text(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                    const char *text);

/* 404 "404 page not found".  Takes req. */
void fy_answer_not_found(struct fy_request *req);

#endif
