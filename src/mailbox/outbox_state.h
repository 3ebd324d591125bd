/*
 * outbox_state.h - the outbox's struct, for the files that it is made of.
 */
#ifndef FY_MAILBOX_OUTBOX_STATE_H
#define FY_MAILBOX_OUTBOX_STATE_H

#include "mailbox/outbox.h"
#include "mailbox/queues.h"

#define FY_NS_PER_MS UINT64_C(1000000)

struct fy_outbox {
    struct fy_outbox_config config;
    struct fy_queues queues;
    struct fy_list settled; /* to be told */
    struct fy_list dead;
    struct fy_outbox_counts counts;
    uint64_t next_sequence;
    uint64_t reserved; /* numbers below may be used */
    struct fy_change reserve;
    uint64_t random;
    bool is_stopped;
};

#endif
