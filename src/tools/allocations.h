/*
 * allocations.h - counts how often this program allocates, including all its libraries.
 */
#ifndef TOOLS_ALLOCATIONS_H
#define TOOLS_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Can allocations be counted?  Not under a sanitizer, which has its own allocator, and not without glibc. */
bool allocations_are_counted(void);

/* Calls of malloc and its relatives by all threads since the start of the program; 0 if they are not counted. */
uint64_t allocations_count(void);

#endif
