/*
 * check_http_upgrade - the server's end of an upgraded connection on real sockets, with a client that is made of bare
 * system calls, or of OpenSSL.  Each test runs over both.
 */
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/http_rig.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"
#include "net/tls/tls.h"

#define MAX_BYTES ((size_t)4 << 20)
#define N_KINDS 2
#define HEAD "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\nX-Test: yes\r\n\r\n"

static uint8_t pattern[MAX_BYTES];

/* ---- The server's end ---- */

enum deed { NOTHING, ABORT, END, CLOSE };

static struct fy_listener *listener;
static struct fy_tls *tls;
static struct {
    struct fy_request *req; /* it waits for its upgrade */
    struct fy_duplex *duplex;
    size_t out_len, n_sent;
    uint8_t *in;
    size_t in_len;
    int n_ends;
    int err;
    int n_requests;
    int n_gone;
    const char *then_at; /* "handler", "gather", "sent", "data": what to do in that event */
    enum deed then;
    bool is_late; /* the upgrade comes when the test wants it */
    bool has_room;
    size_t n_roomed;
} server;
static uint8_t room[1000];

static void do_then(const char *event)
{
    enum deed then = server.then;

    if (!server.then_at || strcmp(server.then_at, event) != 0 || !server.duplex)
        return;
    server.then = NOTHING;
    if (then == ABORT) {
        fy_duplex_abort(server.duplex);
        server.duplex = NULL;
    } else if (then == END) {
        fy_duplex_end(server.duplex);
    } else if (then == CLOSE) {
        fy_listener_close(listener);
        listener = NULL;
    }
}

static void server_gather(void *arg, struct fy_gather *g)
{
    (void)arg;
    do_then("gather");
    if (server.duplex)
        fy_gather_add(g, pattern + server.n_sent, server.out_len - server.n_sent);
}

static void server_sent(void *arg, size_t n)
{
    (void)arg;
    server.n_sent += n;
    do_then("sent");
}

static void server_on_data(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    if (server.in_len + len > MAX_BYTES || !server.duplex)
        ck_abort_msg("unexpected bytes");
    server.n_roomed += data == room ? len : 0;
    memcpy(server.in + server.in_len, data, len);
    server.in_len += len;
    do_then("data");
}

static uint8_t *server_room(void *arg, size_t *ret_cap)
{
    (void)arg;
    *ret_cap = sizeof(room);
    return server.has_room ? room : NULL;
}

static void server_on_end(void *arg, int err, const char *detail)
{
    (void)arg;
    if (!server.duplex || !detail)
        ck_abort_msg("unexpected end");
    server.n_ends++;
    server.err = err;
    server.duplex = NULL;
}

static void server_on_gone(void *arg)
{
    (void)arg;
    server.req = NULL;
    server.n_gone++;
}

static void upgrade(struct fy_request *req)
{
    static const struct fy_header headers[] = {{"Connection", "Upgrade"}, {"Upgrade", "test"}, {"X-Test", "yes"}};
    static const struct fy_duplex_events events = {.gather = server_gather,
                                                   .sent = server_sent,
                                                   .on_data = server_on_data,
                                                   .room = server_room,
                                                   .on_end = server_on_end};

    server.duplex = fy_request_upgrade(req, headers, 3, &events, NULL);
}

static void serve(void *arg, struct fy_request *req)
{
    static const struct fy_request_events events = {.on_gone = server_on_gone};

    (void)arg;
    server.n_requests++;
    if (server.is_late) {
        server.req = req;
        fy_request_set_events(req, &events, NULL);
        return;
    }
    upgrade(req);
    do_then("handler");
}

static void send_more(size_t len)
{
    server.out_len += len;
    fy_duplex_wake(server.duplex);
}

/* ---- The client's ---- */

static struct {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    uint8_t *in;
    size_t in_len;
    size_t n_sent;
    bool is_ended; /* it has seen the server's end */
    bool is_reset;
} client;

/* Around calls of OpenSSL alone, which writes with a signal: the server's end has to do without. */
static void ignore_sigpipe(bool does)
{
    (void)signal(SIGPIPE, does ? SIG_IGN : SIG_DFL);
}

static ssize_t client_result(int n)
{
    int err = SSL_get_error(client.ssl, n);

    ignore_sigpipe(false);
    if (n > 0)
        return n;
    if (err == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

static void receive(void)
{
    uint8_t *to = client.in + client.in_len;
    ssize_t n;

    ERR_clear_error();
    ignore_sigpipe(client.ssl != NULL);
    if (client.ssl)
        n = client_result(SSL_read(client.ssl, to, (int)(MAX_BYTES + 4096 - client.in_len)));
    else
        n = recv(client.fd, to, MAX_BYTES + 4096 - client.in_len, MSG_DONTWAIT);
    if (n > 0)
        client.in_len += (size_t)n;
    else if (n == 0)
        client.is_ended = true;
    else if (errno != EAGAIN)
        client.is_reset = true;
}

/* Send on, up to len bytes of the pattern in all.  true: they are sent. */
static bool has_sent(size_t len)
{
    size_t left = len - client.n_sent < 16384 ? len - client.n_sent : 16384;
    ssize_t n;

    if (left == 0)
        return true;
    ERR_clear_error();
    ignore_sigpipe(client.ssl != NULL);
    if (client.ssl)
        n = client_result(SSL_write(client.ssl, pattern + client.n_sent, (int)left));
    else
        n = send(client.fd, pattern + client.n_sent, left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        client.n_sent += (size_t)n;
    return client.n_sent == len;
}

static bool has_shaken_hands(void)
{
    ERR_clear_error();
    return !client.ssl || client_result(SSL_do_handshake(client.ssl)) == 1;
}

static void client_send_text(const char *text)
{
    ignore_sigpipe(client.ssl != NULL);
    if (client.ssl)
        (void)client_result(SSL_write(client.ssl, text, (int)strlen(text)));
    else
        raw_send_text(client.fd, text);
}

static void client_end(void)
{
    ignore_sigpipe(true);
    if (client.ssl)
        (void)SSL_shutdown(client.ssl);
    ignore_sigpipe(false);
    (void)shutdown(client.fd, SHUT_WR);
}

static void client_close(void)
{
    SSL_free(client.ssl);
    client.ssl = NULL;
    if (client.fd >= 0)
        close(client.fd);
    client.fd = -1;
}

static void connect_client(void)
{
    char url[128];

    snprintf(url, sizeof(url), "http://%s", strstr(fy_listener_url(listener), "//") + 2);
    client.fd = raw_connect(url);
    if (client.ctx) {
        client.ssl = SSL_new(client.ctx);
        ck_assert_int_eq(SSL_set_fd(client.ssl, client.fd), 1);
        SSL_set_connect_state(client.ssl);
        SSL_set_mode(client.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
}

static bool has_head(void)
{
    receive();
    return client.in_len >= strlen(HEAD);
}

static bool has_received(size_t len)
{
    receive();
    return client.in_len == strlen(HEAD) + len;
}

static bool sees_end(void)
{
    receive();
    return client.is_ended || client.is_reset;
}

/* ---- The rig ---- */

static struct fy_tls *new_tls(void)
{
    struct ferry_tls_config cfg;
    struct fy_tls *made = http_tls_new(&cfg);

    client.ctx = SSL_CTX_new(TLS_client_method());
    ck_assert_int_eq(SSL_CTX_use_certificate_file(client.ctx, cfg.cert_file, SSL_FILETYPE_PEM), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(client.ctx, cfg.key_file, SSL_FILETYPE_PEM), 1);
    return made;
}

#define PATIENT_MS 10000 /* a write timeout that a machine standing still does not reach */

static bool is_impatient; /* the test waits for the write timeout */

static void begin(int kind)
{
    struct fy_http_config cfg = *http_default_config();
    char detail[128];

    for (size_t i = 0; i < MAX_BYTES; i++)
        pattern[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
    if (!is_impatient)
        cfg.write_timeout_ms = PATIENT_MS;
    cfg.tls = tls = kind ? new_tls() : NULL;
    client.in = malloc(MAX_BYTES + 4096);
    server.in = malloc(MAX_BYTES);
    client.fd = -1;
    http_setup_with(&cfg);
    ck_assert_int_eq(fy_net_listen(http_net, kind ? "https://127.0.0.1:0" : "http://127.0.0.1:0", serve, NULL,
                                   &listener, detail, sizeof(detail)),
                     FERRY_OK);
}

static void ask(void)
{
    connect_client();
    HTTP_UNTIL(has_shaken_hands());
    client_send_text("GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n");
}

static void open_both(int kind)
{
    begin(kind);
    ask();
    HTTP_UNTIL(has_head());
    ck_assert_int_eq(memcmp(client.in, HEAD, strlen(HEAD)), 0);
}

static void finish(void)
{
    fy_duplex_abort(server.duplex);
    client_close();
    http_turn_for_ms(20);
    fy_listener_close(listener);
    SSL_CTX_free(client.ctx);
    http_teardown();
    fy_tls_free(tls);
    free(client.in);
    free(server.in);
}

static bool client_matches(void)
{
    return memcmp(client.in + strlen(HEAD), pattern, client.in_len - strlen(HEAD)) == 0;
}

/* ---- Tests ---- */

START_TEST(the_answer_has_the_handlers_headers_and_no_others)
{
    open_both(_i);
    http_turn_for_ms(20);
    receive();
    ck_assert_uint_eq(client.in_len, strlen(HEAD));
    ck_assert_int_eq(server.n_ends, 0);
    finish();
}
END_TEST

START_TEST(an_upgrade_may_come_later)
{
    begin(_i);
    server.is_late = true;
    ask();
    HTTP_UNTIL(server.req);
    http_turn_for_ms(20);
    upgrade(server.req);
    HTTP_UNTIL(has_head());
    client_send_text("hi");
    HTTP_UNTIL(server.in_len == 2);
    finish();
}
END_TEST

START_TEST(bytes_go_both_ways_at_once_and_arrive_whole)
{
    open_both(_i);
    send_more(MAX_BYTES);
    HTTP_UNTIL(
        (has_sent(MAX_BYTES), receive(), server.in_len == MAX_BYTES && client.in_len == strlen(HEAD) + MAX_BYTES));
    ck_assert(client_matches());
    ck_assert_int_eq(memcmp(server.in, pattern, MAX_BYTES), 0);
    ck_assert_uint_eq(server.n_sent, MAX_BYTES);
    finish();
}
END_TEST

START_TEST(bytes_are_put_where_the_user_has_room)
{
    open_both(_i);
    server.has_room = true;
    HTTP_UNTIL((has_sent(100000), server.in_len == 100000));
    ck_assert_int_eq(memcmp(server.in, pattern, 100000), 0);
    ck_assert_uint_eq(server.n_roomed, 100000);
    finish();
}
END_TEST

START_TEST(a_pause_holds_the_client_back)
{
    open_both(_i);
    fy_duplex_pause(server.duplex);
    http_turn_for_ms(5);
    has_sent(1000);
    http_turn_for_ms(50);
    ck_assert_uint_eq(server.in_len, 0);
    send_more(1000); /* the other direction goes on */
    HTTP_UNTIL(has_received(1000));
    fy_duplex_resume(server.duplex);
    HTTP_UNTIL(server.in_len == 1000);
    finish();
}
END_TEST

START_TEST(a_reset_is_noticed_in_a_pause)
{
    open_both(_i);
    fy_duplex_pause(server.duplex);
    http_turn_for_ms(5);
    raw_reset(client.fd);
    client.fd = -1;
    HTTP_UNTIL(server.n_ends > 0);
    ck_assert_int_eq(server.err, FERRY_ERR_RESET);
    finish();
}
END_TEST

/* How many bytes are on their way when the client takes none: over TLS with the record that the session keeps. */
static size_t measure_way(void)
{
    size_t n = 0;

    for (int n_same = 0; n_same < 10; n_same = server.n_sent == n ? n_same + 1 : 0) {
        n = server.n_sent;
        http_turn_for_ms(5);
    }
    return n;
}

static void fill_the_way(void)
{
    send_more(MAX_BYTES);
    server.out_len = measure_way();
}

static void open_again(void)
{
    fy_duplex_abort(server.duplex);
    client_close();
    server.out_len = server.n_sent = client.in_len = 0;
    server.n_ends = 0;
    client.is_ended = client.is_reset = false;
    ask();
    HTTP_UNTIL(has_head());
}

START_TEST(an_end_flushes_and_then_ends)
{
    open_both(_i);
    send_more(MAX_BYTES);
    fy_duplex_end(server.duplex);
    HTTP_UNTIL(sees_end());
    ck_assert(!client.is_reset);
    ck_assert_uint_eq(client.in_len, strlen(HEAD) + MAX_BYTES);
    ck_assert(client_matches());
    ck_assert_int_eq(server.n_ends, 0);
    client_end();
    HTTP_UNTIL(server.n_ends > 0);
    ck_assert_int_eq(server.err, FERRY_OK);
    finish();
}
END_TEST

static in_port_t port_of(int fd, int (*get_name)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_in addr = {.sin_port = 0};
    socklen_t len = sizeof(addr);

    return get_name(fd, (struct sockaddr *)&addr, &len) == 0 ? addr.sin_port : 0;
}

/* The kernel takes nothing more of the server's until the client has read most of what it holds. */
static void shut_the_way(void)
{
    int fd = 3, least = 1;

    while (port_of(fd, getpeername) != port_of(client.fd, getsockname))
        ck_assert_int_lt(++fd, 1024);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
}

/* Over TLS the end has a notice, without which OpenSSL calls it an error. */
START_TEST(an_end_behind_a_full_buffer_is_whole)
{
    size_t len;

    open_both(_i);
    fill_the_way();
    len = server.out_len - 100000;
    open_again();
    send_more(len);
    HTTP_UNTIL(server.n_sent == len);
    shut_the_way();
    fy_duplex_end(server.duplex);
    http_turn_for_ms(20);
    HTTP_UNTIL(sees_end());
    ck_assert(!client.is_reset);
    ck_assert_uint_eq(client.in_len, strlen(HEAD) + len);
    finish();
}
END_TEST

START_TEST(an_end_that_the_client_does_not_answer_is_given_up)
{
    is_impatient = true;
    open_both(_i);
    fy_duplex_end(server.duplex);
    HTTP_UNTIL(server.n_ends > 0);
    ck_assert_int_eq(server.err, FERRY_ERR_TIMEOUT);
    finish();
}
END_TEST

START_TEST(the_clients_end_is_an_end)
{
    open_both(_i);
    client_send_text("last");
    client_end();
    HTTP_UNTIL(server.n_ends > 0);
    ck_assert_int_eq(server.err, FERRY_ERR_EOF);
    ck_assert_uint_eq(server.in_len, 4);
    HTTP_UNTIL(sees_end());
    finish();
}
END_TEST

START_TEST(an_abort_is_seen_by_the_client)
{
    open_both(_i);
    fy_duplex_abort(server.duplex);
    server.duplex = NULL;
    HTTP_UNTIL(sees_end());
    ck_assert_int_eq(server.n_ends, 0);
    finish();
}
END_TEST

START_TEST(a_client_that_takes_nothing_is_given_up)
{
    is_impatient = true;
    open_both(_i);
    send_more(MAX_BYTES);
    HTTP_UNTIL(server.n_ends > 0);
    ck_assert_int_eq(server.err, FERRY_ERR_TIMEOUT);
    finish();
}
END_TEST

/* A machine that stood still until the write timeout proves nothing: another try. */
static bool has_received_all_in_time(void)
{
    if (server.n_ends > 0) {
        open_again();
        fill_the_way();
    }
    return has_received(server.out_len) && server.n_ends == 0;
}

/* The last record waits inside the TLS session, so that no write of ours follows when the client takes it. */
START_TEST(a_client_that_takes_all_late_is_kept)
{
    is_impatient = true;
    open_both(_i);
    fill_the_way();
    HTTP_UNTIL(has_received_all_in_time());
    http_turn_for_ms(http_default_config()->write_timeout_ms * 3 / 2);
    ck_assert_int_eq(server.n_ends, 0);
    finish();
}
END_TEST

START_TEST(closing_the_listener_ends_it)
{
    open_both(_i);
    fy_listener_close(listener);
    listener = NULL;
    ck_assert_int_eq(server.n_ends, 1);
    ck_assert_int_eq(server.err, FERRY_ERR_EOF);
    HTTP_UNTIL(sees_end());
    finish();
}
END_TEST

/* Ended, aborted, or its listener closed, in each event. */
START_TEST(it_may_be_ended_in_its_events)
{
    static const char *const events[] = {"handler", "gather", "sent", "data"};
    static const enum deed deeds[] = {END, ABORT, CLOSE};
    int kind = _i % N_KINDS;

    begin(kind);
    server.then_at = events[_i / N_KINDS % 4];
    server.then = deeds[_i / N_KINDS / 4];
    ask();
    HTTP_UNTIL((receive(), has_head() || client.is_ended || client.is_reset));
    if (server.duplex) {
        send_more(10);
        if (!client.is_ended && !client.is_reset)
            client_send_text("hi");
    }
    HTTP_UNTIL(sees_end());
    client_end();
    HTTP_UNTIL(!server.duplex);
    finish();
}
END_TEST

static bool has_answer_or_end(void)
{
    receive();
    return client.is_ended || client.is_reset || client.in_len >= strlen(HEAD) + 10;
}

static void serve_ten(void *arg, struct fy_request *req)
{
    serve(arg, req);
    if (server.duplex)
        send_more(10);
}

START_TEST(an_upgrade_survives_every_failed_allocation)
{
    long nth = 0;

    begin(0);
    fy_listener_close(listener);
    listener = http_listen(serve_ten, NULL);
    for (;; nth++) {
        server.out_len = server.n_sent = 0;
        client.in_len = 0;
        client.is_ended = client.is_reset = false;
        ask();
        http_fail_until(nth, has_answer_or_end);
        if (client.in_len == strlen(HEAD) + 10)
            break;
        client_close();
    }
    ck_assert_int_ge(nth, 3);
    ck_assert(client_matches());
    finish();
}
END_TEST

static void add_tests(TCase *tcase)
{
    static const TTest **const tests[] = {&the_answer_has_the_handlers_headers_and_no_others,
                                          &an_upgrade_may_come_later,
                                          &bytes_go_both_ways_at_once_and_arrive_whole,
                                          &bytes_are_put_where_the_user_has_room,
                                          &a_pause_holds_the_client_back,
                                          &a_reset_is_noticed_in_a_pause,
                                          &an_end_flushes_and_then_ends,
                                          &an_end_behind_a_full_buffer_is_whole,
                                          &an_end_that_the_client_does_not_answer_is_given_up,
                                          &the_clients_end_is_an_end,
                                          &an_abort_is_seen_by_the_client,
                                          &a_client_that_takes_nothing_is_given_up,
                                          &a_client_that_takes_all_late_is_kept,
                                          &closing_the_listener_ends_it};

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_loop_test(tcase, *tests[i], 0, N_KINDS);
    tcase_add_loop_test(tcase, it_may_be_ended_in_its_events, 0, N_KINDS * 4 * 3);
    tcase_add_test(tcase, an_upgrade_survives_every_failed_allocation);
}

int main(void)
{
    static const struct rig_case cases[] = {{"http_upgrade", add_tests}, {NULL, NULL}};

    return rig_main_cases("http_upgrade", NULL, NULL, cases);
}
