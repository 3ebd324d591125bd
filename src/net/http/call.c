/*
 * call - one call as curl is told of it: where to, with what, and whom to call back; and what is made of the answer.
 *
 * Head, data and body go through callbacks, whose first act is to look whether the call was cancelled meanwhile.  A
 * body to be sent is never lent to curl, which may work on after a cancel: a short one is copied, and a long one is
 * handed over piece by piece.  One that is read from its owner stops curl's sending while nothing is ready.
 *
 * Curl reads a connection for as long as there is anything, a hundred buffers in a row: a stream that is full would
 * keep the loop from all else for many milliseconds, other streams' heartbeats included.  So a stream has a share of
 * each turn: one that has had it is paused, which makes curl keep what it read last, and goes on with the next turn.
 */
#include "net/http/call.h"
#include "net/http/vitals.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAM_BUFFER_SIZE (128L << 10) /* taken by one read from a connection of its own; touched as far as used */
/* A stream of curl's may bring so much in one turn before others are looked at. */
#define STREAM_SHARE ((size_t)512 << 10)
#define POST_BUFFER_SIZE (16L << 10)
#define MAX_COPIED_BODY ((size_t)64 << 10) /* curl sends up to so much along with the head, if it holds the body */
#define UPLOAD_BUFFER_SIZE (512L << 10)
/* Curl copies a head to be encrypted: the least that it takes, for a stream holds it. */
#define HEAD_BUFFER_SIZE (16L << 10)

/* ---- Where to ---- */

/* Why a URL could not be read. */
static int error_of_url(CURLUcode code)
{
    if (code == CURLUE_OK)
        return FERRY_OK;
    return code == CURLUE_OUT_OF_MEMORY ? FERRY_ERR_NOMEM : FERRY_ERR_URL;
}

static int read_host(CURLU *url, struct fy_target *target)
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

int fy_client_read_target(const char *text, struct fy_target *ret_target)
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
        fy_list_append(&call->client->calls_headed, &call->rest_node);
    fy_client_tls_on_head(&call->tls, call->easy);
    if (call->events.on_head)
        call->events.on_head(call->arg, &answer);
    free(headers);
    fy_answer_head_release(&call->head);
    return FERRY_OK;
}

/* ---- Callbacks ---- */

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
    struct fy_client *client = call->client;
    size_t *n_in_turn = fy_share_of_turn(&call->share, client->loop);

    if (*n_in_turn >= STREAM_SHARE) {
        if (!fy_node_is_linked(&call->rest_node))
            fy_list_append(&client->calls_full, &call->rest_node);
        return false;
    }
    *n_in_turn += len;
    return true;
}

void fy_client_deliver_body(struct fy_call *call, const uint8_t *data, size_t len)
{
    if (!call->is_canceled && len > 0 && call->events.on_body)
        call->events.on_body(call->arg, data, len);
}

/*
 * Curl hands on raw chunks.  Those that came with the head are the last: it must not read on, for what it would read
 * when it looks at the connection again, as it does after a hundred reads, it would keep to itself.
 */
static size_t on_raw_data(struct fy_call *call, const uint8_t *data, size_t len)
{
    int got = fy_client_deliver_chunks(call, data, len);

    if (call->is_canceled)
        return refuse(call, FERRY_ERR_CANCELED);
    if (got < 0)
        return refuse(call, got);
    if (got != FY_CHUNKS_END && fy_node_is_linked(&call->rest_node))
        fy_client_stop_reading(call);
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
    fy_client_deliver_body(call, (const uint8_t *)data, len);
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
    fy_list_append(&call->client->calls_paused, &call->pause_node);
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
    struct fy_call *call = arg;

    if (call->is_taken)
        return 0;
    if (call->fd == fd)
        call->fd = -1;
    return close(fd);
}

static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    const struct fy_call *call = arg;

    (void)purpose; /* there is only the one */
    fy_vitals_watch(call->client->cfg->link_timeout_ms, fd);
    if (call->is_stream)
        fy_vitals_limit(call->client->cfg->link_timeout_ms, fd);
    return CURL_SOCKOPT_OK;
}

/* ---- Options ---- */

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

int fy_client_set_options(struct fy_call *call, const struct fy_call_spec *spec, bool is_https)
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
