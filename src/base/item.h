/*
 * item.h - what a queue needs to know of a message, whatever its service.
 *
 * A service embeds it at the beginning of its own message: a queue links it, bounds the sum of its memory and tells its
 * age, and the account of messages counts it by its class.
 */
#ifndef FY_BASE_ITEM_H
#define FY_BASE_ITEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define FY_N_ITEM_CLASSES 4 /* the most that a service tells apart */

struct fy_item {
    struct fy_node node;
    uint64_t queued_ns; /* when it was queued; never 0 while it is */
    size_t memory;      /* that it needs, for the limits in bytes */
    unsigned class;     /* its service's own, below FY_N_ITEM_CLASSES */
};

#endif
