/*
 * xxh3.h - XXH3 of 64 bits, without a seed.
 *
 * xxHash is compiled in, from its header: its state may then lie on the stack, and short inputs cost no call.
 */
#ifndef FY_WIRE_XXH3_H
#define FY_WIRE_XXH3_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

/* Of len bytes in a row. */
uint64_t fy_xxh3(const void *data, size_t len);

/* Of n runs of bytes, as if they lay in a row. */
uint64_t fy_xxh3_runs(const struct ferry_bytes *runs, size_t n);

#endif
