/*
 * log_guard.h - a raft_io whose failed writes to the log are seen before libraft's core sees them.
 *
 * Everything belongs to the loop's thread.
 */
#ifndef KV_LOG_GUARD_H
#define KV_LOG_GUARD_H

#include <raft.h>

/* The log was not written, for the reason in why.  Does not return. */
typedef void kv_log_failed_fn(void *ctx, const char *why);

struct kv_log_guard {
    struct raft_io io; /* what the core is given; made by the storage's own init */

    int (*append)(struct raft_io *io, struct raft_io_append *req, const struct raft_entry entries[], unsigned n,
                  raft_io_append_cb cb);
    kv_log_failed_fn *failed;
    void *ctx;
};

/* Once io has been made. */
void kv_log_guard_begin(struct kv_log_guard *guard, kv_log_failed_fn *failed, void *ctx);

#endif
