/*
 * check_cbor - items of CBOR: read with bounds, written in the shortest form.
 */
#include <string.h>

#include "base/text.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/cbor.h"

static struct fy_text out;

static void setup(void)
{
    heap_setup();
    fy_text_init(&out);
}

static void teardown(void)
{
    fy_text_release(&out);
    heap_teardown();
}

#define BYTES(...) ((struct ferry_bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static void assert_int(struct ferry_bytes bytes, int64_t wanted)
{
    struct fy_cbor_reader reader = fy_cbor_reader(bytes);
    int64_t value = 0;

    ck_assert_int_eq(fy_cbor_read_int(&reader, &value), FERRY_OK);
    ck_assert_int_eq(value, wanted);
    ck_assert_ptr_eq(reader.at, reader.end);
}

START_TEST(integers_of_every_length_are_read)
{
    assert_int(BYTES(0x00), 0);
    assert_int(BYTES(0x17), 23);
    assert_int(BYTES(0x18, 0x18), 24);
    assert_int(BYTES(0x18, 0x05), 5); /* longer than it has to be */
    assert_int(BYTES(0x19, 0x01, 0x00), 256);
    assert_int(BYTES(0x1a, 0, 1, 0, 0), 65536);
    assert_int(BYTES(0x1b, 0x7f, 255, 255, 255, 255, 255, 255, 255), INT64_MAX);
    assert_int(BYTES(0x20), -1);
    assert_int(BYTES(0x38, 0xff), -256);
    assert_int(BYTES(0x3b, 0x7f, 255, 255, 255, 255, 255, 255, 255), INT64_MIN);
}
END_TEST

static void assert_no_int(struct ferry_bytes bytes, int wanted)
{
    struct fy_cbor_reader reader = fy_cbor_reader(bytes);
    int64_t value;

    ck_assert_int_eq(fy_cbor_read_int(&reader, &value), wanted);
    ck_assert_ptr_eq(reader.at, bytes.data);
}

START_TEST(what_is_no_integer_is_refused)
{
    assert_no_int((struct ferry_bytes){NULL, 0}, FERRY_ERR_TRUNCATED);
    assert_no_int(BYTES(0x18), FERRY_ERR_TRUNCATED);
    assert_no_int(BYTES(0x1b, 0, 0, 0, 0, 0, 0, 0), FERRY_ERR_TRUNCATED);
    assert_no_int(BYTES(0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0), FERRY_ERR_MALFORMED); /* more than 63 bits */
    assert_no_int(BYTES(0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0), FERRY_ERR_MALFORMED);
    assert_no_int(BYTES(0x1c), FERRY_ERR_MALFORMED); /* reserved */
    assert_no_int(BYTES(0x1f), FERRY_ERR_MALFORMED);
    assert_no_int(BYTES(0x40), FERRY_ERR_MALFORMED);
    assert_no_int(BYTES(0xf9, 0x3c, 0x00), FERRY_ERR_MALFORMED); /* 1.0 */
    assert_no_int(BYTES(0xc2, 0x41, 0x01), FERRY_ERR_MALFORMED); /* a tag */
}
END_TEST

START_TEST(strings_are_lent_and_never_longer_than_what_is_there)
{
    struct ferry_bytes text = BYTES(0x62, 'h', 'i'), bytes = BYTES(0x41, 0xff), string = {NULL, 0};
    struct fy_cbor_reader reader = fy_cbor_reader(text);

    ck_assert_int_eq(fy_cbor_read_bytes(&reader, &string), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(fy_cbor_read_text(&reader, &string), FERRY_OK);
    ck_assert_ptr_eq(string.data, text.data + 1);
    ck_assert_uint_eq(string.len, 2);
    reader = fy_cbor_reader(bytes);
    ck_assert_int_eq(fy_cbor_read_text(&reader, &string), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(fy_cbor_read_bytes(&reader, &string), FERRY_OK);
    ck_assert_uint_eq(string.len, 1);

    reader = fy_cbor_reader(BYTES(0x63, 'h', 'i'));
    ck_assert_int_eq(fy_cbor_read_text(&reader, &string), FERRY_ERR_TRUNCATED);
    reader = fy_cbor_reader(BYTES(0x7b, 255, 255, 255, 255, 255, 255, 255, 255, 'h'));
    ck_assert_int_eq(fy_cbor_read_text(&reader, &string), FERRY_ERR_TRUNCATED);
    reader = fy_cbor_reader(BYTES(0x7f, 0x61, 'h', 0xff)); /* in chunks */
    ck_assert_int_eq(fy_cbor_read_text(&reader, &string), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(an_array_has_no_more_items_than_there_are_bytes)
{
    struct fy_cbor_reader reader = fy_cbor_reader(BYTES(0x82, 0, 0));
    size_t n = 0;

    ck_assert_int_eq(fy_cbor_read_array(&reader, &n), FERRY_OK);
    ck_assert_uint_eq(n, 2);
    reader = fy_cbor_reader(BYTES(0x98, 0x03, 0, 0));
    ck_assert_int_eq(fy_cbor_read_array(&reader, &n), FERRY_ERR_TRUNCATED);
    reader = fy_cbor_reader(BYTES(0x9f, 0xff));
    ck_assert_int_eq(fy_cbor_read_array(&reader, &n), FERRY_OK);
    ck_assert_uint_eq(n, FY_CBOR_INDEFINITE);
    ck_assert(fy_cbor_skip_break(&reader));
    ck_assert(!fy_cbor_skip_break(&reader));
    reader = fy_cbor_reader(BYTES(0xa0)); /* a map */
    ck_assert_int_eq(fy_cbor_read_array(&reader, &n), FERRY_ERR_MALFORMED);
    reader = fy_cbor_reader((struct ferry_bytes){NULL, 0});
    ck_assert_int_eq(fy_cbor_read_array(&reader, &n), FERRY_ERR_TRUNCATED);
}
END_TEST

START_TEST(booleans_and_nulls)
{
    struct fy_cbor_reader reader = fy_cbor_reader(BYTES(0xf4, 0xf5, 0xf6, 0xf7, 0x00));
    bool value = true;

    ck_assert(!fy_cbor_skip_null(&reader));
    ck_assert_int_eq(fy_cbor_read_bool(&reader, &value), FERRY_OK);
    ck_assert(!value);
    ck_assert_int_eq(fy_cbor_read_bool(&reader, &value), FERRY_OK);
    ck_assert(value);
    ck_assert(fy_cbor_skip_null(&reader));
    ck_assert(fy_cbor_skip_null(&reader)); /* undefined */
    ck_assert_int_eq(fy_cbor_read_bool(&reader, &value), FERRY_ERR_MALFORMED);
    ck_assert(!fy_cbor_skip_break(&reader));
    reader = fy_cbor_reader((struct ferry_bytes){NULL, 0});
    ck_assert_int_eq(fy_cbor_read_bool(&reader, &value), FERRY_ERR_TRUNCATED);
    ck_assert(!fy_cbor_skip_null(&reader));
}
END_TEST

static void assert_written(struct ferry_bytes wanted)
{
    ck_assert_int_eq(out.err, FERRY_OK);
    ck_assert_uint_eq(out.len, wanted.len);
    ck_assert_mem_eq(out.data, wanted.data, wanted.len);
    out.len = 0;
}

START_TEST(items_are_written_in_the_shortest_form)
{
    static const struct {
        int64_t value;
        size_t len;
    } ints[] = {{0, 1}, {23, 1}, {24, 2}, {255, 2}, {256, 3}, {65535, 3}, {65536, 5}, {UINT32_MAX, 5},
                {(int64_t)UINT32_MAX + 1, 9}, {INT64_MAX, 9}, {-24, 1}, {-25, 2}, {-256, 2}, {-257, 3}, {INT64_MIN, 9}};

    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        fy_cbor_put_int(&out, ints[i].value);
        ck_assert_uint_eq(out.len, ints[i].len);
        assert_int((struct ferry_bytes){(const uint8_t *)out.data, out.len}, ints[i].value);
        out.len = 0;
    }
    fy_cbor_put_text(&out, BYTES('h', 'i'));
    assert_written(BYTES(0x62, 'h', 'i'));
    fy_cbor_put_text(&out, (struct ferry_bytes){NULL, 0});
    assert_written(BYTES(0x60));
    fy_cbor_put_bytes(&out, BYTES(7));
    assert_written(BYTES(0x41, 7));
    fy_cbor_put_array(&out, 25);
    assert_written(BYTES(0x98, 0x19));
    fy_cbor_put_null(&out);
    fy_cbor_put_bool(&out, true);
    fy_cbor_put_bool(&out, false);
    assert_written(BYTES(0xf6, 0xf5, 0xf4));
}
END_TEST

int main(void)
{
    return rig_main("cbor", setup, teardown, integers_of_every_length_are_read, what_is_no_integer_is_refused,
                    strings_are_lent_and_never_longer_than_what_is_there,
                    an_array_has_no_more_items_than_there_are_bytes, booleans_and_nulls,
                    items_are_written_in_the_shortest_form, NULL);
}
