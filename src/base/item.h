/*
 * item.h - the part of a queued message that queues need, whatever its service.
 *
 * A service embeds it at the beginning of its own message.  Queues use it to link the message, to limit memory and to
 * report age; the account of messages uses its class.
 */
#ifndef FY_BASE_ITEM_H
#define FY_BASE_ITEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define FY_N_ITEM_CLASSES 4 /* the most classes that a service can have */

struct fy_item {
    struct fy_node node;
    uint64_t queued_ns; /* when it was queued; 0 if it is not queued */
    size_t memory;      /* memory it takes, for limits in bytes */
    unsigned class;     /* defined by its service, below FY_N_ITEM_CLASSES */
};

#endif
