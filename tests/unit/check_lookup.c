/*
 * check_lookup - the hash table whose links are in its entries.
 */
#include <string.h>

#include "base/list.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "mailbox/lookup.h"

#define N 1000

struct item {
    struct fy_entry entry;
    unsigned number;
};

static struct fy_lookup lookup;
static struct item items[N];

static void setup(void)
{
    heap_setup();
    memset(items, 0, sizeof(items));
    fy_lookup_init(&lookup);
    for (unsigned i = 0; i < N; i++)
        items[i].number = i;
}

static void teardown(void)
{
    fy_lookup_release(&lookup);
    heap_teardown();
}

static struct item *find(uint64_t hash, unsigned number)
{
    struct fy_entry *entry = fy_lookup_find(&lookup, hash);

    for (; entry; entry = fy_lookup_find_next(entry)) {
        ck_assert_uint_eq(entry->hash, hash);
        if (fy_container(entry, struct item, entry)->number == number)
            return fy_container(entry, struct item, entry);
    }
    return NULL;
}

static void fill_and_empty(void)
{
    for (unsigned i = 0; i < N; i++)
        fy_lookup_add(&lookup, &items[i].entry, i / 3 * 7); /* three of each hash */
    ck_assert_uint_eq(lookup.n, N);
    for (unsigned i = 0; i < N; i++)
        ck_assert_ptr_eq(find(i / 3 * 7, i), &items[i]);
    ck_assert_ptr_null(fy_lookup_find(&lookup, 1));
    for (unsigned i = 0; i < N; i += 2) {
        fy_lookup_remove(&lookup, &items[i].entry);
        ck_assert_ptr_null(find(i / 3 * 7, i));
    }
    for (unsigned i = 1; i < N; i += 2) {
        ck_assert_ptr_eq(find(i / 3 * 7, i), &items[i]);
        fy_lookup_remove(&lookup, &items[i].entry);
    }
    ck_assert_uint_eq(lookup.n, 0);
}

START_TEST(what_was_added_is_found_until_it_is_removed)
{
    fill_and_empty();
    ck_assert_uint_gt(lookup.n_slots, N / 2);
}
END_TEST

START_TEST(without_memory_for_slots_chains_grow_longer)
{
    for (unsigned i = 0; i < 20; i++) {
        heap_fail_at(0);
        fy_lookup_add(&lookup, &items[i].entry, i);
    }
    heap_fail_at(-1);
    ck_assert_uint_eq(lookup.n_slots, 1);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_ptr_eq(find(i, i), &items[i]);
    for (unsigned i = 0; i < 20; i++)
        fy_lookup_remove(&lookup, &items[i].entry);
}
END_TEST

START_TEST(hashes_depend_on_all_bytes_and_on_the_seed)
{
    ck_assert_uint_ne(fy_hash(0, "ab", 2), fy_hash(0, "ba", 2));
    ck_assert_uint_ne(fy_hash(0, "ab", 2), fy_hash(1, "ab", 2));
    ck_assert_uint_ne(fy_hash(0, "ab", 2), fy_hash(0, "a", 1));
    ck_assert_uint_eq(fy_hash(0, "a", 1), UINT64_C(0xaf63dc4c8601ec8c)); /* FNV-1a's own vector */
}
END_TEST

int main(void)
{
    return rig_main("lookup", setup, teardown, what_was_added_is_found_until_it_is_removed,
                    without_memory_for_slots_chains_grow_longer, hashes_depend_on_all_bytes_and_on_the_seed, NULL);
}
