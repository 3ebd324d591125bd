/*
 * raft_heap.h - libraft's heap, as heap.h: it counts, and can fail.
 *
 * For tests that link libraft; not part of the harness library.
 */
#ifndef HARNESS_RAFT_HEAP_H
#define HARNESS_RAFT_HEAP_H

void raft_heap_setup(void);
void raft_heap_teardown(void); /* asserts that nothing allocated since setup is still there */

/* The nth allocation by raft_malloc and its family from here (0: the next) fails, once; -1: none. */
void raft_heap_fail_at(long nth);

#endif
