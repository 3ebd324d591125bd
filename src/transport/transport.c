/*
 * transport - the transport's life, and what its loop does.
 *
 * Calls of the embedder's threads end in a peer's channels (send.c) or in the tables of peers (members.c).  What must
 * happen on the loop is noted with the peer, which posts its errand: the loop then starts, updates or stops the peer
 * and wakes its lanes.  Nothing else touches the loop's data, so it needs no lock.
 */
#include "transport/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http/http.h"
#include "net/net.h"
#include "net/tls/tls.h"
#include "peer/peer.h"
#include "transport/config.h"
#include "transport/pages.h"
#include "transport/raft_server.h"
#include "transport/snapshot_server.h"
#include "wire/headers.h"

/* ---- Calls from the peer code ----------------------------------------------------------------------------------
 */

static void up_deliver(void *ctx, struct fy_peer *peer, const struct ferry_message *msg)
{
    struct ferry_transport *t = ctx;

    if (msg->to == 0 || msg->to == t->local.id) {
        fy_delivery_put(&t->delivery, peer, msg, NULL, NULL);
    } else { /* for the member that had this address before */
        fy_count(&fy_peer_counts(peer)->received_dropped, 1);
        ferry_message_unref(msg);
    }
}

static void transport_on_attention(struct fy_errand *errand);

static void up_attend(void *ctx, struct fy_peer *peer)
{
    struct ferry_transport *t = ctx;

    fy_peer_ref(peer); /* the errand's */
    peer->ties.attention.run = transport_on_attention;
    fy_errands_post(&t->node->errands, &peer->ties.attention);
}

static void up_unreachable(void *ctx, struct fy_peer *peer)
{
    struct ferry_transport *t = ctx;

    fy_delivery_report_unreachable(&t->delivery, peer);
}

static void up_snapshot(void *ctx, struct fy_peer *peer, enum ferry_snapshot_result result)
{
    struct ferry_transport *t = ctx;

    fy_delivery_report_snapshot(&t->delivery, peer, result);
}

static void up_fatal(void *ctx, int err)
{
    struct ferry_transport *t = ctx;

    if (atomic_exchange(&t->was_fatal, true))
        return;
    fy_log(&t->local.log, FERRY_LOG_ERROR, "transport", 0, "%s: stopping all outgoing connections",
           ferry_strerror(err));
    fy_errands_post(&t->node->errands, &t->silencing); /* an errand, since a peer is calling */
    if (t->core.report_fatal)
        t->core.report_fatal(t->core.ctx, err);
}

/* ---- The loop -----------------------------------------------------------------------------------------------------
 */

static void transport_on_request(void *arg, struct fy_request *req)
{
    fy_raft_server_serve(arg, req);
}

/* Stop the peer: from now on no message passes in either direction. */
static void stop_peer(struct fy_peer *peer, enum ferry_drop_reason reason)
{
    fy_peer_stop(peer, reason);
    fy_count(&fy_peer_counts(peer)->received_dropped, fy_inbox_close(&peer->inbox));
}

/* Do for one peer what other threads noted. */
static void attend(struct ferry_transport *t, struct fy_peer *peer)
{
    char **new_urls;
    bool is_leaving;

    atomic_store(&peer->base.needs_attention, false); /* before reading the notes: a later one posts the errand again */
    pthread_mutex_lock(&t->mu);
    new_urls = peer->ties.new_urls;
    peer->ties.new_urls = NULL;
    is_leaving = peer->ties.is_leaving;
    pthread_mutex_unlock(&t->mu);

    if (new_urls)
        fy_peer_update(peer, new_urls);
    if (is_leaving && !peer->is_stopped) {
        stop_peer(peer, FERRY_DROP_REMOVED);
        fy_delivery_attend(&t->delivery, peer);
        fy_peer_unref(peer); /* the table's */
        return;
    }
    if (atomic_load(&t->was_fatal))
        fy_peer_silence(peer);
    if (!peer->is_stopped)
        fy_peer_start(peer);
    fy_peer_attend(peer);
    fy_delivery_attend(&t->delivery, peer);
}

static void transport_on_attention(struct fy_errand *errand)
{
    struct fy_peer *peer = fy_container(errand, struct fy_peer, ties.attention);

    attend(peer->ties.arg, peer);
    fy_peer_unref(peer); /* the errand's */
}

/* The cluster has removed this member: silence every peer.  attend silences those that are added later. */
static void transport_on_silencing(struct fy_errand *errand)
{
    struct ferry_transport *t = fy_container(errand, struct ferry_transport, silencing);
    struct fy_peer *peer;

    for (int i = 0; i < 2; i++) {
        for (uint64_t id = 0;; id = fy_peer_id(peer)) {
            pthread_mutex_lock(&t->mu);
            peer = fy_peer_table_after(i == 0 ? &t->peers : &t->remotes, id);
            pthread_mutex_unlock(&t->mu);
            if (!peer) /* only the loop drops the tables' references, so this one outlives the lock */
                break;
            fy_peer_silence(peer);
        }
    }
}

static void stop_peers(struct ferry_transport *t)
{
    struct fy_peer *peer;

    while ((peer = fy_transport_take_any(t))) {
        stop_peer(peer, FERRY_DROP_STOPPED);
        fy_peer_unref(peer);
    }
}

/* The node is stopping.  Or the transport is: then it has done the same, and there is nothing left to do. */
static void transport_on_node_stop(void *arg)
{
    struct ferry_transport *t = arg;
    int expected = FY_TRANSPORT_RUNNING;

    fy_delivery_close(&t->delivery);
    (void)atomic_compare_exchange_strong(&t->state, &expected, FY_TRANSPORT_LEFT);
    stop_peers(t);
}

/* The transport is stopping: end all that the loop has of it, but for what the disk and the workers still have. */
static void transport_on_leave(void *arg)
{
    struct ferry_transport *t = arg;

    stop_peers(t);
    fy_intake_abort_all(&t->intake);
    fy_snapshot_server_abort(t);
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

/* A node for t alone. */
static int make_node(struct ferry_transport *t, struct fy_net *net)
{
    struct fy_service_node_config cfg = {.log = t->local.log,
                                         .listen_urls = t->listen_urls,
                                         .tls = t->tls,
                                         .write_timeout_ms = t->write_timeout_ms,
                                         .link_timeout_ms = t->link_timeout_ms,
                                         .busy_poll_us = t->busy_poll_us,
                                         .max_connections = t->max_connections,
                                         .reserved_connections = t->reserved_connections,
                                         .max_per_address = t->max_per_address,
                                         .body_timeout_ms = t->body_timeout_ms,
                                         .is_hosted = t->mode == FERRY_DELIVER_HOST,
                                         .net = net};

    t->owns_node = true;
    return fy_service_node_new(&cfg, &t->node);
}

static int take_node(struct ferry_transport *t, struct fy_service_node *node)
{
    if (t->listen_urls || t->tls) {
        fy_log(&t->local.log, FERRY_LOG_ERROR, "config", 0, "listen_urls and tls are settings of the shared node");
        return FERRY_ERR_INVALID;
    }
    t->node = node;
    t->tls = node->cfg.tls;
    return FERRY_OK;
}

/* On node, or on one of its own; that one is on net, or makes its own. */
static int transport_new(const struct ferry_config *cfg, struct fy_service_node *node, struct fy_net *net,
                         struct ferry_transport **ret_t)
{
    struct ferry_transport *t = calloc(1, sizeof(*t));
    int err;

    if (!t)
        return FERRY_ERR_NOMEM;
    err = fy_config_apply(cfg, t);
    if (err == FERRY_OK)
        err = node ? take_node(t, node) : make_node(t, net);
    if (err != FERRY_OK) {
        fy_config_release(t);
        free(t);
        return err;
    }
    t->raft.local = &t->local;
    t->raft.up = (struct fy_upcalls){.deliver = up_deliver,
                                     .attend = up_attend,
                                     .unreachable = up_unreachable,
                                     .snapshot = up_snapshot,
                                     .fatal = up_fatal,
                                     .ctx = t};
    fy_routes_init(&t->routes, &t->intake);
    fy_snapshot_meter_init(&t->stranger_snapshots);
    fy_delivery_init(&t->delivery, &t->core, t->raft.max_queue_messages, t->raft.max_queue_bytes);
    t->service = (struct fy_service){.path = FY_PATH_RAFT,
                                     .on_request = transport_on_request,
                                     .routes = &t->routes,
                                     .on_node_stop = transport_on_node_stop,
                                     .arg = t};
    fy_pages_init(t);
    fy_list_init(&t->arrivals);
    t->silencing.run = transport_on_silencing;
    fy_delivery_set_log(&t->delivery, &t->local.log);
    fy_disk_init(&t->disk);
    t->disk.log = &t->local.log;
    t->raft.disk = &t->disk;
    (void)pthread_mutex_init(&t->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_list_init(&t->alive);
    *ret_t = t;
    return FERRY_OK;
}

int ferry_transport_new(const struct ferry_config *cfg, struct ferry_transport **ret_t)
{
    if (!cfg || !ret_t)
        return FERRY_ERR_INVALID;
    return transport_new(cfg, NULL, NULL, ret_t);
}

int fy_transport_new_on(const struct ferry_config *cfg, struct fy_net *net, struct ferry_transport **ret_t)
{
    assert(net);
    return transport_new(cfg, NULL, net, ret_t);
}

int fy_transport_new_on_node(const struct ferry_config *cfg, struct fy_service_node *node,
                             struct ferry_transport **ret_t)
{
    assert(node);
    return transport_new(cfg, node, NULL, ret_t);
}

/* X-PeerURLs: the URLs to advertise, or the listen URLs as bound. */
static int advertise(struct ferry_transport *t)
{
    t->raft.peer_urls = fy_config_join_urls(t->advertise_urls ? t->advertise_urls : t->node->bound_urls);
    return t->raft.peer_urls ? FERRY_OK : FERRY_ERR_NOMEM;
}

/* Reads the clock and makes timers, which belong to the loop: a shared node is already running. */
static void transport_on_prepare(void *arg)
{
    struct ferry_transport *t = arg;

    fy_local_start(&t->local);
    fy_pace_init(&t->raft.snapshot_pace, t->local.net, t->raft.snapshot_bytes_per_s);
}

/* As many disk workers as there may be snapshots: one that is stuck must not hold up another. */
static int prepare_snapshots(struct ferry_transport *t)
{
    unsigned max_threads = t->node->cfg.net ? 0 : t->max_snapshots_in + t->raft.max_snapshots_out;
    int err = fy_disk_start(&t->disk, &t->node->errands, max_threads);

    fy_service_node_call(t->node, transport_on_prepare, t);
    return err == FERRY_OK ? fy_snapshot_server_open(t) : err;
}

static int start_delivery(struct ferry_transport *t)
{
    int err = FERRY_OK;

    if (!t->node->cfg.net && t->mode == FERRY_DELIVER_WORKERS)
        err = fy_delivery_start(&t->delivery, t->n_workers, t->n_propose_workers, t->busy_poll_us);
    if (err == FERRY_ERR_SYSTEM)
        fy_log(&t->local.log, FERRY_LOG_ERROR, "transport", 0, "cannot start a thread: %s", strerror(errno));
    return err;
}

static void transport_on_joined(void *arg)
{
    struct ferry_transport *t = arg;

    fy_disk_finish(&t->disk);
}

static void transport_on_delivery_stopped(void *arg)
{
    struct ferry_transport *t = arg;

    fy_delivery_silence(&t->delivery);
}

/*
 * Undo whatever start has done.  Removed peers report what they drop, so before delivery stops.  A snapshot that was
 * stored meanwhile goes to the core, so the disk ends before delivery stops, which then refuses it.
 */
static void tear_down(struct ferry_transport *t)
{
    if (t->owns_node)
        fy_service_node_stop(t->node);
    fy_service_node_unmount(t->node, &t->service);
    fy_service_node_call(t->node, transport_on_leave, t);
    fy_disk_join(&t->disk);
    fy_service_node_call(t->node, transport_on_joined, t);
    fy_delivery_stop(&t->delivery);
    fy_service_node_call(t->node, transport_on_delivery_stopped, t); /* after the answers to posts */
}

/* Open the node, if it is ours, and mount: no request comes before the start of the loop. */
static int prepare(struct ferry_transport *t)
{
    int err = t->owns_node ? fy_service_node_open(t->node) : t->node->net ? FERRY_OK : FERRY_ERR_STATE;

    if (err != FERRY_OK)
        return err;
    t->local.net = t->node->net;
    err = prepare_snapshots(t);
    if (err == FERRY_OK && t->owns_node)
        err = fy_service_node_mount(t->node, &t->service);
    if (err == FERRY_OK && t->owns_node)
        err = fy_service_node_listen(t->node);
    return err == FERRY_OK ? advertise(t) : err;
}

int ferry_transport_start(struct ferry_transport *t)
{
    int expected = FY_TRANSPORT_NEW;
    int err;

    if (!atomic_compare_exchange_strong(&t->state, &expected, FY_TRANSPORT_STARTING))
        return FERRY_ERR_STATE;
    err = prepare(t);
    if (err == FERRY_OK) {
        atomic_store(&t->state, FY_TRANSPORT_RUNNING); /* other threads and callbacks may use the net now */
        err = start_delivery(t);
    }
    if (err == FERRY_OK)
        err = t->owns_node ? fy_service_node_run(t->node) : fy_service_node_mount(t->node, &t->service);
    if (err != FERRY_OK) {
        atomic_store(&t->state, FY_TRANSPORT_STOPPED);
        tear_down(t);
    }
    return err;
}

/* May the caller wait for the transport's threads?  FERRY_ERR_STATE: it is on one of them, or inside of run. */
static int check_outside(struct ferry_transport *t, const char *function)
{
    if (!fy_service_node_is_inside(t->node) && !fy_delivery_is_worker(&t->delivery) && !fy_disk_is_worker(&t->disk))
        return FERRY_OK;
    fy_log(&t->local.log, FERRY_LOG_ERROR, "transport", 0, "%s was called from a callback, and does nothing", function);
    return FERRY_ERR_STATE;
}

static void stop(struct ferry_transport *t)
{
    int state;

    fy_delivery_close(&t->delivery); /* first, so that the core gets no message after a call was refused */
    state = atomic_exchange(&t->state, FY_TRANSPORT_STOPPED);
    if (state == FY_TRANSPORT_RUNNING || state == FY_TRANSPORT_LEFT)
        tear_down(t);
}

int ferry_transport_stop(struct ferry_transport *t)
{
    int err = check_outside(t, "ferry_transport_stop");

    if (err == FERRY_OK)
        stop(t);
    return err;
}

/* The last errands of the transport have run: calls beside stop may have posted some, or submitted a job. */
static void transport_on_free(void *arg)
{
    struct ferry_transport *t = arg;

    fy_disk_finish(&t->disk);
    fy_pace_release(&t->raft.snapshot_pace);
    fy_local_stop(&t->local);
}

int ferry_transport_free(struct ferry_transport *t)
{
    void (*on_free)(void *arg);
    void *arg;

    if (!t)
        return FERRY_OK;
    if (check_outside(t, "ferry_transport_free") != FERRY_OK)
        return FERRY_ERR_STATE;
    on_free = t->on_free;
    arg = t->on_free_arg;
    stop(t);
    fy_service_node_call(t->node, transport_on_free, t);
    fy_snapshot_server_close(t);
    assert(fy_list_is_empty(&t->alive));
    assert(atomic_load(&t->local.send_bytes) == 0);
    assert(t->intake.used == 0);
    fy_delivery_release(&t->delivery);
    fy_disk_release(&t->disk);
    if (t->owns_node)
        fy_service_node_free(t->node);
    fy_routes_release(&t->routes);
    pthread_mutex_destroy(&t->mu);
    fy_peer_table_release(&t->peers);
    fy_peer_table_release(&t->remotes);
    fy_config_release(t);
    free(t);
    if (on_free)
        on_free(arg);
    return FERRY_OK;
}

const char *ferry_transport_listen_url(const struct ferry_transport *t, size_t i)
{
    switch (atomic_load(&t->state)) {
    case FY_TRANSPORT_NEW:
    case FY_TRANSPORT_STARTING: /* they are still being bound */
        return NULL;
    default:
        return t->node->bound_urls && i < t->node->n_listeners ? t->node->bound_urls[i] : NULL;
    }
}

/* ---- Before the start -----------------------------------------------------------------------------------------------
 */

int ferry_transport_handle(struct ferry_transport *t, const char *path, ferry_http_fn *fn, void *ctx)
{
    if (atomic_load(&t->state) != FY_TRANSPORT_NEW)
        return FERRY_ERR_STATE;
    if (path && fy_raft_server_owns(path))
        return FERRY_ERR_INVALID;
    return fy_routes_add(&t->routes, path, fn, ctx);
}

/* ---- FERRY_DELIVER_HOST -------------------------------------------------------------------------------------------
 */

static bool is_hosted(const struct ferry_transport *t)
{
    return t->owns_node && !t->node->cfg.net && t->mode == FERRY_DELIVER_HOST &&
           atomic_load(&t->state) == FY_TRANSPORT_RUNNING;
}

int ferry_transport_fd(const struct ferry_transport *t)
{
    return is_hosted(t) ? fy_http_fd(t->local.net) : -1;
}

int ferry_transport_timeout_ms(const struct ferry_transport *t)
{
    return is_hosted(t) ? fy_http_timeout_ms(t->local.net) : -1;
}

int ferry_transport_run(struct ferry_transport *t, int timeout_ms)
{
    if (!is_hosted(t) || check_outside(t, "ferry_transport_run") != FERRY_OK)
        return FERRY_ERR_STATE;
    fy_service_node_turn(t->node, timeout_ms);
    return FERRY_OK;
}

/* ---- TLS ----------------------------------------------------------------------------------------------------------
 */

int ferry_transport_reload_tls(struct ferry_transport *t, const struct ferry_tls_config *tls)
{
    if (!t->tls)
        return FERRY_ERR_STATE;
    if (atomic_load(&t->state) == FY_TRANSPORT_STOPPED)
        return FERRY_ERR_CLOSED;
    return fy_tls_reload(t->tls, tls);
}
