/*
 * shelf.h - a cache of freed blocks, by size class.
 *
 * Messages are allocated by one thread and freed by another, at high rates.  General allocators are slow at that: small
 * blocks move between arenas one by one, and large ones return to the system, which zeroes fresh pages for the next.
 * The block that was freed last is reused first, since it may still be in the CPU's cache.
 *
 * A shelf holds at most max_bytes.  After a burst, fy_shelf_trim frees the blocks that were not used since its previous
 * call.  A zeroed shelf caches nothing.  Thread-safe.
 */
#ifndef FY_BASE_SHELF_H
#define FY_BASE_SHELF_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FY_SHELF_N_CLASSES 57 /* four sizes per doubling, from 256 bytes to 4 MiB */

/* Header of an unused block. */
struct fy_shelf_block {
    struct fy_shelf_block *next;
    size_t size;
};

struct fy_shelf {
    size_t max_bytes; /* const after init */

    pthread_mutex_t mu;                                /* leaf lock: no other lock and no foreign code under it */
    struct fy_shelf_block *blocks[FY_SHELF_N_CLASSES]; /* mu; by class */
    size_t n_bytes;                                    /* mu; sum of the blocks' sizes */
    size_t least_bytes;                                /* mu; lowest n_bytes since the last trim */
    uint64_t trimmed_ns;                               /* mu */
};

void fy_shelf_init(struct fy_shelf *shelf, size_t max_bytes);
void fy_shelf_release(struct fy_shelf *shelf);

/* Allocate size bytes, as malloc does; NULL if out of memory. shelf may be NULL. */
void *fy_shelf_take(struct fy_shelf *shelf, size_t size);

/*
 * Return memory of size bytes: collect blocks on a pile (NULL: a new one), then put the pile on the shelf with one
 * lock.
 */
struct fy_shelf_block *fy_shelf_pile(struct fy_shelf_block *pile, void *memory, size_t size);
void fy_shelf_put(struct fy_shelf *shelf, struct fy_shelf_block *pile);

/* Is there no block in it? */
bool fy_shelf_is_empty(struct fy_shelf *shelf);

/* Free the blocks not used since the last trim.  Does nothing within a second of it, so it may be called often. */
void fy_shelf_trim(struct fy_shelf *shelf, uint64_t now_ns);

#endif
