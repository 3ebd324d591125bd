/*
 * counts - reading the counters, and the names of the reasons for a drop.
 */
#include "member/counts.h"

_Static_assert((int)FERRY_N_DROP_REASONS <= FERRY_DROP_ROOM, "a reason more than the public structs have room for");
_Static_assert((int)FERRY_N_CLASSES == FY_N_ITEM_CLASSES, "the public structs have all classes of an account");

static void sum_class(struct ferry_class_counts *sum, const struct ferry_class_counts *more)
{
    sum->sent += more->sent;
    sum->written += more->written;
    sum->received += more->received;
    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        sum->dropped[i] += more->dropped[i];
}

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
    sum->received_failures += more->received_failures;
    for (size_t i = 0; i < FERRY_N_CLASSES; i++)
        sum_class(&sum->by_class[i], &more->by_class[i]);
}

/* Outcomes before sent, so that a reader never sees more outcomes than messages. */
static struct ferry_class_counts read_class(const struct fy_counts *counts, size_t class)
{
    struct ferry_class_counts now = {.written = atomic_load(&counts->written[class])};

    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        now.dropped[i] = atomic_load(&counts->dropped[class][i]);
    now.sent = atomic_load(&counts->sent[class]);
    now.received = atomic_load(&counts->received[class]);
    return now;
}

void fy_counts_add_to(const struct fy_counts *counts, struct ferry_counts *sum)
{
    struct ferry_counts now = {.received_dropped = atomic_load(&counts->received_dropped),
                               .received_failures = atomic_load(&counts->received_failures),
                               .refused = atomic_load(&counts->refused)};

    for (size_t i = 0; i < FERRY_N_CLASSES; i++) {
        struct ferry_class_counts *class = &now.by_class[i];

        *class = read_class(counts, i);
        now.sent += class->sent;
        now.written += class->written;
        now.received += class->received;
        for (size_t k = 0; k < FERRY_N_DROP_REASONS; k++)
            now.dropped[k] += class->dropped[k];
    }
    now.sent_bytes = atomic_load(&counts->sent_bytes);
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
