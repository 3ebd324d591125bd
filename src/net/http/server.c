/*
 * server - listeners and their connections.
 *
 * The listening socket is ours: it accepts while there is room, and pauses while there is none.  Each connection, when
 * its client has sent a byte, is given to the listener's libmicrohttpd, which polls it in an epoll set of its own; that
 * set is one descriptor of the loop's.  libmicrohttpd runs when its set is ready, when it has pending work, or when one
 * of its timeouts is due.
 *
 * Limits on a client: a first byte, or a TLS handshake, has to be there in time, then a head (one list of connections,
 * oldest first, and one timer for either), and the head has to fit
 * into the connection's memory; between requests, in a body and in a reply libmicrohttpd ends what makes no progress.
 * That memory also bounds a chunk of an outflow.  It is mapped per connection, so what is not used costs nothing: an
 * idle stream touches three pages of it.
 *
 * A client that ends its side in the middle of a body is as good as gone, but libmicrohttpd would wait for it until its
 * timeout: so after each run it is seen whether there is anything left to be read.
 *
 * Closing: what users still hold is told first, then every suspended connection is resumed, for libmicrohttpd cannot be
 * stopped otherwise; and it cannot be stopped from inside its own callbacks, so there it stops when it has returned.
 */
#include "config.h" /* _GNU_SOURCE, for accept4 */

#include "net/http/server.h"

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

#include "net/tls/policy.h"
#include "net/tls/tls.h"
#include "wire/url.h"

#define CONN_MEMORY ((size_t)128 << 10)
#define MAX_ACCEPTED_AT_ONCE 16
#define ACCEPT_PAUSE_MS 100

/* ---- Connections ---- */

static uint64_t head_timeout_ms(const struct fy_http *http)
{
    return UINT64_C(1500) * http->cfg.idle_timeout_s;
}

void fy_conn_await_head(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    if (fy_node_is_linked(&conn->head_node)) /* a request that failed in its head was just completed */
        fy_list_remove(&conn->head_node);
    conn->head_deadline_ns = listener->http->now_ns + head_timeout_ms(listener->http) * FY_NS_PER_MS;
    fy_list_append(&listener->heads, &conn->head_node);
    if (!fy_timer_is_set(&listener->head_timer))
        fy_timer_set(&listener->head_timer, conn->head_deadline_ns);
}

void fy_conn_opened(struct fy_conn *conn)
{
    fy_list_remove(&conn->opening_node);
    fy_conn_await_head(conn);
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

        if (conn->head_deadline_ns > listener->http->now_ns) {
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
    const struct fy_http *http = listener->http;
    struct fy_tls_policy *policy;
    uint64_t ms;

    if (!listener->is_tls)
        return http->cfg.idle_timeout_s * FY_NS_PER_S;
    policy = fy_tls_policy(http->cfg.tls);
    ms = policy->cfg.handshake_timeout_ms;
    fy_tls_policy_unref(policy);
    return ms * FY_NS_PER_MS;
}

static void await_opening(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    conn->opened_ns = listener->http->now_ns;
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

        if (conn->opened_ns + timeout_ns > listener->http->now_ns) {
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

/*
 * The connection that can best be missed: the oldest that never had a whole head, then the oldest between two requests,
 * then the oldest whose body still trickles in.  Never one that carries a stream, or that waits for its answer.
 */
static struct fy_conn *find_victim(struct fy_listener *listener)
{
    struct fy_conn *victim = NULL;

    for (struct fy_node *node = fy_list_first(&listener->heads); node; node = fy_list_next(&listener->heads, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, head_node);

        if (!conn->was_heard)
            return conn;
        victim = victim ? victim : conn;
    }
    for (struct fy_node *node = fy_list_first(&listener->conns); node && !victim;
         node = fy_list_next(&listener->conns, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        if (conn->req && conn->req->is_begun && !conn->req->is_whole && !conn->req->out && !conn->is_leaving)
            victim = conn;
    }
    return victim;
}

/*
 * Does the listener have room?  Otherwise its socket rests until a connection closes, and one that can be missed is
 * closed for that: whoever fills the listener with connections that say nothing loses them, and keeps nobody out.
 */
static void check_room(struct fy_listener *listener)
{
    bool is_full = listener->n_conns >= listener->http->cfg.max_connections;
    struct fy_conn *victim;

    if (is_full == listener->is_accept_paused || listener->is_closed)
        return;
    listener->is_accept_paused = is_full;
    fy_watch_change(listener->http, &listener->accept_watch, is_full ? 0 : EPOLLIN);
    victim = is_full ? find_victim(listener) : NULL;
    if (!victim)
        return;
    if (fy_node_is_linked(&victim->head_node))
        fy_list_remove(&victim->head_node);
    victim->is_leaving = true;
    fy_conn_break(victim, false);
}

/* No descriptor or no memory for another connection: try again a little later. */
static void pause_accept(struct fy_listener *listener, int cause)
{
    fy_log(listener->http->cfg.log, FERRY_LOG_WARN, "listener", 0, "%s: cannot accept: %s", listener->url,
           strerror(cause));
    listener->is_accept_paused = true;
    fy_watch_change(listener->http, &listener->accept_watch, 0);
    fy_timer_set(&listener->accept_timer, fy_http_deadline_ns(listener->http, ACCEPT_PAUSE_MS));
}

static void on_accept_timer(void *arg)
{
    check_room(arg);
}

/* The connection is gone, and so is what libmicrohttpd knew of it. */
static void forget(struct fy_conn *conn)
{
    struct fy_listener *listener = conn->listener;

    if (fy_node_is_linked(&conn->opening_node))
        fy_list_remove(&conn->opening_node);
    if (fy_node_is_linked(&conn->head_node))
        fy_list_remove(&conn->head_node);
    if (conn->is_half_closed)
        fy_list_remove(&conn->half_node);
    fy_list_remove(&conn->node);
    listener->n_conns--;
    check_room(listener);
    fy_server_tls_release(conn);
    fy_watch_end(listener->http, &conn->watch);
    fy_watch_bury(listener->http, &conn->watch, conn);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct fy_listener *listener = cls;
    struct fy_conn *conn = code == MHD_CONNECTION_NOTIFY_STARTED ? listener->accepted : *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = conn;
        listener->accepted = NULL;
        conn->is_given = true;
        if (listener->is_tls)
            fy_server_tls_begin(conn, mhd);
        else
            fy_conn_opened(conn);
        return;
    }
    if (conn->req) { /* libmicrohttpd does not tell if it failed to poll the socket */
        void *req = conn->req;

        fy_request_on_completed(listener, NULL, &req, MHD_REQUEST_TERMINATED_WITH_ERROR);
    }
    forget(conn);
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
        fy_watch_change(listener->http, &conn->watch, EPOLLRDHUP | EPOLLET);
    listener->accepted = conn;
    (void)MHD_add_connection(listener->daemon, conn->fd, (struct sockaddr *)&addr, len); /* it closes fd if it fails */
    listener->is_due = true;
    if (listener->accepted) {
        listener->accepted = NULL;
        pause_accept(listener, errno);
        forget(conn);
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

    if (!conn->is_given)
        look_at_first(conn);
    else if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))
        on_client_end(conn, events);
}

static void accept_one(struct fy_listener *listener, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct fy_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        close(fd);
        pause_accept(listener, ENOMEM);
        return;
    }
    conn->listener = listener;
    conn->fd = fd;
    format_remote(addr, len, conn->remote, sizeof(conn->remote));
    fy_list_append(&listener->conns, &conn->node);
    listener->n_conns++;
    await_opening(conn);
    /* Without it (memory is short) a client's end is only seen when something is sent. */
    (void)fy_watch_start(listener->http, &conn->watch, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, on_conn_event);
    fy_vitals_watch(listener->http, fd);
    look_at_first(conn);
}

static void on_acceptable(struct fy_watch *watch, uint32_t events)
{
    struct fy_listener *listener = fy_container(watch, struct fy_listener, accept_watch);

    (void)events; /* accept4 tells */
    for (int i = 0; i < MAX_ACCEPTED_AT_ONCE && !listener->is_accept_paused; i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof(addr);
        int fd = accept4(watch->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            accept_one(listener, fd, (struct sockaddr *)&addr, len);
            if (!listener->is_accept_paused)
                check_room(listener);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_accept(listener, errno);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* else that one connection failed before it was accepted */
    }
}

/* ---- Running libmicrohttpd ---- */

static void on_daemon_ready(struct fy_watch *watch, uint32_t events)
{
    (void)events;
    fy_container(watch, struct fy_listener, daemon_watch)->is_due = true;
}

static uint64_t daemon_timeout_ms(const struct fy_listener *listener)
{
    MHD_UNSIGNED_LONG_LONG ms;

    return MHD_get_timeout(listener->daemon, &ms) == MHD_YES ? ms : FY_NEVER;
}

static bool is_due(const struct fy_listener *listener)
{
    return listener->is_due || daemon_timeout_ms(listener) == 0;
}

static void stop(struct fy_listener *listener)
{
    struct fy_http *http = listener->http;

    MHD_stop_daemon(listener->daemon);
    assert(fy_list_is_empty(&listener->conns) && fy_list_is_empty(&listener->unsent));
    fy_list_remove(&listener->node);
    fy_timer_unset(&listener->accept_timer);
    fy_timer_unset(&listener->opening_timer);
    fy_timer_unset(&listener->head_timer);
    fy_timer_unset(&listener->unsent_timer);
    free(listener->url);
    fy_watch_bury(http, &listener->accept_watch, listener);
}

/* Does a handler wait for the rest of a body that will not come? */
static bool waits_in_vain(const struct fy_conn *conn)
{
    const struct fy_request *req = conn->req;
    char byte;

    return req && req->is_live && !req->is_whole && !req->is_suspended &&
           recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void drop_half_sent(struct fy_listener *listener)
{
    struct fy_list *half_closed = &listener->half_closed;

    for (struct fy_node *node = fy_list_first(half_closed); node; node = fy_list_next(half_closed, node)) {
        const struct fy_conn *conn = fy_container(node, struct fy_conn, half_node);

        if (waits_in_vain(conn))
            fy_request_drop(conn->req, FERRY_ERR_EOF);
    }
}

static void run(struct fy_listener *listener)
{
    listener->is_due = false;
    listener->is_running = true;
    (void)MHD_run(listener->daemon); /* it fails only on wrong flags */
    drop_half_sent(listener);
    listener->is_running = false;
    if (listener->is_closed)
        stop(listener);
}

static struct fy_listener *next_due(const struct fy_http *http)
{
    for (struct fy_node *node = fy_list_first(&http->listeners); node; node = fy_list_next(&http->listeners, node)) {
        struct fy_listener *listener = fy_container(node, struct fy_listener, node);

        if (listener->pass != http->pass && is_due(listener))
            return listener;
    }
    return NULL;
}

bool fy_server_has_work(const struct fy_http *http)
{
    for (struct fy_node *node = fy_list_first(&http->listeners); node; node = fy_list_next(&http->listeners, node))
        if (is_due(fy_container(node, struct fy_listener, node)))
            return true;
    return false;
}

void fy_server_work(struct fy_http *http)
{
    struct fy_listener *listener;

    http->pass++; /* searched from the start each time, for a handler may close any listener */
    while ((listener = next_due(http))) {
        listener->pass = http->pass;
        run(listener);
    }
}

uint64_t fy_server_timeout_ms(const struct fy_http *http)
{
    uint64_t least_ms = FY_NEVER;

    for (struct fy_node *node = fy_list_first(&http->listeners); node; node = fy_list_next(&http->listeners, node)) {
        uint64_t ms = daemon_timeout_ms(fy_container(node, struct fy_listener, node));

        least_ms = ms < least_ms ? ms : least_ms;
    }
    return least_ms;
}

/* ---- Listening ---- */

static void on_log(void *cls, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* What libmicrohttpd says is about single connections, and any client can make it talk. */
static void on_log(void *cls, const char *format, va_list args)
{
    struct fy_listener *listener = cls;
    const struct fy_log *log = listener->http->cfg.log;
    char text[256];

    fy_server_tls_on_log(listener);
    if (!log->fn || log->max_level < FERRY_LOG_DEBUG)
        return;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    fy_log(log, FERRY_LOG_DEBUG, "microhttpd", 0, "%s", text);
}

static int bind_one(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);
    int on = 1;
    int cause;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
        listen(fd, SOMAXCONN) == 0)
        return fd;
    cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

/* The first of the host's addresses that can be bound.  A listening socket, or -1 with the cause as text. */
static int bind_url(const struct fy_url *url, const char **ret_cause)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    char port[8];
    int fd = -1;
    int err;

    snprintf(port, sizeof(port), "%u", url->port);
    err = getaddrinfo(url->host, port, &hints, &list);
    if (err) {
        *ret_cause = err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err);
        return -1;
    }
    for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
        fd = bind_one(ai);
    if (fd < 0)
        *ret_cause = strerror(errno);
    freeaddrinfo(list);
    return fd;
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);

    (void)getsockname(fd, (struct sockaddr *)&addr, &len);
    return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                            : ((struct sockaddr_in *)&addr)->sin_port);
}

static char *format_url(const struct fy_url *url, int fd)
{
    size_t size = strlen(url->host) + sizeof("https://[]:65535");
    char *text = malloc(size);

    if (text)
        snprintf(text, size, url->is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", url->is_https ? "https" : "http", url->host,
                 bound_port(fd));
    return text;
}

static struct MHD_Daemon *start_daemon(struct fy_listener *listener, const struct fy_http_config *cfg)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
                     (listener->is_tls ? MHD_USE_TLS : 0u);
    /* The end of the list in the plain case; a session's own credentials take the place of this callback's. */
    enum MHD_OPTION tls_option = listener->is_tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END;

    return MHD_start_daemon(flags, 0, NULL, NULL, fy_request_on_access, listener,           /* */
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, listener,                   /* comes first */
                            MHD_OPTION_CONNECTION_LIMIT, UINT32_MAX,                        /* is ours */
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONN_MEMORY,                /* */
                            MHD_OPTION_CONNECTION_TIMEOUT, cfg->idle_timeout_s,             /* */
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,          /* */
                            MHD_OPTION_NOTIFY_COMPLETED, fy_request_on_completed, listener, /* */
                            MHD_OPTION_URI_LOG_CALLBACK, fy_request_on_uri, listener,       /* */
                            tls_option, fy_server_tls_no_certificate,                       /* */
                            MHD_OPTION_TLS_NO_ALPN, 1, MHD_OPTION_END);
}

static void init_timers(struct fy_listener *listener)
{
    struct fy_timers *timers = &listener->http->timers;

    fy_timer_init(&listener->accept_timer, timers, on_accept_timer, listener);
    fy_timer_init(&listener->opening_timer, timers, on_opening_timer, listener);
    fy_timer_init(&listener->head_timer, timers, on_head_timer, listener);
    fy_timer_init(&listener->unsent_timer, timers, fy_outflow_on_unsent_timer, listener);
}

/* The parts of a listener that stop() does not take down, in the order of their making. */
static void free_half_built(struct fy_listener *listener)
{
    fy_watch_end(listener->http, &listener->accept_watch);
    if (listener->daemon)
        MHD_stop_daemon(listener->daemon);
    fy_timer_unset(&listener->accept_timer);
    fy_timer_unset(&listener->opening_timer);
    fy_timer_unset(&listener->head_timer);
    fy_timer_unset(&listener->unsent_timer);
    free(listener->url);
    free(listener);
}

static int build(struct fy_listener *listener, const struct fy_url *url, int fd)
{
    struct fy_http *http = listener->http;

    init_timers(listener);
    listener->is_tls = url->is_https;
    listener->url = format_url(url, fd);
    if (!listener->url)
        return FERRY_ERR_NOMEM;
    listener->daemon = start_daemon(listener, &http->cfg);
    if (!listener->daemon)
        return FERRY_ERR_LISTEN;
    if (fy_watch_start(http, &listener->accept_watch, fd, EPOLLIN, on_acceptable) != FERRY_OK ||
        fy_watch_start(http, &listener->daemon_watch,
                       MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN,
                       on_daemon_ready) != FERRY_OK)
        return FERRY_ERR_LISTEN;
    return FERRY_OK;
}

static struct fy_listener *new_listener(struct fy_http *http, fy_request_fn *fn, void *arg)
{
    struct fy_listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return NULL;
    listener->object.ops = http->net.ops;
    listener->http = http;
    listener->fn = fn;
    listener->arg = arg;
    fy_list_init(&listener->conns);
    fy_list_init(&listener->openings);
    fy_list_init(&listener->half_closed);
    fy_list_init(&listener->heads);
    fy_list_init(&listener->unsent);
    return listener;
}

static void say_cause(const struct fy_url *url, const char *cause, char *ret_detail, size_t detail_size)
{
    if (detail_size > 0)
        snprintf(ret_detail, detail_size, url->is_ipv6 ? "[%s]:%u: %s" : "%s:%u: %s", url->host, url->port, cause);
}

int fy_server_listen(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg,
                     struct fy_listener **ret_listener, char *ret_detail, size_t detail_size)
{
    struct fy_http *http = fy_http_of(net);
    struct fy_listener *listener;
    struct fy_url parsed;
    const char *cause;
    int err = fy_url_parse(url, &parsed);
    int fd;

    if (err)
        return err;
    if (parsed.is_https && !http->cfg.tls)
        return FERRY_ERR_TLS_CONFIG;
    fd = bind_url(&parsed, &cause);
    if (fd < 0) {
        say_cause(&parsed, cause, ret_detail, detail_size);
        return FERRY_ERR_LISTEN;
    }
    listener = new_listener(http, fn, arg);
    err = listener ? build(listener, &parsed, fd) : FERRY_ERR_NOMEM;
    if (err) {
        if (err == FERRY_ERR_LISTEN)
            say_cause(&parsed, strerror(errno), ret_detail, detail_size);
        if (listener)
            free_half_built(listener);
        close(fd);
        return err;
    }
    fy_list_append(&http->listeners, &listener->node);
    *ret_listener = listener;
    return FERRY_OK;
}

const char *fy_server_listener_url(const struct fy_listener *listener)
{
    return listener->url;
}

void fy_server_listener_close(struct fy_listener *listener)
{
    struct fy_http *http = listener->http;

    if (listener->is_closed)
        return; /* from inside an on_gone of the first close */
    listener->is_closed = true;
    fy_watch_end(http, &listener->accept_watch);
    close(listener->accept_watch.fd);
    fy_watch_end(http, &listener->daemon_watch);
    /* No connection that libmicrohttpd has comes or goes meanwhile: that takes a run of it. */
    for (struct fy_node *node = fy_list_first(&listener->conns), *next; node; node = next) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        next = fy_list_next(&listener->conns, node);
        if (!conn->is_given)
            close_silent(conn);
        else if (conn->req)
            fy_request_drop(conn->req, FERRY_ERR_RESET);
    }
    if (!listener->is_running)
        stop(listener);
}
