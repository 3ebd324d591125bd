/*
 * mem.h - memory that is there: a member that has none left says so and ends, as etcd does.
 */
#ifndef ETCD_MEMBER_MEM_H
#define ETCD_MEMBER_MEM_H

#include <stddef.h>

void *mem_zero(size_t n_bytes); /* all zeros */
void *mem_resize(void *block, size_t n, size_t item_size);
void *mem_copy(const void *data, size_t len); /* a block also when len is 0, and one NUL behind the copy */
char *mem_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Room for one more item in a list of n that grows by doubling. */
void *mem_grow(void *list, size_t n, size_t *room, size_t item_size);

#endif
