/*
 * answer_head.h - the head of an HTTP answer, read from a connection's bytes or line by line.
 *
 * At most FY_ANSWER_HEAD_MAX bytes are stored, informational heads included.
 */
#ifndef FY_WIRE_ANSWER_HEAD_H
#define FY_WIRE_ANSWER_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/http_header.h"

#define FY_ANSWER_HEAD_MAX ((size_t)64 << 10)

/* Zeroed: nothing received yet. */
struct fy_answer_head {
    char *text; /* "name\0value\0...", in one growing block */
    size_t len;
    size_t room;
    size_t n_headers;
    size_t n_bytes; /* bytes received */
    int status;     /* 0: no status line yet */
    char *line;     /* fy_answer_head_feed: the start of a line that is not complete yet */
    size_t line_len;
    size_t line_room;
    bool is_informational; /* a complete head was received: a status line must follow */
};

enum fy_answer_head_got {
    FY_ANSWER_HEAD_MORE,    /* more lines follow */
    FY_ANSWER_HEAD_COMPLETE /* the empty line that ends a final answer, or one that switches protocols */
};

/*
 * Add a line, with or without its line end.  A line that is not a header (no colon, or a continuation) is ignored.
 * Returns an enum fy_answer_head_got; FERRY_ERR_PROTOCOL: the head is too long; FERRY_ERR_NOMEM.
 */
int fy_answer_head_add(struct fy_answer_head *head, const char *line, size_t len);

/*
 * Add bytes of a connection, up to the end of the head.  When the head is complete, *ret_used tells how many belonged
 * to it.  Returns as above, and FERRY_ERR_PROTOCOL also for bytes that are not HTTP/1.
 */
int fy_answer_head_feed(struct fy_answer_head *head, const uint8_t *data, size_t len, size_t *ret_used);

/* Has any byte been received? */
bool fy_answer_head_has_begun(const struct fy_answer_head *head);

/*
 * The headers in the order received: an array of head->n_headers, which the caller frees.  Names and values live until
 * the release.  NULL: out of memory.
 */
struct fy_header *fy_answer_head_list(const struct fy_answer_head *head);

void fy_answer_head_release(struct fy_answer_head *head); /* zeroed again */

#endif
