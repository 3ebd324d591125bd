/*
 * heap - malloc and its family, and mmap, wrapped by the linker.
 */
#include "harness/heap.h"

#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
int __real_posix_memalign(void **ret_block, size_t alignment, size_t size);
void __real_free(void *block);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
int __wrap_posix_memalign(void **ret_block, size_t alignment, size_t size);
void __wrap_free(void *block);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max_len);

static atomic_long live;
static atomic_long countdown = -1;
static atomic_int has_failed;
static atomic_size_t largest;

static int must_fail(size_t size)
{
    size_t seen = atomic_load(&largest);

    while (size > seen && !atomic_compare_exchange_weak(&largest, &seen, size))
        ;
    if (atomic_load(&countdown) < 0 || atomic_fetch_sub(&countdown, 1) != 0)
        return 0;
    atomic_store(&has_failed, 1);
    return 1;
}

static void *counted(void *block)
{
    if (block)
        atomic_fetch_add(&live, 1);
    return block;
}

void *__wrap_malloc(size_t size)
{
    return must_fail(size) ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return must_fail(n * size) ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (must_fail(size))
        return NULL;
    return block ? __real_realloc(block, size) : counted(__real_malloc(size));
}

int __wrap_posix_memalign(void **ret_block, size_t alignment, size_t size)
{
    int err = must_fail(size) ? ENOMEM : __real_posix_memalign(ret_block, alignment, size);

    if (err == 0)
        (void)counted(*ret_block);
    return err;
}

void __wrap_free(void *block)
{
    if (block)
        atomic_fetch_sub(&live, 1);
    __real_free(block);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapping = MAP_FAILED;

    if (must_fail(size))
        errno = ENOMEM;
    else
        mapping = __real_mmap(at, size, protection, flags, fd, offset);
    if (mapping != MAP_FAILED)
        atomic_fetch_add(&live, 1);
    return mapping;
}

int __wrap_munmap(void *at, size_t size)
{
    atomic_fetch_sub(&live, 1);
    return __real_munmap(at, size);
}

char *__wrap_strndup(const char *text, size_t max_len)
{
    size_t len = strnlen(text, max_len);
    char *copy = __wrap_malloc(len + 1);

    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, SIZE_MAX - 1);
}

void heap_setup(void)
{
    atomic_store(&live, 0);
    atomic_store(&countdown, -1);
    heap_reset_largest();
}

void heap_teardown(void)
{
    atomic_store(&countdown, -1);
    ck_assert_int_eq(atomic_load(&live), 0);
}

void heap_fail_at(long nth)
{
    atomic_store(&has_failed, 0);
    atomic_store(&countdown, nth);
}

int heap_has_failed(void)
{
    return atomic_load(&has_failed);
}

long heap_live(void)
{
    return atomic_load(&live);
}

size_t heap_largest(void)
{
    return atomic_load(&largest);
}

void heap_reset_largest(void)
{
    atomic_store(&largest, 0);
}
