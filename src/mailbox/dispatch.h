/*
 * dispatch.h - the ways a message's state changes, for the files of the outbox.
 */
#ifndef FY_MAILBOX_DISPATCH_H
#define FY_MAILBOX_DISPATCH_H

#include "mailbox/outbox_state.h"

uint64_t fy_outbox_now_ns(const struct fy_outbox *box);

/* Put a message that is filled in at the end of its stream.  FERRY_ERR_NOMEM: nothing has changed. */
int fy_outbox_enqueue(struct fy_outbox *box, struct fy_mail *mail, struct ferry_bytes receiver,
                      struct ferry_bytes subject);

/* Send what is ready and has a place. */
void fy_outbox_pump(struct fy_outbox *box, struct fy_peer_queue *peer);

/* A message has ended.  The next of its stream is made ready, but not sent before fy_outbox_pump. */
void fy_outbox_end(struct fy_outbox *box, struct fy_mail *mail, enum fy_mail_end end);

/* The same, and the next one is sent.  The peer may be gone after it. */
void fy_outbox_settle(struct fy_outbox *box, struct fy_mail *mail, enum fy_mail_end end);

/* Have the store told how a durable message ended. */
void fy_outbox_record_end(struct fy_outbox *box, struct fy_mail *mail);

#endif
