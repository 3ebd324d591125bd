/*
 * tls_peer - blocking sockets with a time limit, one connection at a time.
 */
#include "harness/tls_peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness/raw_socket.h"

#define LIMIT_S 20

static void on_info(const SSL *ssl, int where, int value)
{
    struct tls_peer_result *result = SSL_get_app_data(ssl);

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        result->alert = value & 0xff;
}

static void on_message(int is_written, int version, int type, const void *data, size_t len, SSL *ssl, void *arg)
{
    struct tls_peer_result *result = SSL_get_app_data(ssl);

    (void)is_written;
    (void)version;
    (void)arg;
    if (result && type == SSL3_RT_HANDSHAKE && len > 0 && *(const uint8_t *)data == SSL3_MT_CLIENT_HELLO)
        result->n_hellos++;
}

static SSL_CTX *new_context(const struct tls_peer_config *cfg, bool is_server)
{
    SSL_CTX *ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());

    ck_assert_ptr_nonnull(ctx);
    (void)signal(SIGPIPE, SIG_IGN);                                       /* OpenSSL writes without MSG_NOSIGNAL */
    ck_assert_int_eq(SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0"), 1); /* the old versions need it */
    ck_assert_int_eq(SSL_CTX_set_min_proto_version(ctx, cfg->min_version), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(ctx, cfg->max_version), 1);
    if (cfg->cert_file) {
        ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(ctx, cfg->cert_file), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(ctx, cfg->key_file, SSL_FILETYPE_PEM), 1);
    }
    if (cfg->alpn)
        ck_assert_int_eq(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)cfg->alpn, (unsigned)strlen(cfg->alpn)),
                         0);
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_msg_callback(ctx, on_message);
    return ctx;
}

static long serial_of(SSL *ssl)
{
    X509 *x509 = SSL_get0_peer_certificate(ssl);

    return x509 ? ASN1_INTEGER_get(X509_get0_serialNumber(x509)) : 0;
}

static void limit(int fd)
{
    const struct timeval time = {.tv_sec = LIMIT_S};

    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

struct tls_peer_result tls_peer_dial(const char *url, const struct tls_peer_config *cfg)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct tls_peer_result result = {.alert = -1};
    SSL_CTX *ctx = new_context(cfg, false);
    SSL *ssl = SSL_new(ctx);
    int fd = raw_connect(url);
    const unsigned char *alpn;
    unsigned alpn_len;
    char answer[64];

    limit(fd);
    SSL_set_app_data(ssl, &result);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1 && SSL_write(ssl, request, sizeof(request) - 1) > 0) {
        int len = SSL_read(ssl, answer, sizeof(answer));

        result.is_answered = len >= 12 && memcmp(answer, "HTTP/1.1 404", 12) == 0;
        (void)snprintf(result.cipher, sizeof(result.cipher), "%s", SSL_get_cipher_name(ssl));
    }
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    result.has_alpn = alpn_len > 0;
    result.serial = serial_of(ssl);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    ERR_clear_error();
    return result;
}

/* ---- The server ---- */

static void serve(SSL_CTX *ctx, int fd, struct tls_peer_result *ret_result)
{
    static const char answer[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    SSL *ssl = SSL_new(ctx);
    char request[4096];

    *ret_result = (struct tls_peer_result){.alert = -1};
    limit(fd);
    SSL_set_app_data(ssl, ret_result);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0)
        ret_result->is_answered = SSL_write(ssl, answer, sizeof(answer) - 1) > 0;
    SSL_free(ssl);
    close(fd);
    ERR_clear_error();
}

static void *server_main(void *arg)
{
    struct tls_peer_server *server = arg;
    SSL_CTX *ctx = new_context(server->cfg, true);
    bool is_stopped = false;

    while (!is_stopped) {
        int fd = accept(server->fd, NULL, NULL);
        struct tls_peer_result result;

        if (fd >= 0)
            serve(ctx, fd, &result);
        pthread_mutex_lock(&server->mu);
        if (fd >= 0 && server->n_ended++ == 0)
            server->result = result;
        is_stopped = server->is_stopped;
        pthread_mutex_unlock(&server->mu);
    }
    SSL_CTX_free(ctx);
    return NULL;
}

void tls_peer_server_start(struct tls_peer_server *server, const struct tls_peer_config *cfg)
{
    char url[64];

    *server = (struct tls_peer_server){.cfg = cfg, .result = {.alert = -1}};
    server->fd = raw_listen(8, url, sizeof(url));
    (void)fcntl(server->fd, F_SETFL, fcntl(server->fd, F_GETFL) & ~O_NONBLOCK);
    snprintf(server->url, sizeof(server->url), "https%s", url + 4);
    pthread_mutex_init(&server->mu, NULL);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, server_main, server), 0);
}

struct tls_peer_result tls_peer_server_stop(struct tls_peer_server *server)
{
    pthread_mutex_lock(&server->mu);
    server->is_stopped = true;
    pthread_mutex_unlock(&server->mu);
    (void)shutdown(server->fd, SHUT_RDWR); /* accept returns */
    pthread_join(server->thread, NULL);
    close(server->fd);
    pthread_mutex_destroy(&server->mu);
    return server->result;
}
