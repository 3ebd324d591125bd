/*
 * raft_safety.h - Raft's safety properties, checked as a cluster goes: what is new is held against all there was.
 *
 * Nothing is ever forgotten during a day, so that also what a member once had, and has no more, is held against what
 * another one has later.  Each function returns NULL, or the text of what is wrong, which lives until the next call.
 */
#ifndef HARNESS_RAFT_SAFETY_H
#define HARNESS_RAFT_SAFETY_H

#include <stddef.h>
#include <stdint.h>

#include "adapters/libraft/raft_compat.h"
#include "harness/raft_store.h"

struct raft_safety;

struct raft_safety *raft_safety_new(void);
void raft_safety_free(struct raft_safety *safety);
void raft_safety_reset(struct raft_safety *safety); /* another day */

/* Election Safety: at most one leader can be elected in a term. */
const char *raft_safety_elected(struct raft_safety *safety, raft_term term, raft_id leader);

/*
 * Log Matching: if two logs have an entry with the same index and term, they are identical up to there.  By induction:
 * an index and a term stand for one entry and one term before it, in all logs of all times.
 */
const char *raft_safety_appended(struct raft_safety *safety, raft_index index, raft_term prev_term,
                                 const struct raft_store_entry *entry);

/*
 * A member that is in in_term knows now that the entry of this index and term is committed.  Everybody who knows the
 * index agrees; the first who does is the leader that committed it.
 */
const char *raft_safety_committed(struct raft_safety *safety, raft_index index, raft_term term, raft_term in_term);
raft_index raft_safety_last_committed(const struct raft_safety *safety);

/*
 * Leader Completeness: the log of the leader of term has every entry that was committed in earlier terms.  To be asked
 * for all of them (after == 0) when it is elected, and for new ones whenever some are known.  Entries that its log does
 * not hold any more are held against the first one that it does.
 */
const char *raft_safety_is_complete(struct raft_safety *safety, raft_id leader, raft_term term,
                                    const struct raft_store *log, raft_index after);

/* State Machine Safety: the nth command (from 1) is the same for everybody who applies it. */
const char *raft_safety_applied(struct raft_safety *safety, uint64_t nth, uint64_t command);
uint64_t raft_safety_n_applied(const struct raft_safety *safety);
uint64_t raft_safety_command(const struct raft_safety *safety, uint64_t nth); /* nth <= n_applied */

#endif
