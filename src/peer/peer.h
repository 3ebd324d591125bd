/*
 * peer.h - another member of the cluster with all of Raft's lanes to it: two streams out, two streams in, a pipeline,
 * and a lane for snapshots.
 *
 * A remote is a member that is not a peer yet, and only answered: we do not dial it, and it may not attach to the
 * writers, so that every message to it takes the pipeline.  It can become a peer, not the reverse.
 *
 * A peer is shared: the transport's table, callers of send and the loop each hold a reference.  send may be called by
 * any thread at any time; everything else is the loop's.
 */
#ifndef FY_PEER_PEER_H
#define FY_PEER_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "ferry/ferry.h"
#include "net/errands.h"
#include "peer/inbox.h"
#include "peer/peer_base.h"
#include "peer/pipeline.h"
#include "peer/prober.h"
#include "peer/snapshot_lane.h"
#include "peer/snapshot_meter.h"
#include "peer/stream_reader.h"
#include "peer/stream_writer.h"

struct fy_packer;
struct fy_raft_local;

/* What ties a peer to the transport that made it. */
struct fy_peer_ties {
    struct fy_errand attention;                             /* posted while base.needs_attention is set */
    struct fy_node life_node;                               /* peers that are not freed yet */
    bool is_leaving;                                        /* removed: to be stopped */
    bool is_learned;                                        /* a remote that made itself known by a request */
    uint64_t heard_ns;                                      /* a learned remote: when its last request came */
    char **new_urls;                                        /* for fy_peer_update; NULL: none */
    void (*on_last_unref)(void *arg, struct fy_peer *peer); /* frees the peer */
    void *arg;
};

/* The inbox is locked for each message by two threads, which slows down whoever uses the same lines of the cache. */
#define FY_CACHE_LINE 64

struct fy_peer {
    struct fy_peer_base base;
    atomic_uint n_refs;
    bool is_started; /* the loop's */
    bool is_dialing; /* the loop's; readers and prober were started */
    bool is_silent;  /* the loop's; see fy_peer_silence */
    bool is_stopped; /* the loop's */

    char apart_before[FY_CACHE_LINE];
    struct fy_inbox inbox; /* what arrived from it, on the way to the core */
    char apart_behind[FY_CACHE_LINE];

    struct fy_stream_writer writers[FERRY_N_STREAMS];
    struct fy_stream_reader readers[FERRY_N_STREAMS];
    struct fy_pipeline pipeline;
    struct fy_prober prober;
    struct fy_snapshot_lane snapshots;
    struct fy_snapshot_meter snapshots_in; /* the transport's, which receives them */

    struct fy_peer_ties ties; /* the transport's */
};

/*
 * Make a peer with one reference; takes urls (of fy_urls_copy) on success.  Any thread: touches no timer of the loop's
 * until start.  FERRY_OK or FERRY_ERR_NOMEM.
 */
int fy_peer_new(struct fy_raft_local *raft, uint64_t id, char **urls, struct fy_peer **ret_peer);
void fy_peer_set_remote(struct fy_peer *peer); /* before it is shared */

/* A remote becomes a peer: fy_peer_start is to be called again.  Any thread. */
void fy_peer_promote(struct fy_peer *peer);
void fy_peer_free(struct fy_peer *peer); /* never started, or stopped; without references */
void fy_peer_ref(struct fy_peer *peer);
void fy_peer_unref(struct fy_peer *peer); /* the last one calls on_last_unref */

void fy_peer_start(struct fy_peer *peer); /* and again after fy_peer_promote: begins to dial */
void fy_peer_stop(struct fy_peer *peer, enum ferry_drop_reason reason); /* also if never started */
void fy_peer_update(struct fy_peer *peer, char **urls);                 /* takes urls */

/* The cluster has removed this member: stop dialing and posting.  Streams that stand go on. */
void fy_peer_silence(struct fy_peer *peer);

/* Encode msg and queue it on its lane, or drop it.  Any thread. */
void fy_peer_send(struct fy_peer *peer, const struct ferry_message *msg);

/* The same with a packer of fy_raft_local_packer, for one of several messages: next follows it; NULL: none. */
void fy_peer_send_one_of(struct fy_peer *peer, const struct ferry_message *msg, const struct ferry_message *next,
                         struct fy_packer *packer);

/* As fy_peer_base_ask_for_attention.  Any thread. */
void fy_peer_ask_for_attention(struct fy_peer *peer);

/* Do the work that senders left for the loop. */
void fy_peer_attend(struct fy_peer *peer);

static inline uint64_t fy_peer_id(const struct fy_peer *peer)
{
    return peer->base.member.id;
}

static inline struct fy_counts *fy_peer_counts(struct fy_peer *peer)
{
    return &peer->base.account.counts;
}

/* Any thread. */
void fy_peer_read_status(struct fy_peer *peer, struct ferry_peer_status *ret_status);

#endif
