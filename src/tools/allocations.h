/*
 * allocations.h - how often this program allocates, by whatever library it does.
 */
#ifndef TOOLS_ALLOCATIONS_H
#define TOOLS_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Can they be counted?  Not under a sanitizer, which has an allocator of its own, and not without glibc. */
bool allocations_are_counted(void);

/* Calls of malloc and its relatives by all threads since the program began; 0 when they are not counted. */
uint64_t allocations_count(void);

#endif
