/*
 * curl_heap - the functions that libcurl allocates with, on top of the unwrapped ones: the failing heap would take what
 * curl keeps for the whole process for lost.
 */
#include "harness/curl_heap.h"

#include <check.h>
#include <curl/curl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);

static atomic_size_t live;
static atomic_long countdown = -1;
static atomic_int has_failed;

static int must_fail(void)
{
    if (atomic_load(&countdown) < 0 || atomic_fetch_sub(&countdown, 1) != 0)
        return 0;
    atomic_store(&has_failed, 1);
    return 1;
}

static void *counted(void *block)
{
    atomic_fetch_add(&live, malloc_usable_size(block));
    return block;
}

static void *on_malloc(size_t size)
{
    return must_fail() ? NULL : counted(__real_malloc(size));
}

static void *on_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : counted(__real_calloc(n, size));
}

static void *on_realloc(void *block, size_t size)
{
    size_t before = malloc_usable_size(block);
    void *grown = must_fail() ? NULL : __real_realloc(block, size);

    if (grown) {
        atomic_fetch_sub(&live, before);
        (void)counted(grown);
    }
    return grown;
}

static void on_free(void *block)
{
    atomic_fetch_sub(&live, malloc_usable_size(block));
    __real_free(block);
}

static char *on_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = on_malloc(size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void curl_heap_setup(void)
{
    atomic_store(&countdown, -1);
    ck_assert_int_eq(curl_global_init_mem(CURL_GLOBAL_DEFAULT, on_malloc, on_free, on_realloc, on_strdup, on_calloc),
                     CURLE_OK);
}

void curl_heap_teardown(void)
{
    atomic_store(&countdown, -1);
    curl_global_cleanup();
}

size_t curl_heap_live(void)
{
    return atomic_load(&live);
}

void curl_heap_fail_at(long nth)
{
    atomic_store(&has_failed, 0);
    atomic_store(&countdown, nth);
}

int curl_heap_has_failed(void)
{
    return atomic_load(&has_failed);
}
