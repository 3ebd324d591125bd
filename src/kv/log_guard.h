/*
 * log_guard.h - a raft_io that reports a failed write to the log before libraft's core goes on.
 *
 * Everything belongs to the loop's thread.
 */
#ifndef KV_LOG_GUARD_H
#define KV_LOG_GUARD_H

#include "adapters/libraft/raft_compat.h"

/* The log could not be written; why says what happened.  Does not return. */
typedef void kv_log_failed_fn(void *ctx, const char *why);

struct kv_log_guard {
    struct raft_io io; /* given to the core; filled in by raft_uv_init */

    int (*append)(struct raft_io *io, struct raft_io_append *req, const struct raft_entry entries[], unsigned n,
                  raft_io_append_cb cb);
    struct fy_raft_write_watch watch;
    kv_log_failed_fn *failed;
    void *ctx;
};

/* Once io has been initialised. */
void kv_log_guard_begin(struct kv_log_guard *guard, kv_log_failed_fn *failed, void *ctx);

/* In each turn of the loop. */
void kv_log_guard_check(struct kv_log_guard *guard);

#endif
