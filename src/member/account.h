/*
 * account.h - what becomes of the messages that a service gives to be sent to one member.
 *
 * Every message is counted when it is given, and once more at its end: it is written or dropped for a reason.  There is
 * no third end, so the account is exact.  Nothing here knows what a message says: the service tells its class, how it
 * is freed, and what is to follow from a drop.
 */
#ifndef FY_MEMBER_ACCOUNT_H
#define FY_MEMBER_ACCOUNT_H

#include <stddef.h>

#include "base/item.h"
#include "base/list.h"
#include "ferry/ferry.h"
#include "member/counts.h"

struct fy_local;

/* What the account needs of the service.  Any thread that drops a message. */
struct fy_account_ops {
    void (*free_item)(struct fy_item *item);
    /* A message of class was dropped: before on_lost. */
    void (*on_dropped)(void *arg, unsigned class, enum ferry_drop_reason reason);
    /* One message, or all of a queue, were dropped for reason. */
    void (*on_lost)(void *arg, enum ferry_drop_reason reason);
};

struct fy_account {
    struct fy_counts counts;
    struct fy_local *local; /* const, as what follows; it has the budget */
    const struct fy_account_ops *ops;
    void *arg;
};

/* account is zeroed. */
void fy_account_init(struct fy_account *account, struct fy_local *local, const struct fy_account_ops *ops, void *arg);

/* A message of class was given, and is dropped before it became an item. */
void fy_account_refused(struct fy_account *account, unsigned class, enum ferry_drop_reason reason);

/* item, whose memory is of the budget, is dropped: it is freed, counted and reported. */
void fy_account_dropped(struct fy_account *account, struct fy_item *item, enum ferry_drop_reason reason);

/* The same for all items of list, which is left empty; on_lost is called once.  Their number and their memory. */
void fy_account_dropped_all(struct fy_account *account, struct fy_list *list, enum ferry_drop_reason reason,
                            size_t *ret_n, size_t *ret_memory);

#endif
