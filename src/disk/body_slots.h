/*
 * body_slots.h - the buffers between a disk worker and the loop: a few of fixed size, filled and emptied in order.
 *
 * They bound the memory of a snapshot on its way, whatever its length.  One thread's at a time.
 */
#ifndef FY_DISK_BODY_SLOTS_H
#define FY_DISK_BODY_SLOTS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define FY_BODY_SLOT_SIZE ((size_t)256 << 10)
#define FY_BODY_N_SLOTS 4u

struct fy_body_slots {
    uint8_t *memory; /* FY_BODY_N_SLOTS of FY_BODY_SLOT_SIZE */
    size_t len[FY_BODY_N_SLOTS];
    unsigned first;  /* the oldest that is full */
    unsigned n_full; /* "full": handed over, however much is in it */
};

static inline uint8_t *fy_body_slot(const struct fy_body_slots *slots, unsigned i)
{
    return slots->memory + i * FY_BODY_SLOT_SIZE;
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
