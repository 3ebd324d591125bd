/*
 * core_view.h - what the gate has to know of libraft's core, and what only this adapter can check.
 *
 * The terms of the log are learned from what the core stores, since libraft does not tell them; all else is read from
 * struct raft when a message comes.
 */
#ifndef FY_ADAPTERS_LIBRAFT_CORE_VIEW_H
#define FY_ADAPTERS_LIBRAFT_CORE_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/libraft/raft_compat.h"
#include "adapters/libraft/term_runs.h"
#include "ferry/gate.h"

/* Zeroed: of a core that has not loaded its log yet. */
struct fy_core_view {
    struct fy_term_runs terms; /* of its log */

    /*
     * Who led the latest term in which a leader was heard.  libraft's own current_leader is not enough: a follower that
     * moves to a higher term keeps the leader of the term before.
     */
    raft_id leader;
    raft_term leader_term;
};

void fy_core_view_release(struct fy_core_view *view);

/* ---- What the core does.  Each of the first four is called when the inner raft_io is asked to do it. ---- */

void fy_core_view_on_load(struct fy_core_view *view, const struct raft_snapshot *snapshot, raft_index start_index,
                          const struct raft_entry *entries, size_t n); /* snapshot NULL: none */

/* The entries are the last of r's log: it has them already. */
void fy_core_view_on_append(struct fy_core_view *view, struct raft *r, const struct raft_entry *entries, unsigned n);
void fy_core_view_on_truncate(struct fy_core_view *view, raft_index index);

/* A snapshot of the core's own, or one that it was sent and that replaces the log. */
void fy_core_view_on_snapshot(struct fy_core_view *view, const struct raft_snapshot *snapshot, unsigned trailing);

/* The core has been given a message. */
void fy_core_view_on_received(struct fy_core_view *view, const struct raft *r, const struct ferry_message *msg);

/* ---- Judging ---- */

/* Ids that the embedder vouches for beside those of the configuration; fn NULL: none. */
struct fy_voucher {
    bool (*fn)(void *ctx, uint64_t id);
    void *ctx;
};

enum ferry_verdict fy_core_view_judge(const struct fy_core_view *view, struct raft *r, const struct ferry_message *msg,
                                      const struct fy_voucher *voucher);

#endif
