/*
 * fuzz_heap.h - included before each source of the library that is fuzzed: its allocations are counted and may fail.
 */
#ifndef FUZZ_FUZZ_HEAP_H
#define FUZZ_FUZZ_HEAP_H

#include <stdlib.h>
#include <string.h>

void *fuzz_malloc(size_t size);
void *fuzz_calloc(size_t n, size_t size);
void *fuzz_realloc(void *block, size_t size);
char *fuzz_strdup(const char *text);
void fuzz_free(void *block);

#undef strdup
#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#define strdup fuzz_strdup
#define free fuzz_free

#endif
