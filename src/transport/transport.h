/*
 * transport.h - the struct that the files of the transport share, and its internal constructors.
 *
 * Lock order: none.  mu and every lock below it (channels, inboxes, pools, statuses) are leaves: no code holds two.
 */
#ifndef FY_TRANSPORT_TRANSPORT_H
#define FY_TRANSPORT_TRANSPORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "disk/disk.h"
#include "ferry/ferry.h"
#include "member/local.h"
#include "node/intake.h"
#include "node/node.h"
#include "node/routes.h"
#include "peer/raft_local.h"
#include "peer/snapshot_meter.h"
#include "transport/delivery.h"
#include "transport/peer_table.h"

struct fy_net;
struct fy_peer;
struct fy_snapshot_dir;
struct fy_tls;

enum fy_transport_state {
    FY_TRANSPORT_NEW,
    FY_TRANSPORT_STARTING,
    FY_TRANSPORT_RUNNING,
    FY_TRANSPORT_LEFT, /* its node was stopped first: only stop and free are left to do */
    FY_TRANSPORT_STOPPED
};

struct ferry_transport {
    /* const after new */
    struct ferry_core core;
    enum ferry_delivery mode;
    struct fy_service_node *node;
    bool owns_node;             /* false: mounted on one that is shared */
    void (*on_free)(void *arg); /* called last in free, for the owner of the net; NULL: not wanted.  Set after new */
    void *on_free_arg;
    unsigned n_workers;
    unsigned n_propose_workers;
    unsigned busy_poll_us;
    unsigned link_timeout_ms;
    unsigned write_timeout_ms;
    size_t max_connections;
    size_t reserved_connections;
    size_t max_per_address;
    unsigned body_timeout_ms;
    struct fy_tls *tls; /* NULL: none */
    size_t max_remotes; /* that are learned */
    bool allows_foreign_from;
    bool serves_metrics;
    bool serves_debug_peers;
    char **listen_urls;    /* NULL-ended, one block; NULL: none */
    char **advertise_urls; /* the same */

    char *snapshot_dir_path; /* NULL: none */
    uint64_t max_snapshot_bytes;
    unsigned max_snapshots_in;

    /* const from start to stop */
    struct fy_local local;
    struct fy_raft_local raft;
    struct fy_service service;
    struct fy_page pages[2]; /* of service */
    struct fy_routes routes;
    struct fy_delivery delivery;
    struct fy_intake_budget intake; /* the loop's */
    struct fy_disk disk;
    struct ferry_snapshot_sink sink;      /* open is NULL: snapshots are refused */
    struct fy_snapshot_dir *snapshot_dir; /* behind sink; NULL: it is the embedder's */

    struct fy_list arrivals; /* the loop's; snapshots that are being received: the snapshot server's */
    unsigned n_snapshots_in; /* the loop's; being received, or with disk jobs that have not ended */
    struct fy_log_fold snapshot_fold;

    atomic_int state;                         /* enum fy_transport_state */
    atomic_bool was_fatal;                    /* the cluster has removed this member */
    struct fy_errand silencing;               /* posted when was_fatal is set */
    atomic_uint_fast64_t n_unknown;           /* messages to ids that are neither peers nor remotes */
    atomic_uint_fast64_t n_remotes_refused;   /* strangers that found max_remotes reached */
    atomic_uint_fast64_t n_stranger_failures; /* messages posted by strangers that could not be decoded */
    struct fy_snapshot_meter stranger_snapshots;
    struct fy_log_fold refusal_fold; /* the loop's; requests that are answered with 412 */
    struct fy_log_fold remote_fold;  /* the loop's; strangers that find max_remotes reached */

    pthread_mutex_t mu;
    struct fy_peer_table peers;      /* mu; each with a reference */
    struct fy_peer_table remotes;    /* mu; the same.  No id is in both */
    bool is_paused;                  /* mu */
    struct fy_log_fold unknown_fold; /* mu; messages to ids that are no peers' */
    struct fy_list alive;            /* mu; peers not freed yet, by ties.life_node */
    struct ferry_counts retired;     /* mu; of peers that were freed */
};

/*
 * As ferry_transport_new, but on net, which outlives the transport and whose loop the caller turns.  The core is called
 * on that loop, and every function of ferry.h belongs to its thread; cfg.delivery is ignored.
 */
int fy_transport_new_on(const struct ferry_config *cfg, struct fy_net *net, struct ferry_transport **ret_t);

/*
 * As ferry_transport_new, but mounted on a node, which outlives it and is open when the transport is started.  The node
 * listens, and has the TLS policy and the thread: listen_urls or tls in cfg are FERRY_ERR_INVALID.  With
 * FERRY_DELIVER_WORKERS the core has workers of its own, else it is called on the node's loop.  Start, stop and free
 * belong to the thread that the node's do.
 */
int fy_transport_new_on_node(const struct ferry_config *cfg, struct fy_service_node *node,
                             struct ferry_transport **ret_t);

/* The peer with this id, with a reference for the caller; NULL: none.  Any thread. */
struct fy_peer *fy_transport_find_peer(struct ferry_transport *t, uint64_t id);

/* The same, or the remote with this id. */
struct fy_peer *fy_transport_find(struct ferry_transport *t, uint64_t id);

/* Was the member with this id removed from the cluster, as far as the core knows?  The loop. */
bool fy_transport_is_removed(const struct ferry_transport *t, uint64_t id);

/* Take any peer or remote out of its table, with the table's reference; NULL: none is left.  The loop. */
struct fy_peer *fy_transport_take_any(struct ferry_transport *t);

/* FERRY_OK while running, else the error for the caller.  Any thread. */
static inline int fy_transport_check_running(const struct ferry_transport *t)
{
    switch (atomic_load(&t->state)) {
    case FY_TRANSPORT_RUNNING:
        return FERRY_OK;
    case FY_TRANSPORT_NEW:
    case FY_TRANSPORT_STARTING:
        return FERRY_ERR_STATE;
    default:
        return FERRY_ERR_CLOSED;
    }
}

/*
 * Remember a stranger as a remote: a request of this cluster named its id and URLs (X-PeerURLs).  Does nothing if the
 * id is known or was removed, if a URL is invalid or cannot be dialled, or if max_remotes is reached.  The loop.
 */
void fy_transport_learn_remote(struct ferry_transport *t, uint64_t id, const char *urls);

#endif
