/*
 * body_slots - the memory of the slots.
 *
 * Large pages are asked for when a body will use them: for a short one they would be more memory than it has bytes, and
 * without them what is not touched is not there.
 */
#include "config.h" /* madvise */

#include "disk/body_slots.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "ferry/ferry.h"

/* Of x86 and arm64; where it is another size, this is an alignment like any other. */
#define LARGE_PAGE ((size_t)2 << 20)

int fy_body_slots_init(struct fy_body_slots *slots, size_t slot_size, uint64_t body_size)
{
    size_t size = FY_BODY_N_SLOTS * slot_size;
    void *memory;

    assert(slot_size % FY_BODY_ALIGNMENT == 0);
    if (posix_memalign(&memory, size % LARGE_PAGE == 0 ? LARGE_PAGE : FY_BODY_ALIGNMENT, size) != 0)
        return FERRY_ERR_NOMEM;
    if (size % LARGE_PAGE == 0 && body_size >= size)
        (void)madvise(memory, size, MADV_HUGEPAGE); /* small pages do as well, only slower */
    *slots = (struct fy_body_slots){.memory = memory, .slot_size = slot_size};
    return FERRY_OK;
}

void fy_body_slots_release(struct fy_body_slots *slots)
{
    free(slots->memory);
    slots->memory = NULL;
}
