/*
 * judge.h - is this the certificate of somebody whom we talk to?  One answer for both directions.
 */
#ifndef FY_NET_TLS_JUDGE_H
#define FY_NET_TLS_JUDGE_H

#include <openssl/x509.h>

#include "ferry/tls.h"

struct fy_tls_policy;

/* Who it is that shows the certificate. */
struct fy_tls_party {
    bool is_server;
    const char *host; /* what a server must be valid for; the address that a client comes from */
    uint64_t member;  /* the member that a server must be; 0: any */
};

struct fy_tls_verdict {
    bool is_refused;
    enum ferry_tls_refusal reason; /* when it is refused; and these */
    int x509_error;                /* X509_V_ERR_...: OpenSSL makes an alert of it */
    char detail[256];
};

/* chain: what came with the leaf, itself included or not.  Judges by the policy and the clock alone. */
void fy_tls_judge(const struct fy_tls_policy *policy, const struct fy_tls_party *party, X509 *leaf,
                  STACK_OF(X509) * chain, struct fy_tls_verdict *ret_verdict);

#endif
