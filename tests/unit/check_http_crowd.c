/*
 * check_http_crowd - a listener with more clients than allowed, and clients that send no valid requests.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/heap.h"
#include "harness/http_rig.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"

#define MAX_CONNECTIONS 5
#define GRACE_MS 150 /* after so long a connection may be closed for another, if it may be at all */
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define LONG_HEAD_BYTES 60000
#define LIMIT_BYTES 8192

static struct fy_listener *listener;
static struct raw_input input;
static int fd;

/* The handler: answers /answered at once, streams /streamed, pauses the body of /paused and takes any other. */
static int n_requests;
static struct seen_request seen[8];
static struct fy_outflow *out;

static void gather_nothing(void *arg, struct fy_gather *g)
{
    (void)arg;
    (void)g;
}

static void on_outflow_gone(void *arg, int err)
{
    (void)arg;
    (void)err;
    out = NULL;
}

static const struct fy_outflow_source source = {.gather = gather_nothing, .on_gone = on_outflow_gone};

static void on_request(void *arg, struct fy_request *req)
{
    struct seen_request *one = &seen[n_requests];

    (void)arg;
    ck_assert_uint_lt((size_t)n_requests, sizeof(seen) / sizeof(seen[0]));
    n_requests++;
    if (strcmp(fy_request_path(req), "/answered") == 0) {
        fy_request_reply(req, 200, NULL, 0, "hello", 5);
        return;
    }
    if (strcmp(fy_request_path(req), "/streamed") == 0) {
        out = fy_request_stream(req, NULL, 0, &source, NULL);
        return;
    }
    one->req = req;
    fy_request_set_events(req, &seen_request_events, one);
    if (strcmp(fy_request_path(req), "/paused") == 0)
        fy_request_pause_body(req);
}

static void setup(void)
{
    struct fy_http_config cfg = *http_default_config();

    cfg.max_connections = MAX_CONNECTIONS;
    cfg.idle_timeout_s = 2;
    http_setup_with(&cfg);
    listener = http_listen(on_request, NULL);
    input = (struct raw_input){.len = 0};
    n_requests = 0;
    memset(seen, 0, sizeof(seen));
    fd = -1;
}

static void teardown(void)
{
    fy_outflow_abort(out);
    fy_listener_close(listener);
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
        free(seen[i].body.data);
    if (fd >= 0)
        close(fd);
    http_teardown();
}

/* ---- Who has to go ---- */

static int come(const char *text)
{
    int newcomer = raw_connect(fy_listener_url(listener));
    int at_once = 1;

    ck_assert_int_eq(setsockopt(newcomer, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once)), 0);
    raw_send_text(newcomer, text);
    return newcomer;
}

/* One whose request is seen, or for whom it can be seen that it is not. */
static int come_and_be_heard(const char *text)
{
    int n = n_requests + 1;
    int newcomer = come(text);

    HTTP_UNTIL(n_requests == n);
    return newcomer;
}

static bool is_closed(int client)
{
    char byte;
    ssize_t n = recv(client, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

static void read_all(int client)
{
    static struct raw_input thrown_away;

    thrown_away.len = 0;
    raw_receive(client, &thrown_away);
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

START_TEST(the_silent_go_first_then_half_heads_then_the_idle_and_never_who_waits)
{
    int waiting = come_and_be_heard(GET("/waiting")); /* the longer they are here, the less they can be missed */
    int streamed = come_and_be_heard(GET("/streamed"));
    int idle = come_and_be_heard(GET("/answered"));
    int half_head = come("GET /");
    int silent = come("");
    int newcomers[4];

    http_turn_for_ms(GRACE_MS);
    read_all(streamed);
    read_all(idle);
    newcomers[0] = come_and_be_heard(GET("/1"));
    ck_assert(is_closed(silent) && !is_closed(half_head) && !is_closed(idle));
    newcomers[1] = come_and_be_heard(GET("/2"));
    ck_assert(is_closed(half_head) && !is_closed(idle));
    newcomers[2] = come_and_be_heard(GET("/3"));
    ck_assert(is_closed(idle));
    newcomers[3] = come(GET("/4"));
    http_turn_for_ms(2 * GRACE_MS);
    ck_assert_int_eq(n_requests, 6);
    for (int i = 0; i < 4; i++)
        ck_assert(!is_closed(newcomers[i]));
    ck_assert(!is_closed(waiting) && !is_closed(streamed));
    raw_reset(waiting); /* a place is free by itself */
    HTTP_UNTIL(n_requests == 7);
    close_all((int[]){streamed, idle, half_head, silent}, 4);
    close_all(newcomers, 4);
}
END_TEST

START_TEST(of_two_alike_the_older_goes)
{
    int fds[MAX_CONNECTIONS];
    int newcomers[MAX_CONNECTIONS];

    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        fds[i] = come(i % 2 == 0 ? "" : "GET /");
        http_turn_for_ms(5);
    }
    http_turn_for_ms(GRACE_MS);
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        static const int order[MAX_CONNECTIONS] = {0, 2, 4, 1, 3};

        newcomers[i] = come_and_be_heard(GET("/answered"));
        for (int j = 0; j < MAX_CONNECTIONS; j++)
            ck_assert_int_eq(is_closed(fds[order[j]]), j <= i);
    }
    close_all(fds, MAX_CONNECTIONS);
    close_all(newcomers, MAX_CONNECTIONS);
}
END_TEST

START_TEST(a_newcomer_waits_while_all_are_new)
{
    int fds[MAX_CONNECTIONS];
    uint64_t begin_ns = http_clock_ns();
    int newcomer;

    for (int i = 0; i < MAX_CONNECTIONS; i++)
        fds[i] = come("");
    newcomer = come(GET("/answered"));
    HTTP_UNTIL(n_requests == 1);
    ck_assert_uint_ge(http_clock_ns() - begin_ns, UINT64_C(90000000));
    ck_assert(is_closed(fds[0]));
    close(newcomer);
    close_all(fds, MAX_CONNECTIONS);
}
END_TEST

static void trickle_until_closed(const int *fds, size_t n, int victim, int newcomer)
{
    uint64_t begin_ns = http_clock_ns();

    while (!is_closed(fds[victim])) {
        ck_assert_uint_lt(http_clock_ns() - begin_ns, UINT64_C(8000000000));
        for (size_t i = 0; i < n; i++)
            (void)!send(fds[i], "a", 1, MSG_NOSIGNAL);
        http_turn_for_ms(100);
    }
    ck_assert_uint_ge(http_clock_ns() - begin_ns, UINT64_C(900000000)); /* of the second that a stranger has */
    read_all(newcomer);
}

START_TEST(a_body_that_trickles_makes_room_and_one_that_is_held_back_does_not)
{
    static const char *const heads[] = {"/paused", "/waiting", "/waiting", "/trickled", "/streamed"};
    int fds[MAX_CONNECTIONS];
    int newcomer;

    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        char text[128];
        bool has_body = i == 0 || i == 3;

        snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", heads[i],
                 has_body ? 9999 : 0);
        fds[i] = come_and_be_heard(text);
    }
    read_all(fds[4]);
    newcomer = come(GET("/answered"));
    trickle_until_closed((int[]){fds[0], fds[3]}, 2, 1, newcomer);
    HTTP_UNTIL(n_requests == MAX_CONNECTIONS + 1);
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        ck_assert_int_eq(is_closed(fds[i]), i == 3);
    ck_assert_int_eq(seen[3].n_gone, 1);
    ck_assert_int_eq(seen[0].n_gone, 0);
    close(newcomer);
    close_all(fds, MAX_CONNECTIONS);
}
END_TEST

/* ---- What is of no use ---- */

static bool has_input(const char *text)
{
    raw_receive(fd, &input);
    return strstr(input.text, text) != NULL;
}

static bool is_over(void)
{
    raw_receive(fd, &input);
    return input.is_closed;
}

/* In pieces, with a turn after each, as long as the connection stands.  How many bytes went. */
static size_t send_in_pieces(size_t n_bytes, size_t piece)
{
    static char much[LONG_HEAD_BYTES];
    size_t n_sent = 0;

    memset(much, 'a', sizeof(much));
    while (n_sent < n_bytes && !is_over() && send(fd, much, piece, MSG_NOSIGNAL) == (ssize_t)piece) {
        n_sent += piece;
        http_turn_for_ms(1);
    }
    return n_sent;
}

START_TEST(a_head_that_does_not_end_is_refused_at_its_limit)
{
    size_t n_sent;

    fd = come("GET / HTTP/1.1\r\nX-Long: ");
    n_sent = send_in_pieces(10 * LIMIT_BYTES, 500);
    HTTP_UNTIL(is_over());
    ck_assert_uint_ge(n_sent, LIMIT_BYTES - 1000);
    ck_assert_uint_le(n_sent, LIMIT_BYTES + 2000);
    ck_assert_ptr_nonnull(strstr(input.text, "HTTP/1.1 431 "));
    ck_assert_int_eq(n_requests, 0);
}
END_TEST

START_TEST(a_head_of_many_lines_is_refused_at_the_same_limit)
{
    fd = come("GET / HTTP/1.1\r\n");
    for (int i = 0; i < 2 * LIMIT_BYTES / 10 && !is_over(); i += 10) {
        for (int line = 0; line < 10; line++)
            (void)!send(fd, "X-A: bcd\r\n", 10, MSG_NOSIGNAL);
        http_turn_for_ms(1);
    }
    HTTP_UNTIL(is_over());
    ck_assert_int_eq(n_requests, 0);
}
END_TEST

START_TEST(a_long_head_that_comes_at_once_and_then_byte_by_byte_is_refused)
{
    static char much[LONG_HEAD_BYTES];

    memset(much, 'a', sizeof(much));
    fd = come("GET / HTTP/1.1\r\nX-Long: ");
    raw_send(fd, much, sizeof(much));
    http_turn_for_ms(5);
    ck_assert_uint_le(send_in_pieces(100, 1), 3);
    HTTP_UNTIL(is_over());
}
END_TEST

START_TEST(the_next_head_on_a_connection_may_not_trickle)
{
    fd = come_and_be_heard(GET("/answered"));
    HTTP_UNTIL(has_input("hello"));
    raw_send_text(fd, "GET / HTTP/1.1\r\nX-Long: ");
    ck_assert_uint_le(send_in_pieces(100, 1), 20);
    HTTP_UNTIL(is_over());
    ck_assert_int_eq(n_requests, 1);
}
END_TEST

START_TEST(a_next_head_behind_a_long_body_may_come_in_two_pieces)
{
    static char body[30000];

    memset(body, 'a', sizeof(body));
    fd = come_and_be_heard("POST /taken HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n");
    raw_send(fd, body, sizeof(body));
    HTTP_UNTIL(seen[0].n_body_ends == 1);
    fy_request_reply(seen[0].req, 200, NULL, 0, "first", 5);
    raw_send_text(fd, "GET /answered HTTP/1.1\r\nHo");
    HTTP_UNTIL(has_input("first"));
    http_turn_for_ms(5);
    raw_send_text(fd, "st: h\r\n\r\n");
    HTTP_UNTIL(has_input("hello"));
    ck_assert_int_eq(n_requests, 2);
}
END_TEST

START_TEST(trailers_that_do_not_end_break_the_request)
{
    fd = come_and_be_heard("POST /taken HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    HTTP_UNTIL(seen[0].body.len == 2);
    raw_send_text(fd, "0\r\nX-Trailer: ");
    (void)send_in_pieces(2 * LIMIT_BYTES, 600);
    HTTP_UNTIL(is_over());
    ck_assert_int_eq(seen[0].n_gone, 1);
    ck_assert_int_eq(seen[0].n_body_ends, 0);
}
END_TEST

START_TEST(a_body_of_single_bytes_is_of_use)
{
    fd = come_and_be_heard("POST /taken HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n");
    ck_assert_uint_eq(send_in_pieces(500, 1), 500);
    HTTP_UNTIL(seen[0].n_body_ends == 1);
    fy_request_reply(seen[0].req, 200, NULL, 0, "hello", 5);
    HTTP_UNTIL(has_input("hello"));
}
END_TEST

START_TEST(what_comes_while_the_answer_is_awaited_is_not_judged)
{
    static char body[30000];

    memset(body, 'a', sizeof(body));
    fd = come_and_be_heard("POST /paused HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n");
    for (size_t i = 0; i < sizeof(body); i += 500) {
        raw_send(fd, body + i, 500);
        http_turn_for_ms(1);
    }
    ck_assert(!is_over());
    fy_request_resume_body(seen[0].req);
    HTTP_UNTIL(seen[0].n_body_ends == 1);
    ck_assert_uint_eq(seen[0].body.len, sizeof(body));
    fy_request_reply(seen[0].req, 200, NULL, 0, "hello", 5);
    HTTP_UNTIL(has_input("hello"));
}
END_TEST

int main(void)
{
    return rig_main(
        "http_crowd", setup, teardown, the_silent_go_first_then_half_heads_then_the_idle_and_never_who_waits,
        of_two_alike_the_older_goes, a_newcomer_waits_while_all_are_new,
        a_body_that_trickles_makes_room_and_one_that_is_held_back_does_not,
        a_head_that_does_not_end_is_refused_at_its_limit, a_head_of_many_lines_is_refused_at_the_same_limit,
        a_long_head_that_comes_at_once_and_then_byte_by_byte_is_refused, the_next_head_on_a_connection_may_not_trickle,
        a_next_head_behind_a_long_body_may_come_in_two_pieces, trailers_that_do_not_end_break_the_request,
        a_body_of_single_bytes_is_of_use, what_comes_while_the_answer_is_awaited_is_not_judged, NULL);
}
