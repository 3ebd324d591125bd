/*
 * policy - from settings and files to something that connections can use.
 *
 * Everything is parsed twice, by OpenSSL, which dials and judges, and by GnuTLS, which serves; what either of them
 * refuses is refused here, where there is somebody to tell.  The own certificate has to be valid now and to fit its
 * key, one CA at least has to be valid, and a revocation list that names one of the CAs as its issuer has to be signed
 * by it.  Nothing is prompted for: a key with a passphrase is refused.
 */
#include "net/tls/policy.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE ((size_t)1 << 20)

/* A file in memory. */
struct blob {
    uint8_t *data;
    size_t len;
};

/* A load under way. */
struct load {
    struct fy_tls_policy *policy;
    char *detail;
    size_t detail_size;
};

static int fail(const struct load *load, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(const struct load *load, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (load->detail_size > 0)
        (void)vsnprintf(load->detail, load->detail_size, format, args);
    va_end(args);
    ERR_clear_error();
    return FERRY_ERR_TLS_CONFIG;
}

/* Why OpenSSL did not like it, in its own words. */
static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "malformed";
}

/* ---- Settings ---- */

/* Texts on their way into one block: first counted, with at NULL, then copied.  Lists come before texts. */
struct arena {
    char *at;
    size_t size;
};

static void *take(struct arena *arena, size_t size)
{
    void *place = arena->at;

    arena->size += size;
    if (place)
        arena->at += size;
    return place;
}

static const char *put_text(struct arena *arena, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    char *place = text ? take(arena, size) : NULL;

    if (place)
        memcpy(place, text, size);
    return place;
}

static const char **put_list(struct arena *arena, const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return list ? take(arena, (n + 1) * sizeof(char *)) : NULL;
}

static void fill_list(struct arena *arena, const char *const *list, const char **copy)
{
    size_t n = 0;

    for (; list && list[n]; n++) {
        const char *text = put_text(arena, list[n]);

        if (copy)
            copy[n] = text;
    }
    if (copy)
        copy[n] = NULL;
}

static void put_config(struct arena *arena, const struct ferry_tls_config *cfg, struct ferry_tls_config *copy)
{
    const char **cns = put_list(arena, cfg->allowed_cns);
    const char **hostnames = put_list(arena, cfg->allowed_hostnames);

    fill_list(arena, cfg->allowed_cns, cns);
    fill_list(arena, cfg->allowed_hostnames, hostnames);
    copy->allowed_cns = cns;
    copy->allowed_hostnames = hostnames;
    copy->cert_file = put_text(arena, cfg->cert_file);
    copy->key_file = put_text(arena, cfg->key_file);
    copy->client_cert_file = put_text(arena, cfg->client_cert_file);
    copy->client_key_file = put_text(arena, cfg->client_key_file);
    copy->ca_file = put_text(arena, cfg->ca_file);
    copy->crl_file = put_text(arena, cfg->crl_file);
    copy->server_name = put_text(arena, cfg->server_name);
}

static int copy_config(const struct load *load, const struct ferry_tls_config *cfg)
{
    struct fy_tls_policy *policy = load->policy;
    struct arena arena = {.at = NULL};

    policy->cfg = *cfg;
    put_config(&arena, cfg, &policy->cfg);
    policy->texts = malloc(arena.size);
    if (!policy->texts)
        return FERRY_ERR_NOMEM;
    arena.at = policy->texts;
    put_config(&arena, cfg, &policy->cfg);
    return FERRY_OK;
}

static int check_config(const struct load *load, const struct ferry_tls_config *cfg)
{
    if (!cfg->cert_file || !cfg->key_file)
        return fail(load, "cert_file and key_file are required");
    if (!cfg->ca_file)
        return fail(load, "ca_file is required");
    if (!cfg->client_cert_file != !cfg->client_key_file)
        return fail(load, "client_cert_file and client_key_file go together");
    if (cfg->allowed_cns && cfg->allowed_hostnames)
        return fail(load, "allowed_cns and allowed_hostnames exclude each other");
    if ((cfg->allowed_cns && !cfg->allowed_cns[0]) || (cfg->allowed_hostnames && !cfg->allowed_hostnames[0]))
        return fail(load, "a list of allowed names is empty");
    if (cfg->min_version != FERRY_TLS_1_2 && cfg->min_version != FERRY_TLS_1_3)
        return fail(load, "min_version is none of enum ferry_tls_version");
    if (cfg->handshake_timeout_ms == 0)
        return fail(load, "handshake_timeout_ms is 0");
    return FERRY_OK;
}

/* ---- Files ---- */

static void blob_release(struct blob *blob)
{
    if (blob->data)
        OPENSSL_cleanse(blob->data, blob->len); /* it may be a key */
    free(blob->data);
    blob->data = NULL;
}

static int read_open_file(const struct load *load, const char *path, FILE *file, struct blob *ret_blob)
{
    struct stat st;
    struct blob blob;
    size_t room;

    if (fstat(fileno(file), &st) != 0)
        return fail(load, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(load, "%s: not a regular file", path);
    if (st.st_size == 0)
        return fail(load, "%s: the file is empty", path);
    if (st.st_size > (off_t)MAX_FILE)
        return fail(load, "%s: longer than %zu bytes", path, MAX_FILE);
    room = (size_t)st.st_size + 1;
    blob.data = malloc(room);
    if (!blob.data)
        return FERRY_ERR_NOMEM;
    blob.len = fread(blob.data, 1, room, file);
    if (blob.len == (size_t)st.st_size) {
        *ret_blob = blob;
        return FERRY_OK;
    }
    blob_release(&blob);
    return fail(load, "%s: the file changed while it was read", path);
}

static int read_file(const struct load *load, const char *path, struct blob *ret_blob)
{
    FILE *file = fopen(path, "re");
    int err;

    if (!file)
        return fail(load, "%s: %s", path, strerror(errno));
    setvbuf(file, NULL, _IONBF, 0);
    err = read_open_file(load, path, file, ret_blob);
    fclose(file);
    return err;
}

/* ---- Certificates ---- */

static int no_passphrase(char *buf, int size, int is_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static bool is_at_end_of_pem(void)
{
    unsigned long err = ERR_peek_last_error();
    bool is_end = ERR_GET_LIB(err) == ERR_LIB_PEM && ERR_GET_REASON(err) == PEM_R_NO_START_LINE;

    if (is_end)
        ERR_clear_error();
    return is_end;
}

/* All certificates in blob; at least one. */
static int parse_certs(const struct load *load, const char *path, const struct blob *blob, STACK_OF(X509) * *ret_certs)
{
    BIO *bio = BIO_new_mem_buf(blob->data, (int)blob->len);
    STACK_OF(X509) *certs = sk_X509_new_null();
    int err = FERRY_OK;
    X509 *cert;

    if (!bio || !certs)
        err = FERRY_ERR_NOMEM;
    while (!err && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
        if (!sk_X509_push(certs, cert)) {
            X509_free(cert);
            err = FERRY_ERR_NOMEM;
        }
    }
    if (!err && !is_at_end_of_pem())
        err = fail(load, "%s: %s", path, openssl_reason());
    if (!err && sk_X509_num(certs) == 0)
        err = fail(load, "%s: no certificate in it", path);
    BIO_free(bio);
    if (err)
        sk_X509_pop_free(certs, X509_free);
    else
        *ret_certs = certs;
    return err;
}

static int parse_key(const struct load *load, const char *path, const struct blob *blob, EVP_PKEY **ret_key)
{
    BIO *bio = BIO_new_mem_buf(blob->data, (int)blob->len);

    if (!bio)
        return FERRY_ERR_NOMEM;
    *ret_key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return *ret_key ? FERRY_OK : fail(load, "%s: no private key that can be used: %s", path, openssl_reason());
}

static bool is_expired(const X509 *cert)
{
    return X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
}

static bool is_not_yet_valid(const X509 *cert)
{
    return X509_cmp_current_time(X509_get0_notBefore(cert)) > 0;
}

static void identity_release(struct fy_tls_identity *identity)
{
    X509_free(identity->cert);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    *identity = (struct fy_tls_identity){.cert = NULL};
}

static int parse_identity(const struct load *load, const char *cert_path, const struct blob *cert, const char *key_path,
                          const struct blob *key, struct fy_tls_identity *ret_identity)
{
    struct fy_tls_identity identity = {.cert = NULL};
    int err = parse_certs(load, cert_path, cert, &identity.chain);

    if (err)
        return err;
    identity.cert = sk_X509_shift(identity.chain);
    err = parse_key(load, key_path, key, &identity.key);
    if (!err && X509_check_private_key(identity.cert, identity.key) != 1)
        err = fail(load, "%s is not the key of %s", key_path, cert_path);
    if (!err && is_expired(identity.cert))
        err = fail(load, "%s: the certificate has expired", cert_path);
    if (!err && is_not_yet_valid(identity.cert))
        err = fail(load, "%s: the certificate is not valid yet", cert_path);
    if (err)
        identity_release(&identity);
    else
        *ret_identity = identity;
    return err;
}

/*
 * Our order before the client's, and no version but those that are added to it.  The ciphers are those of GnuTLS, in
 * the order of Go's servers: keys of 128 bits first, which cost less.  Of the groups those come first for which clients
 * send a share: for another one the server has to ask, which takes a round trip more.
 */
#define PREFERENCES                                                                                                    \
    "NORMAL:%SERVER_PRECEDENCE:-GROUP-SECP256R1:-GROUP-SECP384R1:-GROUP-SECP521R1:-GROUP-X448:-GROUP-DH-ALL:"          \
    "+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:+GROUP-X448:+GROUP-DH-ALL:-VERS-ALL:-CIPHER-ALL:+AES-128-GCM:" \
    "+AES-256-GCM:+CHACHA20-POLY1305:"                                                                                 \
    "+AES-128-CCM:+AES-256-CCM:+AES-128-CBC:+AES-256-CBC"

static int arm_server(const struct load *load, const struct blob *cert, const struct blob *key)
{
    struct fy_tls_policy *policy = load->policy;
    const gnutls_datum_t cert_datum = {cert->data, (unsigned)cert->len};
    const gnutls_datum_t key_datum = {key->data, (unsigned)key->len};
    const char *priority = policy->cfg.min_version == FERRY_TLS_1_3 ? PREFERENCES ":+VERS-TLS1.3"
                                                                    : PREFERENCES ":+VERS-TLS1.3:+VERS-TLS1.2";
    int result;

    if (gnutls_certificate_allocate_credentials(&policy->accepting) != GNUTLS_E_SUCCESS)
        return FERRY_ERR_NOMEM;
    result =
        gnutls_certificate_set_x509_key_mem2(policy->accepting, &cert_datum, &key_datum, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (result < 0)
        return fail(load, "%s: %s", policy->cfg.cert_file, gnutls_strerror(result));
    result = gnutls_priority_init(&policy->priority, priority, NULL);
    return result < 0 ? fail(load, "GnuTLS: %s", gnutls_strerror(result)) : FERRY_OK;
}

bool fy_tls_policy_arm(const struct fy_tls_policy *policy, SSL_CTX *ctx)
{
    const struct fy_tls_identity *own = &policy->dialing;
    bool is_armed = SSL_CTX_use_cert_and_key(ctx, own->cert, own->key, own->chain, 1) == 1;

    ERR_clear_error();
    return is_armed;
}

/* Is our certificate strong enough for OpenSSL?  It says so only when it is used. */
static int try_client(const struct load *load, const char *path)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    bool is_armed;

    if (!ctx)
        return FERRY_ERR_NOMEM;
    is_armed = fy_tls_policy_arm(load->policy, ctx);
    SSL_CTX_free(ctx);
    return is_armed ? FERRY_OK : fail(load, "%s: OpenSSL does not take the certificate", path);
}

static int load_server(const struct load *load)
{
    struct fy_tls_policy *policy = load->policy;
    const struct ferry_tls_config *cfg = &policy->cfg;
    struct fy_tls_identity identity = {.cert = NULL};
    struct blob cert = {.data = NULL};
    struct blob key = {.data = NULL};
    int err = read_file(load, cfg->cert_file, &cert);

    if (!err)
        err = read_file(load, cfg->key_file, &key);
    if (!err)
        err = parse_identity(load, cfg->cert_file, &cert, cfg->key_file, &key, &identity);
    if (!err)
        err = arm_server(load, &cert, &key);
    blob_release(&key);
    blob_release(&cert);
    if (err || cfg->client_cert_file)
        identity_release(&identity);
    else
        policy->dialing = identity;
    return err;
}

static int load_client(const struct load *load)
{
    struct fy_tls_policy *policy = load->policy;
    const struct ferry_tls_config *cfg = &policy->cfg;
    struct blob cert = {.data = NULL};
    struct blob key = {.data = NULL};
    int err;

    if (!cfg->client_cert_file)
        return try_client(load, cfg->cert_file);
    err = read_file(load, cfg->client_cert_file, &cert);
    if (!err)
        err = read_file(load, cfg->client_key_file, &key);
    if (!err)
        err = parse_identity(load, cfg->client_cert_file, &cert, cfg->client_key_file, &key, &policy->dialing);
    blob_release(&key);
    blob_release(&cert);
    return err ? err : try_client(load, cfg->client_cert_file);
}

/* ---- Trust ---- */

static int trust(const struct load *load, STACK_OF(X509) * certs)
{
    bool is_any_valid = false;

    for (int i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);

        is_any_valid |= !is_expired(cert) && !is_not_yet_valid(cert);
        if (X509_STORE_add_cert(load->policy->trusted, cert) != 1)
            return FERRY_ERR_NOMEM;
    }
    return is_any_valid ? FERRY_OK : fail(load, "%s: no certificate in it is valid now", load->policy->cfg.ca_file);
}

/* Of the CAs that have the issuer's name, did one sign the list?  No such CA: an intermediate's, judged when used. */
static bool is_signed_right(X509_CRL *crl, STACK_OF(X509) * cas)
{
    bool is_known = false;

    for (int i = 0; i < sk_X509_num(cas); i++) {
        X509 *ca = sk_X509_value(cas, i);

        if (X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) != 0)
            continue;
        is_known = true;
        if (X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1)
            return true;
    }
    ERR_clear_error();
    return !is_known;
}

static int add_crl(const struct load *load, X509_CRL *crl, STACK_OF(X509) * cas)
{
    int err = FERRY_OK;

    if (!is_signed_right(crl, cas))
        err = fail(load, "%s: a list is not signed by its issuer", load->policy->cfg.crl_file);
    else if (X509_STORE_add_crl(load->policy->trusted, crl) != 1)
        err = FERRY_ERR_NOMEM;
    X509_CRL_free(crl);
    return err;
}

static int parse_crls(const struct load *load, const struct blob *blob, STACK_OF(X509) * cas)
{
    const char *path = load->policy->cfg.crl_file;
    const uint8_t *der = blob->data;
    BIO *bio = BIO_new_mem_buf(blob->data, (int)blob->len);
    X509_CRL *crl;
    int err = bio ? FERRY_OK : FERRY_ERR_NOMEM;
    int n = 0;

    if (!err && blob->data[0] == 0x30) { /* a DER sequence */
        crl = d2i_X509_CRL(NULL, &der, (long)blob->len);
        err = crl ? add_crl(load, crl, cas) : fail(load, "%s: not a revocation list", path);
        BIO_free(bio);
        return err;
    }
    for (; !err && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)); n++)
        err = add_crl(load, crl, cas);
    if (!err && (!is_at_end_of_pem() || n == 0))
        err = fail(load, "%s: not a revocation list", path);
    BIO_free(bio);
    return err;
}

static int load_crls(const struct load *load, STACK_OF(X509) * cas)
{
    const char *path = load->policy->cfg.crl_file;
    struct blob blob = {.data = NULL};
    int err;

    if (!path)
        return FERRY_OK;
    err = read_file(load, path, &blob);
    if (!err)
        err = parse_crls(load, &blob, cas);
    load->policy->has_crl = !err;
    blob_release(&blob);
    return err;
}

static int load_trust(const struct load *load)
{
    struct fy_tls_policy *policy = load->policy;
    STACK_OF(X509) *cas = NULL;
    struct blob blob = {.data = NULL};
    int err = read_file(load, policy->cfg.ca_file, &blob);

    if (!err)
        err = parse_certs(load, policy->cfg.ca_file, &blob, &cas);
    if (!err && !(policy->trusted = X509_STORE_new()))
        err = FERRY_ERR_NOMEM;
    if (!err)
        err = trust(load, cas);
    if (!err)
        err = load_crls(load, cas);
    sk_X509_pop_free(cas, X509_free);
    policy->ca_pem = (char *)blob.data;
    policy->ca_pem_len = blob.len;
    return err;
}

/* ---- Life ---- */

static void policy_free(struct fy_tls_policy *policy)
{
    identity_release(&policy->dialing);
    X509_STORE_free(policy->trusted);
    if (policy->accepting)
        gnutls_certificate_free_credentials(policy->accepting);
    if (policy->priority)
        gnutls_priority_deinit(policy->priority);
    free(policy->ca_pem);
    free(policy->texts);
    free(policy);
}

int fy_tls_policy_new(const struct ferry_tls_config *cfg, uint64_t number, struct fy_tls_policy **ret_policy,
                      char *ret_detail, size_t detail_size)
{
    struct load load = {
        .policy = calloc(1, sizeof(struct fy_tls_policy)), .detail = ret_detail, .detail_size = detail_size};
    int err;

    if (!load.policy)
        return FERRY_ERR_NOMEM;
    atomic_init(&load.policy->n_refs, 1);
    load.policy->number = number;
    err = check_config(&load, cfg);
    if (!err)
        err = copy_config(&load, cfg);
    if (!err)
        err = load_server(&load);
    if (!err)
        err = load_client(&load);
    if (!err)
        err = load_trust(&load);
    if (err)
        policy_free(load.policy);
    else
        *ret_policy = load.policy;
    return err;
}

struct fy_tls_policy *fy_tls_policy_ref(struct fy_tls_policy *policy)
{
    (void)atomic_fetch_add(&policy->n_refs, 1);
    return policy;
}

void fy_tls_policy_unref(struct fy_tls_policy *policy)
{
    if (policy && atomic_fetch_sub(&policy->n_refs, 1) == 1)
        policy_free(policy);
}
