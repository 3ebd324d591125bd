/*
 * seed.h - what the tests that live through seeds have in common.
 */
#ifndef HARNESS_SEED_H
#define HARNESS_SEED_H

#include <stdint.h>

/* From now on a crash, or an assert that fails in what is tested, says in which seed it came.  seed lives on. */
void seed_tell_of_crashes(const char *program, const uint64_t *seed);

#endif
