/*
 * check_account - messages that are dropped, for a service of the test's own.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/rig.h"
#include "member/account.h"
#include "member/local.h"

#define MAX_SEEN 8

struct note {
    struct fy_item item;
    char text[16];
};

static struct fy_local local;
static struct fy_account account;
static size_t n_freed;
static size_t n_dropped;
static unsigned dropped_class[MAX_SEEN];
static size_t n_lost;
static enum ferry_drop_reason lost_reason;
static size_t n_dropped_when_lost;
static size_t budget_when_dropped;

static void note_free(struct fy_item *item)
{
    ck_assert(!fy_node_is_linked(&item->node));
    free(fy_container(item, struct note, item));
    n_freed++;
}

static void note_on_dropped(void *arg, unsigned class, enum ferry_drop_reason reason)
{
    ck_assert_ptr_eq(arg, &account);
    ck_assert_uint_eq(account.counts.dropped[class][reason], 1 + n_dropped); /* counted before it is told */
    ck_assert_uint_lt(n_dropped, MAX_SEEN);
    dropped_class[n_dropped++] = class;
    budget_when_dropped = atomic_load(&local.send_bytes);
}

static void note_on_lost(void *arg, enum ferry_drop_reason reason)
{
    ck_assert_ptr_eq(arg, &account);
    n_lost++;
    lost_reason = reason;
    n_dropped_when_lost = n_dropped;
}

static struct note *note_new(unsigned class, size_t memory)
{
    struct note *note = calloc(1, sizeof(*note));

    ck_assert_ptr_nonnull(note);
    note->item.class = class;
    note->item.memory = memory;
    ck_assert(fy_local_reserve(&local, memory));
    return note;
}

static void setup(void)
{
    static const struct fy_account_ops ops = {
        .free_item = note_free, .on_dropped = note_on_dropped, .on_lost = note_on_lost};

    heap_setup();
    memset(&account, 0, sizeof(account));
    local = (struct fy_local){.max_send_bytes = 1000};
    fy_account_init(&account, &local, &ops, &account);
}

static void teardown(void)
{
    ck_assert_uint_eq(atomic_load(&local.send_bytes), 0);
    heap_teardown();
}

START_TEST(a_dropped_item_is_freed_counted_by_its_class_and_reported)
{
    fy_account_dropped(&account, &note_new(3, 100)->item, FERRY_DROP_QUEUE_FULL);
    ck_assert_uint_eq(n_freed, 1);
    ck_assert_uint_eq(n_dropped, 1);
    ck_assert_uint_eq(dropped_class[0], 3);
    ck_assert_uint_eq(budget_when_dropped, 0); /* its memory was given back before */
    ck_assert_uint_eq(n_lost, 1);
    ck_assert_int_eq(lost_reason, FERRY_DROP_QUEUE_FULL);
}
END_TEST

START_TEST(all_items_of_a_queue_are_reported_one_by_one_and_then_once)
{
    struct fy_list list;
    size_t n, memory;

    fy_list_init(&list);
    for (unsigned i = 0; i < 3; i++)
        fy_list_append(&list, &note_new(2, 10 + i)->item.node);
    fy_account_dropped_all(&account, &list, FERRY_DROP_STREAM_CLOSED, &n, &memory);
    ck_assert(fy_list_is_empty(&list));
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(memory, 33);
    ck_assert_uint_eq(n_freed, 3);
    ck_assert_uint_eq(n_dropped, 3);
    ck_assert_uint_eq(n_lost, 1);
    ck_assert_uint_eq(n_dropped_when_lost, 3);
    ck_assert_uint_eq(account.counts.dropped[2][FERRY_DROP_STREAM_CLOSED], 3);
}
END_TEST

START_TEST(an_empty_queue_is_not_reported)
{
    struct fy_list list;
    size_t n, memory;

    fy_list_init(&list);
    fy_account_dropped_all(&account, &list, FERRY_DROP_STREAM_CLOSED, &n, &memory);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(memory, 0);
    ck_assert_uint_eq(n_lost, 0);
}
END_TEST

START_TEST(what_never_became_an_item_is_counted_and_reported)
{
    fy_account_refused(&account, 1, FERRY_DROP_TOO_LARGE);
    ck_assert_uint_eq(n_freed, 0);
    ck_assert_uint_eq(account.counts.dropped[1][FERRY_DROP_TOO_LARGE], 1);
    ck_assert_uint_eq(n_lost, 1);
}
END_TEST

START_TEST(the_budget_is_never_exceeded_and_what_does_not_fit_takes_nothing)
{
    ck_assert(fy_local_reserve(&local, 600));
    ck_assert(!fy_local_reserve(&local, 401));
    ck_assert_uint_eq(atomic_load(&local.send_bytes), 600);
    ck_assert(fy_local_reserve(&local, 400));
    ck_assert(!fy_local_reserve(&local, 1));
    fy_local_unreserve(&local, 1000);
    ck_assert(!fy_local_reserve(&local, SIZE_MAX));
}
END_TEST

int main(void)
{
    return rig_main("account", setup, teardown, a_dropped_item_is_freed_counted_by_its_class_and_reported,
                    all_items_of_a_queue_are_reported_one_by_one_and_then_once, an_empty_queue_is_not_reported,
                    what_never_became_an_item_is_counted_and_reported,
                    the_budget_is_never_exceeded_and_what_does_not_fit_takes_nothing, NULL);
}
