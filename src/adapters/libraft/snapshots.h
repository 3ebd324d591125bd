/*
 * snapshots.h - the data of InstallSnapshot as bodies of Ferry's, in both directions.
 *
 * Ferry reads and stores bodies on threads of its own; what they leave is looked at by the loop, under one lock.
 */
#ifndef FY_ADAPTERS_LIBRAFT_SNAPSHOTS_H
#define FY_ADAPTERS_LIBRAFT_SNAPSHOTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/libraft/raft_compat.h"
#include "base/list.h"
#include "ferry/ferry.h"

struct fy_snapshots {
    void (*wake)(void *ctx); /* const after init; from any thread: there is something to take */
    void *wake_ctx;

    struct fy_list sending; /* the loop's; struct fy_snapshot_out */

    pthread_mutex_t mu;     /* leaf lock: no other lock under it, and nothing of others but wake */
    struct fy_list arrived; /* mu; bodies that are whole and wait for their message, oldest first */
    unsigned n_arrived;     /* mu; length of arrived, <= FY_SNAPSHOTS_MAX_ARRIVED */
};

#define FY_SNAPSHOTS_MAX_ARRIVED 16

void fy_snapshots_init(struct fy_snapshots *snapshots, void (*wake)(void *ctx), void *wake_ctx);
void fy_snapshots_release(struct fy_snapshots *snapshots); /* nothing is being sent any more */

/* ---- Out: the loop's ----------------------------------------------------------------------------------------------
 */

/*
 * Send msg, a MsgSnap, and data, which stays until the request is taken back.  FERRY_OK, or an error of
 * ferry_transport_send_snapshot, with which req is not kept.
 */
int fy_snapshots_send(struct fy_snapshots *snapshots, struct ferry_transport *t, const struct ferry_message *msg,
                      const struct raft_buffer *data, struct raft_io_send *req);

/* A request whose data is not read any more, and what became of it; NULL: none. */
struct raft_io_send *fy_snapshots_take_sent(struct fy_snapshots *snapshots, int *ret_err);

/* ---- In ------------------------------------------------------------------------------------------------------------
 */

struct ferry_snapshot_sink fy_snapshots_sink(struct fy_snapshots *snapshots);

/* The body that came with msg, in memory of raft_malloc, which becomes the caller's.  False: none did.  The loop's. */
bool fy_snapshots_take_body(struct fy_snapshots *snapshots, const struct ferry_message *msg,
                            struct raft_buffer *ret_body);

#endif
