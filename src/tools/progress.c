/*
 * progress - a count that any thread raises and one thread waits for.
 *
 * The waiter stores what it wants and then reads the count; a raiser raises the count and then reads what is wanted.
 * Both use one total order (sequentially consistent), so at least one sees the other.  A wake-up may come after the
 * waiter has left: it is cleared with the next one, and costs at most one poll.
 */
#include "tools/progress.h"

#include <sys/eventfd.h>
#include <unistd.h>

int progress_init(struct progress *progress)
{
    atomic_init(&progress->count, 0);
    atomic_init(&progress->wanted, PROGRESS_NOTHING);
    progress->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return progress->wake_fd < 0 ? -1 : 0;
}

void progress_release(struct progress *progress)
{
    (void)close(progress->wake_fd); /* nothing was written, so no data is lost */
    progress->wake_fd = -1;
}

void progress_raise(struct progress *progress)
{
    uint64_t count = atomic_fetch_add(&progress->count, 1) + 1;
    uint64_t wanted = atomic_load(&progress->wanted);

    if (count >= wanted && atomic_compare_exchange_strong(&progress->wanted, &wanted, PROGRESS_NOTHING))
        (void)eventfd_write(progress->wake_fd, 1); /* fails only on overflow: it is readable then */
}

uint64_t progress_count(const struct progress *progress)
{
    return atomic_load_explicit(&progress->count, memory_order_acquire);
}

bool progress_fall_asleep(struct progress *progress, uint64_t wanted)
{
    atomic_store(&progress->wanted, wanted);
    if (atomic_load(&progress->count) < wanted)
        return true;
    atomic_store(&progress->wanted, PROGRESS_NOTHING);
    return false;
}

void progress_wake_up(struct progress *progress)
{
    eventfd_t ignored;

    if (atomic_exchange(&progress->wanted, PROGRESS_NOTHING) == PROGRESS_NOTHING)
        (void)eventfd_read(progress->wake_fd, &ignored); /* fails if the raiser that woke us has not written yet */
}
