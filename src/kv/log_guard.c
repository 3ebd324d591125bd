/*
 * log_guard - no write to the log fails and the member goes on.
 *
 * libraft 0.15 does go on: a leader lets go of entries twice, which ends in memory that is overwritten, or it leads for
 * ever without writing, since its disk backend writes no more after a failure.  So who is told of a failed write ends
 * the process, as etcd does; what the others have acknowledged they have, and one of them leads.
 */
#include "kv/log_guard.h"

#include <stdlib.h>

#include "kv/words.h"

struct guarded {
    struct raft_io_append req;
    struct kv_log_guard *guard;
    struct raft_io_append *core_req;
    raft_io_append_cb core_cb;
};

static void on_appended(struct raft_io_append *req, int status)
{
    struct guarded *guarded = req->data;
    struct raft_io_append *core_req = guarded->core_req;
    raft_io_append_cb core_cb = guarded->core_cb;

    if (status != 0 && status != RAFT_CANCELED) /* it is being closed */
        guarded->guard->failed(guarded->guard->ctx, kv_words_for(status));
    free(guarded);
    core_cb(core_req, status);
}

static int append(struct raft_io *io, struct raft_io_append *req, const struct raft_entry entries[], unsigned n,
                  raft_io_append_cb cb)
{
    struct kv_log_guard *guard = (struct kv_log_guard *)(void *)io; /* its first member */
    struct guarded *guarded = malloc(sizeof(*guarded));
    int rv;

    if (!guarded)
        return RAFT_NOMEM;
    *guarded = (struct guarded){.guard = guard, .core_req = req, .core_cb = cb};
    guarded->req.data = guarded;
    rv = guard->append(io, &guarded->req, entries, n, on_appended);
    if (rv == RAFT_IOERR) /* it has failed before */
        guard->failed(guard->ctx, kv_words_for(rv));
    if (rv != 0)
        free(guarded);
    return rv;
}

void kv_log_guard_begin(struct kv_log_guard *guard, kv_log_failed_fn *failed, void *ctx)
{
    guard->failed = failed;
    guard->ctx = ctx;
    guard->append = guard->io.append;
    guard->io.append = append;
}
