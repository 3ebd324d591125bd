/*
 * check_curl_contract - what the client relies on and curl's documentation does not promise.
 *
 * These tests talk to curl alone.  One that fails names the version of curl that behaves in another way: the client has
 * to be looked at before it is used with it.
 */
#include <check.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness/certificates.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"

/* The sentence for a behaviour that has changed. */
#define promise(condition, ...) ck_assert_msg(condition, "with %s: %s", curl_version(), __VA_ARGS__)

#define MAX_WATCHED 64
#define PATIENCE_S 30

static struct pollfd watched[MAX_WATCHED];
static nfds_t n_watched;
static CURLM *multi;
static char url[64];
static int listen_fd;

/* ---- A loop around curl's multi-socket interface ---- */

static int loop_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    nfds_t i = 0;

    (void)easy;
    (void)arg;
    (void)socket_arg;
    while (i < n_watched && watched[i].fd != fd)
        i++;
    if (what == CURL_POLL_REMOVE) {
        if (i < n_watched)
            watched[i] = watched[--n_watched];
        return 0;
    }
    ck_assert_uint_lt(i, MAX_WATCHED);
    n_watched = i == n_watched ? n_watched + 1 : n_watched;
    watched[i].fd = fd;
    watched[i].events = (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    return 0;
}

static bool is_watched(int fd)
{
    for (nfds_t i = 0; i < n_watched; i++)
        if (watched[i].fd == fd)
            return true;
    return false;
}

static void loop_turn(void)
{
    struct pollfd now[MAX_WATCHED];
    nfds_t n = n_watched;
    int n_running;

    memcpy(now, watched, sizeof(now));
    (void)poll(now, n, 10);
    for (nfds_t i = 0; i < n; i++)
        if (now[i].revents)
            (void)curl_multi_socket_action(multi, now[i].fd,
                                           (now[i].revents & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
                                               (now[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
                                               (now[i].revents & POLLERR ? CURL_CSELECT_ERR : 0),
                                           &n_running);
    ck_assert_int_eq(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &n_running), CURLM_OK);
}

/* Turn until a transfer is done. */
static CURLcode loop_until_done(CURL *easy)
{
    time_t until = time(NULL) + PATIENCE_S;

    while (time(NULL) < until) {
        CURLMsg *msg;
        int n_left;

        loop_turn();
        while ((msg = curl_multi_info_read(multi, &n_left)))
            if (msg->easy_handle == easy)
                return msg->data.result;
    }
    ck_abort_msg("with %s: a transfer does not end", curl_version());
    return CURLE_FAILED_INIT;
}

static void setup(void)
{
    ck_assert_int_eq(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
    multi = curl_multi_init();
    ck_assert_ptr_nonnull(multi);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, loop_on_socket);
    listen_fd = raw_listen(16, url, sizeof(url));
    n_watched = 0;
}

static void teardown(void)
{
    close(listen_fd);
    (void)curl_multi_cleanup(multi);
    curl_global_cleanup();
}

static CURL *new_easy(const char *to)
{
    CURL *easy = curl_easy_init();

    ck_assert_ptr_nonnull(easy);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_URL, to);
    return easy;
}

static void free_easy(CURL *easy)
{
    (void)curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
}

static int accept_one(void)
{
    int fd = -1;

    for (time_t until = time(NULL) + PATIENCE_S; fd < 0 && time(NULL) < until;) {
        fd = raw_accept(listen_fd);
        if (fd < 0)
            (void)poll(&(struct pollfd){.fd = listen_fd, .events = POLLIN}, 1, 10);
    }
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Dial, as streams do; the server's end and, in *ret_fd, curl's. */
static CURL *dial(int *ret_server_fd, curl_socket_t *ret_fd)
{
    CURL *easy = new_easy(url);

    (void)curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    ck_assert_int_eq(curl_multi_add_handle(multi, easy), CURLM_OK);
    ck_assert_int_eq(loop_until_done(easy), CURLE_OK);
    ck_assert_int_eq(curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, ret_fd), CURLE_OK);
    promise(*ret_fd != CURL_SOCKET_BAD, "CURLINFO_ACTIVESOCKET does not name the socket of a handle that is with a multi");
    *ret_server_fd = accept_one();
    return easy;
}

static void wait_readable(int fd)
{
    ck_assert_int_eq(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE_S * 1000), 1);
}

/* ---- Plain connections are duplicated, and curl's part goes ---- */

START_TEST(a_duplicate_outlives_what_curl_does_to_its_own)
{
    int server_fd;
    curl_socket_t curls;
    CURL *easy = dial(&server_fd, &curls);
    int ours = fcntl(curls, F_DUPFD_CLOEXEC, 0);
    char byte = 0;

    ck_assert_int_ge(ours, 0);
    promise(fcntl(ours, F_GETFL) & O_NONBLOCK, "the socket of CURLOPT_CONNECT_ONLY blocks");
    free_easy(easy);
    promise(recv(server_fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN,
            "removing a CURLOPT_CONNECT_ONLY handle ends the connection for the other end, though it was duplicated");
    promise(send(ours, "a", 1, MSG_NOSIGNAL) == 1, "what curl did to its socket shut the duplicate down");
    wait_readable(server_fd);
    ck_assert_int_eq(recv(server_fd, &byte, 1, 0), 1);
    ck_assert_int_eq(send(server_fd, "b", 1, MSG_NOSIGNAL), 1);
    wait_readable(ours);
    promise(recv(ours, &byte, 1, 0) == 1 && byte == 'b', "the duplicate does not get what came after the removal");
    close(ours);
    close(server_fd);
}
END_TEST

START_TEST(a_connected_socket_is_not_watched_any_more)
{
    int server_fd;
    curl_socket_t curls;
    CURL *easy = dial(&server_fd, &curls);

    promise(!is_watched(curls),
            "the socket of a CURLOPT_CONNECT_ONLY transfer is still watched when its message has come");
    free_easy(easy);
    close(server_fd);
}
END_TEST

/* ---- With TLS the connection stays with curl ---- */

START_TEST(a_dialled_connection_is_closed_when_its_handle_is_removed)
{
    int server_fd;
    curl_socket_t curls;
    CURL *easy = dial(&server_fd, &curls);
    char byte;

    ck_assert_int_eq(curl_multi_remove_handle(multi, easy), CURLM_OK);
    promise(poll(&(struct pollfd){.fd = server_fd, .events = POLLIN}, 1, 1000) == 1 && recv(server_fd, &byte, 1, 0) <= 0,
            "removing a CURLOPT_CONNECT_ONLY handle from its multi does not close the connection");
    curl_easy_cleanup(easy);
    close(server_fd);
}
END_TEST

/* A call that ends, while the connection of another handle stands idle. */
static void call_once(void)
{
    static struct raw_input input;
    CURL *easy = new_easy(url);
    int server_fd = -1;
    CURLMsg *msg = NULL;

    input = (struct raw_input){.len = 0};
    (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, 1L); /* idle for longer: curl closes it */
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    ck_assert_int_eq(curl_multi_add_handle(multi, easy), CURLM_OK);
    for (time_t until = time(NULL) + PATIENCE_S; !msg && time(NULL) < until;) {
        int n_left;

        loop_turn();
        server_fd = server_fd < 0 ? raw_accept(listen_fd) : server_fd;
        if (server_fd >= 0) {
            raw_receive(server_fd, &input);
            if (strstr(input.text, "\r\n\r\n")) {
                raw_send_text(server_fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                input = (struct raw_input){.len = 0};
            }
        }
        msg = curl_multi_info_read(multi, &n_left);
    }
    ck_assert_ptr_nonnull(msg);
    free_easy(easy);
    close(server_fd);
}

START_TEST(a_dialled_connection_is_left_alone_by_other_calls)
{
    int server_fd;
    curl_socket_t curls;
    CURL *easy = dial(&server_fd, &curls);
    size_t n = 0;
    char byte = 0;
    struct timespec pause = {.tv_sec = 2, .tv_nsec = 100000000};

    promise(curl_easy_send(easy, "a", 1, &n) == CURLE_OK && n == 1,
            "curl_easy_send does not work on a handle that is with a multi");
    wait_readable(server_fd);
    ck_assert_int_eq(recv(server_fd, &byte, 1, 0), 1); /* what is not read makes a close a reset */
    ck_assert_int_eq(send(server_fd, "b", 1, MSG_NOSIGNAL), 1); /* unread bytes make an idle connection look dead */
    wait_readable(curls);
    call_once();
    nanosleep(&pause, NULL); /* curl looks for old connections once a second, by its own clock */
    call_once();
    promise(curl_easy_recv(easy, &byte, 1, &n) == CURLE_OK && n == 1 && byte == 'b',
            "another call closes, as old or dead, the connection of a CURLOPT_CONNECT_ONLY handle in use");
    promise(curl_easy_recv(easy, &byte, 1, &n) == CURLE_AGAIN,
            "curl_easy_recv with nothing to read does not return CURLE_AGAIN");
    close(server_fd);
    wait_readable(curls);
    promise(curl_easy_recv(easy, &byte, 1, &n) == CURLE_OK && n == 0,
            "curl_easy_recv at the connection's end does not return CURLE_OK with no bytes");
    free_easy(easy);
}
END_TEST

/* ---- A kept TLS connection serves only calls with the same bundle ---- */

static struct certificate authority;
static struct certificate leaf;
static atomic_int n_handshakes;

/* A server that makes each handshake, and answers every request, for two connections. */
static void *serve_tls(void *arg)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL *ssl[2] = {NULL, NULL};
    int fds[2] = {-1, -1};

    (void)arg;
    SSL_CTX_use_certificate(ctx, leaf.x509);
    SSL_CTX_use_PrivateKey(ctx, leaf.key);
    for (int i = 0; i < 2; i++) {
        char request[4096];

        fds[i] = accept_one();
        (void)fcntl(fds[i], F_SETFL, 0);
        ssl[i] = SSL_new(ctx);
        SSL_set_fd(ssl[i], fds[i]);
        if (SSL_accept(ssl[i]) != 1)
            break;
        atomic_fetch_add(&n_handshakes, 1);
        for (int k = 0; k < (i == 0 ? 2 : 1) && SSL_read(ssl[i], request, sizeof(request)) > 0; k++)
            SSL_write(ssl[i], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38);
    }
    for (int i = 0; i < 2; i++) {
        SSL_free(ssl[i]);
        if (fds[i] >= 0)
            close(fds[i]);
    }
    SSL_CTX_free(ctx);
    return NULL;
}

static CURLcode accept_any(CURL *easy, void *context, void *arg)
{
    (void)easy;
    (void)arg;
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return CURLE_OK;
}

static void call_tls(const char *first_line)
{
    char bundle[256];
    struct curl_blob blob = {.data = bundle, .flags = CURL_BLOB_COPY};
    char https[80];
    CURL *easy;

    (void)snprintf(https, sizeof(https), "https%s", url + strlen("http"));
    easy = new_easy(https);
    blob.len = (size_t)snprintf(bundle, sizeof(bundle), "%s\n", first_line);
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, accept_any);
    ck_assert_int_eq(curl_multi_add_handle(multi, easy), CURLM_OK);
    ck_assert_int_eq(loop_until_done(easy), CURLE_OK);
    free_easy(easy);
}

START_TEST(a_kept_connection_is_not_shared_by_calls_with_different_bundles)
{
    pthread_t thread;

    certificates_setup();
    authority = certificate_make(&(struct certificate_spec){.common_name = "ca", .is_ca = true}, NULL);
    leaf = certificate_make(&(struct certificate_spec){.common_name = "leaf", .names = "IP:127.0.0.1"}, &authority);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_tls, NULL), 0);
    call_tls("policy 1, member 1");
    call_tls("policy 1, member 1");
    promise(atomic_load(&n_handshakes) == 1, "a kept TLS connection is not used again by a call with the same bundle");
    call_tls("policy 1, member 2");
    promise(atomic_load(&n_handshakes) == 2,
            "a kept TLS connection serves a call with another CURLOPT_CAINFO_BLOB: members are not kept apart");
    (void)curl_multi_cleanup(multi); /* the server's thread waits for nothing more */
    multi = curl_multi_init();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    certificate_release(&leaf);
    certificate_release(&authority);
}
END_TEST

int main(void)
{
    return rig_main("curl_contract", setup, teardown, a_duplicate_outlives_what_curl_does_to_its_own,
                    a_connected_socket_is_not_watched_any_more,
                    a_dialled_connection_is_closed_when_its_handle_is_removed,
                    a_dialled_connection_is_left_alone_by_other_calls,
                    a_kept_connection_is_not_shared_by_calls_with_different_bundles, NULL);
}
