/*
 * client_tls.h - the TLS of a call: what curl is told, and what is made of the handshake.
 */
#ifndef FY_NET_HTTP_CLIENT_TLS_H
#define FY_NET_HTTP_CLIENT_TLS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/tls/judge.h"

/* A part of its call; zeroed for one without TLS. */
struct fy_client_tls {
    struct fy_tls *tls;
    struct fy_tls_policy *policy; /* in force when the call began; NULL: no TLS */
    char host[256];
    uint64_t member;
    struct fy_tls_verdict verdict;
    bool is_counted;
};

/* used may be NULL.  FERRY_OK, or FERRY_ERR_TLS_CONFIG (no TLS here, or a curl that we cannot use), _URL, _NOMEM; then released. */
int fy_client_tls_init(struct fy_client_tls *tls, struct fy_tls *used, CURL *easy, const char *host, uint64_t member);

/* May the member be called without TLS?  Not when members are bound to certificates. */
bool fy_client_tls_allows_plain(struct fy_tls *tls, uint64_t member);
void fy_client_tls_release(struct fy_client_tls *tls);

/* The other side has answered. */
void fy_client_tls_on_head(struct fy_client_tls *tls, CURL *easy);

/*
 * A call with TLS has failed: is it TLS that failed?  Then FERRY_ERR_TLS (or _TIMEOUT) is returned with the reason
 * written to text, which holds curl's own; else err.
 */
int fy_client_tls_explain(struct fy_client_tls *tls, CURL *easy, CURLcode code, int err, char *text, size_t size);

#endif
