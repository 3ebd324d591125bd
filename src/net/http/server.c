/*
 * server - listeners, and the libmicrohttpd that each of them runs.
 *
 * The listening socket is ours (accept.c); the connections are given to the listener's libmicrohttpd, which polls
 * them in an epoll set of its own; that set is one descriptor of the loop's.  libmicrohttpd runs when its set is ready,
 * when it has pending work, or when one of its timeouts is due.
 *
 * Limits on a client, beside those of conn.c: a head has to fit into the connection's memory; between requests, in a
 * body and in a reply libmicrohttpd ends what makes no progress; but not in a body that bulk.c reads, nor in one that
 * its handler has paused: there the handler does.  That memory also bounds what libmicrohttpd writes of an outflow at a
 * time.  It is mapped per connection, so what is not used costs nothing: an idle stream touches three pages of it.
 *
 * Closing: what users still hold is told first, then every suspended connection is resumed, for libmicrohttpd cannot be
 * stopped otherwise; and it cannot be stopped from inside its own callbacks, nor from those of an outflow that is being
 * written, so there it stops when they have returned.
 */
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

#include "net/http/accept.h"
#include "net/http/conn.h"
#include "net/http/exchange.h"
#include "net/http/unsent.h"
#include "wire/url.h"

#define CONN_MEMORY ((size_t)64 << 10)

/* ---- Running libmicrohttpd ---- */

static void server_on_daemon_ready(struct fy_watch *watch, uint32_t events)
{
    (void)events;
    fy_container(watch, struct fy_listener, daemon_watch)->is_due = true;
}

static uint64_t daemon_timeout_ms(const struct fy_listener *listener)
{
    MHD_UNSIGNED_LONG_LONG ms;

    return MHD_get_timeout(listener->daemon, &ms) == MHD_YES ? ms : FY_NEVER;
}

static void release_parts(struct fy_listener *listener)
{
    fy_accept_release(listener);
    fy_conns_release(listener);
    fy_unsent_release(listener);
    free(listener->url);
}

static bool is_due(const struct fy_listener *listener)
{
    return listener->is_due || daemon_timeout_ms(listener) == 0;
}

static void server_stop_listener(struct fy_listener *listener)
{
    if (!fy_list_is_empty(&listener->given))
        (void)MHD_run(listener->daemon); /* before 1.0.9 its stop may crash on connections that it has not started */
    MHD_stop_daemon(listener->daemon);
    fy_conns_after_run(listener);
    assert(fy_list_is_empty(&listener->conns) && fy_list_is_empty(&listener->unsent));
    fy_list_remove(&listener->node);
    release_parts(listener);
    fy_watch_bury(listener->loop, &listener->accept_watch, listener);
}

static void run(struct fy_listener *listener)
{
    listener->is_due = false;
    fy_listener_enter(listener);
    (void)MHD_run(listener->daemon); /* it fails only on wrong flags */
    fy_conns_after_run(listener);
    fy_listener_leave(listener);
}

static struct fy_listener *next_due(const struct fy_server *server)
{
    for (struct fy_node *node = fy_list_first(&server->listeners); node;
         node = fy_list_next(&server->listeners, node)) {
        struct fy_listener *listener = fy_container(node, struct fy_listener, node);

        if (listener->pass != server->pass && is_due(listener))
            return listener;
    }
    return NULL;
}

static bool server_has_work(const struct fy_loop_part *part)
{
    const struct fy_server *server = fy_container_const(part, struct fy_server, part);

    for (struct fy_node *node = fy_list_first(&server->listeners); node; node = fy_list_next(&server->listeners, node))
        if (is_due(fy_container(node, struct fy_listener, node)))
            return true;
    return false;
}

static void server_work(struct fy_loop_part *part)
{
    struct fy_server *server = fy_container(part, struct fy_server, part);
    struct fy_listener *listener;

    server->pass++; /* searched from the start each time, for a handler may close any listener */
    while ((listener = next_due(server))) {
        listener->pass = server->pass;
        run(listener);
    }
}

static uint64_t server_timeout_ms(const struct fy_loop_part *part)
{
    const struct fy_server *server = fy_container_const(part, struct fy_server, part);
    uint64_t least_ms = FY_NEVER;

    for (struct fy_node *node = fy_list_first(&server->listeners); node;
         node = fy_list_next(&server->listeners, node)) {
        uint64_t ms = daemon_timeout_ms(fy_container(node, struct fy_listener, node));

        least_ms = ms < least_ms ? ms : least_ms;
    }
    return least_ms;
}

/* ---- Listening ---- */

static void server_on_log(void *cls, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* What libmicrohttpd says is about single connections, and any client can make it talk. */
static void server_on_log(void *cls, const char *format, va_list args)
{
    struct fy_listener *listener = cls;
    const struct fy_log *log = listener->cfg->log;
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

    return MHD_start_daemon(flags, 0, NULL, NULL, fy_exchange_on_access, listener,          /* */
                            MHD_OPTION_EXTERNAL_LOGGER, server_on_log, listener,            /* comes first */
                            MHD_OPTION_STRICT_FOR_CLIENT, 1,                                /* see request_check.c */
                            MHD_OPTION_CONNECTION_LIMIT, UINT32_MAX,                        /* is ours */
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONN_MEMORY,                /* */
                            MHD_OPTION_CONNECTION_TIMEOUT, cfg->idle_timeout_s,             /* */
                            MHD_OPTION_NOTIFY_CONNECTION, fy_conn_on_notify, listener,      /* */
                            MHD_OPTION_NOTIFY_COMPLETED, fy_exchange_on_completed, listener,/* */
                            MHD_OPTION_URI_LOG_CALLBACK, fy_exchange_on_uri, listener,      /* */
                            tls_option, fy_server_tls_no_certificate,                       /* */
                            MHD_OPTION_TLS_NO_ALPN, 1, MHD_OPTION_END);
}

/* One that no connection can have reached. */
static void free_half_built(struct fy_listener *listener)
{
    fy_watch_end(listener->loop, &listener->accept_watch);
    if (listener->daemon)
        MHD_stop_daemon(listener->daemon);
    release_parts(listener);
    free(listener);
}

static int build(struct fy_listener *listener, const struct fy_url *url, int fd)
{
    struct fy_loop *loop = listener->loop;

    listener->is_tls = url->is_https;
    listener->url = format_url(url, fd);
    if (!listener->url)
        return FERRY_ERR_NOMEM;
    listener->daemon = start_daemon(listener, listener->cfg);
    if (!listener->daemon)
        return FERRY_ERR_LISTEN;
    if (fy_accept_start(listener, fd) != FERRY_OK ||
        fy_watch_start(loop, &listener->daemon_watch,
                       MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN,
                       server_on_daemon_ready) != FERRY_OK)
        return FERRY_ERR_LISTEN;
    return FERRY_OK;
}

static const struct fy_listener_ops listener_ops = {
    .stop = server_stop_listener,
    .on_conn_freed = fy_accept_on_conn_freed,
    .on_conn_refused = fy_accept_pause,
    .drop_request = fy_request_drop,
    .on_request_lost = fy_exchange_on_lost,
};

static struct fy_listener *new_listener(struct fy_server *server, fy_request_fn *fn, void *arg)
{
    struct fy_listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return NULL;
    listener->object.ops = server->ops;
    listener->ops = &listener_ops;
    listener->loop = server->loop;
    listener->cfg = server->cfg;
    listener->lingering = &server->lingering;
    listener->outflows = &server->outflows;
    listener->duplexes = &server->duplexes;
    listener->fn = fn;
    listener->arg = arg;
    fy_accept_init(listener);
    fy_conns_init(listener);
    fy_unsent_init(listener);
    return listener;
}

static void say_cause(const struct fy_url *url, const char *cause, char *ret_detail, size_t detail_size)
{
    if (detail_size > 0)
        snprintf(ret_detail, detail_size, url->is_ipv6 ? "[%s]:%u: %s" : "%s:%u: %s", url->host, url->port, cause);
}

int fy_server_listen(struct fy_server *server, const char *url, fy_request_fn *fn, void *arg,
                     struct fy_listener **ret_listener, char *ret_detail, size_t detail_size)
{
    struct fy_listener *listener;
    struct fy_url parsed;
    const char *cause;
    int err = fy_url_parse(url, &parsed);
    int fd;

    if (err)
        return err;
    if (parsed.is_https && !server->cfg->tls)
        return FERRY_ERR_TLS_CONFIG;
    fd = bind_url(&parsed, &cause);
    if (fd < 0) {
        say_cause(&parsed, cause, ret_detail, detail_size);
        return FERRY_ERR_LISTEN;
    }
    listener = new_listener(server, fn, arg);
    err = listener ? build(listener, &parsed, fd) : FERRY_ERR_NOMEM;
    if (err) {
        if (err == FERRY_ERR_LISTEN)
            say_cause(&parsed, strerror(errno), ret_detail, detail_size);
        if (listener)
            free_half_built(listener);
        close(fd);
        return err;
    }
    fy_list_append(&server->listeners, &listener->node);
    *ret_listener = listener;
    return FERRY_OK;
}

const char *fy_server_listener_url(const struct fy_listener *listener)
{
    return listener->url;
}

void fy_server_listener_close(struct fy_listener *listener)
{
    struct fy_loop *loop = listener->loop;
    bool was_running;

    if (listener->is_closed)
        return; /* from inside an on_gone of the first close */
    listener->is_closed = true;
    fy_watch_end(loop, &listener->accept_watch);
    close(listener->accept_watch.fd);
    fy_watch_end(loop, &listener->daemon_watch);
    was_running = listener->is_running;
    listener->is_running = true; /* what is told of its end may not stop it from inside */
    fy_conns_drop(listener);
    listener->is_running = was_running;
    if (!was_running)
        server_stop_listener(listener);
}

/* ---- Life ---- */

void fy_server_init(struct fy_server *server, struct fy_loop *loop, const struct fy_http_config *cfg,
                    const struct fy_net_ops *ops)
{
    static const struct fy_loop_part_ops part_ops = {
        .has_work = server_has_work,
        .work = server_work,
        .timeout_ms = server_timeout_ms,
    };

    *server = (struct fy_server){.loop = loop, .cfg = cfg, .ops = ops};
    fy_list_init(&server->listeners);
    fy_linger_init(&server->lingering, loop);
    /* First: what these write may end a connection. */
    fy_outflows_init(&server->outflows, loop);
    fy_duplexes_init(&server->duplexes, loop, cfg->write_timeout_ms);
    fy_loop_add_part(loop, &server->part, &part_ops);
}

void fy_server_release(struct fy_server *server)
{
    assert(fy_list_is_empty(&server->listeners));
    fy_linger_release(&server->lingering);
}
