/*
 * pace.h - measures how long a message takes on this machine at this moment, without any work in between.
 *
 * Two threads pass a byte from the caller to one, to the other, and back the same way, as a message and its answer wake
 * the threads of two members.  A busy machine delays this round trip as well, so a test can limit only the time that
 * Ferry adds.
 */
#ifndef HARNESS_PACE_H
#define HARNESS_PACE_H

#include <pthread.h>
#include <stdint.h>

struct pace {
    int fds[4][2]; /* socket pairs: the hops in order */
    pthread_t threads[2];
};

void pace_start(struct pace *pace); /* must not move until stop */
void pace_stop(struct pace *pace);

uint64_t pace_round_trip_ns(struct pace *pace); /* one, now */

#endif
