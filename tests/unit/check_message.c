/*
 * check_message - decoding received messages: their contents, their limits, and malformed input.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/messages.h"
#include "harness/rig.h"
#include "wire/be64.h"
#include "wire/message.h"
#include "wire/protobuf.h"

#define UNLIMITED SIZE_MAX

static struct pool pool;

static void setup(void)
{
    heap_setup();
    srandom(5);
}

static void teardown(void)
{
    pool_release(&pool);
    heap_teardown();
}

static struct ferry_bytes pack(Raftpb__Message *pb)
{
    size_t len = raftpb__message__get_packed_size(pb);
    uint8_t *bytes = pool_take(&pool, 1, len);

    raftpb__message__pack(pb, bytes);
    return (struct ferry_bytes){bytes, len};
}

static int decode(struct ferry_bytes bytes, const struct ferry_message **ret_msg)
{
    return fy_message_decode(bytes.data, bytes.len, UNLIMITED, ret_msg);
}

#define BYTES(...) ((struct ferry_bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static void assert_refused(struct ferry_bytes bytes, int expected)
{
    const struct ferry_message *msg = NULL;
    size_t largest;
    int err;

    heap_reset_largest();
    err = decode(bytes, &msg);
    largest = heap_largest();
    ck_assert_int_eq(err, expected);
    ck_assert_ptr_null(msg);
    ck_assert_uint_eq(largest, 0);
}

/* ---- What they say ---- */

START_TEST(every_message_of_protobuf_c_is_read_field_by_field)
{
    for (int i = 0; i < 3000; i++) {
        const struct ferry_message *msg = message_random(&pool, 3);

        for (int form = FERRY_FORM_3_4; form <= FERRY_FORM_3_7; form++) {
            struct ferry_bytes bytes = pack(message_to_protobuf(&pool, msg, (enum ferry_wire_form)form));
            const struct ferry_message *got;
            const char *difference;

            ck_assert_int_eq(decode(bytes, &got), FERRY_OK);
            difference = message_difference(msg, got);
            ck_assert_msg(!difference, "%s differs in form %d", difference, form);
            ferry_message_unref(got);
        }
        pool_release(&pool);
    }
}
END_TEST

START_TEST(no_bytes_are_a_message_of_zeros)
{
    static const struct ferry_message zero;
    const struct ferry_message *msg;

    ck_assert_int_eq(fy_message_decode(NULL, 0, UNLIMITED, &msg), FERRY_OK);
    ck_assert_ptr_null(message_difference(msg, &zero));
    ck_assert_ptr_null(msg->entries);
    ck_assert_ptr_null(msg->snapshot);
    ck_assert_ptr_null(msg->responses);
    ck_assert_ptr_null(msg->context.data);
    ferry_message_unref(msg);
}
END_TEST

START_TEST(absent_and_empty_bytes_stay_apart)
{
    const struct ferry_message *msg;

    ck_assert_int_eq(decode(BYTES(0x62, 0, 0x3a, 0, 0x3a, 2, 0x22, 0, 0x4a, 2, 0x0a, 0), &msg), FERRY_OK);
    ck_assert_ptr_nonnull(msg->context.data);
    ck_assert_uint_eq(msg->context.len, 0);
    ck_assert_uint_eq(msg->n_entries, 2);
    ck_assert_ptr_null(msg->entries[0].data.data);
    ck_assert_ptr_nonnull(msg->entries[1].data.data);
    ck_assert_uint_eq(msg->entries[1].data.len, 0);
    ck_assert_ptr_nonnull(msg->snapshot); /* its empty data is there */
    ck_assert_ptr_nonnull(msg->snapshot->data.data);
    ferry_message_unref(msg);
}
END_TEST

START_TEST(an_empty_snapshot_is_none_unless_the_type_is_msgsnap)
{
#define EMPTY 0x4a, 10, 0x12, 8, 0x0a, 2, 0x28, 0, 0x10, 0, 0x18, 0
    static const uint8_t not_empty[][8] = {
        {0x12, 2, 0x10, 1}, {0x12, 2, 0x18, 1}, {0x12, 4, 0x0a, 2, 0x28, 1}, {0x12, 4, 0x0a, 2, 0x20, 0}};
    static const uint8_t lens[] = {4, 4, 6, 6};
    const struct ferry_message *msg;

    ck_assert_int_eq(decode(BYTES(0x08, FERRY_MSG_APP, EMPTY), &msg), FERRY_OK);
    ck_assert_ptr_null(msg->snapshot);
    ferry_message_unref(msg);
    ck_assert_int_eq(decode(BYTES(EMPTY, 0x08, FERRY_MSG_SNAP), &msg), FERRY_OK);
    ck_assert_ptr_nonnull(msg->snapshot);
    ferry_message_unref(msg);
    ck_assert_int_eq(decode(BYTES(0x08, FERRY_MSG_SNAP), &msg), FERRY_OK);
    ck_assert_ptr_null(msg->snapshot);
    ferry_message_unref(msg);
    ck_assert_int_eq(decode(BYTES(0x72, 14, 0x08, FERRY_MSG_SNAP, EMPTY, 0x72, 12, EMPTY), &msg), FERRY_OK);
    ck_assert_ptr_nonnull(msg->responses[0].snapshot);
    ck_assert_ptr_null(msg->responses[1].snapshot);
    ferry_message_unref(msg);
    for (size_t i = 0; i < sizeof(lens); i++) {
        uint8_t bytes[16] = {0x08, FERRY_MSG_APP, 0x4a, lens[i]};

        memcpy(bytes + 4, not_empty[i], lens[i]);
        ck_assert_int_eq(fy_message_decode(bytes, 4u + lens[i], UNLIMITED, &msg), FERRY_OK);
        ck_assert_ptr_nonnull(msg->snapshot);
        ferry_message_unref(msg);
    }
#undef EMPTY
}
END_TEST

START_TEST(unknown_enum_values_are_kept_as_numbers)
{
    const struct ferry_message *msg;

    ck_assert_int_eq(decode(BYTES(0x08, 0xff, 0x01, 0x3a, 3, 0x08, 0x80, 0x01), &msg), FERRY_OK);
    ck_assert_int_eq((int)msg->type, 255);
    ck_assert_int_eq((int)msg->entries[0].type, 128);
    ferry_message_unref(msg);
    ck_assert_int_eq(decode(BYTES(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), &msg), FERRY_OK);
    ck_assert_int_eq((int)msg->type, -1);
    ck_assert_str_eq(ferry_message_type_name(msg->type), "MsgUnknown");
    ferry_message_unref(msg);
}
END_TEST

START_TEST(unknown_fields_are_skipped_and_not_held)
{
    const struct ferry_bytes known = BYTES(0x08, 3, 0x3a, 2, 0x10, 7);
    const struct ferry_bytes more = BYTES(0x08, 3, 0x78, 5, 0x81, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0x82, 0x01, 3, 'a', 'b',
                                          'c', 0x3a, 5, 0x10, 7, 0x7a, 1, 9, 0x85, 0x01, 1, 2, 3, 4);
    const struct ferry_message *a;
    const struct ferry_message *b;

    ck_assert_int_eq(decode(known, &a), FERRY_OK);
    ck_assert_int_eq(decode(more, &b), FERRY_OK);
    ck_assert_ptr_null(message_difference(a, b));
    ck_assert_uint_eq(fy_message_memory(a), fy_message_memory(b));
    ferry_message_unref(a);
    ferry_message_unref(b);
}
END_TEST

START_TEST(repeated_fields_merge_or_the_last_one_wins)
{
    const struct ferry_message *msg;

    ck_assert_int_eq(
        decode(BYTES(0x20, 1, 0x20, 2, 0x62, 2, 'a', 'b', 0x62, 1, 'c', 0x3a, 6, 0x22, 1, 'x', 0x22, 1, 'y',
                     /* two snapshots: data, voter 1 and index; voters 2 (packed) and 3, and the term */
                     0x4a, 11, 0x0a, 1, 's', 0x12, 6, 0x0a, 2, 0x08, 1, 0x10, 5, /**/
                     0x4a, 11, 0x12, 9, 0x0a, 5, 0x0a, 1, 2, 0x08, 3, 0x18, 6),
               &msg),
        FERRY_OK);
    ck_assert_uint_eq(msg->term, 2);
    ck_assert_uint_eq(msg->context.len, 1);
    ck_assert_uint_eq(msg->context.data[0], 'c');
    ck_assert_uint_eq(msg->entries[0].data.data[0], 'y');
    ck_assert_uint_eq(msg->snapshot->data.data[0], 's');
    ck_assert_uint_eq(msg->snapshot->index, 5);
    ck_assert_uint_eq(msg->snapshot->term, 6);
    ck_assert_uint_eq(msg->snapshot->conf_state.n_voters, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(msg->snapshot->conf_state.voters[i], i + 1);
    /* the head of the block, one entry, a snapshot, three voters, and the bytes that won */
    ck_assert_uint_eq(fy_message_memory(msg), 3 * sizeof(size_t) + sizeof(*msg) + sizeof(struct ferry_entry) +
                                                  sizeof(struct ferry_snapshot) + 3 * sizeof(uint64_t) + 3);
    ferry_message_unref(msg);
}
END_TEST

/* Found by fuzzing: protobuf-c keeps the earlier value here, Go does not. */
START_TEST(empty_data_in_a_later_part_of_a_snapshot_counts)
{
    const struct ferry_message *msg;
    const struct ferry_bytes bytes =
        BYTES(0x08, FERRY_MSG_SNAP, 0x4a, 4, 0x0a, 2, 0xaa, 0xbb, 0x4a, 4, 0x12, 2, 0x10, 100, 0x4a, 2, 0x0a, 0);

    ck_assert_int_eq(decode(bytes, &msg), FERRY_OK);
    ck_assert_uint_eq(msg->snapshot->index, 100);
    ck_assert_ptr_nonnull(msg->snapshot->data.data);
    ck_assert_uint_eq(msg->snapshot->data.len, 0);
    ferry_message_unref(msg);
}
END_TEST

/* Found by fuzzing, likewise: protobuf-c refuses a tag of more than five bytes. */
START_TEST(a_tag_may_take_more_bytes_than_it_needs)
{
    const struct ferry_message *msg;

    ck_assert_int_eq(decode(BYTES(0x88, 0x80, 0x80, 0x80, 0x80, 0x00, FERRY_MSG_APP), &msg), FERRY_OK);
    ck_assert_int_eq(msg->type, FERRY_MSG_APP);
    ferry_message_unref(msg);
}
END_TEST

START_TEST(link_heartbeats_are_known_by_type_and_ids_and_can_cost_nothing)
{
    const struct ferry_message *msg = (const struct ferry_message *)&pool;
    size_t largest;
    int err;

    heap_reset_largest();
    err = fy_message_decode_unless_heartbeat(BYTES(0x08, 8, 0x20, 5).data, 4, UNLIMITED, NULL, &msg);
    largest = heap_largest();
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_ptr_null(msg);
    ck_assert_uint_eq(largest, 0);
    for (uint8_t tag = 0x10; tag <= 0x18; tag += 8) { /* to, from */
        const uint8_t bytes[] = {0x08, 8, tag, 1};

        ck_assert_int_eq(fy_message_decode_unless_heartbeat(bytes, sizeof(bytes), UNLIMITED, NULL, &msg), FERRY_OK);
        ck_assert(!fy_message_is_link_heartbeat(msg));
        ferry_message_unref(msg);
    }
    ck_assert_int_eq(decode(BYTES(0x08, 8), &msg), FERRY_OK);
    ck_assert(fy_message_is_link_heartbeat(msg));
    ferry_message_unref(msg);
    ck_assert_int_eq(decode(BYTES(0x08, 9), &msg), FERRY_OK);
    ck_assert(!fy_message_is_link_heartbeat(msg));
    ferry_message_unref(msg);
}
END_TEST

START_TEST(types_have_etcds_names)
{
    for (int type = 0; type < 24; type++) {
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(&raftpb__message_type__descriptor, type);

        ck_assert_str_eq(ferry_message_type_name((enum ferry_message_type)type), value->name);
    }
    ck_assert_str_eq(ferry_message_type_name((enum ferry_message_type)24), "MsgUnknown");
    ck_assert_str_eq(ferry_message_type_name((enum ferry_message_type)INT32_MAX), "MsgUnknown");
}
END_TEST

/* ---- What is refused ---- */

START_TEST(malformed_bytes_are_refused_before_anything_is_allocated)
{
    const struct ferry_bytes bad[] = {
        BYTES(0x00, 0x00),                                                             /* tag 0 */
        BYTES(0x02, 0x00),                                                             /* number 0 */
        BYTES(0x80, 0x00, 0x00),                                                       /* tag 0 in two bytes */
        BYTES(0x08),                                                                   /* no value */
        BYTES(0x08, 0x80),                                                             /* half a value */
        BYTES(0x88),                                                                   /* half a tag */
        BYTES(0x62, 0x01),                                                             /* longer than what is there */
        BYTES(0x62, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),       /* 2^64-1 long */
        BYTES(0x62, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),             /* 2^63-1 long */
        BYTES(0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00), /* eleven bytes */
        BYTES(0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02),       /* 66 bits */
        BYTES(0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00),                                     /* a number of 30 bits */
        BYTES(0x7b, 0x7c),                                                             /* a group */
        BYTES(0x7c),                                                                   /* its end */
        BYTES(0x7e, 0x00),                                                             /* wire type 6 */
        BYTES(0x7f, 0x00),                                                             /* wire type 7 */
        BYTES(0x79, 1, 2, 3, 4, 5, 6, 7),                                              /* seven of eight bytes */
        BYTES(0x7d, 1, 2, 3),                                                          /* three of four bytes */
        BYTES(0x3a, 1, 0x08),                                                          /* inside an entry */
        BYTES(0x3a, 2, 0x20, 0x00),                                                    /* an entry's data as a number */
        BYTES(0x4a, 1, 0x0a),                                                          /* inside a snapshot */
        BYTES(0x4a, 2, 0x08, 0x00),                         /* a snapshot's data as a number */
        BYTES(0x4a, 3, 0x12, 1, 0x10),                      /* inside metadata */
        BYTES(0x4a, 4, 0x12, 2, 0x12, 0x00),                /* an index as bytes */
        BYTES(0x4a, 5, 0x12, 3, 0x0a, 1, 0x08),             /* inside a conf state */
        BYTES(0x4a, 6, 0x12, 4, 0x0a, 2, 0x2a, 0x00),       /* auto_leave as bytes */
        BYTES(0x4a, 7, 0x12, 5, 0x0a, 3, 0x0a, 1, 0x80),    /* inside packed voters */
        BYTES(0x4a, 7, 0x12, 5, 0x0a, 3, 0x0a, 2, 1),       /* packed voters past the end */
        BYTES(0x4a, 9, 0x12, 7, 0x0a, 5, 0x0d, 0, 0, 0, 0), /* voters of fixed size */
        BYTES(0x72, 2, 0x3a, 1),                            /* inside a response */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(bad[i], FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(known_fields_of_another_wire_type_are_refused)
{
    for (unsigned number = 1; number <= 14; number++) {
        const bool is_bytes = number == 7 || number == 9 || number == 12 || number == 14;
        const uint8_t wire_type = is_bytes ? FY_PB_VARINT : FY_PB_BYTES;
        const uint8_t tags[] = {(uint8_t)(number << 3 | wire_type), (uint8_t)(number << 3 | FY_PB_FIXED64),
                                (uint8_t)(number << 3 | FY_PB_FIXED32)};

        for (size_t i = 0; i < sizeof(tags); i++)
            assert_refused(i == 0   ? BYTES(tags[i], 0)
                           : i == 1 ? BYTES(tags[i], 0, 0, 0, 0, 0, 0, 0, 0)
                                    : BYTES(tags[i], 0, 0, 0, 0),
                           FERRY_ERR_MALFORMED);
    }
}
END_TEST

/* A message of so many levels of responses.  The innermost is empty. */
static struct ferry_bytes nest(size_t levels)
{
    size_t size = 11 * levels; /* a tag and a length each */
    uint8_t *bytes = pool_take(&pool, 1, size);
    uint8_t *at = bytes + size;

    for (size_t i = 0; i < levels; i++) {
        size_t len = (size_t)(bytes + size - at);

        at -= 1 + fy_pb_varint_size(len);
        *at = 0x72;
        fy_pb_put_varint(at + 1, len);
    }
    return (struct ferry_bytes){at, (size_t)(bytes + size - at)};
}

START_TEST(nesting_is_bounded)
{
    const struct ferry_message *msg;
    const struct ferry_message *at;

    ck_assert_int_eq(decode(nest(FY_MESSAGE_MAX_DEPTH), &msg), FERRY_OK);
    at = msg;
    for (int i = 0; i < FY_MESSAGE_MAX_DEPTH; i++) {
        ck_assert_uint_eq(at->n_responses, 1);
        at = at->responses;
    }
    ck_assert_uint_eq(at->n_responses, 0);
    ferry_message_unref(msg);
    assert_refused(nest(FY_MESSAGE_MAX_DEPTH + 1), FERRY_ERR_DEPTH);
    assert_refused(nest(1000000), FERRY_ERR_DEPTH);
}
END_TEST

/* ---- What they cost ---- */

START_TEST(the_block_is_one_allocation_of_exact_size_and_its_limit_is_exact)
{
    for (int i = 0; i < 2000; i++) {
        struct ferry_bytes bytes = pack(message_to_protobuf(&pool, message_random(&pool, 3), FERRY_FORM_3_7));
        const struct ferry_message *msg;
        long live = heap_live();
        size_t largest;
        size_t memory;
        int err;

        heap_reset_largest();
        err = decode(bytes, &msg);
        largest = heap_largest();
        ck_assert_int_eq(err, FERRY_OK);
        ck_assert_int_eq(heap_live(), live + 1);
        memory = fy_message_memory(msg);
        ck_assert_uint_eq(memory, largest);
        ferry_message_unref(msg);

        ck_assert_int_eq(fy_message_decode(bytes.data, bytes.len, memory, &msg), FERRY_OK);
        ferry_message_unref(msg);
        heap_reset_largest();
        err = fy_message_decode(bytes.data, bytes.len, memory - 1, &msg);
        largest = heap_largest();
        ck_assert_int_eq(err, FERRY_ERR_TOO_LARGE);
        ck_assert_uint_eq(largest, 0);
        pool_release(&pool);
    }
    for (size_t max = 0; max < sizeof(struct ferry_message); max++) {
        const struct ferry_message *msg;

        ck_assert_int_eq(fy_message_decode(NULL, 0, max, &msg), FERRY_ERR_TOO_LARGE);
    }
}
END_TEST

START_TEST(amplification_meets_the_limit)
{
    enum { LEN = 1 << 20 };
    static const struct {
        uint8_t unit[2];
        size_t memory; /* of each */
    } bombs[] = {{{0x3a, 0}, sizeof(struct ferry_entry)}, {{0x72, 0}, sizeof(struct ferry_message)}};
    uint8_t *bytes = pool_take(&pool, 1, LEN);
    const struct ferry_message *msg = NULL;
    uint8_t *at = bytes;
    size_t largest;
    int err;

    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < LEN; k += 2)
            memcpy(bytes + k, bombs[i].unit, 2);
        heap_reset_largest();
        err = fy_message_decode(bytes, LEN, LEN, &msg);
        largest = heap_largest();
        ck_assert_int_eq(err, FERRY_ERR_TOO_LARGE);
        ck_assert_uint_eq(largest, 0);
        err = fy_message_decode(bytes, LEN, LEN / 2 * bombs[i].memory + 1000, &msg);
        ck_assert_int_eq(err, FERRY_OK);
        ferry_message_unref(msg);
    }

    /* a snapshot of packed voters, one byte each */
    memset(bytes, 1, LEN);
    *at++ = 0x4a;
    at = fy_pb_put_varint(at, LEN - 4);
    *at++ = 0x12;
    at = fy_pb_put_varint(at, LEN - 8);
    *at++ = 0x0a;
    at = fy_pb_put_varint(at, LEN - 12);
    *at++ = 0x0a;
    at = fy_pb_put_varint(at, LEN - 16);
    ck_assert_uint_eq((size_t)(at - bytes), 16);
    heap_reset_largest();
    err = fy_message_decode(bytes, LEN, LEN, &msg);
    largest = heap_largest();
    ck_assert_int_eq(err, FERRY_ERR_TOO_LARGE);
    ck_assert_uint_eq(largest, 0);
    ck_assert_int_eq(fy_message_decode(bytes, LEN, 9 * LEN, &msg), FERRY_OK);
    ck_assert_uint_eq(msg->snapshot->conf_state.n_voters, LEN - 16);
    ferry_message_unref(msg);
}
END_TEST

START_TEST(decoding_survives_every_failed_allocation)
{
    struct ferry_bytes bytes = pack(message_to_protobuf(&pool, message_random(&pool, 3), FERRY_FORM_3_4));
    const struct ferry_message *msg = NULL;
    int err = FERRY_ERR_NOMEM;
    long nth = 0;

    for (; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = decode(bytes, &msg);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_int_eq(nth, 2);
    ferry_message_unref(msg);
}
END_TEST

/* ---- Entries of a compact frame ---- */

START_TEST(bare_entries_become_a_message)
{
    for (int i = 0; i < 2000; i++) {
        const struct ferry_message *from = message_random(&pool, 0);
        const struct ferry_message head = {
            .type = FERRY_MSG_APP, .to = 1, .from = 2, .term = 3, .log_term = 3, .index = 4, .commit = 5};
        struct ferry_message expected = head;
        Raftpb__Message *pb = message_to_protobuf(&pool, from, FERRY_FORM_3_7);
        uint8_t *bytes = pool_take(&pool, 1, raftpb__message__get_packed_size(pb) + 8 * pb->n_entries);
        const struct ferry_message *msg;
        size_t len = 0;
        size_t largest;
        int err;

        expected.entries = from->entries;
        expected.n_entries = from->n_entries;
        for (size_t k = 0; k < pb->n_entries; k++) {
            size_t entry_len = raftpb__entry__get_packed_size(pb->entries[k]);

            fy_be64_put(bytes + len, entry_len);
            raftpb__entry__pack(pb->entries[k], bytes + len + 8);
            len += 8 + entry_len;
        }
        heap_reset_largest();
        err = fy_message_decode_entries(&head, bytes, len, pb->n_entries, UNLIMITED, NULL, &msg);
        largest = heap_largest();
        ck_assert_int_eq(err, FERRY_OK);
        ck_assert_ptr_null(message_difference(&expected, msg));
        ck_assert_uint_eq(largest, fy_message_memory(msg));
        ferry_message_unref(msg);

        err = fy_message_decode_entries(&head, bytes, len, pb->n_entries, largest - 1, NULL, &msg);
        ck_assert_int_eq(err, FERRY_ERR_TOO_LARGE);
        err = fy_message_decode_entries(&head, bytes, len, pb->n_entries + 1, UNLIMITED, NULL, &msg);
        ck_assert_int_eq(err, FERRY_ERR_MALFORMED);
        if (pb->n_entries > 0) {
            err = fy_message_decode_entries(&head, bytes, len, pb->n_entries - 1, UNLIMITED, NULL, &msg);
            ck_assert_int_eq(err, FERRY_ERR_MALFORMED);
            err = fy_message_decode_entries(&head, bytes, len - 1, pb->n_entries, UNLIMITED, NULL, &msg);
            ck_assert_int_eq(err, FERRY_ERR_MALFORMED);
        }
        pool_release(&pool);
    }
}
END_TEST

/* ---- Damage ---- */

/* protobuf-c lets some things pass that we refuse, and the other way round; what both take must say the same. */
static void assert_agreement(struct ferry_bytes bytes)
{
    const struct ferry_message *msg = NULL;
    Raftpb__Message *pb;
    size_t largest;
    int err;

    heap_reset_largest();
    err = decode(bytes, &msg);
    largest = heap_largest();
    ck_assert_uint_le(largest, sizeof(*msg) * (bytes.len + 2)); /* the worst is a message for each two bytes */
    if (err != FERRY_OK) {
        ck_assert(err == FERRY_ERR_MALFORMED || err == FERRY_ERR_DEPTH);
        return;
    }
    pb = raftpb__message__unpack(NULL, bytes.len, bytes.data);
    if (pb) {
        const char *difference = message_difference(msg, message_from_protobuf(&pool, pb));

        ck_assert_msg(!difference, "%s differs", difference);
        raftpb__message__free_unpacked(pb, NULL);
    }
    ferry_message_unref(msg);
}

START_TEST(damaged_messages_are_refused_or_read_as_protobuf_c_reads_them)
{
    for (int i = 0; i < 1000; i++) {
        const enum ferry_wire_form form = (enum ferry_wire_form)(random() % 3);
        struct ferry_bytes whole = pack(message_to_protobuf(&pool, message_random(&pool, 2), form));
        uint8_t *bytes = pool_take(&pool, 1, whole.len);

        for (int k = 0; k < 30 && whole.len > 0; k++) {
            size_t len = whole.len;

            memcpy(bytes, whole.data, len);
            for (long n = 1 + random() % 3; n > 0; n--)
                bytes[(size_t)random() % len] ^= (uint8_t)(1 << random() % 8);
            if (random() % 4 == 0)
                len = (size_t)random() % len;
            assert_agreement((struct ferry_bytes){bytes, len});
        }
        pool_release(&pool);
    }
}
END_TEST

START_TEST(garbage_is_refused_or_read_as_protobuf_c_reads_it)
{
    static const uint8_t tags[] = {0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x3a, 0x40, 0x4a, 0x50, 0x58, 0x62, 0x68, 0x72};
    uint8_t bytes[64];

    for (int i = 0; i < 200000; i++) {
        size_t len = (size_t)random() % sizeof(bytes);

        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)(random() % 2   ? tags[(size_t)random() % sizeof(tags)]
                                 : random() % 2 ? random() % 12
                                                : random());
        assert_agreement((struct ferry_bytes){bytes, len});
        pool_release(&pool);
    }
}
END_TEST

/* ---- References ---- */

static const struct ferry_message *shared;

static void *count_up_and_down(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++)
        ferry_message_unref(ferry_message_ref(shared));
    ferry_message_unref(shared);
    return NULL;
}

START_TEST(the_last_of_many_threads_frees_it)
{
    pthread_t threads[4];

    ck_assert_int_eq(decode(BYTES(0x08, 3), &shared), FERRY_OK);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_ptr_eq(ferry_message_ref(shared), shared);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up_and_down, NULL), 0);
    }
    ferry_message_unref(shared);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ferry_message_unref(NULL);
}
END_TEST

int main(void)
{
    rig_step_aside();
    return rig_main("message", setup, teardown, every_message_of_protobuf_c_is_read_field_by_field,
                    no_bytes_are_a_message_of_zeros, absent_and_empty_bytes_stay_apart,
                    an_empty_snapshot_is_none_unless_the_type_is_msgsnap, unknown_enum_values_are_kept_as_numbers,
                    unknown_fields_are_skipped_and_not_held, repeated_fields_merge_or_the_last_one_wins,
                    empty_data_in_a_later_part_of_a_snapshot_counts, a_tag_may_take_more_bytes_than_it_needs,
                    link_heartbeats_are_known_by_type_and_ids_and_can_cost_nothing, types_have_etcds_names,
                    malformed_bytes_are_refused_before_anything_is_allocated,
                    known_fields_of_another_wire_type_are_refused, nesting_is_bounded,
                    the_block_is_one_allocation_of_exact_size_and_its_limit_is_exact, amplification_meets_the_limit,
                    decoding_survives_every_failed_allocation, bare_entries_become_a_message,
                    damaged_messages_are_refused_or_read_as_protobuf_c_reads_them,
                    garbage_is_refused_or_read_as_protobuf_c_reads_it, the_last_of_many_threads_frees_it, NULL);
}
