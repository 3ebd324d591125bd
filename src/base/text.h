/*
 * text.h - a growing text buffer.
 *
 * If memory runs out, later additions are ignored and err stays set; check it once at the end.
 */
#ifndef FY_BASE_TEXT_H
#define FY_BASE_TEXT_H

#include <stddef.h>

struct fy_text {
    char *data; /* not NUL-terminated; NULL while empty */
    size_t len;
    size_t room;
    int err; /* FERRY_OK or FERRY_ERR_NOMEM */
};

void fy_text_init(struct fy_text *text);
void fy_text_release(struct fy_text *text);

void fy_text_add(struct fy_text *text, const char *data, size_t len);
void fy_text_put(struct fy_text *text, const char *string);
void fy_text_print(struct fy_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
