/*
 * raft_compat.h - the differences between libraft 0.15 (Debian 12) and 0.22 (Debian 13, Ubuntu 24.04).
 *
 * Include this header instead of <raft.h>.  All code uses the names of 0.22; where 0.15 has no equivalent, a function
 * below hides the difference.  No other file of src tests the version of libraft.
 * tests/harness/raft_versions.h has what only tests need.
 *
 * What 0.22 does differently, beyond names:
 * - The core is driven by events, and an adapter of its own (src/legacy.c there) offers the old interface.
 * - A raft_io's send must not fail: the core drops the rest of its batch of messages.  The status with which a send is
 *   called back is ignored; a leader goes back to probing when a follower is silent for an election timeout.
 * - Callbacks of client requests are queued in struct raft, and only libraft's own backends call them: its uv backend
 *   does so with the struct raft that it finds in its raft_io's data.
 * - truncate is called before each append, also when there is nothing to truncate.
 * - The leader refuses new entries with RAFT_NOSPACE when most voters report less free disk than a threshold.
 *   Voters report it in their answers ("features" and "capacity").
 * - Its uv backend retries a failed write for ever, where that of 0.15 fails the append.
 */
#ifndef FY_ADAPTERS_LIBRAFT_RAFT_COMPAT_H
#define FY_ADAPTERS_LIBRAFT_RAFT_COMPAT_H

#include <stdarg.h> /* 0.15's raft.h includes it, that of 0.22 does not */
#include <stdbool.h>
#include <stdint.h>

#include <raft.h>
#include <raft/uv.h>

#ifdef RAFT_VERSION_NUMBER
#define FY_RAFT_IS_0_22 1
#else
#define FY_RAFT_IS_0_22 0
#endif

/* What a server reports in its answers; 0.15 reports nothing. */
struct fy_raft_report {
    uint16_t features;
    uint16_t capacity; /* KiB of disk reserved for the log */
};

/* Whether an answer is to a pre-vote.  Servers older than 0.11 do not say. */
enum fy_raft_pre_vote { FY_RAFT_PRE_VOTE_UNKNOWN, FY_RAFT_PRE_VOTE_YES, FY_RAFT_PRE_VOTE_NO };

struct ferry_libraft;

/* Set the version field where there is one. */
void fy_raft_uv_transport_set_version(struct raft_uv_transport *transport);

/* Let the core use the inner raft_io's worker threads, where libraft has that (0.15) and the inner one offers it. */
void fy_raft_forward_async_work(struct ferry_libraft *lr);

#if FY_RAFT_IS_0_22

/* The index of the last committed configuration. */
static inline raft_index fy_raft_configuration_index(const struct raft *r)
{
    return r->configuration_committed_index;
}

static inline void fy_raft_set_configuration_index(struct raft *r, raft_index index)
{
    r->configuration_committed_index = index;
}

/* The index of the last entry in the last snapshot; 0: none. */
static inline raft_index fy_raft_snapshot_index(const struct raft *r)
{
    return r->trail.snapshot.index;
}

/* The index before that of the first entry in the log. */
static inline raft_index fy_raft_log_offset(const struct raft *r)
{
    return r->trail.offset;
}

static inline enum fy_raft_pre_vote fy_raft_get_pre_vote(const struct raft_request_vote_result *result)
{
    if (result->version < 2)
        return FY_RAFT_PRE_VOTE_UNKNOWN;
    return result->pre_vote ? FY_RAFT_PRE_VOTE_YES : FY_RAFT_PRE_VOTE_NO;
}

static inline void fy_raft_set_pre_vote(struct raft_request_vote_result *result, enum fy_raft_pre_vote pre_vote)
{
    result->version = pre_vote == FY_RAFT_PRE_VOTE_UNKNOWN ? 0 : 2;
    result->pre_vote = pre_vote == FY_RAFT_PRE_VOTE_YES;
}

/* The report in an answer (struct raft_request_vote_result or raft_append_entries_result). */
#define fy_raft_get_report(result) ((struct fy_raft_report){(result)->features, (result)->capacity})
#define fy_raft_set_report(result, report)                                                                             \
    ((void)((result)->features = (report).features, (result)->capacity = (report).capacity))

/*
 * Watches the uv backend's writes.  0.22 does not fail an append whose write has failed: it retries after a while, and
 * 0.22.1 then uses the wrong timer's data.  But it traces the end of each write, and a write that succeeds calls back
 * at least one append before the loop goes on.
 */
struct fy_raft_write_watch {
    struct raft_tracer tracer;
    bool is_unanswered; /* a write has ended, and no append has been called back since */
};

static inline void fy_raft_on_uv_trace(struct raft_tracer *tracer, int type, const void *info)
{
    (void)info;
    if (type == RAFT_UV_TRACER_WRITE_COMPLETE)
        ((struct fy_raft_write_watch *)(void *)tracer)->is_unanswered = true; /* its first member */
}

/* From now on watch the backend's writes; the watch outlives it. */
static inline void fy_raft_watch_writes(struct raft_io *backend, struct fy_raft_write_watch *watch)
{
    *watch = (struct fy_raft_write_watch){.tracer = {.version = 2, .emit = fy_raft_on_uv_trace}};
    raft_uv_set_tracer(backend, &watch->tracer);
}

/* Tell the core how much disk the inner raft_io has reserved. */
static inline void fy_raft_copy_capacity(struct raft_io *io, const struct raft_io *inner)
{
    io->capacity = inner->capacity;
}

/*
 * Must an InstallSnapshot be dropped?  When one arrives while the core writes a snapshot of its own, 0.22.1 crashes
 * once that is written (it forgets the snapshot that waits, then starts it); while it installs another one, it leaks
 * the message.  The leader sends it again.
 */
static inline bool fy_raft_cannot_install(const struct raft *r)
{
    return r->legacy.snapshot_taking || r->snapshot.installing;
}

#else

struct fy_raft_write_watch {
    bool is_unanswered; /* never: an append whose write has failed is called back as failed */
};

static inline void fy_raft_watch_writes(struct raft_io *backend, struct fy_raft_write_watch *watch)
{
    (void)backend;
    watch->is_unanswered = false;
}

#define RAFT_APPEND_ENTRIES RAFT_IO_APPEND_ENTRIES
#define RAFT_APPEND_ENTRIES_RESULT RAFT_IO_APPEND_ENTRIES_RESULT
#define RAFT_REQUEST_VOTE RAFT_IO_REQUEST_VOTE
#define RAFT_REQUEST_VOTE_RESULT RAFT_IO_REQUEST_VOTE_RESULT
#define RAFT_INSTALL_SNAPSHOT RAFT_IO_INSTALL_SNAPSHOT
#define RAFT_TIMEOUT_NOW RAFT_IO_TIMEOUT_NOW

static inline raft_index fy_raft_configuration_index(const struct raft *r)
{
    return r->configuration_index;
}

static inline void fy_raft_set_configuration_index(struct raft *r, raft_index index)
{
    r->configuration_index = index;
}

static inline raft_index fy_raft_snapshot_index(const struct raft *r)
{
    return r->log.snapshot.last_index;
}

static inline raft_index fy_raft_log_offset(const struct raft *r)
{
    return r->log.offset;
}

static inline enum fy_raft_pre_vote fy_raft_get_pre_vote(const struct raft_request_vote_result *result)
{
    switch (result->pre_vote) {
    case raft_tribool_true:
        return FY_RAFT_PRE_VOTE_YES;
    case raft_tribool_false:
        return FY_RAFT_PRE_VOTE_NO;
    default:
        return FY_RAFT_PRE_VOTE_UNKNOWN;
    }
}

static inline void fy_raft_set_pre_vote(struct raft_request_vote_result *result, enum fy_raft_pre_vote pre_vote)
{
    if (pre_vote == FY_RAFT_PRE_VOTE_UNKNOWN)
        result->pre_vote = raft_tribool_unknown;
    else
        result->pre_vote = TO_RAFT_TRIBOOL(pre_vote == FY_RAFT_PRE_VOTE_YES);
}

#define fy_raft_get_report(result) ((void)(result), (struct fy_raft_report){0, 0})
#define fy_raft_set_report(result, report) ((void)(result), (void)(report))

static inline void fy_raft_copy_capacity(struct raft_io *io, const struct raft_io *inner)
{
    (void)io;
    (void)inner;
}

static inline bool fy_raft_cannot_install(const struct raft *r)
{
    (void)r;
    return false;
}

#endif
#endif
