/*
 * check_gob - gob's numbers, descriptions of types and values, read with bounds and written as Go writes them.
 */
#include <string.h>

#include "base/text.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/gob.h"

static struct fy_text out;
static struct fy_gob_types types;

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
#define NAME(text) ((struct ferry_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static struct fy_gob_reader reader_of(struct ferry_bytes bytes)
{
    return (struct fy_gob_reader){bytes.data, bytes.data + bytes.len};
}

static struct ferry_bytes written(void)
{
    ck_assert_int_eq(out.err, FERRY_OK);
    return (struct ferry_bytes){(const uint8_t *)out.data, out.len};
}

START_TEST(numbers_go_out_and_come_back)
{
    static const int64_t values[] = {0,   1,   -1,  63,    64,    -64,       -65,      127,
                                     128, 255, 256, 65535, 65536, INT64_MAX, INT64_MIN};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct fy_gob_reader reader;
        int64_t value = 0;

        out.len = 0;
        fy_gob_put_int(&out, values[i]);
        reader = reader_of(written());
        ck_assert_int_eq(fy_gob_read_int(&reader, &value), FERRY_OK);
        ck_assert_int_eq(value, values[i]);
        ck_assert_ptr_eq(reader.at, reader.end);
    }
    out.len = 0;
    fy_gob_put_uint(&out, 127);
    fy_gob_put_uint(&out, 128);
    fy_gob_put_uint(&out, UINT64_MAX);
    ck_assert_uint_eq(out.len, 1 + 2 + 9);
    ck_assert_mem_eq(out.data, ((const uint8_t[]){0x7f, 0xff, 0x80, 0xf8, 0xff}), 5);
}
END_TEST

START_TEST(numbers_that_are_cut_or_too_long_are_refused)
{
    struct fy_gob_reader reader = reader_of(BYTES(0xfe, 1));
    struct ferry_bytes bytes;
    uint64_t value;
    int64_t number;
    size_t n;

    ck_assert_int_eq(fy_gob_read_uint(&reader, &value), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(fy_gob_read_int(&reader, &number), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(fy_gob_read_bytes(&reader, &bytes), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(fy_gob_read_count(&reader, &n), FERRY_ERR_TRUNCATED);
    reader = reader_of(BYTES(0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    ck_assert_int_eq(fy_gob_read_uint(&reader, &value), FERRY_ERR_MALFORMED);
    reader = reader_of(BYTES(0x80));
    ck_assert_int_eq(fy_gob_read_uint(&reader, &value), FERRY_ERR_MALFORMED);
    reader.at = reader.end;
    ck_assert_int_eq(fy_gob_read_uint(&reader, &value), FERRY_ERR_TRUNCATED);
    reader = reader_of(BYTES(2, 'x'));
    ck_assert_int_eq(fy_gob_read_bytes(&reader, &bytes), FERRY_ERR_TRUNCATED);
    reader = reader_of(BYTES(0xf8, 255, 255, 255, 255, 255, 255, 255, 255));
    ck_assert_int_eq(fy_gob_read_count(&reader, &n), FERRY_ERR_TRUNCATED);
    reader = reader_of(BYTES(0xfe, 0, 5)); /* longer than it has to be */
    ck_assert_int_eq(fy_gob_read_uint(&reader, &value), FERRY_OK);
    ck_assert_uint_eq(value, 5);
}
END_TEST

/* struct { A int; B []string; C struct{A int; B []string; ...} }, as type 70, the slice 71. */
static const struct fy_gob_field abc[] = {{{(const uint8_t *)"A", 1}, FY_GOB_INT},
                                          {{(const uint8_t *)"B", 1}, 71},
                                          {{(const uint8_t *)"C", 1}, 70}};

static void put_types(void)
{
    fy_gob_put_type(&out, "T", &(struct fy_gob_type){.id = 70, .is_struct = true, .fields = abc, .n_fields = 3});
    fy_gob_put_type(&out, "[]string", &(struct fy_gob_type){.id = 71, .element = FY_GOB_STRING});
}

static void put_value(struct ferry_bytes value)
{
    fy_gob_put_bytes(&out, value);
}

static int open_stream(struct fy_gob_reader *reader, const struct fy_gob_type **type)
{
    return fy_gob_open(written(), &types, reader, type);
}

START_TEST(a_stream_is_opened_by_its_own_descriptions)
{
    const struct fy_gob_field *field;
    const struct fy_gob_type *type;
    struct fy_gob_reader reader;
    size_t index = FY_GOB_BEFORE_FIRST;
    int64_t number;

    put_types();
    put_value(BYTES(0xff, 140, 1, 6, 2, 1, 2, 0, 0)); /* type 70: A = 3, C = {A = 1} */
    ck_assert_int_eq(open_stream(&reader, &type), FERRY_OK);
    ck_assert_int_eq(type->id, 70);
    ck_assert_uint_eq(type->n_fields, 3);
    ck_assert_int_eq(fy_gob_find(&types, 71)->element, FY_GOB_STRING);
    ck_assert_ptr_null(fy_gob_find(&types, 72));
    ck_assert_int_eq(fy_gob_next_field(&reader, type, &index, &field), FERRY_OK);
    ck_assert_mem_eq(field->name.data, "A", 1);
    ck_assert_int_eq(fy_gob_read_int(&reader, &number), FERRY_OK);
    ck_assert_int_eq(number, 3);
    ck_assert_int_eq(fy_gob_next_field(&reader, type, &index, &field), FERRY_OK);
    ck_assert_mem_eq(field->name.data, "C", 1);
    ck_assert_int_eq(fy_gob_skip(&reader, &types, field->type, 2), FERRY_OK);
    ck_assert_int_eq(fy_gob_next_field(&reader, type, &index, &field), FERRY_OK);
    ck_assert_ptr_null(field);
    ck_assert_ptr_eq(reader.at, reader.end);
}
END_TEST

START_TEST(a_field_beyond_the_last_one_is_refused)
{
    static const uint8_t distances[] = {4, 0x7f};

    for (size_t i = 0; i < sizeof(distances); i++) {
        const struct fy_gob_field *field;
        const struct fy_gob_type *type;
        struct fy_gob_reader reader;
        size_t index = FY_GOB_BEFORE_FIRST;

        out.len = 0;
        put_types();
        put_value(BYTES(0xff, 140, distances[i], 6, 0));
        ck_assert_int_eq(open_stream(&reader, &type), FERRY_OK);
        ck_assert_int_eq(fy_gob_next_field(&reader, type, &index, &field), FERRY_ERR_MALFORMED);
        reader.at = reader.end;
        ck_assert_int_eq(fy_gob_next_field(&reader, type, &index, &field), FERRY_ERR_TRUNCATED);
        index = 1; /* from the second one, by two */
        reader = reader_of(BYTES(2));
        ck_assert_int_eq(fy_gob_next_field(&reader, type, &index, &field), FERRY_ERR_MALFORMED);
    }
}
END_TEST

static int skip(struct ferry_bytes bytes, int64_t type, unsigned depth)
{
    struct fy_gob_reader reader = reader_of(bytes);
    int err = fy_gob_skip(&reader, &types, type, depth);

    if (!err)
        ck_assert_ptr_eq(reader.at, reader.end);
    return err;
}

START_TEST(values_of_every_type_are_skipped)
{
    const struct fy_gob_type *type;
    struct fy_gob_reader reader;

    put_types();
    put_value(BYTES(0xff, 140, 0));
    ck_assert_int_eq(open_stream(&reader, &type), FERRY_OK);
    for (int64_t basic = FY_GOB_BOOL; basic <= FY_GOB_FLOAT; basic++)
        ck_assert_int_eq(skip(BYTES(0xfe, 1, 2), basic, 0), FERRY_OK);
    ck_assert_int_eq(skip(BYTES(2, 'h', 'i'), FY_GOB_BYTES, 0), FERRY_OK);
    ck_assert_int_eq(skip(BYTES(2, 'h', 'i'), FY_GOB_STRING, 0), FERRY_OK);
    ck_assert_int_eq(skip(BYTES(1, 2), FY_GOB_COMPLEX, 0), FERRY_OK);
    ck_assert_int_eq(skip(BYTES(0xfe), FY_GOB_COMPLEX, 0), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(skip(BYTES(1), FY_GOB_COMPLEX, 0), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(skip(BYTES(0), 8, 9), FERRY_ERR_MALFORMED); /* an interface */
    ck_assert_int_eq(skip(BYTES(0), 99, 9), FERRY_ERR_MALFORMED); /* not described */
    ck_assert_int_eq(skip(BYTES(2, 1, 'a', 1, 'b'), 71, 1), FERRY_OK);
    ck_assert_int_eq(skip(BYTES(3, 1, 'a', 1), 71, 1), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(skip(BYTES(9), 71, 1), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(skip(BYTES(0), 71, 0), FERRY_ERR_DEPTH);
    ck_assert_int_eq(skip(BYTES(3, 3, 3, 0, 0, 0, 0), 70, 4), FERRY_OK);
    ck_assert_int_eq(skip(BYTES(3, 3, 3, 0, 0, 0, 0), 70, 3), FERRY_ERR_DEPTH);
    ck_assert_int_eq(skip(BYTES(3, 3), 70, 9), FERRY_ERR_TRUNCATED);
}
END_TEST

static int open_bytes(struct ferry_bytes bytes)
{
    const struct fy_gob_type *type;
    struct fy_gob_reader reader;

    out.len = 0;
    put_value(bytes);
    put_value(BYTES(0xff, 128, 0)); /* a value of type 64 */
    return open_stream(&reader, &type);
}

START_TEST(descriptions_that_are_wrong_are_refused)
{
    const struct fy_gob_type *type;
    struct fy_gob_reader reader;

    /* Type 64: a struct named x without fields. */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 1, 1, 1, 'x', 1, 0xff, 128, 0, 1, 0, 0, 0)), FERRY_OK);
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 0, 0)), FERRY_OK);                          /* it says nothing */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 2, 0, 0)), FERRY_ERR_MALFORMED);               /* a slice is no message */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 4, 0, 0)), FERRY_ERR_MALFORMED);               /* a map */
    ck_assert_int_eq(open_bytes(BYTES(0x7f)), FERRY_ERR_MALFORMED);                        /* cut */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 0)), FERRY_ERR_MALFORMED);                  /* cut */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 0, 0, 0)), FERRY_ERR_MALFORMED);            /* more than a description */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 0, 1, 0)), FERRY_ERR_MALFORMED);            /* two kinds */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 3, 0, 0)), FERRY_ERR_MALFORMED);            /* no third field */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 1, 3, 0, 0, 0)), FERRY_ERR_MALFORMED);      /* nor here */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 2, 2, 1, 1, 'a', 0, 0)), FERRY_ERR_MALFORMED); /* fewer than it says */
    ck_assert_int_eq(open_bytes(BYTES(0x7f, 3, 2, 0x7f, 0, 0)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(open_bytes(BYTES(0x7d, 3, 0, 0)), FERRY_ERR_MALFORMED); /* type 63 is Go's own */
    ck_assert_int_eq(open_bytes(BYTES(0xf8, 255, 255, 255, 255, 255, 255, 255, 255, 3, 0, 0)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(open_bytes(BYTES(0xfe)), FERRY_ERR_MALFORMED);
    out.len = 0;
    put_value(BYTES(0x7f, 3, 0, 0));
    put_value(BYTES(0x7f, 3, 0, 0)); /* again */
    ck_assert_int_eq(open_stream(&reader, &type), FERRY_ERR_MALFORMED);
    out.len = 0;
    put_value(BYTES(0x04, 6)); /* an int */
    ck_assert_int_eq(open_stream(&reader, &type), FERRY_ERR_MALFORMED);
    out.len = 0;
    put_value(BYTES(0x7f, 3, 0, 0));
    put_value(BYTES(0xff, 128, 0));
    put_value(BYTES(0xff, 128, 0)); /* a second value */
    ck_assert_int_eq(open_stream(&reader, &type), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(fy_gob_open((struct ferry_bytes){NULL, 0}, &types, &reader, &type), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(fy_gob_open(BYTES(4, 0x7f, 3, 0, 0), &types, &reader, &type), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(fy_gob_open(BYTES(0xf8, 0x7f, 255, 255, 255, 255, 255, 255, 255, 3), &types, &reader, &type),
                     FERRY_ERR_TRUNCATED);
}
END_TEST

START_TEST(types_and_fields_are_counted)
{
    static struct fy_gob_field many[FY_GOB_MAX_FIELDS + 1];
    const struct fy_gob_type *type;
    struct fy_gob_reader reader;

    for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
        many[i] = (struct fy_gob_field){.name = NAME("field"), .type = FY_GOB_INT};
    for (size_t n = FY_GOB_MAX_FIELDS; n <= FY_GOB_MAX_FIELDS + 1; n++) {
        out.len = 0;
        fy_gob_put_type(&out, "T", &(struct fy_gob_type){.id = 64, .is_struct = true, .fields = many, .n_fields = n});
        put_value(BYTES(0xff, 128, 0));
        ck_assert_int_eq(open_stream(&reader, &type), n == FY_GOB_MAX_FIELDS ? FERRY_OK : FERRY_ERR_TOO_LARGE);
    }
    for (int64_t n = FY_GOB_MAX_TYPES; n <= FY_GOB_MAX_TYPES + 1; n++) {
        out.len = 0;
        for (int64_t i = 0; i < n; i++)
            fy_gob_put_type(&out, "T", &(struct fy_gob_type){.id = 64 + i, .is_struct = true});
        put_value(BYTES(0xff, 128, 0));
        ck_assert_int_eq(open_stream(&reader, &type), n == FY_GOB_MAX_TYPES ? FERRY_OK : FERRY_ERR_TOO_LARGE);
    }
}
END_TEST

START_TEST(memory_that_runs_out_is_remembered)
{
    struct fy_text body;

    for (long nth = 0; nth < 2; nth++) {
        fy_text_release(&out);
        heap_fail_at(nth); /* the description's own buffer, then the one that it goes into */
        fy_gob_put_type(&out, "T", &(struct fy_gob_type){.id = 64, .is_struct = true});
        heap_fail_at(-1);
        ck_assert_int_eq(out.err, FERRY_ERR_NOMEM);
    }
    fy_text_init(&body);
    fy_text_release(&out);
    fy_gob_put_part(&out, &body);
    ck_assert_mem_eq(written().data, "\0", 1);
}
END_TEST

int main(void)
{
    return rig_main("gob", setup, teardown, numbers_go_out_and_come_back,
                    numbers_that_are_cut_or_too_long_are_refused, a_stream_is_opened_by_its_own_descriptions,
                    a_field_beyond_the_last_one_is_refused, values_of_every_type_are_skipped,
                    descriptions_that_are_wrong_are_refused, types_and_fields_are_counted,
                    memory_that_runs_out_is_remembered, NULL);
}
