/*
 * tls.h - TLS between members, under one policy for both directions.
 *
 * A transport is given its policy at birth (ferry_config.tls) and may be given another at any time, without a restart.
 * It is needed for https:// URLs, to listen on or of peers; http:// ones stay plain.
 *
 * Certificates are judged by the same code whether we dialled or were dialled: a chain to the CA file, the right
 * purpose, the period of validity, the revocation lists, the allowed names.  The member that is dialled must besides be
 * valid for the host in its URL (or server_name); one that dials us is held to the addresses in its certificate.
 * Files are read by the caller of _new and _reload_tls alone, never while connections are made.
 */
#ifndef FERRY_TLS_H
#define FERRY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ferry_tls_version { FERRY_TLS_1_2, FERRY_TLS_1_3 };

/* What a certificate says of its owner.  Names with a NUL in them are left out.  It lives for a callback only. */
struct ferry_certificate {
    const char *common_name;      /* of the subject; "" for none */
    const char *const *dns_names; /* subject alternative names, NULL-ended; maybe none */
    const char *const *ip_addresses;
    const char *const *uris;
    uint8_t sha256[32]; /* of the certificate as a whole */
};

/*
 * Does this certificate belong to member id?  Called on the I/O thread, when the member is dialled and for each request
 * that comes in its name; must not block.  Without a certificate (certificate == NULL) a request came in plain, or from
 * a client that showed none.
 */
typedef bool ferry_verify_member_fn(void *ctx, uint64_t id, const struct ferry_certificate *certificate);

/* Begin with FERRY_TLS_CONFIG_INIT or ferry_tls_config_init.  Files are PEM, the CRL may be DER.  All is copied. */
struct ferry_tls_config {
    size_t size; /* of this struct: set by FERRY_TLS_CONFIG_INIT, so that it can grow */

    const char *cert_file;        /* the member's certificate, then the intermediate CAs; required */
    const char *key_file;         /* its key, without a passphrase; required */
    const char *client_cert_file; /* for dialling; NULL: the above.  Both or neither */
    const char *client_key_file;
    const char *ca_file;  /* whom to trust, in both directions; required */
    const char *crl_file; /* revoked certificates are refused in both directions; NULL: none.  A list counts for its
                             own issuer only, and also when it is out of date */

    bool client_cert_auth; /* a client without a certificate is refused: the default.  One that is shown is always
                              verified */
    const char *const *allowed_cns;       /* NULL-ended; the other side's common name is one of these.  NULL: any */
    const char *const *allowed_hostnames; /* NULL-ended; its certificate is valid for one of these (or IP addresses).
                                             NULL: any.  Not together with allowed_cns */
    enum ferry_tls_version min_version;
    const char *server_name;       /* what a member that is dialled must be valid for; NULL: the host in its URL */
    bool skip_client_san_check;    /* false: a client's certificate with IP addresses and no DNS names must name the one
                                      that it comes from.  DNS names are not looked up */
    unsigned handshake_timeout_ms; /* a connection, accepted or dialled, whose handshake takes longer is closed; the
                                      time for TCP is apart from it */

    ferry_verify_member_fn *verify_member; /* binds members to certificates; NULL: any certificate that passes */
    void *verify_member_ctx;
};

#define FERRY_TLS_CONFIG_INIT                                                                                          \
    {                                                                                                                  \
        .size = sizeof(struct ferry_tls_config), .client_cert_auth = true, .min_version = FERRY_TLS_1_2,               \
        .handshake_timeout_ms = 5000,                                                                                  \
    }

/* Fill *tls as FERRY_TLS_CONFIG_INIT does; see ferry_config_init. */
FERRY_API void ferry_tls_config_init_sized(struct ferry_tls_config *tls, size_t size);

static inline void ferry_tls_config_init(struct ferry_tls_config *tls)
{
    ferry_tls_config_init_sized(tls, sizeof(*tls));
}

/*
 * Replace the policy: by the one in tls, or, when tls is NULL, by the present one with its files read again.
 *
 * Everything is read and checked first; what does not fit together (or a certificate that is not valid now) is refused,
 * and the old policy stays.  Connections that stand are not touched; handshakes that begin after the return, and
 * requests that would have used an idle connection, meet the new policy.
 * Reads files, so it may block; calls may overlap, and the last to finish stays.  Before start it takes effect as well.
 * Returns FERRY_OK; FERRY_ERR_TLS_CONFIG (the log says what is wrong); FERRY_ERR_STATE for a transport that was made
 * without TLS; FERRY_ERR_CLOSED after stop; FERRY_ERR_NOMEM.
 */
FERRY_API int ferry_transport_reload_tls(struct ferry_transport *t, const struct ferry_tls_config *tls);

/* Why a connection did not come about. */
#define FERRY_TLS_REFUSAL_MAP(X)                                                                                       \
    X(PLAIN, "plain", "the other side does not speak TLS")                                                             \
    X(TIMEOUT, "timeout", "the handshake was not finished in time")                                                    \
    X(VERSION, "version", "no TLS version that both sides accept")                                                     \
    X(NO_CERTIFICATE, "no_certificate", "the client showed no certificate")                                            \
    X(UNKNOWN_CA, "unknown_ca", "no chain from the certificate to a CA that is trusted")                               \
    X(EXPIRED, "expired", "a certificate has expired")                                                                 \
    X(NOT_YET_VALID, "not_yet_valid", "a certificate is not valid yet")                                                \
    X(PURPOSE, "purpose", "the certificate is not for this side of a connection")                                      \
    X(REVOKED, "revoked", "a certificate was revoked")                                                                 \
    X(NAME, "name", "the certificate is for another host")                                                             \
    X(NOT_ALLOWED, "not_allowed", "none of the allowed names is in the certificate")                                   \
    X(MEMBER, "member", "the certificate does not belong to the member")                                               \
    X(BAD_CERTIFICATE, "bad_certificate", "the certificate failed another check")                                      \
    X(REJECTED, "rejected", "the other side refused us")                                                               \
    X(HANDSHAKE, "handshake", "the handshake failed for another reason")

#define FERRY_TLS_REFUSAL_ENUM(reason, name, text) FERRY_TLS_REFUSED_##reason,
enum ferry_tls_refusal { FERRY_TLS_REFUSAL_MAP(FERRY_TLS_REFUSAL_ENUM) FERRY_N_TLS_REFUSALS };
#undef FERRY_TLS_REFUSAL_ENUM

/* "expired" and so on; "unknown" outside the list.  Threads: any, at any time. */
FERRY_API const char *ferry_tls_refusal_name(enum ferry_tls_refusal reason);

/* Sums since the transport was made. */
struct ferry_tls_counts {
    uint64_t accepted;                                /* handshakes that succeeded: as server */
    uint64_t dialed;                                  /* and as client */
    uint64_t refused_accepting[FERRY_N_TLS_REFUSALS]; /* connections, and for _MEMBER also requests */
    uint64_t refused_dialing[FERRY_N_TLS_REFUSALS];
    uint64_t reloads; /* that took effect */
    uint64_t refused_reloads;
};

/* All zeros for a transport without TLS. */
FERRY_API void ferry_transport_tls_counts(const struct ferry_transport *t, struct ferry_tls_counts *ret_counts);

#ifdef __cplusplus
}
#endif

#endif
