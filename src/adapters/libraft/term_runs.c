/*
 * term_runs - the log's terms as a sorted array of runs.
 *
 * Normal path: an entry of the last run's term only moves the end; a new term adds a run.  When memory for a run runs
 * out, all that is known is forgotten: a gap in the middle would give the entries after it the term before it.
 */
#include "adapters/libraft/term_runs.h"

#include <stdlib.h>
#include <string.h>

void fy_term_runs_reset(struct fy_term_runs *runs, uint64_t index, uint64_t term)
{
    runs->n = 0;
    runs->end = 0;
    if (index > 0)
        fy_term_runs_put(runs, index, term);
}

static int reserve_one(struct fy_term_runs *runs)
{
    size_t cap = runs->cap == 0 ? 8 : runs->cap * 2;
    struct fy_term_run *items;

    if (runs->n < runs->cap)
        return 1;
    items = realloc(runs->items, cap * sizeof(*items));
    if (!items)
        return 0;
    runs->items = items;
    runs->cap = cap;
    return 1;
}

void fy_term_runs_put(struct fy_term_runs *runs, uint64_t index, uint64_t term)
{
    fy_term_runs_truncate(runs, index);
    if (index != runs->end)
        runs->n = 0;
    if (runs->n == 0 || runs->items[runs->n - 1].term != term) {
        if (!reserve_one(runs)) {
            runs->n = 0;
            return;
        }
        runs->items[runs->n++] = (struct fy_term_run){.first = index, .term = term};
    }
    runs->end = index + 1;
}

void fy_term_runs_truncate(struct fy_term_runs *runs, uint64_t index)
{
    if (runs->n == 0 || index >= runs->end)
        return;
    while (runs->n > 0 && runs->items[runs->n - 1].first >= index)
        runs->n--;
    runs->end = index;
}

void fy_term_runs_forget_before(struct fy_term_runs *runs, uint64_t index)
{
    size_t n_gone = 0;

    if (runs->n == 0 || index <= runs->items[0].first)
        return;
    if (index >= runs->end) {
        runs->n = 0;
        return;
    }
    while (n_gone + 1 < runs->n && runs->items[n_gone + 1].first <= index)
        n_gone++;
    runs->n -= n_gone;
    memmove(runs->items, runs->items + n_gone, runs->n * sizeof(*runs->items));
    runs->items[0].first = index;
}

uint64_t fy_term_runs_at(const struct fy_term_runs *runs, uint64_t index)
{
    if (runs->n == 0 || index >= runs->end || index < runs->items[0].first)
        return 0;
    for (size_t i = runs->n; i-- > 0;) /* what is asked for is nearly always in the last run */
        if (runs->items[i].first <= index)
            return runs->items[i].term;
    return 0;
}

void fy_term_runs_release(struct fy_term_runs *runs)
{
    free(runs->items);
    *runs = (struct fy_term_runs){.items = NULL};
}
