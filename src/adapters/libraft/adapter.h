/*
 * adapter.h - what the raft_io and the loop that turns it share.
 */
#ifndef FY_ADAPTERS_LIBRAFT_ADAPTER_H
#define FY_ADAPTERS_LIBRAFT_ADAPTER_H

#include <stdbool.h>

#include "adapters/libraft/completions.h"
#include "adapters/libraft/core_view.h"
#include "adapters/libraft/members.h"
#include "adapters/libraft/raft_compat.h"
#include "adapters/libraft/snapshot_load.h"
#include "adapters/libraft/snapshots.h"
#include "ferry/libraft.h"

struct ferry_libraft {
    struct raft_io io;         /* the core's; data is its struct raft, impl is this */
    struct raft_io *inner;     /* data: the same struct raft, from init on */
    struct ferry_transport *t; /* NULL: not attached */
    struct ferry_libraft_config config;
    void (*wake)(void *ctx); /* const from start on, as it comes from any thread */
    void *wake_ctx;
    raft_id id;
    raft_term term; /* that the inner raft_io has stored */
    char address[FERRY_LIBRAFT_ADDRESS_MAX + 1];

    raft_io_tick_cb tick;
    raft_io_recv_cb recv; /* NULL: not started */
    struct fy_members members;
    struct fy_completions completions;
    struct fy_completions firing; /* empty but while they are called back */
    struct fy_snapshots snapshots;
    struct fy_snapshot_load snapshot_load;

    struct fy_core_view view;
    uint64_t n_refused[FERRY_N_VERDICTS];

    bool is_closing;
    bool is_inner_closed;
    raft_io_close_cb close_cb; /* NULL: none, or it has been called */
};

/* Have wake called, instead of the one of the configuration.  Before raft_start, or after raft_close. */
void fy_libraft_set_wake(struct ferry_libraft *lr, void (*wake)(void *ctx), void *ctx);

#endif
