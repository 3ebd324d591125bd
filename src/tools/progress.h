/*
 * progress.h - a count that any thread raises and one thread waits for.
 *
 * Raising costs an atomic addition.  A system call is made only if the waiter sleeps and the count is reached.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    _Atomic uint64_t count;
    _Atomic uint64_t wanted; /* the count that the waiter sleeps for; PROGRESS_NOTHING: it does not sleep */
    int wake_fd;             /* readable when a sleeping waiter's count is reached */
};

#define PROGRESS_NOTHING UINT64_MAX

/* 0, or -1 with errno. */
int progress_init(struct progress *progress);
void progress_release(struct progress *progress);

void progress_raise(struct progress *progress); /* by one; any thread */
uint64_t progress_count(const struct progress *progress);

/*
 * Call these around a poll of wake_fd: false if the count has reached wanted already, so do not wait; after true,
 * progress_wake_up must follow the poll.
 */
bool progress_fall_asleep(struct progress *progress, uint64_t wanted);
void progress_wake_up(struct progress *progress);

#endif
