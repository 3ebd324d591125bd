/*
 * progress.h - a count that any thread raises and one thread waits for.
 *
 * Raising costs an atomic addition; a system call is made only when the waiter sleeps and has what it waits for.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    _Atomic uint64_t count;
    _Atomic uint64_t wanted; /* what the waiter sleeps for; PROGRESS_NOTHING: it does not */
    int wake_fd;             /* polls readable when a sleeping waiter has what it wanted */
};

#define PROGRESS_NOTHING UINT64_MAX

/* 0, or -1 with errno. */
int progress_init(struct progress *progress);
void progress_release(struct progress *progress);

void progress_raise(struct progress *progress); /* by one; any thread */
uint64_t progress_count(const struct progress *progress);

/*
 * For the waiter, around its poll of wake_fd: false when the count has reached wanted, so that there is nothing to
 * wait for; after true, progress_wake_up must follow the poll.
 */
bool progress_fall_asleep(struct progress *progress, uint64_t wanted);
void progress_wake_up(struct progress *progress);

#endif
