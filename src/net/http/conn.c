/*
 * conn - the connections of a listener, from accept to their end.
 *
 * Normal path: a connection is accepted, looked at when the client has sent a byte, given to libmicrohttpd, and started
 * by it: at once, or in its next run.  From then on its callbacks tell of it.  A first byte, or a TLS handshake, has to be there in time, then a head: one list of connections, oldest first,
 * and one timer for either.
 *
 * A listener that is full closes one connection that can be missed for the next that comes, so that a crowd that says
 * nothing keeps no peer out; see make_room.
 *
 * A client that ends its side in the middle of a body is as good as gone, but libmicrohttpd would wait for it until its
 * timeout: so after each of its runs it is seen whether there is anything left to be read.
 */
#include "config.h" /* _GNU_SOURCE, for accept4 */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http/server.h"
#include "net/tls/policy.h"
#include "net/tls/tls.h"

#define MAX_ACCEPTED_AT_ONCE 16
#define ACCEPT_PAUSE_MS 100
#define MIN_SILENCE_MS 100 /* before a connection may be closed for another: a peer has sent its head by then */
#define ROOM_INTERVAL_MS 2 /* between two such */
#define MIN_BODY_PROGRESS ((size_t)8 << 10) /* within the idle timeout, or it may be closed for another as well */

static uint64_t head_timeout_ms(const struct fy_listener *listener)
{
    return UINT64_C(1500) * listener->cfg->idle_timeout_s;
}

void fy_conn_await_head(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    if (fy_node_is_linked(&conn->head_node)) /* a request that failed in its head was just completed */
        fy_list_remove(&conn->head_node);
    fy_unparsed_was_of_use(conn);
    conn->since_ns = listener->loop->now_ns;
    conn->head_deadline_ns = listener->loop->now_ns + head_timeout_ms(listener) * FY_NS_PER_MS;
    fy_list_append(&listener->heads, &conn->head_node);
    if (!fy_timer_is_set(&listener->head_timer))
        fy_timer_set(&listener->head_timer, conn->head_deadline_ns);
}

void fy_conn_opened(struct fy_conn *conn)
{
    if (fy_node_is_linked(&conn->opening_node)) /* else it is being closed for another */
        fy_list_remove(&conn->opening_node);
    fy_conn_await_head(conn);
}

void fy_conn_body_moved(struct fy_conn *conn, size_t len)
{
    fy_unparsed_was_of_use(conn);
    conn->n_moved += len;
    if (conn->n_moved < MIN_BODY_PROGRESS)
        return;
    conn->n_moved = 0;
    conn->since_ns = conn->listener->loop->now_ns;
}

void fy_conn_break(struct fy_conn *conn, bool is_hard)
{
    struct linger reset = {.l_onoff = 1};

    if (is_hard)
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    (void)shutdown(conn->fd, SHUT_RDWR); /* libmicrohttpd sees it; a client that has left already is as good */
}

static void on_head_timer(void *arg)
{
    struct fy_listener *listener = arg;

    for (struct fy_node *node; (node = fy_list_first(&listener->heads));) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, head_node);

        if (conn->head_deadline_ns > listener->loop->now_ns) {
            fy_timer_set(&listener->head_timer, conn->head_deadline_ns);
            return;
        }
        fy_list_remove(node);
        fy_conn_break(conn, false);
    }
}

static int error_of_socket(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);

    (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err == ETIMEDOUT)
        return FERRY_ERR_TIMEOUT;
    return err ? FERRY_ERR_RESET : FERRY_ERR_EOF;
}

static uint64_t opening_timeout_ns(const struct fy_listener *listener)
{
    struct fy_tls_policy *policy;
    uint64_t ms;

    if (!listener->is_tls)
        return listener->cfg->idle_timeout_s * FY_NS_PER_S;
    policy = fy_tls_policy(listener->cfg->tls);
    ms = policy->cfg.handshake_timeout_ms;
    fy_tls_policy_unref(policy);
    return ms * FY_NS_PER_MS;
}

static void await_opening(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    conn->opened_ns = listener->loop->now_ns;
    fy_list_append(&listener->openings, &conn->opening_node);
    if (!fy_timer_is_set(&listener->opening_timer))
        fy_timer_set(&listener->opening_timer, conn->opened_ns + opening_timeout_ns(listener));
}

static void on_opening_timer(void *arg)
{
    struct fy_listener *listener = arg;
    uint64_t timeout_ns = opening_timeout_ns(listener);

    for (struct fy_node *node; (node = fy_list_first(&listener->openings));) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, opening_node);

        if (conn->opened_ns + timeout_ns > listener->loop->now_ns) {
            fy_timer_set(&listener->opening_timer, conn->opened_ns + timeout_ns);
            return;
        }
        fy_list_remove(node);
        if (listener->is_tls)
            fy_server_tls_expire(conn);
        fy_conn_break(conn, false); /* its own watch, or libmicrohttpd, sees it */
    }
}

/* The client has closed its side, or all of the connection. */
static void on_client_end(struct fy_conn *conn, uint32_t events)
{
    struct fy_request *req = conn->req;
    bool is_reset = events & (EPOLLERR | EPOLLHUP);

    if (!conn->is_half_closed)
        fy_list_append(&conn->listener->half_closed, &conn->half_node);
    conn->is_half_closed = true;
    conn->listener->is_due = true;
    if (!req)
        return;
    if (fy_outflow_is_live(req->out))
        fy_request_drop(req, error_of_socket(conn->fd));
    else if (req->is_live && req->is_suspended && is_reset) /* else libmicrohttpd reads, and notices */
        fy_request_drop(req, error_of_socket(conn->fd));
}

static void format_remote(const struct sockaddr *addr, socklen_t len, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN + 16];
    char port[8];

    if (getnameinfo(addr, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(text, size, "?");
    else
        snprintf(text, size, addr->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static void rest(struct fy_listener *listener)
{
    listener->is_accept_paused = true;
    fy_watch_change(listener->loop, &listener->accept_watch, 0);
}

static void resume(struct fy_listener *listener)
{
    if (!listener->is_accept_paused || listener->is_closed)
        return;
    listener->is_accept_paused = false;
    fy_watch_change(listener->loop, &listener->accept_watch, EPOLLIN);
}

static bool is_full(const struct fy_listener *listener)
{
    return listener->n_conns >= listener->cfg->max_connections;
}

static bool is_older_than(const struct fy_listener *listener, uint64_t since_ns, uint64_t ms)
{
    return listener->loop->now_ns - since_ns >= ms * FY_NS_PER_MS;
}

/* Silent for so long that no peer is, or not yet: the oldest of listener->openings. */
static struct fy_conn *oldest_opening(struct fy_listener *listener)
{
    struct fy_node *node = fy_list_first(&listener->openings);
    struct fy_conn *conn = node ? fy_container(node, struct fy_conn, opening_node) : NULL;

    return conn && is_older_than(listener, conn->opened_ns, MIN_SILENCE_MS) ? conn : NULL;
}

/* The oldest that never had a whole head, else the oldest between two requests. */
static struct fy_conn *oldest_without_head(struct fy_listener *listener)
{
    struct fy_conn *between = NULL;

    for (struct fy_node *node = fy_list_first(&listener->heads); node; node = fy_list_next(&listener->heads, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, head_node);

        if (!is_older_than(listener, conn->since_ns, MIN_SILENCE_MS))
            break; /* and so are all behind it */
        if (!conn->was_heard)
            return conn;
        between = between ? between : conn;
    }
    return between;
}

static bool is_trickling(const struct fy_conn *conn)
{
    const struct fy_request *req = conn->req;

    return req && req->is_begun && !req->is_whole && !req->is_paused && !req->out && !req->is_broken &&
           is_older_than(conn->listener, conn->since_ns, UINT64_C(1000) * conn->listener->cfg->idle_timeout_s);
}

static struct fy_conn *first_trickling(struct fy_listener *listener)
{
    for (struct fy_node *node = fy_list_first(&listener->conns); node; node = fy_list_next(&listener->conns, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        if (is_trickling(conn))
            return conn;
    }
    return NULL;
}

/*
 * The connection that can best be missed: one that has said nothing, then one without a whole head, then one between
 * two requests, then one whose body only trickles in.  Never one that carries a stream, nor one that waits for its
 * answer.  NULL: none.
 */
static struct fy_conn *find_victim(struct fy_listener *listener)
{
    struct fy_conn *victim = oldest_opening(listener);

    victim = victim ? victim : oldest_without_head(listener);
    return victim ? victim : first_trickling(listener);
}

/*
 * Somebody waits, and the listener is full.  One that can be missed is closed for him, so that whoever fills the
 * listener with connections that say nothing keeps nobody out.  One by one, for a crowd that comes again at once would
 * otherwise have us do nothing else.
 */
static void make_room(struct fy_listener *listener)
{
    struct fy_conn *victim = find_victim(listener);

    rest(listener);
    fy_timer_set(&listener->accept_timer,
                 fy_loop_deadline_ns(listener->loop, victim ? ROOM_INTERVAL_MS : MIN_SILENCE_MS));
    if (!victim)
        return;
    if (fy_node_is_linked(&victim->opening_node))
        fy_list_remove(&victim->opening_node);
    if (fy_node_is_linked(&victim->head_node))
        fy_list_remove(&victim->head_node);
    if (victim->req)
        victim->req->is_broken = true;
    fy_conn_break(victim, false);
}

/* No descriptor or no memory for another connection: try again a little later. */
static void pause_accept(struct fy_listener *listener, const char *cause)
{
    unsigned long long n_held;

    if (fy_log_fold_pass(&listener->accept_fold, listener->loop->now_ns, &n_held))
        fy_log(listener->cfg->log, FERRY_LOG_WARN, "listener", 0, "%s: cannot accept: %s (%llu more not logged)",
               listener->url, cause, n_held);
    rest(listener);
    fy_timer_set(&listener->accept_timer, fy_loop_deadline_ns(listener->loop, ACCEPT_PAUSE_MS));
}

static void on_accept_timer(void *arg)
{
    resume(arg);
}

/* The connection is gone, and so is what libmicrohttpd knew of it. */
static void forget(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    if (fy_node_is_linked(&conn->given_node))
        fy_list_remove(&conn->given_node);
    if (fy_node_is_linked(&conn->opening_node))
        fy_list_remove(&conn->opening_node);
    if (fy_node_is_linked(&conn->head_node))
        fy_list_remove(&conn->head_node);
    if (conn->is_half_closed)
        fy_list_remove(&conn->half_node);
    if (fy_node_is_linked(&conn->unparsed.node))
        fy_list_remove(&conn->unparsed.node);
    fy_list_remove(&conn->node);
    listener->n_conns--;
    if (!is_full(listener) && !fy_timer_is_set(&listener->accept_timer))
        resume(listener);
    fy_server_tls_release(conn);
    fy_watch_end(listener->loop, &conn->watch);
    fy_watch_bury(listener->loop, &conn->watch, conn);
}

/*
 * Find the connection that libmicrohttpd has just started, by its descriptor.  It starts them in the order in which
 * they were given, so the first is the one as a rule.  NULL: none is known by that descriptor.
 */
static struct fy_conn *take_given(struct fy_listener *listener, struct MHD_Connection *mhd)
{
    int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct fy_list *given = &listener->given;

    for (struct fy_node *node = fy_list_first(given); node; node = fy_list_next(given, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, given_node);

        if (conn->fd == fd) {
            fy_list_remove(node);
            return conn;
        }
    }
    return NULL;
}

static void on_started(struct fy_listener *listener, struct MHD_Connection *mhd, void **context)
{
    struct fy_conn *conn = take_given(listener, mhd);

    *context = conn;
    if (!conn)
        return; /* its first request is refused: see fy_request_on_uri */
    if (listener->is_tls)
        fy_server_tls_begin(conn, mhd);
    else
        fy_conn_opened(conn);
    if (listener->is_running)
        fy_list_append(&listener->started, &conn->given_node); /* it reads in a later run: see fy_conns_settle */
    else
        fy_unparsed_came(conn);
}

static void on_closed(struct fy_listener *listener, struct fy_conn *conn)
{
    if (!conn)
        return;
    if (conn->req) { /* libmicrohttpd does not complete a request if it failed to poll the socket */
        void *req = conn->req;

        fy_request_on_completed(listener, NULL, &req, MHD_REQUEST_TERMINATED_WITH_ERROR);
    }
    forget(conn);
}

void fy_conn_on_notify(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        on_started(cls, mhd, context);
    else
        on_closed(cls, *context);
}

/* libmicrohttpd has closed a connection without ever starting it. */
static void on_refused(struct fy_conn *conn, const char *cause)
{
    if (!conn->listener->is_closed)
        pause_accept(conn->listener, cause);
    conn->watch.fn = NULL; /* the closed descriptor left the epoll set; its number may be another's by now */
    forget(conn);
}

void fy_conns_settle(struct fy_listener *listener)
{
    for (struct fy_node *node; (node = fy_list_take_first(&listener->started));) {
        fy_unparsed_came(fy_container(node, struct fy_conn, given_node));
        listener->is_due = true;
    }
    for (struct fy_node *node; (node = fy_list_first(&listener->given));)
        on_refused(fy_container(node, struct fy_conn, given_node), "libmicrohttpd refused a connection");
}

/* The same for one that libmicrohttpd never knew. */
static void close_silent(struct fy_conn *conn)
{
    int fd = conn->fd;

    forget(conn);
    close(fd);
}

static void give(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    if (getpeername(conn->fd, (struct sockaddr *)&addr, &len) != 0) { /* it is gone already */
        close_silent(conn);
        return;
    }
    if (conn->watch.fn)
        fy_watch_change(listener->loop, &conn->watch, FY_CONN_EVENTS);
    conn->is_given = true;
    fy_list_append(&listener->given, &conn->given_node);
    listener->is_due = true;
    /* Before 1.0.0 it starts the connection in this call, since then in its next run. */
    if (MHD_add_connection(listener->daemon, conn->fd, (struct sockaddr *)&addr, len) != MHD_YES) {
        const char *cause = strerror(errno);

        if (fy_node_is_linked(&conn->given_node)) /* else it was started and closed again, and is forgotten */
            on_refused(conn, cause);
    }
}

/* Libmicrohttpd is given a connection when the client has spoken, if it has spoken the right language. */
static void look_at_first(struct fy_conn *conn)
{
    uint8_t first;
    ssize_t len = recv(conn->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        if (!conn->watch.fn)
            give(conn); /* there is no memory for a watch that could tell when it comes */
    } else if (len <= 0 || !fy_server_tls_check_first(conn, first)) {
        close_silent(conn);
    } else {
        give(conn);
    }
}

static void on_conn_event(struct fy_watch *watch, uint32_t events)
{
    struct fy_conn *conn = fy_container(watch, struct fy_conn, watch);

    if (!conn->is_given) {
        look_at_first(conn);
    } else if (fy_bulk_take_event(conn)) {
        return; /* it was for the body that is read there */
    } else if (fy_raw_answer_take_event(conn)) {
        return; /* and this for the answer that is written there */
    } else if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
        on_client_end(conn, events);
    } else {
        if (events & EPOLLOUT && conn->req)
            fy_bypass_on_writable(conn->req->out);
        if (events & EPOLLIN)
            fy_unparsed_came(conn);
    }
}

static void accept_one(struct fy_listener *listener, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct fy_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        close(fd);
        pause_accept(listener, strerror(ENOMEM));
        return;
    }
    conn->listener = listener;
    conn->fd = fd;
    format_remote(addr, len, conn->remote, sizeof(conn->remote));
    fy_list_append(&listener->conns, &conn->node);
    listener->n_conns++;
    await_opening(conn);
    /* Without it (memory is short) a client's end is only seen when something is sent. */
    (void)fy_watch_start(listener->loop, &conn->watch, fd, FY_CONN_EVENTS, on_conn_event);
    fy_vitals_watch(listener->cfg->link_timeout_ms, fd);
    look_at_first(conn);
}

void fy_conns_on_acceptable(struct fy_watch *watch, uint32_t events)
{
    struct fy_listener *listener = fy_container(watch, struct fy_listener, accept_watch);

    (void)events; /* accept4 tells */
    for (int i = 0; i < MAX_ACCEPTED_AT_ONCE && !listener->is_accept_paused; i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof(addr);
        int fd;

        if (is_full(listener)) {
            if (i == 0) /* else it is not known yet whether there is one more */
                make_room(listener);
            return;
        }
        fd = accept4(watch->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(listener, fd, (struct sockaddr *)&addr, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_accept(listener, strerror(errno));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* else that one connection failed before it was accepted */
    }
}

/* Does a handler wait for the rest of a body that will not come? */
static bool waits_in_vain(const struct fy_conn *conn)
{
    const struct fy_request *req = conn->req;
    char byte;

    return req && req->is_live && !req->is_whole && !req->is_suspended &&
           recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void fy_conns_look_at_half_closed(struct fy_listener *listener)
{
    struct fy_list *half_closed = &listener->half_closed;

    for (struct fy_node *node = fy_list_first(half_closed); node; node = fy_list_next(half_closed, node)) {
        const struct fy_conn *conn = fy_container(node, struct fy_conn, half_node);

        if (waits_in_vain(conn))
            fy_request_drop(conn->req, FERRY_ERR_EOF);
    }
}

/* ---- All of a listener's ---- */

void fy_conns_init(struct fy_listener *listener)
{
    struct fy_timers *timers = &listener->loop->timers;

    fy_list_init(&listener->conns);
    fy_list_init(&listener->given);
    fy_list_init(&listener->started);
    fy_list_init(&listener->openings);
    fy_list_init(&listener->half_closed);
    fy_list_init(&listener->talking);
    fy_list_init(&listener->heads);
    fy_timer_init(&listener->accept_timer, timers, on_accept_timer, listener);
    fy_timer_init(&listener->opening_timer, timers, on_opening_timer, listener);
    fy_timer_init(&listener->head_timer, timers, on_head_timer, listener);
}

void fy_conns_release(struct fy_listener *listener)
{
    fy_timer_unset(&listener->accept_timer);
    fy_timer_unset(&listener->opening_timer);
    fy_timer_unset(&listener->head_timer);
}

void fy_conns_drop(struct fy_listener *listener)
{
    /* No connection that libmicrohttpd has comes or goes meanwhile: that takes a run of it. */
    for (struct fy_node *node = fy_list_first(&listener->conns), *next; node; node = next) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        next = fy_list_next(&listener->conns, node);
        if (!conn->is_given)
            close_silent(conn);
        else if (conn->req)
            fy_request_drop(conn->req, FERRY_ERR_RESET);
    }
}
