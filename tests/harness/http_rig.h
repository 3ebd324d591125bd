/*
 * http_rig.h - a net on real sockets whose loop the test runs, and users of it that record what happened.
 */
#ifndef HARNESS_HTTP_RIG_H
#define HARNESS_HTTP_RIG_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/http/http.h"

struct ferry_tls_config;
struct fy_tls;

/* Bytes received. */
struct seen_bytes {
    uint8_t *data;
    size_t len;
    size_t room;
    size_t n_pieces;
    size_t largest_piece;
};

/* A call and its events.  Zeroed, it is ready for seen_call_start. */
struct seen_call {
    struct fy_call *call; /* NULL when it has ended */
    int n_heads;
    int status;
    uint64_t took_ns; /* 0 before the head */
    char header[256]; /* the value of the answer's X-Test; "(none)" */
    struct seen_bytes body;
    int n_ends;
    int err;
    char detail[256];
    void (*then)(struct seen_call *seen, const char *event); /* "head", "body", "end": called after recording */
};

/* A request and its events. */
struct seen_request {
    struct fy_request *req;
    struct seen_bytes body;
    int n_body_ends;
    int n_gone;
};

extern struct fy_net *http_net;

void http_setup(void); /* heap_setup, and a net with short timeouts that does not spin */
void http_setup_with(const struct fy_http_config *cfg);
void http_teardown(void); /* checks that no memory and no descriptors leaked */
const struct fy_http_config *http_default_config(void);

/*
 * A policy for both ends of a connection on 127.0.0.1, by one certificate of a CA made for it.  *ret_cfg names its files,
 * which live as long as those of certificates_setup, called here.
 */
struct fy_tls *http_tls_new(struct ferry_tls_config *ret_cfg);

uint64_t http_clock_ns(void);

/* The number of open descriptors; http_teardown asserts that none leaked. */
size_t http_count_fds(void);

/*
 * Run the net's loop until the condition holds.  The time limit only ends a test that hangs, with a message, before
 * Check does.
 */
#define HTTP_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        uint64_t http_until_ns = http_clock_ns() + UINT64_C(40000000000);                                              \
                                                                                                                       \
        while (!(condition)) {                                                                                         \
            ck_assert_msg(http_clock_ns() < http_until_ns, "timed out waiting for " #condition);                       \
            fy_http_run_once(http_net, 1);                                                                             \
        }                                                                                                              \
    } while (0)

/* The same, with the nth allocation of the net failing (heap_fail_at), and none of the test's own. */
void http_fail_until(long nth, bool (*condition)(void));

void http_turn_for_ms(unsigned ms); /* to check that nothing happens */

/* Listen on a free port of 127.0.0.1. */
struct fy_listener *http_listen(fy_request_fn *fn, void *arg);

/* BASE followed by PATH, in a static buffer. */
const char *http_url(const char *base, const char *path);

void seen_call_start(struct seen_call *seen, const struct fy_call_spec *spec);
void seen_call_get(struct seen_call *seen, const char *url, bool own_connection);
void seen_call_post(struct seen_call *seen, const char *url, const void *body, size_t len);
void seen_call_release(struct seen_call *seen); /* cancels it if it still runs */

void seen_bytes_append(struct seen_bytes *seen, const uint8_t *data, size_t len);
bool seen_bytes_equal(const struct seen_bytes *seen, const char *text);

extern const struct fy_request_events seen_request_events; /* their arg: a struct seen_request */

#endif
