/*
 * body_slots.h - the buffers between a disk worker and the loop: a few of one size, filled and emptied in order.
 *
 * They bound the memory of a snapshot in transfer, whatever its length.  Used by one thread at a time.  They are
 * aligned for direct I/O (FY_BODY_ALIGNMENT), and those of a long body are on large pages if the system has them:
 * transfers of many small pages take the kernel and the disk longer.
 */
#ifndef FY_DISK_BODY_SLOTS_H
#define FY_DISK_BODY_SLOTS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define FY_BODY_N_SLOTS 4u

/* One read or write has the size of a slot.  The slots of a reader or a writer stay below 8 MiB. */
#define FY_BODY_READ_SIZE ((size_t)512 << 10) /* of a slot between source and loop */
#define FY_BODY_WRITE_SIZE ((size_t)1 << 20)  /* and between loop and sink */

#define FY_BODY_ALIGNMENT ((size_t)4 << 10) /* of a slot: no disk asks for more */

struct fy_body_slots {
    uint8_t *memory; /* FY_BODY_N_SLOTS of slot_size */
    void *mapping;   /* the mapping around memory; NULL: memory is from malloc */
    size_t map_size;
    size_t slot_size; /* const after init; a multiple of FY_BODY_ALIGNMENT */
    size_t len[FY_BODY_N_SLOTS];
    unsigned first;  /* the oldest full slot */
    unsigned n_full; /* full: passed to the other side, however many bytes it has */
};

/* body_size: the expected size; the body may be longer.  FERRY_OK or FERRY_ERR_NOMEM. */
int fy_body_slots_init(struct fy_body_slots *slots, size_t slot_size, uint64_t body_size);
void fy_body_slots_release(struct fy_body_slots *slots);

static inline uint8_t *fy_body_slot(const struct fy_body_slots *slots, unsigned i)
{
    return slots->memory + i * slots->slot_size;
}

/* The slot to fill next; valid unless all are full. */
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
