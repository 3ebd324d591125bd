/*
 * certificate.h - what a certificate says of its owner, apart from any TLS library.
 */
#ifndef FY_NET_TLS_CERTIFICATE_H
#define FY_NET_TLS_CERTIFICATE_H

#include <openssl/x509.h>

#include "ferry/tls.h"

/* Copy it out of x509 into one block, for free().  NULL: out of memory. */
struct ferry_certificate *fy_certificate_new(X509 *x509);

/* Is the certificate for this host: a name (wildcards count, the subject does not) or an IP address? */
bool fy_certificate_is_for(X509 *x509, const char *host);

#endif
