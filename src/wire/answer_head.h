/*
 * answer_head.h - the head of an answer, gathered from the bytes of a connection or line by line.
 *
 * What is kept of it is bounded: FY_ANSWER_HEAD_MAX bytes, those of informational heads before it included.
 */
#ifndef FY_WIRE_ANSWER_HEAD_H
#define FY_WIRE_ANSWER_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/http_header.h"

#define FY_ANSWER_HEAD_MAX ((size_t)64 << 10)

/* Zeroed: nothing has come. */
struct fy_answer_head {
    char *text; /* "name\0value\0...", in one block that grows */
    size_t len;
    size_t room;
    size_t n_headers;
    size_t n_bytes; /* received */
    int status;     /* 0: no status line has come */
    char *line;     /* of fy_answer_head_feed: the beginning of a line whose end has not come */
    size_t line_len;
    size_t line_room;
    bool is_informational; /* a whole one has come: a status line must follow */
};

enum fy_answer_head_got {
    FY_ANSWER_HEAD_MORE,    /* more lines come */
    FY_ANSWER_HEAD_COMPLETE /* this was the last: the empty one of an answer that is final, or switches protocols */
};

/*
 * Take a line, with its end or without.  One that is no header (without a colon, or the continuation of another) is
 * passed over.  An enum fy_answer_head_got; FERRY_ERR_PROTOCOL: the head is too long; FERRY_ERR_NOMEM.
 */
int fy_answer_head_add(struct fy_answer_head *head, const char *line, size_t len);

/*
 * Take the bytes of a connection up to the end of the head, or all; *ret_used of them, when it is complete.  As above,
 * and FERRY_ERR_PROTOCOL for what is not HTTP/1 as well.
 */
int fy_answer_head_feed(struct fy_answer_head *head, const uint8_t *data, size_t len, size_t *ret_used);

/* Has anything come, were it one byte? */
bool fy_answer_head_has_begun(const struct fy_answer_head *head);

/*
 * The headers in the order in which they came: an array of head->n_headers, which the caller frees; its names and
 * values live until the release.  NULL: no memory.
 */
struct fy_header *fy_answer_head_list(const struct fy_answer_head *head);

void fy_answer_head_release(struct fy_answer_head *head); /* zeroed again */

#endif
