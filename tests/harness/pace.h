/*
 * pace.h - how long a message takes on this machine at this moment, when nobody in between has anything to do.
 *
 * Two threads pass a byte on, from the caller to the one, to the other, and back the same way, as a message and its
 * answer wake the threads of two members.  What a busy machine adds to a round trip it adds here as well, so that a
 * limit on times can be one on what is ours.
 */
#ifndef HARNESS_PACE_H
#define HARNESS_PACE_H

#include <pthread.h>
#include <stdint.h>

struct pace {
    int fds[4][2]; /* socket pairs: the hops, in their order */
    pthread_t threads[2];
};

void pace_start(struct pace *pace); /* must not move until stop */
void pace_stop(struct pace *pace);

uint64_t pace_round_trip_ns(struct pace *pace); /* one, now */

#endif
