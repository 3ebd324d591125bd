/*
 * check_msgpack - every form of MessagePack, written and read: at the edges of each width, cut short, and at random.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/msgpack.h"
#include "harness/heap.h"
#include "harness/rig.h"

#define ROOM 70000

static uint8_t bytes[ROOM];
static struct ferry_msgpack_writer writer;
static struct ferry_msgpack_reader reader;

static void setup(void)
{
    heap_setup();
    srandom(9);
    ferry_msgpack_writer_init(&writer, bytes, sizeof(bytes));
}

static void teardown(void)
{
    heap_teardown();
}

/* What was written since the last time, as len bytes, and a reader of it. */
static void expect(const char *form, size_t len)
{
    size_t got = 0;

    ck_assert_int_eq(ferry_msgpack_writer_end(&writer, &got), FERRY_OK);
    ck_assert_uint_eq(got, len);
    ck_assert_mem_eq(bytes, form, len);
    ferry_msgpack_reader_init(&reader, bytes, got);
    ferry_msgpack_writer_init(&writer, bytes, sizeof(bytes));
}

#define EXPECT(form) expect(form, sizeof(form) - 1)

static void read_from(const char *form, size_t len)
{
    memcpy(bytes, form, len);
    ferry_msgpack_reader_init(&reader, bytes, len);
}

#define FROM(form) read_from(form, sizeof(form) - 1)

static enum ferry_msgpack_type type_next(void)
{
    enum ferry_msgpack_type type;

    ck_assert_int_eq(ferry_msgpack_peek(&reader, &type), FERRY_OK);
    return type;
}

static void assert_all_read(void)
{
    ck_assert_uint_eq(reader.len, 0);
}

/* ---- Numbers ---- */

static void assert_int(int64_t value, const char *form, size_t len)
{
    int64_t got;
    uint64_t got_uint;

    ferry_msgpack_write_int(&writer, value);
    expect(form, len);
    ck_assert_int_eq(type_next(), FERRY_MSGPACK_INT);
    ck_assert_int_eq(ferry_msgpack_read_int(&reader, &got), FERRY_OK);
    ck_assert_int_eq(got, value);
    assert_all_read();
    read_from(form, len);
    if (value < 0)
        ck_assert_int_eq(ferry_msgpack_read_uint(&reader, &got_uint), FERRY_ERR_MALFORMED);
    else
        ck_assert_int_eq(ferry_msgpack_read_uint(&reader, &got_uint), FERRY_OK);
}

#define INT(value, form) assert_int(value, form, sizeof(form) - 1)

START_TEST(integers_take_the_fewest_bytes)
{
    INT(0, "\x00");
    INT(127, "\x7f");
    INT(128, "\xcc\x80");
    INT(255, "\xcc\xff");
    INT(256, "\xcd\x01\x00");
    INT(65535, "\xcd\xff\xff");
    INT(65536, "\xce\x00\x01\x00\x00");
    INT(UINT32_MAX, "\xce\xff\xff\xff\xff");
    INT((int64_t)UINT32_MAX + 1, "\xcf\0\0\0\x01\0\0\0\0");
    INT(INT64_MAX, "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
    INT(-1, "\xff");
    INT(-32, "\xe0");
    INT(-33, "\xd0\xdf");
    INT(INT8_MIN, "\xd0\x80");
    INT(INT8_MIN - 1, "\xd1\xff\x7f");
    INT(INT16_MIN, "\xd1\x80\x00");
    INT(INT16_MIN - 1, "\xd2\xff\xff\x7f\xff");
    INT(INT32_MIN, "\xd2\x80\0\0\0");
    INT((int64_t)INT32_MIN - 1, "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff");
    INT(INT64_MIN, "\xd3\x80\0\0\0\0\0\0\0");
}
END_TEST

START_TEST(unsigned_integers_go_up_to_64_bits)
{
    uint64_t got;
    int64_t got_int;

    ferry_msgpack_write_uint(&writer, UINT64_MAX);
    EXPECT("\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    ck_assert_int_eq(ferry_msgpack_read_int(&reader, &got_int), FERRY_ERR_MALFORMED); /* it does not fit */
    ck_assert_int_eq(ferry_msgpack_read_uint(&reader, &got), FERRY_OK);
    ck_assert_uint_eq(got, UINT64_MAX);
    ferry_msgpack_write_uint(&writer, 5);
    EXPECT("\x05");
}
END_TEST

static void assert_five(const char *form, size_t len)
{
    uint64_t got;
    int64_t got_int;

    read_from(form, len);
    ck_assert_int_eq(ferry_msgpack_read_uint(&reader, &got), FERRY_OK);
    ck_assert_uint_eq(got, 5);
    assert_all_read();
    read_from(form, len);
    ck_assert_int_eq(ferry_msgpack_read_int(&reader, &got_int), FERRY_OK);
    ck_assert_int_eq(got_int, 5);
    assert_all_read();
}

START_TEST(integers_are_read_in_every_form_that_fits)
{
    static const char *const forms[] = {
        "\x05",       "\xcc\x05",     "\xcd\0\x05",           "\xce\0\0\0\5",        "\xd0\x05",
        "\xd1\0\x05", "\xd2\0\0\0\5", "\xcf\0\0\0\0\0\0\0\5", "\xd3\0\0\0\0\0\0\0\5"};
    static const size_t lengths[] = {1, 2, 3, 5, 2, 3, 5, 9, 9};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        assert_five(forms[i], lengths[i]);
}
END_TEST

START_TEST(numbers_with_a_point_have_32_or_64_bits)
{
    double got;

    ferry_msgpack_write_float(&writer, 1.5f);
    EXPECT("\xca\x3f\xc0\x00\x00");
    ck_assert_int_eq(type_next(), FERRY_MSGPACK_FLOAT);
    ck_assert_int_eq(ferry_msgpack_read_double(&reader, &got), FERRY_OK);
    ck_assert_double_eq(got, 1.5);
    ferry_msgpack_write_double(&writer, -0.1);
    EXPECT("\xcb\xbf\xb9\x99\x99\x99\x99\x99\x9a");
    ck_assert_int_eq(type_next(), FERRY_MSGPACK_FLOAT);
    ck_assert_int_eq(ferry_msgpack_read_double(&reader, &got), FERRY_OK);
    ck_assert_double_eq(got, -0.1);
    assert_all_read();
    FROM("\x01");
    ck_assert_int_eq(ferry_msgpack_read_double(&reader, &got), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(nil_and_booleans_are_a_byte)
{
    bool got;

    ferry_msgpack_write_nil(&writer);
    ferry_msgpack_write_bool(&writer, true);
    ferry_msgpack_write_bool(&writer, false);
    EXPECT("\xc0\xc3\xc2");
    ck_assert_int_eq(type_next(), FERRY_MSGPACK_NIL);
    ck_assert_int_eq(ferry_msgpack_read_bool(&reader, &got), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_msgpack_read_nil(&reader), FERRY_OK);
    ck_assert_int_eq(type_next(), FERRY_MSGPACK_BOOL);
    ck_assert_int_eq(ferry_msgpack_read_nil(&reader), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_msgpack_read_bool(&reader, &got), FERRY_OK);
    ck_assert(got);
    ck_assert_int_eq(ferry_msgpack_read_bool(&reader, &got), FERRY_OK);
    ck_assert(!got);
    ck_assert_int_eq(ferry_msgpack_read_bool(&reader, &got), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(ferry_msgpack_read_nil(&reader), FERRY_ERR_TRUNCATED);
}
END_TEST

/* ---- Texts, bytes, exts: at each width ---- */

static uint8_t content[ROOM];

/* The head is form and then len in as many bytes as follow it. */
static size_t head_of(char *head, unsigned form, size_t len, size_t width)
{
    head[0] = (char)form;
    for (size_t i = 0; i < width; i++)
        head[1 + i] = (char)(len >> 8 * (width - 1 - i));
    return 1 + width;
}

static void assert_begins(const char *head, size_t head_len, size_t len)
{
    size_t got = 0;

    ck_assert_int_eq(ferry_msgpack_writer_end(&writer, &got), FERRY_OK);
    ck_assert_uint_eq(got, head_len + len);
    ck_assert_mem_eq(bytes, head, head_len);
    ck_assert_mem_eq(bytes + head_len, content, len);
    ferry_msgpack_reader_init(&reader, bytes, got);
    ferry_msgpack_writer_init(&writer, bytes, sizeof(bytes));
}

static void assert_content(struct ferry_bytes got, size_t len)
{
    ck_assert_ptr_nonnull(got.data);
    ck_assert_uint_eq(got.len, len);
    ck_assert_mem_eq(got.data, content, len);
    assert_all_read();
}

START_TEST(texts_and_bytes_are_written_and_read_at_each_width)
{
    static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536};

    memset(content, 'c', sizeof(content));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        const size_t len = lengths[i];
        const size_t width = len <= 255 ? 1 : len <= 65535 ? 2 : 4;
        struct ferry_bytes got;
        char head[8];
        size_t head_len =
            head_of(head, len < 32 ? 0xa0 | (unsigned)len : 0xd9 + (unsigned)(width / 2), len, len < 32 ? 0 : width);

        ferry_msgpack_write_str(&writer, (const char *)content, len);
        assert_begins(head, head_len, len);
        ck_assert_int_eq(type_next(), FERRY_MSGPACK_STR);
        ck_assert_int_eq(ferry_msgpack_read_bin(&reader, &got), FERRY_ERR_MALFORMED);
        ck_assert_int_eq(ferry_msgpack_read_str(&reader, &got), FERRY_OK);
        assert_content(got, len);

        head_len = head_of(head, 0xc4 + (unsigned)(width / 2), len, width);
        ferry_msgpack_write_bin(&writer, content, len);
        assert_begins(head, head_len, len);
        ck_assert_int_eq(type_next(), FERRY_MSGPACK_BIN);
        ck_assert_int_eq(ferry_msgpack_read_str(&reader, &got), FERRY_ERR_MALFORMED);
        ck_assert_int_eq(ferry_msgpack_read_bin(&reader, &got), FERRY_OK);
        assert_content(got, len);
    }
}
END_TEST

START_TEST(keys_are_texts_or_bytes)
{
    struct ferry_bytes got;

    FROM("\xa1k\xc4\x01k\x01");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ferry_msgpack_read_key(&reader, &got), FERRY_OK);
        ck_assert(ferry_msgpack_is_text(got, "k"));
        ck_assert(!ferry_msgpack_is_text(got, "kk"));
        ck_assert(!ferry_msgpack_is_text(got, "l"));
        ck_assert(!ferry_msgpack_is_text(got, ""));
    }
    ck_assert_int_eq(ferry_msgpack_read_key(&reader, &got), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(exts_are_written_and_read_at_each_width)
{
    static const struct {
        size_t len;
        unsigned form;
        size_t width;
    } cases[] = {{0, 0xc7, 1},  {1, 0xd4, 0},  {2, 0xd5, 0},   {3, 0xc7, 1},   {4, 0xd6, 0},     {8, 0xd7, 0},
                 {16, 0xd8, 0}, {17, 0xc7, 1}, {255, 0xc7, 1}, {256, 0xc8, 2}, {65535, 0xc8, 2}, {65536, 0xc9, 4}};

    memset(content, 'e', sizeof(content));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ferry_bytes got;
        char head[8];
        size_t head_len = head_of(head, cases[i].form, cases[i].len, cases[i].width);
        int8_t type = 0;

        head[head_len++] = (char)-7;
        ferry_msgpack_write_ext(&writer, -7, content, cases[i].len);
        assert_begins(head, head_len, cases[i].len);
        ck_assert_int_eq(type_next(), FERRY_MSGPACK_EXT);
        ck_assert_int_eq(ferry_msgpack_read_ext(&reader, &type, &got), FERRY_OK);
        ck_assert_int_eq(type, -7);
        assert_content(got, cases[i].len);
    }
}
END_TEST

START_TEST(times_are_read_in_all_their_forms)
{
    int64_t seconds = 0;
    uint32_t ns = 0;

    ferry_msgpack_write_time(&writer, 1700000000, 123456789);
    EXPECT("\xc7\x0c\x05\0\0\0\0\x65\x53\xf1\0\x07\x5b\xcd\x15");
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_OK);
    ck_assert_int_eq(seconds, 1700000000);
    ck_assert_uint_eq(ns, 123456789);
    assert_all_read();

    FROM("\xc7\x0c\x05\xff\xff\xff\xf1\x88\x6e\x09\0\0\0\0\0"); /* Go's zero */
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_OK);
    ck_assert_int_eq(seconds, -62135596800);
    FROM("\xd6\xff\x65\x53\xf1\0");
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_OK);
    ck_assert(seconds == 1700000000 && ns == 0);
    FROM("\xd7\xff\x1d\x6f\x34\x54\x65\x53\xf1\0");
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_OK);
    ck_assert(seconds == 1700000000 && ns == 123456789);
    FROM("\xc7\x0c\xff\x07\x5b\xcd\x15\0\0\0\0\x65\x53\xf1\0");
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_OK);
    ck_assert(seconds == 1700000000 && ns == 123456789);

    FROM("\xc7\x0c\x05\0\0\0\0\x65\x53\xf1\0\x3b\x9a\xca\0"); /* a whole second of nanoseconds */
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_ERR_MALFORMED);
    FROM("\xd7\x05\0\0\0\0\0\0\0\0"); /* ext 5 of another length */
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_ERR_MALFORMED);
    FROM("\xd5\xff\0\0"); /* ext -1 of another length */
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_ERR_MALFORMED);
    FROM("\xd6\x06\0\0\0\0"); /* another ext */
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_ERR_MALFORMED);
    ck_assert_uint_eq(reader.len, 6);
    FROM("\x01");
    ck_assert_int_eq(ferry_msgpack_read_time(&reader, &seconds, &ns), FERRY_ERR_MALFORMED);
}
END_TEST

/* ---- Arrays and maps ---- */

static void assert_heads(uint32_t n, const char *array, const char *map, size_t len)
{
    uint32_t got = 0;

    ferry_msgpack_write_array(&writer, n);
    expect(array, len);
    ck_assert_int_eq(type_next(), FERRY_MSGPACK_ARRAY);
    if (n > 0)
        ck_assert_int_eq(ferry_msgpack_read_array(&reader, &got), FERRY_ERR_TRUNCATED);
    ferry_msgpack_reader_init(&reader, bytes, len + n); /* as many elements as it announces */
    ck_assert_int_eq(ferry_msgpack_read_map(&reader, &got), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_msgpack_read_array(&reader, &got), FERRY_OK);
    ck_assert_uint_eq(got, n);
    ck_assert_uint_eq(reader.len, n);

    ferry_msgpack_write_map(&writer, n);
    expect(map, len);
    ck_assert_int_eq(type_next(), FERRY_MSGPACK_MAP);
    if (n > 0) {
        ferry_msgpack_reader_init(&reader, bytes, len + (size_t)2 * n - 1);
        ck_assert_int_eq(ferry_msgpack_read_map(&reader, &got), FERRY_ERR_TRUNCATED);
    }
    ferry_msgpack_reader_init(&reader, bytes, len + (size_t)2 * n);
    ck_assert_int_eq(ferry_msgpack_read_array(&reader, &got), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_msgpack_read_map(&reader, &got), FERRY_OK);
    ck_assert_uint_eq(got, n);
    ck_assert_uint_eq(reader.len, 2 * n);
}

START_TEST(heads_announce_no_more_than_can_follow)
{
    uint32_t n;

    assert_heads(0, "\x90", "\x80", 1);
    assert_heads(15, "\x9f", "\x8f", 1);
    assert_heads(16, "\xdc\0\x10", "\xde\0\x10", 3);
    assert_heads(30000, "\xdc\x75\x30", "\xde\x75\x30", 3);
    ferry_msgpack_write_array(&writer, 65536);
    ferry_msgpack_write_map(&writer, UINT32_MAX);
    EXPECT("\xdd\0\x01\0\0\xdf\xff\xff\xff\xff");
    ck_assert_int_eq(ferry_msgpack_read_array(&reader, &n), FERRY_ERR_TRUNCATED);
    FROM("\xdd\0\0\0\x01\xc0");
    ck_assert_int_eq(ferry_msgpack_read_array(&reader, &n), FERRY_OK);
    ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(values_are_passed_over_with_all_that_is_in_them)
{
    static const char value[] = "\x8a\xa1"
                                "a\x93\x01\xcc\xff\xd1\0\0" /* a: [1, 255, 0] */
                                "\xa1"
                                "b\x81\xc4\x01"
                                "k\xc0" /* b: {k: nil} */
                                "\xa1"
                                "c\xcb\0\0\0\0\0\0\0\0"
                                "\xa1"
                                "d\xca\0\0\0\0"
                                "\xa1"
                                "e\xd4\x05x"
                                "\xa1"
                                "f\xc7\x02\x05xy"
                                "\xa1"
                                "g\xd9\x02xy"
                                "\xa1"
                                "h\xc3"
                                "\xa1"
                                "i\xff"
                                "\xa1"
                                "j\xdc\0\x01\x90";
    struct ferry_bytes raw;

    FROM(value);
    ck_assert_int_eq(ferry_msgpack_skip(&reader), FERRY_OK);
    assert_all_read();
    FROM(value);
    ck_assert_int_eq(ferry_msgpack_read_raw(&reader, &raw), FERRY_OK);
    ck_assert_ptr_eq(raw.data, bytes);
    ck_assert_uint_eq(raw.len, sizeof(value) - 1);
    for (size_t len = 0; len < sizeof(value) - 1; len++) {
        read_from(value, len);
        ck_assert_int_eq(ferry_msgpack_skip(&reader), FERRY_ERR_TRUNCATED);
        ck_assert_uint_eq(reader.len, len);
        ck_assert_int_eq(ferry_msgpack_read_raw(&reader, &raw), FERRY_ERR_TRUNCATED);
    }
    FROM("\x92\x01\xc1");
    ck_assert_int_eq(ferry_msgpack_skip(&reader), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(deep_nesting_costs_no_stack)
{
    memset(bytes, 0x91, sizeof(bytes) - 1);
    bytes[sizeof(bytes) - 1] = 0xc0;
    ferry_msgpack_reader_init(&reader, bytes, sizeof(bytes));
    ck_assert_int_eq(ferry_msgpack_skip(&reader), FERRY_OK);
    assert_all_read();
    ferry_msgpack_reader_init(&reader, bytes, sizeof(bytes) - 1);
    ck_assert_int_eq(ferry_msgpack_skip(&reader), FERRY_ERR_TRUNCATED);

    /* Many open arrays of many elements each: more values to come than bytes. */
    memset(bytes, 0x9f, sizeof(bytes));
    ferry_msgpack_reader_init(&reader, bytes, sizeof(bytes));
    ck_assert_int_eq(ferry_msgpack_skip(&reader), FERRY_ERR_TRUNCATED);
}
END_TEST

/* ---- Refusals ---- */

/* Every form that has a head, cut at every byte: nothing moves. */
START_TEST(values_that_are_cut_short_are_left_alone)
{
    static const struct {
        const char *form;
        size_t len;
    } values[] = {{"\xcc\x80", 2},      {"\xcd\1\0", 3},
                  {"\xce\0\1\0\0", 5},  {"\xcf\0\0\0\1\0\0\0\0", 9},
                  {"\xd0\x80", 2},      {"\xa2xy", 3},
                  {"\xd9\x01x", 3},     {"\xda\0\x01x", 4},
                  {"\xdb\0\0\0\1x", 6}, {"\xc4\x01x", 3},
                  {"\xc5\0\x01x", 4},   {"\xc6\0\0\0\1x", 6},
                  {"\xd4\5x", 3},       {"\xc7\1\5x", 4},
                  {"\xc8\0\1\5x", 5},   {"\xc9\0\0\0\1\5x", 7},
                  {"\xca\0\0\0\0", 5},  {"\xcb\0\0\0\0\0\0\0\0", 9},
                  {"\xdc\0\1\0", 4},    {"\xdd\0\0\0\1\0", 6},
                  {"\xde\0\1\0\0", 5},  {"\xdf\0\0\0\1\0\0", 7}};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        for (size_t len = 0; len < values[i].len; len++) {
            struct ferry_bytes got;
            uint64_t number;
            int64_t integer;
            double real;
            uint32_t n;
            int8_t type;
            bool truth;

            read_from(values[i].form, len);
            ck_assert_int_ne(ferry_msgpack_read_uint(&reader, &number), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_int(&reader, &integer), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_double(&reader, &real), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_str(&reader, &got), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_bin(&reader, &got), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_key(&reader, &got), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_ext(&reader, &type, &got), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_array(&reader, &n), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_map(&reader, &n), FERRY_OK);
            ck_assert_int_ne(ferry_msgpack_read_bool(&reader, &truth), FERRY_OK);
            ck_assert_int_eq(ferry_msgpack_skip(&reader), FERRY_ERR_TRUNCATED);
            ck_assert_uint_eq(reader.len, len);
            ck_assert_ptr_eq(reader.data, bytes);
        }
}
END_TEST

START_TEST(the_unused_byte_is_no_value)
{
    enum ferry_msgpack_type type;
    struct ferry_bytes got;
    uint64_t number;
    uint32_t n;
    int8_t ext;

    FROM("\xc1");
    ck_assert_int_eq(ferry_msgpack_peek(&reader, &type), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_msgpack_read_uint(&reader, &number), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_msgpack_read_str(&reader, &got), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_msgpack_read_ext(&reader, &ext, &got), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_msgpack_read_map(&reader, &n), FERRY_ERR_MALFORMED);
    reader.len = 0;
    ck_assert_int_eq(ferry_msgpack_peek(&reader, &type), FERRY_ERR_TRUNCATED);
}
END_TEST

/* ---- The writer's room ---- */

static void write_some(struct ferry_msgpack_writer *w)
{
    ferry_msgpack_write_map(w, 2);
    ferry_msgpack_write_text(w, "key");
    ferry_msgpack_write_uint(w, 300);
    ferry_msgpack_write_text(w, "raw");
    ferry_msgpack_write_raw(w, "\x92\x01\x02", 3);
    ferry_msgpack_write_bin(w, NULL, 0);
}

START_TEST(a_writer_stops_at_its_room_and_tells_what_it_needs)
{
    static const char all[] = "\x82\xa3"
                              "key\xcd\x01\x2c\xa3"
                              "raw\x92\x01\x02\xc4\0";
    size_t len = 0;

    for (size_t cap = 0; cap < sizeof(all) - 1; cap++) {
        memset(bytes, 0xee, sizeof(all) + 1);
        ferry_msgpack_writer_init(&writer, cap > 0 ? bytes : NULL, cap);
        write_some(&writer);
        ck_assert_int_eq(ferry_msgpack_writer_end(&writer, &len), FERRY_ERR_TOO_LARGE);
        ck_assert_uint_eq(len, sizeof(all) - 1);
        ck_assert_uint_eq(bytes[cap], 0xee);
    }
    ferry_msgpack_writer_init(&writer, bytes, sizeof(all) - 1);
    write_some(&writer);
    EXPECT(all);
}
END_TEST

START_TEST(what_has_no_form_is_refused)
{
    size_t len = 77;

    if (sizeof(size_t) <= 4)
        return;
    ferry_msgpack_writer_init(&writer, NULL, 0);
    ferry_msgpack_write_bin(&writer, bytes, (size_t)UINT32_MAX + 1);
    ferry_msgpack_write_nil(&writer);
    ck_assert_int_eq(ferry_msgpack_writer_end(&writer, &len), FERRY_ERR_INVALID);
    ck_assert_uint_eq(len, 77);
    ferry_msgpack_writer_init(&writer, NULL, 0);
    ferry_msgpack_write_raw(&writer, bytes, SIZE_MAX);
    ferry_msgpack_write_nil(&writer); /* the length does not wrap */
    ck_assert_int_eq(ferry_msgpack_writer_end(&writer, &len), FERRY_ERR_TOO_LARGE);
    ck_assert_uint_eq(len, SIZE_MAX);
}
END_TEST

/* ---- At random ---- */

/* Whatever the bytes, the reader stays inside them and either moves on or says no. */
START_TEST(random_bytes_are_read_or_refused)
{
    for (int i = 0; i < 100000; i++) {
        const size_t len = (size_t)random() % 40;
        struct ferry_bytes got;

        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)random();
        ferry_msgpack_reader_init(&reader, bytes, len);
        while (ferry_msgpack_read_raw(&reader, &got) == FERRY_OK)
            ck_assert_uint_gt(got.len, 0);
        ck_assert_ptr_eq(reader.data + reader.len, bytes + len);
    }
}
END_TEST

int main(void)
{
    return rig_main("msgpack", setup, teardown, integers_take_the_fewest_bytes, unsigned_integers_go_up_to_64_bits,
                    integers_are_read_in_every_form_that_fits, numbers_with_a_point_have_32_or_64_bits,
                    nil_and_booleans_are_a_byte, texts_and_bytes_are_written_and_read_at_each_width,
                    keys_are_texts_or_bytes, exts_are_written_and_read_at_each_width, times_are_read_in_all_their_forms,
                    heads_announce_no_more_than_can_follow, values_are_passed_over_with_all_that_is_in_them,
                    deep_nesting_costs_no_stack, values_that_are_cut_short_are_left_alone, the_unused_byte_is_no_value,
                    a_writer_stops_at_its_room_and_tells_what_it_needs, what_has_no_form_is_refused,
                    random_bytes_are_read_or_refused, NULL);
}
