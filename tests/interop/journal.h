/*
 * journal.h - what arrived, held against what a sequence says should.
 */
#ifndef INTEROP_JOURNAL_H
#define INTEROP_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "interop/sequence.h"

struct journal;

struct journal_report {
    uint64_t matched;
    uint64_t different;
    uint64_t duplicates;
    uint64_t missing;
    uint64_t disordered; /* arrived after a later message of their stream */
    uint64_t foreign;    /* of no number that was expected */
    char first_difference[256];
};

/* complete: all messages below this number have arrived. */
typedef void journal_receipt_fn(void *arg, uint64_t complete);

/*
 * Expect messages 0 to count - 1 of the sequence.  receipt is called when step more are complete, and when all are; a
 * message that is late holds the receipts up, so that a sender's window bounds what is under way.
 */
struct journal *journal_new(const struct sequence *seq, uint64_t count, uint64_t step, journal_receipt_fn *receipt,
                            void *arg);
void journal_free(struct journal *journal);

/* Threads: any. */
void journal_add(struct journal *journal, const struct ferry_message *msg);

/* Wait until all have arrived; false when that took longer than timeout_ms. */
bool journal_await(struct journal *journal, unsigned timeout_ms);

struct journal_report journal_report(struct journal *journal);

#endif
