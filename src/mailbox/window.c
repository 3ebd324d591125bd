/*
 * window - rings of sequences, found by sender, incarnation and subject.
 */
#include "mailbox/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 8

void fy_windows_init(struct fy_windows *windows, struct fy_journal *journal, size_t max_windows, size_t size,
                     uint64_t retention_ns)
{
    *windows = (struct fy_windows){
        .journal = journal, .max_windows = max_windows, .size = size, .retention_ns = retention_ns};
    fy_lookup_init(&windows->by_name);
    fy_list_init(&windows->by_age);
}

static struct fy_seen *slot(const struct fy_window *window, size_t i)
{
    return &window->seen[(window->first + i) % window->n_slots];
}

static void free_body(struct fy_seen *seen)
{
    free((void *)(uintptr_t)seen->body.data);
    seen->body = (struct ferry_bytes){NULL, 0};
}

static void free_window(struct fy_window *window)
{
    for (size_t i = 0; i < window->n; i++)
        free_body(slot(window, i));
    free(window->seen);
    free(window);
}

static void unlink_window(struct fy_windows *windows, struct fy_window *window)
{
    assert(window->n_users == 0);
    fy_list_remove(&window->node);
    fy_lookup_remove(&windows->by_name, &window->entry);
    windows->n--;
}

static void drop_done(struct fy_change *change, int err)
{
    (void)err; /* it is forgotten either way */
    free_window(fy_container(change, struct fy_window, drop));
}

/* Forget a window, in the store as well. */
static void drop_window(struct fy_windows *windows, struct fy_window *window)
{
    unlink_window(windows, window);
    if (!window->is_stored) {
        free_window(window);
        return;
    }
    window->drop.kind = FY_CHANGE_DROP_WINDOW;
    window->drop.done = drop_done;
    window->drop.seen = (struct fy_seen_row){
        .sender = window->sender, .subject = window->subject, .incarnation = window->incarnation};
    fy_journal_add(windows->journal, &window->drop);
}

void fy_windows_release(struct fy_windows *windows)
{
    struct fy_node *node;

    while ((node = fy_list_first(&windows->by_age))) {
        struct fy_window *window = fy_container(node, struct fy_window, node);

        unlink_window(windows, window);
        free_window(window);
    }
    fy_lookup_release(&windows->by_name);
}

static bool same(struct ferry_bytes a, struct ferry_bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static uint64_t hash_of(struct ferry_bytes sender, uint64_t incarnation, struct ferry_bytes subject)
{
    return fy_hash(fy_hash(incarnation, sender.data, sender.len), subject.data, subject.len);
}

static struct fy_window *find(const struct fy_windows *windows, struct ferry_bytes sender, uint64_t incarnation,
                              struct ferry_bytes subject)
{
    struct fy_entry *entry = fy_lookup_find(&windows->by_name, hash_of(sender, incarnation, subject));

    for (; entry; entry = fy_lookup_find_next(entry)) {
        struct fy_window *window = fy_container(entry, struct fy_window, entry);

        if (window->incarnation == incarnation && same(window->sender, sender) && same(window->subject, subject))
            return window;
    }
    return NULL;
}

/* Drop the least recently used window that may go. */
static bool make_room(struct fy_windows *windows, uint64_t now_ns)
{
    for (struct fy_node *node = fy_list_first(&windows->by_age); node; node = fy_list_next(&windows->by_age, node)) {
        struct fy_window *window = fy_container(node, struct fy_window, node);

        if (now_ns - window->last_used_ns < windows->retention_ns)
            return false;
        if (window->n_users == 0) {
            drop_window(windows, window);
            return true;
        }
    }
    return false;
}

static struct fy_window *new_window(struct fy_windows *windows, struct ferry_bytes sender, uint64_t incarnation,
                                    struct ferry_bytes subject)
{
    struct fy_window *window = calloc(1, sizeof(*window) + sender.len + subject.len);

    if (!window)
        return NULL;
    memcpy(window->names, sender.data, sender.len);
    memcpy(window->names + sender.len, subject.data, subject.len);
    window->sender = (struct ferry_bytes){window->names, sender.len};
    window->subject = (struct ferry_bytes){window->names + sender.len, subject.len};
    window->incarnation = incarnation;
    window->windows = windows;
    fy_list_init(&window->pending);
    fy_lookup_add(&windows->by_name, &window->entry, hash_of(sender, incarnation, subject));
    fy_list_append(&windows->by_age, &window->node);
    windows->n++;
    return window;
}

int fy_windows_get(struct fy_windows *windows, struct ferry_bytes sender, uint64_t incarnation,
                   struct ferry_bytes subject, uint64_t now_ns, struct fy_window **ret_window)
{
    struct fy_window *window = find(windows, sender, incarnation, subject);

    if (!window && windows->n >= windows->max_windows && !make_room(windows, now_ns))
        return FERRY_ERR_FULL;
    if (!window)
        window = new_window(windows, sender, incarnation, subject);
    if (!window)
        return FERRY_ERR_NOMEM;
    window->last_used_ns = now_ns;
    fy_list_remove(&window->node);
    fy_list_append(&windows->by_age, &window->node);
    *ret_window = window;
    return FERRY_OK;
}

void fy_windows_forget(struct fy_windows *windows, struct ferry_bytes sender)
{
    struct fy_node *node = fy_list_first(&windows->by_age);

    while (node) {
        struct fy_window *window = fy_container(node, struct fy_window, node);

        node = fy_list_next(&windows->by_age, node);
        if (window->n_users == 0 && same(window->sender, sender))
            drop_window(windows, window);
    }
}

void fy_window_unuse(struct fy_window *window)
{
    assert(window->n_users > 0);
    window->n_users--;
}

struct fy_seen *fy_window_find(struct fy_window *window, uint64_t sequence)
{
    size_t low = 0, high = window->n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (slot(window, middle)->sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < window->n && slot(window, low)->sequence == sequence ? slot(window, low) : NULL;
}

static int grow(struct fy_window *window)
{
    const size_t wanted = window->n_slots == 0 ? FIRST_SLOTS : 2 * window->n_slots;
    const size_t n_slots = wanted < window->windows->size ? wanted : window->windows->size;
    struct fy_seen *seen = calloc(n_slots, sizeof(*seen));

    if (!seen)
        return FERRY_ERR_NOMEM;
    for (size_t i = 0; i < window->n; i++)
        seen[i] = *slot(window, i);
    free(window->seen);
    window->seen = seen;
    window->n_slots = n_slots;
    window->first = 0;
    return FERRY_OK;
}

int fy_window_add(struct fy_window *window, uint64_t sequence, struct fy_seen **ret_seen)
{
    struct fy_seen *seen;

    assert(sequence > window->highest);
    if (window->n == window->windows->size) {
        seen = slot(window, 0);
        if (!seen->is_final)
            return FERRY_ERR_FULL;
        window->evicted = seen->sequence;
        free_body(seen);
        window->first = (window->first + 1) % window->n_slots;
        window->n--;
    } else if (window->n == window->n_slots) {
        int err = grow(window);

        if (err)
            return err;
    }
    seen = slot(window, window->n++);
    *seen = (struct fy_seen){.sequence = sequence};
    window->highest = sequence;
    *ret_seen = seen;
    return FERRY_OK;
}

bool fy_window_take_back(struct fy_window *window, uint64_t sequence)
{
    if (window->highest != sequence)
        return false;
    window->n--;
    window->highest = window->n > 0 ? slot(window, window->n - 1)->sequence : window->evicted;
    return true;
}

void fy_seen_set(struct fy_seen *seen, uint8_t status, uint8_t flags, int32_t code, struct ferry_bytes body)
{
    uint8_t *copy = body.len > 0 ? malloc(body.len) : NULL;

    free_body(seen);
    if (copy) {
        memcpy(copy, body.data, body.len);
        seen->body = (struct ferry_bytes){copy, body.len};
    }
    seen->status = status;
    seen->flags = flags;
    seen->code = code;
}

int fy_windows_load(struct fy_windows *windows, const struct fy_seen_row *row, uint64_t now_ns)
{
    struct fy_window *window;
    struct fy_seen *seen;
    int err = fy_windows_get(windows, row->sender, row->incarnation, row->subject, now_ns, &window);

    if (!err && row->sequence <= window->highest)
        return FERRY_ERR_MALFORMED;
    if (!err)
        err = fy_window_add(window, row->sequence, &seen);
    if (err)
        return err;
    window->is_stored = true;
    fy_seen_set(seen, (uint8_t)row->status, (uint8_t)row->flags, row->code, row->body);
    seen->is_final = true;
    return FERRY_OK;
}
