/*
 * members - the peers and the remotes: added by the embedder, or learned from a stranger's request.
 *
 * Adding makes a peer and enters it into a table; removing takes it out of the table.  The loop does the rest: it
 * starts or stops the peer in the errand that the peer then posts.
 */
#include <stdlib.h>

#include "base/log.h"
#include "net/net.h"
#include "peer/peer.h"
#include "transport/transport.h"
#include "wire/url.h"

#define MIN_SILENCE_NS                                                                                                 \
    (30 * UINT64_C(1000000000)) /* a learned remote that was silent for so long may be replaced by another */

/* ---- The tables of peers ------------------------------------------------------------------------------------------
 */

/* The peer, or with with_remotes the remote, with a reference for the caller; NULL: none. */
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

bool fy_transport_is_removed(const struct ferry_transport *t, uint64_t id)
{
    return t->core.is_id_removed && t->core.is_id_removed(t->core.ctx, id);
}

static struct fy_peer_table *table_of(struct ferry_transport *t, struct fy_peer *peer)
{
    return atomic_load(&peer->base.is_remote) ? &t->remotes : &t->peers;
}

struct fy_peer *fy_transport_take_any(struct ferry_transport *t)
{
    struct fy_peer *peer;

    pthread_mutex_lock(&t->mu);
    peer = fy_peer_table_after(&t->peers, 0);
    if (!peer)
        peer = fy_peer_table_after(&t->remotes, 0);
    if (peer)
        fy_peer_table_remove(table_of(t, peer), peer);
    pthread_mutex_unlock(&t->mu);
    return peer;
}

/* The last reference is gone: add its counters to those of freed peers, and free it. */
static void members_on_last_unref(void *arg, struct fy_peer *peer)
{
    struct ferry_transport *t = arg;

    pthread_mutex_lock(&t->mu);
    fy_counts_add_to(fy_peer_counts(peer), &t->retired);
    fy_list_remove(&peer->ties.life_node);
    pthread_mutex_unlock(&t->mu);
    fy_peer_free(peer);
}

/* ---- Members ------------------------------------------------------------------------------------------------------
 */

/* Enter a new peer, unless its id is known or the transport has been stopped meanwhile. */
static int enter_peer(struct ferry_transport *t, struct fy_peer *peer)
{
    uint64_t id = fy_peer_id(peer);
    int err;

    pthread_mutex_lock(&t->mu);
    err = fy_transport_check_running(t);
    if (err == FERRY_OK && (fy_peer_table_find(&t->peers, id) || fy_peer_table_find(&t->remotes, id)))
        err = FERRY_ERR_EXISTS;
    if (err == FERRY_OK)
        err = fy_peer_table_insert(table_of(t, peer), peer);
    if (err == FERRY_OK) {
        atomic_store(&peer->base.is_paused, t->is_paused);
        fy_list_append(&t->alive, &peer->ties.life_node);
        fy_peer_ref(peer); /* for the caller; the table takes the first one */
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
    for (size_t i = 0; copy[i] && err == FERRY_OK; i++) {
        if (fy_url_has_port_0(copy[i])) {
            fy_log(&t->local.log, FERRY_LOG_ERROR, "peer", 0, "\"%s\": nobody can dial port 0", copy[i]);
            err = FERRY_ERR_URL;
        }
    }
    if (err != FERRY_OK) {
        free(copy);
        return err;
    }
    if (!t->tls && fy_urls_have_https(copy)) {
        free(copy);
        return FERRY_ERR_TLS_CONFIG;
    }
    *ret_copy = copy;
    return FERRY_OK;
}

enum kind { PEER, REMOTE, LEARNED_REMOTE };

/* Make a peer and enter it.  Takes urls on success.  The peer gets a copy, so a failure leaves urls untouched. */
static int add_new(struct ferry_transport *t, uint64_t id, char **urls, enum kind kind)
{
    struct fy_peer *peer;
    char **copy;
    int err = fy_urls_copy((const char *const *)urls, &copy);

    if (err != FERRY_OK)
        return err;
    err = fy_peer_new(&t->raft, id, copy, &peer);
    if (err != FERRY_OK) {
        free(copy);
        return err;
    }
    peer->ties.on_last_unref = members_on_last_unref;
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
        fy_peer_promote(remote); /* under mu: is_remote tells the table */
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

    do { /* again if it was learned as a remote meanwhile */
        err = promote_remote(t, id, urls);
        if (err == FERRY_ERR_NOT_FOUND)
            err = add_new(t, id, urls, PEER);
    } while (err == FERRY_ERR_EXISTS && is_remote(t, id));
    return err;
}

/* The checks of add_peer and add_remote, and a copy of urls for them. */
static int check_new(const struct ferry_transport *t, uint64_t id, const char *const *urls, char ***ret_copy)
{
    int err = fy_transport_check_running(t);

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
    int err = fy_transport_check_running(t);

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

/* Take the peer out of its table; the loop then stops it.  Called with mu locked, which it unlocks. */
static void expel_and_unlock(struct ferry_transport *t, struct fy_peer *peer)
{
    fy_peer_table_remove(table_of(t, peer), peer);
    peer->ties.is_leaving = true; /* the loop drops the table's reference */
    fy_peer_ref(peer);
    pthread_mutex_unlock(&t->mu);
    fy_peer_ask_for_attention(peer);
    fy_peer_unref(peer);
}

int ferry_transport_remove_peer(struct ferry_transport *t, uint64_t id)
{
    struct fy_peer *peer;
    int err = fy_transport_check_running(t);

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
    int err = fy_transport_check_running(t);

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

/* Is this id known?  For a learned remote, note the time of the request. */
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

/* The number of learned remotes, and the one that has been silent for longest.  Under mu. */
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

/* Is there room for another learned remote?  Removes one that has been silent for long, if need be. */
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

static bool can_be_dialed(char *const *urls)
{
    for (; *urls; urls++) {
        struct fy_url url;

        if (fy_url_parse(*urls, &url) != FERRY_OK || url.port == 0 || fy_url_is_wildcard(&url))
            return false;
    }
    return true;
}

static void learn(struct ferry_transport *t, uint64_t id, const char *text)
{
    unsigned long long n_held;
    char **urls;
    int err = fy_urls_split(text, &urls);

    if (err == FERRY_OK && !can_be_dialed(urls)) {
        free(urls);
        err = FERRY_ERR_URL;
    }
    if (err == FERRY_OK && !t->tls && fy_urls_have_https(urls)) {
        free(urls);
        err = FERRY_ERR_TLS_CONFIG;
    }
    if (err == FERRY_OK && !make_room(t)) {
        free(urls);
        fy_count(&t->n_remotes_refused, 1);
        if (fy_log_fold_pass(&t->remote_fold, fy_net_now_ns(t->local.net), &n_held))
            fy_log(&t->local.log, FERRY_LOG_WARN, "remote", id,
                   "not remembered: max_remotes reached (%llu similar messages suppressed)", n_held);
        return;
    }
    if (err == FERRY_OK) {
        err = add_new(t, id, urls, LEARNED_REMOTE);
        if (err != FERRY_OK)
            free(urls);
    }
    if (err == FERRY_OK)
        fy_log(&t->local.log, FERRY_LOG_INFO, "remote", id, "remembered as a remote, from its request");
    else
        fy_log(&t->local.log, FERRY_LOG_DEBUG, "remote", id, "not remembered: %s", ferry_strerror(err));
}

void fy_transport_learn_remote(struct ferry_transport *t, uint64_t id, const char *urls)
{
    if (t->max_remotes == 0 || id == 0 || id == t->local.id || hear(t, id))
        return;
    if (fy_transport_is_removed(t, id))
        return; /* etcd remembers it; here a removed member gets no answers */
    learn(t, id, urls);
}
