/*
 * check_channel - the queue between senders and a lane, alone.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "member/channel.h"

static struct fy_channel ch;

/* Any service's. */
struct message {
    struct fy_item item;
    uint64_t index;
};

static struct message *message(uint64_t index, size_t memory)
{
    struct message *out = calloc(1, sizeof(*out));

    ck_assert_ptr_nonnull(out);
    out->index = index;
    out->item.memory = memory;
    return out;
}

static int put(uint64_t index, size_t memory, bool *ret_was_empty)
{
    struct message *out = message(index, memory);
    int err = fy_channel_put(&ch, &out->item, ret_was_empty);

    if (err != FERRY_OK)
        free(out);
    return err;
}

static int put_one(uint64_t index, size_t memory)
{
    bool was_empty;

    return put(index, memory, &was_empty);
}

/* Free the messages of list, which are to be numbered from first on; returns how many there were. */
static size_t free_all(struct fy_list *list, uint64_t first, size_t *ret_memory)
{
    struct fy_node *node;
    size_t n = 0;

    *ret_memory = 0;
    while ((node = fy_list_take_first(list))) {
        struct message *out = fy_container(node, struct message, item.node);

        ck_assert_uint_eq(out->index, first + n);
        *ret_memory += out->item.memory;
        free(out);
        n++;
    }
    return n;
}

static void empty_and_close(void)
{
    struct fy_list list;
    struct fy_node *node;

    fy_list_init(&list);
    fy_channel_close(&ch, &list);
    while ((node = fy_list_take_first(&list))) {
        struct message *out = fy_container(node, struct message, item.node);

        fy_channel_give_back(&ch, 1, out->item.memory);
        free(out);
    }
}

static void check_held(size_t n, size_t n_bytes)
{
    size_t got_n, got_bytes;
    uint64_t oldest_ns;

    fy_channel_read(&ch, &got_n, &got_bytes, &oldest_ns);
    ck_assert_uint_eq(got_n, n);
    ck_assert_uint_eq(got_bytes, n_bytes);
}

static void setup(void)
{
    heap_setup();
    fy_channel_init(&ch, 4, 1000);
}

static void teardown(void)
{
    empty_and_close();
    fy_channel_release(&ch);
    heap_teardown();
}

START_TEST(a_channel_takes_messages_only_while_it_is_open)
{
    struct fy_list list;
    size_t memory;

    ck_assert_int_eq(put_one(1, 10), FERRY_ERR_CLOSED);
    fy_channel_open(&ch);
    ck_assert_int_eq(put_one(1, 10), FERRY_OK);
    fy_list_init(&list);
    fy_channel_close(&ch, &list);
    ck_assert_int_eq(put_one(2, 10), FERRY_ERR_CLOSED);
    ck_assert_uint_eq(free_all(&list, 1, &memory), 1);
    check_held(1, 10); /* what was handed out counts until it is given back */
    fy_channel_give_back(&ch, 1, memory);
    check_held(0, 0);
}
END_TEST

START_TEST(only_a_put_into_an_empty_queue_needs_to_tell_the_loop)
{
    struct fy_list list;
    bool was_empty = false;
    size_t memory;

    fy_channel_open(&ch);
    ck_assert(fy_channel_is_empty(&ch));
    ck_assert_int_eq(put(1, 10, &was_empty), FERRY_OK);
    ck_assert(was_empty);
    ck_assert_int_eq(put(2, 10, &was_empty), FERRY_OK);
    ck_assert(!was_empty);
    ck_assert(!fy_channel_is_empty(&ch));
    fy_list_init(&list);
    fy_channel_take_all(&ch, &list);
    ck_assert(fy_channel_is_empty(&ch)); /* though both still count */
    ck_assert_int_eq(put(3, 10, &was_empty), FERRY_OK);
    ck_assert(was_empty);
    check_held(3, 30);
    ck_assert_uint_eq(free_all(&list, 1, &memory), 2);
    fy_channel_give_back(&ch, 2, memory);
    check_held(1, 10);
}
END_TEST

START_TEST(messages_come_out_in_the_order_in_which_they_went_in)
{
    struct message *out;

    fy_channel_open(&ch);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(put_one(i, 1), FERRY_OK);
    for (uint64_t i = 0; i < 3; i++) {
        out = fy_container(&fy_channel_take_one(&ch)->node, struct message, item.node);
        ck_assert_uint_eq(out->index, i);
        fy_channel_give_back(&ch, 1, out->item.memory);
        free(out);
    }
    ck_assert_ptr_null(fy_channel_take_one(&ch));
}
END_TEST

START_TEST(the_number_of_messages_is_bounded_until_they_are_given_back)
{
    struct fy_list list;
    size_t memory;

    fy_channel_open(&ch);
    for (uint64_t i = 0; i < 4; i++)
        ck_assert_int_eq(put_one(i, 1), FERRY_OK);
    ck_assert_int_eq(put_one(4, 1), FERRY_ERR_FULL);
    fy_list_init(&list);
    fy_channel_take_all(&ch, &list);
    ck_assert_int_eq(put_one(4, 1), FERRY_ERR_FULL);
    ck_assert_uint_eq(free_all(&list, 0, &memory), 4);
    fy_channel_give_back(&ch, 1, 1);
    ck_assert_int_eq(put_one(4, 1), FERRY_OK);
    ck_assert_int_eq(put_one(5, 1), FERRY_ERR_FULL);
    fy_channel_give_back(&ch, 3, 3);
}
END_TEST

START_TEST(the_bytes_are_bounded)
{
    fy_channel_open(&ch);
    ck_assert_int_eq(put_one(1, 600), FERRY_OK);
    ck_assert_int_eq(put_one(2, 401), FERRY_ERR_FULL);
    ck_assert_int_eq(put_one(2, 400), FERRY_OK);
    ck_assert_int_eq(put_one(3, 1), FERRY_ERR_FULL);
    check_held(2, 1000);
}
END_TEST

START_TEST(a_message_larger_than_the_bound_passes_alone_and_nothing_beside_it)
{
    fy_channel_open(&ch);
    ck_assert_int_eq(put_one(1, 5000), FERRY_OK);
    ck_assert_int_eq(put_one(2, 1), FERRY_ERR_FULL);
    ck_assert_int_eq(put_one(2, 5000), FERRY_ERR_FULL);
    empty_and_close();
    fy_channel_open(&ch);
    ck_assert_int_eq(put_one(3, 1), FERRY_OK);
    ck_assert_int_eq(put_one(4, 5000), FERRY_ERR_FULL);
}
END_TEST

/* ---- Many threads ---- */

enum { N_PUTTERS = 4, N_EACH = 2000 };

static void *put_many(void *arg)
{
    uint64_t thread = (uint64_t)(uintptr_t)arg;

    for (uint64_t i = 0; i < N_EACH; i++)
        while (put_one(thread << 32 | i, 1) == FERRY_ERR_FULL)
            sched_yield(); /* until the taker has given room back */
    return NULL;
}

START_TEST(each_threads_messages_arrive_once_and_in_order)
{
    pthread_t threads[N_PUTTERS];
    uint64_t next[N_PUTTERS] = {0};
    struct fy_list list;
    struct fy_node *node;

    fy_channel_open(&ch);
    fy_list_init(&list);
    for (uintptr_t i = 0; i < N_PUTTERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, put_many, (void *)i), 0);
    for (size_t n = 0; n < (size_t)N_PUTTERS * N_EACH;) {
        fy_channel_take_all(&ch, &list);
        if (fy_list_is_empty(&list))
            sched_yield();
        while ((node = fy_list_take_first(&list))) {
            struct message *out = fy_container(node, struct message, item.node);

            ck_assert_uint_eq(out->index & UINT32_MAX, next[out->index >> 32]++);
            free(out);
            fy_channel_give_back(&ch, 1, 1);
            n++;
        }
    }
    for (size_t i = 0; i < N_PUTTERS; i++)
        pthread_join(threads[i], NULL);
    check_held(0, 0);
}
END_TEST

int main(void)
{
    return rig_main("channel", setup, teardown, a_channel_takes_messages_only_while_it_is_open,
                    only_a_put_into_an_empty_queue_needs_to_tell_the_loop,
                    messages_come_out_in_the_order_in_which_they_went_in,
                    the_number_of_messages_is_bounded_until_they_are_given_back, the_bytes_are_bounded,
                    a_message_larger_than_the_bound_passes_alone_and_nothing_beside_it,
                    each_threads_messages_arrive_once_and_in_order, NULL);
}
