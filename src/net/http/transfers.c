/*
 * transfers - curl's multi-socket interface in the loop.
 *
 * A transfer waits in fresh until the loop works, for curl takes no handle from inside its own callbacks; then curl
 * drives it, and on_done comes when curl's messages are read.  A transfer that is dropped inside a callback of curl's
 * is buried, and taken from curl when the callback has returned; until then curl may still work on it.
 *
 * Where all streams are plain, curl has nothing to do but a probe now and then.  So the multi handle, with some forty
 * kilobytes of tables, is made when a transfer begins, and freed when there has been none for a while.
 *
 * An error of a whole multi handle (out of memory, as a rule) leaves its tables in a state that later calls trip over.
 * Such a multi gets no more events: its transfers end, and it is freed.  The next transfer makes a new one.
 *
 * Names are looked up by threads of curl's, one for each transfer that is looking one up.  Such a thread cannot be
 * stopped: one that was given up ends by itself, in as long as the resolver takes, and touches nothing of the net.
 */
#include "net/http/transfers.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ferry/ferry.h"
#include "net/http/vitals.h"

/*
 * How long there is no transfer when the multi handle goes.  Soon after the streams the first probe comes: a handle
 * that is gone then, and made anew, leaves but holes in the heap.
 */
#define IDLE_MS 2000
#define KEPT_MS 118000 /* the same, when a connection may have been kept: curl uses none that was idle for longer */

/* ---- Errors of the multi handle ---- */

/*
 * Take note of what a function of curl's multi handle returned.  An unknown socket is none of ours any more, and
 * nothing is wrong with the handle.
 */
static void check_multi(struct fy_transfers *all, CURLMcode code)
{
    if (code <= CURLM_OK || code == CURLM_BAD_SOCKET || all->curl_has_failed)
        return;
    all->curl_has_failed = true;
    fy_log(all->cfg->log, FERRY_LOG_ERROR, "net", 0, "curl failed, all its calls end: %s", curl_multi_strerror(code));
}

/* ---- Sockets ---- */

/* A socket of curl's is ready.  Curl passes over a descriptor that it closed since. */
static void transfers_on_ready(void *arg, int fd, uint32_t events)
{
    struct fy_transfers *all = arg;
    int what = 0, n_running;

    if (events & (EPOLLIN | EPOLLHUP))
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    if (!all->multi || all->curl_has_failed)
        return;
    all->in_curl = true;
    check_multi(all, curl_multi_socket_action(all->multi, fd, what, &n_running));
    all->in_curl = false;
    all->curl_has_acted = true;
}

/* The only way to learn which connection a transfer is on: CURLINFO_ACTIVESOCKET tells of those that are idle. */
static void note_socket(CURL *easy, int fd, int what)
{
    char *private = NULL;
    struct fy_transfer *transfer;

    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    transfer = (struct fy_transfer *)(void *)private;
    if (!transfer)
        return; /* a handle of curl's own has none */
    if (what != CURL_POLL_REMOVE)
        transfer->fd = fd;
    else if (transfer->fd == fd && !transfer->keeps_fd)
        transfer->fd = -1;
}

/*
 * Curl wants a socket watched, or no longer.  A socket that cannot be watched would leave its transfer waiting for
 * ever, and curl has no way to fail that one alone: the error ends all transfers of the multi.
 */
static int transfers_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct fy_transfers *all = arg;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

    (void)socket_arg;
    note_socket(easy, fd, what);
    if (what == CURL_POLL_REMOVE) {
        fy_loop_unwatch_bare(all->loop, fd);
        return 0;
    }
    if (fy_loop_watch_bare(all->loop, fd, events) == FERRY_OK)
        return 0;
    fy_log(all->cfg->log, FERRY_LOG_ERROR, "net", 0, "cannot watch a socket: %s", strerror(errno));
    return -1;
}

/* ---- The timer ---- */

static int transfers_on_timeout(CURLM *multi, long timeout_ms, void *arg)
{
    struct fy_transfers *all = arg;

    (void)multi;
    all->curl_is_due = timeout_ms == 0;
    if (timeout_ms > 0)
        fy_timer_set(&all->curl_timer, fy_loop_deadline_ns(all->loop, (uint64_t)timeout_ms));
    else
        fy_timer_unset(&all->curl_timer);
    return 0;
}

static void transfers_on_timer(void *arg)
{
    struct fy_transfers *all = arg;

    all->curl_is_due = true;
}

/* ---- The multi handle ---- */

static int make_multi(struct fy_transfers *all)
{
    all->multi = curl_multi_init();
    if (!all->multi)
        return FERRY_ERR_NOMEM;
    (void)curl_multi_setopt(all->multi, CURLMOPT_SOCKETFUNCTION, transfers_on_socket);
    (void)curl_multi_setopt(all->multi, CURLMOPT_SOCKETDATA, all);
    (void)curl_multi_setopt(all->multi, CURLMOPT_TIMERFUNCTION, transfers_on_timeout);
    (void)curl_multi_setopt(all->multi, CURLMOPT_TIMERDATA, all);
    (void)curl_multi_setopt(all->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return FERRY_OK;
}

/* With it go the connections that it keeps.  NULL is fine. */
static void free_multi(struct fy_transfers *all)
{
    all->in_curl = true;
    (void)curl_multi_cleanup(all->multi); /* it has no transfer, which is all that could be wrong */
    all->in_curl = false;
    all->multi = NULL;
    fy_timer_unset(&all->curl_timer);
    all->curl_is_due = false;
    all->curl_has_acted = false;
    all->curl_has_failed = false;
}

static void transfers_on_idle(void *arg)
{
    free_multi(arg);
}

/* Curl closes its connection, or keeps it. */
static void leave_multi(struct fy_transfer *transfer)
{
    struct fy_transfers *all = transfer->all;

    if (!transfer->is_added)
        return;
    all->in_curl = true;
    check_multi(all, curl_multi_remove_handle(all->multi, transfer->easy));
    all->in_curl = false;
    transfer->is_added = false;
}

static void finish(struct fy_transfer *transfer, CURLcode code)
{
    fy_timer_unset(&transfer->connect_timer);
    transfer->on_done(transfer, code);
}

/* End all of a multi that failed.  What the owners then do - another call, a cancel - meets no multi, or a new one. */
static void end_all(struct fy_transfers *all)
{
    struct fy_list ended;
    struct fy_node *node;

    fy_list_init(&ended);
    fy_list_splice(&ended, &all->active);
    for (node = fy_list_first(&ended); node; node = fy_list_next(&ended, node))
        leave_multi(fy_container(node, struct fy_transfer, node));
    free_multi(all);
    while ((node = fy_list_take_first(&ended))) {
        struct fy_transfer *transfer = fy_container(node, struct fy_transfer, node);

        transfer->fd = -1;
        finish(transfer, CURLE_OUT_OF_MEMORY);
    }
}

/* ---- Transfers ---- */

/* As curl opens it, but for the flag: a program that the host starts would keep the connection alive. */
static curl_socket_t transfer_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fy_transfer *transfer = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

    (void)purpose; /* only to connect */
    if (fd < 0)
        transfer->socket_errno = errno;
    return fd;
}

static int transfer_on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    const struct fy_transfer *transfer = arg;

    (void)purpose; /* there is only the one */
    fy_vitals_watch(transfer->all->cfg->link_timeout_ms, fd);
    if (transfer->is_limited)
        fy_vitals_limit(transfer->all->cfg->link_timeout_ms, fd);
    return CURL_SOCKOPT_OK;
}

/* What all transfers have.  Most options need no memory: curl cannot refuse them. */
static int set_options(struct fy_transfer *transfer, const char *url, unsigned timeout_ms)
{
    CURL *easy = transfer->easy;

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else a call that ends waits for its lookup's thread */
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, transfer_open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, transfer_on_socket_made);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK || curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK)
        return FERRY_ERR_NOMEM;
    return FERRY_OK;
}

static bool is_connected(const struct fy_transfer *transfer)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    return transfer->fd >= 0 && getpeername(transfer->fd, (struct sockaddr *)&addr, &len) == 0;
}

/* Curl has one timeout for name lookup, TCP and TLS together. */
static void transfer_on_connect_timer(void *arg)
{
    struct fy_transfer *transfer = arg;

    transfer->is_connected = is_connected(transfer);
    if (transfer->is_connected)
        return;
    if (fy_node_is_linked(&transfer->node))
        fy_list_remove(&transfer->node);
    leave_multi(transfer);
    finish(transfer, CURLE_OPERATION_TIMEDOUT);
}

int fy_transfer_init(struct fy_transfer *transfer, struct fy_transfers *all, const char *url,
                     unsigned connect_timeout_ms, unsigned handshake_timeout_ms)
{
    int err;

    transfer->all = all;
    transfer->fd = -1;
    transfer->easy = curl_easy_init();
    if (!transfer->easy)
        return FERRY_ERR_NOMEM;
    all->n_easies++;
    fy_timer_unset(&all->multi_timer);
    fy_timer_init(&transfer->connect_timer, &all->loop->timers, transfer_on_connect_timer, transfer);
    transfer->connect_timeout_ms = handshake_timeout_ms > 0 ? connect_timeout_ms : 0;
    err = set_options(transfer, url, connect_timeout_ms + handshake_timeout_ms);
    if (err)
        fy_transfer_release(transfer);
    return err;
}

void fy_transfer_start(struct fy_transfer *transfer)
{
    struct fy_transfers *all = transfer->all;

    fy_list_append(&all->fresh, &transfer->node);
    if (transfer->connect_timeout_ms > 0)
        fy_timer_set(&transfer->connect_timer, fy_loop_deadline_ns(all->loop, transfer->connect_timeout_ms));
}

static void note_easy_gone(struct fy_transfers *all, bool may_be_kept)
{
    uint64_t until_ns;

    if (may_be_kept)
        all->kept_until_ns = fy_loop_deadline_ns(all->loop, KEPT_MS);
    if (--all->n_easies > 0)
        return;
    until_ns = fy_loop_deadline_ns(all->loop, IDLE_MS);
    fy_timer_set(&all->multi_timer, until_ns > all->kept_until_ns ? until_ns : all->kept_until_ns);
}

void fy_transfer_release(struct fy_transfer *transfer)
{
    struct fy_transfers *all = transfer->all;

    if (!transfer->easy)
        return;
    assert(!all->in_curl || !transfer->is_added);
    fy_timer_unset(&transfer->connect_timer);
    if (fy_node_is_linked(&transfer->node))
        fy_list_remove(&transfer->node);
    leave_multi(transfer);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    transfer->fd = -1;
    note_easy_gone(all, transfer->may_be_kept);
}

void fy_transfer_bury(struct fy_transfer *transfer, void (*on_released)(struct fy_transfer *transfer))
{
    struct fy_transfers *all = transfer->all;

    if (transfer->easy && all->in_curl) {
        transfer->on_released = on_released;
        fy_timer_unset(&transfer->connect_timer);
        if (fy_node_is_linked(&transfer->node))
            fy_list_remove(&transfer->node);
        fy_list_append(&all->buried, &transfer->node);
        return;
    }
    fy_transfer_release(transfer);
    on_released(transfer);
}

void fy_transfer_unpause(struct fy_transfer *transfer)
{
    struct fy_transfers *all = transfer->all;

    assert(!all->in_curl);
    if (all->curl_has_failed)
        return; /* it is about to end */
    all->in_curl = true;
    (void)curl_easy_pause(transfer->easy, CURLPAUSE_CONT); /* it fails with what the transfer's message tells */
    all->in_curl = false;
    all->curl_has_acted = true;
}

/* ---- Why one failed ---- */

static int error_of(CURL *easy, CURLcode code)
{
    long os_errno = 0;

    switch (code) {
    case CURLE_OK:
        return FERRY_OK;
    case CURLE_OUT_OF_MEMORY:
        return FERRY_ERR_NOMEM;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return FERRY_ERR_CONNECT;
    case CURLE_OPERATION_TIMEDOUT: /* only connecting is timed */
        return FERRY_ERR_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return FERRY_ERR_EOF;
    case CURLE_SEND_ERROR:
        return FERRY_ERR_RESET;
    case CURLE_RECV_ERROR: /* also what curl says of a malformed chunk, and then no system call failed */
        (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
        return os_errno ? FERRY_ERR_RESET : FERRY_ERR_PROTOCOL;
    default:
        return FERRY_ERR_PROTOCOL;
    }
}

/*
 * Curl's own text for a connection that was not made tells the address, which the caller knows, and how many
 * milliseconds it took, which makes each failure look new; the system's reason is what counts.
 */
static void format_detail(const struct fy_transfer *transfer, CURLcode code, char *text, size_t size)
{
    long os_errno = 0;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
    if (!os_errno)
        os_errno = transfer->socket_errno;
    if (code == CURLE_COULDNT_CONNECT && os_errno && strerror_r((int)os_errno, text, size) == 0)
        return;
    if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(text, size, "%s",
                 transfer->is_connected ? "connected, but no TLS within the handshake timeout"
                                        : "no connection within the dial timeout");
    else
        snprintf(text, size, "%s", transfer->error[0] ? transfer->error : curl_easy_strerror(code));
}

int fy_transfer_explain(struct fy_transfer *transfer, struct fy_client_tls *tls, CURLcode code, char *text, size_t size)
{
    int err = error_of(transfer->easy, code);

    if (!err)
        return FERRY_OK;
    format_detail(transfer, code, text, size);
    return tls->policy ? fy_client_tls_explain(tls, transfer->easy, code, err, text, size) : err;
}

/* ---- Driving curl ---- */

bool fy_transfers_have_work(const struct fy_transfers *all)
{
    return all->curl_is_due || all->curl_has_acted || all->curl_has_failed || !fy_list_is_empty(&all->fresh) ||
           !fy_list_is_empty(&all->buried);
}

static void free_buried(struct fy_transfers *all)
{
    for (struct fy_node *node; (node = fy_list_first(&all->buried));) {
        struct fy_transfer *transfer = fy_container(node, struct fy_transfer, node);

        fy_transfer_release(transfer);
        transfer->on_released(transfer);
    }
}

/* A multi that cannot take one more is no good for those that it has. */
static void add_fresh(struct fy_transfers *all)
{
    for (struct fy_node *node; (node = fy_list_first(&all->fresh));) {
        struct fy_transfer *transfer = fy_container(node, struct fy_transfer, node);
        CURLMcode code;

        if (all->curl_has_failed)
            return; /* those that are left get a new one */
        fy_list_remove(node);
        if (!all->multi && make_multi(all) != FERRY_OK) {
            finish(transfer, CURLE_OUT_OF_MEMORY);
            continue;
        }
        fy_list_append(&all->active, &transfer->node);
        all->in_curl = true;
        code = curl_multi_add_handle(all->multi, transfer->easy);
        all->in_curl = false;
        transfer->is_added = code == CURLM_OK;
        check_multi(all, code);
    }
}

static void read_messages(struct fy_transfers *all)
{
    CURLMsg *msg;
    int n_left;

    while (!all->curl_has_failed && all->multi && (msg = curl_multi_info_read(all->multi, &n_left))) {
        CURLcode code = msg->data.result; /* msg dies with the removal */
        char *private = NULL;
        struct fy_transfer *transfer;

        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        transfer = (struct fy_transfer *)(void *)private;
        finish(transfer, code);
    }
}

bool fy_transfers_work(struct fy_transfers *all)
{
    bool has_acted;
    int n_running;

    add_fresh(all);
    if (all->curl_is_due && !all->curl_has_failed) {
        all->curl_is_due = false;
        all->in_curl = true;
        check_multi(all, curl_multi_socket_action(all->multi, CURL_SOCKET_TIMEOUT, 0, &n_running));
        all->in_curl = false;
        all->curl_has_acted = true;
    }
    free_buried(all); /* before their messages are read */
    has_acted = all->curl_has_acted;
    all->curl_has_acted = false;
    if (has_acted)
        read_messages(all);
    if (all->curl_has_failed)
        end_all(all);
    return has_acted;
}

/* ---- Life ---- */

int fy_transfers_init(struct fy_transfers *all, struct fy_loop *loop, const struct fy_http_config *cfg)
{
    all->loop = loop;
    all->cfg = cfg;
    fy_list_init(&all->fresh);
    fy_list_init(&all->active);
    fy_list_init(&all->buried);
    fy_timer_init(&all->curl_timer, &loop->timers, transfers_on_timer, all);
    fy_timer_init(&all->multi_timer, &loop->timers, transfers_on_idle, all);
    fy_loop_set_on_bare(loop, transfers_on_ready, all);
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? FERRY_OK : FERRY_ERR_NOMEM;
}

void fy_transfers_release(struct fy_transfers *all)
{
    assert(fy_list_is_empty(&all->fresh) && fy_list_is_empty(&all->active));
    free_buried(all);
    assert(all->n_easies == 0);
    fy_timer_unset(&all->multi_timer);
    free_multi(all);
    curl_global_cleanup();
}
