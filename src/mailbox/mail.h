/*
 * mail.h - one outgoing message: its frame, where it is in its life, and how it ended.
 */
#ifndef FY_MAILBOX_MAIL_H
#define FY_MAILBOX_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "mailbox/journal.h"
#include "mailbox/lookup.h"
#include "net/timers.h"

struct fy_outbox;
struct fy_stream;

/* How a message ended.  Exactly one of them is told of each message that was accepted. */
enum fy_mail_end {
    FY_END_DELIVERED = 1,    /* the receiver said ok */
    FY_END_SENT = 2,         /* it wanted no answer, and is on its way */
    FY_END_REFUSED = 3,      /* the receiver's answer is final and not ok */
    FY_END_GAVE_UP = 4,      /* no attempt is left */
    FY_END_EXPIRED = 5,      /* its deadline has passed */
    FY_END_OVERFLOWED = 6,   /* it made room for a later one */
    FY_END_CANCELLED = 7,
    FY_END_PEER_REMOVED = 8,
    FY_END_SHUT_DOWN = 9,    /* the mailbox stops; a durable message is in the store and goes on at the next start */
    FY_END_DAMAGED = 10,     /* what the store gave back is not what was stored */
};

enum fy_mail_state {
    FY_MAIL_QUEUED,  /* behind another one of its stream, or for a place among those in flight */
    FY_MAIL_FLIGHT,  /* sent, and waiting for the answer */
    FY_MAIL_BACKOFF, /* waiting to be sent again */
    FY_MAIL_PARKED,  /* its node cannot be reached */
    FY_MAIL_SETTLED, /* it has ended */
};

struct fy_mail {
    unsigned refs; /* the outbox, or the list of the settled or of the dead; each change in the journal */
    enum fy_mail_state state;
    enum fy_mail_end end;
    struct fy_outbox *box;
    struct fy_stream *stream; /* NULL once it is settled */
    struct fy_stream *held;   /* the stream that waits until the end is stored; NULL: none */
    struct fy_entry entry;    /* by sequence */
    struct fy_node node;      /* stream's mails; then the settled; then the dead */
    struct fy_timer retry;    /* an attempt's end, or the next one's beginning */
    struct fy_timer deadline;

    uint64_t sequence;
    uint64_t deadline_ns; /* FY_NEVER */
    uint64_t key;         /* 0: none */
    uint64_t first_sent_ns; /* 0: never */
    uint64_t last_sent_ns;
    uint32_t ack_timeout_ms;
    uint32_t max_attempts;  /* 0: unlimited */
    uint32_t sends;
    uint32_t misses;
    bool is_durable;
    bool wants_answer;
    bool keeps_waiting; /* the receiver said that its handler runs */
    bool is_stored;

    int last_err;     /* of the last attempt: FERRY_ERR_TIMEOUT and so on; FERRY_OK */
    uint32_t answer;  /* the last answer's status, 0: none */
    uint32_t answer_flags;
    int32_t code;
    struct ferry_bytes body; /* of a final answer; lent for the telling */

    struct fy_change put;
    struct fy_change finish; /* drop or bury */
    struct fy_change drop_dead;

    size_t frame_len;
    uint8_t frame[];
};

/* A message with room for a frame, and one reference.  NULL: no memory. */
struct fy_mail *fy_mail_new(size_t frame_len);

void fy_mail_unref(struct fy_mail *mail);

/* Add a change of this message to the journal; the message stays until it is stored. */
void fy_mail_record(struct fy_mail *mail, struct fy_journal *journal, struct fy_change *change,
                    enum fy_change_kind kind, void (*done)(struct fy_change *change, int err));

/* Keep the body of an answer beyond its frame.  Without memory for it there is none. */
void fy_mail_keep_body(struct fy_mail *mail, struct ferry_bytes body);

#endif
