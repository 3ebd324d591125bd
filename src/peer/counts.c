/*
 * counts - reading the counters out, and the names of the reasons for a drop.
 */
#include "peer/counts.h"

void fy_counts_sum(struct ferry_counts *sum, const struct ferry_counts *more)
{
    sum->sent += more->sent;
    sum->written += more->written;
    sum->sent_bytes += more->sent_bytes;
    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        sum->dropped[i] += more->dropped[i];
    sum->received += more->received;
    sum->received_bytes += more->received_bytes;
    sum->received_dropped += more->received_dropped;
    sum->refused += more->refused;
}

void fy_counts_add_to(const struct fy_counts *counts, struct ferry_counts *sum)
{
    struct ferry_counts now;

    /* outcomes before sent, so that a reader never sees more outcomes than messages */
    now.written = atomic_load(&counts->written);
    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        now.dropped[i] = atomic_load(&counts->dropped[i]);
    now.sent = atomic_load(&counts->sent);
    now.sent_bytes = atomic_load(&counts->sent_bytes);
    now.received_dropped = atomic_load(&counts->received_dropped);
    now.refused = atomic_load(&counts->refused);
    now.received = atomic_load(&counts->received);
    now.received_bytes = atomic_load(&counts->received_bytes);
    fy_counts_sum(sum, &now);
}

#define NAME(reason, name, text)                                                                                       \
    case FERRY_DROP_##reason:                                                                                          \
        return name;

const char *ferry_drop_reason_name(enum ferry_drop_reason reason)
{
    switch (reason) {
        FERRY_DROP_MAP(NAME)
    default:
        return "unknown";
    }
}
