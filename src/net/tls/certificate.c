/*
 * certificate - the names in a certificate.
 *
 * The names are walked twice, first to count and then to copy, so that all of them lie in one block.  A name with a NUL
 * inside is left out: what is before the NUL is not what the CA has signed.
 */
#include "net/tls/certificate.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* The block while it is counted (text is NULL) and filled. */
struct sink {
    const char **list;
    char *text;
    size_t n_list;
    size_t n_text;
};

static const char *put_text(struct sink *sink, const char *text, size_t len)
{
    char *at = sink->text ? sink->text + sink->n_text : NULL;

    sink->n_text += len + 1;
    if (!at)
        return NULL;
    memcpy(at, text, len);
    at[len] = '\0';
    return at;
}

static void put_item(struct sink *sink, const char *item)
{
    if (sink->list)
        sink->list[sink->n_list] = item;
    sink->n_list++;
}

static void put_string(struct sink *sink, const ASN1_STRING *string)
{
    const char *data = (const char *)ASN1_STRING_get0_data(string);
    size_t len = (size_t)ASN1_STRING_length(string);

    if (!memchr(data, '\0', len))
        put_item(sink, put_text(sink, data, len));
}

static void put_address(struct sink *sink, const ASN1_STRING *string)
{
    int len = ASN1_STRING_length(string);
    char text[INET6_ADDRSTRLEN];

    if ((len == 4 || len == 16) &&
        inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(string), text, sizeof(text)))
        put_item(sink, put_text(sink, text, strlen(text)));
}

static const char *const *put_names(struct sink *sink, const GENERAL_NAMES *names, int type)
{
    const char *const *list = sink->list ? sink->list + sink->n_list : NULL;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) { /* -1 for none at all */
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        int its_type;
        const ASN1_STRING *string = GENERAL_NAME_get0_value(name, &its_type);

        if (its_type != type)
            continue;
        if (type == GEN_IPADD)
            put_address(sink, string);
        else
            put_string(sink, string);
    }
    put_item(sink, NULL);
    return list;
}

/* The last one counts, as in Go. */
static const char *put_common_name(struct sink *sink, X509 *x509)
{
    const X509_NAME *subject = X509_get_subject_name(x509);
    const char *name = NULL;
    unsigned char *text;
    int at = -1;
    int len = -1;

    for (int next; (next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
        at = next;
    if (at >= 0)
        len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len < 0 || memchr(text, '\0', (size_t)len))
        name = put_text(sink, "", 0);
    else
        name = put_text(sink, (const char *)text, (size_t)len);
    if (len >= 0)
        OPENSSL_free(text);
    return name;
}

static void put_all(struct sink *sink, X509 *x509, const GENERAL_NAMES *names,
                    struct ferry_certificate *ret_certificate)
{
    ret_certificate->dns_names = put_names(sink, names, GEN_DNS);
    ret_certificate->ip_addresses = put_names(sink, names, GEN_IPADD);
    ret_certificate->uris = put_names(sink, names, GEN_URI);
    ret_certificate->common_name = put_common_name(sink, x509);
}

struct ferry_certificate *fy_certificate_new(X509 *x509)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    struct sink sink = {.text = NULL};
    struct ferry_certificate counted = {.common_name = NULL};
    struct ferry_certificate *certificate;
    unsigned digest_len;

    put_all(&sink, x509, names, &counted);
    certificate = calloc(1, sizeof(*certificate) + sink.n_list * sizeof(char *) + sink.n_text);
    if (certificate) {
        sink = (struct sink){.list = (const char **)(certificate + 1),
                             .text = (char *)(certificate + 1) + sink.n_list * sizeof(char *)};
        put_all(&sink, x509, names, certificate);
        (void)X509_digest(x509, EVP_sha256(), certificate->sha256, &digest_len); /* zeros when it fails */
    }
    GENERAL_NAMES_free(names);
    return certificate;
}

bool fy_certificate_is_for(X509 *x509, const char *host)
{
    struct in6_addr address;

    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
        return X509_check_ip_asc(x509, host, 0) == 1;
    return X509_check_host(x509, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                           NULL) == 1;
}
