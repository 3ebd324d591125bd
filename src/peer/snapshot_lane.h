/*
 * snapshot_lane.h - a peer's snapshots with a body: POST /raft/snapshot, one at a time, beside all other lanes.
 */
#ifndef FY_PEER_SNAPSHOT_LANE_H
#define FY_PEER_SNAPSHOT_LANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "ferry/ferry.h"
#include "member/pace.h"
#include "member/refusal.h"
#include "member/stall.h"
#include "member/url_picker.h"
#include "net/net.h"
#include "net/timers.h"
#include "peer/snapshot_meter.h"
#include "wire/encoder.h"

struct fy_body_reader;
struct fy_outgoing;
struct fy_peer_base;
struct fy_raft_local;

#define FY_SNAPSHOT_MAX_MESSAGE ((size_t)64 << 20) /* what etcd takes before the body, since 3.6.14 */

/* A snapshot that was accepted: in the end it is written or dropped, and its source is closed. */
struct fy_snapshot {
    struct fy_node node; /* in its lane's queue */
    struct fy_outgoing *msg;
    struct fy_body_reader *body;
    uint64_t size;  /* of the body; FERRY_SIZE_UNKNOWN */
    uint64_t index; /* in the log */
};

struct fy_snapshot_lane {
    struct fy_peer_base *base; /* const */

    pthread_mutex_t mu;   /* leaf lock */
    struct fy_list queue; /* mu; struct fy_snapshot, oldest first */
    size_t n_waiting;     /* mu; length of queue */
    size_t n_bytes;       /* mu; memory of the messages, that of current included */

    struct fy_snapshot_meter meter;

    /* the loop's: the one that is being sent */
    struct fy_snapshot *current; /* NULL: none */
    struct fy_call *call;
    struct fy_picked_url url;
    struct fy_refusal answer; /* status 0: none yet */
    struct fy_encoder encoder;
    struct fy_pace_user pace;
    struct fy_stall stall;
    struct fy_timer deadline;
    uint64_t n_given; /* to the net, message and body */
    uint64_t n_acked; /* of what the net has sent, as of the last deadline */
    bool is_whole;    /* all was given */
};

void fy_snapshot_lane_init(struct fy_snapshot_lane *lane, struct fy_peer_base *base);
void fy_snapshot_lane_release(struct fy_snapshot_lane *lane); /* stopped */

/*
 * Accept a snapshot: encode msg, prepare to read source.  FERRY_OK: the lane reports its end, once; the caller asks for
 * the peer's attention.  FERRY_ERR_INVALID, _TOO_LARGE, _FULL, _NOMEM, _SYSTEM: nothing has
 * happened, and source is the caller's to close.  Any thread.
 */
int fy_snapshot_lane_put(struct fy_snapshot_lane *lane, const struct ferry_message *msg,
                         const struct ferry_snapshot_source *source);

/* Begin to send the next snapshot, if one waits and none is under way. */
void fy_snapshot_lane_wake(struct fy_snapshot_lane *lane);

/* Cancel the one under way, drop all for reason, and drop later ones at once. */
void fy_snapshot_lane_stop(struct fy_snapshot_lane *lane, enum ferry_drop_reason reason);

/* Messages that have not ended, the one under way included, and their memory.  Any thread. */
void fy_snapshot_lane_read(struct fy_snapshot_lane *lane, size_t *ret_n, size_t *ret_n_bytes,
                           struct ferry_snapshot_progress *ret_progress);

#endif
