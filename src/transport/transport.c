/*
 * transport - the public face: life, members, sending, looking.
 *
 * What the embedder's threads do ends in a peer's channels or in the table of peers; what must happen on the loop is
 * left with the peer, which is put on the attention list, and the loop is woken.  on_wake then starts, updates and
 * stops peers and kicks their lanes.  Starting, stopping and draining go through that one door, so the loop's data
 * needs no lock.
 */
#include "transport/transport.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "net/http/http.h"
#include "net/net.h"
#include "net/tls/tls.h"
#include "peer/peer.h"
#include "transport/config.h"
#include "transport/raft_server.h"
#include "transport/snapshot_server.h"
#include "transport/survey.h"
#include "wire/url.h"

#define MIN_SILENCE_NS (30 * UINT64_C(1000000000)) /* of a learned remote that has to make room for another */

/* ---- The tables of peers ------------------------------------------------------------------------------------------
 */

/* A reference to what find gives under mu. */
static struct fy_peer *find_in(struct ferry_transport *t, uint64_t id, bool with_remotes)
{
    struct fy_peer *peer;

    pthread_mutex_lock(&t->mu);
    peer = fy_peer_table_find(&t->peers, id);
    if (!peer && with_remotes)
        peer = fy_peer_table_find(&t->remotes, id);
    if (peer)
        fy_peer_ref(peer);
    pthread_mutex_unlock(&t->mu);
    return peer;
}

struct fy_peer *fy_transport_find_peer(struct ferry_transport *t, uint64_t id)
{
    return find_in(t, id, false);
}

struct fy_peer *fy_transport_find(struct ferry_transport *t, uint64_t id)
{
    return find_in(t, id, true);
}

static struct fy_peer_table *table_of(struct ferry_transport *t, struct fy_peer *peer)
{
    return atomic_load(&peer->is_remote) ? &t->remotes : &t->peers;
}

/* Nobody refers to the peer any more: keep its sums, and free it. */
static void on_last_unref(void *arg, struct fy_peer *peer)
{
    struct ferry_transport *t = arg;

    pthread_mutex_lock(&t->mu);
    fy_counts_add_to(&peer->counts, &t->retired);
    fy_list_remove(&peer->ties.life_node);
    pthread_mutex_unlock(&t->mu);
    fy_peer_free(peer);
}

/* ---- What the peer code calls up ----------------------------------------------------------------------------------
 */

static void up_deliver(void *ctx, struct fy_peer *peer, const struct ferry_message *msg)
{
    struct ferry_transport *t = ctx;

    if (msg->to == 0 || msg->to == t->local.id) {
        fy_delivery_put(&t->delivery, peer, msg, NULL, NULL);
    } else { /* a member that took over an old address must not get its messages */
        fy_count(&peer->counts.received_dropped, 1);
        ferry_message_unref(msg);
    }
}

static void up_attend(void *ctx, struct fy_peer *peer)
{
    struct ferry_transport *t = ctx;

    fy_peer_ref(peer);
    pthread_mutex_lock(&t->mu);
    fy_list_append(&t->attention, &peer->ties.attention_node);
    pthread_mutex_unlock(&t->mu);
    fy_net_wake(t->local.net);
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
    fy_net_wake(t->local.net); /* to silence the peers: not from inside what one of them is doing */
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
    fy_count(&peer->counts.received_dropped, fy_inbox_close(&peer->inbox));
}

/* Do for one peer what others left to do. */
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

/* The cluster has removed this member: every peer hears of it, once.  Later ones do when they are attended to. */
static void silence_all(struct ferry_transport *t)
{
    struct fy_peer *peer;

    t->is_silenced = true;
    for (int i = 0; i < 2; i++) {
        for (uint64_t id = 0;; id = peer->id) {
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

    for (;;) {
        pthread_mutex_lock(&t->mu);
        peer = fy_peer_table_after(&t->peers, 0);
        if (!peer)
            peer = fy_peer_table_after(&t->remotes, 0);
        if (peer)
            fy_peer_table_remove(table_of(t, peer), peer);
        pthread_mutex_unlock(&t->mu);
        if (!peer)
            break;
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

/* Leave the loop: one turn to end the streams, which it then sends, and one to close everything. */
static void leave(struct ferry_transport *t)
{
    if (!t->has_stopped_peers) {
        stop_peers(t);
        t->has_stopped_peers = true;
        fy_net_wake(t->local.net);
    } else {
        close_listeners(t);
        fy_http_stop(t->local.net);
    }
}

static void on_wake(void *arg)
{
    struct ferry_transport *t = arg;
    struct fy_list attention;
    struct fy_node *node;

    if (atomic_load(&t->was_fatal) && !t->is_silenced)
        silence_all(t);
    fy_list_init(&attention);
    pthread_mutex_lock(&t->mu);
    fy_list_splice(&attention, &t->attention);
    pthread_mutex_unlock(&t->mu);
    while ((node = fy_list_take_first(&attention))) {
        struct fy_peer *peer = fy_container(node, struct fy_peer, ties.attention_node);

        attend(t, peer);
        fy_peer_unref(peer); /* the list's */
    }
    fy_disk_attend(&t->disk);
    fy_raft_server_attend(t);
    if (atomic_load(&t->is_stop_wanted) && t->has_io_thread)
        leave(t);
}

static void *io_main(void *arg)
{
    struct ferry_transport *t = arg;

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
    t->local.up = (struct fy_upcalls){.deliver = up_deliver,
                                      .attend = up_attend,
                                      .unreachable = up_unreachable,
                                      .snapshot = up_snapshot,
                                      .fatal = up_fatal,
                                      .ctx = t};
    fy_routes_init(&t->routes, &t->intake);
    fy_snapshot_meter_init(&t->stranger_snapshots);
    fy_delivery_init(&t->delivery, &t->core, t->local.max_queue_messages, t->local.max_queue_bytes);
    fy_disk_init(&t->disk);
    t->local.disk = &t->disk;
    (void)pthread_mutex_init(&t->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_list_init(&t->alive);
    fy_list_init(&t->attention);
    fy_list_init(&t->answered);
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
    t->local.peer_urls = fy_config_join_urls(t->advertise_urls ? t->advertise_urls : t->bound_urls);
    return t->local.peer_urls ? FERRY_OK : FERRY_ERR_NOMEM;
}

static int make_net(struct ferry_transport *t)
{
    struct fy_http_config cfg = {.write_timeout_ms = t->write_timeout_ms,
                                 .busy_poll_us = t->busy_poll_us,
                                 .max_connections = t->max_connections,
                                 .log = &t->local.log,
                                 .tls = t->tls};

    return t->has_own_net ? fy_http_new(&cfg, &t->local.net) : FERRY_OK;
}

/* What snapshots need: as many disk workers as there may be snapshots, for one that is stuck must not hold another. */
static int prepare_snapshots(struct ferry_transport *t)
{
    unsigned max_threads = t->has_own_net ? t->max_snapshots_in + t->local.max_snapshots_out : 0;
    int err = fy_disk_start(&t->disk, t->local.net, max_threads);

    fy_pace_init(&t->local.snapshot_pace, t->local.net, t->local.snapshot_bytes_per_s);
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
    return err;
}

/* Undo whatever start has done; no thread of the loop runs. */
static void tear_down(struct ferry_transport *t)
{
    stop_peers(t);
    if (t->has_own_net && t->local.net && t->mode == FERRY_DELIVER_HOST)
        fy_http_run_once(t->local.net, 0); /* sends the ends of the streams */
    close_listeners(t);
    on_wake(t); /* peers that were removed and not yet stopped: what they drop is reported, so before delivery stops */
    fy_disk_stop(&t->disk); /* before delivery: a snapshot that was stored meanwhile goes to the core */
    fy_delivery_stop(&t->delivery);
    fy_raft_server_attend(t);
    on_wake(t); /* peers that wait for attention: lets go of the references */
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
        fy_net_set_on_wake(t->local.net, on_wake, t);
        err = prepare_snapshots(t);
    }
    if (err == FERRY_OK)
        err = fy_survey_add_routes(t);
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
        atomic_store(&t->is_stop_wanted, true);
        fy_net_wake(t->local.net);
        (void)pthread_join(t->io_thread, NULL); /* fails only for a thread that is not ours to join */
        t->has_io_thread = false;
    }
    tear_down(t);
}

void ferry_transport_free(struct ferry_transport *t)
{
    if (!t)
        return;
    ferry_transport_stop(t);
    on_wake(t);             /* a call that ran beside stop may have left something after it */
    fy_disk_stop(&t->disk); /* likewise */
    fy_snapshot_server_close(t);
    fy_pace_release(&t->local.snapshot_pace);
    assert(fy_list_is_empty(&t->alive));
    assert(atomic_load(&t->local.send_bytes) == 0);
    assert(t->intake.used == 0);
    if (t->has_own_net)
        fy_http_free(t->local.net);
    fy_delivery_release(&t->delivery);
    fy_disk_release(&t->disk);
    fy_routes_release(&t->routes);
    pthread_mutex_destroy(&t->mu);
    free(t->listeners);
    free(t->bound_urls);
    fy_peer_table_release(&t->peers);
    fy_peer_table_release(&t->remotes);
    fy_config_release(t);
    free(t);
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

/* ---- Members ------------------------------------------------------------------------------------------------------
 */

/* FERRY_OK while running, else why not. */
static int check_running(const struct ferry_transport *t)
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

/* Enter a new peer, unless its id is known or the transport has been stopped meanwhile. */
static int enter_peer(struct ferry_transport *t, struct fy_peer *peer)
{
    int err;

    pthread_mutex_lock(&t->mu);
    err = check_running(t);
    if (err == FERRY_OK && (fy_peer_table_find(&t->peers, peer->id) || fy_peer_table_find(&t->remotes, peer->id)))
        err = FERRY_ERR_EXISTS;
    if (err == FERRY_OK)
        err = fy_peer_table_insert(table_of(t, peer), peer);
    if (err == FERRY_OK) {
        atomic_store(&peer->is_paused, t->is_paused);
        fy_list_append(&t->alive, &peer->ties.life_node);
        fy_peer_ref(peer); /* the table keeps the one it was born with; this is for the caller */
    }
    pthread_mutex_unlock(&t->mu);
    return err;
}

static int copy_peer_urls(const struct ferry_transport *t, const char *const *urls, char ***ret_copy)
{
    char **copy;
    int err = fy_urls_copy(urls, &copy);

    if (err != FERRY_OK)
        return err;
    if (!t->tls && fy_urls_have_https(copy)) {
        free(copy);
        return FERRY_ERR_TLS_CONFIG;
    }
    *ret_copy = copy;
    return FERRY_OK;
}

enum kind { PEER, REMOTE, LEARNED_REMOTE };

/* Make a peer and enter it.  Takes urls on success; the peer has a copy of them, so that they are whole on failure. */
static int add_new(struct ferry_transport *t, uint64_t id, char **urls, enum kind kind)
{
    struct fy_peer *peer;
    char **copy;
    int err = fy_urls_copy((const char *const *)urls, &copy);

    if (err != FERRY_OK)
        return err;
    err = fy_peer_new(&t->local, id, copy, &peer);
    if (err != FERRY_OK) {
        free(copy);
        return err;
    }
    peer->ties.on_last_unref = on_last_unref;
    peer->ties.arg = t;
    if (kind != PEER)
        fy_peer_set_remote(peer);
    if (kind == LEARNED_REMOTE) {
        peer->ties.is_learned = true;
        peer->ties.heard_ns = fy_net_now_ns(t->local.net);
    }
    err = enter_peer(t, peer);
    if (err != FERRY_OK) {
        fy_peer_stop(peer, FERRY_DROP_REMOVED);
        fy_peer_free(peer);
        return err;
    }
    free(urls);
    fy_peer_ask_for_attention(peer);
    fy_peer_unref(peer);
    return FERRY_OK;
}

/* Make the remote of this id a peer.  Takes urls on success.  FERRY_ERR_NOT_FOUND when it is no remote. */
static int promote_remote(struct ferry_transport *t, uint64_t id, char **urls)
{
    char **superseded = NULL;
    struct fy_peer *remote;
    int err;

    pthread_mutex_lock(&t->mu);
    remote = fy_peer_table_find(&t->remotes, id);
    err = remote ? fy_peer_table_insert(&t->peers, remote) : FERRY_ERR_NOT_FOUND;
    if (err == FERRY_OK) {
        fy_peer_table_remove(&t->remotes, remote);
        remote->ties.is_learned = false;
        superseded = remote->ties.new_urls;
        remote->ties.new_urls = urls;
        fy_peer_promote(remote); /* under mu: a peer always says which table it is in */
        fy_peer_ref(remote);
    }
    pthread_mutex_unlock(&t->mu);
    if (err != FERRY_OK)
        return err;
    free(superseded);
    fy_peer_ask_for_attention(remote);
    fy_peer_unref(remote);
    return FERRY_OK;
}

static bool is_remote(struct ferry_transport *t, uint64_t id)
{
    struct fy_peer *remote;

    pthread_mutex_lock(&t->mu);
    remote = fy_peer_table_find(&t->remotes, id);
    pthread_mutex_unlock(&t->mu);
    return remote != NULL;
}

static int add_peer(struct ferry_transport *t, uint64_t id, char **urls)
{
    int err;

    do { /* again when it was learned in between */
        err = promote_remote(t, id, urls);
        if (err == FERRY_ERR_NOT_FOUND)
            err = add_new(t, id, urls, PEER);
    } while (err == FERRY_ERR_EXISTS && is_remote(t, id));
    return err;
}

/* What add_peer and add_remote check, and the copy of urls that they take. */
static int check_new(const struct ferry_transport *t, uint64_t id, const char *const *urls, char ***ret_copy)
{
    int err = check_running(t);

    if (err != FERRY_OK)
        return err;
    if (id == 0 || id == t->local.id || !urls)
        return FERRY_ERR_INVALID;
    return copy_peer_urls(t, urls, ret_copy);
}

int ferry_transport_add_peer(struct ferry_transport *t, uint64_t id, const char *const *urls)
{
    char **copy;
    int err = check_new(t, id, urls, &copy);

    if (err != FERRY_OK)
        return err;
    err = add_peer(t, id, copy);
    if (err != FERRY_OK)
        free(copy);
    return err;
}

int ferry_transport_add_remote(struct ferry_transport *t, uint64_t id, const char *const *urls)
{
    char **copy;
    int err = check_new(t, id, urls, &copy);

    if (err != FERRY_OK)
        return err;
    err = add_new(t, id, copy, REMOTE);
    if (err != FERRY_OK)
        free(copy);
    return err;
}

int ferry_transport_update_peer(struct ferry_transport *t, uint64_t id, const char *const *urls)
{
    struct fy_peer *peer;
    char **copy, **superseded;
    int err = check_running(t);

    if (err != FERRY_OK)
        return err;
    if (!urls)
        return FERRY_ERR_INVALID;
    err = copy_peer_urls(t, urls, &copy);
    if (err != FERRY_OK)
        return err;
    peer = fy_transport_find(t, id);
    if (!peer) {
        free(copy);
        return FERRY_ERR_NOT_FOUND;
    }
    pthread_mutex_lock(&t->mu);
    superseded = peer->ties.new_urls;
    peer->ties.new_urls = copy;
    pthread_mutex_unlock(&t->mu);
    free(superseded);
    fy_peer_ask_for_attention(peer);
    fy_peer_unref(peer);
    return FERRY_OK;
}

/* Take the peer out of the table; the loop then stops it.  mu is held on entry, and let go. */
static void expel_and_unlock(struct ferry_transport *t, struct fy_peer *peer)
{
    fy_peer_table_remove(table_of(t, peer), peer);
    peer->ties.is_leaving = true; /* the loop lets go of the table's reference */
    fy_peer_ref(peer);
    pthread_mutex_unlock(&t->mu);
    fy_peer_ask_for_attention(peer);
    fy_peer_unref(peer);
}

int ferry_transport_remove_peer(struct ferry_transport *t, uint64_t id)
{
    struct fy_peer *peer;
    int err = check_running(t);

    if (err != FERRY_OK)
        return err;
    pthread_mutex_lock(&t->mu);
    peer = fy_peer_table_find(&t->peers, id);
    if (!peer)
        peer = fy_peer_table_find(&t->remotes, id);
    if (!peer) {
        pthread_mutex_unlock(&t->mu);
        return FERRY_ERR_NOT_FOUND;
    }
    expel_and_unlock(t, peer);
    return FERRY_OK;
}

int ferry_transport_remove_all_peers(struct ferry_transport *t)
{
    int err = check_running(t);

    if (err != FERRY_OK)
        return err;
    for (;;) {
        struct fy_peer *peer;

        pthread_mutex_lock(&t->mu);
        peer = fy_peer_table_after(&t->peers, 0);
        if (!peer) {
            pthread_mutex_unlock(&t->mu);
            return FERRY_OK;
        }
        expel_and_unlock(t, peer);
    }
}

/* ---- Remotes that are learned -------------------------------------------------------------------------------------
 */

/* Is this id known?  A learned remote has been heard again. */
static bool hear(struct ferry_transport *t, uint64_t id)
{
    struct fy_peer *remote;
    bool is_known;

    pthread_mutex_lock(&t->mu);
    remote = fy_peer_table_find(&t->remotes, id);
    if (remote)
        remote->ties.heard_ns = fy_net_now_ns(t->local.net);
    is_known = remote || fy_peer_table_find(&t->peers, id);
    pthread_mutex_unlock(&t->mu);
    return is_known;
}

/* Of the learned remotes, how many there are, and the one that has been silent for longest.  Under mu. */
static size_t count_learned(const struct ferry_transport *t, struct fy_peer **ret_silent)
{
    size_t n = 0;

    *ret_silent = NULL;
    for (size_t i = 0; i < t->remotes.n; i++) {
        struct fy_peer *remote = t->remotes.peers[i];

        if (!remote->ties.is_learned)
            continue;
        n++;
        if (!*ret_silent || remote->ties.heard_ns < (*ret_silent)->ties.heard_ns)
            *ret_silent = remote;
    }
    return n;
}

/* Is there room for one more, maybe in the place of one that has long been silent? */
static bool make_room(struct ferry_transport *t)
{
    struct fy_peer *silent;
    bool has_room;

    pthread_mutex_lock(&t->mu);
    has_room = count_learned(t, &silent) < t->max_remotes;
    if (has_room || fy_net_now_ns(t->local.net) - silent->ties.heard_ns < MIN_SILENCE_NS) {
        pthread_mutex_unlock(&t->mu);
        return has_room;
    }
    expel_and_unlock(t, silent);
    return true;
}

static void learn(struct ferry_transport *t, uint64_t id, const char *text)
{
    unsigned long long n_held;
    char **urls;
    int err = fy_urls_split(text, &urls);

    if (err == FERRY_OK && !t->tls && fy_urls_have_https(urls)) {
        free(urls);
        err = FERRY_ERR_TLS_CONFIG;
    }
    if (err == FERRY_OK && !make_room(t)) {
        free(urls);
        fy_count(&t->n_remotes_refused, 1);
        if (fy_log_fold_pass(&t->remote_fold, fy_net_now_ns(t->local.net), &n_held))
            fy_log(&t->local.log, FERRY_LOG_WARN, "remote", id,
                   "not remembered: there are max_remotes already (%llu more not logged)", n_held);
        return;
    }
    if (err == FERRY_OK) {
        err = add_new(t, id, urls, LEARNED_REMOTE);
        if (err != FERRY_OK)
            free(urls);
    }
    if (err == FERRY_OK)
        fy_log(&t->local.log, FERRY_LOG_INFO, "remote", id, "learned from its own request");
    else
        fy_log(&t->local.log, FERRY_LOG_DEBUG, "remote", id, "not remembered: %s", ferry_strerror(err));
}

void fy_transport_learn_remote(struct ferry_transport *t, uint64_t id, const char *urls)
{
    if (t->max_remotes == 0 || id == 0 || id == t->local.id || hear(t, id))
        return;
    if (t->core.is_id_removed && t->core.is_id_removed(t->core.ctx, id))
        return; /* etcd remembers it; but whoever was removed shall find nobody to answer */
    learn(t, id, urls);
}

int ferry_transport_handle(struct ferry_transport *t, const char *path, ferry_http_fn *fn, void *ctx)
{
    if (atomic_load(&t->state) != FY_TRANSPORT_NEW)
        return FERRY_ERR_STATE;
    return fy_routes_add(&t->routes, path, fn, ctx);
}

/* ---- Sending ------------------------------------------------------------------------------------------------------
 */

int ferry_transport_send(struct ferry_transport *t, const struct ferry_message *msgs, size_t n)
{
    struct fy_peer *peer = NULL;
    int err = check_running(t);

    for (size_t i = 0; i < n && err == FERRY_OK; i++) {
        if (msgs[i].to == 0)
            continue;
        if (!peer || peer->id != msgs[i].to) { /* most calls are for one peer */
            if (peer)
                fy_peer_unref(peer);
            peer = fy_transport_find(t, msgs[i].to);
        }
        if (peer)
            fy_peer_send(peer, &msgs[i]);
        else
            fy_count(&t->n_unknown, 1);
    }
    if (peer)
        fy_peer_unref(peer);
    return err;
}

int ferry_transport_send_snapshot(struct ferry_transport *t, const struct ferry_message *msg,
                                  const struct ferry_snapshot_source *source)
{
    struct fy_peer *peer = NULL;
    int err = check_running(t);

    if (err == FERRY_OK) {
        peer = fy_transport_find_peer(t, msg->to);
        err = peer ? fy_snapshot_lane_put(&peer->snapshots, msg, source) : FERRY_ERR_NOT_FOUND;
    }
    if (err == FERRY_OK)
        fy_peer_ask_for_attention(peer);
    else if (source->close)
        source->close(source->ctx, err);
    if (peer)
        fy_peer_unref(peer);
    return err;
}

/* ---- Looking at it ------------------------------------------------------------------------------------------------
 */

/* Reading takes mu, which is not part of what a reader may see as changed. */
static struct ferry_transport *mutable_transport(const struct ferry_transport *t)
{
    return (struct ferry_transport *)(uintptr_t)t;
}

int ferry_transport_peer_status_sized(const struct ferry_transport *t, uint64_t id,
                                      struct ferry_peer_status *ret_status, size_t size)
{
    struct ferry_peer_status status;
    struct fy_peer *peer;

    if (size > sizeof(status))
        return FERRY_ERR_INVALID;
    peer = fy_transport_find(mutable_transport(t), id);
    if (!peer)
        return FERRY_ERR_NOT_FOUND;
    fy_peer_read_status(peer, &status);
    fy_peer_unref(peer);
    memcpy(ret_status, &status, size);
    return FERRY_OK;
}

void ferry_transport_totals(const struct ferry_transport *t, struct ferry_counts *ret_counts)
{
    pthread_mutex_t *mu = &mutable_transport(t)->mu;
    uint64_t n_unknown = atomic_load(&t->n_unknown);

    pthread_mutex_lock(mu);
    *ret_counts = t->retired;
    for (struct fy_node *node = fy_list_first(&t->alive); node; node = fy_list_next(&t->alive, node))
        fy_counts_add_to(&fy_container(node, struct fy_peer, ties.life_node)->counts, ret_counts);
    pthread_mutex_unlock(mu);
    ret_counts->sent += n_unknown;
    ret_counts->dropped[FERRY_DROP_UNKNOWN_PEER] += n_unknown;
}

uint64_t ferry_transport_active_since_ms(const struct ferry_transport *t, uint64_t id)
{
    struct ferry_peer_status status;

    return ferry_transport_peer_status(t, id, &status) == FERRY_OK ? status.active_since_ms : 0;
}

size_t ferry_transport_active_peers(const struct ferry_transport *t)
{
    pthread_mutex_t *mu = &mutable_transport(t)->mu;
    size_t n = 0;

    pthread_mutex_lock(mu);
    for (size_t i = 0; i < t->peers.n; i++)
        n += atomic_load(&t->peers.peers[i]->status.is_active) ? 1 : 0;
    pthread_mutex_unlock(mu);
    return n;
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

void ferry_transport_tls_counts(const struct ferry_transport *t, struct ferry_tls_counts *ret_counts)
{
    *ret_counts = (struct ferry_tls_counts){.accepted = 0};
    if (t->tls)
        fy_tls_read_counts(t->tls, ret_counts);
}

/* ---- Faults, for tests --------------------------------------------------------------------------------------------
 */

static void set_paused(struct ferry_transport *t, bool is_paused)
{
    pthread_mutex_lock(&t->mu);
    t->is_paused = is_paused;
    for (size_t i = 0; i < t->peers.n; i++)
        atomic_store(&t->peers.peers[i]->is_paused, is_paused);
    for (size_t i = 0; i < t->remotes.n; i++)
        atomic_store(&t->remotes.peers[i]->is_paused, is_paused);
    pthread_mutex_unlock(&t->mu);
}

void ferry_transport_pause(struct ferry_transport *t)
{
    set_paused(t, true);
}

void ferry_transport_resume(struct ferry_transport *t)
{
    set_paused(t, false);
}

static int set_cut(struct ferry_transport *t, uint64_t id, bool is_cut)
{
    struct fy_peer *peer = fy_transport_find(t, id);

    if (!peer)
        return FERRY_ERR_NOT_FOUND;
    atomic_store(&peer->is_cut, is_cut);
    fy_peer_unref(peer);
    return FERRY_OK;
}

int ferry_transport_cut_peer(struct ferry_transport *t, uint64_t id)
{
    return set_cut(t, id, true);
}

int ferry_transport_mend_peer(struct ferry_transport *t, uint64_t id)
{
    return set_cut(t, id, false);
}
