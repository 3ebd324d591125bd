/*
 * term_runs.h - the terms of the core's log, learned from what the core writes.
 *
 * libraft does not tell the term of an entry.  A log has few terms, so runs of entries with one term take little
 * memory. What is not known is told as 0: the entries before the log, and, after memory ran out, those that could not
 * be noted.
 */
#ifndef FY_ADAPTERS_LIBRAFT_TERM_RUNS_H
#define FY_ADAPTERS_LIBRAFT_TERM_RUNS_H

#include <stddef.h>
#include <stdint.h>

struct fy_term_run {
    uint64_t first; /* the index of its first entry; the run ends before the next one's */
    uint64_t term;
};

/* Zeroed: an empty log. */
struct fy_term_runs {
    struct fy_term_run *items; /* in order; each term once */
    size_t n;
    size_t cap;
    uint64_t end; /* the index after the last entry that is known */
};

/* The log now begins with a snapshot that ends at index: nothing else is known.  index 0: an empty log. */
void fy_term_runs_reset(struct fy_term_runs *runs, uint64_t index, uint64_t term);

/*
 * The entry at index has term.  What was known from index on is forgotten first; a gap before it is never filled: what
 * is before the gap is forgotten as well.
 */
void fy_term_runs_put(struct fy_term_runs *runs, uint64_t index, uint64_t term);

void fy_term_runs_truncate(struct fy_term_runs *runs, uint64_t index);      /* forget index and what follows */
void fy_term_runs_forget_before(struct fy_term_runs *runs, uint64_t index); /* forget what is before index */

uint64_t fy_term_runs_at(const struct fy_term_runs *runs, uint64_t index); /* 0: not known */
void fy_term_runs_release(struct fy_term_runs *runs);

#endif
