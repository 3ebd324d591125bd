/*
 * policy.h - one set of TLS settings with all its files read, parsed and checked.
 *
 * A policy never changes.  It is counted: the holder of the present one (tls.h) has a reference, and so has every
 * connection whose handshake began under it.  Threads: any.
 */
#ifndef FY_NET_TLS_POLICY_H
#define FY_NET_TLS_POLICY_H

#include <gnutls/gnutls.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stddef.h>

#include "ferry/tls.h"

/* A certificate with its chain and key, as OpenSSL has them. */
struct fy_tls_identity {
    X509 *cert;
    STACK_OF(X509) * chain; /* the intermediate CAs; may be empty */
    EVP_PKEY *key;
};

struct fy_tls_policy {
    atomic_uint n_refs;
    uint64_t number;             /* no other policy of the same transport has it */
    struct ferry_tls_config cfg; /* its texts are in texts */
    void *texts;
    X509_STORE *trusted; /* the CAs and the revocation lists */
    bool has_crl;
    char *ca_pem;
    size_t ca_pem_len;
    struct fy_tls_identity dialing;             /* the client's, for OpenSSL */
    gnutls_certificate_credentials_t accepting; /* the server's, for GnuTLS, which libmicrohttpd uses */
    gnutls_priority_t priority;
};

/*
 * Read the files that cfg names.  FERRY_OK with one reference in *ret_policy; FERRY_ERR_NOMEM; FERRY_ERR_TLS_CONFIG
 * with the cause in ret_detail.
 */
int fy_tls_policy_new(const struct ferry_tls_config *cfg, uint64_t number, struct fy_tls_policy **ret_policy,
                      char *ret_detail, size_t detail_size);
struct fy_tls_policy *fy_tls_policy_ref(struct fy_tls_policy *policy);
void fy_tls_policy_unref(struct fy_tls_policy *policy); /* NULL is fine */

/* Give a client's context our certificate.  False: OpenSSL does not take it. */
bool fy_tls_policy_arm(const struct fy_tls_policy *policy, SSL_CTX *ctx);

#endif
