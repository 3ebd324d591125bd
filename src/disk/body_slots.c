/*
 * body_slots - the memory of the slots.
 *
 * Large pages are requested for long bodies only: a short one would use more memory than it has bytes, while small
 * pages that are never touched cost nothing.  The request (madvise) is made on a mapping of our own: on a block of the
 * heap it would outlive the block, and later small allocations there would use 2 MiB.
 */
#include "config.h" /* madvise */

#include "disk/body_slots.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "ferry/ferry.h"

/* The size on x86 and arm64.  Elsewhere this is just an alignment. */
#define LARGE_PAGE ((size_t)2 << 20)

/* Aligned to a large page.  The pages before and behind it are never touched, so they use no memory. */
static int map(struct fy_body_slots *slots, size_t size)
{
    size_t map_size = size + LARGE_PAGE;
    void *begin = mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (begin == MAP_FAILED)
        return FERRY_ERR_NOMEM;
    slots->mapping = begin;
    slots->map_size = map_size;
    slots->memory = (uint8_t *)begin + (LARGE_PAGE - (uintptr_t)begin % LARGE_PAGE) % LARGE_PAGE;
    (void)madvise(slots->memory, size, MADV_HUGEPAGE); /* on failure it works with small pages, only slower */
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
