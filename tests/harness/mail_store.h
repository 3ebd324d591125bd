/*
 * mail_store.h - a store of the mailbox in memory, with what a crash leaves of it.
 */
#ifndef HARNESS_MAIL_STORE_H
#define HARNESS_MAIL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailbox/journal.h"
#include "mailbox/outbox.h"
#include "mailbox/receiver.h"

struct stored_mail {
    uint64_t sequence;
    struct fy_mail_row row; /* its frame is ours */
    struct fy_end_row end;  /* of a dead letter */
};

struct stored_seen {
    struct fy_seen_row row; /* names and body in names */
    uint8_t *names;
};

/* What is durable. */
struct mail_store {
    struct stored_mail *mails; /* ascending */
    size_t n_mails;
    struct stored_mail *dead;
    size_t n_dead;
    struct stored_seen *seen; /* ascending */
    size_t n_seen;
    uint64_t reserved;
};

void mail_store_init(struct mail_store *store, uint64_t reserved);
void mail_store_release(struct mail_store *store);

/* A group becomes durable, all of it. */
void mail_store_apply(struct mail_store *store, const struct fy_list *changes);

bool mail_store_has(const struct mail_store *store, uint64_t sequence);
bool mail_store_has_seen(const struct mail_store *store, const char *sender, uint64_t sequence);

/* Give all to a new outbox and a new receiver. */
void mail_store_load(const struct mail_store *store, struct fy_outbox *box, struct fy_receiver *receiver);

#endif
