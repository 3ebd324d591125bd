/*
 * bench_tls - makes one self-signed certificate, valid for an hour, which both members use and trust.
 *
 * The files are removed as soon as the members have read them.
 */
#include "tools/bench_tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIFETIME_S 3600

static bool add_extension(X509 *x509, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool is_added;

    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    is_added = extension && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool fill(X509 *x509, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(x509);

    return X509_set_version(x509, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x509), -60) && X509_gmtime_adj(X509_getm_notAfter(x509), LIFETIME_S) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"ferry-bench", -1, -1, 0) == 1 &&
           X509_set_issuer_name(x509, name) == 1 && X509_set_pubkey(x509, key) == 1 &&
           add_extension(x509, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x509, NID_subject_alt_name, "IP:127.0.0.1") && X509_sign(x509, key, EVP_sha256()) > 0;
}

static bool write_files(const struct bench_tls *tls, X509 *x509, EVP_PKEY *key)
{
    FILE *cert_file = fopen(tls->cert_file, "w");
    FILE *key_file = fopen(tls->key_file, "w");
    bool is_written = cert_file && key_file && PEM_write_X509(cert_file, x509) == 1 &&
                      PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1;

    if (cert_file && fclose(cert_file) != 0)
        is_written = false;
    if (key_file && fclose(key_file) != 0)
        is_written = false;
    return is_written;
}

int bench_tls_make(struct bench_tls *tls)
{
    X509 *x509 = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    bool is_made;

    *tls = (struct bench_tls){.config = FERRY_TLS_CONFIG_INIT, .directory = "/tmp/ferry-bench-XXXXXX"};
    is_made = mkdtemp(tls->directory) != NULL;
    (void)snprintf(tls->cert_file, sizeof(tls->cert_file), "%s/cert.pem", tls->directory);
    (void)snprintf(tls->key_file, sizeof(tls->key_file), "%s/key.pem", tls->directory);
    tls->config.cert_file = tls->cert_file;
    tls->config.key_file = tls->key_file;
    tls->config.ca_file = tls->cert_file;
    if (is_made && !(x509 && key && fill(x509, key) && write_files(tls, x509, key))) {
        bench_tls_remove(tls);
        is_made = false;
    }
    X509_free(x509);
    EVP_PKEY_free(key);
    if (!is_made)
        fputs("ferry-bench: cannot make certificates\n", stderr);
    return is_made ? 0 : -1;
}

void bench_tls_remove(struct bench_tls *tls)
{
    (void)unlink(tls->cert_file); /* files that are missing or cannot be removed do no harm */
    (void)unlink(tls->key_file);
    (void)rmdir(tls->directory);
}
