/*
 * completions - an array that grows, and is emptied at once.
 */
#include "adapters/libraft/completions.h"

#include <assert.h>
#include <stdlib.h>

bool fy_completions_reserve(struct fy_completions *list)
{
    struct fy_completion *items;
    size_t cap = list->cap > 0 ? 2 * list->cap : 64;

    if (list->n < list->cap)
        return true;
    items = realloc(list->items, cap * sizeof(*items));
    if (!items)
        return false;
    list->items = items;
    list->cap = cap;
    return true;
}

void fy_completions_add(struct fy_completions *list, const struct fy_completion *item)
{
    assert(list->n < list->cap);
    list->items[list->n++] = *item;
}

void fy_completions_release(struct fy_completions *list)
{
    assert(list->n == 0);
    free(list->items);
    *list = (struct fy_completions){.items = NULL};
}
