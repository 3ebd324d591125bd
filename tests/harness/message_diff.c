/*
 * message_diff - two messages compared, with all that they hold.
 */
#include "harness/message_diff.h"

#include <string.h>

static bool same_bytes(struct ferry_bytes a, struct ferry_bytes b)
{
    return !a.data == !b.data && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool same_ids(const uint64_t *a, size_t n_a, const uint64_t *b, size_t n_b)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

static bool same_entries(const struct ferry_message *a, const struct ferry_message *b)
{
    if (a->n_entries != b->n_entries)
        return false;
    for (size_t i = 0; i < a->n_entries; i++) {
        const struct ferry_entry *x = &a->entries[i];
        const struct ferry_entry *y = &b->entries[i];

        if (x->term != y->term || x->index != y->index || x->type != y->type || !same_bytes(x->data, y->data))
            return false;
    }
    return true;
}

static bool same_snapshot(const struct ferry_snapshot *a, const struct ferry_snapshot *b)
{
    const struct ferry_conf_state *x;
    const struct ferry_conf_state *y;

    if (!a || !b)
        return a == b;
    x = &a->conf_state;
    y = &b->conf_state;
    return same_bytes(a->data, b->data) && a->index == b->index && a->term == b->term &&
           same_ids(x->voters, x->n_voters, y->voters, y->n_voters) &&
           same_ids(x->learners, x->n_learners, y->learners, y->n_learners) &&
           same_ids(x->voters_outgoing, x->n_voters_outgoing, y->voters_outgoing, y->n_voters_outgoing) &&
           same_ids(x->learners_next, x->n_learners_next, y->learners_next, y->n_learners_next) &&
           x->auto_leave == y->auto_leave;
}

const char *message_diff(const struct ferry_message *a, const struct ferry_message *b)
{
#define COMPARE(field)                                                                                                 \
    if (a->field != b->field)                                                                                          \
    return #field
    COMPARE(type);
    COMPARE(to);
    COMPARE(from);
    COMPARE(term);
    COMPARE(log_term);
    COMPARE(index);
    COMPARE(commit);
    COMPARE(reject);
    COMPARE(reject_hint);
    COMPARE(vote);
    COMPARE(n_responses);
#undef COMPARE
    if (!same_entries(a, b))
        return "entries";
    if (!same_snapshot(a->snapshot, b->snapshot))
        return "snapshot";
    if (!same_bytes(a->context, b->context))
        return "context";
    for (size_t i = 0; i < a->n_responses; i++)
        if (message_diff(&a->responses[i], &b->responses[i]))
            return "responses";
    return NULL;
}
