/*
 * it_routes - the embedder's own paths on the peer port.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"

#define BYTES(text) text, sizeof(text) - 1
#define VERSION_JSON "{\"etcdserver\":\"3.4.0\",\"etcdcluster\":\"3.4.0\"}"

static struct member member;
static unsigned n_freed;
static char contexts[8][16];
static size_t n_contexts;

static void setup(void)
{
    member_init(&member, 1);
    ck_assert_int_eq(ferry_transport_new(&member.config, &member.t), FERRY_OK);
    n_freed = 0;
}

static void teardown(void)
{
    member_release(&member);
}

static void on_version(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    ck_assert_ptr_eq(ctx, &member);
    ck_assert_int_eq(res->status, 200);
    ck_assert_str_eq(res->content_type, "text/plain; charset=utf-8");
    ck_assert_str_eq(req->path, "/version");
    res->content_type = "application/json";
    res->body = (struct ferry_bytes){(const uint8_t *)VERSION_JSON, strlen(VERSION_JSON)};
}

static void free_counted(void *body)
{
    free(body);
    n_freed++;
}

/* Says what it was asked, for the test to compare. */
static void on_echo(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    size_t size = 512 + req->body.len;
    char *text = malloc(size);

    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(strncmp(req->remote, "127.0.0.1:", 10), 0);
    res->status = 201;
    res->body.len = (size_t)snprintf(text, size, "%s|%s|%s|%s|%.*s", (const char *)ctx, req->method, req->path,
                                     req->query, (int)req->body.len, (const char *)req->body.data);
    res->body.data = (uint8_t *)text;
    res->free_body = free_counted;
}

static void on_silent(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    (void)ctx;
    (void)req;
    res->status = 204;
}

static void handle(const char *path, ferry_http_fn *fn, const char *ctx)
{
    char *own = contexts[n_contexts++];

    snprintf(own, sizeof(contexts[0]), "%s", ctx);
    ck_assert_int_eq(ferry_transport_handle(member.t, path, fn, own), FERRY_OK);
}

static struct fake_answer ask(const char *request, size_t len)
{
    struct fake_answer answer;

    fake_ask(member_url(&member), request, len, &answer, patience_ms(5000));
    return answer;
}

static void check(const char *request, size_t len, int status, const char *body)
{
    struct fake_answer answer = ask(request, len);

    ck_assert_msg(answer.status == status, "%s: %d", request, answer.status);
    ck_assert_msg(answer.body_len == strlen(body) && memcmp(answer.body, body, answer.body_len) == 0, "%s: \"%s\"",
                  request, answer.body);
}

START_TEST(a_route_answers_what_its_handler_says)
{
    struct fake_answer answer;

    ck_assert_int_eq(ferry_transport_handle(member.t, "/version", on_version, &member), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    answer = ask(BYTES("GET /version HTTP/1.1\r\nHost: x\r\n\r\n"));
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, VERSION_JSON);
    ck_assert_str_eq(fake_answer_header(&answer, "Content-Type"), "application/json");
    check(BYTES("GET /version HTTP/1.0\r\n\r\n"), 200, VERSION_JSON);
}
END_TEST

START_TEST(the_longest_match_wins)
{
    handle("/members", on_echo, "members");
    handle("/members/", on_echo, "below");
    handle("/members/promote/", on_echo, "promote");
    handle("/", on_echo, "root");
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    check(BYTES("GET /members HTTP/1.1\r\nHost: x\r\n\r\n"), 201, "members|GET|/members||");
    check(BYTES("GET /members/ HTTP/1.1\r\nHost: x\r\n\r\n"), 201, "below|GET|/members/||");
    check(BYTES("GET /members/7 HTTP/1.1\r\nHost: x\r\n\r\n"), 201, "below|GET|/members/7||");
    check(BYTES("GET /members/promote HTTP/1.1\r\nHost: x\r\n\r\n"), 201, "below|GET|/members/promote||");
    check(BYTES("GET /members/promote/7?a=b&c HTTP/1.1\r\nHost: x\r\n\r\n"), 201,
          "promote|GET|/members/promote/7|a=b&c|");
    check(BYTES("GET /membership HTTP/1.1\r\nHost: x\r\n\r\n"), 201, "root|GET|/membership||");
    ck_assert_uint_eq(n_freed, 6);
}
END_TEST

START_TEST(methods_and_bodies_reach_the_handler)
{
    handle("/echo", on_echo, "echo");
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    check(BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"), 201, "echo|POST|/echo||hello");
    check(BYTES("PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
          201, "echo|PUT|/echo||hello");
    check(BYTES("GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"), 201, "echo|GET|/echo||{}");
    check(BYTES("DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n"), 201, "echo|DELETE|/echo||");
    ck_assert_uint_eq(n_freed, 4);
}
END_TEST

START_TEST(a_connection_is_kept_from_one_request_to_the_next)
{
    struct fake_answer answer;
    int fd;

    handle("/echo", on_echo, "echo");
    handle("/silent", on_silent, "");
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    fd = fake_dial(member_url(&member), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert(fake_send(fd, BYTES("GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")));
        fake_read_answer(fd, &answer, patience_ms(5000));
        ck_assert_int_eq(answer.status, 204);
        ck_assert(fake_send(fd, BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")));
        fake_read_answer(fd, &answer, patience_ms(5000));
        ck_assert_int_eq(answer.status, 201);
        ck_assert_str_eq(answer.body, "echo|POST|/echo||x");
    }
    close(fd);
}
END_TEST

START_TEST(an_unknown_path_is_not_found)
{
    struct fake_answer answer;

    member_stop(&member);
    member.config.serve_metrics = member.config.serve_debug_peers = false;
    ck_assert_int_eq(ferry_transport_new(&member.config, &member.t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_handle(member.t, "/version", on_version, &member), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    check(BYTES("GET /debug/peers HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "404 page not found\n");
    check(BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "404 page not found\n");
    check(BYTES("GET /version/ HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "404 page not found\n");
    check(BYTES("GET /versions HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "404 page not found\n");
    check(BYTES("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), 404, "404 page not found\n");
    answer = ask(BYTES("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"));
    ck_assert_int_eq(answer.status, 404);
    ck_assert_str_eq(fake_answer_header(&answer, "Content-Type"), "text/plain; charset=utf-8");
    ck_assert_str_eq(fake_answer_header(&answer, "X-Content-Type-Options"), "nosniff");
}
END_TEST

START_TEST(a_body_of_more_than_a_mebibyte_is_refused)
{
    static char request[(1 << 20) + 200];
    struct fake_answer answer;
    size_t len;
    int fd;

    handle("/echo", on_echo, "");
    handle("/silent", on_silent, "");
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    len = (size_t)snprintf(request, sizeof(request), "POST /silent HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
                           1 << 20);
    memset(request + len, 'a', 1 << 20);
    check(request, len + (1 << 20), 204, "");

    len = (size_t)snprintf(request, sizeof(request), "POST /silent HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
                           (1 << 20) + 1);
    memset(request + len, 'a', (1 << 20) + 1);
    fd = fake_dial(member_url(&member), 0);
    (void)fake_send(fd, request, len + (1 << 20) + 1);
    fake_read_answer(fd, &answer, patience_ms(5000));
    ck_assert_msg(answer.status == 413 || (answer.status == 0 && answer.is_closed), "%d", answer.status);
    close(fd);
}
END_TEST

/* Ask /silent with so long a body until it is answered with status: what holds the budget comes and goes by itself. */
static void ask_until(size_t body_len, int status)
{
    uint64_t deadline = monotonic_ms() + patience_ms(5000);
    struct fake_answer answer = {.status = 0};
    char request[4096];
    size_t len = (size_t)snprintf(request, sizeof(request),
                                  "POST /silent HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", body_len);

    ck_assert_uint_le(len + body_len, sizeof(request));
    memset(request + len, 'a', body_len);
    while (answer.status != status) {
        ck_assert_msg(monotonic_ms() < deadline, "%d", answer.status);
        answer = ask(request, len + body_len);
    }
}

START_TEST(all_bodies_together_are_limited)
{
    static const char held[] = "POST /raft HTTP/1.1\r\nHost: x\r\nX-Server-Version: 3.4.0\r\n"
                               "X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: 1000\r\n"
                               "Content-Length: 4000\r\n\r\n";
    char part[2500] = {0};
    int fd;

    ferry_transport_free(member.t);
    member.config.max_receive_bytes = 5000;
    ck_assert_int_eq(ferry_transport_new(&member.config, &member.t), FERRY_OK);
    handle("/silent", on_silent, "silent");
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    ask_until(2500, 204);
    fd = fake_dial(member_url(&member), 0);
    ck_assert(fake_send(fd, held, sizeof(held) - 1));
    ck_assert(fake_send(fd, part, sizeof(part)));
    ask_until(2500, 503);
    ask_until(100, 503); /* less than the smallest room is left */
    close(fd);
    ask_until(2500, 204);
}
END_TEST

START_TEST(a_route_that_cannot_be_is_refused)
{
    ck_assert_int_eq(ferry_transport_handle(member.t, "version", on_silent, NULL), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_handle(member.t, "", on_silent, NULL), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_handle(member.t, "/raft", on_silent, NULL), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_handle(member.t, "/raft/", on_silent, NULL), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_handle(member.t, "/raft/mine", on_silent, NULL), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_handle(member.t, "/rafting", on_silent, NULL), FERRY_OK);
    ck_assert_int_eq(ferry_transport_handle(member.t, "/rafting", on_silent, NULL), FERRY_ERR_EXISTS);
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_handle(member.t, "/late", on_silent, NULL), FERRY_ERR_STATE);
    check(BYTES("GET /rafting HTTP/1.1\r\nHost: x\r\n\r\n"), 204, "");
    check(BYTES("GET /late HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "404 page not found\n");
}
END_TEST

START_TEST(a_host_serves_its_routes_in_its_own_loop)
{
    struct fake_answer answer = {0};
    int fd;

    member_release(&member);
    member_init(&member, 1);
    member.config.delivery = FERRY_DELIVER_HOST;
    ck_assert_int_eq(ferry_transport_new(&member.config, &member.t), FERRY_OK);
    handle("/echo", on_echo, "host");
    ck_assert_int_eq(ferry_transport_start(member.t), FERRY_OK);
    fd = fake_dial(member_url(&member), 0);
    ck_assert(fake_send(fd, BYTES("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")));
    for (uint64_t end = monotonic_ms() + patience_ms(5000); n_freed == 0 && monotonic_ms() < end;)
        ck_assert_int_eq(ferry_transport_run(member.t, 10), FERRY_OK);
    ck_assert_uint_eq(n_freed, 1);
    for (int i = 0; i < 3 && answer.status == 0; i++) {
        ck_assert_int_eq(ferry_transport_run(member.t, 10), FERRY_OK);
        fake_read_answer(fd, &answer, 100);
    }
    ck_assert_int_eq(answer.status, 201);
    ck_assert_str_eq(answer.body, "host|GET|/echo||");
    close(fd);
}
END_TEST

int main(void)
{
    return rig_main("routes", setup, teardown, a_route_answers_what_its_handler_says, the_longest_match_wins,
                    methods_and_bodies_reach_the_handler, a_connection_is_kept_from_one_request_to_the_next,
                    an_unknown_path_is_not_found, a_body_of_more_than_a_mebibyte_is_refused,
                    all_bodies_together_are_limited, a_route_that_cannot_be_is_refused,
                    a_host_serves_its_routes_in_its_own_loop, NULL);
}
