/*
 * snapshot_load.h - the core loads a snapshot to send it.
 *
 * libraft 0.22 has two bugs here, which this works around; with 0.15 it does no harm.
 * - It decides to send a snapshot, loads the newest one there is, and corrects the index in its InstallSnapshot but not
 *   the term.  A follower that installed it would contradict the leader's log.  So the term is taken from the snapshot
 *   that was loaded.
 * - When loading fails it frees memory that it has not set.  So it is given an empty snapshot instead, and its
 *   attempt to send that is refused.
 */
#ifndef FY_ADAPTERS_LIBRAFT_SNAPSHOT_LOAD_H
#define FY_ADAPTERS_LIBRAFT_SNAPSHOT_LOAD_H

#include "adapters/libraft/raft_compat.h"

/* What is being handed to the core.  Zeroed: nothing. */
struct fy_snapshot_load {
    bool has_failed;
    raft_index index;
    raft_term term;
};

/* Call inner's snapshot_get; *load says what req is called back with, while it is. */
int fy_snapshot_load_start(struct fy_snapshot_load *load, struct raft_io *inner, struct raft_io_snapshot_get *req,
                           raft_io_snapshot_get_cb cb);

/* The term of the snapshot in message, which the core sends from inside that callback. */
raft_term fy_snapshot_load_term(const struct fy_snapshot_load *load, const struct raft_install_snapshot *message);

#endif
