/*
 * window.h - what a receiver remembers of the messages that it has taken, so that none is handled twice.
 *
 * A window belongs to a sender, its incarnation and a subject.  It holds the last sequences with what their sender was
 * told.  A sequence below the highest one that is not in it is too old: a sender never goes back.
 * Threads: one.
 */
#ifndef FY_MAILBOX_WINDOW_H
#define FY_MAILBOX_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "ferry/ferry.h"
#include "mailbox/journal.h"
#include "mailbox/lookup.h"

struct fy_seen {
    uint64_t sequence;
    bool is_final; /* what follows is told to whoever asks; else it is being handled */
    uint8_t status;
    uint8_t flags;
    int32_t code;
    struct ferry_bytes body; /* ours */
};

struct fy_window {
    struct fy_entry entry;
    struct fy_node node; /* windows->by_age */
    struct ferry_bytes sender;
    struct ferry_bytes subject;
    uint64_t incarnation;
    uint64_t highest;
    uint64_t evicted; /* the highest sequence that is no more in it; 0: none */
    uint64_t last_used_ns;
    struct fy_list pending; /* the receiver's: what is handled or waits for it, in order */
    size_t n_users;         /* while there are any it stays */
    bool is_stored;         /* the store has something of it */
    struct fy_change drop;
    struct fy_windows *windows;
    struct fy_seen *seen; /* a ring of n_slots, n from first on, ascending */
    size_t n_slots;
    size_t first;
    size_t n;
    uint8_t names[];
};

struct fy_windows {
    struct fy_lookup by_name;
    struct fy_list by_age; /* the least recently used first */
    struct fy_journal *journal;
    size_t n;
    size_t max_windows;
    size_t size; /* sequences in each */
    uint64_t retention_ns;
};

void fy_windows_init(struct fy_windows *windows, struct fy_journal *journal, size_t max_windows, size_t size,
                     uint64_t retention_ns);
void fy_windows_release(struct fy_windows *windows); /* the journal was released before */

/*
 * The window of a sender and subject, made if need be.  FERRY_ERR_FULL: there are max_windows, and none is older than
 * the retention; FERRY_ERR_NOMEM.
 */
int fy_windows_get(struct fy_windows *windows, struct ferry_bytes sender, uint64_t incarnation,
                   struct ferry_bytes subject, uint64_t now_ns, struct fy_window **ret_window);

/* Forget all windows of a sender that have no users. */
void fy_windows_forget(struct fy_windows *windows, struct ferry_bytes sender);

void fy_window_unuse(struct fy_window *window);

struct fy_seen *fy_window_find(struct fy_window *window, uint64_t sequence); /* NULL: it is not in it */

/*
 * Enter a sequence above the highest one.  *ret_seen stays where it is until the next call.
 * FERRY_ERR_FULL: the one that would have to go is still being handled; FERRY_ERR_NOMEM.
 */
int fy_window_add(struct fy_window *window, uint64_t sequence, struct fy_seen **ret_seen);

/*
 * Take back a sequence that is not final, as if it had never come.  False: a later one was entered, so it cannot come
 * again.
 */
bool fy_window_take_back(struct fy_window *window, uint64_t sequence);

/* What its sender is told.  Without memory for the body there is none. */
void fy_seen_set(struct fy_seen *seen, uint8_t status, uint8_t flags, int32_t code, struct ferry_bytes body);

/* A sequence from the store, ascending in each window. */
int fy_windows_load(struct fy_windows *windows, const struct fy_seen_row *row, uint64_t now_ns);

#endif
