/*
 * xxh3 - the only file that includes xxHash.
 */
#define XXH_INLINE_ALL
#include "wire/xxh3.h"

#include <xxhash.h>

uint64_t fy_xxh3(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

uint64_t fy_xxh3_runs(const struct ferry_bytes *runs, size_t n)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < n; i++)
        if (runs[i].len > 0)
            XXH3_64bits_update(&state, runs[i].data, runs[i].len);
    return XXH3_64bits_digest(&state);
}
