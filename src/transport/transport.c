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

#include "base/thread.h"
#include "net/http/http.h"
#include "net/net.h"
#include "net/tls/tls.h"
#include "peer/peer.h"
#include "transport/config.h"
#include "transport/pages.h"
#include "transport/raft_server.h"
#include "transport/snapshot_server.h"
#include "wire/url.h"

/* ---- What the peer code calls up ----------------------------------------------------------------------------------
 */

static void up_deliver(void *ctx, struct fy_peer *peer, const struct ferry_message *msg)
{
    struct ferry_transport *t = ctx;

    if (msg->to == 0 || msg->to == t->local.id) {
        fy_delivery_put(&t->delivery, peer, msg, NULL, NULL);
    } else { /* a member that took over an old address must not get its messages */
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
    fy_errands_post(&t->errands, &peer->ties.attention);
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
    fy_log(&t->local.log, FERRY_LOG_ERROR, "transport", 0, "%s: nobody is dialled any more", ferry_strerror(err));
    fy_errands_post(&t->errands, &t->silencing); /* an errand, since a peer is calling */
    if (t->core.report_fatal)
        t->core.report_fatal(t->core.ctx, err);
}

/* ---- The loop -----------------------------------------------------------------------------------------------------
 */

static void on_request(void *arg, struct fy_request *req)
{
    struct ferry_transport *t = arg;

    if (fy_raft_server_owns(fy_request_path(req)))
        fy_raft_server_serve(t, req);
    else
        fy_routes_serve(&t->routes, req);
}

/* The peer goes: nothing passes in either direction from now on. */
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

    atomic_store(&peer->needs_attention, false); /* before looking: what comes from now on asks again */
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
            if (!peer) /* the loop alone lets go of the tables' references, so that this one outlives the lock */
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

/* After the peers: their streams have ended by themselves, and are not told of a broken connection. */
static void close_listeners(struct ferry_transport *t)
{
    for (size_t i = 0; i < t->n_listeners; i++) {
        fy_listener_close(t->listeners[i]);
        t->listeners[i] = NULL;
    }
}

/* Leave the loop in two turns: the first ends the streams, whose ends are then sent; the second closes everything. */
static void transport_on_leaving(struct fy_errand *errand)
{
    struct ferry_transport *t = fy_container(errand, struct ferry_transport, leaving);

    if (!t->has_stopped_peers) {
        stop_peers(t);
        t->has_stopped_peers = true;
        fy_errands_post(&t->errands, &t->leaving);
    } else {
        close_listeners(t);
        fy_http_stop(t->local.net);
    }
}

static void transport_on_wake(void *arg)
{
    struct ferry_transport *t = arg;

    fy_errands_run(&t->errands);
}

static void *io_main(void *arg)
{
    struct ferry_transport *t = arg;

    fy_thread_be_prompt();
    fy_http_run(t->local.net);
    return NULL;
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

static int transport_new(const struct ferry_config *cfg, struct fy_net *net, struct ferry_transport **ret_t)
{
    struct ferry_transport *t = calloc(1, sizeof(*t));
    int err;

    if (!t)
        return FERRY_ERR_NOMEM;
    err = fy_config_apply(cfg, t);
    if (err != FERRY_OK) {
        fy_config_release(t);
        free(t);
        return err;
    }
    t->has_own_net = !net;
    t->local.net = net;
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
    fy_errands_init(&t->errands);
    t->leaving.run = transport_on_leaving;
    t->silencing.run = transport_on_silencing;
    fy_disk_init(&t->disk);
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
    return transport_new(cfg, NULL, ret_t);
}

int fy_transport_new_on(const struct ferry_config *cfg, struct fy_net *net, struct ferry_transport **ret_t)
{
    assert(net);
    return transport_new(cfg, net, ret_t);
}

static int listen_all(struct ferry_transport *t)
{
    size_t n = 0;
    char detail[160];

    while (t->listen_urls && t->listen_urls[n])
        n++;
    if (n == 0)
        return FERRY_OK;
    t->listeners = calloc(n, sizeof(struct fy_listener *));
    if (!t->listeners)
        return FERRY_ERR_NOMEM;
    for (; t->n_listeners < n; t->n_listeners++) {
        int err = fy_net_listen(t->local.net, t->listen_urls[t->n_listeners], on_request, t,
                                &t->listeners[t->n_listeners], detail, sizeof(detail));

        if (err != FERRY_OK) {
            fy_log(&t->local.log, FERRY_LOG_ERROR, "listen", 0, "%s: %s", t->listen_urls[t->n_listeners], detail);
            return err;
        }
    }
    return FERRY_OK;
}

/* Keep the URLs that the listeners are bound to: they are asked for from any thread, and after stop. */
static int keep_bound_urls(struct ferry_transport *t)
{
    const char **urls;
    int err;

    if (t->n_listeners == 0)
        return FERRY_OK;
    urls = calloc(t->n_listeners + 1, sizeof(char *));
    if (!urls)
        return FERRY_ERR_NOMEM;
    for (size_t i = 0; i < t->n_listeners; i++)
        urls[i] = fy_listener_url(t->listeners[i]);
    err = fy_urls_copy_in_order(urls, &t->bound_urls);
    free(urls);
    return err;
}

/* What X-PeerURLs says: the URLs to advertise, or those that we listen on, as bound. */
static int advertise(struct ferry_transport *t)
{
    t->raft.peer_urls = fy_config_join_urls(t->advertise_urls ? t->advertise_urls : t->bound_urls);
    return t->raft.peer_urls ? FERRY_OK : FERRY_ERR_NOMEM;
}

/* err, after its cause has been told: the error alone does not name it. */
static int explain(const struct ferry_transport *t, int err, const char *what)
{
    if (err == FERRY_ERR_SYSTEM)
        fy_log(&t->local.log, FERRY_LOG_ERROR, "transport", 0, "%s: %s", what, strerror(errno));
    return err;
}

static int make_net(struct ferry_transport *t)
{
    struct fy_http_config cfg = {.write_timeout_ms = t->write_timeout_ms,
                                 .link_timeout_ms = t->link_timeout_ms,
                                 .busy_poll_us = t->busy_poll_us,
                                 .max_connections = t->max_connections,
                                 .log = &t->local.log,
                                 .tls = t->tls};

    return t->has_own_net ? explain(t, fy_http_new(&cfg, &t->local.net), "no descriptors for its loop") : FERRY_OK;
}

/* What snapshots need: as many disk workers as there may be snapshots, for one that is stuck must not hold another. */
static int prepare_snapshots(struct ferry_transport *t)
{
    unsigned max_threads = t->has_own_net ? t->max_snapshots_in + t->raft.max_snapshots_out : 0;
    int err = fy_disk_start(&t->disk, &t->errands, max_threads);

    fy_local_start(&t->local);
    fy_pace_init(&t->raft.snapshot_pace, t->local.net, t->raft.snapshot_bytes_per_s);
    return err == FERRY_OK ? fy_snapshot_server_open(t) : err;
}

static int start_threads(struct ferry_transport *t)
{
    int err = FERRY_OK;

    if (!t->has_own_net || t->mode == FERRY_DELIVER_HOST)
        return FERRY_OK;
    if (t->mode == FERRY_DELIVER_WORKERS)
        err = fy_delivery_start(&t->delivery, t->n_workers, t->n_propose_workers, t->busy_poll_us);
    if (err == FERRY_OK)
        err = fy_thread_start(&t->io_thread, "ferry-io", io_main, t);
    t->has_io_thread = err == FERRY_OK;
    return explain(t, err, "cannot start a thread");
}

/* Undo whatever start has done; no thread of the loop runs. */
static void tear_down(struct ferry_transport *t)
{
    stop_peers(t);
    if (t->has_own_net && t->local.net && t->mode == FERRY_DELIVER_HOST)
        fy_http_run_once(t->local.net, 0); /* sends the ends of the streams */
    close_listeners(t);
    fy_errands_drain(&t->errands); /* stops removed peers; they report what they drop, so before delivery stops */
    fy_disk_stop(&t->disk); /* before delivery, to which a snapshot goes that was stored meanwhile: it refuses it */
    fy_delivery_stop(&t->delivery);
    fy_errands_drain(&t->errands); /* answers posts, and lets go of references to peers */
    fy_delivery_silence(&t->delivery);
    if (t->local.net)
        fy_net_set_on_wake(t->local.net, NULL, NULL);
}

int ferry_transport_start(struct ferry_transport *t)
{
    int expected = FY_TRANSPORT_NEW;
    int err;

    if (!atomic_compare_exchange_strong(&t->state, &expected, FY_TRANSPORT_STARTING))
        return FERRY_ERR_STATE;
    err = make_net(t);
    if (err == FERRY_OK) {
        fy_net_set_on_wake(t->local.net, transport_on_wake, t);
        fy_errands_start(&t->errands, t->local.net);
        err = prepare_snapshots(t);
    }
    if (err == FERRY_OK)
        err = fy_pages_add_routes(t);
    if (err == FERRY_OK)
        err = listen_all(t);
    if (err == FERRY_OK)
        err = keep_bound_urls(t);
    if (err == FERRY_OK)
        err = advertise(t);
    if (err == FERRY_OK) {
        atomic_store(&t->state, FY_TRANSPORT_RUNNING); /* the net is there: other threads may come, and callbacks */
        err = start_threads(t);
    }
    if (err != FERRY_OK) {
        atomic_store(&t->state, FY_TRANSPORT_STOPPED);
        tear_down(t);
    }
    return err;
}

void ferry_transport_stop(struct ferry_transport *t)
{
    fy_delivery_close(&t->delivery); /* first, so that no message comes after the first call that is refused */
    if (atomic_exchange(&t->state, FY_TRANSPORT_STOPPED) != FY_TRANSPORT_RUNNING)
        return;
    if (t->has_io_thread) {
        fy_errands_post(&t->errands, &t->leaving);
        (void)pthread_join(t->io_thread, NULL); /* fails only for a thread that is not ours to join */
        t->has_io_thread = false;
    }
    tear_down(t);
}

void ferry_transport_free(struct ferry_transport *t)
{
    void (*on_free)(void *arg);
    void *arg;

    if (!t)
        return;
    on_free = t->on_free;
    arg = t->on_free_arg;
    ferry_transport_stop(t);
    fy_errands_drain(&t->errands); /* a call that ran beside stop may have posted one */
    fy_disk_stop(&t->disk);        /* or submitted a job */
    fy_snapshot_server_close(t);
    fy_pace_release(&t->raft.snapshot_pace);
    fy_local_stop(&t->local);
    assert(fy_list_is_empty(&t->alive));
    assert(atomic_load(&t->local.send_bytes) == 0);
    assert(t->intake.used == 0);
    if (t->has_own_net)
        fy_http_free(t->local.net);
    fy_delivery_release(&t->delivery);
    fy_disk_release(&t->disk);
    fy_errands_release(&t->errands);
    fy_routes_release(&t->routes);
    pthread_mutex_destroy(&t->mu);
    free(t->listeners);
    free(t->bound_urls);
    fy_peer_table_release(&t->peers);
    fy_peer_table_release(&t->remotes);
    fy_config_release(t);
    free(t);
    if (on_free)
        on_free(arg);
}

const char *ferry_transport_listen_url(const struct ferry_transport *t, size_t i)
{
    switch (atomic_load(&t->state)) {
    case FY_TRANSPORT_NEW:
    case FY_TRANSPORT_STARTING: /* they are still being bound */
        return NULL;
    default:
        return t->bound_urls && i < t->n_listeners ? t->bound_urls[i] : NULL;
    }
}

/* ---- Before the start -----------------------------------------------------------------------------------------------
 */

int ferry_transport_handle(struct ferry_transport *t, const char *path, ferry_http_fn *fn, void *ctx)
{
    if (atomic_load(&t->state) != FY_TRANSPORT_NEW)
        return FERRY_ERR_STATE;
    return fy_routes_add(&t->routes, path, fn, ctx);
}

/* ---- FERRY_DELIVER_HOST -------------------------------------------------------------------------------------------
 */

static bool is_hosted(const struct ferry_transport *t)
{
    return t->has_own_net && t->mode == FERRY_DELIVER_HOST && atomic_load(&t->state) == FY_TRANSPORT_RUNNING;
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
    if (!is_hosted(t))
        return FERRY_ERR_STATE;
    fy_http_run_once(t->local.net, timeout_ms);
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
