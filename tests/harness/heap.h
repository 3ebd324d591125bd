/*
 * heap.h - a heap that counts and can fail, for everything linked into a test.  A mapping counts as a block.
 */
#ifndef HARNESS_HEAP_H
#define HARNESS_HEAP_H

#include <stddef.h>

void heap_setup(void);
void heap_teardown(void); /* asserts that nothing allocated since setup is still there */

/* The nth allocation from here (0: the next) fails, once; -1: none. */
void heap_fail_at(long nth);
int heap_has_failed(void); /* since heap_fail_at */

long heap_live(void);      /* blocks */
size_t heap_largest(void); /* the largest single request in bytes since heap_setup or heap_reset_largest */
void heap_reset_largest(void);

#endif
