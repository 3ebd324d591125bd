/*
 * text - a buffer that doubles when it is full.
 */
#include "base/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"

#define FIRST_ROOM 4096

void fy_text_init(struct fy_text *text)
{
    *text = (struct fy_text){.err = FERRY_OK};
}

void fy_text_release(struct fy_text *text)
{
    free(text->data);
    fy_text_init(text);
}

/* Make room for len more bytes.  False: out of memory. */
static int reserve(struct fy_text *text, size_t len)
{
    size_t room = text->room ? text->room : FIRST_ROOM;
    char *data;

    while (text->err == FERRY_OK && room - text->len < len) {
        if (room > SIZE_MAX / 2)
            text->err = FERRY_ERR_NOMEM;
        else
            room *= 2;
    }
    if (text->err == FERRY_OK && room != text->room) {
        data = realloc(text->data, room);
        if (data) {
            text->data = data;
            text->room = room;
        } else {
            text->err = FERRY_ERR_NOMEM;
        }
    }
    return text->err;
}

void fy_text_add(struct fy_text *text, const char *data, size_t len)
{
    if (len == 0 || reserve(text, len) != FERRY_OK)
        return;
    memcpy(text->data + text->len, data, len);
    text->len += len;
}

void fy_text_put(struct fy_text *text, const char *string)
{
    fy_text_add(text, string, strlen(string));
}

void fy_text_print(struct fy_text *text, const char *format, ...)
{
    char piece[256];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(piece, sizeof(piece), format, args);
    va_end(args);
    assert(len >= 0 && (size_t)len < sizeof(piece)); /* for numbers and short words; use put for the rest */
    fy_text_add(text, piece, (size_t)len);
}
