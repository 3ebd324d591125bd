/*
 * journal - the twin of rafthttp-peer/peer/journal.go.
 */
#include "interop/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct journal {
    struct sequence seq; /* these are const after new */
    uint64_t count;
    uint64_t step;
    journal_receipt_fn *receipt;
    void *arg;

    pthread_mutex_t mu;
    pthread_cond_t complete_changed;
    bool *seen; /* mu, as all below; [count] */
    uint64_t arrived;
    uint64_t complete;
    uint64_t receipts;  /* complete at the last receipt */
    uint64_t latest[2]; /* of each ordered stream, the highest number + 1 */
    struct journal_report report;
};

struct journal *journal_new(const struct sequence *seq, uint64_t count, uint64_t step, journal_receipt_fn *receipt,
                            void *arg)
{
    struct journal *journal = calloc(1, sizeof(*journal));
    pthread_condattr_t attr;

    if (!journal || !(journal->seen = calloc(count, sizeof(*journal->seen))))
        abort();
    journal->seq = *seq;
    journal->count = count;
    journal->step = step;
    journal->receipt = receipt;
    journal->arg = arg;
    pthread_mutex_init(&journal->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&journal->complete_changed, &attr);
    pthread_condattr_destroy(&attr);
    return journal;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    pthread_cond_destroy(&journal->complete_changed);
    pthread_mutex_destroy(&journal->mu);
    free(journal->seen);
    free(journal);
}

/* Each stream keeps its order; proposals have a queue of their own at the receiver, and MsgSnap goes by POST. */
static void check_order(struct journal *journal, uint64_t k, enum ferry_message_type type)
{
    enum ferry_stream stream = type == FERRY_MSG_APP ? FERRY_STREAM_MSGAPP : FERRY_STREAM_MESSAGE;

    if (type == FERRY_MSG_PROP || type == FERRY_MSG_SNAP)
        return;
    if (k < journal->latest[stream])
        journal->report.disordered++;
    else
        journal->latest[stream] = k + 1;
}

static void note_first(struct journal *journal, uint64_t k, enum ferry_message_type type, const char *text)
{
    if (!journal->report.first_difference[0])
        snprintf(journal->report.first_difference, sizeof(journal->report.first_difference), "message %llu (%s): %s",
                 (unsigned long long)k, ferry_message_type_name(type), text);
}

/* Count an expected one; returns how many are complete if it is time to report that, otherwise 0. */
static uint64_t record(struct journal *journal, uint64_t k, enum ferry_message_type type, const char *difference)
{
    if (journal->seen[k]) {
        journal->report.duplicates++;
        return 0;
    }
    journal->seen[k] = true;
    journal->arrived++;
    if (difference) {
        journal->report.different++;
        note_first(journal, k, type, difference);
    } else {
        journal->report.matched++;
    }
    check_order(journal, k, type);
    while (journal->complete < journal->count && journal->seen[journal->complete])
        journal->complete++;
    if (journal->complete == journal->count)
        pthread_cond_broadcast(&journal->complete_changed);
    else if (journal->complete < journal->receipts + journal->step)
        return 0;
    journal->receipts = journal->complete;
    return journal->complete;
}

void journal_add(struct journal *journal, const struct ferry_message *msg)
{
    uint64_t k = sequence_number(&journal->seq, msg);
    struct arena arena = {0};
    struct ferry_message want = {0};
    char text[160];
    bool is_different = false;
    uint64_t receipt = 0;

    if (k < journal->count) {
        want = sequence_message(&journal->seq, k, &arena);
        is_different = sequence_difference(msg, &want, text, sizeof(text));
    }
    pthread_mutex_lock(&journal->mu);
    if (k < journal->count) {
        receipt = record(journal, k, want.type, is_different ? text : NULL);
    } else {
        journal->report.foreign++;
        note_first(journal, k, msg->type, "it is not of the sequence");
    }
    pthread_mutex_unlock(&journal->mu);
    if (receipt > 0)
        journal->receipt(journal->arg, receipt);
    arena_release(&arena);
}

bool journal_await(struct journal *journal, unsigned timeout_ms)
{
    struct timespec deadline;
    bool is_complete;
    int err = 0;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_nsec -= 1000000000L;
        deadline.tv_sec++;
    }
    pthread_mutex_lock(&journal->mu);
    while (journal->complete < journal->count && err == 0)
        err = pthread_cond_timedwait(&journal->complete_changed, &journal->mu, &deadline);
    is_complete = journal->complete == journal->count;
    pthread_mutex_unlock(&journal->mu);
    return is_complete;
}

struct journal_report journal_report(struct journal *journal)
{
    struct journal_report report;

    pthread_mutex_lock(&journal->mu);
    report = journal->report;
    report.missing = journal->count - journal->arrived;
    pthread_mutex_unlock(&journal->mu);
    return report;
}
