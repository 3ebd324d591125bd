/*
 * fuzz_lock - requests and answers of locks: what was decoded is encoded to what decodes the same.
 */
#include <stdlib.h>
#include <string.h>

#include "ferry/lock.h"
#include "fuzz.h"

#define MAX_RESOURCES 20

static uint8_t buf[1 << 16];

static bool same(struct ferry_bytes a, struct ferry_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void args(const struct fuzz_input *input)
{
    struct ferry_bytes resources[MAX_RESOURCES], again_resources[MAX_RESOURCES];
    struct ferry_lock_args got, again;
    size_t len;

    if (ferry_lock_args_decode(input->data, input->len, resources, MAX_RESOURCES, &got) != FERRY_OK)
        return;
    FUZZ_CHECK(ferry_lock_args_encode(&got, buf, input->options, &len) != FERRY_OK || len <= input->options);
    FUZZ_CHECK(ferry_lock_args_encode(&got, buf, sizeof(buf), &len) == FERRY_OK);
    FUZZ_CHECK(ferry_lock_args_decode(buf, len, again_resources, MAX_RESOURCES, &again) == FERRY_OK);
    FUZZ_CHECK(same(got.uid, again.uid) && same(got.owner, again.owner) && same(got.source, again.source));
    FUZZ_CHECK(got.has_quorum == again.has_quorum && got.quorum == again.quorum);
    FUZZ_CHECK(got.n_resources == again.n_resources);
    for (size_t i = 0; i < got.n_resources; i++)
        FUZZ_CHECK(same(resources[i], again_resources[i]));
}

static void response(const struct fuzz_input *input)
{
    struct ferry_lock_response got, again;
    size_t len;

    if (ferry_lock_response_decode(input->data, input->len, &got) != FERRY_OK)
        return;
    FUZZ_CHECK(ferry_lock_response_encode(&got, buf, 3, &len) == FERRY_ERR_TOO_LARGE);
    FUZZ_CHECK(ferry_lock_response_encode(&got, buf, sizeof(buf), &len) == FERRY_OK);
    FUZZ_CHECK(ferry_lock_response_decode(buf, len, &again) == FERRY_OK);
    FUZZ_CHECK(got.code == again.code && same(got.error, again.error));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;

    if (!fuzz_begin(&input, data, size))
        return 0;
    args(&input);
    response(&input);
    fuzz_end(&input);
    return 0;
}
