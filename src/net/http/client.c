/*
 * client - calls, on curl's multi-socket interface.
 *
 * A call waits in calls_new until the loop works, for curl takes no handle from inside its own callbacks; then curl
 * drives it, and its head, body and end become events.  Data events come from inside curl's callbacks, and the end
 * comes when curl's messages are read.
 *
 * A handler may cancel any call at any time.  Curl cannot be told so inside a callback: the call is then doomed, and
 * taken from curl as soon as the callback has returned.  Until then curl may still work on it, so a call never lends
 * curl the body: a short one is copied, and a long one is handed over piece by piece, which a cancelled call refuses.
 *
 * A body that is read from its owner piece by piece stops curl's sending while nothing is ready; a wake is acted on
 * when the loop works.
 *
 * Curl reads a connection for as long as there is anything, a hundred buffers in a row: a stream that is full would
 * keep the loop from all else for many milliseconds, other streams' heartbeats included.  So a stream has a share of
 * each turn.
 *
 * Curl makes a stream's connection, asks, and reads the answer's head.  If then a body in chunks follows, as from every
 * member, and the connection is not TLS, its bytes are read here from then on (read_stream), once a turn and no more
 * than the share: curl is rid of it, but for the descriptor.  That spares a copy, what curl does for each read, and
 * what its handle holds.  Any other stream stays curl's: one that has had its share is paused, which makes curl keep
 * what it read last, and goes on with the next turn.
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
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/http/answer_head.h"
#include "net/http/chunks.h"
#include "net/http/client_tls.h"
#include "net/http/http_internal.h"

#define STREAM_BUFFER_SIZE (128L << 10)  /* taken by one read from a connection of its own; touched as far as used */
#define STREAM_SHARE ((size_t)512 << 10) /* that a stream of curl's may bring in one turn before others are looked at */
#define STREAM_READ ((size_t)256 << 10)  /* the same, of one whose connection is read by us */
#define MIN_ROOM ((size_t)8 << 10)       /* a shorter place for what is read is not worth while */
#define BEHIND_ROOM ((size_t)4 << 10)    /* what is read beyond such a place */
#define POST_BUFFER_SIZE (16L << 10)
#define MAX_COPIED_BODY ((size_t)64 << 10) /* curl sends up to so much along with the head, if it holds the body */
#define UPLOAD_BUFFER_SIZE (512L << 10)
#define HEAD_BUFFER_SIZE (16L << 10) /* curl copies a head to be encrypted; the least that it takes, held by a stream */

/*
 * How long no call has been with curl when the multi handle goes.  Soon after the streams the first probe comes: a
 * handle that is gone then, and made anew, leaves but holes in the heap.
 */
#define IDLE_MS 2000
#define KEPT_MS 118000 /* the same, when a connection may have been kept: curl uses none that was idle for longer */

struct fy_call {
    struct fy_net_object object;
    struct fy_http *http;
    struct fy_node node; /* http->calls_new, calls or calls_doomed; unlinked while on_end runs */
    struct fy_call_events events;
    void *arg;
    CURL *easy; /* NULL: curl has no part in it any more */
    struct curl_slist *headers;
    struct fy_client_tls tls;
    struct fy_answer_head head;
    bool is_headed;
    bool is_canceled;
    bool is_stream;      /* const after the beginning: a connection of its own, on which it only reads */
    bool is_raw;         /* const after the beginning: of a body in chunks, curl hands on the chunks as they are */
    bool is_chunked;     /* that is what came */
    bool is_pausing;     /* curl is being told to read its connection no more, though that stays open */
    bool is_taken;       /* its connection is ours */
    bool may_be_kept;    /* const after the beginning: the connection, by curl, for other calls */
    struct fy_chunks chunks;
    struct fy_watch watch; /* of the connection, once it was taken */
    int err;             /* why a callback of ours refused to go on */
    const uint8_t *body; /* lent; NULL when curl has a copy */
    fy_body_fn *read_body;
    uint64_t body_len;
    uint64_t body_pos;
    int fd;                    /* its connection, as far as curl has had it watched; -1: none */
    int socket_errno;          /* why there was no socket; 0: there was one.  Curl does not keep it */
    bool is_body_paused;       /* curl asks for no more until it is told to */
    struct fy_node pause_node; /* http->calls_paused or calls_woken, then */
    struct fy_node rest_node;  /* http->calls_full or calls_rested, when it is a stream that had its share */
    uint64_t turn;             /* in which it last brought something */
    size_t n_in_turn;          /* bytes that it brought in that */
    char error[CURL_ERROR_SIZE];
};

/* ---- The head of an answer ---- */

/* In chunks, and in no other coding before. */
static bool is_in_chunks(const struct fy_answer *answer)
{
    const char *coding = fy_answer_header(answer, "Transfer-Encoding");

    return coding && strcasecmp(coding, "chunked") == 0;
}

static uint64_t answered_in_ns(CURL *easy)
{
    curl_off_t began_us = 0, answered_us = 0;

    (void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &began_us);
    (void)curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &answered_us);
    return answered_us > began_us ? (uint64_t)(answered_us - began_us) * 1000 : 0;
}

static int deliver_head(struct fy_call *call)
{
    struct fy_header *headers = fy_answer_head_list(&call->head);
    struct fy_answer answer = {.status = call->head.status,
                               .headers = headers,
                               .n_headers = call->head.n_headers,
                               .took_ns = answered_in_ns(call->easy)};

    if (!headers)
        return FERRY_ERR_NOMEM;
    call->is_headed = true;
    call->is_chunked = call->is_raw && is_in_chunks(&answer);
    if (call->is_chunked && answer.status == 200)
        fy_list_append(&call->http->calls_headed, &call->rest_node);
    fy_client_tls_on_head(&call->tls, call->easy);
    if (call->events.on_head)
        call->events.on_head(call->arg, &answer);
    free(headers);
    fy_answer_head_release(&call->head);
    return FERRY_OK;
}

/* ---- Callbacks of curl's ---- */

static size_t refuse(struct fy_call *call, int err)
{
    call->err = err;
    return 0; /* of len: curl ends the transfer */
}

static size_t on_header_line(char *line, size_t size, size_t len, void *arg)
{
    struct fy_call *call = arg;
    int got;

    (void)size; /* always 1 */
    if (call->is_canceled)
        return refuse(call, FERRY_ERR_CANCELED);
    if (call->is_headed)
        return len; /* a trailer */
    got = fy_answer_head_add(&call->head, line, len);
    if (got == FERRY_ERR_PROTOCOL)
        snprintf(call->error, sizeof(call->error), "the answer's head is longer than %zu bytes", FY_ANSWER_HEAD_MAX);
    if (got == FY_ANSWER_HEAD_COMPLETE)
        got = deliver_head(call);
    if (got < 0)
        return refuse(call, got);
    return call->is_canceled ? refuse(call, FERRY_ERR_CANCELED) : len;
}

/* May a stream bring more in this turn?  If not it is noted down, to go on with the next. */
static bool takes_share(struct fy_call *call, size_t len)
{
    struct fy_http *http = call->http;

    if (call->turn != http->n_turns) {
        call->turn = http->n_turns;
        call->n_in_turn = 0;
    }
    if (call->n_in_turn >= STREAM_SHARE) {
        if (!fy_node_is_linked(&call->rest_node))
            fy_list_append(&http->calls_full, &call->rest_node);
        return false;
    }
    call->n_in_turn += len;
    return true;
}

static void deliver_body(struct fy_call *call, const uint8_t *data, size_t len)
{
    if (!call->is_canceled && len > 0 && call->events.on_body)
        call->events.on_body(call->arg, data, len);
}

/* What stands on the connection is the body in chunks.  FY_CHUNKS_NOTHING, _END, or FERRY_ERR_PROTOCOL. */
static int deliver_chunks(struct fy_call *call, const uint8_t *data, size_t len)
{
    int got = FY_CHUNKS_BODY;

    while (got == FY_CHUNKS_BODY && !call->is_canceled) {
        size_t used = 0, n = 0;

        got = fy_chunks_feed(&call->chunks, data, len, &used, &n);
        if (got == FY_CHUNKS_BODY)
            deliver_body(call, data + used - n, n);
        data += used;
        len -= used;
    }
    if (got == FERRY_ERR_PROTOCOL)
        (void)snprintf(call->error, sizeof(call->error), "a malformed chunk");
    return got;
}

/* Have curl read no more of a connection, which is to be taken over. */
static void stop_reading(struct fy_call *call)
{
    call->is_pausing = true;
    (void)curl_easy_pause(call->easy, CURLPAUSE_ALL); /* fails for an answer that has ended: its message says so */
    call->is_pausing = false;
}

/*
 * Curl hands on raw chunks.  Those that came with the head are the last: it must not read on, for what it would read
 * when it looks at the connection again, as it does after a hundred reads, it would keep to itself.
 */
static size_t on_raw_data(struct fy_call *call, const uint8_t *data, size_t len)
{
    int got = deliver_chunks(call, data, len);

    if (call->is_canceled)
        return refuse(call, FERRY_ERR_CANCELED);
    if (got < 0)
        return refuse(call, got);
    if (got != FY_CHUNKS_END && fy_node_is_linked(&call->rest_node))
        stop_reading(call);
    return len;
}

static size_t on_data(char *data, size_t size, size_t len, void *arg)
{
    struct fy_call *call = arg;

    (void)size; /* always 1 */
    if (call->is_chunked)
        return on_raw_data(call, (const uint8_t *)data, len);
    if (call->is_stream && !call->is_canceled && !takes_share(call, len))
        return CURL_WRITEFUNC_PAUSE;
    deliver_body(call, (const uint8_t *)data, len);
    return call->is_canceled ? refuse(call, FERRY_ERR_CANCELED) : len;
}

static size_t on_read_body(char *buf, size_t size, size_t n, void *arg)
{
    struct fy_call *call = arg;
    uint64_t left = call->body_len - call->body_pos;
    size_t len = left > size * n ? size * n : (size_t)left;

    if (call->is_canceled)
        return CURL_READFUNC_ABORT;
    memcpy(buf, call->body + call->body_pos, len);
    call->body_pos += len;
    return len;
}

static size_t on_pull_body(char *buf, size_t size, size_t n, void *arg)
{
    struct fy_call *call = arg;
    uint64_t left = call->body_len - call->body_pos; /* in effect without end when the length is unknown */
    size_t cap = left > size * n ? size * n : (size_t)left;
    size_t len;

    if (call->is_canceled)
        return CURL_READFUNC_ABORT;
    if (cap == 0)
        return 0;
    len = call->read_body(call->arg, (uint8_t *)buf, cap);
    if (call->is_canceled)
        return CURL_READFUNC_ABORT;
    if (len == FY_BODY_END) {
        assert(call->body_len == FY_LEN_UNKNOWN);
        return 0;
    }
    assert(len <= cap);
    call->body_pos += len;
    if (len > 0)
        return len;
    call->is_body_paused = true;
    fy_list_append(&call->http->calls_paused, &call->pause_node);
    return CURL_READFUNC_PAUSE;
}

/* Curl begins again, on another connection. */
static int on_seek_body(void *arg, curl_off_t offset, int origin)
{
    struct fy_call *call = arg;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > call->body_len)
        return CURL_SEEKFUNC_FAIL;
    call->body_pos = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* As curl opens it, but for the flag: a program that the host starts would keep the connection alive. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fy_call *call = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

    (void)purpose; /* only to connect */
    if (fd < 0)
        call->socket_errno = errno;
    return fd;
}

/* A connection that is taken outlives curl's part in it. */
static int close_socket(void *arg, curl_socket_t fd)
{
    const struct fy_call *call = arg;

    return call->is_taken ? 0 : close(fd);
}

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
    else if (call->fd == fd && !call->is_body_paused && !call->is_pausing && !call->is_taken)
        call->fd = -1; /* else it only reads it no more */
}

static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    const struct fy_call *call = arg;

    (void)purpose; /* there is only the one */
    fy_vitals_watch(call->http, fd);
    if (call->is_stream)
        fy_vitals_limit(call->http, fd);
    return CURL_SOCKOPT_OK;
}

static int on_socket_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct fy_http *http = arg;
    struct epoll_event event = {.data.u64 = (uint64_t)fd << 1 | 1};

    (void)socket_arg;
    note_socket(easy, fd, what);
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(http->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* one that is closed already has left the set */
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(http->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    if (errno != ENOENT || epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        fy_log(http->cfg.log, FERRY_LOG_ERROR, "net", 0, "cannot watch a socket: %s", strerror(errno));
    return 0; /* an error here would end all of curl's transfers */
}

static int on_timeout_change(CURLM *multi, long timeout_ms, void *arg)
{
    struct fy_http *http = arg;

    (void)multi;
    http->curl_is_due = timeout_ms == 0;
    if (timeout_ms > 0)
        fy_timer_set(&http->curl_timer, fy_http_deadline_ns(http, (uint64_t)timeout_ms));
    else
        fy_timer_unset(&http->curl_timer);
    return 0;
}

static void on_curl_timer(void *arg)
{
    struct fy_http *http = arg;

    http->curl_is_due = true;
}

/* ---- Curl's handles ---- */

static int make_multi(struct fy_http *http)
{
    http->multi = curl_multi_init();
    if (!http->multi)
        return FERRY_ERR_NOMEM;
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket_change);
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout_change);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    (void)curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return FERRY_OK;
}

/* With it go the connections that it keeps.  NULL is fine. */
static void free_multi(struct fy_http *http)
{
    (void)curl_multi_cleanup(http->multi); /* no call is with it, which is all that could be wrong */
    http->multi = NULL;
    fy_timer_unset(&http->curl_timer);
    http->curl_is_due = false;
    http->curl_has_acted = false;
}

static void on_multi_timer(void *arg)
{
    free_multi(arg);
}

static int make_easy(struct fy_call *call)
{
    struct fy_http *http = call->http;

    call->easy = curl_easy_init();
    if (!call->easy)
        return FERRY_ERR_NOMEM;
    http->n_easies++;
    fy_timer_unset(&http->multi_timer);
    return http->multi ? FERRY_OK : make_multi(http);
}

static void free_easy(struct fy_call *call)
{
    struct fy_http *http = call->http;
    uint64_t until_ns;

    if (!call->easy)
        return;
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    if (call->may_be_kept)
        http->kept_until_ns = fy_http_deadline_ns(http, KEPT_MS);
    if (--http->n_easies > 0)
        return;
    until_ns = fy_http_deadline_ns(http, IDLE_MS);
    fy_timer_set(&http->multi_timer, until_ns > http->kept_until_ns ? until_ns : http->kept_until_ns);
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
    free_easy(call);
    fy_client_tls_release(&call->tls);
    curl_slist_free_all(call->headers);
    fy_answer_head_release(&call->head);
    if (call->is_taken)
        fy_watch_bury(call->http, &call->watch, call);
    else
        free(call);
}

/* Take it from curl, which closes its connection or keeps it. */
static void leave_curl(struct fy_call *call)
{
    (void)curl_multi_remove_handle(call->http->multi, call->easy); /* fine for one that was not with curl yet */
}

/* Have done with its connection, whoever reads it. */
static void leave(struct fy_call *call)
{
    if (!call->is_taken) {
        leave_curl(call);
        return;
    }
    fy_watch_end(call->http, &call->watch);
    close(call->fd);
    call->fd = -1;
}

/* ---- Beginning a call ---- */

/* What a URL names, as curl reads it: the scheme, and the host without the brackets of an IPv6 address. */
struct target {
    bool is_https;
    char host[256];
};

/* Why a URL could not be read. */
static int error_of_url(CURLUcode code)
{
    if (code == CURLUE_OK)
        return FERRY_OK;
    return code == CURLUE_OUT_OF_MEMORY ? FERRY_ERR_NOMEM : FERRY_ERR_URL;
}

static int read_host(CURLU *url, struct target *target)
{
    char *host = NULL;
    int err = error_of_url(curl_url_get(url, CURLUPART_HOST, &host, 0));

    if (!err && strlen(host) >= sizeof(target->host))
        err = FERRY_ERR_URL;
    if (!err) {
        size_t is_bracketed = host[0] == '[';

        (void)snprintf(target->host, sizeof(target->host), "%s", host + is_bracketed);
        if (is_bracketed)
            target->host[strcspn(target->host, "%]")] = '\0';
    }
    curl_free(host);
    return err;
}

static int read_url(const char *text, struct target *ret_target)
{
    CURLU *url = curl_url();
    char *scheme = NULL;
    int err;

    if (!url)
        return FERRY_ERR_NOMEM;
    err = error_of_url(curl_url_set(url, CURLUPART_URL, text, 0));
    if (!err)
        err = error_of_url(curl_url_get(url, CURLUPART_SCHEME, &scheme, 0));
    if (!err) {
        ret_target->is_https = strcmp(scheme, "https") == 0;
        err = ret_target->is_https || strcmp(scheme, "http") == 0 ? read_host(url, ret_target) : FERRY_ERR_URL;
    }
    curl_free(scheme);
    curl_url_cleanup(url);
    return err;
}

static int append_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (!longer)
        return FERRY_ERR_NOMEM;
    *list = longer;
    return FERRY_OK;
}

static int append_spec_header(struct curl_slist **list, const struct fy_header *header)
{
    bool is_empty = header->value[0] == '\0';
    size_t size = strlen(header->name) + strlen(header->value) + 3;
    char *line = malloc(size);
    int err;

    if (!line)
        return FERRY_ERR_NOMEM;
    if (is_empty)
        snprintf(line, size, "%s;", header->name); /* curl's way to write an empty one; with a colon it leaves it out */
    else
        snprintf(line, size, "%s: %s", header->name, header->value);
    err = append_line(list, line);
    free(line);
    return err;
}

static bool has_header(const struct fy_call_spec *spec, const char *name)
{
    struct fy_answer as_answer = {.headers = spec->headers, .n_headers = spec->n_headers};

    return fy_answer_header(&as_answer, name) != NULL;
}

/* The headers asked for, and none that curl would add of its own accord but Host and the body's length. */
static int build_headers(const struct fy_call_spec *spec, struct curl_slist **ret_list)
{
    static const char *const unwanted[] = {"Accept", "Expect", "Content-Type"};
    int err = FERRY_OK;

    for (size_t i = 0; i < spec->n_headers && !err; i++)
        err = append_spec_header(ret_list, &spec->headers[i]);
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]) && !err; i++) {
        char line[32];

        snprintf(line, sizeof(line), "%s:", unwanted[i]);
        if (!has_header(spec, unwanted[i]))
            err = append_line(ret_list, line);
    }
    return err;
}

/* Everything that needs no memory: curl cannot refuse it. */
static void set_plain_options(struct fy_call *call, const struct fy_call_spec *spec, bool is_https)
{
    CURL *easy = call->easy;

    call->is_stream = spec->own_connection && !spec->read_body;
    call->is_raw = call->is_stream && !is_https;
    call->may_be_kept = !spec->own_connection && !spec->is_last;
    fy_chunks_init(&call->chunks);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else a call that ends waits for its lookup's thread */
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)spec->connect_timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, spec->own_connection ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, call->may_be_kept ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                           spec->own_connection && !call->is_raw ? STREAM_BUFFER_SIZE : POST_BUFFER_SIZE);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, HEAD_BUFFER_SIZE); /* unless there is a body */
    if (call->is_raw) {
        (void)curl_easy_setopt(easy, CURLOPT_HTTP_TRANSFER_DECODING, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
        (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call); /* which the connection does not outlive */
    }
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header_line);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

static int set_body(struct fy_call *call, const struct fy_call_spec *spec)
{
    CURL *easy = call->easy;

    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                           spec->body_len == FY_LEN_UNKNOWN ? -1 : (curl_off_t)spec->body_len);
    if (spec->read_body) {
        assert(!spec->body && spec->own_connection); /* a new connection never makes curl begin the body again */
        call->read_body = spec->read_body;
        call->body_len = spec->body_len;
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_SIZE);
        (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_pull_body);
        (void)curl_easy_setopt(easy, CURLOPT_READDATA, call);
        return FERRY_OK;
    }
    if (spec->body_len <= MAX_COPIED_BODY) {
        const void *body = spec->body_len > 0 ? spec->body : "";

        return curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body) == CURLE_OK ? FERRY_OK : FERRY_ERR_NOMEM;
    }
    call->body = spec->body;
    call->body_len = spec->body_len;
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_SIZE);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read_body);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek_body);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
    return FERRY_OK;
}

static int set_options(struct fy_call *call, const struct fy_call_spec *spec, bool is_https)
{
    bool is_post = strcmp(spec->method, "POST") == 0;

    assert(is_post || strcmp(spec->method, "GET") == 0);
    if (build_headers(spec, &call->headers) != FERRY_OK)
        return FERRY_ERR_NOMEM;
    set_plain_options(call, spec, is_https);
    if (curl_easy_setopt(call->easy, CURLOPT_URL, spec->url) != CURLE_OK ||
        curl_easy_setopt(call->easy, CURLOPT_PROXY, "") != CURLE_OK ||
        curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK)
        return FERRY_ERR_NOMEM;
    return is_post ? set_body(call, spec) : FERRY_OK;
}

int fy_client_call(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                   struct fy_call **ret_call)
{
    struct fy_http *http = fy_http_of(net);
    struct target target;
    struct fy_call *call;
    int err = read_url(spec->url, &target);

    if (err)
        return err;
    if (!target.is_https && !fy_client_tls_allows_plain(http, spec->member))
        return FERRY_ERR_TLS;
    call = calloc(1, sizeof(*call));
    if (!call)
        return FERRY_ERR_NOMEM;
    call->object.ops = net->ops;
    call->http = http;
    call->fd = -1;
    call->events = *events;
    call->arg = arg;
    err = make_easy(call);
    if (!err)
        err = set_options(call, spec, target.is_https);
    if (!err && target.is_https)
        err = fy_client_tls_init(&call->tls, http, call->easy, target.host, spec->member);
    if (err) {
        free_call(call);
        return err;
    }
    fy_list_append(&http->calls_new, &call->node);
    *ret_call = call;
    return FERRY_OK;
}

void fy_client_wake(struct fy_call *call)
{
    if (!call->is_body_paused || call->is_canceled)
        return;
    call->is_body_paused = false; /* and curl is told when the loop works */
    fy_list_remove(&call->pause_node);
    fy_list_append(&call->http->calls_woken, &call->pause_node);
}

/* ---- Ending a call ---- */

static void free_doomed(struct fy_http *http)
{
    for (struct fy_node *node; (node = fy_list_take_first(&http->calls_doomed));) {
        struct fy_call *call = fy_container(node, struct fy_call, node);

        leave(call);
        free_call(call);
    }
}

void fy_client_cancel(struct fy_call *call)
{
    struct fy_http *http = call->http;

    call->is_canceled = true;
    if (!fy_node_is_linked(&call->node))
        return; /* its on_end runs, and it is freed after that */
    fy_list_remove(&call->node);
    fy_list_append(&http->calls_doomed, &call->node);
    if (!http->in_curl)
        free_doomed(http);
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

static void finish(struct fy_call *call, CURLcode code)
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

static void act(struct fy_http *http, int fd, int what)
{
    int n_running;

    http->in_curl = true;
    (void)curl_multi_socket_action(http->multi, fd, what, &n_running); /* a transfer's failure is in its message */
    http->in_curl = false;
    http->curl_has_acted = true;
}

void fy_client_on_socket(struct fy_http *http, uint64_t datum, uint32_t events)
{
    int what = 0;

    if (events & (EPOLLIN | EPOLLHUP))
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    act(http, (int)(datum >> 1), what); /* curl passes over a descriptor that it closed since */
}

bool fy_client_has_work(const struct fy_http *http)
{
    return http->curl_is_due || http->curl_has_acted || !fy_list_is_empty(&http->calls_new) ||
           !fy_list_is_empty(&http->calls_doomed) || !fy_list_is_empty(&http->calls_woken) ||
           !fy_list_is_empty(&http->calls_rested) || !fy_list_is_empty(&http->calls_headed);
}

/* Curl goes on with a paused body by a timeout of its own, which is due at once. */
static void unpause_woken(struct fy_http *http)
{
    for (struct fy_node *node; (node = fy_list_take_first(&http->calls_woken));) {
        struct fy_call *call = fy_container(node, struct fy_call, pause_node);

        if (call->is_canceled)
            continue;
        http->in_curl = true;
        (void)curl_easy_pause(call->easy, CURLPAUSE_CONT); /* it fails with what the transfer's message tells */
        http->in_curl = false;
    }
}

/* Let the streams go on that had their share of the last turn: what curl kept of them comes at once. */
static void resume_rested(struct fy_http *http)
{
    for (struct fy_node *node; (node = fy_list_take_first(&http->calls_rested));) {
        struct fy_call *call = fy_container(node, struct fy_call, rest_node);

        if (call->is_canceled)
            continue;
        http->in_curl = true;
        (void)curl_easy_pause(call->easy, CURLPAUSE_CONT); /* it fails with what the transfer's message tells */
        http->in_curl = false;
        http->curl_has_acted = true;
    }
}

static void add_new(struct fy_http *http)
{
    for (struct fy_node *node; (node = fy_list_take_first(&http->calls_new));) {
        struct fy_call *call = fy_container(node, struct fy_call, node);

        fy_list_append(&http->calls, &call->node);
        if (curl_multi_add_handle(http->multi, call->easy) != CURLM_OK)
            finish(call, CURLE_OUT_OF_MEMORY);
    }
}

static void read_messages(struct fy_http *http)
{
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(http->multi, &n_left))) {
        CURLcode code = msg->data.result; /* msg dies with the removal */
        char *private = NULL;
        struct fy_call *call;

        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        call = (struct fy_call *)(void *)private;
        leave_curl(call);
        finish(call, code);
    }
}

/* Has the server closed the connection, and is all read that it sent before? */
static bool is_closed(const struct fy_call *call)
{
    char byte;

    return recv(call->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Curl reads to the end of a connection, and goes on waiting for what is to be sent by it. */
static void end_closed(struct fy_http *http)
{
    for (struct fy_node *node = fy_list_first(&http->calls_paused), *next; node; node = next) {
        struct fy_call *call = fy_container(node, struct fy_call, pause_node);

        next = fy_list_next(&http->calls_paused, node);
        if (call->is_canceled || !is_closed(call))
            continue;
        leave_curl(call);
        finish(call, CURLE_GOT_NOTHING);
        next = fy_list_first(&http->calls_paused); /* the user may have ended others */
    }
}

/* ---- Streams without curl ---- */

static void end_stream(struct fy_call *call, CURLcode code, int err)
{
    call->err = err;
    leave(call);
    finish(call, code);
}

/*
 * Where the next bytes go: as far as the owner has a place for what is left of the chunk, to there; the rest, or all,
 * to the buffer.  That is kept short behind a place, for what comes to lie in it has to be copied.
 */
static void place(struct fy_call *call, struct iovec to[2])
{
    uint64_t left = fy_chunks_left(&call->chunks);
    size_t cap = 0;
    uint8_t *room = left > 0 && call->events.room ? call->events.room(call->arg, &cap) : NULL;

    if (cap > left)
        cap = (size_t)left;
    if (cap > STREAM_READ)
        cap = STREAM_READ;
    if (!room || cap < MIN_ROOM)
        cap = 0;
    to[0] = (struct iovec){.iov_base = room, .iov_len = cap};
    to[1] = (struct iovec){.iov_base = call->http->room, .iov_len = cap > 0 ? BEHIND_ROOM : FY_HTTP_ROOM};
}

/* Bytes came: hand them on. */
static int deliver_placed(struct fy_call *call, const struct iovec to[2], size_t len)
{
    size_t placed = len < to[0].iov_len ? len : to[0].iov_len;
    int got = FY_CHUNKS_NOTHING;

    call->http->in_curl = true; /* so that a call that is cancelled lives on until this returns */
    if (placed > 0)
        got = deliver_chunks(call, to[0].iov_base, placed);
    if (got == FY_CHUNKS_NOTHING && !call->is_canceled && len > placed)
        got = deliver_chunks(call, to[1].iov_base, len - placed);
    call->http->in_curl = false;
    return got;
}

/* The connection has ended, or fails. */
static void end_read(struct fy_call *call, ssize_t n)
{
    if (n == 0) {
        (void)snprintf(call->error, sizeof(call->error), "the connection was closed within the answer");
        end_stream(call, CURLE_PARTIAL_FILE, FERRY_ERR_EOF);
    } else if (errno != EAGAIN && errno != EINTR) {
        (void)snprintf(call->error, sizeof(call->error), "%s", strerror(errno));
        end_stream(call, CURLE_RECV_ERROR, FERRY_ERR_RESET);
    }
}

/* A connection that was taken is readable: read until it is empty, or has had its share. */
static void read_stream(struct fy_watch *watch, uint32_t events)
{
    struct fy_call *call = fy_container(watch, struct fy_call, watch);
    size_t n_read = 0;
    bool is_empty = false;

    (void)events; /* an error and an end are told by the read, too */
    while (!is_empty && n_read < STREAM_READ && !call->is_canceled) {
        struct iovec to[2];
        ssize_t n;
        int got;

        place(call, to);
        n = readv(call->fd, to, 2);
        if (n <= 0) {
            end_read(call, n);
            return;
        }
        got = deliver_placed(call, to, (size_t)n);
        if (got < 0 || got == FY_CHUNKS_END) {
            if (!call->is_canceled)
                end_stream(call, CURLE_OK, got == FY_CHUNKS_END ? FERRY_OK : got);
            return;
        }
        n_read += (size_t)n;
        is_empty = (size_t)n < to[0].iov_len + to[1].iov_len;
    }
}

/*
 * The connection is ours alone: what curl holds for it - its handle, what it knows of the connection, buffers, some
 * twenty kilobytes - goes, for a stream may stand for months.
 */
static void take(struct fy_call *call)
{
    call->is_taken = true; /* first, so that the descriptor is neither closed nor forgotten */
    leave_curl(call);
    free_easy(call);
    curl_slist_free_all(call->headers);
    call->headers = NULL;
}

/* Curl has handed on all that it read, which is more than the head as a rule: from here on the connection is ours. */
static void take_headed(struct fy_http *http)
{
    for (struct fy_node *node; (node = fy_list_take_first(&http->calls_headed));) {
        struct fy_call *call = fy_container(node, struct fy_call, rest_node);

        if (call->is_canceled || call->fd < 0)
            continue;
        take(call);
        if (fy_watch_start(http, &call->watch, call->fd, EPOLLIN, read_stream) != FERRY_OK)
            end_stream(call, CURLE_OUT_OF_MEMORY, FERRY_ERR_NOMEM);
    }
}

void fy_client_work(struct fy_http *http)
{
    take_headed(http);
    add_new(http);
    unpause_woken(http);
    resume_rested(http);
    if (http->curl_is_due) {
        http->curl_is_due = false;
        act(http, CURL_SOCKET_TIMEOUT, 0);
    }
    free_doomed(http); /* before their messages are read */
    if (http->curl_has_acted) {
        http->curl_has_acted = false;
        read_messages(http);
        end_closed(http);
    }
}

void fy_client_end_turn(struct fy_http *http)
{
    http->n_turns++;
    fy_list_splice(&http->calls_rested, &http->calls_full);
}

/* ---- Life ---- */

int fy_client_init(struct fy_http *http)
{
    fy_list_init(&http->calls_new);
    fy_list_init(&http->calls);
    fy_list_init(&http->calls_doomed);
    fy_list_init(&http->calls_paused);
    fy_list_init(&http->calls_woken);
    fy_list_init(&http->calls_full);
    fy_list_init(&http->calls_rested);
    fy_list_init(&http->calls_headed);
    fy_timer_init(&http->curl_timer, &http->timers, on_curl_timer, http);
    fy_timer_init(&http->multi_timer, &http->timers, on_multi_timer, http);
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? FERRY_OK : FERRY_ERR_NOMEM;
}

void fy_client_release(struct fy_http *http)
{
    assert(fy_list_is_empty(&http->calls_new) && fy_list_is_empty(&http->calls));
    free_doomed(http);
    assert(http->n_easies == 0);
    fy_timer_unset(&http->multi_timer);
    free_multi(http);
    curl_global_cleanup();
}
