/*
 * answer_body - finds the end of an answer's body: chunked, of a given length, or up to the end of the connection.
 *
 * A transfer coding takes precedence over a length (RFC 9112).
 */
#include "wire/answer_body.h"

#include <string.h>
#include <strings.h>

#include "ferry/ferry.h"

/* Digits only, and small enough.  FERRY_OK or FERRY_ERR_PROTOCOL. */
static int read_length(const char *text, uint64_t *ret_length)
{
    uint64_t length = 0;

    if (!*text)
        return FERRY_ERR_PROTOCOL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || length > UINT64_MAX / 10 - 1)
            return FERRY_ERR_PROTOCOL;
        length = 10 * length + (uint64_t)(*text - '0');
    }
    *ret_length = length;
    return FERRY_OK;
}

static int take_length(struct fy_answer_body *body, const char *text)
{
    uint64_t length = 0;
    int err = read_length(text, &length);

    if (err || (body->form == FY_BODY_OF_LENGTH && body->left != length))
        return FERRY_ERR_PROTOCOL;
    body->form = FY_BODY_OF_LENGTH;
    body->left = length;
    return FERRY_OK;
}

int fy_answer_body_init(struct fy_answer_body *body, int status, const struct fy_header *headers, size_t n_headers)
{
    bool is_chunked = false;
    int err = FERRY_OK;

    *body = (struct fy_answer_body){.form = FY_BODY_UNTIL_CLOSE, .left = UINT64_MAX};
    fy_chunks_init(&body->chunks);
    for (size_t i = 0; i < n_headers && !err; i++) {
        if (strcasecmp(headers[i].name, "Content-Length") == 0)
            err = take_length(body, headers[i].value);
        else if (strcasecmp(headers[i].name, "Transfer-Encoding") == 0)
            err = !is_chunked && strcasecmp(headers[i].value, "chunked") == 0 ? FERRY_OK : FERRY_ERR_PROTOCOL;
        is_chunked = is_chunked || strcasecmp(headers[i].name, "Transfer-Encoding") == 0;
    }
    if (is_chunked)
        body->form = FY_BODY_IN_CHUNKS;
    if (status == 204 || status == 304)
        *body = (struct fy_answer_body){.form = FY_BODY_OF_LENGTH, .left = 0};
    return err;
}

int fy_answer_body_feed(struct fy_answer_body *body, const uint8_t *data, size_t len, size_t *ret_used, size_t *ret_len)
{
    if (body->form == FY_BODY_IN_CHUNKS)
        return fy_chunks_feed(&body->chunks, data, len, ret_used, ret_len);
    if (body->left == 0) {
        *ret_used = 0;
        return FY_CHUNKS_END;
    }
    if (len == 0) {
        *ret_used = 0;
        return FY_CHUNKS_NOTHING;
    }
    if (len > body->left)
        len = (size_t)body->left;
    if (body->form == FY_BODY_OF_LENGTH)
        body->left -= len;
    *ret_used = *ret_len = len;
    return FY_CHUNKS_BODY;
}

uint64_t fy_answer_body_left(const struct fy_answer_body *body)
{
    return body->form == FY_BODY_IN_CHUNKS ? fy_chunks_left(&body->chunks) : body->left;
}

bool fy_answer_body_is_complete(const struct fy_answer_body *body)
{
    return body->form == FY_BODY_OF_LENGTH && body->left == 0;
}

bool fy_answer_body_ends_by_close(const struct fy_answer_body *body)
{
    return body->form == FY_BODY_UNTIL_CLOSE || fy_answer_body_is_complete(body);
}
