/*
 * shelf.h - freed memory, kept for whoever next needs some of its size.
 *
 * Messages are allocated by one thread and freed by another, at rates and sizes for which an allocator is a poor
 * place: small blocks travel between its arenas one by one, and large ones go back to the system, which hands out fresh
 * pages, zeroed one by one, for the next.  What was freed last is taken first, for it may still be in the cache.
 *
 * A shelf holds at most max_bytes, and after a burst no more than what comes and goes: fy_shelf_trim frees what was not
 * needed since it was called last.  One that is all zeros keeps nothing.  Any thread.
 */
#ifndef FY_BASE_SHELF_H
#define FY_BASE_SHELF_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FY_SHELF_N_CLASSES 57 /* four sizes for each doubling, from 256 bytes to 4 MiB */

/* At the beginning of a block that nobody uses. */
struct fy_shelf_block {
    struct fy_shelf_block *next;
    size_t size;
};

struct fy_shelf {
    size_t max_bytes; /* const after init */

    pthread_mutex_t mu;                                /* leaf lock: no other lock and no foreign code under it */
    struct fy_shelf_block *blocks[FY_SHELF_N_CLASSES]; /* mu; by class */
    size_t n_bytes;                                    /* mu; theirs */
    size_t least_bytes;                                /* mu; the least of n_bytes since it was trimmed */
    uint64_t trimmed_ns;                               /* mu */
};

void fy_shelf_init(struct fy_shelf *shelf, size_t max_bytes);
void fy_shelf_release(struct fy_shelf *shelf);

/* Memory for size bytes, as from malloc; NULL: there is none.  shelf may be NULL. */
void *fy_shelf_take(struct fy_shelf *shelf, size_t size);

/* Put memory that was taken for size bytes on a pile (NULL: a new one), and then the pile on the shelf. */
struct fy_shelf_block *fy_shelf_pile(struct fy_shelf_block *pile, void *memory, size_t size);
void fy_shelf_put(struct fy_shelf *shelf, struct fy_shelf_block *pile);

/* Does it hold nothing? */
bool fy_shelf_is_empty(struct fy_shelf *shelf);

/* Now and then: free what has lain there since the last time, if that is a second ago. */
void fy_shelf_trim(struct fy_shelf *shelf, uint64_t now_ns);

#endif
