/*
 * json - JSON as etcd writes it.
 */
#include "etcd-member/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/mem.h"
#include "etcd-member/texts.h"

static bool is_number_byte(char byte)
{
    return byte != '\0' && strchr("+-.0123456789eE", byte) != NULL;
}

/* Put quotes around each number.  A document grows by at most twice its length. */
static char *quote_numbers(const char *text, size_t len, size_t *ret_len)
{
    char *quoted = mem_resize(NULL, 3 * len + 1, 1);
    bool in_string = false;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        bool begins = !in_string && (text[i] == '-' || (text[i] >= '0' && text[i] <= '9'));

        if (begins) {
            quoted[n++] = '"';
            while (i < len && is_number_byte(text[i]))
                quoted[n++] = text[i++];
            quoted[n++] = '"';
            if (i == len)
                break;
        }
        quoted[n++] = text[i];
        if (in_string && text[i] == '\\' && i + 1 < len)
            quoted[n++] = text[++i];
        else if (text[i] == '"')
            in_string = !in_string;
    }
    *ret_len = n;
    return quoted;
}

json_t *json_read(const void *text, size_t len)
{
    size_t quoted_len;
    char *quoted;
    json_t *read;

    if (!text)
        return NULL;
    quoted = quote_numbers(text, len, &quoted_len);
    read = json_loadb(quoted, quoted_len, 0, NULL);
    free(quoted);
    return read;
}

bool json_number(const json_t *value, int base, uint64_t *ret_number)
{
    const char *text = json_string_value(value);
    char *end;

    if (!text || !*text || strchr("+- ", *text))
        return false;
    errno = 0;
    *ret_number = strtoull(text, &end, base);
    return errno == 0 && *end == '\0';
}

char **json_texts(const json_t *array)
{
    char **texts = NULL;

    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (text)
            texts = texts_add(texts, text);
    }
    return texts;
}

void json_write_text(FILE *to, const char *text)
{
    json_t *value = json_string(text);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

    fputs(quoted ? quoted : "\"\"", to); /* what is no UTF-8 cannot be said */
    free(quoted);
    json_decref(value);
}

void json_write_texts(FILE *to, char *const *texts)
{
    putc('[', to);
    for (size_t i = 0; texts && texts[i]; i++) {
        if (i > 0)
            putc(',', to);
        json_write_text(to, texts[i]);
    }
    putc(']', to);
}
