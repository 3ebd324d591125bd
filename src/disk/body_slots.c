/*
 * body_slots - the memory of the slots.
 *
 * Large pages are asked for when a body will use them: for a short one they would be more memory than it has bytes, and
 * without them what is not touched is not there.  They are asked for in a mapping of our own alone: the advice outlives
 * a block of the heap, and whatever small came to lie there next would take two MiB.
 */
#include "config.h" /* madvise */

#include "disk/body_slots.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "ferry/ferry.h"

/* Of x86 and arm64; where it is another size, this is an alignment like any other. */
#define LARGE_PAGE ((size_t)2 << 20)

/* Whose start lies on a large page; what is before it and behind it is never touched, and so not there. */
static int map(struct fy_body_slots *slots, size_t size)
{
    size_t map_size = size + LARGE_PAGE;
    void *begin = mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (begin == MAP_FAILED)
        return FERRY_ERR_NOMEM;
    slots->mapping = begin;
    slots->map_size = map_size;
    slots->memory = (uint8_t *)begin + (LARGE_PAGE - (uintptr_t)begin % LARGE_PAGE) % LARGE_PAGE;
    (void)madvise(slots->memory, size, MADV_HUGEPAGE); /* small pages do as well, only slower */
    return FERRY_OK;
}

static int allocate(struct fy_body_slots *slots, size_t size)
{
    void *memory;

    if (posix_memalign(&memory, FY_BODY_ALIGNMENT, size) != 0)
        return FERRY_ERR_NOMEM;
    slots->memory = memory;
    return FERRY_OK;
}

int fy_body_slots_init(struct fy_body_slots *slots, size_t slot_size, uint64_t body_size)
{
    size_t size = FY_BODY_N_SLOTS * slot_size;
    bool is_long = body_size != FERRY_SIZE_UNKNOWN && body_size >= size;

    assert(slot_size % FY_BODY_ALIGNMENT == 0);
    *slots = (struct fy_body_slots){.slot_size = slot_size};
    return is_long && size % LARGE_PAGE == 0 ? map(slots, size) : allocate(slots, size);
}

void fy_body_slots_release(struct fy_body_slots *slots)
{
    if (slots->mapping)
        (void)munmap(slots->mapping, slots->map_size); /* of our own mapping */
    else
        free(slots->memory);
    slots->memory = NULL;
    slots->mapping = NULL;
}
