/*
 * dead_letters.h - messages that ended badly, kept for people to see, post again or throw away.
 */
#ifndef FY_MAILBOX_DEAD_LETTERS_H
#define FY_MAILBOX_DEAD_LETTERS_H

#include "mailbox/outbox_state.h"

/* Does this end make a dead letter? */
bool fy_dead_takes(const struct fy_outbox *box, enum fy_mail_end end);

/* Keep a message that has ended, or free it.  When there is no room, the oldest kept one is freed. */
void fy_dead_bury(struct fy_outbox *box, struct fy_mail *mail);

struct fy_mail *fy_dead_find(const struct fy_outbox *box, uint64_t sequence); /* NULL: there is none */
void fy_dead_drop(struct fy_outbox *box, struct fy_mail *mail);

#endif
