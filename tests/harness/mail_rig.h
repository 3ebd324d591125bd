/*
 * mail_rig.h - the surroundings of an outbox or a receiver, controlled by a unit test: clock, timers, carrier, store.
 */
#ifndef HARNESS_MAIL_RIG_H
#define HARNESS_MAIL_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailbox/carrier.h"
#include "mailbox/journal.h"
#include "mailbox/mail.h"
#include "wire/mail_frame.h"

#define MAIL_RIG_MAX 64

struct mail_rig {
    uint64_t now_ns;
    int64_t wall_ms;
    struct fy_timers timers;
    struct fy_journal journal;
    const struct fy_list *storing; /* the group with the store; NULL: none */

    struct fy_carrier carrier;
    int send_err; /* what the carrier says */
    size_t n_sent;
    struct {
        char node[16];
        uint64_t call;
        uint64_t sequence;
        unsigned attempt;
        uint32_t remaining_ms;
    } sent[MAIL_RIG_MAX]; /* the first ones */
    size_t n_forgotten;

    size_t n_answers;
    struct {
        void *request;
        bool is_empty;
        struct fy_mail_answer answer;
        uint8_t body[FY_MAIL_MAX_ANSWER_BODY];
    } answers[MAIL_RIG_MAX];
};

void mail_rig_init(struct mail_rig *rig);

/* Advance the time and fire timers.  Groups are given to the store, which does not answer by itself. */
void mail_rig_run(struct mail_rig *rig, uint64_t ms);

/* Flush, and let the store answer until nothing is left. */
void mail_rig_store(struct mail_rig *rig, int err);

uint64_t mail_rig_now_ns(void *ctx);
int64_t mail_rig_wall_ms(void *ctx);

size_t mail_rig_count(const struct mail_rig *rig, enum fy_change_kind kind); /* of those with the store */

#endif
