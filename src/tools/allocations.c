/*
 * allocations - counts calls of malloc and its relatives, and passes them to glibc.
 *
 * A malloc defined by the program replaces the C library's for every library in the process.  Counting must cost almost
 * nothing, because times are measured meanwhile: threads use different slots where possible, so that processors do not
 * compete for a cache line.
 */
#include "tools/allocations.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif

#if defined(__GLIBC__) && !defined(HAS_SANITIZER)

#define N_SLOTS 64
#define CACHE_LINE 64

/* glibc's functions, by the names that it offers to programs with their own malloc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static struct {
    _Alignas(CACHE_LINE) atomic_uint_fast64_t n;
} slots[N_SLOTS];

static void count(void)
{
    static atomic_uint n_threads;
    static _Thread_local unsigned mine; /* from 1; 0: not assigned yet */

    if (mine == 0)
        mine = 1 + atomic_fetch_add_explicit(&n_threads, 1, memory_order_relaxed) % N_SLOTS;
    atomic_fetch_add_explicit(&slots[mine - 1].n, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    count();
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
    void *memory;

    count();
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
        return EINVAL;
    memory = __libc_memalign(alignment, size);
    if (!memory)
        return ENOMEM;
    *ret_memory = memory;
    return 0;
}

bool allocations_are_counted(void)
{
    return true;
}

uint64_t allocations_count(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < N_SLOTS; i++)
        sum += atomic_load_explicit(&slots[i].n, memory_order_relaxed);
    return sum;
}

#else

bool allocations_are_counted(void)
{
    return false;
}

uint64_t allocations_count(void)
{
    return 0;
}

#endif
