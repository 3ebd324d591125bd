/*
 * client - calls, on curl's multi-socket interface.
 *
 * A call waits in calls_new until the loop works, for curl takes no handle from inside its own callbacks; then curl
 * drives it, and its head, body and end become events.  Data events come from inside curl's callbacks, and the end
 * comes when curl's messages are read.
 *
 * A handler may cancel any call at any time.  Curl cannot be told so inside a callback: the call is then doomed, and
 * taken from curl as soon as the callback has returned.  Until then curl may still work on it.
 *
 * A plain stream leaves curl once its answer has begun (taken.c).  What curl holds back of any other when it has had
 * its share of a turn comes with the next one.
 *
 * A connection that was kept and turns out to be dead before a byte of the answer came is replaced by curl itself.
 *
 * Where all streams are ours, curl has nothing to do but a probe now and then.  What it needs to work on any call - the
 * multi handle, with some forty kilobytes of tables - is made when a call begins, and goes when none has been with curl
 * for a while.
 *
 * Names are looked up by threads of curl's, one for each call that is looking one up.  Such a thread cannot be stopped:
 * one that a call has given up on ends by itself, in as long as the resolver takes, and touches nothing of the net.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http/call.h"
#include "net/http/vitals.h"

/*
 * How long no call has been with curl when the multi handle goes.  Soon after the streams the first probe comes: a
 * handle that is gone then, and made anew, leaves but holes in the heap.
 */
#define IDLE_MS 2000
#define KEPT_MS 118000 /* the same, when a connection may have been kept: curl uses none that was idle for longer */

/* ---- Callbacks of curl's for all calls ---- */

/* The only way to learn which connection a call is on: CURLINFO_ACTIVESOCKET tells of those that are idle. */
static void note_socket(CURL *easy, int fd, int what)
{
    char *private = NULL;
    struct fy_call *call;

    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    call = (struct fy_call *)(void *)private;
    if (!call)
        return; /* a handle of curl's own has none */
    if (what != CURL_POLL_REMOVE)
        call->fd = fd;
    else if (call->fd == fd && !call->is_body_paused && !call->is_held && !call->is_taken)
        call->fd = -1; /* else it only reads it no more */
}

static int on_socket_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct fy_client *client = arg;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

    (void)socket_arg;
    note_socket(easy, fd, what);
    if (what == CURL_POLL_REMOVE)
        fy_loop_unwatch_bare(client->loop, fd);
    else if (fy_loop_watch_bare(client->loop, fd, events) != FERRY_OK)
        fy_log(client->cfg->log, FERRY_LOG_ERROR, "net", 0, "cannot watch a socket: %s", strerror(errno));
    return 0; /* an error here would end all of curl's transfers */
}

static int on_timeout_change(CURLM *multi, long timeout_ms, void *arg)
{
    struct fy_client *client = arg;

    (void)multi;
    client->curl_is_due = timeout_ms == 0;
    if (timeout_ms > 0)
        fy_timer_set(&client->curl_timer, fy_loop_deadline_ns(client->loop, (uint64_t)timeout_ms));
    else
        fy_timer_unset(&client->curl_timer);
    return 0;
}

static void on_curl_timer(void *arg)
{
    struct fy_client *client = arg;

    client->curl_is_due = true;
}

/* ---- Curl's handles ---- */

static int make_multi(struct fy_client *client)
{
    client->multi = curl_multi_init();
    if (!client->multi)
        return FERRY_ERR_NOMEM;
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_change);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout_change);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return FERRY_OK;
}

/* With it go the connections that it keeps.  NULL is fine. */
static void free_multi(struct fy_client *client)
{
    (void)curl_multi_cleanup(client->multi); /* no call is with it, which is all that could be wrong */
    client->multi = NULL;
    fy_timer_unset(&client->curl_timer);
    client->curl_is_due = false;
    client->curl_has_acted = false;
}

static void on_multi_timer(void *arg)
{
    free_multi(arg);
}

static int make_easy(struct fy_call *call)
{
    struct fy_client *client = call->client;

    call->easy = curl_easy_init();
    if (!call->easy)
        return FERRY_ERR_NOMEM;
    client->n_easies++;
    fy_timer_unset(&client->multi_timer);
    return client->multi ? FERRY_OK : make_multi(client);
}

void fy_client_free_easy(struct fy_call *call)
{
    struct fy_client *client = call->client;
    uint64_t until_ns;

    if (!call->easy)
        return;
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    if (call->may_be_kept)
        client->kept_until_ns = fy_loop_deadline_ns(client->loop, KEPT_MS);
    if (--client->n_easies > 0)
        return;
    until_ns = fy_loop_deadline_ns(client->loop, IDLE_MS);
    fy_timer_set(&client->multi_timer, until_ns > client->kept_until_ns ? until_ns : client->kept_until_ns);
}

/* ---- Letting go of a call ---- */

static void free_call(struct fy_call *call)
{
    if (!call)
        return;
    assert(!fy_node_is_linked(&call->node));
    if (fy_node_is_linked(&call->pause_node))
        fy_list_remove(&call->pause_node);
    if (fy_node_is_linked(&call->rest_node))
        fy_list_remove(&call->rest_node);
    fy_client_free_easy(call);
    fy_client_tls_release(&call->tls);
    curl_slist_free_all(call->headers);
    fy_answer_head_release(&call->head);
    if (call->is_taken)
        fy_watch_bury(call->client->loop, &call->watch, call);
    else
        free(call);
}

void fy_client_leave_curl(struct fy_call *call)
{
    (void)curl_multi_remove_handle(call->client->multi, call->easy); /* fine for one that was not with curl yet */
}

void fy_client_leave(struct fy_call *call)
{
    if (!call->is_taken) {
        fy_client_leave_curl(call);
        return;
    }
    fy_watch_end(call->client->loop, &call->watch);
    close(call->fd);
    call->fd = -1;
}

int fy_client_call(struct fy_client *client, const struct fy_call_spec *spec, const struct fy_call_events *events,
                   void *arg, struct fy_call **ret_call)
{
    struct fy_target target;
    struct fy_call *call;
    int err = fy_client_read_target(spec->url, &target);

    if (err)
        return err;
    if (!target.is_https && !fy_client_tls_allows_plain(client->cfg->tls, spec->member))
        return FERRY_ERR_TLS;
    call = calloc(1, sizeof(*call));
    if (!call)
        return FERRY_ERR_NOMEM;
    call->object.ops = client->ops;
    call->client = client;
    call->fd = -1;
    call->events = *events;
    call->arg = arg;
    err = make_easy(call);
    if (!err)
        err = fy_client_set_options(call, spec, target.is_https);
    if (!err && target.is_https)
        err = fy_client_tls_init(&call->tls, client->cfg->tls, call->easy, target.host, spec->member);
    if (err) {
        free_call(call);
        return err;
    }
    fy_list_append(&client->calls_new, &call->node);
    *ret_call = call;
    return FERRY_OK;
}

void fy_client_wake(struct fy_call *call)
{
    if (!call->is_body_paused || call->is_canceled)
        return;
    call->is_body_paused = false; /* and curl is told when the loop works */
    fy_list_remove(&call->pause_node);
    fy_list_append(&call->client->calls_woken, &call->pause_node);
}

/* ---- Ending a call ---- */

static void free_doomed(struct fy_client *client)
{
    for (struct fy_node *node; (node = fy_list_take_first(&client->calls_doomed));) {
        struct fy_call *call = fy_container(node, struct fy_call, node);

        fy_client_leave(call);
        free_call(call);
    }
}

void fy_client_cancel(struct fy_call *call)
{
    struct fy_client *client = call->client;

    call->is_canceled = true;
    if (!fy_node_is_linked(&call->node))
        return; /* its on_end runs, and it is freed after that */
    fy_list_remove(&call->node);
    fy_list_append(&client->calls_doomed, &call->node);
    if (!client->in_curl)
        free_doomed(client);
}

bool fy_client_call_vitals(const struct fy_call *call, struct fy_vitals *ret_vitals)
{
    return call->fd >= 0 && fy_vitals_read(call->fd, ret_vitals);
}

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
 * What went wrong, for people.  Curl's own text for a connection that was not made tells the address, which the caller
 * knows, and how many milliseconds it took, which makes each failure look new; the system's reason is what counts.
 */
static void format_detail(struct fy_call *call, CURLcode code, char *text, size_t size)
{
    long os_errno = 0;

    if (call->easy) /* else what there is to say was said as it was seen */
        (void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
    if (!os_errno)
        os_errno = call->socket_errno;
    if (code == CURLE_COULDNT_CONNECT && os_errno && strerror_r((int)os_errno, text, size) == 0)
        return;
    if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(text, size, "no connection within the dial timeout");
    else
        snprintf(text, size, "%s", call->error[0] ? call->error : curl_easy_strerror(code));
}

void fy_client_finish(struct fy_call *call, CURLcode code)
{
    int err = call->err ? call->err : error_of(call->easy, code);
    char detail[CURL_ERROR_SIZE + 64] = "";

    if (err)
        format_detail(call, code, detail, sizeof(detail));
    if (err && call->tls.policy && !call->err)
        err = fy_client_tls_explain(&call->tls, call->easy, code, err, detail, sizeof(detail));
    fy_list_remove(&call->node);
    if (call->events.on_end)
        call->events.on_end(call->arg, err, detail);
    free_call(call);
}

/* ---- Driving curl ---- */

static void act(struct fy_client *client, int fd, int what)
{
    int n_running;

    client->in_curl = true;
    (void)curl_multi_socket_action(client->multi, fd, what, &n_running); /* a transfer's failure is in its message */
    client->in_curl = false;
    client->curl_has_acted = true;
}

static void client_on_socket(void *arg, int fd, uint32_t events)
{
    struct fy_client *client = arg;
    int what = 0;

    if (events & (EPOLLIN | EPOLLHUP))
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    act(client, fd, what); /* curl passes over a descriptor that it closed since */
}

static bool client_has_work(const struct fy_loop_part *part)
{
    const struct fy_client *client = fy_container_const(part, struct fy_client, part);

    return client->curl_is_due || client->curl_has_acted || !fy_list_is_empty(&client->calls_new) ||
           !fy_list_is_empty(&client->calls_doomed) || !fy_list_is_empty(&client->calls_woken) ||
           !fy_list_is_empty(&client->calls_rested) || !fy_list_is_empty(&client->calls_headed);
}

/* Curl goes on with a paused body by a timeout of its own, which is due at once. */
static void unpause_woken(struct fy_client *client)
{
    for (struct fy_node *node; (node = fy_list_take_first(&client->calls_woken));) {
        struct fy_call *call = fy_container(node, struct fy_call, pause_node);

        if (call->is_canceled)
            continue;
        client->in_curl = true;
        (void)curl_easy_pause(call->easy, CURLPAUSE_CONT); /* it fails with what the transfer's message tells */
        client->in_curl = false;
    }
}

/* Let the streams go on that had their share of the last turn: what curl kept of them comes at once. */
static void resume_rested(struct fy_client *client)
{
    for (struct fy_node *node; (node = fy_list_take_first(&client->calls_rested));) {
        struct fy_call *call = fy_container(node, struct fy_call, rest_node);

        if (call->is_canceled)
            continue;
        client->in_curl = true;
        (void)curl_easy_pause(call->easy, CURLPAUSE_CONT); /* it fails with what the transfer's message tells */
        client->in_curl = false;
        client->curl_has_acted = true;
    }
}

static void add_new(struct fy_client *client)
{
    for (struct fy_node *node; (node = fy_list_take_first(&client->calls_new));) {
        struct fy_call *call = fy_container(node, struct fy_call, node);

        fy_list_append(&client->calls, &call->node);
        if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK)
            fy_client_finish(call, CURLE_OUT_OF_MEMORY);
    }
}

static void read_messages(struct fy_client *client)
{
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(client->multi, &n_left))) {
        CURLcode code = msg->data.result; /* msg dies with the removal */
        char *private = NULL;
        struct fy_call *call;

        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        call = (struct fy_call *)(void *)private;
        fy_client_leave_curl(call);
        fy_client_finish(call, code);
    }
}

/* Has the server closed the connection, and is all read that it sent before? */
static bool is_closed(const struct fy_call *call)
{
    char byte;

    return recv(call->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Curl reads to the end of a connection, and goes on waiting for what is to be sent by it. */
static void end_closed(struct fy_client *client)
{
    for (struct fy_node *node = fy_list_first(&client->calls_paused), *next; node; node = next) {
        struct fy_call *call = fy_container(node, struct fy_call, pause_node);

        next = fy_list_next(&client->calls_paused, node);
        if (call->is_canceled || !is_closed(call))
            continue;
        fy_client_leave_curl(call);
        fy_client_finish(call, CURLE_GOT_NOTHING);
        next = fy_list_first(&client->calls_paused); /* the user may have ended others */
    }
}

static void client_work(struct fy_loop_part *part)
{
    struct fy_client *client = fy_container(part, struct fy_client, part);

    fy_client_take_headed(client);
    add_new(client);
    unpause_woken(client);
    resume_rested(client);
    if (client->curl_is_due) {
        client->curl_is_due = false;
        act(client, CURL_SOCKET_TIMEOUT, 0);
    }
    free_doomed(client); /* before their messages are read */
    if (client->curl_has_acted) {
        client->curl_has_acted = false;
        read_messages(client);
        end_closed(client);
    }
}

static void client_end_turn(struct fy_loop_part *part)
{
    struct fy_client *client = fy_container(part, struct fy_client, part);

    fy_list_splice(&client->calls_rested, &client->calls_full);
}

/* ---- Life ---- */

static const struct fy_loop_part_ops part_ops = {
    .has_work = client_has_work,
    .work = client_work,
    .end_turn = client_end_turn,
};

int fy_client_init(struct fy_client *client, struct fy_loop *loop, const struct fy_http_config *cfg,
                   const struct fy_net_ops *ops)
{
    *client = (struct fy_client){.loop = loop, .cfg = cfg, .ops = ops};
    fy_loop_add_part(loop, &client->part, &part_ops);
    fy_loop_set_on_bare(loop, client_on_socket, client);
    fy_list_init(&client->calls_new);
    fy_list_init(&client->calls);
    fy_list_init(&client->calls_doomed);
    fy_list_init(&client->calls_paused);
    fy_list_init(&client->calls_woken);
    fy_list_init(&client->calls_full);
    fy_list_init(&client->calls_rested);
    fy_list_init(&client->calls_headed);
    fy_timer_init(&client->curl_timer, &client->loop->timers, on_curl_timer, client);
    fy_timer_init(&client->multi_timer, &client->loop->timers, on_multi_timer, client);
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? FERRY_OK : FERRY_ERR_NOMEM;
}

void fy_client_release(struct fy_client *client)
{
    assert(fy_list_is_empty(&client->calls_new) && fy_list_is_empty(&client->calls));
    free_doomed(client);
    assert(client->n_easies == 0);
    fy_timer_unset(&client->multi_timer);
    free_multi(client);
    curl_global_cleanup();
}
