/*
 * local.h - what every part of the peer code knows of the member it runs in.
 *
 * Filled by the transport before the first peer starts, and constant from then on, but for the budget.
 */
#ifndef FY_PEER_LOCAL_H
#define FY_PEER_LOCAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/shelf.h"
#include "ferry/ferry.h"
#include "member/pace.h"
#include "net/net.h"
#include "wire/headers.h"
#include "wire/outgoing.h"

struct fy_disk;
struct fy_peer;

/* What the peer code asks of the house above it.  All but deliver may come from inside a call into the peer code. */
struct fy_upcalls {
    /* A message from the wire, with the reference that it holds.  Called on the loop. */
    void (*deliver)(void *ctx, struct fy_peer *peer, const struct ferry_message *msg);
    /* The peer has something for the loop to attend to: fy_peer_attend is to be called.  Any thread. */
    void (*attend)(void *ctx, struct fy_peer *peer);
    /* The core is to be told.  Any thread; the core is called later, never from inside. */
    void (*unreachable)(void *ctx, struct fy_peer *peer);
    void (*snapshot)(void *ctx, struct fy_peer *peer, enum ferry_snapshot_result result);
    /* The cluster refuses this member.  The loop. */
    void (*fatal)(void *ctx, int err);
    void *ctx;
};

struct fy_local {
    uint64_t id;
    struct fy_id_text id_text;
    struct fy_id_text cluster_id_text;
    char *version_text;
    char *min_version_text;
    struct fy_version version;
    struct fy_version min_version;
    char *peer_urls; /* the value of X-PeerURLs; "": the header is left out */
    enum ferry_wire_form form;

    uint64_t dial_timeout_ns;
    uint64_t read_timeout_ns;
    uint64_t link_timeout_ns; /* 0: links are not watched */
    uint64_t post_timeout_ns;
    uint64_t dial_retry_ns;
    uint64_t probe_interval_ns; /* 0: none */
    uint64_t clock_alarm_ns;    /* 0: never */
    size_t max_queue_messages;
    size_t max_queue_bytes;
    size_t max_pipeline_messages;
    size_t max_message_bytes;

    size_t max_send_bytes;
    atomic_size_t send_bytes; /* in all outgoing queues; <= max_send_bytes */
    struct fy_shelf shelf;    /* what their messages' memory comes from and goes to */

    unsigned max_snapshots_out;
    atomic_uint n_snapshots_out; /* accepted, and their sources not closed */
    uint64_t snapshot_bytes_per_s;
    uint64_t snapshot_stall_ns;
    uint64_t snapshot_answer_ns;
    struct fy_pace snapshot_pace; /* the loop's; of all outgoing snapshots */
    struct fy_disk *disk;

    struct fy_net *net;
    struct fy_log log;
    struct fy_upcalls up;
};

/* The headers of every request of ours: at most FY_LOCAL_HEADERS, which point into local. */
#define FY_LOCAL_HEADERS 5
size_t fy_local_headers(const struct fy_local *local, struct fy_header *headers);

/*
 * When link heartbeats are due: at the same moments for all peers, so that one wake-up serves them all, and in turn for
 * the streams of one, so that something of ours is to be acknowledged twice as often as a stream beats.
 */
uint64_t fy_local_heartbeat_ns(const struct fy_local *local); /* how often a stream carries one */
uint64_t fy_local_next_heartbeat_ns(const struct fy_local *local, enum ferry_stream stream, uint64_t now_ns);
enum ferry_stream fy_local_last_to_beat(const struct fy_local *local, uint64_t now_ns);

/* To pack messages with, on the thread that sends them. */
struct fy_packer fy_local_packer(struct fy_local *local);

/* Take bytes from the budget of all outgoing queues, or say that it is spent.  Any thread. */
bool fy_local_reserve(struct fy_local *local, size_t bytes);
void fy_local_unreserve(struct fy_local *local, size_t bytes);

#endif
