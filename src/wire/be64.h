/*
 * be64.h - 64-bit integers in network order: the lengths and counts of etcd's frames.
 */
#ifndef FY_WIRE_BE64_H
#define FY_WIRE_BE64_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define FY_BE64_SIZE 8

static inline uint64_t fy_be64_get(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value)); /* at may lie at any address */
    return be64toh(value);
}

static inline void fy_be64_put(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

#endif
