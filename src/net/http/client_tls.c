/*
 * client_tls - curl makes the connection, OpenSSL the handshake, and the policy decides.
 *
 * Curl's own checks of certificates are replaced by ours, which run inside the handshake, so that a server which fails
 * them gets the proper alert and not a byte of the request.  Curl reads no file: the certificates come from the
 * policy's memory.  No session is resumed: each connection is judged anew.
 *
 * A connection that curl keeps for a next call is only good for a call under the same policy and for the same member.
 * Curl compares the CA bundle that two calls were given; so the bundle begins with a line that names both.
 */
#include "net/http/client_tls.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls/policy.h"
#include "net/tls/tls.h"

static int on_verify(X509_STORE_CTX *ctx, void *arg)
{
    struct fy_client_tls *tls = arg;
    struct fy_tls_party party = {.is_server = true, .host = tls->policy->cfg.server_name, .member = tls->member};

    if (!party.host)
        party.host = tls->host;
    fy_tls_judge(tls->policy, &party, X509_STORE_CTX_get0_cert(ctx), X509_STORE_CTX_get0_untrusted(ctx), &tls->verdict);
    X509_STORE_CTX_set_error(ctx, tls->verdict.is_refused ? tls->verdict.x509_error : X509_V_OK);
    return !tls->verdict.is_refused;
}

/* Curl is about to connect.  arg lives as long as the handshake, for curl ends one whose call is taken from it. */
static CURLcode on_ssl_context(CURL *easy, void *context, void *arg)
{
    struct fy_client_tls *tls = arg;
    SSL_CTX *ctx = context;

    (void)easy;
    tls->verdict.is_refused = false;
    /* An end without a close notice is judged by HTTP's framing, as without TLS. */
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* What is sent again after a full socket may lie elsewhere; an idle connection holds no buffers. */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, on_verify, tls);
    return fy_tls_policy_arm(tls->policy, ctx) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

/* The bundle for curl, which tells apart what must not share a connection. */
static int set_bundle(const struct fy_client_tls *tls, CURL *easy)
{
    const struct fy_tls_policy *policy = tls->policy;
    size_t size = policy->ca_pem_len + 64;
    char *text = malloc(size);
    struct curl_blob blob = {.data = text, .flags = CURL_BLOB_COPY};
    CURLcode code;
    int len;

    if (!text)
        return FERRY_ERR_NOMEM;
    len = snprintf(text, size, "policy %" PRIu64 ", member %" PRIx64 "\n", policy->number,
                   policy->cfg.verify_member ? tls->member : 0);
    assert(len > 0 && (size_t)len + policy->ca_pem_len <= size);
    memcpy(text + len, policy->ca_pem, policy->ca_pem_len);
    blob.len = (size_t)len + policy->ca_pem_len;
    code = curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    free(text);
    return code == CURLE_OK ? FERRY_OK : FERRY_ERR_NOMEM;
}

/* The context that curl hands out is OpenSSL's only if curl was built with it. */
static bool has_curl_openssl(void)
{
    static const char name[] = "OpenSSL/3";
    const char *version = curl_version_info(CURLVERSION_NOW)->ssl_version;

    return version && strncmp(version, name, sizeof(name) - 1) == 0;
}

static int set_options(struct fy_client_tls *tls, CURL *easy)
{
    long version =
        tls->policy->cfg.min_version == FERRY_TLS_1_3 ? (long)CURL_SSLVERSION_TLSv1_3 : (long)CURL_SSLVERSION_TLSv1_2;

    if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_context) != CURLE_OK || !has_curl_openssl())
        return FERRY_ERR_TLS_CONFIG;
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, tls);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, version);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L); /* on_verify does, by the name that the policy says */
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    return set_bundle(tls, easy);
}

int fy_client_tls_init(struct fy_client_tls *tls, struct fy_tls *used, CURL *easy, const char *host, uint64_t member)
{
    size_t len = strlen(host);
    int err;

    if (!used)
        return FERRY_ERR_TLS_CONFIG;
    if (len >= sizeof(tls->host))
        return FERRY_ERR_URL;
    memcpy(tls->host, host, len + 1);
    tls->tls = used;
    tls->policy = fy_tls_policy(tls->tls);
    tls->member = member;
    err = set_options(tls, easy);
    if (err)
        fy_client_tls_release(tls);
    return err;
}

bool fy_client_tls_allows_plain(struct fy_tls *tls, uint64_t member)
{
    struct fy_tls_policy *policy;
    bool is_bound;

    if (!tls || member == 0)
        return true;
    policy = fy_tls_policy(tls);
    is_bound = policy->cfg.verify_member;
    fy_tls_policy_unref(policy);
    return !is_bound;
}

void fy_client_tls_release(struct fy_client_tls *tls)
{
    fy_tls_policy_unref(tls->policy);
    tls->policy = NULL;
}

void fy_client_tls_on_head(struct fy_client_tls *tls, CURL *easy)
{
    long n_new = 0;

    (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &n_new);
    if (tls->policy && !tls->is_counted && n_new > 0)
        fy_tls_count_done(tls->tls, FY_TLS_DIALING);
    tls->is_counted = true;
}

/* ---- Failures ---- */

/* Curl passes on OpenSSL's words, and they are all there is of what no callback sees. */
static enum ferry_tls_refusal reason_of_words(const char *text)
{
    static const struct {
        const char *words;
        enum ferry_tls_refusal reason;
    } known[] = {
        {"protocol version", FERRY_TLS_REFUSED_VERSION}, /* an alert */
        {"unsupported protocol", FERRY_TLS_REFUSED_VERSION}, {" alert ", FERRY_TLS_REFUSED_REJECTED},
        {"wrong version number", FERRY_TLS_REFUSED_PLAIN},   {"http request", FERRY_TLS_REFUSED_PLAIN},
        {"packet length too long", FERRY_TLS_REFUSED_PLAIN},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strstr(text, known[i].words))
            return known[i].reason;
    return FERRY_TLS_REFUSED_HANDSHAKE;
}

/* Did TLS fail, and how? */
static bool find_reason(const struct fy_client_tls *tls, CURL *easy, CURLcode code, const char *text,
                        enum ferry_tls_refusal *ret_reason)
{
    curl_off_t connect_us = 0;
    curl_off_t handshake_us = 0;

    (void)curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect_us);
    (void)curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &handshake_us);
    if (tls->verdict.is_refused) {
        *ret_reason = tls->verdict.reason;
        return true;
    }
    switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
        *ret_reason = reason_of_words(text);
        return true;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
        *ret_reason = FERRY_TLS_REFUSED_BAD_CERTIFICATE;
        return true;
    case CURLE_OPERATION_TIMEDOUT:
        *ret_reason = FERRY_TLS_REFUSED_TIMEOUT;
        return connect_us > 0 && handshake_us == 0;
    default: /* in TLS 1.3 a server's refusal comes after the handshake, as far as the client is concerned */
        *ret_reason = FERRY_TLS_REFUSED_REJECTED;
        return strstr(text, " alert ") != NULL;
    }
}

int fy_client_tls_explain(struct fy_client_tls *tls, CURL *easy, CURLcode code, int err, char *text, size_t size)
{
    enum ferry_tls_refusal reason;
    char words[CURL_ERROR_SIZE + 64];

    if (!find_reason(tls, easy, code, text, &reason))
        return err;
    (void)snprintf(words, sizeof(words), "%s", tls->verdict.is_refused ? tls->verdict.detail : text);
    (void)snprintf(text, size, "TLS (%s): %s", ferry_tls_refusal_name(reason), words);
    fy_tls_refused(tls->tls, FY_TLS_DIALING, reason, 0, tls->host, words);
    return reason == FERRY_TLS_REFUSED_TIMEOUT ? FERRY_ERR_TIMEOUT : FERRY_ERR_TLS;
}
