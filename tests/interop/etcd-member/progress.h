/*
 * progress.h - what a leader knows of each member's log, and how fast it may send.
 */
#ifndef ETCD_MEMBER_PROGRESS_H
#define ETCD_MEMBER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_MAX_INFLIGHT 256 /* appends on their way to one member */

enum progress_state {
    PROGRESS_PROBE,     /* one append at a time, until it is known where the log matches */
    PROGRESS_REPLICATE, /* appends follow each other without waiting */
    PROGRESS_SNAPSHOT   /* nothing, until its fate is known */
};

enum progress_ask { ASK_NOTHING, ASK_ENTRIES, ASK_ALWAYS }; /* an append if there are entries; also without any */
enum progress_vote { VOTE_NONE, VOTE_YES, VOTE_NO };

struct progress {
    uint64_t id;
    uint64_t match;
    uint64_t next;
    enum progress_state state;
    bool probe_sent;           /* in PROBE: wait for an answer, or a heartbeat's */
    uint64_t pending_snapshot; /* its index */
    bool recent_active;
    enum progress_vote vote;
    enum progress_ask ask; /* what the next flush is to send */

    uint64_t inflight[PROGRESS_MAX_INFLIGHT]; /* last indexes, a ring */
    size_t inflight_first;
    size_t n_inflight;
};

struct progress_table {
    struct progress **list;
    size_t n;
};

void progress_table_release(struct progress_table *table);
struct progress *progress_find(const struct progress_table *table, uint64_t id); /* NULL: not there */
struct progress *progress_add(struct progress_table *table, uint64_t id, uint64_t next);
void progress_remove(struct progress_table *table, uint64_t id);

void progress_probe(struct progress *p);
void progress_replicate(struct progress *p);
void progress_snapshot(struct progress *p, uint64_t index);
bool progress_is_paused(const struct progress *p);

/* Entries up to last were sent. */
void progress_sent(struct progress *p, uint64_t last, size_t n_entries);

/* It has everything up to index.  False: that was known. */
bool progress_update(struct progress *p, uint64_t index);

/* It refused an append behind index, and its log ends at hint.  False: an old answer. */
bool progress_decrease(struct progress *p, uint64_t index, uint64_t hint);
void progress_free_one(struct progress *p); /* of a full window */

#endif
