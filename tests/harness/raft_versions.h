/*
 * raft_versions.h - differences between libraft 0.15 and 0.22 that only tests meet.
 *
 * src/adapters/libraft/raft_compat.h has the others.
 */
#ifndef HARNESS_RAFT_VERSIONS_H
#define HARNESS_RAFT_VERSIONS_H

#include "adapters/libraft/raft_compat.h"

/*
 * 0.22 queues the client requests whose callbacks are due in struct raft, and its own backends call them.  A backend in
 * memory, such as raft_store, must do so itself, and libraft has no function for that.  0.15 calls back directly: there
 * these functions do nothing.
 */
void raft_requests_init(struct raft *raft); /* for a struct raft that raft_init has not made: the queue is empty */
void raft_requests_fire(struct raft *raft); /* call back all that are due, and those that become due meanwhile */

/* Give each line that libraft logs for debugging to fn.  tracer lives as long as raft. */
struct raft_versions_tracer {
    struct raft_tracer tracer;
    void (*fn)(void *ctx, const char *file, int line, const char *text);
    void *ctx;
};
void raft_trace(struct raft *raft, struct raft_versions_tracer *tracer);

/* Let a raft_io report that it has disk enough. */
void raft_io_set_ample_capacity(struct raft_io *io);

#endif
