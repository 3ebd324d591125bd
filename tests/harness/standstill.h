/*
 * standstill.h - for how long the whole machine has stood still, as far as a thread with nothing to do can tell.
 *
 * A virtual machine may be stopped for a second and more, and so is a machine with far too much to do.  What is late
 * then is late by that, and tells nothing of who was waited for.
 */
#ifndef HARNESS_STANDSTILL_H
#define HARNESS_STANDSTILL_H

#include <stdint.h>

void standstill_start(void); /* begin to watch, by a thread: not before a fork that needs none */
void standstill_stop(void);

uint64_t standstill_ms(void); /* all of it since the start; what is short is not counted */
uint64_t running_ms(void);    /* the monotonic clock, had it stood still as well */

#endif
