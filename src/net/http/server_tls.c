/*
 * server_tls - libmicrohttpd runs GnuTLS's handshake, and the policy decides.
 *
 * libmicrohttpd makes a session for each connection and tells of the connection before the handshake begins.  There the
 * session is given the credentials and versions of the policy that is in force at that moment, and hooks: one for the
 * client's certificate, which is judged by the same code as a server's when we dial, and one for handshake messages.
 * So a new policy reaches the next connection, and libmicrohttpd is not restarted.
 *
 * Who is refused is told by an alert.  The socket then lingers, for a client that has already sent its request would
 * lose the alert to a reset.  libmicrohttpd does not tell how a handshake ended: success is seen by the client's last
 * message, a refusal is our own, and what is left when the connection goes failed for another reason, which is known if
 * the client sent an alert.  An alert is only to be had from the session, and the session only while libmicrohttpd is
 * busy with it: when it logs something.
 */
#include "net/http/server_tls.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/http/conn.h"
#include "net/http/linger.h"
#include "net/http/request.h"
#include "net/tls/certificate.h"
#include "net/tls/judge.h"
#include "net/tls/policy.h"
#include "net/tls/tls.h"

#define ALERT_RECORD 0x15
#define HANDSHAKE_RECORD 0x16
#define EXT_SUPPORTED_VERSIONS 43
#define VERSION_TLS_1_2 0x0303
#define VERSION_TLS_1_3 0x0304

/* ---- Refusals ---- */

static void note_refused(struct fy_conn *conn, enum ferry_tls_refusal reason, const char *detail)
{
    const struct fy_listener *listener = conn->listener;

    conn->tls.is_refused = true;
    if (listener->cfg->tls)
        fy_tls_refused(listener->cfg->tls, FY_TLS_ACCEPTING, reason, listener->loop->now_ns, conn->remote, detail);
}

static gnutls_alert_description_t alert_of(enum ferry_tls_refusal reason, gnutls_session_t session)
{
    switch (reason) {
    case FERRY_TLS_REFUSED_VERSION:
        return GNUTLS_A_PROTOCOL_VERSION;
    case FERRY_TLS_REFUSED_NO_CERTIFICATE:
        return gnutls_protocol_get_version(session) == GNUTLS_TLS1_3 ? GNUTLS_A_CERTIFICATE_REQUIRED
                                                                     : GNUTLS_A_HANDSHAKE_FAILURE;
    case FERRY_TLS_REFUSED_EXPIRED:
    case FERRY_TLS_REFUSED_NOT_YET_VALID:
        return GNUTLS_A_CERTIFICATE_EXPIRED;
    case FERRY_TLS_REFUSED_REVOKED:
        return GNUTLS_A_CERTIFICATE_REVOKED;
    case FERRY_TLS_REFUSED_UNKNOWN_CA:
        return GNUTLS_A_UNKNOWN_CA;
    case FERRY_TLS_REFUSED_PURPOSE:
        return GNUTLS_A_UNSUPPORTED_CERTIFICATE;
    case FERRY_TLS_REFUSED_NOT_ALLOWED:
        return GNUTLS_A_ACCESS_DENIED;
    default:
        return GNUTLS_A_BAD_CERTIFICATE;
    }
}

static void refuse(struct fy_conn *conn, enum ferry_tls_refusal reason, const char *detail)
{
    gnutls_session_t session = conn->tls.session;

    note_refused(conn, reason, detail);
    (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, alert_of(reason, session)); /* a courtesy */
    fy_linger(conn->listener->lingering, conn->socket.fd, FY_MAX_SWALLOWED);
}

/* ---- What the client offers ---- */

static int tls_on_extension(void *arg, unsigned id, const unsigned char *data, unsigned len)
{
    unsigned *best = arg;

    if (id != EXT_SUPPORTED_VERSIONS)
        return 0;
    *best = 0; /* with it the version in the hello does not count */
    for (unsigned i = 1; i + 1 < len; i += 2) {
        unsigned version = (unsigned)data[i] << 8 | data[i + 1];

        if (version <= VERSION_TLS_1_3 && version > *best) /* above it are only values without meaning */
            *best = version;
    }
    return 0;
}

static int tls_on_client_hello(struct fy_conn *conn, const gnutls_datum_t *msg)
{
    bool is_1_3_needed = conn->tls.policy->cfg.min_version == FERRY_TLS_1_3;
    unsigned best = msg->size >= 2 ? (unsigned)msg->data[0] << 8 | msg->data[1] : 0;
    char detail[64];

    /* It fails when there are none. */
    (void)gnutls_ext_raw_parse(&best, tls_on_extension, msg, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
    if (best >= (is_1_3_needed ? VERSION_TLS_1_3 : VERSION_TLS_1_2))
        return 0;
    (void)snprintf(detail, sizeof(detail), "at least TLS 1.%c is needed, at most %u.%u is offered",
                   is_1_3_needed ? '3' : '2', best >= 0x0301 ? 1u : best >> 8,
                   best >= 0x0301 ? (best & 0xff) - 1 : best & 0xff);
    refuse(conn, FERRY_TLS_REFUSED_VERSION, detail);
    return GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
}

/* The client's last message: the handshake has succeeded, unless something is missing. */
static int tls_on_finished(struct fy_conn *conn)
{
    unsigned n_certs = 0;

    if (conn->tls.policy->cfg.client_cert_auth &&
        (!gnutls_certificate_get_peers(conn->tls.session, &n_certs) || n_certs == 0)) {
        refuse(conn, FERRY_TLS_REFUSED_NO_CERTIFICATE, "");
        return GNUTLS_E_NO_CERTIFICATE_FOUND;
    }
    conn->tls.is_done = true;
    fy_tls_count_done(conn->listener->cfg->tls, FY_TLS_ACCEPTING);
    conn->tls.on_done(conn);
    return 0;
}

static int tls_on_message(gnutls_session_t session, unsigned type, unsigned when, unsigned is_incoming,
                      const gnutls_datum_t *msg)
{
    struct fy_conn *conn = gnutls_session_get_ptr(session);

    if (!is_incoming || conn->tls.is_done || conn->tls.is_refused)
        return 0;
    if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && when == GNUTLS_HOOK_PRE)
        return tls_on_client_hello(conn, msg);
    if (type == GNUTLS_HANDSHAKE_FINISHED && when == GNUTLS_HOOK_POST)
        return tls_on_finished(conn);
    return 0;
}

/* ---- The client's certificate ---- */

static void copy_host(const struct fy_conn *conn, char *host, size_t size)
{
    static const char mapped[] = "::ffff:"; /* an IPv4 address on a socket for IPv6 */
    const char *text = conn->remote + (conn->remote[0] == '[');
    size_t len = strcspn(text, conn->remote[0] == '[' ? "]" : ":");

    if (strncmp(text, mapped, sizeof(mapped) - 1) == 0 && memchr(text, '.', len)) {
        text += sizeof(mapped) - 1;
        len -= sizeof(mapped) - 1;
    }
    (void)snprintf(host, size, "%.*s", (int)len, text);
}

static STACK_OF(X509) * parse_certs(const gnutls_datum_t *list, unsigned n)
{
    STACK_OF(X509) *certs = sk_X509_new_null();

    for (unsigned i = 0; certs && i < n; i++) {
        const unsigned char *der = list[i].data;
        X509 *cert = d2i_X509(NULL, &der, (long)list[i].size);

        if (!cert || !sk_X509_push(certs, cert)) {
            X509_free(cert);
            sk_X509_pop_free(certs, X509_free);
            return NULL;
        }
    }
    return certs;
}

static void judge(struct fy_conn *conn, STACK_OF(X509) * certs, struct fy_tls_verdict *ret_verdict)
{
    struct fy_server_tls *tls = &conn->tls;
    char host[sizeof(conn->remote)];
    struct fy_tls_party party = {.host = host};
    X509 *leaf = sk_X509_value(certs, 0);

    copy_host(conn, host, sizeof(host));
    fy_tls_judge(tls->policy, &party, leaf, certs, ret_verdict);
    if (ret_verdict->is_refused || !tls->policy->cfg.verify_member)
        return;
    free(tls->certificate);
    tls->certificate = fy_certificate_new(leaf); /* NULL, for want of memory, is a client that has none */
}

static int tls_on_certificate(gnutls_session_t session)
{
    struct fy_conn *conn = gnutls_session_get_ptr(session);
    unsigned n = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &n);
    STACK_OF(X509) * certs;
    struct fy_tls_verdict verdict = {
        .is_refused = true, .reason = FERRY_TLS_REFUSED_BAD_CERTIFICATE, .detail = "it cannot be read"};

    if (!list || n == 0)
        return 0; /* tls_on_finished decides */
    certs = parse_certs(list, n);
    if (certs) {
        judge(conn, certs, &verdict);
        sk_X509_pop_free(certs, X509_free);
    }
    if (!verdict.is_refused)
        return 0;
    refuse(conn, verdict.reason, verdict.detail);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

/* ---- The session ---- */

/*
 * In TLS 1.3 OpenSSL's client, when it does not like our certificate, sends its alert before it has keys, and GnuTLS,
 * which has some by then, cannot read it.  GnuTLS asks for a record's head and then for its body.
 */
static void look_for_alert(struct fy_server_tls *tls, const uint8_t *data, ssize_t len)
{
    static const uint8_t head[] = {ALERT_RECORD, 3, 3, 0, 2};

    if (tls->is_alert_next && len == 2 && data[0] == GNUTLS_AL_FATAL)
        tls->alert = data[1];
    tls->is_alert_next = len == sizeof(head) && memcmp(data, head, sizeof(head)) == 0;
}

/* As GnuTLS reads by itself, but it is noted whose turn it is. */
static ssize_t tls_on_pull(gnutls_transport_ptr_t arg, void *buf, size_t size)
{
    struct fy_conn *conn = arg;
    ssize_t len = recv(conn->socket.fd, buf, size, 0);

    conn->listener->handshaking = conn->tls.is_done ? NULL : conn;
    if (!conn->tls.is_done)
        look_for_alert(&conn->tls, buf, len);
    return len;
}

static int tls_on_pull_timeout(gnutls_transport_ptr_t arg, unsigned ms)
{
    const struct fy_conn *conn = arg;
    struct pollfd poll_fd = {.fd = conn->socket.fd, .events = POLLIN};

    return poll(&poll_fd, 1, ms == GNUTLS_INDEFINITE_TIMEOUT ? -1 : (int)ms);
}

int fy_server_tls_no_certificate(gnutls_session_t session, const gnutls_datum_t *cas, int n_cas,
                                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **certs,
                                 unsigned *n_certs, gnutls_privkey_t *key)
{
    (void)session;
    (void)cas;
    (void)n_cas;
    (void)algorithms;
    (void)n_algorithms;
    (void)certs;
    (void)n_certs;
    (void)key;
    return -1;
}

gnutls_session_t fy_server_tls_begin(struct fy_conn *conn, struct MHD_Connection *mhd, fy_server_tls_done_fn *on_done)
{
    struct fy_server_tls *tls = &conn->tls;
    gnutls_session_t session = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
    void *send_arg = gnutls_transport_get_ptr(session); /* the socket, in whatever form it is sent to */
    int on = 1;

    /* GnuTLS sends a flight record by record; none may wait for the client's delayed acknowledgement of the first. */
    (void)setsockopt(conn->socket.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

    tls->policy = fy_tls_policy(conn->listener->cfg->tls);
    tls->session = session;
    tls->on_done = on_done;
    gnutls_session_set_ptr(session, conn);
    /* Want of memory leaves the session with credentials that have no certificate: the handshake fails. */
    (void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->policy->accepting);
    (void)gnutls_priority_set(session, tls->policy->priority);
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    gnutls_session_set_verify_function(session, tls_on_certificate);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, tls_on_message);
    gnutls_transport_set_ptr2(session, conn, send_arg);
    gnutls_transport_set_pull_function(session, tls_on_pull);
    gnutls_transport_set_pull_timeout_function(session, tls_on_pull_timeout);
    return session;
}

void fy_server_tls_on_log(struct fy_listener *listener)
{
    struct fy_conn *conn = listener->handshaking;

    if (conn && !conn->tls.is_done && !conn->tls.alert)
        conn->tls.alert = gnutls_alert_get(conn->tls.session);
}

void fy_server_tls_expire(struct fy_conn *conn)
{
    note_refused(conn, FERRY_TLS_REFUSED_TIMEOUT, "");
}

void fy_server_tls_release(struct fy_conn *conn)
{
    struct fy_server_tls *tls = &conn->tls;
    const char *alert = tls->alert ? gnutls_alert_get_name(tls->alert) : NULL;

    if (conn->listener->handshaking == conn)
        conn->listener->handshaking = NULL;
    if (tls->policy && !tls->is_done && !tls->is_refused && !conn->listener->is_closed)
        note_refused(conn, alert ? FERRY_TLS_REFUSED_REJECTED : FERRY_TLS_REFUSED_HANDSHAKE, alert ? alert : "");
    free(tls->certificate);
    tls->certificate = NULL;
    fy_tls_policy_unref(tls->policy);
    tls->policy = NULL;
}

/* ---- Beside it ---- */

/* Text is what either client understands as "not this": also one that expects a TLS record. */
bool fy_server_tls_check_first(struct fy_conn *conn, uint8_t first)
{
    static const char not_http[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
                                   "Client sent a TLS handshake to an HTTP server.\n";
    static const char not_https[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
                                    "Client sent an HTTP request to an HTTPS server.\n";
    bool is_tls = first == HANDSHAKE_RECORD;
    const char *text = is_tls ? not_http : not_https;

    if (is_tls == conn->listener->is_tls)
        return true;
    if (!is_tls)
        note_refused(conn, FERRY_TLS_REFUSED_PLAIN, "");
    (void)send(conn->socket.fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT); /* a courtesy */
    (void)shutdown(conn->socket.fd, SHUT_WR);
    fy_linger(conn->listener->lingering, conn->socket.fd, FY_MAX_SWALLOWED);
    return false;
}

bool fy_server_tls_is_from(const struct fy_conn *conn, uint64_t member)
{
    const struct fy_listener *listener = conn->listener;
    struct fy_tls_policy *policy;
    bool is_from;

    if (!listener->cfg->tls)
        return true;
    policy = conn->tls.policy ? fy_tls_policy_ref(conn->tls.policy) : fy_tls_policy(listener->cfg->tls);
    is_from = !policy->cfg.verify_member ||
              (member != 0 && policy->cfg.verify_member(policy->cfg.verify_member_ctx, member, conn->tls.certificate));
    fy_tls_policy_unref(policy);
    if (!is_from)
        fy_tls_refused(listener->cfg->tls, FY_TLS_ACCEPTING, FERRY_TLS_REFUSED_MEMBER, listener->loop->now_ns,
                       conn->remote, "");
    return is_from;
}
