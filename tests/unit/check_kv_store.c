/*
 * ferry-kv's state: commands, what they do, saving and loading.
 */
#include "kv/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/raft_heap.h"
#include "harness/rig.h"

static struct kv_store *store;

static void setup(void)
{
    heap_setup();
    raft_heap_setup();
    store = kv_store_new();
    ck_assert_ptr_nonnull(store);
}

static void teardown(void)
{
    kv_store_free(store);
    raft_heap_teardown();
    heap_teardown();
}

static struct kv_command put_of(const char *key, const char *value)
{
    return (struct kv_command){
        .kind = KV_PUT, .key = key, .key_len = strlen(key), .value = value, .value_len = strlen(value)};
}

/* What store made of the command; *ret_existed may be NULL. */
static int apply_to(struct kv_store *to, const struct kv_command *command, bool *ret_existed)
{
    struct raft_buffer buf;
    bool existed;
    int rv;

    ck_assert_int_eq(kv_command_encode(command, &buf), 0);
    rv = kv_store_apply(to, &buf, &existed);
    raft_free(buf.base);
    if (ret_existed)
        *ret_existed = existed;
    return rv;
}

static bool apply(struct kv_command command)
{
    bool existed;

    ck_assert_int_eq(apply_to(store, &command, &existed), 0);
    return existed;
}

static void assert_value(const struct kv_store *of, const char *key, const char *expected)
{
    size_t len;
    const void *value = kv_store_get(of, key, strlen(key), &len);

    if (!expected) {
        ck_assert_ptr_null(value);
        return;
    }
    ck_assert_ptr_nonnull(value);
    ck_assert_uint_eq(len, strlen(expected));
    ck_assert_mem_eq(value, expected, len);
}

START_TEST(a_command_is_read_back)
{
    struct kv_command command = {
        .kind = KV_PUT, .id = 1234567890123, .key = "k\0y", .key_len = 3, .value = "value", .value_len = 5};
    struct kv_command seen;
    struct raft_buffer buf;

    ck_assert_int_eq(kv_command_encode(&command, &buf), 0);
    ck_assert_uint_eq(buf.len % 8, 0);
    ck_assert_int_eq(kv_command_decode(&buf, &seen), 0);
    ck_assert_int_eq(seen.kind, KV_PUT);
    ck_assert_uint_eq(seen.id, command.id);
    ck_assert_uint_eq(seen.key_len, 3);
    ck_assert_mem_eq(seen.key, "k\0y", 3);
    ck_assert_uint_eq(seen.value_len, 5);
    ck_assert_mem_eq(seen.value, "value", 5);
    raft_free(buf.base);
}
END_TEST

START_TEST(bytes_that_are_no_command_change_nothing)
{
    struct kv_command command = put_of("key", "some value");
    struct raft_buffer buf;
    bool existed;

    ck_assert_int_eq(kv_command_encode(&command, &buf), 0);
    for (size_t n = 0; n < buf.len; n++) {
        struct raft_buffer part = {.base = malloc(n + 1), .len = n};

        memcpy(part.base, buf.base, n);
        ck_assert_int_eq(kv_store_apply(store, &part, &existed), RAFT_MALFORMED);
        free(part.base);
    }
    for (int i = 0; i < 256; i++) {
        ((uint8_t *)buf.base)[0] = (uint8_t)i;
        if (i < KV_PUT || i > KV_REMOVED)
            ck_assert_int_eq(kv_store_apply(store, &buf, &existed), RAFT_MALFORMED);
    }
    ((uint8_t *)buf.base)[0] = KV_PUT;
    memset((uint8_t *)buf.base + 4, 0xff, 4); /* a value of 4 GiB */
    ck_assert_int_eq(kv_store_apply(store, &buf, &existed), RAFT_MALFORMED);
    raft_free(buf.base);
    ck_assert_uint_eq(kv_store_n_keys(store), 0);
}
END_TEST

START_TEST(keys_are_put_replaced_and_deleted)
{
    struct kv_command drop = {.kind = KV_DELETE, .key = "a", .key_len = 1};

    ck_assert(!apply(put_of("a", "1")));
    ck_assert(!apply(put_of("b", "")));
    assert_value(store, "a", "1");
    assert_value(store, "b", "");
    ck_assert(apply(put_of("a", "a longer one")));
    assert_value(store, "a", "a longer one");
    ck_assert_uint_eq(kv_store_n_keys(store), 2);
    ck_assert(apply(drop));
    ck_assert(!apply(drop));
    assert_value(store, "a", NULL);
    ck_assert_uint_eq(kv_store_n_keys(store), 1);
}
END_TEST

static void put_many(int n)
{
    char key[16], value[32];

    for (int i = 0; i < n; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        (void)snprintf(value, sizeof(value), "value %d", i);
        apply(put_of(key, value));
    }
}

static void assert_many(const struct kv_store *of, int n)
{
    char key[16], value[32];

    ck_assert_uint_eq(kv_store_n_keys(of), (size_t)n);
    for (int i = 0; i < n; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        (void)snprintf(value, sizeof(value), "value %d", i);
        assert_value(of, key, value);
    }
}

START_TEST(many_keys_are_found_again)
{
    put_many(5000);
    assert_many(store, 5000);
}
END_TEST

static struct kv_command announcement(uint64_t id, const char *url)
{
    return (struct kv_command){.kind = KV_ANNOUNCE, .id = id, .value = url, .value_len = strlen(url)};
}

START_TEST(members_are_known)
{
    ck_assert_ptr_null(kv_store_client_url(store, 1));
    apply(announcement(1, "http://a:1"));
    apply(announcement(2, "http://b:1"));
    apply(announcement(1, "http://c:1"));
    ck_assert_str_eq(kv_store_client_url(store, 1), "http://c:1");
    ck_assert(!kv_store_is_removed(store, 2));
    apply((struct kv_command){.kind = KV_REMOVED, .id = 2});
    apply((struct kv_command){.kind = KV_REMOVED, .id = 9});
    ck_assert(kv_store_is_removed(store, 2) && kv_store_is_removed(store, 9) && !kv_store_is_removed(store, 1));
}
END_TEST

static void fill(void)
{
    put_many(3000);
    apply(announcement(1, "http://a:1"));
    apply((struct kv_command){.kind = KV_REMOVED, .id = 2});
}

static void assert_filled(const struct kv_store *of)
{
    assert_many(of, 3000);
    ck_assert_str_eq(kv_store_client_url(of, 1), "http://a:1");
    ck_assert(kv_store_is_removed(of, 2));
}

START_TEST(what_is_saved_is_loaded)
{
    struct kv_store *other = kv_store_new();
    struct kv_command stale = put_of("stale", "1");
    struct raft_buffer buf;

    ck_assert_int_eq(apply_to(other, &stale, NULL), 0);
    fill();
    ck_assert_int_eq(kv_store_save(store, &buf), 0);
    ck_assert_int_eq(kv_store_load(other, &buf), 0);
    raft_free(buf.base);
    assert_filled(other);
    kv_store_free(other);
}
END_TEST

START_TEST(an_empty_store_is_saved_and_loaded)
{
    struct raft_buffer buf;

    ck_assert_int_eq(kv_store_save(store, &buf), 0);
    ck_assert_uint_eq(buf.len, 0);
    put_many(3);
    ck_assert_int_eq(kv_store_load(store, &buf), 0);
    ck_assert_uint_eq(kv_store_n_keys(store), 0);
    raft_free(buf.base);
}
END_TEST

START_TEST(what_is_cut_short_is_not_loaded)
{
    struct kv_store *other = kv_store_new();
    struct kv_command kept = put_of("kept", "1");
    struct raft_buffer buf;
    size_t n_taken = 0;

    put_many(20);
    ck_assert_int_eq(kv_store_save(store, &buf), 0);
    for (size_t n = 1; n < buf.len; n++) {
        struct raft_buffer part = {.base = malloc(n), .len = n};

        memcpy(part.base, buf.base, n);
        ck_assert_int_eq(apply_to(other, &kept, NULL), 0);
        if (kv_store_load(other, &part) == 0)
            n_taken++; /* it ended between two commands: libraft's checksum is for that */
        else
            assert_value(other, "kept", "1");
        free(part.base);
    }
    ck_assert_uint_eq(n_taken, 19);
    raft_free(buf.base);
    kv_store_free(other);
}
END_TEST

START_TEST(applying_survives_every_failed_allocation)
{
    struct kv_command commands[] = {put_of("key", "new"), announcement(7, "http://x:1"), {.kind = KV_REMOVED, .id = 8}};

    apply(put_of("key", "old"));
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct raft_buffer buf;
        int rv = RAFT_NOMEM;
        bool existed;

        ck_assert_int_eq(kv_command_encode(&commands[i], &buf), 0);
        for (long nth = 0; rv == RAFT_NOMEM; nth++) {
            heap_fail_at(nth);
            rv = kv_store_apply(store, &buf, &existed);
            heap_fail_at(-1);
            if (rv == RAFT_NOMEM)
                assert_value(store, "key", i == 0 ? "old" : "new");
        }
        ck_assert_int_eq(rv, 0);
        raft_free(buf.base);
    }
}
END_TEST

START_TEST(a_table_that_cannot_grow_still_works)
{
    struct kv_command command;
    struct raft_buffer buf;
    bool existed;

    put_many(1024);
    command = put_of("one more", "1");
    ck_assert_int_eq(kv_command_encode(&command, &buf), 0);
    heap_fail_at(1); /* the item is the first */
    ck_assert_int_eq(kv_store_apply(store, &buf, &existed), 0);
    ck_assert(heap_has_failed());
    heap_fail_at(-1);
    raft_free(buf.base);
    assert_value(store, "one more", "1");
    assert_value(store, "1000", "value 1000");
}
END_TEST

START_TEST(saving_and_loading_survive_every_failed_allocation)
{
    struct raft_buffer buf;
    int rv = RAFT_NOMEM;

    put_many(5);
    for (long nth = 0; rv == RAFT_NOMEM; nth++) {
        raft_heap_fail_at(nth);
        rv = kv_store_save(store, &buf);
        raft_heap_fail_at(-1);
    }
    ck_assert_int_eq(rv, 0);
    rv = RAFT_NOMEM;
    for (long nth = 0; rv == RAFT_NOMEM; nth++) {
        heap_fail_at(nth);
        rv = kv_store_load(store, &buf);
        heap_fail_at(-1);
        assert_many(store, 5);
    }
    ck_assert_int_eq(rv, 0);
    raft_free(buf.base);
}
END_TEST

int main(void)
{
    return rig_main("kv_store", setup, teardown, a_command_is_read_back, bytes_that_are_no_command_change_nothing,
                    keys_are_put_replaced_and_deleted, many_keys_are_found_again, members_are_known,
                    what_is_saved_is_loaded, an_empty_store_is_saved_and_loaded, what_is_cut_short_is_not_loaded,
                    applying_survives_every_failed_allocation, a_table_that_cannot_grow_still_works,
                    saving_and_loading_survive_every_failed_allocation, NULL);
}
