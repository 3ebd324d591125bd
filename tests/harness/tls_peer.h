/*
 * tls_peer.h - the other end of a TLS connection, made of OpenSSL alone: it shows whatever it is told to.
 */
#ifndef HARNESS_TLS_PEER_H
#define HARNESS_TLS_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* It believes what it is shown. */
struct tls_peer_config {
    const char *cert_file; /* with its chain; NULL: none, for a client */
    const char *key_file;
    int max_version; /* TLS1_1_VERSION and so on; 0: any */
    int min_version;
    const char *alpn; /* as on the wire: "\2h2"; NULL: none */
};

struct tls_peer_result {
    bool is_answered;  /* the handshake succeeded and an HTTP answer came */
    bool has_alpn;     /* a protocol was chosen */
    int alert;         /* the fatal one that came, or -1 */
    unsigned n_hellos; /* ClientHellos that were sent or came */
    long serial;       /* of the certificate that was shown; 0: none was */
    char cipher[48];   /* OpenSSL's name of the one that the server chose; "": none, or we are the server */
};

/* Shake hands with the server at url and ask for "/"; waits for the outcome. */
struct tls_peer_result tls_peer_dial(const char *url, const struct tls_peer_config *cfg);

/* A server that answers every request with 404. */
struct tls_peer_server {
    int fd;
    char url[80];
    pthread_t thread;
    const struct tls_peer_config *cfg;
    pthread_mutex_t mu;
    bool is_stopped;               /* mu */
    size_t n_ended;                /* mu; connections */
    struct tls_peer_result result; /* mu; of the first: later ones may be cut by the test's end */
};

void tls_peer_server_start(struct tls_peer_server *server, const struct tls_peer_config *cfg);
struct tls_peer_result tls_peer_server_stop(struct tls_peer_server *server);

#endif
