/*
 * body_slots.h - the buffers between a disk worker and the loop: a few of one size, filled and emptied in order.
 *
 * They bound the memory of a snapshot on its way, whatever its length.  One thread's at a time.  They lie at addresses
 * that a disk can read and write without the kernel's help (FY_BODY_ALIGNMENT), and those of a long body on large pages
 * where there are any: a transfer of many small ones takes the kernel and the disk longer.
 */
#ifndef FY_DISK_BODY_SLOTS_H
#define FY_DISK_BODY_SLOTS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define FY_BODY_N_SLOTS 4u

/* What is written at once is what a disk takes at once.  The memory of both stays below 8 MiB. */
#define FY_BODY_READ_SIZE ((size_t)512 << 10) /* of a slot between source and loop */
#define FY_BODY_WRITE_SIZE ((size_t)1 << 20)  /* and between loop and sink */

#define FY_BODY_ALIGNMENT ((size_t)4 << 10) /* of a slot: no disk asks for more */

struct fy_body_slots {
    uint8_t *memory; /* FY_BODY_N_SLOTS of slot_size */
    void *mapping;   /* in which that is; NULL: it is a block of the heap */
    size_t map_size;
    size_t slot_size; /* const after init; a multiple of FY_BODY_ALIGNMENT */
    size_t len[FY_BODY_N_SLOTS];
    unsigned first;  /* the oldest that is full */
    unsigned n_full; /* "full": handed over, however much is in it */
};

/* body_size: of all that is to come, as far as it is known; it may be more.  FERRY_OK or FERRY_ERR_NOMEM. */
int fy_body_slots_init(struct fy_body_slots *slots, size_t slot_size, uint64_t body_size);
void fy_body_slots_release(struct fy_body_slots *slots);

static inline uint8_t *fy_body_slot(const struct fy_body_slots *slots, unsigned i)
{
    return slots->memory + i * slots->slot_size;
}

/* The slot that is filled next; there is one unless all are full. */
static inline unsigned fy_body_slots_next(const struct fy_body_slots *slots)
{
    assert(slots->n_full < FY_BODY_N_SLOTS);
    return (slots->first + slots->n_full) % FY_BODY_N_SLOTS;
}

static inline void fy_body_slots_fill(struct fy_body_slots *slots, size_t len)
{
    slots->len[fy_body_slots_next(slots)] = len;
    slots->n_full++;
}

/* The oldest full slot is empty again. */
static inline void fy_body_slots_empty(struct fy_body_slots *slots)
{
    assert(slots->n_full > 0);
    slots->first = (slots->first + 1) % FY_BODY_N_SLOTS;
    slots->n_full--;
}

#endif
