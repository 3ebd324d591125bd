/*
 * check_steward - Steward's message in both serializations: what is read besides what is written, what is refused, and
 * what hostile lengths cost.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/cbor.h"
#include "wire/gob.h"
#include "wire/steward.h"

static struct fy_text out;
static struct fy_steward_message *message;

static void setup(void)
{
    heap_setup();
    fy_text_init(&out);
    message = NULL;
}

static void teardown(void)
{
    fy_text_release(&out);
    fy_steward_free(message);
    heap_teardown();
}

#define TEXT(literal) ((struct ferry_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})
#define BYTES(...) ((struct ferry_bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static struct ferry_bytes written(void)
{
    ck_assert_int_eq(out.err, FERRY_OK);
    return (struct ferry_bytes){(const uint8_t *)out.data, out.len};
}

static int read_again(enum fy_steward_form form, enum fy_steward_serial serial, struct ferry_bytes bytes)
{
    fy_steward_free(message);
    message = NULL;
    return fy_steward_read(form, serial, bytes, &message);
}

static void assert_text(struct ferry_bytes seen, const char *wanted)
{
    ck_assert_uint_eq(seen.len, strlen(wanted));
    ck_assert_mem_eq(seen.data, wanted, seen.len);
}

/* ---- A message with all fields, and a request in it ---- */

static struct ferry_bytes nodes[2], lines[3], args[1];
static struct fy_steward_message request, full;

static void fill(void)
{
    nodes[0] = TEXT("ship1");
    nodes[1] = TEXT("ship2");
    lines[0] = TEXT("one");
    lines[1] = TEXT("");
    lines[2] = TEXT("three");
    args[0] = TEXT("-l");
    request = (struct fy_steward_message){.to_node = TEXT("ship3"), .id = -7, .method = TEXT("REQPing")};
    full = (struct fy_steward_message){
        .to_node = TEXT("ship1"),
        .to_nodes = {nodes, 2, true},
        .id = INT64_MAX,
        .data_lines = {lines, 3, true},
        .data = TEXT("bytes"),
        .method = TEXT("REQCliCommand"),
        .method_args = {args, 1, true},
        .arg_signature = TEXT("signature"),
        .reply_method = TEXT("REQToFile"),
        .reply_method_args = {args, 1, true},
        .is_reply = true,
        .from_node = TEXT("central"),
        .ack_timeout = 10,
        .retries = 300,
        .reply_ack_timeout = -1,
        .reply_retries = 70000,
        .method_timeout = INT64_MIN,
        .reply_method_timeout = 1,
        .directory = TEXT("directory"),
        .file_name = TEXT("file"),
        .previous = &request,
        .relay_via_node = TEXT("a"),
        .relay_original_via_node = TEXT("b"),
        .relay_from_node = TEXT("c"),
        .relay_to_node = TEXT("d"),
        .relay_original_method = TEXT("e"),
        .relay_reply_method = TEXT("f"),
    };
}

static void assert_full(enum fy_steward_form form)
{
    assert_text(message->to_node, "ship1");
    ck_assert_uint_eq(message->to_nodes.n, 2);
    assert_text(message->to_nodes.items[1], "ship2");
    ck_assert_int_eq(message->id, INT64_MAX);
    if (form == FY_STEWARD_25) {
        ck_assert_uint_eq(message->data_lines.n, 3);
        assert_text(message->data_lines.items[0], "one");
        ck_assert_uint_eq(message->data_lines.items[1].len, 0);
        assert_text(message->data_lines.items[2], "three");
        ck_assert_uint_eq(message->data.len + message->arg_signature.len, 0);
    } else {
        assert_text(message->data, "bytes");
        assert_text(message->arg_signature, "signature");
        ck_assert_uint_eq(message->data_lines.n, 0);
    }
    assert_text(message->method, "REQCliCommand");
    assert_text(message->method_args.items[0], "-l");
    assert_text(message->reply_method, "REQToFile");
    ck_assert_uint_eq(message->reply_method_args.n, 1);
    ck_assert(message->is_reply);
    assert_text(message->from_node, "central");
    ck_assert_int_eq(message->ack_timeout, 10);
    ck_assert_int_eq(message->retries, 300);
    ck_assert_int_eq(message->reply_ack_timeout, -1);
    ck_assert_int_eq(message->reply_retries, 70000);
    ck_assert_int_eq(message->method_timeout, INT64_MIN);
    ck_assert_int_eq(message->reply_method_timeout, 1);
    assert_text(message->directory, "directory");
    assert_text(message->file_name, "file");
    assert_text(message->relay_via_node, "a");
    assert_text(message->relay_original_via_node, "b");
    assert_text(message->relay_from_node, "c");
    assert_text(message->relay_to_node, "d");
    assert_text(message->relay_original_method, "e");
    assert_text(message->relay_reply_method, "f");
    assert_text(message->previous->to_node, "ship3");
    assert_text(message->previous->method, "REQPing");
    ck_assert_int_eq(message->previous->id, -7);
    ck_assert_ptr_null(message->previous->previous);
}

START_TEST(a_message_with_all_fields_comes_back_in_both_forms_and_serializations)
{
    fill();
    for (int serial = FY_STEWARD_GOB; serial <= FY_STEWARD_CBOR; serial++) {
        for (int form = FY_STEWARD_25; form <= FY_STEWARD_26; form++) {
            out.len = 0;
            fy_steward_write(form, serial, &full, &out);
            ck_assert_int_eq(read_again(form, serial, written()), FERRY_OK);
            assert_full(form);
        }
    }
}
END_TEST

START_TEST(cbor_keeps_the_difference_between_nil_and_empty)
{
    struct fy_steward_message empty = {
        .to_nodes = {NULL, 0, true}, .method_args = {NULL, 0, false}, .data = {(const uint8_t *)"", 0}};

    fy_steward_write(FY_STEWARD_26, FY_STEWARD_CBOR, &empty, &out);
    ck_assert_mem_eq(out.data, ((const uint8_t[]){0x98, 26, 0x60, 0x80, 0x00, 0x40, 0x60, 0xf6, 0xf6}), 9);
    ck_assert_int_eq(read_again(FY_STEWARD_26, FY_STEWARD_CBOR, written()), FERRY_OK);
    ck_assert(message->to_nodes.is_present && !message->method_args.is_present);
    ck_assert_uint_eq(message->to_nodes.n, 0);
    ck_assert_ptr_nonnull(message->data.data);
    ck_assert_ptr_null(message->arg_signature.data);
}
END_TEST

/* ---- CBOR that Steward does not write ---- */

/* The 25 fields as nulls, but for one, which is put by its test. */
static void put_nulls(size_t n)
{
    while (n-- > 0)
        fy_cbor_put_null(&out);
}

static int read_with_field(size_t place, struct ferry_bytes item)
{
    out.len = 0;
    fy_cbor_put_array(&out, 25);
    put_nulls(place);
    fy_text_add(&out, (const char *)item.data, item.len);
    put_nulls(24 - place);
    return read_again(FY_STEWARD_25, FY_STEWARD_CBOR, written());
}

START_TEST(cbor_lists_of_indefinite_length_are_read)
{
    struct ferry_bytes list = BYTES(0x9f, 0x61, 'a', 0xf6, 0x61, 'b', 0x61, 'c', 0x61, 'd', 0x61, 'e', 0xff);

    ck_assert_int_eq(read_with_field(3, list), FERRY_OK);
    ck_assert_uint_eq(message->data_lines.n, 6);
    ck_assert_uint_eq(message->data_lines.items[1].len, 0);
    assert_text(message->data_lines.items[5], "e");
    ck_assert_int_eq(read_with_field(3, BYTES(0x9f, 0xff)), FERRY_OK);
    ck_assert(message->data_lines.is_present);
    ck_assert_uint_eq(message->data_lines.n, 0);
    ck_assert_int_eq(read_with_field(3, BYTES(0x9f)), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(read_with_field(3, BYTES(0x9f, 0x01)), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(cbor_messages_of_indefinite_length_are_read)
{
    for (size_t n = 24; n <= 26; n++) {
        out.len = 0;
        fy_text_add(&out, "\x9f", 1);
        put_nulls(n);
        ck_assert_int_eq(read_again(FY_STEWARD_25, FY_STEWARD_CBOR, written()),
                         n == 26 ? FERRY_ERR_MALFORMED : FERRY_ERR_TRUNCATED);
        fy_text_add(&out, "\xff", 1);
        ck_assert_int_eq(read_again(FY_STEWARD_25, FY_STEWARD_CBOR, written()),
                         n == 25 ? FERRY_OK : FERRY_ERR_MALFORMED);
    }
}
END_TEST

START_TEST(cbor_fields_of_another_kind_are_refused)
{
    ck_assert_int_eq(read_with_field(0, BYTES(0xf6)), FERRY_OK);
    ck_assert_int_eq(read_with_field(0, BYTES(0x01)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_with_field(1, BYTES(0x61, 'a')), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_with_field(2, BYTES(0x60)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_with_field(3, BYTES(0x40)), FERRY_ERR_MALFORMED); /* bytes are of the other form */
    ck_assert_int_eq(read_with_field(8, BYTES(0x01)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_with_field(18, BYTES(0x60)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_with_field(18, BYTES(0x80)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_with_field(24, BYTES(0xf6, 0xf6)), FERRY_ERR_MALFORMED); /* one more */
    ck_assert_int_eq(read_again(FY_STEWARD_25, FY_STEWARD_CBOR, BYTES(0xa1, 0x01, 0x02)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_again(FY_STEWARD_25, FY_STEWARD_CBOR, (struct ferry_bytes){NULL, 0}), FERRY_ERR_TRUNCATED);
}
END_TEST

START_TEST(messages_inside_messages_are_bounded_in_cbor)
{
    for (size_t depth = FY_STEWARD_MAX_DEPTH; depth <= FY_STEWARD_MAX_DEPTH + 1; depth++) {
        out.len = 0;
        for (size_t i = 1; i < depth; i++) {
            fy_cbor_put_array(&out, 25);
            put_nulls(18);
        }
        fy_cbor_put_array(&out, 25);
        put_nulls(25);
        for (size_t i = 1; i < depth; i++)
            put_nulls(6);
        ck_assert_int_eq(read_again(FY_STEWARD_25, FY_STEWARD_CBOR, written()),
                         depth == FY_STEWARD_MAX_DEPTH ? FERRY_OK : FERRY_ERR_DEPTH);
    }
}
END_TEST

/* ---- gob that Steward does not write ---- */

/* A stream whose message is described by fields, ids from first on: the message, the list of strings, its nodes. */
static int read_described(const struct fy_gob_field *fields, size_t n, int64_t first, struct ferry_bytes value)
{
    struct fy_text body;
    int err;

    out.len = 0;
    fy_gob_put_type(&out, "M", &(struct fy_gob_type){.id = first, .is_struct = true, .fields = fields, .n_fields = n});
    fy_gob_put_type(&out, "L", &(struct fy_gob_type){.id = first + 1, .element = FY_GOB_STRING});
    fy_gob_put_type(&out, "I", &(struct fy_gob_type){.id = first + 2, .element = FY_GOB_INT});
    fy_text_init(&body);
    fy_gob_put_int(&body, first);
    fy_text_add(&body, (const char *)value.data, value.len);
    fy_gob_put_part(&out, &body);
    fy_text_release(&body);
    err = read_again(FY_STEWARD_25, FY_STEWARD_GOB, written());
    return err;
}

START_TEST(gob_fields_are_found_by_name_in_any_order_and_with_any_ids)
{
    const struct fy_gob_field fields[] = {
        {TEXT("Unknown"), 102}, {TEXT("Method"), FY_GOB_STRING}, {TEXT("Data"), 101}, {TEXT("Retries"), FY_GOB_INT},
        {TEXT("PreviousMessage"), 100}, {TEXT("IsReply"), FY_GOB_BOOL}, {TEXT("Float"), FY_GOB_FLOAT}};

    ck_assert_int_eq(read_described(fields, 7, 100,
                                    BYTES(1, 2, 6, 8,               /* Unknown = {3, 4} */
                                          1, 1, 'm',                /* Method */
                                          1, 2, 0, 1, 'x',          /* Data */
                                          1, 5,                     /* Retries = -3 */
                                          1, 2, 1, 'n', 4, 1, 0,    /* PreviousMessage = {Method, IsReply} */
                                          1, 1, 1, 0xfe, 0x40, 0x08, 0)),
                     FERRY_OK);
    assert_text(message->method, "m");
    ck_assert_uint_eq(message->data_lines.n, 2);
    assert_text(message->data_lines.items[1], "x");
    ck_assert_int_eq(message->retries, -3);
    ck_assert(message->is_reply);
    assert_text(message->previous->method, "n");
    ck_assert(message->previous->is_reply);
}
END_TEST

static int read_typed(const char *name, int64_t type, struct ferry_bytes value)
{
    const struct fy_gob_field field = {{(const uint8_t *)name, strlen(name)}, type};

    return read_described(&field, 1, 64, value);
}

START_TEST(gob_fields_of_another_type_are_refused)
{
    ck_assert_int_eq(read_typed("Method", FY_GOB_STRING, BYTES(1, 1, 'm', 0)), FERRY_OK);
    ck_assert_int_eq(read_typed("Method", FY_GOB_BYTES, BYTES(1, 1, 'm', 0)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_typed("Data", FY_GOB_BYTES, BYTES(1, 1, 'm', 0)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_typed("Data", 66, BYTES(1, 1, 2, 0)), FERRY_ERR_MALFORMED); /* a list of integers */
    ck_assert_int_eq(read_typed("Data", 64, BYTES(1, 0, 0)), FERRY_ERR_MALFORMED);    /* a message */
    ck_assert_int_eq(read_typed("Data", 65, BYTES(1, 2, 1, 'x', 0)), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(read_typed("ID", FY_GOB_UINT, BYTES(1, 1, 0)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_typed("IsReply", FY_GOB_INT, BYTES(1, 2, 0)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_typed("IsReply", FY_GOB_BOOL, BYTES(1)), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(read_typed("PreviousMessage", FY_GOB_STRING, BYTES(1, 1, 'm', 0)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_typed("PreviousMessage", 65, BYTES(1, 1, 0, 0)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_typed("Nothing", FY_GOB_INT, BYTES(1, 2, 0)), FERRY_ERR_MALFORMED); /* no field is known */
    ck_assert_int_eq(read_typed("Method", FY_GOB_STRING, BYTES(1, 1, 'm', 0, 0)), FERRY_ERR_MALFORMED); /* more */
    ck_assert_int_eq(read_again(FY_STEWARD_25, FY_STEWARD_GOB, BYTES(1, 2, 3)), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(gob_fields_that_come_twice_do_not_leak)
{
    const struct fy_gob_field lists[] = {{TEXT("Data"), 65}, {TEXT("Data"), 65}};
    const struct fy_gob_field messages[] = {
        {TEXT("PreviousMessage"), 64}, {TEXT("PreviousMessage"), 64}, {TEXT("ID"), FY_GOB_INT}};

    ck_assert_int_eq(read_described(lists, 2, 64, BYTES(1, 2, 1, 'a', 1, 'b', 1, 1, 1, 'c', 0)), FERRY_OK);
    ck_assert_uint_eq(message->data_lines.n, 1);
    assert_text(message->data_lines.items[0], "c");
    ck_assert_int_eq(read_described(messages, 3, 64, BYTES(1, 0, 1, 0, 0)), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(messages_inside_messages_are_bounded_in_gob)
{
    const struct fy_gob_field field = {TEXT("PreviousMessage"), 64};

    for (size_t depth = FY_STEWARD_MAX_DEPTH; depth <= FY_STEWARD_MAX_DEPTH + 1; depth++) {
        uint8_t value[2 * FY_STEWARD_MAX_DEPTH + 2] = {0};

        memset(value, 1, depth - 1);
        ck_assert_int_eq(read_described(&field, 1, 64, (struct ferry_bytes){value, 2 * depth - 1}),
                         depth == FY_STEWARD_MAX_DEPTH ? FERRY_OK : FERRY_ERR_DEPTH);
    }
}
END_TEST

/* ---- What it costs ---- */

START_TEST(a_length_that_lies_allocates_nothing_large)
{
    heap_reset_largest();
    ck_assert_int_eq(read_with_field(3, BYTES(0x9b, 0, 0, 0, 0, 0x7f, 255, 255, 255)), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(read_with_field(3, BYTES(0x7b, 0, 0, 0, 0, 0x7f, 255, 255, 255)), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(read_typed("Data", 65, BYTES(1, 0xfc, 0x7f, 255, 255, 255)), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(read_typed("Method", FY_GOB_STRING, BYTES(1, 0xfc, 0x7f, 255, 255, 255)), FERRY_ERR_TRUNCATED);
    ck_assert_uint_le(heap_largest(), 4096); /* the test's own buffer */
}
END_TEST

START_TEST(a_list_has_no_more_items_than_the_limit)
{
    const size_t most = FY_STEWARD_MAX_ITEMS;
    uint8_t *items = malloc(most + 8);

    ck_assert_ptr_nonnull(items);
    for (size_t n = most; n <= most + 1; n++) {
        const int wanted = n == most ? FERRY_OK : FERRY_ERR_TOO_LARGE;

        memset(items, 0x60, most + 8);
        memcpy(items, (const uint8_t[]){0x9a, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, 5);
        ck_assert_int_eq(read_with_field(3, (struct ferry_bytes){items, n + 5}), wanted);
        items[0] = 0x9f;
        memset(items + 1, 0x60, n);
        items[n + 1] = 0xff;
        ck_assert_int_eq(read_with_field(3, (struct ferry_bytes){items, n + 2}), wanted);

        memset(items, 0, most + 8);
        memcpy(items, (const uint8_t[]){1, 0xfd, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, 5);
        ck_assert_int_eq(read_typed("Data", 65, (struct ferry_bytes){items, n + 6}), wanted);
    }
    free(items);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct fy_text again;

    fill();
    fy_text_init(&again);
    for (int serial = FY_STEWARD_GOB; serial <= FY_STEWARD_CBOR; serial++) {
        int err = FERRY_ERR_NOMEM;

        out.len = 0;
        fy_steward_write(FY_STEWARD_25, serial, &full, &out);
        for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
            fy_steward_free(message);
            message = NULL;
            fy_text_release(&again);
            heap_fail_at(nth);
            err = fy_steward_read(FY_STEWARD_25, serial, written(), &message);
            if (!err) {
                fy_steward_write(FY_STEWARD_25, serial, &full, &again);
                err = again.err;
            }
            heap_fail_at(-1);
        }
        ck_assert_int_eq(err, FERRY_OK);
        assert_full(FY_STEWARD_25);
        ck_assert_uint_eq(again.len, out.len);
    }
    fy_text_release(&again);
    heap_fail_at(2); /* a list that grows; the message and its first four items come before */
    ck_assert_int_eq(read_with_field(3, BYTES(0x9f, 0x60, 0x60, 0x60, 0x60, 0x60, 0xff)), FERRY_ERR_NOMEM);
    heap_fail_at(-1);
}
END_TEST

START_TEST(nonsense_is_refused_or_read_and_never_crashes)
{
    uint8_t noise[64];

    srandom(14);
    for (int round = 0; round < 200000; round++) {
        size_t len = (size_t)random() % sizeof(noise);
        int serial = (int)(random() & 1);

        for (size_t i = 0; i < len; i++)
            noise[i] = (uint8_t)(random() >> 7 & (round % 3 == 0 ? 0xff : 0x0f));
        if (serial == FY_STEWARD_CBOR && len > 2)
            memcpy(noise, (const uint8_t[]){0x98, 25}, 2);
        (void)read_again(FY_STEWARD_25, serial, (struct ferry_bytes){noise, len});
    }
    fill();
    for (int serial = FY_STEWARD_GOB; serial <= FY_STEWARD_CBOR; serial++) {
        out.len = 0;
        fy_steward_write(FY_STEWARD_26, serial, &full, &out);
        for (int round = 0; round < 100000; round++) { /* real messages with a few wrong bytes */
            uint8_t *bytes = malloc(out.len);

            ck_assert_ptr_nonnull(bytes);
            memcpy(bytes, out.data, out.len);
            for (long n = random() % 3; n >= 0; n--)
                bytes[(size_t)random() % out.len] = (uint8_t)random();
            (void)read_again(FY_STEWARD_26, serial, (struct ferry_bytes){bytes, out.len});
            fy_steward_free(message);
            message = NULL;
            free(bytes);
        }
    }
    ck_assert_uint_le(heap_largest(), (size_t)1 << 20);
}
END_TEST

/* ---- Headers ---- */

START_TEST(headers_tell_how_a_message_was_written)
{
    enum fy_steward_serial serial = FY_STEWARD_CBOR;
    enum fy_steward_packing packing = FY_STEWARD_GZIP;

    ck_assert_int_eq(fy_steward_read_headers(NULL, NULL, &serial, &packing), FERRY_OK);
    ck_assert(serial == FY_STEWARD_GOB && packing == FY_STEWARD_PLAIN);
    ck_assert_int_eq(fy_steward_read_headers("cbor", "z", &serial, &packing), FERRY_OK);
    ck_assert(serial == FY_STEWARD_CBOR && packing == FY_STEWARD_ZSTD);
    ck_assert_int_eq(fy_steward_read_headers(NULL, "g", &serial, &packing), FERRY_OK);
    ck_assert(serial == FY_STEWARD_GOB && packing == FY_STEWARD_GZIP);
    ck_assert_int_eq(fy_steward_read_headers("json", NULL, &serial, &packing), FERRY_ERR_INVALID);
    ck_assert_int_eq(fy_steward_read_headers("cbor", "zz", &serial, &packing), FERRY_ERR_INVALID);
    ck_assert_ptr_null(fy_steward_serial_header(FY_STEWARD_GOB));
    ck_assert_str_eq(fy_steward_serial_header(FY_STEWARD_CBOR), "cbor");
    ck_assert_ptr_null(fy_steward_packing_header(FY_STEWARD_PLAIN));
    ck_assert_str_eq(fy_steward_packing_header(FY_STEWARD_ZSTD), "z");
    ck_assert_str_eq(fy_steward_packing_header(FY_STEWARD_GZIP), "g");
}
END_TEST

int main(void)
{
    return rig_main("steward", setup, teardown,
                    a_message_with_all_fields_comes_back_in_both_forms_and_serializations,
                    cbor_keeps_the_difference_between_nil_and_empty, cbor_lists_of_indefinite_length_are_read,
                    cbor_messages_of_indefinite_length_are_read, cbor_fields_of_another_kind_are_refused,
                    messages_inside_messages_are_bounded_in_cbor,
                    gob_fields_are_found_by_name_in_any_order_and_with_any_ids, gob_fields_of_another_type_are_refused,
                    gob_fields_that_come_twice_do_not_leak, messages_inside_messages_are_bounded_in_gob,
                    a_length_that_lies_allocates_nothing_large, a_list_has_no_more_items_than_the_limit,
                    every_allocation_may_fail, nonsense_is_refused_or_read_and_never_crashes,
                    headers_tell_how_a_message_was_written, NULL);
}
