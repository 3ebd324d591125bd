/*
 * http_server - libmicrohttpd polled from outside.
 *
 * Normal path: the daemon's epoll descriptor is readable, MHD_run runs, a request is gathered; when it is whole its
 * connection is suspended and the handler is asked; the answer resumes the connection, and the prepare handle runs the
 * daemon again before the loop sleeps, which sends it.
 */
#include "kv/http_server.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>
#include <uv.h>

#define MAX_CONNECTIONS 4096u
#define IDLE_TIMEOUT_S 120u
#define N_HANDLES 3

struct kv_http_request {
    struct kv_http_server *server;
    struct kv_http_request *next; /* of those that the handler has */
    struct kv_http_request *prev;
    struct MHD_Connection *mhd;
    char *method;
    char *path;
    char *body;
    size_t body_len;
    size_t body_cap;
    bool is_too_large;
    bool is_asked; /* the handler has or had it */
    bool is_answered;
    bool is_suspended;             /* the handler is still to answer */
    struct MHD_Response *response; /* NULL: none yet */
    unsigned status;
};

struct kv_http_server {
    struct MHD_Daemon *daemon;
    size_t max_body;
    kv_http_fn *fn;
    void *ctx;
    struct kv_http_request *pending; /* the handler's */
    bool must_run;                   /* a connection was resumed */

    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_timer_t timer;
    unsigned n_handles; /* that are not closed yet */
    bool is_closing;
    void (*done)(void *ctx);
    void *done_ctx;
};

/* ---- Requests -----------------------------------------------------------------------------------------------------
 */

const char *kv_http_method(const struct kv_http_request *req)
{
    return req->method;
}

const char *kv_http_path(const struct kv_http_request *req)
{
    return req->path;
}

/* The arguments are kept as they came, but for blanks, which were plus signs. */
static enum MHD_Result add_argument(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    char **target = cls;
    size_t len = strlen(*target);
    size_t size = len + strlen(name) + (value ? strlen(value) : 0) + 3;
    char *longer = realloc(*target, size);

    (void)kind;
    if (!longer)
        return MHD_NO;
    *target = longer;
    (void)snprintf(longer + len, size - len, "%c%s%s%s", strchr(longer, '?') ? '&' : '?', name, value ? "=" : "",
                   value ? value : "");
    for (char *at = longer + len; (at = strchr(at, ' '));)
        *at = '+';
    return MHD_YES;
}

char *kv_http_target(const struct kv_http_request *req)
{
    char *target = strdup(req->path);

    if (target)
        (void)MHD_get_connection_values(req->mhd, MHD_GET_ARGUMENT_KIND, add_argument, &target);
    return target;
}

bool kv_http_has_argument(const struct kv_http_request *req, const char *name)
{
    const char *value;

    return MHD_lookup_connection_value_n(req->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL) == MHD_YES;
}

const char *kv_http_argument(const struct kv_http_request *req, const char *name)
{
    return MHD_lookup_connection_value(req->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const void *kv_http_body(const struct kv_http_request *req, size_t *ret_len)
{
    *ret_len = req->body_len;
    return req->body ? req->body : "";
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t kv_http_unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from == '%') {
            int high = hex_digit(from[1]);
            int low = high < 0 ? -1 : hex_digit(from[2]);

            if (low < 0)
                return SIZE_MAX;
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return (size_t)(to - text);
}

static void unlink_pending(struct kv_http_request *req)
{
    struct kv_http_server *server = req->server;

    if (req->prev)
        req->prev->next = req->next;
    else
        server->pending = req->next;
    if (req->next)
        req->next->prev = req->prev;
    req->next = req->prev = NULL;
}

void kv_http_reply(struct kv_http_request *req, unsigned status, const char *type, const void *body, size_t len,
                   const char *location)
{
    struct kv_http_server *server = req->server;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);

    assert(req->is_asked && !req->is_answered);
    req->is_answered = true;
    unlink_pending(req);
    req->status = status;
    if (response) {                                                    /* else on_access closes the connection */
        (void)MHD_add_response_header(response, "Content-Type", type); /* without memory, sent without it */
        if (location)
            (void)MHD_add_response_header(response, "Location", location);
    }
    req->response = response;
    if (!req->is_suspended) /* answered from inside the handler */
        return;
    req->is_suspended = false;
    server->must_run = true;
    MHD_resume_connection(req->mhd);
}

static struct kv_http_request *request_new(struct kv_http_server *server, struct MHD_Connection *mhd, const char *path,
                                           const char *method)
{
    struct kv_http_request *req = calloc(1, sizeof(*req));

    if (!req)
        return NULL;
    req->server = server;
    req->mhd = mhd;
    req->path = strdup(path);
    req->method = strdup(method);
    if (req->path && req->method)
        return req;
    free(req->path);
    free(req->method);
    free(req);
    return NULL;
}

static enum MHD_Result take_body(struct kv_http_request *req, const char *data, size_t len)
{
    if (req->is_too_large || len > req->server->max_body - req->body_len) {
        req->is_too_large = true;
        return MHD_YES;
    }
    if (req->body_len + len > req->body_cap) {
        size_t cap = req->body_len + len > 2 * req->body_cap ? req->body_len + len : 2 * req->body_cap;
        char *body = realloc(req->body, cap);

        if (!body)
            return MHD_NO;
        req->body = body;
        req->body_cap = cap;
    }
    memcpy(req->body + req->body_len, data, len);
    req->body_len += len;
    return MHD_YES;
}

static void ask(struct kv_http_request *req)
{
    static const char too_large[] = "{\"error\":\"the body is too large\",\"outcome\":\"none\"}\n";
    struct kv_http_server *server = req->server;

    req->is_asked = true;
    req->next = server->pending;
    if (req->next)
        req->next->prev = req;
    server->pending = req;
    if (req->is_too_large)
        kv_http_reply(req, 413, "application/json", too_large, sizeof(too_large) - 1, NULL);
    else
        server->fn(server->ctx, req);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                 const char *version, const char *data, size_t *len, void **context)
{
    struct kv_http_request *req = *context;

    (void)version;
    if (!req) {
        *context = request_new(cls, mhd, url, method);
        return *context ? MHD_YES : MHD_NO;
    }
    if (*len > 0) {
        enum MHD_Result result = take_body(req, data, *len);

        *len = 0;
        return result;
    }
    if (!req->is_asked) {
        ask(req);
        if (!req->is_answered) {
            req->is_suspended = true;
            MHD_suspend_connection(mhd);
            return MHD_YES;
        }
    }
    return req->response ? MHD_queue_response(mhd, req->status, req->response) : MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
    struct kv_http_request *req = *context;

    (void)cls;
    (void)mhd;
    (void)code;
    *context = NULL;
    if (!req)
        return;
    assert(!req->is_suspended);
    if (req->response)
        MHD_destroy_response(req->response);
    free(req->path);
    free(req->method);
    free(req->body);
    free(req);
}

/* Paths stay as they came, so that a %00 or a %2F in a key is told from the end or a slash. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* ---- The loop -----------------------------------------------------------------------------------------------------
 */

static void run(struct kv_http_server *server)
{
    if (server->is_closing)
        return;
    server->must_run = false;
    (void)MHD_run(server->daemon); /* fails only for a daemon with threads of its own */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct kv_http_server *server = prepare->data;
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    while (server->must_run && !server->is_closing)
        run(server);
    if (server->is_closing)
        return;
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
        (void)uv_timer_start(&server->timer, on_timer, timeout_ms, 0); /* fails without a callback alone */
    else
        (void)uv_timer_stop(&server->timer); /* never fails */
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

static int listen_on(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    {
        int err = errno;

        (void)close(fd); /* the first error counts */
        errno = err;
    }
    return -1;
}

/* A listening socket, or -1 with one line in text. */
static int bind_to(const char *host, const char *port, char *text, size_t size)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses;
    char bare[256];
    size_t len = strlen(host);
    int fd = -1;
    int rv;

    if (len > 1 && host[0] == '[' && host[len - 1] == ']')
        (void)snprintf(bare, sizeof(bare), "%.*s", (int)(len - 2), host + 1);
    else
        (void)snprintf(bare, sizeof(bare), "%s", host);
    rv = getaddrinfo(bare, port, &hints, &addresses);
    if (rv != 0) {
        (void)snprintf(text, size, "cannot listen on %s:%s: %s", host, port, gai_strerror(rv));
        return -1;
    }
    for (const struct addrinfo *a = addresses; a && fd < 0; a = a->ai_next)
        fd = listen_on(a);
    if (fd < 0)
        (void)snprintf(text, size, "cannot listen on %s:%s: %s", host, port, strerror(errno));
    freeaddrinfo(addresses);
    return fd;
}

static int begin(struct kv_http_server *server, uv_loop_t *loop)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    if (!info || uv_poll_init(loop, &server->poll, info->epoll_fd) != 0)
        return -1;
    (void)uv_prepare_init(loop, &server->prepare); /* none of these can fail */
    (void)uv_timer_init(loop, &server->timer);
    server->poll.data = server->prepare.data = server->timer.data = server;
    (void)uv_poll_start(&server->poll, UV_READABLE, on_readable);
    (void)uv_prepare_start(&server->prepare, on_prepare);
    server->n_handles = N_HANDLES;
    return 0;
}

/* The log and the other members need descriptors, too. */
static unsigned max_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 2 >= MAX_CONNECTIONS)
        return MAX_CONNECTIONS;
    return limit.rlim_cur >= 4 ? (unsigned)(limit.rlim_cur / 2) : 1;
}

int kv_http_server_new(uv_loop_t *loop, const char *host, const char *port, size_t max_body, kv_http_fn *fn, void *ctx,
                       struct kv_http_server **ret_server, char *text, size_t size)
{
    struct kv_http_server *server = calloc(1, sizeof(*server));
    int fd;

    if (!server) {
        (void)snprintf(text, size, "out of memory");
        return -1;
    }
    server->max_body = max_body;
    server->fn = fn;
    server->ctx = ctx;
    fd = bind_to(host, port, text, size);
    if (fd < 0) {
        free(server);
        return -1;
    }
    server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, server, /* */
                                      MHD_OPTION_LISTEN_SOCKET, fd,                                               /* */
                                      MHD_OPTION_CONNECTION_LIMIT, max_connections(),                             /* */
                                      MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,                              /* */
                                      MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,                           /* */
                                      MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
    if (!server->daemon) {
        (void)close(fd); /* nothing is lost */
        free(server);
        (void)snprintf(text, size, "cannot serve on %s:%s", host, port);
        return -1;
    }
    if (begin(server, loop) != 0) {
        MHD_stop_daemon(server->daemon);
        free(server);
        (void)snprintf(text, size, "cannot poll the server on %s:%s", host, port);
        return -1;
    }
    *ret_server = server;
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct kv_http_server *server = handle->data;

    if (--server->n_handles == 0)
        server->done(server->done_ctx);
}

void kv_http_server_close(struct kv_http_server *server, void (*done)(void *ctx), void *ctx)
{
    static const char text[] = "{\"error\":\"the member is stopping\",\"outcome\":\"unknown\"}\n";

    while (server->pending)
        kv_http_reply(server->pending, 503, "application/json", text, sizeof(text) - 1, NULL);
    (void)MHD_run(server->daemon); /* sends what is answered; what the sockets do not take now is lost */
    server->is_closing = true;
    server->done = done;
    server->done_ctx = ctx;
    MHD_stop_daemon(server->daemon);
    uv_close((uv_handle_t *)&server->poll, on_handle_closed);
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
}

void kv_http_server_free(struct kv_http_server *server)
{
    free(server);
}
