/*
 * check_text - growing text, and its memory of a failed allocation.
 */
#include <string.h>

#include "base/text.h"
#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"

static struct fy_text text;

static void setup(void)
{
    heap_setup();
    fy_text_init(&text);
}

static void teardown(void)
{
    fy_text_release(&text);
    heap_teardown();
}

START_TEST(pieces_of_any_size_stand_one_after_the_other)
{
    static char large[10000];
    size_t len = 0;

    memset(large, 'x', sizeof(large));
    for (int i = 0; i < 50; i++) {
        fy_text_put(&text, "");
        fy_text_put(&text, "ab");
        fy_text_print(&text, "%d|", i % 10);
        fy_text_add(&text, large, (size_t)i * 200);
        len += 4 + (size_t)i * 200;
        ck_assert_int_eq(text.err, FERRY_OK);
        ck_assert_uint_eq(text.len, len);
    }
    ck_assert_mem_eq(text.data, "ab0|ab1|", 8);
    ck_assert_int_eq(text.data[len - 1], 'x');
}
END_TEST

START_TEST(a_failed_allocation_is_remembered_and_harms_nothing)
{
    long nth = 0;

    for (;; nth++) {
        heap_fail_at(nth);
        for (int i = 0; i < 3000; i++)
            fy_text_put(&text, "0123456789");
        heap_fail_at(-1);
        if (text.err == FERRY_OK)
            break;
        ck_assert_int_eq(text.err, FERRY_ERR_NOMEM);
        ck_assert_uint_le(text.len, 30000);
        fy_text_release(&text);
    }
    ck_assert_int_ge(nth, 3);
    ck_assert_uint_eq(text.len, 30000);
}
END_TEST

int main(void)
{
    return rig_main("text", setup, teardown, pieces_of_any_size_stand_one_after_the_other,
                    a_failed_allocation_is_remembered_and_harms_nothing, NULL);
}
