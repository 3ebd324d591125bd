/*
 * check_shelf - the cache of freed blocks: which blocks it keeps, how many, and for how long.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/shelf.h"
#include "harness/heap.h"
#include "harness/rig.h"

#define SECOND UINT64_C(1000000000)

static struct fy_shelf shelf;

static void setup(void)
{
    heap_setup();
    srandom(7);
    fy_shelf_init(&shelf, 1 << 20);
}

static void teardown(void)
{
    fy_shelf_release(&shelf);
    heap_teardown();
}

static void *take(size_t size)
{
    void *memory = fy_shelf_take(&shelf, size);

    ck_assert_ptr_nonnull(memory);
    memset(memory, 0xab, size);
    return memory;
}

static void put(void *memory, size_t size)
{
    fy_shelf_put(&shelf, fy_shelf_pile(NULL, memory, size));
}

START_TEST(what_was_put_is_taken_again)
{
    void *memory = take(1000), *other;

    put(memory, 1000);
    ck_assert_uint_ge(shelf.n_bytes, 1000);
    other = take(1001);
    ck_assert_ptr_eq(other, memory); /* of the same class */
    ck_assert_uint_eq(shelf.n_bytes, 0);
    put(other, 1001);
    other = take(100); /* of another */
    ck_assert_ptr_ne(other, memory);
    put(other, 100);
}
END_TEST

/* Sizes of one class are given each other's blocks; the sanitizers and valgrind see one that is too small. */
START_TEST(a_block_fits_whoever_takes_it)
{
    struct {
        void *memory;
        size_t size;
    } taken[16] = {{NULL, 0}};

    for (int i = 0; i < 20000; i++) {
        size_t k = (size_t)random() % 16, bits = 4 + (size_t)random() % 16;

        if (taken[k].memory) {
            put(taken[k].memory, taken[k].size);
            taken[k].memory = NULL;
        } else {
            taken[k].size = sizeof(struct fy_shelf_block) + (size_t)random() % ((size_t)1 << bits);
            taken[k].memory = fy_shelf_take(&shelf, taken[k].size);
            ck_assert_ptr_nonnull(taken[k].memory);
            memset((uint8_t *)taken[k].memory + taken[k].size - 1, 0xcd, 1);
        }
        ck_assert_uint_le(shelf.n_bytes, shelf.max_bytes);
    }
    for (size_t k = 0; k < 16; k++)
        if (taken[k].memory)
            put(taken[k].memory, taken[k].size);
}
END_TEST

START_TEST(it_wastes_no_more_than_a_fifth)
{
    for (size_t size = 256; size <= (size_t)4 << 20; size += size / 7 + 1) {
        void *memory = fy_shelf_take(&shelf, size);

        heap_reset_largest();
        fy_shelf_release(&shelf);
        fy_shelf_init(&shelf, SIZE_MAX);
        put(memory, size);
        ck_assert_uint_ge(shelf.n_bytes, size);
        ck_assert_uint_le(shelf.n_bytes, size + size / 4);
    }
}
END_TEST

START_TEST(it_holds_no_more_than_it_may)
{
    struct fy_shelf_block *pile = NULL;

    for (int i = 0; i < 20; i++)
        pile = fy_shelf_pile(pile, take(100000), 100000);
    fy_shelf_put(&shelf, pile);
    ck_assert_uint_le(shelf.n_bytes, 1 << 20);
    ck_assert_uint_gt(shelf.n_bytes, 800000);
}
END_TEST

START_TEST(what_is_very_large_is_not_kept)
{
    fy_shelf_release(&shelf);
    fy_shelf_init(&shelf, SIZE_MAX);
    put(fy_shelf_take(&shelf, (size_t)5 << 20), (size_t)5 << 20);
    ck_assert_uint_eq(shelf.n_bytes, 0);
    put(fy_shelf_take(&shelf, (size_t)4 << 20), (size_t)4 << 20);
    ck_assert_uint_eq(shelf.n_bytes, (size_t)4 << 20);
}
END_TEST

START_TEST(none_and_one_of_zeros_keep_nothing)
{
    struct fy_shelf none = {.max_bytes = 0};
    long n_live = heap_live();

    fy_shelf_put(&none, fy_shelf_pile(NULL, fy_shelf_take(&none, 50), 50));
    fy_shelf_put(NULL, fy_shelf_pile(NULL, fy_shelf_take(NULL, 50), 50));
    fy_shelf_put(NULL, NULL);
    fy_shelf_trim(&none, SECOND);
    ck_assert_int_eq(heap_live(), n_live);
}
END_TEST

/* A burst leaves ten blocks, and from then on three come and go. */
START_TEST(what_is_not_needed_for_a_second_is_freed)
{
    struct fy_shelf_block *pile = NULL;
    void *memory[3];
    size_t one;

    for (int i = 0; i < 10; i++)
        pile = fy_shelf_pile(pile, take(5000), 5000);
    fy_shelf_put(&shelf, pile);
    one = shelf.n_bytes / 10;
    fy_shelf_trim(&shelf, 10 * SECOND); /* all of it was needed: the shelf was empty before */
    ck_assert_uint_eq(shelf.n_bytes, 10 * one);
    for (int i = 0; i < 3; i++)
        memory[i] = take(5000);
    for (int i = 0; i < 3; i++)
        put(memory[i], 5000);
    fy_shelf_trim(&shelf, 10 * SECOND + SECOND / 2);
    ck_assert_uint_eq(shelf.n_bytes, 10 * one);
    fy_shelf_trim(&shelf, 11 * SECOND);
    ck_assert_uint_eq(shelf.n_bytes, 3 * one);
    ck_assert(!fy_shelf_is_empty(&shelf));
    fy_shelf_trim(&shelf, 12 * SECOND);
    ck_assert_uint_eq(shelf.n_bytes, 0);
    ck_assert(fy_shelf_is_empty(&shelf));
}
END_TEST

START_TEST(taking_survives_a_failed_allocation)
{
    void *memory;

    heap_fail_at(0);
    memory = fy_shelf_take(&shelf, 1000);
    heap_fail_at(-1);
    ck_assert_ptr_null(memory);
    put(take(1000), 1000);
    heap_fail_at(0);
    memory = fy_shelf_take(&shelf, 1000); /* what is there needs none */
    heap_fail_at(-1);
    ck_assert_ptr_nonnull(memory);
    put(memory, 1000);
}
END_TEST

int main(void)
{
    return rig_main("shelf", setup, teardown, what_was_put_is_taken_again, a_block_fits_whoever_takes_it,
                    it_wastes_no_more_than_a_fifth, it_holds_no_more_than_it_may, what_is_very_large_is_not_kept,
                    none_and_one_of_zeros_keep_nothing, what_is_not_needed_for_a_second_is_freed,  taking_survives_a_failed_allocation, NULL);
}
