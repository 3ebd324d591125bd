/*
 * texts - a list of texts, ended by NULL.
 */
#include "etcd-member/texts.h"

#include <stdlib.h>
#include <string.h>

#include "etcd-member/mem.h"

size_t texts_count(char *const *texts)
{
    size_t n = 0;

    while (texts && texts[n])
        n++;
    return n;
}

void texts_free(char **texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        free(texts[i]);
    free(texts);
}

static char **add_part(char **texts, const char *text, size_t len)
{
    size_t n = texts_count(texts);

    texts = mem_resize(texts, n + 2, sizeof(*texts));
    texts[n] = mem_copy(text, len);
    texts[n + 1] = NULL;
    return texts;
}

char **texts_add(char **texts, const char *text)
{
    return add_part(texts, text, strlen(text));
}

char **texts_copy(char *const *texts)
{
    char **copy = NULL;

    for (size_t i = 0; texts && texts[i]; i++)
        copy = texts_add(copy, texts[i]);
    return copy;
}

char **texts_split(const char *text, char between)
{
    char **texts = NULL;

    while (*text) {
        const char *end = strchrnul(text, between);

        texts = add_part(texts, text, (size_t)(end - text));
        text = *end ? end + 1 : end;
    }
    return texts;
}

bool texts_have(char *const *texts, const char *text)
{
    for (size_t i = 0; texts && texts[i]; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

bool texts_equal(char *const *a, char *const *b)
{
    size_t n = texts_count(a);

    if (n != texts_count(b))
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}
