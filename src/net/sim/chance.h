/*
 * chance.h - a small seeded stream of numbers (splitmix64).  Not for secrets.
 */
#ifndef FY_NET_SIM_CHANCE_H
#define FY_NET_SIM_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct fy_chance {
    uint64_t state;
};

static inline uint64_t fy_chance_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Stream number stream of a seed: streams of one seed have nothing to do with each other. */
static inline void fy_chance_init(struct fy_chance *chance, uint64_t seed, uint64_t stream)
{
    chance->state = fy_chance_mix(seed ^ fy_chance_mix(stream + UINT64_C(0x9e3779b97f4a7c15)));
}

static inline uint64_t fy_chance_next(struct fy_chance *chance)
{
    return fy_chance_mix(chance->state += UINT64_C(0x9e3779b97f4a7c15));
}

/* 0 to n - 1; n > 0. */
static inline uint64_t fy_chance_below(struct fy_chance *chance, uint64_t n)
{
    return fy_chance_next(chance) % n;
}

/* min to max, both included. */
static inline uint64_t fy_chance_between(struct fy_chance *chance, uint64_t min, uint64_t max)
{
    return min + fy_chance_below(chance, max - min + 1);
}

/* True ppm times in a million.  The certain and the impossible draw nothing. */
static inline bool fy_chance_hit(struct fy_chance *chance, unsigned ppm)
{
    return ppm != 0 && (ppm >= 1000000 || fy_chance_below(chance, 1000000) < ppm);
}

#endif
