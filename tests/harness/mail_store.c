/*
 * mail_store - arrays of rows, changed by whole groups.
 */
#include "harness/mail_store.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void *grown(void *rows, size_t n, size_t size)
{
    rows = realloc(rows, (n + 1) * size);
    ck_assert_ptr_nonnull(rows);
    return rows;
}

static void add_mail(struct stored_mail **mails, size_t *n, const struct fy_change *change)
{
    struct stored_mail mail = {change->sequence, change->mail, change->end};
    uint8_t *frame = malloc(mail.row.frame.len + 1);

    ck_assert_ptr_nonnull(frame);
    if (mail.row.frame.len > 0)
        memcpy(frame, mail.row.frame.data, mail.row.frame.len);
    mail.row.frame.data = frame;
    *mails = grown(*mails, *n, sizeof(mail));
    (*mails)[(*n)++] = mail;
}

static void drop_mail(struct stored_mail *mails, size_t *n, uint64_t sequence)
{
    for (size_t i = 0; i < *n; i++) {
        if (mails[i].sequence != sequence)
            continue;
        free((void *)(uintptr_t)mails[i].row.frame.data);
        memmove(mails + i, mails + i + 1, (--*n - i) * sizeof(*mails));
        return;
    }
}

static bool same(struct ferry_bytes a, struct ferry_bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* Drop the rows of a window up to a sequence. */
static void drop_seen(struct mail_store *store, const struct fy_seen_row *window, uint64_t up_to)
{
    size_t n = 0;

    for (size_t i = 0; i < store->n_seen; i++) {
        const struct fy_seen_row *row = &store->seen[i].row;

        if (row->incarnation == window->incarnation && row->sequence <= up_to && same(row->sender, window->sender) &&
            same(row->subject, window->subject))
            free(store->seen[i].names);
        else
            store->seen[n++] = store->seen[i];
    }
    store->n_seen = n;
}

static void add_seen(struct mail_store *store, const struct fy_seen_row *row)
{
    struct stored_seen seen = {*row, malloc(row->sender.len + row->subject.len + row->body.len + 1)};
    size_t at = store->n_seen;

    ck_assert_ptr_nonnull(seen.names);
    memcpy(seen.names, row->sender.data, row->sender.len);
    memcpy(seen.names + row->sender.len, row->subject.data, row->subject.len);
    if (row->body.len > 0)
        memcpy(seen.names + row->sender.len + row->subject.len, row->body.data, row->body.len);
    seen.row.sender.data = seen.names;
    seen.row.subject.data = seen.names + row->sender.len;
    seen.row.body.data = seen.names + row->sender.len + row->subject.len;
    store->seen = grown(store->seen, store->n_seen, sizeof(seen));
    while (at > 0 && store->seen[at - 1].row.sequence > row->sequence)
        at--;
    memmove(store->seen + at + 1, store->seen + at, (store->n_seen++ - at) * sizeof(seen));
    store->seen[at] = seen;
}

static void apply(struct mail_store *store, const struct fy_change *change)
{
    switch (change->kind) {
    case FY_CHANGE_PUT_MAIL:
        ck_assert(!mail_store_has(store, change->sequence));
        add_mail(&store->mails, &store->n_mails, change);
        return;
    case FY_CHANGE_BURY_MAIL:
        drop_mail(store->mails, &store->n_mails, change->sequence);
        add_mail(&store->dead, &store->n_dead, change);
        return;
    case FY_CHANGE_DROP_MAIL:
        drop_mail(store->mails, &store->n_mails, change->sequence);
        return;
    case FY_CHANGE_DROP_DEAD:
        drop_mail(store->dead, &store->n_dead, change->sequence);
        return;
    case FY_CHANGE_PUT_SEEN:
        drop_seen(store, &change->seen, change->drop_sequence);
        add_seen(store, &change->seen);
        return;
    case FY_CHANGE_DROP_WINDOW:
        drop_seen(store, &change->seen, UINT64_MAX);
        return;
    case FY_CHANGE_RESERVE:
        ck_assert_uint_gt(change->sequence, store->reserved);
        store->reserved = change->sequence;
        return;
    }
}

void mail_store_init(struct mail_store *store, uint64_t reserved)
{
    *store = (struct mail_store){.reserved = reserved};
}

void mail_store_release(struct mail_store *store)
{
    for (size_t i = 0; i < store->n_mails; i++)
        free((void *)(uintptr_t)store->mails[i].row.frame.data);
    for (size_t i = 0; i < store->n_dead; i++)
        free((void *)(uintptr_t)store->dead[i].row.frame.data);
    for (size_t i = 0; i < store->n_seen; i++)
        free(store->seen[i].names);
    free(store->mails);
    free(store->dead);
    free(store->seen);
    *store = (struct mail_store){.reserved = 0};
}

void mail_store_apply(struct mail_store *store, const struct fy_list *changes)
{
    for (struct fy_node *node = fy_list_first(changes); node; node = fy_list_next(changes, node))
        apply(store, fy_container(node, struct fy_change, node));
}

bool mail_store_has(const struct mail_store *store, uint64_t sequence)
{
    for (size_t i = 0; i < store->n_mails; i++) {
        if (store->mails[i].sequence == sequence)
            return true;
    }
    return false;
}

bool mail_store_has_seen(const struct mail_store *store, const char *sender, uint64_t sequence)
{
    for (size_t i = 0; i < store->n_seen; i++) {
        const struct fy_seen_row *row = &store->seen[i].row;

        if (row->sequence == sequence && row->sender.len == strlen(sender) &&
            memcmp(row->sender.data, sender, row->sender.len) == 0)
            return true;
    }
    return false;
}

void mail_store_load(const struct mail_store *store, struct fy_outbox *box, struct fy_receiver *receiver)
{
    for (size_t i = 0; i < store->n_dead; i++)
        ck_assert_int_eq(fy_outbox_load_dead(box, store->dead[i].sequence, &store->dead[i].row, &store->dead[i].end),
                         FERRY_OK);
    for (size_t i = 0; i < store->n_mails; i++)
        ck_assert_int_eq(fy_outbox_load(box, store->mails[i].sequence, &store->mails[i].row), FERRY_OK);
    for (size_t i = 0; i < store->n_seen; i++)
        ck_assert_int_eq(fy_receiver_load(receiver, &store->seen[i].row), FERRY_OK);
}
