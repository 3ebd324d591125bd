/*
 * storage.h - term, vote, log and snapshot on disk, in one file that is only appended to.
 */
#ifndef ETCD_MEMBER_STORAGE_H
#define ETCD_MEMBER_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "etcd-member/raft.h"
#include "etcd-member/snapshot.h"

struct storage; /* one thread */

/* What was on disk.  Begin with zeros, release what is not taken. */
struct stored {
    uint64_t id; /* whose it is; 0: it is new */
    uint64_t cluster_id;
    struct raft_hard_state state;
    struct snapshot snapshot;
    struct raft_log log;
    uint64_t n_torn; /* bytes at the end that a crash left half written, and that were cut off */
};

void stored_release(struct stored *stored);

/*
 * Open DIR/raft.log, or begin it; DIR is made if it is missing.  A write that was not finished is undone.
 * NULL, with *ret_why set to a text to be freed, when that cannot be done or when what is there was damaged: what was
 * once acknowledged is never given up in silence.
 */
struct storage *storage_open(const char *dir, struct stored *ret_stored, char **ret_why);
void storage_close(struct storage *storage);

/*
 * Write; with is_urgent it is on disk when the call returns.  A failure to write ends the member: nothing that it could
 * say would be true.
 */
void storage_begin(struct storage *storage, uint64_t id, uint64_t cluster_id);
void storage_append(struct storage *storage, const struct raft_hard_state *state, const struct ferry_entry *entries,
                    size_t n, bool is_urgent);

/* From now on the log begins behind snapshot.  Replaces the file in one step. */
void storage_restart(struct storage *storage, const struct snapshot *snapshot, const struct raft_hard_state *state);

#endif
