/*
 * conn - the connections of a listener, from accept to their end.
 *
 * Normal path: a connection is accepted, looked at when the client has sent a byte, given to libmicrohttpd, and started
 * by it: at once, or in its next run.  From then on its callbacks tell of it.  A first byte, or a TLS handshake, has to
 * be there in time, then a head: one list of connections, oldest first, and one timer for either.
 *
 * A client that ends its side in the middle of a body will not complete it, but libmicrohttpd would wait until its
 * timeout: so after each of its runs half-closed connections are checked for anything left to be read.
 */
#include "net/http/conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http/request.h"
#include "net/http/vitals.h"
#include "net/tls/policy.h"
#include "net/tls/tls.h"

#define BIT(state) (1u << (state))
#define MIN_BODY_PROGRESS ((size_t)8 << 10)     /* within the idle timeout, or it may be closed to make room */
#define KNOWN_BYTES_PER_MS 64                   /* the slowest that a long body of a known client may come */
#define MAX_KNOWN_MS UINT64_C(36000000)         /* whatever length is announced */
#define EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET) /* that data came, and that the client ends its side */

static const unsigned successors[] = {
    [FY_CONN_SILENT] = BIT(FY_CONN_GIVEN),      [FY_CONN_GIVEN] = BIT(FY_CONN_STARTED),
    [FY_CONN_STARTED] = BIT(FY_CONN_OPEN),      [FY_CONN_OPEN] = BIT(FY_CONN_FAMILIAR),
    [FY_CONN_FAMILIAR] = BIT(FY_CONN_FAMILIAR),
};

static void set_state(struct fy_conn *conn, enum fy_conn_state to)
{
    assert(successors[conn->state] & BIT(to));
    conn->state = to;
}

static void unlink_node(struct fy_node *node)
{
    if (fy_node_is_linked(node))
        fy_list_remove(node);
}

static uint64_t head_timeout_ms(const struct fy_listener *listener)
{
    return UINT64_C(1500) * listener->cfg->idle_timeout_s;
}

void fy_conn_await_head(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    unlink_node(&conn->head_node); /* it is linked if a request that failed in its head was just completed */
    fy_unparsed_was_of_use(conn);
    conn->since_ns = listener->loop->now_ns;
    conn->head_deadline_ns = listener->loop->now_ns + head_timeout_ms(listener) * FY_NS_PER_MS;
    fy_list_append(&listener->heads, &conn->head_node);
    if (!fy_timer_is_set(&listener->head_timer))
        fy_timer_set(&listener->head_timer, conn->head_deadline_ns);
}

static void conn_on_opened(struct fy_conn *conn)
{
    set_state(conn, FY_CONN_OPEN);
    unlink_node(&conn->opening_node); /* it is not linked if the connection is being closed to make room */
    fy_conn_await_head(conn);
}

void fy_conn_head_came(struct fy_conn *conn)
{
    set_state(conn, FY_CONN_FAMILIAR);
    unlink_node(&conn->head_node);
    fy_unparsed_was_of_use(conn);
    conn->since_ns = conn->headed_ns = conn->listener->loop->now_ns;
    conn->n_moved = 0;
}

/* A known client's long body may take its time, at a rate that a slow network still has. */
void fy_conn_await_body(struct fy_conn *conn, uint64_t len)
{
    uint64_t known_ms = len == FY_LEN_UNKNOWN || !conn->is_known ? 0 : len / KNOWN_BYTES_PER_MS;
    uint64_t ms = conn->listener->cfg->body_timeout_ms + (known_ms < MAX_KNOWN_MS ? known_ms : MAX_KNOWN_MS);

    fy_timer_set(&conn->body_timer, fy_loop_deadline_ns(conn->listener->loop, ms));
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
    if (is_hard)
        fy_vitals_reset(conn->socket.fd);
    (void)shutdown(conn->socket.fd, SHUT_RDWR); /* libmicrohttpd sees it; a client that has left already is as good */
}

static void conn_on_head_timer(void *arg)
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

static void conn_on_opening_timer(void *arg)
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

bool fy_conn_is_half_closed(const struct fy_conn *conn)
{
    return fy_node_is_linked(&conn->half_node);
}

void fy_conn_on_client_end(struct fy_conn *conn, uint32_t events)
{
    struct fy_request *req = conn->req;
    bool is_reset = events & (EPOLLERR | EPOLLHUP);

    if (!fy_conn_is_half_closed(conn))
        fy_list_append(&conn->listener->half_closed, &conn->half_node);
    conn->listener->is_due = true;
    if (!req)
        return;
    /* Unless it is suspended, libmicrohttpd reads, and notices. */
    if (req->on_gone || (fy_request_is_held(req) && req->is_suspended && is_reset))
        conn->listener->ops->drop_request(req, error_of_socket(conn->socket.fd));
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

/* The connection is gone, and so is what libmicrohttpd knew of it. */
static void forget(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    fy_timer_unset(&conn->body_timer);
    unlink_node(&conn->given_node);
    unlink_node(&conn->opening_node);
    unlink_node(&conn->head_node);
    unlink_node(&conn->half_node);
    unlink_node(&conn->unparsed.node);
    fy_list_remove(&conn->node);
    listener->n_conns--;
    fy_pool_forget(conn);
    listener->ops->on_conn_freed(listener);
    fy_server_tls_release(conn);
    fy_socket_release(&conn->socket, conn);
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

        if (conn->socket.fd == fd) {
            fy_list_remove(node);
            return conn;
        }
    }
    return NULL;
}

static void conn_on_started(struct fy_listener *listener, struct MHD_Connection *mhd, void **context)
{
    struct fy_conn *conn = take_given(listener, mhd);

    *context = conn;
    if (!conn)
        return; /* its first request is refused: see fy_exchange_on_uri */
    set_state(conn, FY_CONN_STARTED);
    if (listener->is_tls)
        conn->socket.session = fy_server_tls_begin(conn, mhd, conn_on_opened);
    else
        conn_on_opened(conn);
    if (listener->is_running)
        fy_list_append(&listener->started, &conn->given_node); /* it reads in a later run */
    else
        fy_unparsed_came(conn);
}

static void conn_on_closed(struct fy_listener *listener, struct fy_conn *conn)
{
    if (!conn)
        return;
    if (conn->req) /* libmicrohttpd does not complete a request if it failed to poll the socket */
        listener->ops->on_request_lost(conn->req);
    forget(conn);
}

void fy_conn_on_notify(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        conn_on_started(cls, mhd, context);
    else
        conn_on_closed(cls, *context);
}

/* libmicrohttpd has closed a connection without ever starting it. */
static void conn_on_refused(struct fy_conn *conn, const char *cause)
{
    conn->listener->ops->on_conn_refused(conn->listener, cause);
    fy_socket_forget_fd(&conn->socket);
    forget(conn);
}

/* The same for one that libmicrohttpd never knew. */
static void close_silent(struct fy_conn *conn)
{
    int fd = conn->socket.fd;

    forget(conn);
    close(fd);
}

static void conn_on_event(void *owner, uint32_t events);
static void conn_on_body_timer(void *arg);

static void give(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    if (getpeername(conn->socket.fd, (struct sockaddr *)&addr, &len) != 0) { /* it is gone already */
        close_silent(conn);
        return;
    }
    if (fy_socket_is_watched(&conn->socket)) /* anew: an edge-triggered watch tells again of what came before */
        fy_socket_own(&conn->socket, EVENTS, conn_on_event, conn);
    set_state(conn, FY_CONN_GIVEN);
    fy_list_append(&listener->given, &conn->given_node);
    listener->is_due = true;
    /* Before 1.0.0 it starts the connection in this call, since then in its next run. */
    if (MHD_add_connection(listener->daemon, conn->socket.fd, (struct sockaddr *)&addr, len) != MHD_YES) {
        const char *cause = strerror(errno);

        if (fy_node_is_linked(&conn->given_node)) /* else it was started and closed again, and is forgotten */
            conn_on_refused(conn, cause);
    }
}

/* Libmicrohttpd is given a connection when the client has spoken, if it has spoken the right language. */
static void look_at_first(struct fy_conn *conn)
{
    uint8_t first;
    ssize_t len = recv(conn->socket.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        if (!fy_socket_is_watched(&conn->socket))
            give(conn); /* there is no memory for a watch that could tell when it comes */
    } else if (len <= 0 || !fy_server_tls_check_first(conn, first)) {
        close_silent(conn);
    } else {
        give(conn);
    }
}

static void conn_on_event(void *owner, uint32_t events)
{
    struct fy_conn *conn = owner;

    if (conn->state == FY_CONN_SILENT)
        look_at_first(conn);
    else if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))
        fy_conn_on_client_end(conn, events);
    else if (events & EPOLLIN)
        fy_unparsed_came(conn);
}

void fy_conn_take_back(struct fy_conn *conn)
{
    if (conn->socket.owner != conn)
        fy_socket_own(&conn->socket, EVENTS, conn_on_event, conn);
}

bool fy_conn_begin(struct fy_listener *listener, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct fy_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        close(fd);
        return false;
    }
    conn->listener = listener;
    conn->source = fy_pool_source(addr);
    fy_timer_init(&conn->body_timer, &listener->loop->timers, conn_on_body_timer, conn);
    format_remote(addr, len, conn->remote, sizeof(conn->remote));
    fy_list_append(&listener->conns, &conn->node);
    listener->n_conns++;
    await_opening(conn);
    /* Unwatched (memory is short) a client's end is only seen when something is sent. */
    fy_socket_init(&conn->socket, listener->loop, fd, EVENTS, conn_on_event, conn);
    fy_vitals_watch(listener->cfg->link_timeout_ms, fd);
    look_at_first(conn);
    return true;
}

/* ---- After a run of libmicrohttpd ---- */

/* Was all read that the client has sent? */
static bool is_at_end(const struct fy_conn *conn)
{
    char byte;

    return recv(conn->socket.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Does a handler wait for the rest of a body that will not come? */
static bool waits_in_vain(const struct fy_conn *conn)
{
    const struct fy_request *req = conn->req;

    return req && req->state == FY_REQUEST_BODY && !req->is_suspended && is_at_end(conn);
}

/*
 * Did the client leave in the middle of its first head?  libmicrohttpd, which has read a part, waits for an edge that
 * was there before it came to read.  Of later heads it may have one whole that it has not looked at.
 */
static bool left_in_its_head(const struct fy_conn *conn)
{
    return !conn->req && conn->state == FY_CONN_OPEN && !conn->listener->is_tls && is_at_end(conn);
}

static void drop_half_closed(struct fy_listener *listener)
{
    struct fy_list *half_closed = &listener->half_closed;

    for (struct fy_node *node = fy_list_first(half_closed); node; node = fy_list_next(half_closed, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, half_node);

        if (waits_in_vain(conn))
            listener->ops->drop_request(conn->req, FERRY_ERR_EOF);
        else if (left_in_its_head(conn))
            fy_conn_break(conn, false);
    }
}

/* Write an answer past libmicrohttpd, which takes none before a head is whole, nor in the middle of a body. */
static void say_past(const struct fy_conn *conn, const char *answer)
{
    if (!conn->listener->is_tls)
        (void)send(conn->socket.fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL); /* it is about to be closed */
}

static void conn_on_body_timer(void *arg)
{
    static const char answer[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    struct fy_conn *conn = arg;
    struct fy_listener *listener = conn->listener;
    struct fy_request *req = conn->req;

    /* A handler that takes the body as it has room for it, or that has paused it, has a deadline of its own. */
    if (!req || !fy_request_is_reading(req) || req->is_paused || req->events.on_room)
        return;
    fy_crowd_count(listener->cfg, FY_CROWD_LATE_BODY);
    say_past(conn, answer);
    fy_listener_enter(listener); /* its handler is told, and may close the listener */
    listener->ops->drop_request(req, FERRY_ERR_EOF);
    fy_listener_leave(listener);
}

/* In a handshake, or in the middle of a body, nothing is said. */
static void refuse_excess(struct fy_conn *conn)
{
    static const char answer[] = "HTTP/1.1 431 Request Header Fields Too Large\r\n"
                                 "Connection: close\r\nContent-Length: 0\r\n\r\n";

    if (conn->req && conn->req->state != FY_REQUEST_NEW) {
        conn->listener->ops->drop_request(conn->req, FERRY_ERR_EOF);
        return;
    }
    say_past(conn, answer);
    fy_conn_break(conn, false);
}

static void settle_given(struct fy_listener *listener)
{
    for (struct fy_node *node; (node = fy_list_take_first(&listener->started));) {
        fy_unparsed_came(fy_container(node, struct fy_conn, given_node));
        listener->is_due = true;
    }
    for (struct fy_node *node; (node = fy_list_first(&listener->given));)
        conn_on_refused(fy_container(node, struct fy_conn, given_node), "libmicrohttpd refused a connection");
}

void fy_conns_after_run(struct fy_listener *listener)
{
    drop_half_closed(listener);
    for (struct fy_conn *conn; (conn = fy_unparsed_next_excess(listener));)
        refuse_excess(conn);
    settle_given(listener);
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
    fy_timer_init(&listener->opening_timer, timers, conn_on_opening_timer, listener);
    fy_timer_init(&listener->head_timer, timers, conn_on_head_timer, listener);
}

void fy_conns_release(struct fy_listener *listener)
{
    fy_timer_unset(&listener->opening_timer);
    fy_timer_unset(&listener->head_timer);
}

void fy_conns_drop(struct fy_listener *listener)
{
    /* No connection that libmicrohttpd has comes or goes meanwhile: that takes a run of it. */
    for (struct fy_node *node = fy_list_first(&listener->conns), *next; node; node = next) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        next = fy_list_next(&listener->conns, node);
        if (conn->state == FY_CONN_SILENT)
            close_silent(conn);
        else if (conn->req)
            listener->ops->drop_request(conn->req, FERRY_ERR_RESET);
    }
}
