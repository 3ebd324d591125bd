/*
 * answer_head - an HTTP answer's status and headers, stored in one block.
 *
 * A new status line starts over: an informational head, or the head of a connection that was given up, does not matter
 * once another follows.
 */
#include "wire/answer_head.h"

#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"

static void restart(struct fy_answer_head *head, const char *line, size_t len)
{
    char text[16] = "";
    const char *space;

    memcpy(text, line, len < sizeof(text) ? len : sizeof(text) - 1);
    space = strchr(text, ' ');
    head->status = space ? (int)strtol(space, NULL, 10) : 0;
    head->len = 0;
    head->n_headers = 0;
    head->is_informational = false;
}

static int append_text(struct fy_answer_head *head, const char *text, size_t len)
{
    if (head->room - head->len < len + 1) {
        size_t room = head->room + len + 512;
        char *grown = realloc(head->text, room);

        if (!grown)
            return FERRY_ERR_NOMEM;
        head->text = grown;
        head->room = room;
    }
    memcpy(head->text + head->len, text, len);
    head->text[head->len + len] = '\0';
    head->len += len + 1;
    return FERRY_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int append_header(struct fy_answer_head *head, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    const char *value;
    const char *end = line + len;
    int err;

    if (!colon || is_blank(line[0]))
        return FERRY_OK;
    for (value = colon + 1; value < end && is_blank(*value); value++)
        ;
    while (end > value && is_blank(end[-1]))
        end--;
    err = append_text(head, line, (size_t)(colon - line));
    if (!err)
        err = append_text(head, value, (size_t)(end - value));
    if (!err)
        head->n_headers++;
    return err;
}

int fy_answer_head_add(struct fy_answer_head *head, const char *line, size_t len)
{
    if (len > FY_ANSWER_HEAD_MAX - head->n_bytes)
        return FERRY_ERR_PROTOCOL;
    head->n_bytes += len;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        restart(head, line, len);
        return FY_ANSWER_HEAD_MORE;
    }
    if (len > 0 && line[0] != '\r' && line[0] != '\n') {
        int err = append_header(head, line, len);

        return err ? err : FY_ANSWER_HEAD_MORE;
    }
    head->is_informational = head->status > 0 && head->status < 200;
    return head->status >= 200 || head->status == 101 ? FY_ANSWER_HEAD_COMPLETE : FY_ANSWER_HEAD_MORE;
}

/* ---- From the bytes of a connection ---- */

/* Parse a status line, or its beginning: "HTTP/1.1 200", with an optional reason. */
static bool may_be_status_line(const char *line, size_t len)
{
    static const char form[] = "HTTP/1.d ddd";

    for (size_t i = 0; i < len && form[i]; i++) {
        bool is_digit = line[i] >= '0' && line[i] <= '9';

        if (form[i] == 'd' ? !is_digit : line[i] != form[i])
            return false;
    }
    return len <= strlen(form) || is_blank(line[strlen(form)]);
}

static int keep_line(struct fy_answer_head *head, const uint8_t *data, size_t len)
{
    if (head->line_room - head->line_len < len) {
        size_t room = head->line_len + len + 256;
        char *grown;

        if (room > FY_ANSWER_HEAD_MAX + 256)
            return FERRY_ERR_PROTOCOL;
        grown = realloc(head->line, room);
        if (!grown)
            return FERRY_ERR_NOMEM;
        head->line = grown;
        head->line_room = room;
    }
    memcpy(head->line + head->line_len, data, len);
    head->line_len += len;
    return FERRY_OK;
}

/* Add bytes of one line; is_whole: they include the end of the line. */
static int take_line(struct fy_answer_head *head, const uint8_t *data, size_t len, bool is_whole)
{
    const char *line = (const char *)data;
    int err;

    if (head->line_len > 0 || !is_whole) {
        err = keep_line(head, data, len);
        if (err)
            return err;
        line = head->line;
        len = head->line_len;
    }
    if ((head->status == 0 || head->is_informational) &&
        !(may_be_status_line(line, len) && (!is_whole || len > strlen("HTTP/1.1 200"))))
        return FERRY_ERR_PROTOCOL;
    if (!is_whole)
        return FY_ANSWER_HEAD_MORE;
    head->line_len = 0;
    head->is_informational = false;
    return fy_answer_head_add(head, line, len);
}

int fy_answer_head_feed(struct fy_answer_head *head, const uint8_t *data, size_t len, size_t *ret_used)
{
    int got = FY_ANSWER_HEAD_MORE;
    size_t used = 0;

    while (got == FY_ANSWER_HEAD_MORE && used < len) {
        const uint8_t *end = memchr(data + used, '\n', len - used);
        size_t n = end ? (size_t)(end + 1 - (data + used)) : len - used;

        got = take_line(head, data + used, n, end != NULL);
        used += n;
    }
    *ret_used = used;
    return got;
}

bool fy_answer_head_has_begun(const struct fy_answer_head *head)
{
    return head->n_bytes > 0 || head->line_len > 0;
}

struct fy_header *fy_answer_head_list(const struct fy_answer_head *head)
{
    struct fy_header *headers = calloc(head->n_headers + 1, sizeof(*headers));
    const char *text = head->text;

    for (size_t i = 0; headers && i < head->n_headers; i++) {
        headers[i].name = text;
        text += strlen(text) + 1;
        headers[i].value = text;
        text += strlen(text) + 1;
    }
    return headers;
}

void fy_answer_head_release(struct fy_answer_head *head)
{
    free(head->text);
    free(head->line);
    *head = (struct fy_answer_head){.text = NULL};
}
