/*
 * bench_wire - a plain connection with blocking calls, as fast as they allow.
 */
#include "tools/bench_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/bench_tls.h"
#include "tools/stopwatch.h"

static int fail(const char *what)
{
    perror(what);
    return -1;
}

static int connect_tcp(struct bench_wire_end ends[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0)
        return fail("ferry-bench: socket");
    ends[0].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ends[0].fd >= 0 && bind(listener, (struct sockaddr *)&addr, len) == 0 && listen(listener, 1) == 0 &&
        getsockname(listener, (struct sockaddr *)&addr, &len) == 0 &&
        connect(ends[0].fd, (struct sockaddr *)&addr, len) == 0)
        ends[1].fd = accept(listener, NULL, NULL);
    (void)close(listener); /* not needed any more */
    if (ends[1].fd < 0)
        return fail("ferry-bench: cannot connect over loopback");
    for (int i = 0; i < 2; i++)
        (void)setsockopt(ends[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* cannot fail on a TCP socket */
    return 0;
}

static int connect_pair(struct bench_wire_end ends[2])
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return fail("ferry-bench: socketpair");
    ends[0].fd = fds[0];
    ends[1].fd = fds[1];
    return 0;
}

/* ---- TLS ---- */

static SSL_CTX *make_context(const struct bench_tls *tls)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());

    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, tls->cert_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, tls->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(ctx, tls->cert_file, NULL) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ctx;
}

static void *accept_main(void *ssl)
{
    return SSL_accept(ssl) == 1 ? ssl : NULL;
}

static bool shake_hands(struct bench_wire_end ends[2])
{
    pthread_t acceptor;
    void *accepted = NULL;
    bool is_connected;

    if (SSL_set_fd(ends[0].ssl, ends[0].fd) != 1 || SSL_set_fd(ends[1].ssl, ends[1].fd) != 1 ||
        pthread_create(&acceptor, NULL, accept_main, ends[1].ssl) != 0)
        return false;
    is_connected = SSL_connect(ends[0].ssl) == 1;
    if (!is_connected)
        (void)shutdown(ends[0].fd, SHUT_RDWR); /* makes the acceptor end */
    (void)pthread_join(acceptor, &accepted);   /* cannot fail: joined once, and by another thread */
    return is_connected && accepted;
}

static int secure(struct bench_wire_end ends[2])
{
    struct bench_tls tls;
    SSL_CTX *ctx;
    bool is_secure = false;

    if (bench_tls_make(&tls))
        return -1;
    ctx = make_context(&tls);
    bench_tls_remove(&tls);
    if (ctx) {
        ends[0].ssl = SSL_new(ctx);
        ends[1].ssl = SSL_new(ctx);
        is_secure = ends[0].ssl && ends[1].ssl && shake_hands(ends);
        SSL_CTX_free(ctx); /* counted: each end holds a reference */
    }
    if (!is_secure)
        fputs("ferry-bench: the TLS handshake failed\n", stderr);
    return is_secure ? 0 : -1;
}

/* ---- Both ---- */

int bench_wire_open(enum bench_socket socket, bool tls, struct bench_wire_end ends[2])
{
    ends[0] = ends[1] = (struct bench_wire_end){.fd = -1};
    if ((socket == BENCH_SOCKET_PAIR ? connect_pair(ends) : connect_tcp(ends)) == 0 && (!tls || secure(ends) == 0))
        return 0;
    bench_wire_close(ends);
    return -1;
}

void bench_wire_close(struct bench_wire_end ends[2])
{
    for (int i = 0; i < 2; i++) {
        SSL_free(ends[i].ssl); /* NULL is fine */
        if (ends[i].fd >= 0)
            (void)close(ends[i].fd); /* everything written has been read */
        ends[i] = (struct bench_wire_end){.fd = -1};
    }
}

void bench_wire_shut(struct bench_wire_end *end)
{
    (void)shutdown(end->fd, SHUT_WR); /* fails only if the other end is closed already */
}

bool bench_wire_write(struct bench_wire_end *end, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n = 0;

        if (end->ssl) {
            if (SSL_write_ex(end->ssl, data, len, &n) != 1)
                return false;
        } else {
            ssize_t sent = send(end->fd, data, len, MSG_NOSIGNAL);

            if (sent <= 0)
                return false;
            n = (size_t)sent;
        }
        data += n;
        len -= n;
    }
    return true;
}

size_t bench_wire_read(struct bench_wire_end *end, uint8_t *buf, size_t cap)
{
    size_t n = 0;
    ssize_t got;

    if (end->ssl)
        return SSL_read_ex(end->ssl, buf, cap, &n) == 1 ? n : 0;
    got = recv(end->fd, buf, cap, 0);
    return got > 0 ? (size_t)got : 0;
}

void bench_wire_spin(struct bench_wire_end *end, uint64_t spin_ns)
{
    struct pollfd ready = {.fd = end->fd, .events = POLLIN};
    uint64_t until_ns = stopwatch_now_ns() + spin_ns;

    if (end->ssl && SSL_pending(end->ssl) > 0)
        return;
    while (poll(&ready, 1, 0) == 0 && stopwatch_now_ns() < until_ns)
        (void)sched_yield(); /* cannot fail on Linux */
}
