/*
 * log_guard - a member whose write to the log has failed stops at once.
 *
 * libraft does not stop.  0.15 frees entries twice, or leads for ever without writing.  0.22 retries the write, and
 * corrupts memory when it does.  So the owner of the guard ends the process, as etcd does: the other members have all
 * that was acknowledged, and one of them becomes leader.
 *
 * A full disk is a failed write for 0.15.  0.22 allocates its files in advance: it waits until there is space for the
 * next one, and as leader answers RAFT_NOSPACE once most members have less than 4 MiB left.
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

    guarded->guard->watch.is_unanswered = false;
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
    fy_raft_watch_writes(&guard->io, &guard->watch);
}

void kv_log_guard_check(struct kv_log_guard *guard)
{
    if (guard->watch.is_unanswered)
        guard->failed(guard->ctx, guard->io.errmsg[0] ? guard->io.errmsg : kv_words_for(RAFT_IOERR));
}
