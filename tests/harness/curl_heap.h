/*
 * curl_heap.h - counts libcurl's allocations, and makes them fail on request.
 *
 * libcurl is a shared library, which heap.h cannot wrap; but it can be given allocation functions.
 */
#ifndef HARNESS_CURL_HEAP_H
#define HARNESS_CURL_HEAP_H

#include <stddef.h>

void curl_heap_setup(void); /* while nobody uses curl */
void curl_heap_teardown(void);

size_t curl_heap_live(void); /* bytes */

/* The nth allocation from here (0: the next) fails, once; -1: none. */
void curl_heap_fail_at(long nth);
int curl_heap_has_failed(void); /* since curl_heap_fail_at */

#endif
