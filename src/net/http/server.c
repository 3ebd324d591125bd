/*
 * server - listeners and their connections.
 *
 * The listening socket is ours: it accepts while there is room, and pauses while there is none.  Each connection is
 * given to the listener's libmicrohttpd, which polls it in an epoll set of its own; that set is one descriptor of the
 * loop's.  libmicrohttpd runs when its set is ready, when it has pending work, or when one of its timeouts is due.
 *
 * Limits on a client: a head has to be whole in time (one list of connections, oldest first, for one timer), and to fit
 * into the connection's memory; between requests, in a body and in a reply libmicrohttpd ends what makes no progress.
 * That memory also bounds a chunk of an outflow.  It is mapped per connection, so what is not used costs nothing: an
 * idle stream touches three pages of it.
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

#include "wire/url.h"

#define CONN_MEMORY ((size_t)128 << 10)
#define MAX_ACCEPTED_AT_ONCE 16
#define ACCEPT_PAUSE_MS 100
#define MIN_SILENCE_MS 100 /* before a connection may be closed for another: a peer has sent its head by then */
#define ROOM_INTERVAL_MS 2 /* between two such */
#define MAX_BODY_MS 10000  /* likewise, in the body of a request */

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
    conn->since_ns = listener->http->now_ns;
    conn->head_deadline_ns = listener->http->now_ns + head_timeout_ms(listener->http) * FY_NS_PER_MS;
    fy_list_append(&listener->heads, &conn->head_node);
    if (!fy_timer_is_set(&listener->head_timer))
        fy_timer_set(&listener->head_timer, conn->head_deadline_ns);
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

/* The client has closed its side, or all of the connection. */
static void on_client_end(struct fy_watch *watch, uint32_t events)
{
    struct fy_conn *conn = fy_container(watch, struct fy_conn, watch);
    struct fy_request *req = conn->req;
    bool is_reset = events & (EPOLLERR | EPOLLHUP);

    conn->is_half_closed = true;
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
    fy_watch_change(listener->http, &listener->accept_watch, 0);
}

static void resume(struct fy_listener *listener)
{
    if (!listener->is_accept_paused || listener->is_closed)
        return;
    listener->is_accept_paused = false;
    fy_watch_change(listener->http, &listener->accept_watch, EPOLLIN);
}

static bool is_full(const struct fy_listener *listener)
{
    return listener->n_conns >= listener->http->cfg.max_connections;
}

static bool is_older_than(const struct fy_listener *listener, uint64_t since_ns, uint64_t ms)
{
    return listener->http->now_ns - since_ns >= ms * FY_NS_PER_MS;
}

/*
 * The connection that can best be missed: the oldest that never had a whole head, then the oldest between two requests,
 * then one whose body has been coming for longer than any peer waits.  Never one that carries a stream, nor one that
 * waits for its answer.  NULL: none.
 */
static struct fy_conn *find_victim(struct fy_listener *listener)
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
    if (between)
        return between;
    for (struct fy_node *node = fy_list_first(&listener->conns); node; node = fy_list_next(&listener->conns, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);
        const struct fy_request *req = conn->req;

        if (req && req->is_begun && !req->is_whole && !req->out && !req->is_broken &&
            is_older_than(listener, conn->since_ns, MAX_BODY_MS))
            return conn;
    }
    return NULL;
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
                 fy_http_deadline_ns(listener->http, victim ? ROOM_INTERVAL_MS : MIN_SILENCE_MS));
    if (!victim)
        return;
    if (fy_node_is_linked(&victim->head_node))
        fy_list_remove(&victim->head_node);
    if (victim->req)
        victim->req->is_broken = true;
    fy_conn_break(victim, false);
}

/* No descriptor or no memory for another connection: try again a little later. */
static void pause_accept(struct fy_listener *listener, int cause)
{
    fy_log(listener->http->cfg.log, FERRY_LOG_WARN, "listener", 0, "%s: cannot accept: %s", listener->url,
           strerror(cause));
    rest(listener);
    fy_timer_set(&listener->accept_timer, fy_http_deadline_ns(listener->http, ACCEPT_PAUSE_MS));
}

static void on_accept_timer(void *arg)
{
    resume(arg);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct fy_listener *listener = cls;
    struct fy_http *http = listener->http;
    struct fy_conn *conn = code == MHD_CONNECTION_NOTIFY_STARTED ? listener->accepted : *context;

    (void)mhd;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = conn;
        listener->accepted = NULL;
        fy_list_append(&listener->conns, &conn->node);
        listener->n_conns++;
        /* Without it (memory is short) a client's end is only seen when something is sent. */
        (void)fy_watch_start(http, &conn->watch, conn->fd, EPOLLRDHUP | EPOLLET, on_client_end);
        fy_conn_await_head(conn);
        return;
    }
    if (conn->req) { /* libmicrohttpd does not tell if it failed to poll the socket */
        void *req = conn->req;

        fy_request_on_completed(listener, NULL, &req, MHD_REQUEST_TERMINATED_WITH_ERROR);
    }
    if (fy_node_is_linked(&conn->head_node))
        fy_list_remove(&conn->head_node);
    fy_list_remove(&conn->node);
    listener->n_conns--;
    if (!is_full(listener) && !fy_timer_is_set(&listener->accept_timer))
        resume(listener);
    fy_watch_end(http, &conn->watch);
    fy_watch_bury(http, &conn->watch, conn);
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
    fy_vitals_watch(listener->http, fd);
    listener->accepted = conn;
    (void)MHD_add_connection(listener->daemon, fd, addr, len); /* it closes fd if it fails */
    if (listener->accepted) {
        listener->accepted = NULL;
        free(conn);
        pause_accept(listener, errno);
    }
}

static void on_acceptable(struct fy_watch *watch, uint32_t events)
{
    struct fy_listener *listener = fy_container(watch, struct fy_listener, accept_watch);

    (void)events; /* accept4 tells */
    for (int i = 0; i < MAX_ACCEPTED_AT_ONCE && !listener->is_accept_paused; i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof(addr);
        int fd;

        if (is_full(listener)) {
            make_room(listener);
            return;
        }
        fd = accept4(watch->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(listener, fd, (struct sockaddr *)&addr, len);
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
    fy_timer_unset(&listener->head_timer);
    fy_timer_unset(&listener->unsent_timer);
    free(listener->url);
    fy_watch_bury(http, &listener->accept_watch, listener);
}

static void run(struct fy_listener *listener)
{
    listener->is_due = false;
    listener->is_running = true;
    (void)MHD_run(listener->daemon); /* it fails only on wrong flags */
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
    const struct fy_log *log = cls;
    char text[256];

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
    size_t size = strlen(url->host) + sizeof("http://[]:65535");
    char *text = malloc(size);

    if (text)
        snprintf(text, size, url->is_ipv6 ? "http://[%s]:%u" : "http://%s:%u", url->host, bound_port(fd));
    return text;
}

static struct MHD_Daemon *start_daemon(struct fy_listener *listener, const struct fy_http_config *cfg)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;

    return MHD_start_daemon(flags, 0, NULL, NULL, fy_request_on_access, listener,           /* */
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, cfg->log,                   /* comes first */
                            MHD_OPTION_CONNECTION_LIMIT, UINT32_MAX,                        /* is ours */
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONN_MEMORY,                /* */
                            MHD_OPTION_CONNECTION_TIMEOUT, cfg->idle_timeout_s,             /* */
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,          /* */
                            MHD_OPTION_NOTIFY_COMPLETED, fy_request_on_completed, listener, /* */
                            MHD_OPTION_URI_LOG_CALLBACK, fy_request_on_uri, listener, MHD_OPTION_END);
}

static void init_timers(struct fy_listener *listener)
{
    struct fy_timers *timers = &listener->http->timers;

    fy_timer_init(&listener->accept_timer, timers, on_accept_timer, listener);
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
    fy_timer_unset(&listener->head_timer);
    fy_timer_unset(&listener->unsent_timer);
    free(listener->url);
    free(listener);
}

static int build(struct fy_listener *listener, const struct fy_url *url, int fd)
{
    struct fy_http *http = listener->http;

    init_timers(listener);
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
    /* No connection comes or goes meanwhile: that takes a run of libmicrohttpd's. */
    for (struct fy_node *node = fy_list_first(&listener->conns); node; node = fy_list_next(&listener->conns, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        if (conn->req)
            fy_request_drop(conn->req, FERRY_ERR_RESET);
    }
    if (!listener->is_running)
        stop(listener);
}
