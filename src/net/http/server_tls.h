/*
 * server_tls.h - the TLS of connections that come to us.
 */
#ifndef FY_NET_HTTP_SERVER_TLS_H
#define FY_NET_HTTP_SERVER_TLS_H

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/tls.h"

struct MHD_Connection;
struct fy_conn;

typedef void fy_server_tls_done_fn(struct fy_conn *conn);

struct fy_listener;

/* A part of its connection. */
struct fy_server_tls {
    struct fy_tls_policy *policy; /* in force when it began; NULL: it has not begun, or the connection is plain */
    gnutls_session_t session;     /* libmicrohttpd's; until the handshake is done for GnuTLS's callbacks only */
    fy_server_tls_done_fn *on_done;
    struct ferry_certificate *certificate; /* what the client showed, for a policy that binds members; or NULL */
    gnutls_alert_description_t alert;      /* the last that was seen while the handshake lasted; 0: none */
    bool is_alert_next;                    /* the record that is being read is an alert in the clear */
    bool is_done;
    bool is_refused; /* and counted */
};

/* A client's certificate, asked for by libmicrohttpd when it starts: never used, for each session has its own. */
int fy_server_tls_no_certificate(gnutls_session_t session, const gnutls_datum_t *cas, int n_cas,
                                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **certs,
                                 unsigned *n_certs, gnutls_privkey_t *key);

/*
 * libmicrohttpd has made the session, which is returned, and nothing of the handshake has happened yet.  on_done comes
 * when it has succeeded.
 */
gnutls_session_t fy_server_tls_begin(struct fy_conn *conn, struct MHD_Connection *mhd, fy_server_tls_done_fn *on_done);
void fy_server_tls_release(struct fy_conn *conn); /* the connection is gone */

/* libmicrohttpd logs something: maybe that a handshake failed. */
void fy_server_tls_on_log(struct fy_listener *listener);

/* The handshake takes too long. */
void fy_server_tls_expire(struct fy_conn *conn);

/* The client's first byte: is it of the protocol that is spoken here?  If not, the client was told so. */
bool fy_server_tls_check_first(struct fy_conn *conn, uint8_t first);

bool fy_server_tls_is_from(const struct fy_conn *conn, uint64_t member);

#endif
