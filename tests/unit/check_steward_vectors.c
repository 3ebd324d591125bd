/*
 * check_steward_vectors - messages of real Steward nodes, each read and written as the index of tests/vectors/steward
 * says.
 *
 * A compressed payload is compared after it was unpacked: packers differ in their bytes, and not in what comes out.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "harness/heap.h"
#include "harness/messages.h"
#include "harness/rig.h"
#include "mailbox/compress.h"
#include "wire/steward.h"

#define MAX_BYTES ((size_t)1 << 20)

static struct pool pool;
static struct fy_compressor *compressor;
static struct fy_text plain, written;

static void setup(void)
{
    heap_setup();
    compressor = fy_compressor_new();
    ck_assert_ptr_nonnull(compressor);
    fy_text_init(&plain);
    fy_text_init(&written);
}

static void teardown(void)
{
    fy_text_release(&plain);
    fy_text_release(&written);
    fy_compressor_free(compressor);
    pool_release(&pool);
    heap_teardown();
}

/* ---- The index ---- */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static struct ferry_bytes file_of(const char *name)
{
    char path[512];
    static uint8_t room[MAX_BYTES];
    struct ferry_bytes bytes;
    uint8_t *data;
    FILE *file;

    snprintf(path, sizeof(path), "tests/vectors/steward/%s", name);
    file = fopen(rig_path(path), "rb");
    ck_assert_msg(file != NULL, "%s is missing", name);
    bytes.len = fread(room, 1, sizeof(room), file);
    fclose(file);
    bytes.data = data = pool_take(&pool, 1, bytes.len + 1);
    memcpy(data, room, bytes.len);
    return bytes;
}

static struct ferry_bytes string_of(const json_t *value)
{
    return (struct ferry_bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static struct fy_steward_list list_of(const json_t *value)
{
    struct fy_steward_list list = {.n = json_array_size(value), .is_present = json_is_array(value)};

    list.items = pool_take(&pool, list.n, sizeof(*list.items));
    for (size_t i = 0; i < list.n; i++)
        list.items[i] = string_of(json_array_get(value, i));
    return list;
}

/* null, or an object with the bytes in hex. */
static struct ferry_bytes hex_of(const json_t *value)
{
    const char *hex = text_of(value, "hex");
    struct ferry_bytes bytes = {NULL, hex ? strlen(hex) / 2 : 0};
    uint8_t *data;

    if (!hex)
        return bytes;
    bytes.data = data = pool_take(&pool, 1, bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned byte = 0;

        ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        data[i] = (uint8_t)byte;
    }
    return bytes;
}

static struct fy_steward_message *message_of(const json_t *about)
{
    struct fy_steward_message *message;

    if (!json_is_object(about))
        return NULL;
    message = pool_take(&pool, 1, sizeof(*message));
#define STRING(key) string_of(json_object_get(about, key))
#define LIST(key) list_of(json_object_get(about, key))
#define INT(key) json_integer_value(json_object_get(about, key))
    *message = (struct fy_steward_message){
        .to_node = STRING("ToNode"),
        .to_nodes = LIST("ToNodes"),
        .id = INT("ID"),
        .data_lines = LIST("Data"),
        .data = hex_of(json_object_get(about, "Data")),
        .method = STRING("Method"),
        .method_args = LIST("MethodArgs"),
        .arg_signature = hex_of(json_object_get(about, "ArgSignature")),
        .reply_method = STRING("ReplyMethod"),
        .reply_method_args = LIST("ReplyMethodArgs"),
        .is_reply = json_is_true(json_object_get(about, "IsReply")),
        .from_node = STRING("FromNode"),
        .ack_timeout = INT("ACKTimeout"),
        .retries = INT("Retries"),
        .reply_ack_timeout = INT("ReplyACKTimeout"),
        .reply_retries = INT("ReplyRetries"),
        .method_timeout = INT("MethodTimeout"),
        .reply_method_timeout = INT("ReplyMethodTimeout"),
        .directory = STRING("Directory"),
        .file_name = STRING("FileName"),
        .previous = message_of(json_object_get(about, "PreviousMessage")),
        .relay_via_node = STRING("RelayViaNode"),
        .relay_original_via_node = STRING("RelayOriginalViaNode"),
        .relay_from_node = STRING("RelayFromNode"),
        .relay_to_node = STRING("RelayToNode"),
        .relay_original_method = STRING("RelayOriginalMethod"),
        .relay_reply_method = STRING("RelayReplyMethod"),
    };
    return message;
}

/* ---- Comparing ---- */

static void assert_same_bytes(const char *file, const char *what, struct ferry_bytes seen, struct ferry_bytes wanted)
{
    ck_assert_msg(seen.len == wanted.len && (seen.len == 0 || memcmp(seen.data, wanted.data, seen.len) == 0),
                  "%s: %s is %.*s, not %.*s", file, what, (int)seen.len, seen.data, (int)wanted.len, wanted.data);
}

static void assert_same_list(const char *file, const char *what, const struct fy_steward_list *seen,
                             const struct fy_steward_list *wanted)
{
    ck_assert_msg(seen->n == wanted->n, "%s: %s has %zu items, not %zu", file, what, seen->n, wanted->n);
    for (size_t i = 0; i < seen->n; i++)
        assert_same_bytes(file, what, seen->items[i], wanted->items[i]);
}

static void assert_same(const char *file, const struct fy_steward_message *a, const struct fy_steward_message *b)
{
#define SAME(member) assert_same_bytes(file, #member, a->member, b->member)
#define SAME_LIST(member) assert_same_list(file, #member, &a->member, &b->member)
#define SAME_INT(member) ck_assert_msg(a->member == b->member, "%s: " #member " differs", file)
    SAME(to_node);
    SAME_LIST(to_nodes);
    SAME_INT(id);
    SAME_LIST(data_lines);
    SAME(data);
    SAME(method);
    SAME_LIST(method_args);
    SAME(arg_signature);
    SAME(reply_method);
    SAME_LIST(reply_method_args);
    SAME_INT(is_reply);
    SAME(from_node);
    SAME_INT(ack_timeout);
    SAME_INT(retries);
    SAME_INT(reply_ack_timeout);
    SAME_INT(reply_retries);
    SAME_INT(method_timeout);
    SAME_INT(reply_method_timeout);
    SAME(directory);
    SAME(file_name);
    SAME(relay_via_node);
    SAME(relay_original_via_node);
    SAME(relay_from_node);
    SAME(relay_to_node);
    SAME(relay_original_method);
    SAME(relay_reply_method);
    ck_assert_msg(!a->previous == !b->previous, "%s: previous differs", file);
    if (a->previous)
        assert_same(file, a->previous, b->previous);
}

/* ---- One vector ---- */

static struct ferry_bytes bytes_of(const struct fy_text *text)
{
    return (struct ferry_bytes){(const uint8_t *)text->data, text->len};
}

/* The payload stands at the end of the operation by which the node sent it. */
static void assert_carried(const char *file, struct ferry_bytes payload)
{
    struct ferry_bytes operation = file_of(file);

    ck_assert_uint_gt(operation.len, payload.len + 2);
    ck_assert_mem_eq(operation.data + operation.len - 2, "\r\n", 2);
    assert_same_bytes(file, "the payload",
                      (struct ferry_bytes){operation.data + operation.len - 2 - payload.len, payload.len}, payload);
}

static struct ferry_bytes unpack(const char *file, const json_t *about, enum fy_steward_packing packing)
{
    const struct ferry_bytes payload = file_of(text_of(about, "payload_file"));
    static const enum fy_packing packings[] = {
        [FY_STEWARD_PLAIN] = FY_PACKING_NONE, [FY_STEWARD_ZSTD] = FY_PACKING_ZSTD, [FY_STEWARD_GZIP] = FY_PACKING_GZIP};

    assert_carried(file, payload);
    plain.len = 0;
    ck_assert_int_eq(fy_unpack(compressor, packings[packing], payload, MAX_BYTES, &plain), FERRY_OK);
    if (packing != FY_STEWARD_PLAIN)
        assert_same_bytes(file, "what was packed", bytes_of(&plain), file_of(text_of(about, "plain_file")));
    return bytes_of(&plain);
}

static void read_headers(const json_t *about, enum fy_steward_serial *serial, enum fy_steward_packing *packing)
{
    const json_t *headers = json_object_get(about, "headers");

    ck_assert_int_eq(fy_steward_read_headers(text_of(headers, "serial"), text_of(headers, "cmp"), serial, packing),
                     FERRY_OK);
}

static void check_message(const char *file, const json_t *about)
{
    const enum fy_steward_form form = strstr(text_of(about, "origin"), "S25") ? FY_STEWARD_25 : FY_STEWARD_26;
    const struct fy_steward_message *wanted = message_of(json_object_get(about, "decoded"));
    struct fy_steward_message *message;
    enum fy_steward_packing packing;
    enum fy_steward_serial serial;
    struct ferry_bytes bytes;

    read_headers(about, &serial, &packing);
    bytes = unpack(file, about, packing);
    ck_assert_msg(fy_steward_read(form, serial, bytes, &message) == FERRY_OK, "%s is not read", file);
    assert_same(file, message, wanted);

    written.len = 0;
    fy_steward_write(form, serial, wanted, &written);
    assert_same_bytes(file, "what is written of its fields", bytes_of(&written), bytes);
    written.len = 0;
    fy_steward_write(form, serial, message, &written);
    assert_same_bytes(file, "what is written after it was read", bytes_of(&written), bytes);
    fy_steward_free(message);

    if (serial == FY_STEWARD_CBOR) /* a node of the other form refuses it */
        ck_assert_int_eq(fy_steward_read(FY_STEWARD_25 + FY_STEWARD_26 - form, serial, bytes, &message),
                         FERRY_ERR_MALFORMED);
}

static json_t *load_index(void)
{
    json_t *index = json_load_file(rig_path("tests/vectors/steward/index.json"), 0, NULL);

    ck_assert_ptr_nonnull(index);
    return index;
}

START_TEST(messages_of_real_nodes_are_read_and_written_byte_for_byte)
{
    json_t *index = load_index();
    size_t i, n_messages = 0;
    json_t *about;

    json_array_foreach(index, i, about)
    {
        if (!json_object_get(about, "decoded"))
            continue;
        check_message(text_of(about, "file"), about);
        n_messages++;
    }
    ck_assert_uint_eq(n_messages, 95);
    json_decref(index);
}
END_TEST

/* Messages that were made by hand, of which the index says what a real node of 25 fields made of them. */
START_TEST(what_a_real_node_takes_is_taken_and_what_it_refuses_is_refused)
{
    json_t *index = load_index();
    size_t i, n_taken = 0, n_refused = 0;
    json_t *about;

    json_array_foreach(index, i, about)
    {
        const char *file = text_of(about, "file"), *reaction = text_of(about, "real_node");
        struct fy_steward_message *message = NULL;
        enum fy_steward_packing packing;
        enum fy_steward_serial serial;
        int err;

        if (!reaction)
            continue;
        read_headers(about, &serial, &packing);
        err = fy_steward_read(FY_STEWARD_25, serial, file_of(file), &message);
        ck_assert_msg((err == FERRY_OK) == (strcmp(reaction, "ACK") == 0), "%s: %s", file, ferry_strerror(err));
        n_taken += !err;
        n_refused += err != FERRY_OK;
        if (!err) {
            assert_same_bytes(file, "to_node", message->to_node, (struct ferry_bytes){(const uint8_t *)"ship1", 5});
            assert_same_bytes(file, "method", message->method, (struct ferry_bytes){(const uint8_t *)"REQPing", 7});
        }
        fy_steward_free(message);
    }
    ck_assert_uint_eq(n_taken, 8);
    ck_assert_uint_eq(n_refused, 3);
    json_decref(index);
}
END_TEST

START_TEST(every_cut_of_every_message_is_refused)
{
    json_t *index = load_index();
    size_t i;
    json_t *about;

    json_array_foreach(index, i, about)
    {
        const enum fy_steward_form form = strstr(text_of(about, "origin"), "S25") ? FY_STEWARD_25 : FY_STEWARD_26;
        struct fy_steward_message *message;
        enum fy_steward_packing packing;
        enum fy_steward_serial serial;
        struct ferry_bytes bytes;

        if (!json_object_get(about, "decoded"))
            continue;
        read_headers(about, &serial, &packing);
        bytes = unpack(text_of(about, "file"), about, packing);
        for (size_t len = 0; len < bytes.len; len++) {
            uint8_t *exact = malloc(len + 1); /* so that a read past the cut is seen by a sanitizer */
            int err;

            ck_assert_ptr_nonnull(exact);
            memcpy(exact + 1, bytes.data, len);
            err = fy_steward_read(form, serial, (struct ferry_bytes){exact + 1, len}, &message);
            ck_assert_msg(err == FERRY_ERR_TRUNCATED, "%s cut to %zu: %s", text_of(about, "file"), len,
                          ferry_strerror(err));
            free(exact);
        }
    }
    json_decref(index);
}
END_TEST

int main(void)
{
    return rig_main("steward_vectors", setup, teardown, messages_of_real_nodes_are_read_and_written_byte_for_byte,
                    what_a_real_node_takes_is_taken_and_what_it_refuses_is_refused,
                    every_cut_of_every_message_is_refused, NULL);
}
