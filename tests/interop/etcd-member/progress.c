/*
 * progress - what a leader knows of each member's log.
 */
#include "etcd-member/progress.h"

#include <stdlib.h>

#include "etcd-member/mem.h"

void progress_table_release(struct progress_table *table)
{
    for (size_t i = 0; i < table->n; i++)
        free(table->list[i]);
    free(table->list);
    *table = (struct progress_table){0};
}

struct progress *progress_find(const struct progress_table *table, uint64_t id)
{
    for (size_t i = 0; i < table->n; i++)
        if (table->list[i]->id == id)
            return table->list[i];
    return NULL;
}

struct progress *progress_add(struct progress_table *table, uint64_t id, uint64_t next)
{
    struct progress *p = mem_zero(sizeof(*p));

    p->id = id;
    p->next = next;
    table->list = mem_resize(table->list, table->n + 1, sizeof(*table->list));
    table->list[table->n++] = p;
    return p;
}

void progress_remove(struct progress_table *table, uint64_t id)
{
    for (size_t i = 0; i < table->n; i++) {
        if (table->list[i]->id != id)
            continue;
        free(table->list[i]);
        table->list[i] = table->list[--table->n];
        return;
    }
}

static void enter(struct progress *p, enum progress_state state)
{
    p->state = state;
    p->probe_sent = false;
    p->pending_snapshot = 0;
    p->n_inflight = 0;
}

void progress_probe(struct progress *p)
{
    uint64_t stored = p->state == PROGRESS_SNAPSHOT ? p->pending_snapshot : 0;

    enter(p, PROGRESS_PROBE);
    p->next = (stored > p->match ? stored : p->match) + 1;
}

void progress_replicate(struct progress *p)
{
    enter(p, PROGRESS_REPLICATE);
    p->next = p->match + 1;
}

void progress_snapshot(struct progress *p, uint64_t index)
{
    enter(p, PROGRESS_SNAPSHOT);
    p->pending_snapshot = index;
}

bool progress_is_paused(const struct progress *p)
{
    switch (p->state) {
    case PROGRESS_PROBE:
        return p->probe_sent;
    case PROGRESS_REPLICATE:
        return p->n_inflight == PROGRESS_MAX_INFLIGHT;
    case PROGRESS_SNAPSHOT:
        break;
    }
    return true;
}

void progress_sent(struct progress *p, uint64_t last, size_t n_entries)
{
    if (n_entries == 0)
        return;
    if (p->state == PROGRESS_PROBE) {
        p->probe_sent = true;
        return;
    }
    p->next = last + 1;
    p->inflight[(p->inflight_first + p->n_inflight++) % PROGRESS_MAX_INFLIGHT] = last;
}

void progress_free_one(struct progress *p)
{
    if (p->n_inflight < PROGRESS_MAX_INFLIGHT)
        return;
    p->inflight_first = (p->inflight_first + 1) % PROGRESS_MAX_INFLIGHT;
    p->n_inflight--;
}

bool progress_update(struct progress *p, uint64_t index)
{
    if (index >= p->next)
        p->next = index + 1;
    if (index <= p->match)
        return false;
    p->match = index;
    p->probe_sent = false;
    while (p->n_inflight > 0 && p->inflight[p->inflight_first] <= index) {
        p->inflight_first = (p->inflight_first + 1) % PROGRESS_MAX_INFLIGHT;
        p->n_inflight--;
    }
    return true;
}

bool progress_decrease(struct progress *p, uint64_t index, uint64_t hint)
{
    if (p->state == PROGRESS_REPLICATE) {
        if (index <= p->match)
            return false;
        progress_probe(p);
        return true;
    }
    if (p->state == PROGRESS_SNAPSHOT || p->next - 1 != index)
        return false;
    p->next = (index < hint + 1 ? index : hint + 1);
    if (p->next <= p->match)
        p->next = p->match + 1;
    if (p->next == 0)
        p->next = 1;
    p->probe_sent = false;
    return true;
}
