/*
 * certificates.h - keys, certificates and revocation lists made at run time, in a directory that is removed with the
 * test.
 */
#ifndef HARNESS_CERTIFICATES_H
#define HARNESS_CERTIFICATES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
};

enum certificate_use { USE_ANY, USE_SERVER, USE_CLIENT };

struct certificate_spec {
    const char *common_name;
    const char *names; /* in OpenSSL's syntax: "DNS:localhost,IP:127.0.0.1"; NULL: none */
    long from_s;       /* from now; 0: an hour ago */
    long until_s;      /* from now; 0: an hour ahead */
    long serial;       /* 0: a unique one */
    bool is_ca;
    enum certificate_use use;
};

void certificates_setup(void); /* makes the directory */

/* issuer NULL: self-signed.  To be released. */
struct certificate certificate_make(const struct certificate_spec *spec, const struct certificate *issuer);
void certificate_release(struct certificate *certificate);

/* Write NAME into the directory, atomically.  The path stays valid until the end of the test. */
const char *certificate_write(const char *name, const struct certificate *first, const struct certificate *second);
const char *certificate_write_key(const char *name, const struct certificate *certificate);
const char *certificate_write_crl(const char *name, const struct certificate *issuer, long revoked_serial);
const char *certificate_write_text(const char *name, const char *text);

#endif
