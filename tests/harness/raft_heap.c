/*
 * raft_heap - a struct raft_heap over malloc.
 *
 * Memory is zeroed: libraft leaves gaps in its encodings, and the same seed must give the same bytes.
 */
#include "harness/raft_heap.h"

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "adapters/libraft/raft_compat.h"

static atomic_long live;
static atomic_long countdown = -1;

static int must_fail(void)
{
    return atomic_load(&countdown) >= 0 && atomic_fetch_sub(&countdown, 1) == 0;
}

static void *counted(void *block)
{
    if (block)
        atomic_fetch_add(&live, 1);
    return block;
}

static void *heap_malloc(void *data, size_t size)
{
    (void)data;
    return must_fail() ? NULL : counted(calloc(1, size));
}

static void heap_free(void *data, void *block)
{
    (void)data;
    if (block)
        atomic_fetch_sub(&live, 1);
    free(block);
}

static void *heap_calloc(void *data, size_t n, size_t size)
{
    (void)data;
    return must_fail() ? NULL : counted(calloc(n, size));
}

static void *heap_realloc(void *data, void *block, size_t size)
{
    (void)data;
    if (must_fail())
        return NULL;
    return block ? realloc(block, size) : counted(malloc(size));
}

static void *heap_aligned_alloc(void *data, size_t alignment, size_t size)
{
    (void)data;
    return must_fail() ? NULL : counted(aligned_alloc(alignment, size));
}

static void heap_aligned_free(void *data, size_t alignment, void *block)
{
    (void)alignment;
    heap_free(data, block);
}

void raft_heap_setup(void)
{
    static struct raft_heap heap = {.malloc = heap_malloc,
                                    .free = heap_free,
                                    .calloc = heap_calloc,
                                    .realloc = heap_realloc,
                                    .aligned_alloc = heap_aligned_alloc,
                                    .aligned_free = heap_aligned_free};

    atomic_store(&live, 0);
    atomic_store(&countdown, -1);
    raft_heap_set(&heap);
}

void raft_heap_teardown(void)
{
    raft_heap_set_default();
    ck_assert_int_eq(atomic_load(&live), 0);
}

void raft_heap_fail_at(long nth)
{
    atomic_store(&countdown, nth);
}
