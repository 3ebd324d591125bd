/*
 * mem - memory that is there.
 */
#include "etcd-member/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/say.h"

static void *there(void *block)
{
    if (!block)
        die("out of memory");
    return block;
}

void *mem_zero(size_t n_bytes)
{
    return there(calloc(1, n_bytes > 0 ? n_bytes : 1));
}

void *mem_resize(void *block, size_t n, size_t item_size)
{
    return there(n > SIZE_MAX / item_size ? NULL : realloc(block, n > 0 ? n * item_size : 1));
}

void *mem_copy(const void *data, size_t len)
{
    char *copy = mem_resize(NULL, len + 1, 1);

    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *mem_print(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&text, format, args);
    va_end(args);
    return there(len < 0 ? NULL : text);
}

void *mem_grow(void *list, size_t n, size_t *room, size_t item_size)
{
    if (n < *room)
        return list;
    *room = *room > 0 ? *room * 2 : 8;
    return mem_resize(list, *room, item_size);
}
