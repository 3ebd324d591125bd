/*
 * certificates - a CA for tests.
 */
#include "harness/certificates.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/rig.h"

#define HOUR_S 3600
#define MAX_PATHS 256

static char directory[RIG_DIR_SIZE];
static char paths[MAX_PATHS][RIG_DIR_SIZE + 64];
static size_t n_paths;
static long last_serial;

void certificates_setup(void)
{
    rig_make_dir(directory);
    n_paths = 0;
    last_serial = 1000;
}

/* ---- Making ---- */

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void add_extensions(X509 *x509, X509 *issuer, const struct certificate_spec *spec)
{
    add_extension(x509, issuer, NID_basic_constraints, spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(x509, issuer, NID_key_usage, spec->is_ca ? "critical,keyCertSign,cRLSign" : "digitalSignature");
    add_extension(x509, issuer, NID_subject_key_identifier, "hash");
    add_extension(x509, issuer, NID_authority_key_identifier, "keyid");
    if (!spec->is_ca)
        add_extension(x509, issuer, NID_ext_key_usage,
                      spec->use == USE_ANY      ? "serverAuth,clientAuth"
                      : spec->use == USE_SERVER ? "serverAuth"
                                                : "clientAuth");
    if (spec->names)
        add_extension(x509, issuer, NID_subject_alt_name, spec->names);
}

struct certificate certificate_make(const struct certificate_spec *spec, const struct certificate *issuer)
{
    struct certificate made = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *name = X509_NAME_new();

    ck_assert_ptr_nonnull(made.x509);
    ck_assert_ptr_nonnull(made.key);
    ck_assert_int_eq(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)spec->common_name, -1, -1, 0), 1);
    X509_set_version(made.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), spec->serial ? spec->serial : ++last_serial);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), spec->from_s ? spec->from_s : -HOUR_S);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), spec->until_s ? spec->until_s : HOUR_S);
    X509_set_subject_name(made.x509, name);
    X509_set_issuer_name(made.x509, issuer ? X509_get_subject_name(issuer->x509) : name);
    X509_set_pubkey(made.x509, made.key);
    X509_NAME_free(name);
    add_extensions(made.x509, issuer ? issuer->x509 : made.x509, spec);
    ck_assert_int_gt(X509_sign(made.x509, issuer ? issuer->key : made.key, EVP_sha256()), 0);
    return made;
}

void certificate_release(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    *certificate = (struct certificate){.x509 = NULL};
}

/* ---- Writing ---- */

/* The path for a name: the same for the same name. */
static const char *path_of(const char *name)
{
    char path[sizeof(paths[0])];

    ck_assert_int_lt(snprintf(path, sizeof(path), "%s/%s", directory, name), (int)sizeof(path));
    for (size_t i = 0; i < n_paths; i++)
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    ck_assert_uint_lt(n_paths, MAX_PATHS);
    return strcpy(paths[n_paths++], path);
}

static FILE *begin(void)
{
    char path[sizeof(paths[0])];
    FILE *file;

    snprintf(path, sizeof(path), "%s/new", directory);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    return file;
}

static const char *finish(FILE *file, const char *name)
{
    char path[sizeof(paths[0])];

    ck_assert_int_eq(fclose(file), 0);
    snprintf(path, sizeof(path), "%s/new", directory);
    ck_assert_int_eq(rename(path, path_of(name)), 0);
    return path_of(name);
}

const char *certificate_write(const char *name, const struct certificate *first, const struct certificate *second)
{
    FILE *file = begin();

    ck_assert_int_eq(PEM_write_X509(file, first->x509), 1);
    if (second)
        ck_assert_int_eq(PEM_write_X509(file, second->x509), 1);
    return finish(file, name);
}

const char *certificate_write_key(const char *name, const struct certificate *certificate)
{
    FILE *file = begin();

    ck_assert_int_eq(PEM_write_PrivateKey(file, certificate->key, NULL, NULL, 0, NULL, NULL), 1);
    return finish(file, name);
}

const char *certificate_write_crl(const char *name, const struct certificate *issuer, long revoked_serial)
{
    FILE *file = begin();
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -HOUR_S);
    ASN1_TIME *next = X509_gmtime_adj(NULL, HOUR_S);

    ASN1_INTEGER_set(serial, revoked_serial);
    X509_REVOKED_set_serialNumber(revoked, serial);
    X509_REVOKED_set_revocationDate(revoked, now);
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, next);
    ck_assert_int_eq(X509_CRL_add0_revoked(crl, revoked), 1);
    ck_assert_int_gt(X509_CRL_sign(crl, issuer->key, EVP_sha256()), 0);
    ck_assert_int_eq(PEM_write_X509_CRL(file, crl), 1);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    X509_CRL_free(crl);
    return finish(file, name);
}

const char *certificate_write_text(const char *name, const char *text)
{
    FILE *file = begin();

    ck_assert_int_ge(fputs(text, file), 0);
    return finish(file, name);
}
