/*
 * check_http_client - calls to scripted servers on plain sockets.
 */
#include "config.h" /* _GNU_SOURCE, for RTLD_NEXT */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/curl_heap.h"
#include "harness/heap.h"
#include "harness/http_rig.h"
#include "harness/patience.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"

static char url[64]; /* of the plain server */
static int listen_fd;
static int fd; /* its connection */
static struct raw_input input;
static struct seen_call seen;
static struct seen_call other;

static void setup(void)
{
    http_setup();
    listen_fd = raw_listen(16, url, sizeof(url));
    fd = -1;
    input = (struct raw_input){.len = 0};
}

static void teardown(void)
{
    seen_call_release(&seen);
    seen_call_release(&other);
    if (fd >= 0)
        close(fd);
    close(listen_fd);
    http_teardown();
}

static bool is_accepted(void)
{
    fd = raw_accept(listen_fd);
    return fd >= 0;
}

static bool has_input(const char *text)
{
    raw_receive(fd, &input);
    return strstr(input.text, text) != NULL;
}

static bool is_closed(void)
{
    raw_receive(fd, &input);
    return input.is_closed;
}

static bool has_ended(void)
{
    return seen.n_ends > 0;
}

/* A GET of which the server has the whole head. */
static void begin_get(bool own_connection)
{
    seen_call_get(&seen, http_url(url, "/raft/stream/message/1?x=%20y"), own_connection);
    HTTP_UNTIL(is_accepted());
    HTTP_UNTIL(has_input("\r\n\r\n"));
}

static void answer(const char *text)
{
    raw_send_text(fd, text);
    HTTP_UNTIL(has_ended());
}

static void cancel_at_body(struct seen_call *call, const char *event)
{
    if (strcmp(event, "body") != 0)
        return;
    fy_call_cancel(call->call);
    call->call = NULL;
}

/* ---- A stream that is full ---- */

#define FLOOD ((size_t)8 << 20)
#define FLOOD_CHUNK ((size_t)100000)
#define MAX_FLOODS 50
#define FULL ((size_t)512 << 10) /* more than a share */

static uint8_t flood_byte(size_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) + (i >> 16));
}

/* FLOOD bytes in chunks, and what of it is not sent yet. */
struct flood {
    uint8_t *wire;
    size_t len;
    size_t n_sent;
};

static void flood_init(struct flood *flood)
{
    *flood = (struct flood){.wire = malloc(FLOOD + FLOOD / FLOOD_CHUNK * 16 + 64)};
    ck_assert_ptr_nonnull(flood->wire);
    for (size_t i = 0; i < FLOOD;) {
        size_t n = FLOOD - i < FLOOD_CHUNK ? FLOOD - i : FLOOD_CHUNK;

        flood->len += (size_t)sprintf((char *)flood->wire + flood->len, "%zx\r\n", n);
        for (size_t k = 0; k < n; k++)
            flood->wire[flood->len++] = flood_byte(i++);
        flood->len += (size_t)sprintf((char *)flood->wire + flood->len, "\r\n");
    }
    flood->len += (size_t)sprintf((char *)flood->wire + flood->len, "0\r\n\r\n");
}

/* Send as much as the socket takes. */
static void flood_send(struct flood *flood)
{
    ssize_t n;

    while (flood->n_sent < flood->len &&
           (n = send(fd, flood->wire + flood->n_sent, flood->len - flood->n_sent, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
        flood->n_sent += (size_t)n;
}

static void begin_flood(struct flood *flood)
{
    flood_init(flood);
    begin_get(true);
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    HTTP_UNTIL(seen.n_heads == 1);
}

/* The same bytes without chunks. */
static void begin_whole_flood(struct flood *flood)
{
    char head[64];

    *flood = (struct flood){.wire = malloc(FLOOD), .len = FLOOD};
    ck_assert_ptr_nonnull(flood->wire);
    for (size_t i = 0; i < FLOOD; i++)
        flood->wire[i] = flood_byte(i);
    begin_get(true);
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", FLOOD);
    raw_send_text(fd, head);
    HTTP_UNTIL(seen.n_heads == 1);
}

/* Have a whole flood come; the most of it that came in one turn. */
static size_t take_flood(void (*begin)(struct flood *flood))
{
    struct flood flood;
    size_t most = 0;

    begin(&flood);
    for (int turn = 0; seen.n_ends == 0; turn++) {
        size_t before = seen.body.len;

        ck_assert_int_lt(turn, 100000);
        flood_send(&flood);
        fy_http_run_once(http_net, 1);
        most = seen.body.len - before > most ? seen.body.len - before : most;
    }
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_uint_eq(seen.body.len, FLOOD);
    for (size_t i = 0; i < FLOOD; i++)
        if (seen.body.data[i] != flood_byte(i))
            ck_abort_msg("byte %zu is another", i);
    free(flood.wire);
    seen_call_release(&seen);
    close(fd);
    fd = -1;
    input = (struct raw_input){.len = 0};
    return most;
}

/* How much the kernel has ready at a time is its own business: there are floods until the share is met. */
static void assert_takes_turns(void (*begin)(struct flood *flood), size_t share, size_t most_beyond)
{
    size_t most = 0;

    for (int i = 0; i < MAX_FLOODS && most < share - 1024; i++) { /* the rest are heads of chunks */
        most = take_flood(begin);
        ck_assert_uint_le(most, share + most_beyond);
    }
    ck_assert_uint_ge(most, share - 1024);
}

START_TEST(a_full_stream_leaves_other_sockets_their_turn)
{
    assert_takes_turns(begin_flood, (size_t)256 << 10, (size_t)64 << 10); /* one more read */
}
END_TEST

START_TEST(so_does_one_without_chunks)
{
    assert_takes_turns(begin_whole_flood, (size_t)256 << 10, (size_t)64 << 10);
}
END_TEST

/* A place for a part of the body, as an owner has it who gathers frames. */
static uint8_t place[100000];
static size_t n_placed;

static uint8_t *room(void *arg, size_t *ret_cap)
{
    (void)arg;
    *ret_cap = sizeof(place);
    return place;
}

static void on_placed_body(void *arg, const uint8_t *data, size_t len)
{
    struct seen_call *call = arg;

    if (data == place) {
        ck_assert_uint_le(len, sizeof(place));
        n_placed += len;
    }
    seen_bytes_append(&call->body, data, len);
}

static void on_placed_end(void *arg, int err, const char *detail)
{
    struct seen_call *call = arg;

    (void)detail;
    call->n_ends++;
    call->err = err;
    call->call = NULL;
}

START_TEST(a_stream_is_read_to_where_its_owner_has_room)
{
    static const struct fy_call_events events = {.on_body = on_placed_body, .on_end = on_placed_end, .room = room};
    struct fy_call_spec spec = {
        .method = "GET", .url = http_url(url, "/"), .own_connection = true, .connect_timeout_ms = 2000};
    struct flood flood;

    n_placed = 0;
    flood_init(&flood);
    ck_assert_int_eq(fy_net_call(http_net, &spec, &events, &seen, &seen.call), FERRY_OK);
    HTTP_UNTIL(is_accepted());
    HTTP_UNTIL(has_input("\r\n\r\n"));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (seen.n_ends == 0) {
        flood_send(&flood);
        fy_http_run_once(http_net, 1);
    }
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_uint_eq(seen.body.len, FLOOD);
    for (size_t i = 0; i < FLOOD; i++)
        if (seen.body.data[i] != flood_byte(i))
            ck_abort_msg("byte %zu is another", i);
    ck_assert_uint_ge(n_placed, FLOOD / 2);
    free(flood.wire);
}
END_TEST

START_TEST(a_stream_in_another_coding_is_no_business_of_ours)
{
    begin_get(true);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n2\r\nab");
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert(seen_bytes_equal(&seen.body, "2\r\nab"));
}
END_TEST

START_TEST(a_refusal_in_chunks_is_read_to_its_end)
{
    begin_get(true);
    answer("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nX: y\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(seen.status, 404);
    ck_assert(seen_bytes_equal(&seen.body, "abc"));
}
END_TEST

static bool has_body(void)
{
    return seen.body.len > 0;
}

START_TEST(a_stream_that_stands_ends_as_it_is_ended)
{
    static const struct {
        const char *last;
        int err;
    } ends[] = {{"0\r\n\r\n", FERRY_OK}, {"", FERRY_ERR_EOF}, {"1\r", FERRY_ERR_EOF}, {"x", FERRY_ERR_PROTOCOL}};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        input = (struct raw_input){.len = 0};
        begin_get(true);
        raw_send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
        HTTP_UNTIL(has_body());
        http_turn_for_ms(5);
        raw_send_text(fd, ends[i].last);
        http_turn_for_ms(5);
        shutdown(fd, SHUT_WR);
        HTTP_UNTIL(has_ended());
        ck_assert_msg(seen.err == ends[i].err, "%s: %s", ferry_strerror(seen.err), seen.detail);
        ck_assert(seen_bytes_equal(&seen.body, "ab"));
        seen_call_release(&seen);
        close(fd);
        fd = -1;
    }
}
END_TEST

static void cancel_a_full_one(void (*begin)(struct flood *flood))
{
    struct flood flood;

    begin(&flood);
    do {
        flood_send(&flood);
        fy_http_run_once(http_net, 1);
    } while (seen.body.len < FULL);
    seen_call_release(&seen); /* teardown sees what is left behind */
    fy_http_run_once(http_net, 0);
    free(flood.wire);
}

START_TEST(a_stream_that_had_its_share_may_be_cancelled)
{
    cancel_a_full_one(begin_flood);
    close(fd);
    input = (struct raw_input){.len = 0};
    cancel_a_full_one(begin_whole_flood);
}
END_TEST

static void cancel_one_that_goes_on(void (*begin)(struct flood *flood))
{
    struct flood flood;

    begin(&flood);
    do {
        flood_send(&flood);
        fy_http_run_once(http_net, 1);
    } while (seen.body.len < FULL);
    seen.then = cancel_at_body;
    fy_http_run_once(http_net, 1);
    ck_assert_ptr_null(seen.call);
    free(flood.wire);
}

START_TEST(a_stream_that_had_its_share_may_be_cancelled_as_it_goes_on)
{
    cancel_one_that_goes_on(begin_flood);
    close(fd);
    input = (struct raw_input){.len = 0};
    seen_call_release(&seen);
    cancel_one_that_goes_on(begin_whole_flood);
}
END_TEST

START_TEST(a_full_stream_that_is_cut_brings_what_came_before)
{
    struct flood flood;

    begin_flood(&flood);
    flood_send(&flood);
    close(fd);
    fd = -1;
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(seen.err, FERRY_ERR_EOF);
    ck_assert_uint_ge(seen.body.len, flood.n_sent - flood.n_sent / FLOOD_CHUNK * 16 - 16);
    free(flood.wire);
}
END_TEST

/* ---- What is sent ---- */

START_TEST(a_get_carries_its_own_headers_and_no_others)
{
    const struct fy_header headers[] = {{"X-Server-From", "1"}, {"X-PeerURLs", ""}, {"X-Raft-To", "2"}};
    char expected[512];

    seen_call_start(&seen, &(struct fy_call_spec){.method = "GET",
                                                  .url = http_url(url, "/raft/stream/message/1?x=%20y"),
                                                  .headers = headers,
                                                  .n_headers = 3,
                                                  .own_connection = true,
                                                  .connect_timeout_ms = 2000});
    HTTP_UNTIL(is_accepted());
    HTTP_UNTIL(has_input("\r\n\r\n"));
    snprintf(expected, sizeof(expected),
             "GET /raft/stream/message/1?x=%%20y HTTP/1.1\r\nHost: %s\r\nX-Server-From: 1\r\nX-PeerURLs:\r\n"
             "X-Raft-To: 2\r\n\r\n",
             url + strlen("http://"));
    ck_assert_str_eq(input.text, expected);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
}
END_TEST

START_TEST(a_post_carries_its_body_and_its_length)
{
    const struct fy_header header = {"Content-Type", "application/protobuf"};
    char expected[512];

    seen_call_start(&seen, &(struct fy_call_spec){.method = "POST",
                                                  .url = http_url(url, "/raft"),
                                                  .headers = &header,
                                                  .n_headers = 1,
                                                  .body = "a\0b",
                                                  .body_len = 3,
                                                  .connect_timeout_ms = 2000});
    HTTP_UNTIL(is_accepted());
    HTTP_UNTIL(has_input("\r\n\r\n") && input.text[input.len - 1] == 'b');
    snprintf(expected, sizeof(expected),
             "POST /raft HTTP/1.1\r\nHost: %s\r\nContent-Type: application/protobuf\r\nContent-Length: 3\r\n\r\n",
             url + strlen("http://"));
    ck_assert_uint_eq(input.len, strlen(expected) + 3);
    ck_assert_int_eq(memcmp(input.text, expected, strlen(expected)), 0);
    ck_assert_int_eq(memcmp(input.text + strlen(expected), "a\0b", 3), 0);
    answer("HTTP/1.1 204 No Content\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(seen.status, 204);
}
END_TEST

START_TEST(a_post_may_be_empty)
{
    seen_call_post(&seen, http_url(url, "/raft"), NULL, 0);
    HTTP_UNTIL(is_accepted());
    HTTP_UNTIL(has_input("Content-Length: 0\r\n\r\n"));
    answer("HTTP/1.1 204 No Content\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
}
END_TEST

/* ---- What is answered ---- */

START_TEST(a_head_may_come_byte_by_byte_after_informational_ones)
{
    const char *text = "HTTP/1.1 100 Continue\r\nX-Test: no\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
                       "HTTP/1.1 404 Not Found\r\nx-TEST:\t a: b \r\nX-Test: second\r\nContent-Length: 2\r\n\r\nhi";

    begin_get(true);
    for (size_t i = 0; text[i]; i++) {
        raw_send(fd, text + i, 1);
        fy_http_run_once(http_net, 0);
        fy_http_run_once(http_net, 0);
    }
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(seen.n_heads, 1);
    ck_assert_int_eq(seen.status, 404);
    ck_assert_str_eq(seen.header, "a: b");
    ck_assert(seen_bytes_equal(&seen.body, "hi"));
}
END_TEST

START_TEST(a_head_is_told_before_any_body_byte)
{
    begin_get(true);
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nX-Test: 7\r\nTransfer-Encoding: chunked\r\n\r\n");
    HTTP_UNTIL(seen.n_heads > 0);
    ck_assert_str_eq(seen.header, "7");
    ck_assert_int_eq(seen.n_ends, 0);
    raw_send_text(fd, "3\r\nabc\r\n");
    HTTP_UNTIL(seen_bytes_equal(&seen.body, "abc"));
    answer("2\r\nde\r\n0\r\nX-Test: trailer\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(seen.n_heads, 1);
    ck_assert(seen_bytes_equal(&seen.body, "abcde"));
}
END_TEST

START_TEST(a_body_may_end_with_the_connection)
{
    begin_get(true);
    raw_send_text(fd, "HTTP/1.0 200 OK\r\n\r\nall of it");
    close(fd);
    fd = -1;
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert(seen_bytes_equal(&seen.body, "all of it"));
}
END_TEST

START_TEST(redirects_are_not_followed)
{
    begin_get(false);
    answer("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(seen.status, 301);
}
END_TEST

static void expect_failure(const char *text, bool is_reset, int err)
{
    begin_get(true);
    raw_send_text(fd, text);
    if (*text)
        HTTP_UNTIL(seen.body.len > 0 || seen.n_ends > 0);
    if (is_reset)
        raw_reset(fd);
    else
        close(fd);
    fd = -1;
    HTTP_UNTIL(has_ended());
    ck_assert_msg(seen.err == err, "%s: %s", ferry_strerror(seen.err), seen.detail);
    ck_assert_str_ne(seen.detail, "");
}

START_TEST(a_server_that_closes_without_an_answer_is_an_end_of_file)
{
    expect_failure("", false, FERRY_ERR_EOF);
}
END_TEST

START_TEST(a_server_that_resets_without_an_answer_is_a_reset)
{
    expect_failure("", true, FERRY_ERR_RESET);
}
END_TEST

START_TEST(a_chunked_body_that_is_cut_is_an_end_of_file)
{
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", false, FERRY_ERR_EOF);
}
END_TEST

START_TEST(a_chunked_body_that_is_cut_between_chunks_is_an_end_of_file)
{
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", false, FERRY_ERR_EOF);
}
END_TEST

START_TEST(a_body_of_known_length_that_is_cut_is_an_end_of_file)
{
    expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", false, FERRY_ERR_EOF);
}
END_TEST

START_TEST(a_body_that_is_reset_is_a_reset)
{
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", true, FERRY_ERR_RESET);
}
END_TEST

START_TEST(a_malformed_chunk_breaks_the_protocol)
{
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nxyz\r\n", false,
                   FERRY_ERR_PROTOCOL);
}
END_TEST

START_TEST(garbage_breaks_the_protocol)
{
    expect_failure("this is not HTTP at all, by no means\r\n\r\n", false, FERRY_ERR_PROTOCOL);
}
END_TEST

START_TEST(an_endless_head_breaks_the_protocol)
{
    char line[1024];

    memset(line, 'a', sizeof(line));
    memcpy(line, "X-A: ", 5);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    begin_get(true);
    raw_send_text(fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 128 && !has_ended(); i++) {
        raw_send(fd, line, sizeof(line));
        fy_http_run_once(http_net, 0);
    }
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(seen.err, FERRY_ERR_PROTOCOL);
    ck_assert_uint_lt(heap_largest(), 256 << 10);
}
END_TEST

/* ---- Connecting ---- */

START_TEST(a_refused_connection_is_told_as_such)
{
    char closed_url[64];

    close(raw_listen(1, closed_url, sizeof(closed_url)));
    seen_call_get(&seen, closed_url, true);
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(seen.err, FERRY_ERR_CONNECT);
    ck_assert_ptr_nonnull(strstr(seen.detail, "refused"));
    ck_assert_int_eq(seen.n_heads, 0);
}
END_TEST

START_TEST(a_shortage_of_descriptors_is_told_as_such)
{
    struct rlimit before;
    struct rlimit none;
    char other_url[64];
    int idle_fd = raw_listen(1, other_url, sizeof(other_url));

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)idle_fd; /* no descriptor above the ones there are */
    seen_call_get(&seen, other_url, true);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(seen.err, FERRY_ERR_CONNECT);
    ck_assert_str_eq(seen.detail, strerror(EMFILE));
    close(idle_fd);
}
END_TEST

START_TEST(connecting_takes_no_longer_than_it_may)
{
    char full_url[64];
    int full_fd = raw_listen(0, full_url, sizeof(full_url));
    int first_fd = raw_connect(full_url); /* fills the queue; the kernel drops what comes after */
    uint64_t begin_ns = http_clock_ns();

    seen_call_start(&seen, &(struct fy_call_spec){
                               .method = "GET", .url = full_url, .own_connection = true, .connect_timeout_ms = 100});
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(seen.err, FERRY_ERR_TIMEOUT);
    ck_assert_uint_ge(http_clock_ns() - begin_ns, 90000000);
    ck_assert_uint_lt(http_clock_ns() - begin_ns, UINT64_C(20000000000)); /* the kernel tries for minutes */
    close(first_fd);
    close(full_fd);
}
END_TEST

START_TEST(only_connecting_is_timed)
{
    seen_call_start(
        &seen, &(struct fy_call_spec){.method = "GET", .url = url, .own_connection = true, .connect_timeout_ms = 1500});
    HTTP_UNTIL(is_accepted());
    HTTP_UNTIL(has_input("\r\n\r\n"));
    http_turn_for_ms(2000);
    ck_assert(!has_ended());
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
}
END_TEST

START_TEST(only_http_is_called)
{
    const char *const bad[] = {"ftp://127.0.0.1:1", "file:///etc/passwd", "", "http://[::1"};
    static const struct fy_call_events none = {.on_head = NULL};
    struct fy_call *call = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(
            fy_net_call(http_net, &(struct fy_call_spec){.method = "GET", .url = bad[i]}, &none, NULL, &call),
            FERRY_ERR_URL);
        ck_assert_ptr_null(call);
    }
    ck_assert_int_eq(fy_net_call(http_net, &(struct fy_call_spec){.method = "GET", .url = "https://127.0.0.1:1"}, &none,
                                 NULL, &call),
                     FERRY_ERR_TLS_CONFIG);
    ck_assert_ptr_null(call);
}
END_TEST

START_TEST(a_name_is_looked_up)
{
    char name_url[64];

    snprintf(name_url, sizeof(name_url), "http://localhost:%s", strrchr(url, ':') + 1);
    seen_call_get(&seen, name_url, true);
    HTTP_UNTIL(is_accepted());
    HTTP_UNTIL(has_input("\r\n\r\n"));
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
}
END_TEST

/* The host's environment may name a proxy for browsers. */
START_TEST(a_proxy_of_the_environment_is_not_used)
{
    static const char *const variables[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};

    (void)unsetenv("no_proxy");
    (void)unsetenv("NO_PROXY");
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        ck_assert_int_eq(setenv(variables[i], "http://127.0.0.1:1", 1), 0);
    for (int own_connection = 0; own_connection < 2; own_connection++) {
        begin_get(own_connection != 0);
        answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        ck_assert_int_eq(seen.err, FERRY_OK);
        seen_call_release(&seen);
        close(fd);
        fd = -1;
        input = (struct raw_input){.len = 0};
    }
}
END_TEST

/* ---- Connections and their reuse ---- */

/* ---- A name server that does not answer ---- */

#define STUCK_HOST "stuck.test"
#define COUNTED_HOST "counted.test" /* is 127.0.0.1 */
#define STUCK_MS 5000               /* it gives up after that, so that a loop that waits for it is found to be late */

static struct {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    unsigned n_stuck;   /* mu; lookups under way */
    unsigned n_counted; /* mu; of COUNTED_HOST */
    bool is_open;       /* mu; they may end */
} lookup = {.mu = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Takes the C library's place, for curl too. */
int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict ret_list)
{
    typedef int lookup_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct timespec until = monotonic_in_ms(STUCK_MS);
    union {
        void *symbol;
        lookup_fn *fn;
    } real = {.symbol = dlsym(RTLD_NEXT, "getaddrinfo")};
    int err = 0;

    if (node && strcmp(node, COUNTED_HOST) == 0) {
        pthread_mutex_lock(&lookup.mu);
        lookup.n_counted++;
        pthread_mutex_unlock(&lookup.mu);
        node = "127.0.0.1";
    }
    if (!node || strcmp(node, STUCK_HOST) != 0)
        return real.fn(node, service, hints, ret_list);
    pthread_mutex_lock(&lookup.mu);
    lookup.n_stuck++;
    while (!lookup.is_open && err == 0)
        err = pthread_cond_clockwait(&lookup.changed, &lookup.mu, CLOCK_MONOTONIC, &until);
    lookup.n_stuck--;
    pthread_mutex_unlock(&lookup.mu);
    return EAI_AGAIN;
}

static bool is_looking_up(void)
{
    bool is_stuck;

    pthread_mutex_lock(&lookup.mu);
    is_stuck = lookup.n_stuck > 0;
    pthread_mutex_unlock(&lookup.mu);
    return is_stuck;
}

static size_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* Let the lookup's thread end: it has a descriptor that the rig would miss.  The multi handle's go a little later. */
static void end_lookup(size_t n_descriptors)
{
    pthread_mutex_lock(&lookup.mu);
    lookup.is_open = true;
    pthread_cond_broadcast(&lookup.changed);
    pthread_mutex_unlock(&lookup.mu);
    HTTP_UNTIL(count_descriptors() == n_descriptors);
}

static void begin_stuck_call(unsigned connect_timeout_ms)
{
    seen_call_start(&seen, &(struct fy_call_spec){.method = "GET",
                                                  .url = "http://" STUCK_HOST ":1/",
                                                  .own_connection = true,
                                                  .connect_timeout_ms = connect_timeout_ms});
    HTTP_UNTIL(is_looking_up());
}

/* A member that comes back may have another address. */
START_TEST(a_name_is_looked_up_for_every_new_connection)
{
    char name_url[64];

    snprintf(name_url, sizeof(name_url), "http://" COUNTED_HOST ":%s", strrchr(url, ':') + 1);
    for (unsigned i = 1; i <= 2; i++) {
        seen_call_get(&seen, name_url, true);
        HTTP_UNTIL(is_accepted());
        HTTP_UNTIL(has_input("\r\n\r\n"));
        answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        ck_assert_int_eq(seen.err, FERRY_OK);
        pthread_mutex_lock(&lookup.mu);
        ck_assert_uint_eq(lookup.n_counted, i);
        pthread_mutex_unlock(&lookup.mu);
        seen_call_release(&seen);
        close(fd);
        fd = -1;
        input = (struct raw_input){.len = 0};
    }
}
END_TEST

START_TEST(a_lookup_that_hangs_times_out_and_delays_no_other_call)
{
    size_t n_descriptors = count_descriptors();
    uint64_t begin_ns = http_clock_ns();

    begin_stuck_call(100);
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(seen.err, FERRY_ERR_TIMEOUT);
    ck_assert_uint_lt(http_clock_ns() - begin_ns, STUCK_MS * UINT64_C(1000000));
    ck_assert(is_looking_up());
    end_lookup(n_descriptors);
}
END_TEST

START_TEST(a_call_whose_lookup_hangs_is_cancelled_at_once)
{
    size_t n_descriptors = count_descriptors();
    uint64_t begin_ns = http_clock_ns();

    begin_stuck_call(60000);
    fy_call_cancel(seen.call);
    seen.call = NULL;
    ck_assert_uint_lt(http_clock_ns() - begin_ns, STUCK_MS * UINT64_C(1000000));
    ck_assert(is_looking_up());
    end_lookup(n_descriptors);
}
END_TEST

START_TEST(a_connection_is_kept_for_the_next_call)
{
    begin_get(false);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    seen_call_release(&seen);
    input.len = 0;
    seen_call_get(&seen, url, false);
    HTTP_UNTIL(has_input("\r\n\r\n"));
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(raw_accept(listen_fd), -1);
}
END_TEST

START_TEST(a_connection_is_kept_though_there_is_no_call_for_a_while)
{
    begin_get(false);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    seen_call_release(&seen);
    input.len = 0;
    http_turn_for_ms(2500); /* after two seconds what curl has would go, were there no connection */
    ck_assert(!is_closed());
    seen_call_get(&seen, url, false);
    HTTP_UNTIL(has_input("\r\n\r\n"));
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(raw_accept(listen_fd), -1);
}
END_TEST

START_TEST(a_connection_of_its_own_is_neither_taken_over_nor_kept)
{
    int first_fd;

    begin_get(false);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    first_fd = fd;
    seen_call_release(&seen);
    input.len = 0;
    begin_get(true);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    HTTP_UNTIL(is_closed());
    close(first_fd);
}
END_TEST

START_TEST(the_last_call_for_a_while_takes_over_a_kept_connection_and_does_not_keep_it)
{
    begin_get(false);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    seen_call_release(&seen);
    input.len = 0;
    seen_call_start(&seen,
                    &(struct fy_call_spec){.method = "GET", .url = url, .is_last = true, .connect_timeout_ms = 2000});
    HTTP_UNTIL(has_input("\r\n\r\n"));
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(raw_accept(listen_fd), -1);
    HTTP_UNTIL(is_closed());
}
END_TEST

START_TEST(how_long_an_answer_took_counts_from_the_request)
{
    const uint64_t pause_ns = 30000000;
    uint64_t begin_ns = http_clock_ns(), asked_ns;

    begin_get(false);
    asked_ns = http_clock_ns();
    while (http_clock_ns() < asked_ns + pause_ns)
        fy_http_run_once(http_net, 1);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_uint_ge(seen.took_ns, pause_ns);
    ck_assert_uint_le(seen.took_ns, http_clock_ns() - begin_ns);
}
END_TEST

/* The kernel of a server that died after the last answer resets the kept connection when the next request comes. */
START_TEST(a_kept_connection_that_died_is_replaced_without_an_error)
{
    const char *body = "again";

    begin_get(false);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    seen_call_release(&seen);
    input.len = 0;
    seen_call_post(&seen, url, body, strlen(body));
    HTTP_UNTIL(has_input("again")); /* curl took the old connection */
    raw_reset(fd);
    HTTP_UNTIL(is_accepted());
    input = (struct raw_input){.len = 0};
    HTTP_UNTIL(has_input("again"));
    answer("HTTP/1.1 204 No Content\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(seen.status, 204);
}
END_TEST

#define LONG_LEN ((size_t)100 << 10) /* so long that curl does not copy it */

/* A body of 'z' that ends with "last". */
static struct {
    size_t n_read;
    int n_rewinds;
} source;

static size_t read_source(void *arg, uint8_t *buf, size_t cap)
{
    size_t n = cap < LONG_LEN - source.n_read ? cap : LONG_LEN - source.n_read;

    (void)arg;
    for (size_t i = 0; i < n; i++, source.n_read++)
        buf[i] = source.n_read < LONG_LEN - 4 ? 'z' : (uint8_t) "last"[source.n_read - (LONG_LEN - 4)];
    return n;
}

static void rewind_source(void *arg)
{
    (void)arg;
    source.n_read = 0;
    source.n_rewinds++;
}

/* Post spec on a kept connection, which is reset in the middle of its body. */
static void check_sent_again(const struct fy_call_spec *spec)
{
    size_t n_received = 0;

    begin_get(false);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    seen_call_release(&seen);
    input.len = 0;
    seen_call_start(&seen, spec);
    HTTP_UNTIL(has_input("\r\n\r\nzzz"));
    raw_reset(fd);
    HTTP_UNTIL(is_accepted());
    input = (struct raw_input){.len = 0};
    HTTP_UNTIL(has_input("\r\n\r\n"));
    n_received = input.len - (size_t)(strstr(input.text, "\r\n\r\n") + 4 - input.text);
    while (n_received < LONG_LEN) {
        input.len = 0;
        fy_http_run_once(http_net, 1);
        raw_receive(fd, &input);
        n_received += input.len;
    }
    ck_assert_uint_eq(n_received, LONG_LEN);
    ck_assert_int_eq(memcmp(input.text + input.len - 4, "last", 4), 0);
    answer("HTTP/1.1 204 No Content\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
}

START_TEST(a_long_body_is_sent_again_on_the_connection_that_replaces_a_dead_one)
{
    char *body = malloc(LONG_LEN);

    memset(body, 'z', LONG_LEN);
    memcpy(body + LONG_LEN - 4, "last", 4);
    check_sent_again(&(struct fy_call_spec){
        .method = "POST", .url = url, .body = body, .body_len = LONG_LEN, .connect_timeout_ms = 2000});
    free(body);
}
END_TEST

START_TEST(so_is_one_that_its_owner_reads_again)
{
    check_sent_again(&(struct fy_call_spec){.method = "POST",
                                            .url = url,
                                            .read_body = read_source,
                                            .rewind_body = rewind_source,
                                            .body_len = LONG_LEN,
                                            .connect_timeout_ms = 2000});
    ck_assert_int_eq(source.n_rewinds, 1);
    ck_assert_uint_eq(source.n_read, LONG_LEN);
}
END_TEST

/* ---- Cancelling ---- */

/* Is it a socket whose other end is what fd names? */
static bool is_other_end(int candidate)
{
    struct sockaddr_storage far = {.ss_family = AF_UNSPEC}, near = {.ss_family = AF_UNSPEC};
    socklen_t far_len = sizeof(far), near_len = sizeof(near);

    return getpeername(candidate, (struct sockaddr *)&far, &far_len) == 0 &&
           getsockname(fd, (struct sockaddr *)&near, &near_len) == 0 && far_len == near_len && candidate != fd &&
           memcmp(&far, &near, far_len) == 0;
}

/* A program that the host starts would hold the connection open when we have closed it, or have died. */
START_TEST(a_connection_is_not_left_to_other_programs)
{
    size_t n_seen = 0;

    begin_get(true);
    for (int candidate = 0; candidate < 256; candidate++) {
        if (is_other_end(candidate)) {
            ck_assert_int_eq(fcntl(candidate, F_GETFD), FD_CLOEXEC);
            n_seen++;
        }
    }
    ck_assert_uint_eq(n_seen, 1);
}
END_TEST

START_TEST(a_server_that_never_answers_is_left_by_cancelling)
{
    begin_get(true);
    http_turn_for_ms(20);
    fy_call_cancel(seen.call);
    seen.call = NULL;
    HTTP_UNTIL(is_closed());
    ck_assert_int_eq(seen.n_ends, 0);
    fy_call_cancel(NULL);
}
END_TEST

START_TEST(a_call_may_be_cancelled_before_the_loop_turns)
{
    seen_call_get(&seen, url, true);
    fy_call_cancel(seen.call);
    seen.call = NULL;
    http_turn_for_ms(10);
    ck_assert_int_eq(raw_accept(listen_fd), -1);
    ck_assert_int_eq(seen.n_ends, 0);
}
END_TEST

static const char *cancel_at;

static void cancel_both(struct seen_call *call, const char *event)
{
    if (strcmp(event, cancel_at) != 0)
        return;
    fy_call_cancel(call->call);
    call->call = NULL;
    fy_call_cancel(other.call);
    other.call = NULL;
}

/* Another call, in mid-body, so long that it is lent. */
static void *begin_other(void)
{
    size_t len = 4 << 20;
    void *body = calloc(1, len);

    seen_call_post(&other, url, body, len);
    HTTP_UNTIL((fd = raw_accept(listen_fd)) >= 0);
    HTTP_UNTIL(has_input("\r\n\r\n"));
    input.len = 0;
    return body;
}

static void cancel_in_event(const char *event, const char *text)
{
    void *body = begin_other();
    int other_fd = fd;

    cancel_at = event;
    seen.then = cancel_both;
    begin_get(true);
    raw_send_text(fd, text);
    HTTP_UNTIL(!other.call);
    free(body); /* it must not be read from now on */
    http_turn_for_ms(10);
    ck_assert_int_eq(seen.n_ends, strcmp(event, "end") == 0);
    ck_assert_int_eq(other.n_ends, 0);
    HTTP_UNTIL(is_closed());
    close(other_fd);
}

START_TEST(calls_may_be_cancelled_in_on_head)
{
    cancel_in_event("head", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    ck_assert_uint_eq(seen.body.len, 0);
}
END_TEST

START_TEST(calls_may_be_cancelled_in_on_body)
{
    cancel_in_event("body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n");
    ck_assert(seen_bytes_equal(&seen.body, "ab"));
}
END_TEST

START_TEST(calls_may_be_cancelled_in_on_end)
{
    cancel_in_event("end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    ck_assert(seen_bytes_equal(&seen.body, "ab"));
}
END_TEST

static void call_again(struct seen_call *call, const char *event)
{
    (void)call;
    if (!other.call && other.n_ends == 0)
        seen_call_get(&other, url, true);
    if (strcmp(event, cancel_at) == 0)
        ck_assert_int_eq(other.n_heads, 0); /* nothing comes from inside the call */
}

static void call_in_event(const char *event)
{
    int first_fd;

    cancel_at = event;
    seen.then = call_again;
    begin_get(true);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    first_fd = fd;
    HTTP_UNTIL(is_accepted());
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    HTTP_UNTIL(other.n_ends > 0);
    ck_assert_int_eq(other.err, FERRY_OK);
    close(first_fd);
}

START_TEST(a_call_may_begin_in_on_head)
{
    call_in_event("head");
}
END_TEST

START_TEST(a_call_may_begin_in_on_end)
{
    call_in_event("end");
}
END_TEST

static void call_what_cannot_be_called(struct seen_call *call, const char *event)
{
    static const struct fy_call_events none = {.on_head = NULL};
    struct fy_call *never;

    (void)call;
    (void)event;
    ck_assert_int_eq(fy_net_call(http_net, &(struct fy_call_spec){.method = "GET", .url = "https://127.0.0.1:1"}, &none,
                                 NULL, &never),
                     FERRY_ERR_TLS_CONFIG);
}

/* Its handle is released while curl is calling back about another. */
START_TEST(a_call_that_cannot_begin_is_refused_in_every_event)
{
    seen.then = call_what_cannot_be_called;
    begin_get(false);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    HTTP_UNTIL(seen.n_ends > 0);
    ck_assert_int_eq(seen.err, FERRY_OK);
}
END_TEST

/* ---- Memory ---- */

#define LITTLE ((size_t)1 << 10) /* that curl may keep of a call in general tables */

/* The net again, with what curl allocates under the test's eyes. */
static void begin_counting(void)
{
    teardown();
    curl_heap_setup();
    setup();
}

START_TEST(a_stream_that_stands_holds_nothing_of_curls)
{
    size_t before, with_two;

    begin_counting();
    before = curl_heap_live();
    seen_call_get(&seen, url, true);
    HTTP_UNTIL(is_accepted());
    seen_call_get(&other, url, true); /* is not answered, and so keeps the multi handle */
    HTTP_UNTIL(has_input("\r\n\r\n"));
    with_two = curl_heap_live();
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    HTTP_UNTIL(seen.body.len == 1);
    ck_assert_uint_lt(curl_heap_live() + (8 << 10), with_two);
    seen_call_release(&other);
    HTTP_UNTIL(curl_heap_live() <= before + LITTLE);
    raw_send_text(fd, "1\r\nb\r\n0\r\n\r\n");
    HTTP_UNTIL(has_ended());
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert(seen_bytes_equal(&seen.body, "ab"));
    curl_heap_teardown();
}
END_TEST

START_TEST(curl_is_there_again_when_the_next_call_begins)
{
    size_t before;

    begin_counting();
    before = curl_heap_live();
    for (int i = 0; i < 2; i++) {
        begin_get(true);
        ck_assert_uint_gt(curl_heap_live(), before + LITTLE);
        answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        ck_assert_int_eq(seen.status, 200);
        seen_call_release(&seen);
        close(fd);
        input = (struct raw_input){.len = 0};
        HTTP_UNTIL(curl_heap_live() <= before + LITTLE);
    }
    fd = -1;
    curl_heap_teardown();
}
END_TEST

START_TEST(a_call_without_memory_for_curl_is_refused)
{
    static const struct fy_call_events none = {.on_head = NULL};
    struct fy_call_spec spec = {.method = "GET", .url = url, .own_connection = true};
    bool has_failed = true;
    long nth = 0;

    begin_counting();
    for (; has_failed; nth++) {
        struct fy_call *call = NULL;
        int err;

        curl_heap_fail_at(nth);
        err = fy_net_call(http_net, &spec, &none, NULL, &call);
        has_failed = curl_heap_has_failed();
        curl_heap_fail_at(-1);
        ck_assert_int_eq(err, has_failed ? FERRY_ERR_NOMEM : FERRY_OK);
        if (call)
            fy_call_cancel(call);
    }
    ck_assert_int_gt(nth, 10);
    begin_get(true);
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(seen.err, FERRY_OK);
    curl_heap_teardown();
}
END_TEST

/* ---- When curl itself has no memory ---- */

#define MAX_SERVED 16

static int served[MAX_SERVED];
static size_t n_served;

/* Accept what comes, and answer each request. */
static void serve_all(void)
{
    int new_fd;

    while (n_served < MAX_SERVED && (new_fd = raw_accept(listen_fd)) >= 0)
        served[n_served++] = new_fd;
    for (size_t i = 0; i < n_served; i++) {
        static struct raw_input request;

        request = (struct raw_input){.len = 0};
        raw_receive(served[i], &request);
        if (strstr(request.text, "\r\n\r\n"))
            raw_send_text(served[i], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
}

static void stop_serving(void)
{
    for (size_t i = 0; i < n_served; i++)
        close(served[i]);
    n_served = 0;
}

static void assert_ended(const struct seen_call *call)
{
    ck_assert_int_eq(call->n_ends, 1);
    if (call->err == FERRY_OK)
        ck_assert(seen_bytes_equal(&call->body, "ok"));
    else
        ck_assert_str_ne(call->detail, "");
}

/* A stream and a whole call at once, while the nth allocation of curl's fails.  Did it come to that? */
static bool call_with_curl_failing(long nth)
{
    bool has_failed;

    seen_call_get(&seen, url, true);
    seen_call_post(&other, url, "body", 4);
    curl_heap_fail_at(nth);
    while (seen.n_ends == 0 || other.n_ends == 0) {
        serve_all();
        fy_http_run_once(http_net, 1);
    }
    has_failed = curl_heap_has_failed();
    curl_heap_fail_at(-1);
    assert_ended(&seen);
    assert_ended(&other);
    seen_call_release(&seen);
    seen_call_release(&other);
    return has_failed;
}

/* Its tables are in disorder then: what it is asked next would make it crash. */
START_TEST(a_failed_allocation_inside_curl_ends_its_calls_alone)
{
    begin_counting();
    for (long nth = 0; call_with_curl_failing(nth); nth++) {
        seen_call_get(&seen, url, true);
        seen_call_post(&other, url, "body", 4);
        while (seen.n_ends == 0 || other.n_ends == 0) {
            serve_all();
            fy_http_run_once(http_net, 1);
        }
        ck_assert_msg(seen.err == FERRY_OK && other.err == FERRY_OK, "after allocation %ld: %s, %s", nth, seen.detail,
                      other.detail);
        seen_call_release(&seen);
        seen_call_release(&other);
        stop_serving();
    }
    stop_serving();
    curl_heap_teardown();
}
END_TEST

START_TEST(a_call_without_memory_is_refused)
{
    const struct fy_header header = {"X-A", "b"};
    static const struct fy_call_events none = {.on_head = NULL};
    struct fy_call_spec spec = {.method = "GET", .url = url, .headers = &header, .n_headers = 1};
    struct fy_call *call = NULL;
    int err = FERRY_ERR_NOMEM;
    long nth = 0;

    for (; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_net_call(http_net, &spec, &none, NULL, &call);
        heap_fail_at(-1);
        ck_assert(err == FERRY_OK || !call);
    }
    ck_assert_int_gt(nth, 1);
    ck_assert_int_eq(err, FERRY_OK);
    fy_call_cancel(call);
}
END_TEST

START_TEST(an_answer_without_memory_ends_the_call_with_that_error)
{
    int err = FERRY_ERR_NOMEM;
    long nth = 0;

    for (; err == FERRY_ERR_NOMEM; nth++) {
        seen = (struct seen_call){.call = NULL};
        if (fd >= 0)
            close(fd);
        input = (struct raw_input){.len = 0};
        begin_get(true);
        raw_send_text(fd, "HTTP/1.1 200 OK\r\nX-Test: 1\r\nContent-Length: 0\r\n\r\n");
        http_fail_until(nth, has_ended);
        err = seen.err;
        ck_assert_int_eq(seen.n_heads, err == FERRY_OK);
    }
    ck_assert_int_ge(nth, 3);
    ck_assert_int_eq(err, FERRY_OK);
}
END_TEST

int main(void)
{
    return rig_main(
        "http_client", setup, teardown, a_full_stream_leaves_other_sockets_their_turn, so_does_one_without_chunks,
        a_stream_is_read_to_where_its_owner_has_room, a_stream_in_another_coding_is_no_business_of_ours,
        a_refusal_in_chunks_is_read_to_its_end, a_stream_that_stands_ends_as_it_is_ended,
        a_stream_that_had_its_share_may_be_cancelled, a_stream_that_had_its_share_may_be_cancelled_as_it_goes_on,
        a_full_stream_that_is_cut_brings_what_came_before, a_get_carries_its_own_headers_and_no_others,
        a_post_carries_its_body_and_its_length, a_post_may_be_empty,
        a_head_may_come_byte_by_byte_after_informational_ones, a_head_is_told_before_any_body_byte,
        a_body_may_end_with_the_connection, redirects_are_not_followed,
        a_server_that_closes_without_an_answer_is_an_end_of_file, a_server_that_resets_without_an_answer_is_a_reset,
        a_chunked_body_that_is_cut_is_an_end_of_file, a_chunked_body_that_is_cut_between_chunks_is_an_end_of_file,
        a_body_of_known_length_that_is_cut_is_an_end_of_file, a_body_that_is_reset_is_a_reset,
        a_malformed_chunk_breaks_the_protocol, garbage_breaks_the_protocol, an_endless_head_breaks_the_protocol,
        a_refused_connection_is_told_as_such, a_shortage_of_descriptors_is_told_as_such,
        connecting_takes_no_longer_than_it_may, only_connecting_is_timed, only_http_is_called, a_name_is_looked_up,
        a_lookup_that_hangs_times_out_and_delays_no_other_call, a_call_whose_lookup_hangs_is_cancelled_at_once,
        a_proxy_of_the_environment_is_not_used, a_name_is_looked_up_for_every_new_connection,
        a_connection_is_kept_for_the_next_call, a_connection_is_kept_though_there_is_no_call_for_a_while,
        a_connection_of_its_own_is_neither_taken_over_nor_kept,
        the_last_call_for_a_while_takes_over_a_kept_connection_and_does_not_keep_it,
        how_long_an_answer_took_counts_from_the_request, a_kept_connection_that_died_is_replaced_without_an_error,
        a_long_body_is_sent_again_on_the_connection_that_replaces_a_dead_one, so_is_one_that_its_owner_reads_again,
        a_connection_is_not_left_to_other_programs, a_server_that_never_answers_is_left_by_cancelling,
        a_call_may_be_cancelled_before_the_loop_turns, calls_may_be_cancelled_in_on_head,
        calls_may_be_cancelled_in_on_body, calls_may_be_cancelled_in_on_end, a_call_may_begin_in_on_head,
        a_call_may_begin_in_on_end, a_call_that_cannot_begin_is_refused_in_every_event,
        a_call_without_memory_is_refused, a_stream_that_stands_holds_nothing_of_curls,
        curl_is_there_again_when_the_next_call_begins, a_failed_allocation_inside_curl_ends_its_calls_alone,
        a_call_without_memory_for_curl_is_refused, an_answer_without_memory_ends_the_call_with_that_error, NULL);
}
