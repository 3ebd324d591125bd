/*
 * account - the ends of messages that are not written.
 */
#include "member/account.h"

#include "member/local.h"

void fy_account_init(struct fy_account *account, struct fy_local *local, const struct fy_account_ops *ops, void *arg)
{
    account->local = local;
    account->ops = ops;
    account->arg = arg;
}

/* The only place where a drop is counted. */
static void count_drop(struct fy_account *account, unsigned class, enum ferry_drop_reason reason)
{
    fy_count(&account->counts.dropped[class][reason], 1);
    account->ops->on_dropped(account->arg, class, reason);
}

/* Returns the memory that it took. */
static size_t drop_item(struct fy_account *account, struct fy_item *item, enum ferry_drop_reason reason)
{
    unsigned class = item->class;
    size_t memory = item->memory;

    fy_local_unreserve(account->local, memory);
    account->ops->free_item(item);
    count_drop(account, class, reason);
    return memory;
}

void fy_account_refused(struct fy_account *account, unsigned class, enum ferry_drop_reason reason)
{
    count_drop(account, class, reason);
    account->ops->on_lost(account->arg, reason);
}

void fy_account_dropped(struct fy_account *account, struct fy_item *item, enum ferry_drop_reason reason)
{
    (void)drop_item(account, item, reason);
    account->ops->on_lost(account->arg, reason);
}

void fy_account_dropped_all(struct fy_account *account, struct fy_list *list, enum ferry_drop_reason reason,
                            size_t *ret_n, size_t *ret_memory)
{
    struct fy_node *node;
    size_t n = 0, memory = 0;

    while ((node = fy_list_take_first(list))) {
        memory += drop_item(account, fy_container(node, struct fy_item, node), reason);
        n++;
    }
    if (n > 0)
        account->ops->on_lost(account->arg, reason);
    *ret_n = n;
    *ret_memory = memory;
}
