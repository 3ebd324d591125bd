/*
 * bench_lock_codec - measures encoding and decoding of lock requests: one resource, and texts as long as those of a
 * real client.
 */
#include "tools/bench_lock_codec.h"

#include <stdio.h>

#include "ferry/lock.h"
#include "tools/allocations.h"
#include "tools/bench_options.h"
#include "tools/bench_report.h"

#define BATCH 256   /* requests that are encoded, and then decoded, per round */
#define MAX_LEN 256 /* of a request */
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

struct batch {
    size_t n;
    size_t lens[BATCH];
    uint8_t bytes[BATCH][MAX_LEN];
};

static int encode(struct batch *batch, uint64_t first)
{
    const struct ferry_bytes resource = TEXT("bucket/folder/object-0001");
    struct ferry_lock_args args = {.uid = TEXT("68412cbb-0000-4000-8000-000000000001"),
                                   .resources = &resource,
                                   .n_resources = 1,
                                   .owner = TEXT("10.77.0.1:19201"),
                                   .source = TEXT("[object.go:1555:putObject()]"),
                                   .has_quorum = true};
    int err = FERRY_OK;

    for (size_t i = 0; i < batch->n && err == FERRY_OK; i++) {
        args.quorum = (int64_t)(first + i);
        err = ferry_lock_args_encode(&args, batch->bytes[i], MAX_LEN, &batch->lens[i]);
    }
    return err;
}

static int decode(const struct batch *batch, uint64_t first)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct ferry_bytes resources[4];
        struct ferry_lock_args args;
        int err = ferry_lock_args_decode(batch->bytes[i], batch->lens[i], resources, 4, &args);

        if (err != FERRY_OK || args.quorum != (int64_t)(first + i))
            return err != FERRY_OK ? err : FERRY_ERR_MALFORMED;
    }
    return FERRY_OK;
}

int bench_lock_codec(const struct bench_options *options, struct bench_result *result)
{
    static struct batch batch;
    uint64_t encode_ns = 0, decode_ns = 0;
    const uint64_t n = options->messages, n_allocations = allocations_count();

    for (uint64_t done = 0; done < n; done += batch.n) {
        uint64_t began_ns = stopwatch_now_ns(), encoded_ns;
        int err;

        batch.n = n - done < BATCH ? (size_t)(n - done) : BATCH;
        err = encode(&batch, done);
        encoded_ns = stopwatch_now_ns();
        if (err == FERRY_OK)
            err = decode(&batch, done);
        if (err != FERRY_OK) {
            fprintf(stderr, "ferry-bench: lock requests: %s\n", ferry_strerror(err));
            return -1;
        }
        encode_ns += encoded_ns - began_ns;
        decode_ns += stopwatch_now_ns() - encoded_ns;
    }
    result->lock_encode_ns_per_msg = (double)encode_ns / (double)n;
    result->lock_decode_ns_per_msg = (double)decode_ns / (double)n;
    if (allocations_are_counted())
        result->lock_allocs_per_msg = (double)(allocations_count() - n_allocations) / (double)n;
    return 0;
}
