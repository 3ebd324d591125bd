/*
 * grid_names - two hashes of two names, and the digest of a text.
 */
#include "wire/grid_names.h"

#include <openssl/evp.h>
#include <string.h>

#include "wire/xxh3.h"

/* Of both names in a row. */
static uint64_t hash(const char *first, const char *second)
{
    const struct ferry_bytes names[] = {{(const uint8_t *)first, strlen(first)},
                                        {(const uint8_t *)second, strlen(second)}};

    return fy_xxh3_runs(names, sizeof(names) / sizeof(names[0]));
}

bool fy_grid_dials(const char *local, const char *remote)
{
    const uint64_t ours = hash(local, remote), theirs = hash(remote, local);

    return ours != theirs ? ours < theirs : strcmp(local, remote) < 0;
}

int fy_grid_subroute_key(const char *subroute, uint8_t handler, uint8_t ret_key[32])
{
    if (EVP_Digest(subroute, strlen(subroute), ret_key, NULL, EVP_sha256(), NULL) != 1)
        return FERRY_ERR_NOMEM;
    ret_key[0] = handler;
    ret_key[1] = 0;
    return FERRY_OK;
}
