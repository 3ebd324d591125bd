/*
 * fuzz.h - what the fuzz targets have in common.
 *
 * An input begins with three bytes of control: options of the target, a seed for the cuts, and which allocation fails
 * (255: none).  The library's sources are compiled with the heap below in place of malloc's.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_CONTROL 3

struct fuzz_input {
    unsigned options;
    uint32_t seed;
    uint8_t *data; /* a block of its own, of exactly len bytes: reading beyond it is seen */
    size_t len;
    char *text; /* fuzz_text */
};

/* false: it is too short. */
bool fuzz_begin(struct fuzz_input *input, const uint8_t *data, size_t size);
void fuzz_end(struct fuzz_input *input); /* also checks that nothing is left allocated */

/* The data with a NUL after it, until the end. */
char *fuzz_text(struct fuzz_input *input);

/* The length of the next cut, 1 to left; whole: always left. */
size_t fuzz_cut(struct fuzz_input *input, size_t left, bool whole);

/* What must hold. */
#define FUZZ_CHECK(truth) ((truth) ? (void)0 : fuzz_fail(#truth, __FILE__, __LINE__))
_Noreturn void fuzz_fail(const char *what, const char *file, int line);

/* A digest of what a byte machine made of its input, to compare two runs of it. */
struct fuzz_trace {
    uint64_t hash;
};

void fuzz_trace_add(struct fuzz_trace *trace, const void *data, size_t len);
void fuzz_trace_number(struct fuzz_trace *trace, uint64_t number);

#endif
