/*
 * be64.h - 64-bit big-endian integers: the lengths and counts in etcd's frames.
 */
#ifndef FY_WIRE_BE64_H
#define FY_WIRE_BE64_H

#include <stdint.h>

#define FY_BE64_SIZE 8

/* Written by hand: compilers turn it into one instruction, and the system's functions need feature macros. */
static inline uint64_t fy_be64_get(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 | (uint64_t)at[3] << 32 |
           (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 | (uint64_t)at[6] << 8 | (uint64_t)at[7];
}

static inline void fy_be64_put(uint8_t *at, uint64_t value)
{
    at[0] = (uint8_t)(value >> 56);
    at[1] = (uint8_t)(value >> 48);
    at[2] = (uint8_t)(value >> 40);
    at[3] = (uint8_t)(value >> 32);
    at[4] = (uint8_t)(value >> 24);
    at[5] = (uint8_t)(value >> 16);
    at[6] = (uint8_t)(value >> 8);
    at[7] = (uint8_t)value;
}

#endif
