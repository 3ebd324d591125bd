/*
 * identity - ids as etcd computes them: the first eight bytes of a SHA-1.
 */
#include "etcd-member/identity.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/mem.h"
#include "etcd-member/say.h"
#include "etcd-member/texts.h"

static uint64_t first_of_sha1(const void *data, size_t len)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    uint64_t id = 0;

    if (!EVP_Digest(data, len, digest, NULL, EVP_sha1(), NULL))
        die("no SHA-1");
    for (size_t i = 0; i < sizeof(id); i++)
        id = id << 8 | digest[i];
    return id;
}

static int in_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

uint64_t identity_of_member(char *const *peer_urls, const char *token)
{
    size_t n = texts_count(peer_urls);
    char **sorted = mem_zero((n + 1) * sizeof(*sorted));
    char *text = mem_print("%s", "");
    uint64_t id;

    memcpy(sorted, peer_urls, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), in_order);
    for (size_t i = 0; i <= n; i++) {
        char *longer = mem_print("%s%s", text, i < n ? sorted[i] : token);

        free(text);
        text = longer;
    }
    id = first_of_sha1(text, strlen(text));
    free(text);
    free(sorted);
    return id;
}

uint64_t identity_of_cluster(const uint64_t *ids, size_t n)
{
    uint8_t *bytes = mem_zero(n * 8);
    uint64_t id;

    for (size_t i = 0; i < n * 8; i++)
        bytes[i] = (uint8_t)(ids[i / 8] >> (56 - 8 * (i % 8)));
    id = first_of_sha1(bytes, n * 8);
    free(bytes);
    return id;
}
