/*
 * peer.h - another member of the cluster, as this one sees it: two streams out, two streams in, a pipeline.
 *
 * A remote is one that is no peer yet, only to be answered: it has a pipeline, dials nothing, and lets nobody attach to
 * its writers, so that they never open and every message takes the pipeline.  It can become a peer, not the reverse.
 *
 * A peer is shared: the transport's table, callers of send and the loop each hold a reference.  send may come from any
 * thread at any time; everything else is the loop's.
 */
#ifndef FY_PEER_PEER_H
#define FY_PEER_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "ferry/ferry.h"
#include "member/counts.h"
#include "member/link.h"
#include "member/peer_status.h"
#include "member/url_picker.h"
#include "peer/inbox.h"
#include "peer/pipeline.h"
#include "peer/prober.h"
#include "peer/snapshot_lane.h"
#include "peer/snapshot_meter.h"
#include "peer/stream_reader.h"
#include "peer/stream_writer.h"

struct fy_local;
struct fy_packer;

/* What ties a peer to the transport that made it. */
struct fy_peer_ties {
    struct fy_node attention_node;                          /* peers to attend to */
    struct fy_node life_node;                               /* peers that are not freed yet */
    bool is_leaving;                                        /* removed: to be stopped */
    bool is_learned;                                        /* a remote that its own request brought */
    uint64_t heard_ns;                                      /* a learned remote: when it last asked something */
    char **new_urls;                                        /* to be given to fy_peer_update; NULL: none */
    void (*on_last_unref)(void *arg, struct fy_peer *peer); /* frees the peer */
    void *arg;
};

struct fy_peer {
    uint64_t id;            /* const */
    struct fy_local *local; /* const; outlives the peer */
    atomic_uint n_refs;
    atomic_bool needs_attention; /* given to local->up.attend, and not attended to yet */
    atomic_bool is_remote;       /* it may become false, never true */
    atomic_bool is_paused;
    atomic_bool is_cut;
    atomic_int closed_reason; /* enum ferry_drop_reason: of messages that come when the lanes are closed */
    bool is_started;          /* the loop's */
    bool is_dialing;          /* the loop's; readers and prober were started */
    bool is_silent;           /* the loop's; see fy_peer_silence */
    bool is_stopped;          /* the loop's */

    struct fy_counts counts;
    struct fy_peer_status status;
    struct fy_inbox inbox; /* what arrived from it, on the way to the core */

    struct fy_url_picker picker; /* the loop's, and what is below */
    struct fy_stream_writer writers[FERRY_N_STREAMS];
    struct fy_stream_reader readers[FERRY_N_STREAMS];
    struct fy_pipeline pipeline;
    struct fy_prober prober;
    struct fy_snapshot_lane snapshots;
    struct fy_snapshot_meter snapshots_in; /* the transport's, which receives them */
    struct fy_link link;

    struct fy_peer_ties ties; /* the transport's */
};

/*
 * Make a peer with one reference; takes urls (of fy_urls_copy) on success.  Any thread: touches no timer of the loop's
 * until start.  FERRY_OK or FERRY_ERR_NOMEM.
 */
int fy_peer_new(struct fy_local *local, uint64_t id, char **urls, struct fy_peer **ret_peer);
void fy_peer_set_remote(struct fy_peer *peer); /* before anybody else knows it */

/* A remote becomes a peer: fy_peer_start is to be called again.  Any thread. */
void fy_peer_promote(struct fy_peer *peer);
void fy_peer_free(struct fy_peer *peer); /* never started or stopped; nobody refers to it */
void fy_peer_ref(struct fy_peer *peer);
void fy_peer_unref(struct fy_peer *peer); /* the last one calls on_last_unref */

void fy_peer_start(struct fy_peer *peer); /* and again: one that is no remote any more begins to dial */
void fy_peer_stop(struct fy_peer *peer, enum ferry_drop_reason reason); /* also one that never started */
void fy_peer_update(struct fy_peer *peer, char **urls);                 /* takes urls */

/* The cluster has removed this member: dial and post no more.  Streams that the peer reads or writes go on. */
void fy_peer_silence(struct fy_peer *peer);

/* Encode msg and queue it on the lane that it belongs to, or drop it.  Any thread. */
void fy_peer_send(struct fy_peer *peer, const struct ferry_message *msg);

/* The same with a packer of fy_local_packer, for one of several messages: next is the one after it, NULL: none. */
void fy_peer_send_one_of(struct fy_peer *peer, const struct ferry_message *msg, const struct ferry_message *next,
                         struct fy_packer *packer);

/* Have up.attend called, once until needs_attention is reset.  Any thread. */
void fy_peer_ask_for_attention(struct fy_peer *peer);

/* Do what senders left for the loop to do. */
void fy_peer_attend(struct fy_peer *peer);

/* For the lanes: msg was written, and is freed; or all of msgs, which is left empty, of so much memory together. */
void fy_peer_free_message(struct fy_peer *peer, struct fy_outgoing *msg);
void fy_peer_free_messages(struct fy_peer *peer, struct fy_list *msgs, size_t memory);

/* For the lanes: msg is dropped for reason; it is counted, reported where the protocol says so, and freed. */
void fy_peer_dropped(struct fy_peer *peer, struct fy_outgoing *msg, enum ferry_drop_reason reason);

/* The same for all of msgs, which is left empty; the core is told once.  How many they were, and their memory. */
void fy_peer_dropped_all(struct fy_peer *peer, struct fy_list *msgs, enum ferry_drop_reason reason, size_t *ret_n,
                         size_t *ret_memory);

/* For the readers: a message came.  Takes the reference. */
void fy_peer_deliver(struct fy_peer *peer, const struct ferry_message *msg);

/* Does the peer's traffic pass?  Not while it is paused or cut. */
bool fy_peer_is_open(const struct fy_peer *peer);

void fy_peer_read_status(struct fy_peer *peer, struct ferry_peer_status *ret_status);

#endif
