/*
 * judge - chain, purpose, period, revocation; then names.
 *
 * Any certificate of the CA file may end a chain, also an intermediate one, as in Go.  A revocation list is held
 * against the certificates of its own issuer; an issuer without one has revoked nothing, and a list that is out of date
 * still says what was revoked: a list that nobody renewed in time must not take the cluster down.
 */
#include "net/tls/judge.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls/certificate.h"
#include "net/tls/policy.h"

#define SECURITY_LEVEL 2 /* OpenSSL's: 112 bits, no SHA-1 */

static void refuse(struct fy_tls_verdict *verdict, enum ferry_tls_refusal reason, int x509_error, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

static void refuse(struct fy_tls_verdict *verdict, enum ferry_tls_refusal reason, int x509_error, const char *format,
                   ...)
{
    va_list args;

    verdict->is_refused = true;
    verdict->reason = reason;
    verdict->x509_error = x509_error;
    va_start(args, format);
    (void)vsnprintf(verdict->detail, sizeof(verdict->detail), format, args);
    va_end(args);
    for (char *at = verdict->detail; *at; at++) /* names are the other side's, and this goes into logs */
        if (*at < ' ' || *at > '~')
            *at = '?';
}

static enum ferry_tls_refusal reason_of(int x509_error)
{
    switch (x509_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return FERRY_TLS_REFUSED_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return FERRY_TLS_REFUSED_NOT_YET_VALID;
    case X509_V_ERR_CERT_REVOKED:
        return FERRY_TLS_REFUSED_REVOKED;
    case X509_V_ERR_INVALID_PURPOSE:
        return FERRY_TLS_REFUSED_PURPOSE;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return FERRY_TLS_REFUSED_UNKNOWN_CA;
    default:
        return FERRY_TLS_REFUSED_BAD_CERTIFICATE;
    }
}

/* What is missing or stale about revocation lists is no fault of the certificate's. */
static int on_verify(int is_ok, X509_STORE_CTX *ctx)
{
    switch (X509_STORE_CTX_get_error(ctx)) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
        return 1;
    default:
        return is_ok;
    }
}

static void judge_chain(const struct fy_tls_policy *policy, const struct fy_tls_party *party, X509 *leaf,
                        STACK_OF(X509) * chain, struct fy_tls_verdict *verdict)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int x509_error = X509_V_ERR_OUT_OF_MEM;
    int depth = 0;

    if (ctx && X509_STORE_CTX_init(ctx, policy->trusted, leaf, chain) == 1) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

        X509_STORE_CTX_set_default(ctx, party->is_server ? "ssl_server" : "ssl_client");
        X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
        (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
        if (policy->has_crl)
            (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
        X509_STORE_CTX_set_verify_cb(ctx, on_verify);
        x509_error = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
        depth = X509_STORE_CTX_get_error_depth(ctx);
    }
    if (x509_error != X509_V_OK)
        refuse(verdict, reason_of(x509_error), x509_error, "%s%s", X509_verify_cert_error_string(x509_error),
               depth > 0 ? " (an issuer's)" : "");
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
}

/* ---- Names ---- */

static void judge_server_name(const struct fy_tls_party *party, X509 *leaf, struct fy_tls_verdict *verdict)
{
    if (!fy_certificate_is_for(leaf, party->host))
        refuse(verdict, FERRY_TLS_REFUSED_NAME, X509_V_ERR_HOSTNAME_MISMATCH, "the certificate is not for %s",
               party->host);
}

/* A client's certificate that names addresses and no hosts is for one of these addresses. */
static void judge_client_address(const struct fy_tls_party *party, X509 *leaf, const struct ferry_certificate *cert,
                                 struct fy_tls_verdict *verdict)
{
    if (!cert->ip_addresses[0] || cert->dns_names[0])
        return;
    if (!fy_certificate_is_for(leaf, party->host))
        refuse(verdict, FERRY_TLS_REFUSED_NAME, X509_V_ERR_IP_ADDRESS_MISMATCH, "the certificate is for %s%s, not %s",
               cert->ip_addresses[0], cert->ip_addresses[1] ? " and others" : "", party->host);
}

static bool is_allowed(const struct ferry_tls_config *cfg, X509 *leaf, const struct ferry_certificate *cert)
{
    if (!cfg->allowed_cns && !cfg->allowed_hostnames)
        return true;
    for (size_t i = 0; cfg->allowed_cns && cfg->allowed_cns[i]; i++)
        if (strcmp(cert->common_name, cfg->allowed_cns[i]) == 0)
            return true;
    for (size_t i = 0; cfg->allowed_hostnames && cfg->allowed_hostnames[i]; i++)
        if (fy_certificate_is_for(leaf, cfg->allowed_hostnames[i]))
            return true;
    return false;
}

static void judge_names(const struct fy_tls_policy *policy, const struct fy_tls_party *party, X509 *leaf,
                        const struct ferry_certificate *cert, struct fy_tls_verdict *verdict)
{
    const struct ferry_tls_config *cfg = &policy->cfg;

    if (party->is_server)
        judge_server_name(party, leaf, verdict);
    else if (!cfg->skip_client_san_check)
        judge_client_address(party, leaf, cert, verdict);
    if (!verdict->is_refused && !is_allowed(cfg, leaf, cert))
        refuse(verdict, FERRY_TLS_REFUSED_NOT_ALLOWED, X509_V_ERR_APPLICATION_VERIFICATION,
               "neither the common name \"%s\" nor a host is an allowed one", cert->common_name);
    if (!verdict->is_refused && party->member != 0 && cfg->verify_member &&
        !cfg->verify_member(cfg->verify_member_ctx, party->member, cert))
        refuse(verdict, FERRY_TLS_REFUSED_MEMBER, X509_V_ERR_APPLICATION_VERIFICATION,
               "the certificate of \"%s\" does not belong to the member", cert->common_name);
}

void fy_tls_judge(const struct fy_tls_policy *policy, const struct fy_tls_party *party, X509 *leaf,
                  STACK_OF(X509) * chain, struct fy_tls_verdict *ret_verdict)
{
    struct ferry_certificate *cert;

    *ret_verdict = (struct fy_tls_verdict){.is_refused = false};
    judge_chain(policy, party, leaf, chain, ret_verdict);
    if (ret_verdict->is_refused)
        return;
    cert = fy_certificate_new(leaf);
    if (cert)
        judge_names(policy, party, leaf, cert, ret_verdict);
    else
        refuse(ret_verdict, FERRY_TLS_REFUSED_BAD_CERTIFICATE, X509_V_ERR_OUT_OF_MEM, "out of memory");
    free(cert);
}
