/*
 * journal.h - changes on their way into the store, gathered into groups of which one is stored at a time.
 *
 * A group is stored as a whole or not at all.  What is added while a group is being stored makes the next one, so that
 * one sync serves all who wait.  A group that fails is kept in front of what was added since and tried again: order is
 * never changed, and nothing is told as stored before its group was.
 *
 * Threads: the mailbox's.  Changes are links in what they are about, so adding one cannot fail.
 */
#ifndef FY_MAILBOX_JOURNAL_H
#define FY_MAILBOX_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "ferry/ferry.h"
#include "net/timers.h"

enum fy_change_kind {
    FY_CHANGE_PUT_MAIL,    /* mail: a message was accepted */
    FY_CHANGE_DROP_MAIL,   /* sequence: it is settled */
    FY_CHANGE_BURY_MAIL,   /* mail, end: it is settled and becomes a dead letter, whether it was put or not */
    FY_CHANGE_DROP_DEAD,   /* sequence: a dead letter is gone */
    FY_CHANGE_PUT_SEEN,    /* seen; and drop_sequence of the same window is gone, if it is not 0 */
    FY_CHANGE_DROP_WINDOW, /* seen: all of a window is gone */
    FY_CHANGE_RESERVE,     /* sequence: numbers below may be in use */
};

/* An outgoing message as it is stored.  Wall-clock times are in milliseconds since 1970. */
struct fy_mail_row {
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
    uint32_t max_attempts;
    uint32_t ack_timeout_ms;
    struct ferry_bytes frame; /* mail_frame.h */
};

/* How a dead letter ended. */
struct fy_end_row {
    uint32_t status; /* enum fy_mail_end */
    uint32_t answer; /* enum fy_mail_answer_status, 0: there was none */
    int32_t code;
    uint32_t attempts;
};

/* A message that was handled, and what its sender was told.  window: sender, incarnation and subject. */
struct fy_seen_row {
    struct ferry_bytes sender;
    struct ferry_bytes subject;
    uint64_t incarnation;
    uint64_t sequence;
    uint32_t status; /* enum fy_mail_answer_status */
    uint32_t flags;
    int32_t code;
    struct ferry_bytes body;
};

struct fy_change {
    struct fy_node node; /* the journal's */
    enum fy_change_kind kind;
    bool is_storing; /* it is in the group that is being stored */
    uint64_t sequence;
    uint64_t drop_sequence;
    struct fy_mail_row mail; /* lent by who added the change, until it is stored, as all that follows */
    struct fy_end_row end;
    struct fy_seen_row seen;
    void (*done)(struct fy_change *change, int err); /* its group is safe; or FERRY_ERR_CANCELED: it is forgotten */
};

/*
 * What keeps groups.  store is called with changes that stay as they are until fy_journal_done tells how it went, which
 * may not be called from inside.
 */
struct fy_store {
    void *ctx;
    void (*store)(void *ctx, const struct fy_list *changes);
};

struct fy_journal {
    struct fy_store store;
    struct fy_timers *timers;
    uint64_t (*now_ns)(void *ctx);
    void *clock_ctx;
    struct fy_list gathering; /* struct fy_change */
    struct fy_list storing;
    bool is_busy;    /* a group is with the store */
    bool is_failing; /* the last group was not stored, and no other since */
    struct fy_timer retry;
};

#define FY_JOURNAL_RETRY_MS 1000

void fy_journal_init(struct fy_journal *journal, struct fy_store store, struct fy_timers *timers,
                     uint64_t (*now_ns)(void *ctx), void *clock_ctx);

/* Forget all changes: whether they were stored is not known.  The store must not call back any more. */
void fy_journal_release(struct fy_journal *journal);

void fy_journal_add(struct fy_journal *journal, struct fy_change *change);
bool fy_change_is_added(const struct fy_change *change);

/* Take back a change that is not being stored yet.  False: it is too late. */
bool fy_journal_take_back(struct fy_change *change);

/* Give the store what was gathered, unless it is busy.  To be called at the end of each turn. */
void fy_journal_flush(struct fy_journal *journal);

/* The store is done with its group. */
void fy_journal_done(struct fy_journal *journal, int err);

bool fy_journal_is_idle(const struct fy_journal *journal); /* all is stored */

#endif
