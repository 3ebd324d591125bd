/*
 * ids - a sorted set of member ids.
 */
#include "etcd-member/ids.h"

#include <stdlib.h>
#include <string.h>

#include "etcd-member/mem.h"

/* Where id is, or would be. */
static size_t place_of(const struct ids *ids, uint64_t id)
{
    size_t i = 0;

    while (i < ids->n && ids->list[i] < id)
        i++;
    return i;
}

void ids_release(struct ids *ids)
{
    free(ids->list);
    ids->list = NULL;
    ids->n = 0;
}

bool ids_have(const struct ids *ids, uint64_t id)
{
    size_t i = place_of(ids, id);

    return i < ids->n && ids->list[i] == id;
}

void ids_add(struct ids *ids, uint64_t id)
{
    size_t i = place_of(ids, id);

    if (i < ids->n && ids->list[i] == id)
        return;
    ids->list = mem_resize(ids->list, ids->n + 1, sizeof(*ids->list));
    memmove(ids->list + i + 1, ids->list + i, (ids->n - i) * sizeof(*ids->list));
    ids->list[i] = id;
    ids->n++;
}

void ids_remove(struct ids *ids, uint64_t id)
{
    size_t i = place_of(ids, id);

    if (i == ids->n || ids->list[i] != id)
        return;
    ids->n--;
    memmove(ids->list + i, ids->list + i + 1, (ids->n - i) * sizeof(*ids->list));
}

void ids_set(struct ids *ids, const uint64_t *list, size_t n)
{
    ids_release(ids);
    for (size_t i = 0; i < n; i++)
        ids_add(ids, list[i]);
}
