/*
 * be64.h - 64-bit integers in network order: the lengths and counts of etcd's frames.
 */
#ifndef FY_WIRE_BE64_H
#define FY_WIRE_BE64_H

#include <stdint.h>

#define FY_BE64_SIZE 8

static inline uint64_t fy_be64_get(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < FY_BE64_SIZE; i++)
        value = value << 8 | at[i];
    return value;
}

static inline void fy_be64_put(uint8_t *at, uint64_t value)
{
    for (int i = FY_BE64_SIZE - 1; i >= 0; i--) {
        at[i] = (uint8_t)value;
        value >>= 8;
    }
}

#endif
