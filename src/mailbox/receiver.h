/*
 * receiver.h - incoming messages: judged, handled one at a time per sender and subject, and answered.
 *
 * A message that was taken before is not handled again: its sender gets the same answer, or "in progress".  The outcome
 * of a durable message is stored before it is answered; after a crash between handler and store the handler runs again.
 * Threads: one.  Handlers are called from inside fy_receiver_take and fy_receiver_answer.
 */
#ifndef FY_MAILBOX_RECEIVER_H
#define FY_MAILBOX_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "mailbox/carrier.h"
#include "mailbox/compress.h"
#include "mailbox/journal.h"
#include "net/timers.h"
#include "wire/mail_frame.h"

struct fy_receiver;

struct fy_receiver_config {
    const char *self;
    uint64_t cluster;

    size_t max_messages; /* being handled, waiting for it, or being stored */
    size_t max_bytes;    /* of their frames and payloads */
    size_t max_waiting;  /* of one sender and subject, behind the one that is being handled */
    size_t max_payload;  /* unpacked */
    size_t max_windows;
    size_t window_size;
    uint32_t retention_ms;       /* a window is not forgotten before */
    uint32_t handler_timeout_ms; /* a handler that has not answered by then has failed */
    uint32_t busy_ms;            /* what a sender is told to wait when there is no room */

    struct fy_carrier carrier;
    struct fy_journal *journal;
    struct fy_timers *timers;
    uint64_t (*now_ns)(void *ctx);
    void *clock_ctx;
};

enum fy_method_kind {
    FY_METHOD_DONE,     /* answered when its handler has ended */
    FY_METHOD_ACCEPTED, /* answered before its handler is called: a crash may lose the message */
};

/*
 * Handle a message.  token names it in fy_receiver_answer, which has to be called once, now or later; head and payload
 * live until then.  What the handler of an ACCEPTED method answers is for nobody, but ends its turn.
 */
typedef void fy_handler_fn(void *arg, uint64_t token, const struct fy_mail_head *head, struct ferry_bytes payload);

int fy_receiver_new(const struct fy_receiver_config *config, struct fy_receiver **ret_receiver);

/* Messages that were not answered are let go of; the journal was released before. */
void fy_receiver_free(struct fy_receiver *receiver);

/* FERRY_ERR_EXISTS, FERRY_ERR_INVALID: the name is empty or too long, FERRY_ERR_NOMEM. */
int fy_receiver_add_method(struct fy_receiver *receiver, const char *name, enum fy_method_kind kind, fy_handler_fn *fn,
                           void *arg);

/* No handler of this method is called any more; those that were called go on.  FERRY_ERR_NOT_FOUND. */
int fy_receiver_remove_method(struct fy_receiver *receiver, const char *name);

/* A message has come; request goes back with carrier.answer, now or later. */
void fy_receiver_take(struct fy_receiver *receiver, const char *from, struct ferry_bytes frame, void *request);

/*
 * A handler has ended: status is FY_MAIL_OK, FY_MAIL_HANDLER_FAILED, FY_MAIL_BUSY or FY_MAIL_NOT_LEADER; after the last
 * two the message is as if it had not come.  body: up to FY_MAIL_MAX_ANSWER_BODY bytes, cut there.
 * FERRY_ERR_NOT_FOUND: it was answered, or timed out.
 */
int fy_receiver_answer(struct fy_receiver *receiver, uint64_t token, enum fy_mail_answer_status status, int32_t code,
                       struct ferry_bytes body);

/* The node is no member any more: what is remembered of its messages is forgotten. */
void fy_receiver_forget(struct fy_receiver *receiver, const char *node);

int fy_receiver_load(struct fy_receiver *receiver, const struct fy_seen_row *row);

struct fy_receiver_counts {
    uint64_t taken;      /* given to a handler */
    uint64_t duplicates; /* answered from a window */
    uint64_t answers[FY_MAIL_LAST_STATUS + 1];
    uint64_t timeouts; /* of handlers */
    size_t messages;   /* now */
    size_t bytes;
    size_t windows;
};

void fy_receiver_read_counts(const struct fy_receiver *receiver, struct fy_receiver_counts *ret_counts);

#endif
