/*
 * fuzz - inputs, cuts, and the heap that fails where the input says so.
 *
 * No allocation of the library may be larger than FUZZ_MAX_BLOCK for inputs of some KiB: one that is was made by a
 * length that nobody checked.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_MAX_BLOCK ((size_t)4 << 20)

static long n_until_failure = -1;
static long n_live;

/* ---- The heap ---- */

void *fuzz_malloc(size_t size);
void *fuzz_calloc(size_t n, size_t size);
void *fuzz_realloc(void *block, size_t size);
char *fuzz_strdup(const char *text);
void fuzz_free(void *block);

static bool fails(size_t size)
{
    FUZZ_CHECK(size <= FUZZ_MAX_BLOCK);
    return n_until_failure >= 0 && n_until_failure-- == 0;
}

static void *counted(void *block)
{
    n_live += block != NULL;
    return block;
}

void *fuzz_malloc(size_t size)
{
    return fails(size) ? NULL : counted(malloc(size));
}

void *fuzz_calloc(size_t n, size_t size)
{
    return fails(n * size) ? NULL : counted(calloc(n, size));
}

void *fuzz_realloc(void *block, size_t size)
{
    void *grown = fails(size) ? NULL : realloc(block, size);

    n_live += !block && grown;
    return grown;
}

char *fuzz_strdup(const char *text)
{
    return fails(strlen(text)) ? NULL : counted(strdup(text));
}

void fuzz_free(void *block)
{
    n_live -= block != NULL;
    free(block);
}

/* ---- Inputs ---- */

bool fuzz_begin(struct fuzz_input *input, const uint8_t *data, size_t size)
{
    if (size < FUZZ_CONTROL)
        return false;
    *input = (struct fuzz_input){.options = data[0], .seed = data[1] * 2654435761u, .len = size - FUZZ_CONTROL};
    input->data = malloc(input->len > 0 ? input->len : 1);
    if (!input->data)
        return false;
    memcpy(input->data, data + FUZZ_CONTROL, input->len);
    n_until_failure = data[2] == 255 ? -1 : data[2];
    n_live = 0;
    return true;
}

void fuzz_end(struct fuzz_input *input)
{
    n_until_failure = -1;
    FUZZ_CHECK(n_live == 0);
    free(input->data);
    free(input->text);
}

char *fuzz_text(struct fuzz_input *input)
{
    if (!input->text)
        input->text = malloc(input->len + 1);
    FUZZ_CHECK(input->text != NULL);
    memcpy(input->text, input->data, input->len);
    input->text[input->len] = '\0';
    return input->text;
}

size_t fuzz_cut(struct fuzz_input *input, size_t left, bool whole)
{
    size_t cut;

    input->seed = input->seed * 1664525 + 1013904223;
    cut = 1 + (input->seed >> 24) % 17;
    return whole || cut > left ? left : cut;
}

void fuzz_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    abort();
}

/* FNV-1a. */
void fuzz_trace_add(struct fuzz_trace *trace, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        trace->hash = (trace->hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
}

void fuzz_trace_number(struct fuzz_trace *trace, uint64_t number)
{
    fuzz_trace_add(trace, &number, sizeof(number));
}
