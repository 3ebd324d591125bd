/*
 * shelf - stacks of free blocks, one stack for each size class.
 *
 * A request is rounded up to its size class, so a block of a class fits every request of it; at most a fifth is wasted.
 * Blocks above the largest class are not kept.
 */
#include "base/shelf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MIN_BITS 8 /* log2 of the smallest size */
#define TRIM_INTERVAL_NS UINT64_C(1000000000)

/* The class for a size, and the size of its blocks.  Too large: FY_SHELF_N_CLASSES, and size itself. */
static size_t class_of(size_t size, size_t *ret_room)
{
    unsigned bits;
    size_t step, n_steps, class;

    if (size <= (size_t)1 << MIN_BITS) {
        *ret_room = (size_t)1 << MIN_BITS;
        return 0;
    }
    bits = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^bits < size <= 2^(bits + 1) */
    step = (size_t)1 << (bits - 2);
    n_steps = (size - ((size_t)1 << bits) + step - 1) / step;
    class = (bits - MIN_BITS) * 4 + n_steps;
    if (class >= FY_SHELF_N_CLASSES) {
        *ret_room = size;
        return FY_SHELF_N_CLASSES;
    }
    *ret_room = ((size_t)1 << bits) + n_steps * step;
    return class;
}

void fy_shelf_init(struct fy_shelf *shelf, size_t max_bytes)
{
    *shelf = (struct fy_shelf){.max_bytes = max_bytes};
    (void)pthread_mutex_init(&shelf->mu, NULL); /* cannot fail for a default mutex on Linux */
}

static void free_pile(struct fy_shelf_block *pile)
{
    while (pile) {
        struct fy_shelf_block *next = pile->next;

        free(pile);
        pile = next;
    }
}

void fy_shelf_release(struct fy_shelf *shelf)
{
    for (size_t i = 0; i < FY_SHELF_N_CLASSES; i++)
        free_pile(shelf->blocks[i]);
    pthread_mutex_destroy(&shelf->mu);
}

void *fy_shelf_take(struct fy_shelf *shelf, size_t size)
{
    struct fy_shelf_block *block = NULL;
    size_t room, class;

    if (!shelf || shelf->max_bytes == 0)
        return malloc(size);
    class = class_of(size, &room);
    if (class == FY_SHELF_N_CLASSES)
        return malloc(room);
    pthread_mutex_lock(&shelf->mu);
    block = shelf->blocks[class];
    if (block) {
        shelf->blocks[class] = block->next;
        shelf->n_bytes -= room;
        if (shelf->n_bytes < shelf->least_bytes)
            shelf->least_bytes = shelf->n_bytes;
    }
    pthread_mutex_unlock(&shelf->mu);
    return block ? (void *)block : malloc(room);
}

struct fy_shelf_block *fy_shelf_pile(struct fy_shelf_block *pile, void *memory, size_t size)
{
    struct fy_shelf_block *block = memory;

    assert(size >= sizeof(*block));
    block->next = pile;
    block->size = size;
    return block;
}

void fy_shelf_put(struct fy_shelf *shelf, struct fy_shelf_block *pile)
{
    struct fy_shelf_block *left = NULL; /* not kept */

    if (!shelf || shelf->max_bytes == 0) {
        free_pile(pile);
        return;
    }
    pthread_mutex_lock(&shelf->mu);
    while (pile) {
        struct fy_shelf_block *block = pile;
        size_t room, class = class_of(block->size, &room);

        pile = block->next;
        if (class == FY_SHELF_N_CLASSES || room > shelf->max_bytes - shelf->n_bytes) {
            block->next = left;
            left = block;
        } else {
            block->next = shelf->blocks[class];
            shelf->blocks[class] = block;
            shelf->n_bytes += room;
        }
    }
    pthread_mutex_unlock(&shelf->mu);
    free_pile(left);
}

bool fy_shelf_is_empty(struct fy_shelf *shelf)
{
    bool is_empty;

    if (shelf->max_bytes == 0)
        return true;
    pthread_mutex_lock(&shelf->mu);
    is_empty = shelf->n_bytes == 0;
    pthread_mutex_unlock(&shelf->mu);
    return is_empty;
}

void fy_shelf_trim(struct fy_shelf *shelf, uint64_t now_ns)
{
    struct fy_shelf_block *left = NULL;

    if (shelf->max_bytes == 0)
        return;
    pthread_mutex_lock(&shelf->mu);
    if (now_ns - shelf->trimmed_ns >= TRIM_INTERVAL_NS) {
        for (size_t class = FY_SHELF_N_CLASSES; class -- > 0;) { /* the largest first: fewer blocks to free */
            struct fy_shelf_block *block;

            while (shelf->least_bytes > 0 && (block = shelf->blocks[class])) {
                size_t room;

                (void)class_of(block->size, &room);
                shelf->blocks[class] = block->next;
                shelf->n_bytes -= room;
                shelf->least_bytes -= room < shelf->least_bytes ? room : shelf->least_bytes;
                block->next = left;
                left = block;
            }
        }
        shelf->least_bytes = shelf->n_bytes;
        shelf->trimmed_ns = now_ns;
    }
    pthread_mutex_unlock(&shelf->mu);
    free_pile(left);
}
