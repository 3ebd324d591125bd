/*
 * answer_head - a status, and names and values in one block.
 *
 * A new status line begins anew: an informational head, or that of a connection that was given up, is of no interest
 * once another follows.
 */
#include "net/http/answer_head.h"

#include <stdbool.h>
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
    return head->status >= 200 ? FY_ANSWER_HEAD_COMPLETE : FY_ANSWER_HEAD_MORE;
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
    *head = (struct fy_answer_head){.text = NULL};
}
