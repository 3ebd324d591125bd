/*
 * journal.h - a log hook that stores the lines.
 */
#ifndef HARNESS_JOURNAL_H
#define HARNESS_JOURNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#define JOURNAL_ANY UINT64_MAX /* of any peer */

struct journal_line {
    enum ferry_log_level level;
    uint64_t peer;
    char id[24];
    char text[360];
};

struct journal {
    pthread_mutex_t mu;
    pthread_cond_t changed;     /* mu */
    struct journal_line *lines; /* mu; oldest first */
    size_t n_lines;             /* mu */
    size_t room;                /* mu */
};

void journal_init(struct journal *j);
void journal_release(struct journal *j);
ferry_log_fn journal_log; /* its ctx is the journal; FERRY_TEST_LOG in the environment copies the lines to stderr */

void journal_clear(struct journal *j);

/* Count the lines about peer of this level or a more severe one whose text contains part ("": all). */
size_t journal_count(struct journal *j, enum ferry_log_level level, uint64_t peer, const char *part);
/* Does the last line about peer that contains part also contain end? */
bool journal_ends_with(struct journal *j, uint64_t peer, const char *part, const char *end);
bool journal_wait(struct journal *j, uint64_t peer, const char *part, unsigned deadline_ms);

/* The first lines about peer above the debug level, for the message of a failing test.  In a static buffer. */
const char *journal_text(struct journal *j, uint64_t peer);

#endif
