/*
 * check_http_smuggling - requests that two HTTP parsers may cut differently are refused, and their connection closed.
 *
 * Behind each request stands a good one, which the server must not serve: it may be the smuggled one.  What must be
 * refused holds for every libmicrohttpd from 0.9.75 on.
 *
 * Not seen with libmicrohttpd before 1.0, which replaces line ends by NUL bytes before anybody else can see them:
 *   - a NUL byte right before a bare LF, in a header's line: it looks like CR LF;
 *   - a bare LF before the request line, behind a chunk or its size, or in a trailer.
 */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/http_rig.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"

#define NEXT "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define REQUEST(text) text, sizeof(text) - 1 /* which may contain NUL bytes */
#define LONG_HEAD ((size_t)24 << 10)
#define PIECE ((size_t)3) /* the server limits the number of pieces of a head */

struct sample {
    const char *name;
    const char *text;
    size_t len;
};

static struct fy_listener *listener;
static int fd = -1;
static struct raw_input input;
static int n_requests;

static struct fy_request *request;

/* Answered at the end of the body, after which the connection may be kept. */
static void on_body_end(void *arg)
{
    (void)arg;
    fy_request_reply(request, 200, NULL, 0, "hello", 5);
}

static void serve(void *arg, struct fy_request *req)
{
    static const struct fy_request_events events = {.on_body_end = on_body_end};

    (void)arg;
    n_requests++;
    request = req;
    fy_request_set_events(req, &events, NULL);
}

static void setup(void)
{
    http_setup();
    listener = http_listen(serve, NULL);
}

static void disconnect(void)
{
    if (fd >= 0)
        close(fd);
    fd = -1;
}

static void teardown(void)
{
    disconnect();
    fy_listener_close(listener);
    http_teardown();
}

static void connect_anew(void)
{
    disconnect();
    fd = raw_connect(fy_listener_url(listener));
    input = (struct raw_input){.len = 0};
    n_requests = 0;
}

static bool is_closed(void)
{
    raw_receive(fd, &input);
    return input.is_closed;
}

static size_t n_answers(void)
{
    size_t n = 0;

    raw_receive(fd, &input);
    for (const char *at = input.text; (at = strstr(at, "hello")); at++)
        n++;
    return n;
}

/* ---- What is refused ---- */

static const struct sample refused[] = {
    {"length and chunks", REQUEST(POST "Content-Length: 5\r\n" CHUNKED "\r\n0\r\n\r\n")},
    {"chunks and length", REQUEST(POST CHUNKED "Content-Length: 5\r\n\r\n0\r\n\r\n")},
    {"lower-case length and chunks", REQUEST(POST "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")},
    {"the same length twice", REQUEST(POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab")},
    {"two lengths", REQUEST(POST "Content-Length: 2\r\nContent-Length: 0\r\n\r\nab")},
    {"two lengths, the first 0", REQUEST(POST "Content-Length: 0\r\ncontent-length: 2\r\n\r\nab")},
    {"a list of lengths", REQUEST(POST "Content-Length: 2, 2\r\n\r\nab")},
    {"a length with plus", REQUEST(POST "Content-Length: +2\r\n\r\nab")},
    {"a negative length", REQUEST(POST "Content-Length: -2\r\n\r\nab")},
    {"a length with a blank inside", REQUEST(POST "Content-Length: 2 2\r\n\r\nab")},
    {"a hexadecimal length", REQUEST(POST "Content-Length: 0x2\r\n\r\nab")},
    {"a length behind a vertical tab", REQUEST(POST "Content-Length: \v2\r\n\r\nab")},
    {"an empty length", REQUEST(POST "Content-Length:\r\n\r\n")},
    {"identity", REQUEST(POST "Transfer-Encoding: identity\r\n\r\n")},
    {"gzip, chunked", REQUEST(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")},
    {"chunked twice in a line", REQUEST(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n")},
    {"chunked in two lines", REQUEST(POST CHUNKED CHUNKED "\r\n0\r\n\r\n")},
    {"chunked and identity", REQUEST(POST CHUNKED "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n")},
    {"identity and chunked", REQUEST(POST "Transfer-Encoding: identity\r\n" CHUNKED "\r\n0\r\n\r\n")},
    {"another coding", REQUEST(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")},
    {"chunked with a parameter", REQUEST(POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n")},
    {"chunked in quotes", REQUEST(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n")},
    {"chunked behind a vertical tab", REQUEST(POST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n")},
    {"an empty coding", REQUEST(POST "Transfer-Encoding:\r\n\r\n")},
    {"chunks in HTTP/1.0", REQUEST("POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" CHUNKED "\r\n0\r\n\r\n")},

    {"a space before the colon", REQUEST(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")},
    {"a tab before the colon", REQUEST(POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n")},
    {"a length with a space before the colon", REQUEST(POST "Content-Length : 2\r\n\r\nab")},
    {"a space in a name", REQUEST(POST "X A: 1\r\n\r\n")},
    {"a control character in a name", REQUEST(POST "X\x01: 1\r\n\r\n")},
    {"no name", REQUEST(POST ": 1\r\n\r\n")},
    {"no colon", REQUEST(POST "Content-Length\r\n\r\n")},
    {"a space before the first header", REQUEST("GET / HTTP/1.1\r\n Host: h\r\n\r\n")},
    {"a tab before the first header", REQUEST("GET / HTTP/1.1\r\n\tX-A: 1\r\nHost: h\r\n\r\n")},

    {"a folded value", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n 2\r\nX-B: 3\r\n\r\n")},
    {"a folded first header", REQUEST("GET / HTTP/1.1\r\nX-A: 1\r\n\t2\r\nHost: h\r\n\r\n")},
    {"a folded last header", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n 2\r\n\r\n")},
    {"a folded coding", REQUEST(POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")},
    {"a folded length", REQUEST(POST "Content-Length: 0\r\n\t2\r\n\r\nab")},
    {"a line of blanks", REQUEST("GET / HTTP/1.1\r\nHost: h\r\n \r\nX-B: 3\r\n\r\n")},
    {"a last line of blanks", REQUEST("GET / HTTP/1.1\r\nHost: h\r\n \r\n\r\n")},

    {"LF behind the request line", REQUEST("GET / HTTP/1.1\nHost: h\r\n\r\n")},
    {"LF behind a header", REQUEST("GET / HTTP/1.1\r\nHost: h\nX-A: 1\r\n\r\n")},
    {"LF behind the last header", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\n\r\n")},
    {"LF as the empty line", REQUEST("GET / HTTP/1.1\r\nHost: h\r\n\n")},
    {"LF everywhere", REQUEST("GET / HTTP/1.1\nHost: h\n\n")},
    {"two LF and NUL bytes", REQUEST(POST "Content-Length: 2\n\n\0\0")},
    {"CR in a value", REQUEST(POST "X-A: 1\rContent-Length: 2\r\n\r\n")},
    {"CR in a name", REQUEST(POST "X-A\r: 1\r\n\r\n")},
    {"CR twice", REQUEST(POST "X-A: 1\r\r\n\r\n")},

    {"no Host", REQUEST("GET / HTTP/1.1\r\nX-A: 1\r\n\r\n")},
    {"no header at all", REQUEST("GET / HTTP/1.1\r\n\r\n")},
    {"the same Host twice", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n")},
    {"two Hosts", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nhost: i\r\n\r\n")},
    {"two Hosts in HTTP/1.0", REQUEST("GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: h\r\nhost: i\r\n\r\n")},

    {"NUL in a value", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\0002\r\n\r\n")},
    {"NUL in the first value", REQUEST("GET / HTTP/1.1\r\nHost: h\0i\r\nX-A: 1\r\n\r\n")},
    {"NUL at a value's end", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\0\r\n\r\n")},
    {"NUL at a value's beginning", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A:\0 1\r\n\r\n")},
    {"NUL in a name", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX\0A: 1\r\n\r\n")},
    {"a tab in a path", REQUEST("GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"CR in a path", REQUEST("GET /a\rb HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"a method that is no token", REQUEST("GE(T / HTTP/1.1\r\nHost: h\r\n\r\n")},
};

/* The table's request and the next one are in one write, so the server has both when it judges the first. */
static void send_with_next(const struct sample *sample)
{
    char both[4096];

    ck_assert_uint_lt(sample->len + strlen(NEXT), sizeof(both));
    memcpy(both, sample->text, sample->len);
    memcpy(both + sample->len, NEXT, strlen(NEXT));
    raw_send(fd, both, sample->len + strlen(NEXT));
}

static bool is_over(void)
{
    return is_closed() || n_requests > 0;
}

static bool has_status(const char *status)
{
    return strncmp(input.text, "HTTP/1.", 7) == 0 && strncmp(input.text + 9, status, 3) == 0;
}

/* 501 is what libmicrohttpd since 1.0.10 answers to an unknown coding. */
static void expect_refused(const struct sample *sample)
{
    connect_anew();
    send_with_next(sample);
    HTTP_UNTIL(is_over());
    ck_assert_msg(n_requests == 0, "%s: served", sample->name);
    ck_assert_msg(has_status("400") || has_status("501"), "%s: not refused but: %s", sample->name, input.text);
    ck_assert_msg(!strstr(input.text, " 200 "), "%s: a second answer: %s", sample->name, input.text);
    ck_assert_msg(!input.is_reset, "%s: reset", sample->name);
}

START_TEST(a_request_that_can_be_read_in_two_ways_is_refused)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        expect_refused(&refused[i]);
}
END_TEST

/* libmicrohttpd finds these before we can, and some versions close without an answer. */
static const struct sample ended[] = {
    {"NUL in a path", REQUEST("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"NUL at a path's end", REQUEST("GET /a\0 HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"NUL in a query", REQUEST("GET /a?b\0c HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"two spaces before a path", REQUEST("GET  / HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"two spaces behind a path", REQUEST("GET /  HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"NUL in a method", REQUEST("GE\0T / HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"a space in a path", REQUEST("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n")},
};

START_TEST(a_request_line_that_can_be_read_in_two_ways_ends_the_connection)
{
    for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++) {
        connect_anew();
        send_with_next(&ended[i]);
        HTTP_UNTIL(is_over());
        ck_assert_msg(n_requests == 0, "%s: served", ended[i].name);
        ck_assert_msg(input.len == 0 || has_status("400"), "%s: %s", ended[i].name, input.text);
    }
}
END_TEST

START_TEST(a_refused_request_follows_a_good_one)
{
    connect_anew();
    raw_send_text(fd, NEXT POST CHUNKED "Content-Length: 5\r\n\r\n0\r\n\r\n" NEXT);
    HTTP_UNTIL(is_closed());
    ck_assert_int_eq(n_requests, 1);
    ck_assert_uint_eq(n_answers(), 1);
    ck_assert_ptr_nonnull(strstr(input.text, " 400 "));
}
END_TEST

START_TEST(a_refusal_without_memory_ends_the_connection)
{
    static const struct sample sample = {"two Hosts", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n")};
    long nth = 0;

    for (;; nth++) {
        connect_anew();
        send_with_next(&sample);
        http_fail_until(nth, is_over);
        ck_assert_int_eq(n_requests, 0);
        if (input.len > 0)
            break;
    }
    ck_assert(has_status("400"));
    ck_assert_int_ge(nth, 1);
}
END_TEST

/* ---- What is served ---- */

static const struct sample served[] = {
    {"no value", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A:\r\nX-B: \t \r\nX-C: 1\r\n\r\n")},
    {"no value at the end", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A:\r\n\r\n")},
    {"an empty Host", REQUEST("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
    {"lower-case names", REQUEST("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab")},
    {"no blank behind the colon", REQUEST("POST / HTTP/1.1\r\nHost:h\r\nContent-Length:2\r\n\r\nab")},
    {"blanks around a value", REQUEST("GET / HTTP/1.1\r\nHost: \t h \t\r\nX-A:\t1 2\t3  \r\nX-B: 4\r\n\r\n")},
    {"characters of a token in a name", REQUEST("GET / HTTP/1.1\r\nHost: h\r\n!#$%&'*+-.^_`|~0aZ: 1\r\n\r\n")},
    {"Latin-1 and UTF-8 in a value", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A: \xe9 \xc3\xa9\r\n\r\n")},
    {"colons in a value", REQUEST("GET / HTTP/1.1\r\nHost: h:80\r\nX-A: :a: b\r\n\r\n")},
    {"a header twice", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\n\r\n")},
    {"cookies", REQUEST("GET / HTTP/1.1\r\nHost: h\r\nCookie: a=b; c=\"d\"\r\nX-A: 1\r\n\r\n")},
    {"zeros before a length", REQUEST(POST "Content-Length: 002\r\n\r\nab")},
    {"a length of 0", REQUEST(POST "Content-Length: 0\r\n\r\n")},
    {"chunks", REQUEST(POST "Transfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")},
    {"a trailer", REQUEST(POST CHUNKED "Trailer: X-A\r\n\r\n02\r\nab\r\n0\r\nX-A: 1\r\n\r\n")},
    {"an empty line before the request", REQUEST("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"an empty query", REQUEST("GET /a? HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"a query", REQUEST("GET /%20a?b=1&c=%41+2&d&? HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"a whole URL as target", REQUEST("GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"a method of its own", REQUEST("M-SEARCH * HTTP/1.1\r\nHost: h\r\n\r\n")},
    {"curl", REQUEST("PUT /a HTTP/1.1\r\nHost: 127.0.0.1:2380\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
                     "Content-Length: 2\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nab")},
    {"Go", REQUEST("POST /raft HTTP/1.1\r\nHost: 127.0.0.1:2380\r\nUser-Agent: Go-http-client/1.1\r\n"
                   "Content-Length: 2\r\nContent-Type: application/protobuf\r\nX-Etcd-Cluster-Id: cdf818194e3a8c32\r\n"
                   "X-Min-Cluster-Version: 3.0.0\r\nX-Peerurls: http://127.0.0.1:1,http://[::1]:2\r\n"
                   "X-Raft-To: 2\r\nX-Server-From: 1\r\nX-Server-Version: 3.5.0\r\nAccept-Encoding: gzip\r\n\r\nab")},
};

static void expect_two_answers(const char *name)
{
    HTTP_UNTIL(is_closed() || n_answers() == 2);
    ck_assert_msg(n_requests == 2 && n_answers() == 2, "%s: %s", name, input.text);
    ck_assert_msg(!is_closed(), "%s: closed", name);
}

START_TEST(what_is_odd_but_legal_is_served)
{
    for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
        connect_anew();
        send_with_next(&served[i]);
        expect_two_answers(served[i].name);
    }
}
END_TEST

START_TEST(what_is_odd_but_legal_may_come_in_small_pieces)
{
    for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
        connect_anew();
        for (size_t at = 0; at < served[i].len; at += PIECE) {
            size_t left = served[i].len - at;

            raw_send(fd, served[i].text + at, left < PIECE ? left : PIECE);
            fy_http_run_once(http_net, 0);
            fy_http_run_once(http_net, 0);
        }
        HTTP_UNTIL(is_closed() || n_answers() == 1);
        raw_send_text(fd, NEXT);
        expect_two_answers(served[i].name);
    }
}
END_TEST

/* libmicrohttpd 1.0.1 takes the LF behind an extension for the first byte of the chunk. */
START_TEST(a_chunk_may_have_an_extension)
{
    static const struct sample sample = {"a chunk's extension",
                                         REQUEST(POST CHUNKED "\r\n2;a=b;c=\"d\"\r\nab\r\n0;e\r\n\r\n")};

    if (strcmp(MHD_get_version(), "1.0.1") == 0)
        return;
    connect_anew();
    send_with_next(&sample);
    expect_two_answers(sample.name);
}
END_TEST

START_TEST(a_long_head_is_served)
{
    char *head = malloc(LONG_HEAD);
    size_t len;

    ck_assert_ptr_nonnull(head);
    len = (size_t)snprintf(head, LONG_HEAD, "GET /a?b HTTP/1.1\r\nHost: h\r\n");
    while (len < LONG_HEAD - 200)
        len += (size_t)snprintf(head + len, LONG_HEAD - len, "X-%zu: %0150d\r\n", len, 1);
    len += (size_t)snprintf(head + len, LONG_HEAD - len, "\r\n");
    connect_anew();
    raw_send(fd, head, len);
    free(head);
    HTTP_UNTIL(is_closed() || n_answers() == 1);
    raw_send_text(fd, NEXT);
    expect_two_answers("a long head");
}
END_TEST

int main(void)
{
    return rig_main("http_smuggling", setup, teardown, a_request_that_can_be_read_in_two_ways_is_refused,
                    a_request_line_that_can_be_read_in_two_ways_ends_the_connection,
                    a_refused_request_follows_a_good_one, a_refusal_without_memory_ends_the_connection,
                    what_is_odd_but_legal_is_served, what_is_odd_but_legal_may_come_in_small_pieces,
                    a_chunk_may_have_an_extension, a_long_head_is_served, NULL);
}
