/*
 * http_rig - a net on real sockets under a test's control.
 */
#include "harness/http_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferry/tls.h"
#include "harness/certificates.h"
#include "harness/heap.h"
#include "net/tls/tls.h"

struct fy_net *http_net;

static size_t n_fds;
static struct fy_log rig_log;

static void on_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    (void)ctx;
    (void)peer;
    fprintf(stderr, "# %d %s: %s\n", (int)level, id, text);
}

size_t http_count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

const struct fy_http_config *http_default_config(void)
{
    static struct fy_http_config cfg = {
        .write_timeout_ms = 300, .idle_timeout_s = 1, .max_connections = 64, .log = &rig_log};

    if (getenv("RIG_LOG"))
        rig_log = (struct fy_log){.fn = on_log, .max_level = FERRY_LOG_DEBUG};
    return &cfg;
}

struct fy_tls *http_tls_new(struct ferry_tls_config *ret_cfg)
{
    const struct certificate_spec ca_spec = {.common_name = "ca", .is_ca = true};
    const struct certificate_spec spec = {.common_name = "both", .names = "IP:127.0.0.1"};
    struct certificate ca, both;
    struct fy_tls *tls;

    certificates_setup();
    ca = certificate_make(&ca_spec, NULL);
    both = certificate_make(&spec, &ca);
    *ret_cfg = (struct ferry_tls_config)FERRY_TLS_CONFIG_INIT;
    ret_cfg->ca_file = certificate_write("ca.pem", &ca, NULL);
    ret_cfg->cert_file = certificate_write("both.pem", &both, NULL);
    ret_cfg->key_file = certificate_write_key("both.key", &both);
    certificate_release(&ca);
    certificate_release(&both);
    ck_assert_int_eq(fy_tls_new(ret_cfg, http_default_config()->log, &tls), FERRY_OK);
    return tls;
}

void http_setup_with(const struct fy_http_config *cfg)
{
    heap_setup();
    n_fds = http_count_fds();
    ck_assert_int_eq(fy_http_new(cfg, &http_net), FERRY_OK);
}

void http_setup(void)
{
    http_setup_with(http_default_config());
}

void http_teardown(void)
{
    fy_http_free(http_net);
    http_net = NULL;
    ck_assert_uint_eq(http_count_fds(), n_fds);
    heap_teardown();
}

uint64_t http_clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void http_fail_until(long nth, bool (*condition)(void))
{
    uint64_t until_ns = http_clock_ns() + UINT64_C(10000000000);
    bool is_met = false;

    heap_fail_at(nth);
    for (; !is_met && http_clock_ns() < until_ns; is_met = condition())
        fy_http_run_once(http_net, 1);
    heap_fail_at(-1);
    ck_assert_msg(is_met, "timed out with allocation %ld failing", nth);
}

void http_turn_for_ms(unsigned ms)
{
    uint64_t until_ns = http_clock_ns() + ms * UINT64_C(1000000);

    while (http_clock_ns() < until_ns)
        fy_http_run_once(http_net, 1);
}

struct fy_listener *http_listen(fy_request_fn *fn, void *arg)
{
    struct fy_listener *listener = NULL;
    char detail[128] = "";
    int err = fy_net_listen(http_net, "http://127.0.0.1:0", fn, arg, &listener, detail, sizeof(detail));

    ck_assert_msg(err == FERRY_OK, "%s", detail);
    return listener;
}

const char *http_url(const char *base, const char *path)
{
    static char url[512];

    snprintf(url, sizeof(url), "%s%s", base, path);
    return url;
}

/* ---- Bytes ---- */

void seen_bytes_append(struct seen_bytes *seen, const uint8_t *data, size_t len)
{
    if (seen->room - seen->len < len) {
        seen->room = 2 * (seen->len + len);
        seen->data = realloc(seen->data, seen->room);
        ck_assert_ptr_nonnull(seen->data);
    }
    memcpy(seen->data + seen->len, data, len);
    seen->len += len;
    seen->n_pieces++;
    if (len > seen->largest_piece)
        seen->largest_piece = len;
}

bool seen_bytes_equal(const struct seen_bytes *seen, const char *text)
{
    return seen->len == strlen(text) && memcmp(seen->data ? (const char *)seen->data : "", text, seen->len) == 0;
}

/* ---- Calls ---- */

static void then(struct seen_call *seen, const char *event)
{
    if (seen->then)
        seen->then(seen, event);
}

static void on_head(void *arg, const struct fy_answer *answer)
{
    struct seen_call *seen = arg;
    const char *value = fy_answer_header(answer, "x-test");

    ck_assert_int_eq(seen->n_ends, 0);
    ck_assert_uint_eq(seen->body.len, 0);
    seen->n_heads++;
    seen->status = answer->status;
    seen->took_ns = answer->took_ns;
    snprintf(seen->header, sizeof(seen->header), "%s", value ? value : "(none)");
    then(seen, "head");
}

static void on_body(void *arg, const uint8_t *data, size_t len)
{
    struct seen_call *seen = arg;

    ck_assert_int_eq(seen->n_heads, 1);
    ck_assert_int_eq(seen->n_ends, 0);
    ck_assert_uint_gt(len, 0);
    seen_bytes_append(&seen->body, data, len);
    then(seen, "body");
}

static void on_end(void *arg, int err, const char *detail)
{
    struct seen_call *seen = arg;

    ck_assert_int_eq(seen->n_ends, 0);
    seen->n_ends++;
    seen->err = err;
    snprintf(seen->detail, sizeof(seen->detail), "%s", detail);
    then(seen, "end");
    seen->call = NULL;
}

static const struct fy_call_events call_events = {.on_head = on_head, .on_body = on_body, .on_end = on_end};

void seen_call_start(struct seen_call *seen, const struct fy_call_spec *spec)
{
    ck_assert_int_eq(fy_net_call(http_net, spec, &call_events, seen, &seen->call), FERRY_OK);
}

void seen_call_get(struct seen_call *seen, const char *url, bool own_connection)
{
    seen_call_start(seen,
                    &(struct fy_call_spec){
                        .method = "GET", .url = url, .own_connection = own_connection, .connect_timeout_ms = 2000});
}

void seen_call_post(struct seen_call *seen, const char *url, const void *body, size_t len)
{
    seen_call_start(seen, &(struct fy_call_spec){
                              .method = "POST", .url = url, .body = body, .body_len = len, .connect_timeout_ms = 2000});
}

void seen_call_release(struct seen_call *seen)
{
    fy_call_cancel(seen->call);
    free(seen->body.data);
    *seen = (struct seen_call){.call = NULL};
}

/* ---- Requests ---- */

static void on_request_body(void *arg, const uint8_t *data, size_t len)
{
    struct seen_request *seen = arg;

    ck_assert_int_eq(seen->n_body_ends, 0);
    seen_bytes_append(&seen->body, data, len);
}

static void on_request_body_end(void *arg)
{
    ((struct seen_request *)arg)->n_body_ends++;
}

static void on_request_gone(void *arg)
{
    struct seen_request *seen = arg;

    seen->n_gone++;
    seen->req = NULL;
}

const struct fy_request_events seen_request_events = {
    .on_body = on_request_body, .on_body_end = on_request_body_end, .on_gone = on_request_gone};
