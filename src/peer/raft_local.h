/*
 * raft_local.h - what Raft's lanes need to know of the member that we are, beyond member/local.h.
 *
 * Filled by the transport before the first peer starts, and constant from then on, but for the counters and the pace.
 */
#ifndef FY_PEER_RAFT_LOCAL_H
#define FY_PEER_RAFT_LOCAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "member/pace.h"
#include "net/net.h"
#include "wire/headers.h"
#include "wire/outgoing.h"

struct fy_disk;
struct fy_local;
struct fy_peer;

/* What the peer code calls in the transport.  All but deliver may be called from inside a call into the peer code. */
struct fy_upcalls {
    /* A message from the wire, with the reference that it holds.  Called on the loop. */
    void (*deliver)(void *ctx, struct fy_peer *peer, const struct ferry_message *msg);
    /* The peer has work for the loop: call fy_peer_attend there.  Any thread. */
    void (*attend)(void *ctx, struct fy_peer *peer);
    /* Report to the core.  Any thread; the core is called later, never from inside. */
    void (*unreachable)(void *ctx, struct fy_peer *peer);
    void (*snapshot)(void *ctx, struct fy_peer *peer, enum ferry_snapshot_result result);
    /* The cluster has removed this member.  The loop. */
    void (*fatal)(void *ctx, int err);
    void *ctx;
};

struct fy_raft_local {
    struct fy_local *local; /* outlives this */

    struct fy_id_text cluster_id_text;
    char *version_text;
    char *min_version_text;
    struct fy_version version;
    struct fy_version min_version;
    char *peer_urls; /* the value of X-PeerURLs; "": the header is left out */
    enum ferry_wire_form form;

    uint64_t post_timeout_ns;
    uint64_t probe_interval_ns; /* 0: no probes */
    uint64_t clock_alarm_ns;    /* 0: no warnings about clocks */
    size_t max_queue_messages;
    size_t max_queue_bytes;
    size_t max_pipeline_messages;
    size_t max_message_bytes;

    unsigned max_snapshots_out;
    atomic_uint n_snapshots_out; /* accepted, and their sources not closed */
    uint64_t snapshot_bytes_per_s;
    uint64_t snapshot_stall_ns;
    uint64_t snapshot_answer_ns;
    struct fy_pace snapshot_pace; /* the loop's; of all outgoing snapshots */
    struct fy_disk *disk;

    struct fy_upcalls up;
};

/* The headers of every request of ours: at most FY_RAFT_HEADERS, which point into raft. */
#define FY_RAFT_HEADERS 5
size_t fy_raft_local_headers(const struct fy_raft_local *raft, struct fy_header *headers);

/* To pack messages with, on the thread that sends them. */
struct fy_packer fy_raft_local_packer(const struct fy_raft_local *raft);

#endif
