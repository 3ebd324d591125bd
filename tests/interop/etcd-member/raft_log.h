/*
 * raft_log.h - the log in memory: what follows the last snapshot, entry by entry.
 */
#ifndef ETCD_MEMBER_RAFT_LOG_H
#define ETCD_MEMBER_RAFT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct raft_log {
    uint64_t base_index; /* of the snapshot that the log begins behind; 0: none */
    uint64_t base_term;
    struct ferry_entry *entries; /* entries[i] has index base_index + 1 + i, and owns its data */
    size_t n;
    size_t room;
};

void raft_log_release(struct raft_log *log);
void raft_log_reset(struct raft_log *log, uint64_t base_index, uint64_t base_term); /* empty, behind that snapshot */

uint64_t raft_log_last_index(const struct raft_log *log);
uint64_t raft_log_last_term(const struct raft_log *log);

/* False for an index beyond the last or before the base, whose term is not known. */
bool raft_log_term(const struct raft_log *log, uint64_t index, uint64_t *ret_term);
const struct ferry_entry *raft_log_get(const struct raft_log *log, uint64_t index); /* NULL: not there */

/* Append a copy of what entry holds, at the next index. */
void raft_log_append(struct raft_log *log, uint64_t term, enum ferry_entry_type type, struct ferry_bytes data);
void raft_log_truncate(struct raft_log *log, uint64_t index); /* drop index and all behind it */

/* How many entries from index on, at least one if there is any, hold max_bytes at most. */
size_t raft_log_run(const struct raft_log *log, uint64_t index, size_t max_bytes);

#endif
