/*
 * patience - clocks and deadlines of the tests.
 */
#include "harness/patience.h"

#include <stdlib.h>

#define STRETCH (PATIENCE_SANITIZED ? 4 : 1)

unsigned patience_ms(unsigned ms)
{
    return ms * STRETCH;
}

uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t monotonic_ms(void)
{
    return monotonic_ns() / 1000000u;
}

struct timespec monotonic_in_ms(unsigned ms)
{
    uint64_t then = monotonic_ns() + (uint64_t)ms * 1000000u;

    return (struct timespec){.tv_sec = (time_t)(then / 1000000000u), .tv_nsec = (long)(then % 1000000000u)};
}

unsigned long environment_number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoul(text, NULL, 10) : otherwise;
}
