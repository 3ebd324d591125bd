/*
 * answer_head.h - the head of an answer, gathered line by line.
 *
 * What is kept of it is bounded: FY_ANSWER_HEAD_MAX bytes, those of informational heads before it included.
 */
#ifndef FY_NET_HTTP_ANSWER_HEAD_H
#define FY_NET_HTTP_ANSWER_HEAD_H

#include <stddef.h>

#include "net/net.h"

#define FY_ANSWER_HEAD_MAX ((size_t)64 << 10)

/* Zeroed: nothing has come. */
struct fy_answer_head {
    char *text; /* "name\0value\0...", in one block that grows */
    size_t len;
    size_t room;
    size_t n_headers;
    size_t n_bytes; /* received */
    int status;
};

enum fy_answer_head_got {
    FY_ANSWER_HEAD_MORE,    /* more lines come */
    FY_ANSWER_HEAD_COMPLETE /* this was the last: the empty one of an answer that is not informational */
};

/*
 * Take a line, with its end or without.  One that is no header (without a colon, or the continuation of another) is
 * passed over.  An enum fy_answer_head_got; FERRY_ERR_PROTOCOL: the head is too long; FERRY_ERR_NOMEM.
 */
int fy_answer_head_add(struct fy_answer_head *head, const char *line, size_t len);

/*
 * The headers in the order in which they came: an array of head->n_headers, which the caller frees; its names and
 * values live until the release.  NULL: no memory.
 */
struct fy_header *fy_answer_head_list(const struct fy_answer_head *head);

void fy_answer_head_release(struct fy_answer_head *head); /* zeroed again */

#endif
