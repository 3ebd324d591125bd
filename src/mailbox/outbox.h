/*
 * outbox.h - outgoing messages: accepted, kept in order, sent, sent again, and settled with one of enum fy_mail_end.
 *
 * Messages for one node with one subject are a stream: they are sent one after the other, each until it is settled.
 * Streams do not wait for each other; of one node's, a number is in flight at a time.  An attempt that has no answer in
 * time is a miss, and so is a "busy"; after a miss the message waits for a random part of a time that doubles.  While a
 * node cannot be reached its messages are parked, and no attempt counts.
 *
 * Ends are gathered and told by fy_outbox_tell, so that nothing calls back from inside another call.
 * Threads: one.  The timers' owner calls fy_outbox_tell and fy_journal_flush at the end of each of its turns.
 */
#ifndef FY_MAILBOX_OUTBOX_H
#define FY_MAILBOX_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "mailbox/carrier.h"
#include "mailbox/journal.h"
#include "mailbox/mail.h"
#include "wire/mail_frame.h"

struct fy_outbox;

struct fy_outbox_config {
    const char *self; /* the node's own name; lives as long as the outbox */
    uint64_t cluster;
    uint64_t incarnation;
    uint64_t first_sequence; /* no number from here on was ever in use; not 0 */
    uint64_t reserved;       /* numbers below are reserved in the store */
    uint64_t block;          /* how many are reserved at a time, not 0 */
    uint64_t seed; /* of what is random */

    size_t max_messages;
    size_t max_bytes; /* of frames */
    size_t max_peer_messages;
    size_t max_peer_bytes;
    size_t max_message_bytes; /* of one frame */
    size_t max_peer_in_flight;
    size_t max_dead;

    uint32_t backoff_ms; /* the first; doubles */
    uint32_t max_backoff_ms;

    struct fy_carrier carrier;
    struct fy_journal *journal;
    struct fy_timers *timers;
    uint64_t (*now_ns)(void *ctx); /* monotonic */
    int64_t (*wall_ms)(void *ctx); /* since 1970 */
    void *clock_ctx;

    void (*told)(void *ctx, const struct fy_mail *mail);   /* it has ended */
    void (*stored)(void *ctx, const struct fy_mail *mail); /* it survives a crash from now on, and has not ended */
    void *ctx;
};

enum fy_overflow {
    FY_OVERFLOW_REJECT,
    FY_OVERFLOW_DROP_OLDEST, /* of the same stream, and not in flight */
};

struct fy_post {
    struct ferry_bytes receiver;
    struct ferry_bytes subject;
    struct ferry_bytes method;
    struct ferry_bytes reply_method;
    struct ferry_bytes payload; /* packed */
    unsigned packing;
    uint32_t plain_len;
    uint64_t in_reply_to;
    uint64_t key; /* not 0: takes the place of an earlier message of the stream with this key that is not in flight */
    uint64_t timeout_ms;   /* until it expires; 0: never */
    uint32_t ack_timeout_ms;
    uint32_t max_attempts; /* 0: unlimited, only with a timeout */
    bool is_durable;       /* only with an answer */
    bool wants_answer;
    enum fy_overflow overflow;
};

int fy_outbox_new(const struct fy_outbox_config *config, struct fy_outbox **ret_box);

/* Messages that have not ended are forgotten without a word.  The journal was released before. */
void fy_outbox_free(struct fy_outbox *box);

/*
 * Accept a message.  FERRY_ERR_FULL: a limit is reached, or numbers are being reserved; FERRY_ERR_TOO_LARGE;
 * FERRY_ERR_INVALID; FERRY_ERR_CLOSED: after fy_outbox_stop; FERRY_ERR_SYSTEM: it has to be durable, and the store
 * fails; FERRY_ERR_NOMEM.  Then nothing has changed, but for what made room under FY_OVERFLOW_DROP_OLDEST.
 * Durable: config.stored tells when it survives a crash.  It may be sent, and even end, before.
 */
int fy_outbox_post(struct fy_outbox *box, const struct fy_post *post, uint64_t *ret_sequence);

/*
 * A message or a dead letter from the store, in ascending order of sequence, before the first post.  One whose frame is
 * not the one that was stored ends as FY_END_DAMAGED.  FERRY_ERR_NOMEM.
 */
int fy_outbox_load(struct fy_outbox *box, uint64_t sequence, const struct fy_mail_row *row);
int fy_outbox_load_dead(struct fy_outbox *box, uint64_t sequence, const struct fy_mail_row *row,
                        const struct fy_end_row *end);

/* A message that the store cannot give back as it was: it ends as FY_END_DAMAGED. */
int fy_outbox_load_damaged(struct fy_outbox *box, uint64_t sequence);

void fy_outbox_link(struct fy_outbox *box, const char *node, bool is_up);
void fy_outbox_answer(struct fy_outbox *box, const char *from, struct ferry_bytes frame);

int fy_outbox_cancel(struct fy_outbox *box, uint64_t sequence); /* FERRY_ERR_NOT_FOUND: it has ended */
void fy_outbox_remove_peer(struct fy_outbox *box, const char *node);
void fy_outbox_stop(struct fy_outbox *box);

/* Tell of all that has ended since the last call. */
void fy_outbox_tell(struct fy_outbox *box);

/* ---- Dead letters: what was refused, given up, expired or damaged, the oldest first ---- */

/* The one after another, or the first after NULL.  NULL: there is no more. */
const struct fy_mail *fy_outbox_next_dead(const struct fy_outbox *box, const struct fy_mail *after);

/* Post it again, as a new message; durable as it was.  FERRY_ERR_NOT_FOUND, or as fy_outbox_post. */
int fy_outbox_requeue(struct fy_outbox *box, uint64_t sequence, uint64_t timeout_ms, uint64_t *ret_sequence);
int fy_outbox_purge(struct fy_outbox *box, uint64_t sequence); /* FERRY_ERR_NOT_FOUND */

/* ---- What there is to see ---- */

struct fy_outbox_counts {
    uint64_t accepted;
    uint64_t ended[FY_END_DAMAGED + 1]; /* by enum fy_mail_end */
    uint64_t sends;
    uint64_t misses;
    size_t messages; /* now */
    size_t bytes;
    size_t in_flight;
    size_t dead;
};

void fy_outbox_read_counts(const struct fy_outbox *box, struct fy_outbox_counts *ret_counts);

#endif
