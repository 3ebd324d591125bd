/*
 * journal - group commit: gather while the store works.
 */
#include "mailbox/journal.h"

#include <assert.h>

#define NS_PER_MS UINT64_C(1000000)

static void on_retry(void *arg)
{
    fy_journal_flush(arg);
}

void fy_journal_init(struct fy_journal *journal, struct fy_store store, struct fy_timers *timers,
                     uint64_t (*now_ns)(void *ctx), void *clock_ctx)
{
    *journal = (struct fy_journal){.store = store, .timers = timers, .now_ns = now_ns, .clock_ctx = clock_ctx};
    fy_list_init(&journal->gathering);
    fy_list_init(&journal->storing);
    fy_timer_init(&journal->retry, timers, on_retry, journal);
}

/* What is told may add changes, and free the one that it is about. */
static void tell_all(struct fy_list *changes, int err)
{
    struct fy_list told;
    struct fy_node *node;

    fy_list_init(&told);
    fy_list_splice(&told, changes);
    while ((node = fy_list_take_first(&told))) {
        struct fy_change *change = fy_container(node, struct fy_change, node);

        change->is_storing = false;
        change->done(change, err);
    }
}

void fy_journal_release(struct fy_journal *journal)
{
    fy_timer_unset(&journal->retry);
    fy_list_splice(&journal->storing, &journal->gathering);
    tell_all(&journal->storing, FERRY_ERR_CANCELED);
}

void fy_journal_add(struct fy_journal *journal, struct fy_change *change)
{
    assert(!change->is_storing);
    fy_list_append(&journal->gathering, &change->node);
}

bool fy_change_is_added(const struct fy_change *change)
{
    return fy_node_is_linked(&change->node);
}

bool fy_journal_take_back(struct fy_change *change)
{
    if (!fy_change_is_added(change) || change->is_storing)
        return false;
    fy_list_remove(&change->node);
    return true;
}

void fy_journal_flush(struct fy_journal *journal)
{
    if (journal->is_busy || fy_list_is_empty(&journal->gathering) || fy_timer_is_set(&journal->retry))
        return;
    fy_list_splice(&journal->storing, &journal->gathering);
    for (struct fy_node *node = fy_list_first(&journal->storing); node; node = fy_list_next(&journal->storing, node))
        fy_container(node, struct fy_change, node)->is_storing = true;
    journal->is_busy = true;
    journal->store.store(journal->store.ctx, &journal->storing);
}

/* The group goes back in front of what was gathered meanwhile. */
static void keep(struct fy_journal *journal)
{
    for (struct fy_node *node = fy_list_first(&journal->storing); node; node = fy_list_next(&journal->storing, node))
        fy_container(node, struct fy_change, node)->is_storing = false;
    fy_list_splice(&journal->storing, &journal->gathering);
    fy_list_splice(&journal->gathering, &journal->storing);
    fy_timer_set(&journal->retry, journal->now_ns(journal->clock_ctx) + FY_JOURNAL_RETRY_MS * NS_PER_MS);
}

void fy_journal_done(struct fy_journal *journal, int err)
{
    assert(journal->is_busy);
    journal->is_busy = false;
    journal->is_failing = err != FERRY_OK;
    if (err) {
        keep(journal);
        return;
    }
    tell_all(&journal->storing, FERRY_OK);
}

bool fy_journal_is_idle(const struct fy_journal *journal)
{
    return !journal->is_busy && fy_list_is_empty(&journal->gathering);
}
