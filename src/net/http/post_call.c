/*
 * post_call - one call as a transfer of curl's: its options, its callbacks, and what becomes of the answer.
 *
 * Head, body and the request's body go through callbacks of curl's, whose first act is to look whether the call was
 * cancelled meanwhile: its transfer is buried then, and curl may still work on it until the callback has returned.  A
 * body to be sent is never lent to curl, which may work on after a cancel: a short one is copied, and a long one is
 * handed over piece by piece.  One that is read from its owner stops curl's sending while nothing is ready.
 *
 * A connection that was kept and turns out to be dead before a byte of the answer came is replaced by curl itself.
 */
#include "net/http/post_call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ferry/ferry.h"
#include "net/http/target.h"
#include "net/http/vitals.h"
#include "wire/answer_head.h"

#define BUFFER_SIZE (16L << 10)
#define MAX_COPIED_BODY ((size_t)64 << 10) /* curl sends up to so much along with the head, if it holds the body */
#define UPLOAD_BUFFER_SIZE (512L << 10)
/* Curl copies a head to be encrypted: the least that it takes. */
#define HEAD_BUFFER_SIZE (16L << 10)

struct post_call {
    struct fy_net_object object; /* first: the seam's handle */
    struct fy_transfer transfer;
    struct fy_post_calls *posts;
    struct fy_call_events events;
    void *arg;
    struct curl_slist *headers;
    struct fy_client_tls tls;
    struct fy_answer_head head;
    bool is_headed;
    bool is_over;        /* cancelled, or its last event has begun */
    int err;             /* why a callback of ours refused to go on */
    const uint8_t *body; /* lent; NULL when curl has a copy */
    fy_body_fn *read_body;
    void (*rewind_body)(void *arg); /* NULL: curl never begins anew */
    uint64_t body_len;
    uint64_t body_pos;
    struct fy_node pause_node; /* posts->paused or woken, when curl asks for no more until it is told to */
};

static struct post_call *call_of(struct fy_call *handle)
{
    return (struct post_call *)(void *)handle;
}

/* ---- Its end ---- */

static void post_on_released(struct fy_transfer *transfer)
{
    struct post_call *call = fy_container(transfer, struct post_call, transfer);

    fy_client_tls_release(&call->tls);
    curl_slist_free_all(call->headers);
    fy_answer_head_release(&call->head);
    free(call);
}

static void unlink_pause(struct post_call *call)
{
    if (fy_node_is_linked(&call->pause_node))
        fy_list_remove(&call->pause_node);
}

/* The last event.  Not from inside a callback of curl's. */
static void finish(struct post_call *call, CURLcode code)
{
    char detail[CURL_ERROR_SIZE + 64] = "";
    int err = fy_transfer_explain(&call->transfer, &call->tls, code, detail, sizeof(detail));

    if (call->err)
        err = call->err;
    unlink_pause(call);
    fy_transfer_release(&call->transfer);
    call->is_over = true;
    if (call->events.on_end)
        call->events.on_end(call->arg, err, detail);
    post_on_released(&call->transfer);
}

static void post_on_done(struct fy_transfer *transfer, CURLcode code)
{
    finish(fy_container(transfer, struct post_call, transfer), code);
}

static void post_cancel(struct fy_call *handle)
{
    struct post_call *call = call_of(handle);

    if (call->is_over)
        return; /* its on_end runs, and it is freed after that */
    call->is_over = true;
    unlink_pause(call);
    fy_transfer_bury(&call->transfer, post_on_released);
}

/* ---- The answer ---- */

static uint64_t answered_in_ns(CURL *easy)
{
    curl_off_t began_us = 0, answered_us = 0;

    (void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &began_us);
    (void)curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &answered_us);
    return answered_us > began_us ? (uint64_t)(answered_us - began_us) * 1000 : 0;
}

static int deliver_head(struct post_call *call)
{
    struct fy_header *headers = fy_answer_head_list(&call->head);
    struct fy_answer answer = {.status = call->head.status,
                               .headers = headers,
                               .n_headers = call->head.n_headers,
                               .took_ns = answered_in_ns(call->transfer.easy)};

    if (!headers)
        return FERRY_ERR_NOMEM;
    call->is_headed = true;
    fy_client_tls_on_head(&call->tls, call->transfer.easy);
    if (call->events.on_head)
        call->events.on_head(call->arg, &answer);
    free(headers);
    fy_answer_head_release(&call->head);
    return FERRY_OK;
}

static size_t refuse(struct post_call *call, int err)
{
    call->err = err;
    return 0; /* of len: curl ends the transfer */
}

static size_t post_on_header_line(char *line, size_t size, size_t len, void *arg)
{
    struct post_call *call = arg;
    int got;

    (void)size; /* always 1 */
    if (call->is_over)
        return refuse(call, FERRY_ERR_CANCELED);
    if (call->is_headed)
        return len; /* a trailer */
    got = fy_answer_head_add(&call->head, line, len);
    if (got == FERRY_ERR_PROTOCOL)
        snprintf(call->transfer.error, sizeof(call->transfer.error), "the answer's head is longer than %zu bytes",
                 FY_ANSWER_HEAD_MAX);
    if (got == FY_ANSWER_HEAD_COMPLETE)
        got = deliver_head(call);
    if (got < 0)
        return refuse(call, got);
    return call->is_over ? refuse(call, FERRY_ERR_CANCELED) : len;
}

static size_t post_on_body(char *data, size_t size, size_t len, void *arg)
{
    struct post_call *call = arg;

    (void)size; /* always 1 */
    if (!call->is_over && len > 0 && call->events.on_body)
        call->events.on_body(call->arg, (const uint8_t *)data, len);
    return call->is_over ? refuse(call, FERRY_ERR_CANCELED) : len;
}

/* ---- The request's body ---- */

static size_t post_on_read_body(char *buf, size_t size, size_t n, void *arg)
{
    struct post_call *call = arg;
    uint64_t left = call->body_len - call->body_pos;
    size_t len = left > size * n ? size * n : (size_t)left;

    if (call->is_over)
        return CURL_READFUNC_ABORT;
    memcpy(buf, call->body + call->body_pos, len);
    call->body_pos += len;
    return len;
}

static size_t post_on_pull_body(char *buf, size_t size, size_t n, void *arg)
{
    struct post_call *call = arg;
    uint64_t left = call->body_len - call->body_pos; /* in effect without end when the length is unknown */
    size_t cap = left > size * n ? size * n : (size_t)left;
    size_t len;

    if (call->is_over)
        return CURL_READFUNC_ABORT;
    if (cap == 0)
        return 0;
    len = call->read_body(call->arg, (uint8_t *)buf, cap);
    if (call->is_over)
        return CURL_READFUNC_ABORT;
    if (len == FY_BODY_END) {
        assert(call->body_len == FY_LEN_UNKNOWN);
        return 0;
    }
    assert(len <= cap);
    call->body_pos += len;
    if (len > 0)
        return len;
    call->transfer.keeps_fd = true;
    fy_list_append(&call->posts->paused, &call->pause_node);
    return CURL_READFUNC_PAUSE;
}

/* Curl begins again, on another connection. */
static int post_on_seek_body(void *arg, curl_off_t offset, int origin)
{
    struct post_call *call = arg;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > call->body_len)
        return CURL_SEEKFUNC_FAIL;
    call->body_pos = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* The same for a body that its owner reads: only from its first byte. */
static int post_on_rewind_body(void *arg, curl_off_t offset, int origin)
{
    struct post_call *call = arg;

    if (call->is_over || origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_FAIL;
    call->rewind_body(call->arg);
    call->body_pos = 0;
    return CURL_SEEKFUNC_OK;
}

static void post_wake(struct fy_call *handle)
{
    struct post_call *call = call_of(handle);

    if (!call->transfer.keeps_fd || call->is_over)
        return;
    call->transfer.keeps_fd = false; /* and curl is told when the loop works */
    fy_list_remove(&call->pause_node);
    fy_list_append(&call->posts->woken, &call->pause_node);
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
static void set_plain_options(struct post_call *call, const struct fy_call_spec *spec)
{
    CURL *easy = call->transfer.easy;

    (void)curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, spec->own_connection ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, call->transfer.may_be_kept ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, HEAD_BUFFER_SIZE); /* unless there is a body */
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, post_on_header_line);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, post_on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

static int set_body(struct post_call *call, const struct fy_call_spec *spec)
{
    CURL *easy = call->transfer.easy;

    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                           spec->body_len == FY_LEN_UNKNOWN ? -1 : (curl_off_t)spec->body_len);
    if (spec->read_body) {
        assert(!spec->body && (spec->rewind_body || spec->own_connection)); /* a new connection is never replaced */
        call->read_body = spec->read_body;
        call->rewind_body = spec->rewind_body;
        call->body_len = spec->body_len;
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_SIZE);
        (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, post_on_pull_body);
        (void)curl_easy_setopt(easy, CURLOPT_READDATA, call);
        if (spec->rewind_body) {
            (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, post_on_rewind_body);
            (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
        }
        return FERRY_OK;
    }
    if (spec->body_len <= MAX_COPIED_BODY) {
        const void *body = spec->body_len > 0 ? spec->body : "";

        return curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body) == CURLE_OK ? FERRY_OK : FERRY_ERR_NOMEM;
    }
    call->body = spec->body;
    call->body_len = spec->body_len;
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_SIZE);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, post_on_read_body);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, post_on_seek_body);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
    return FERRY_OK;
}

/* ---- What its user calls ---- */

static bool post_vitals(const struct fy_call *handle, struct fy_vitals *ret_vitals)
{
    const struct post_call *call = (const struct post_call *)(const void *)handle;

    return call->transfer.fd >= 0 && fy_vitals_read(call->transfer.fd, ret_vitals);
}

static const struct fy_net_ops post_ops = {
    .call_cancel = post_cancel, .call_wake = post_wake, .call_vitals = post_vitals};

/* The handle of a call, told all that the spec says. */
static int prepare(struct post_call *call, const struct fy_call_spec *spec, const struct fy_target *target)
{
    struct fy_transfers *transfers = call->posts->transfers;
    int err = build_headers(spec, &call->headers);

    if (!err)
        err = fy_transfer_init(&call->transfer, transfers, spec->url, spec->connect_timeout_ms,
                               target->is_https ? spec->handshake_timeout_ms : 0);
    if (err)
        return err;
    set_plain_options(call, spec);
    if (strcmp(spec->method, "POST") == 0)
        err = set_body(call, spec);
    if (!err && target->is_https)
        err = fy_client_tls_init(&call->tls, transfers->cfg->tls, call->transfer.easy, target->host, spec->member);
    return err;
}

int fy_post_call_start(struct fy_post_calls *posts, const struct fy_call_spec *spec,
                       const struct fy_call_events *events, void *arg, struct fy_call **ret_call)
{
    struct fy_target target;
    struct post_call *call;
    int err = fy_target_read(spec->url, &target);

    if (err)
        return err;
    if (!target.is_https && !fy_client_tls_allows_plain(posts->transfers->cfg->tls, spec->member))
        return FERRY_ERR_TLS;
    call = calloc(1, sizeof(*call));
    if (!call)
        return FERRY_ERR_NOMEM;
    call->object.ops = &post_ops;
    call->posts = posts;
    call->events = *events;
    call->arg = arg;
    call->transfer.all = posts->transfers;
    call->transfer.on_done = post_on_done;
    call->transfer.may_be_kept = !spec->own_connection && !spec->is_last;
    err = prepare(call, spec, &target);
    if (err) {
        fy_transfer_release(&call->transfer);
        post_on_released(&call->transfer);
        return err;
    }
    fy_transfer_start(&call->transfer);
    *ret_call = (struct fy_call *)&call->object;
    return FERRY_OK;
}

/* ---- All of a net ---- */

void fy_post_calls_init(struct fy_post_calls *posts, struct fy_transfers *transfers)
{
    posts->transfers = transfers;
    fy_list_init(&posts->paused);
    fy_list_init(&posts->woken);
}

bool fy_post_calls_have_work(const struct fy_post_calls *posts)
{
    return !fy_list_is_empty(&posts->woken);
}

/* Curl goes on with a paused body by a timeout of its own, which is due at once. */
void fy_post_calls_work(struct fy_post_calls *posts)
{
    for (struct fy_node *node; (node = fy_list_take_first(&posts->woken));)
        fy_transfer_unpause(&fy_container(node, struct post_call, pause_node)->transfer);
}

/* Has the server closed the connection, and is all read that it sent before? */
static bool is_closed(const struct post_call *call)
{
    char byte;

    return recv(call->transfer.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void fy_post_calls_end_closed(struct fy_post_calls *posts)
{
    for (struct fy_node *node = fy_list_first(&posts->paused), *next; node; node = next) {
        struct post_call *call = fy_container(node, struct post_call, pause_node);

        next = fy_list_next(&posts->paused, node);
        if (!is_closed(call))
            continue;
        finish(call, CURLE_GOT_NOTHING);
        next = fy_list_first(&posts->paused); /* the user may have ended others */
    }
}
