/*
 * check_outgoing - messages packed for the wire, compared with protobuf-c, and their limits.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/messages.h"
#include "harness/rig.h"
#include "wire/be64.h"
#include "wire/message.h"
#include "wire/outgoing.h"
#include "wire/protobuf.h"

#define UNLIMITED SIZE_MAX

static struct pool pool;

static void setup(void)
{
    heap_setup();
    srandom(11);
}

static void teardown(void)
{
    pool_release(&pool);
    heap_teardown();
}

/* The bare message that the runs stand for, in the pool. */
static struct ferry_bytes unfold(const struct fy_outgoing *out)
{
    uint8_t *bytes = pool_take(&pool, 1, out->packed_len);
    uint8_t *at = bytes;
    const uint8_t *entry = out->entries;
    const uint8_t *end = entry + out->entries_len;

    memcpy(at, out->head, out->head_len);
    at += out->head_len;
    while (entry < end) {
        size_t len = (size_t)fy_be64_get(entry);

        *at++ = 7 << 3 | 2;
        at = fy_pb_put_varint(at, len);
        memcpy(at, entry + FY_BE64_SIZE, len);
        at += len;
        entry += FY_BE64_SIZE + len;
    }
    ck_assert_ptr_eq(entry, end);
    memcpy(at, out->tail, out->tail_len);
    at += out->tail_len;
    ck_assert_uint_eq((size_t)(at - bytes), out->packed_len);
    return (struct ferry_bytes){bytes, out->packed_len};
}

static struct fy_outgoing *pack(const struct ferry_message *msg, enum ferry_wire_form form)
{
    struct fy_outgoing *out;

    ck_assert_int_eq(fy_outgoing_new(msg, form, UNLIMITED, &out), FERRY_OK);
    return out;
}

START_TEST(every_form_is_what_protobuf_c_packs)
{
    for (int i = 0; i < 3000; i++) {
        const struct ferry_message *msg = message_random(&pool, 3);

        for (int form = FERRY_FORM_3_4; form <= FERRY_FORM_3_7; form++) {
            struct fy_outgoing *out = pack(msg, (enum ferry_wire_form)form);
            Raftpb__Message *pb = message_to_protobuf(&pool, msg, (enum ferry_wire_form)form);
            size_t len = raftpb__message__get_packed_size(pb);
            uint8_t *expected = pool_take(&pool, 1, len);
            struct ferry_bytes bytes = unfold(out);

            raftpb__message__pack(pb, expected);
            ck_assert_uint_eq(bytes.len, len);
            ck_assert_mem_eq(bytes.data, expected, len);
            fy_outgoing_free(out);
        }
        pool_release(&pool);
    }
}
END_TEST

START_TEST(the_forms_of_a_heartbeat_are_etcds)
{
    static const uint8_t form_3_4[] = {0x08, 0x08, 0x10, 0x02, 0x18, 0x01, 0x20, 0x05, 0x28, 0x00,
                                       0x30, 0x00, 0x40, 0x0c, 0x4a, 0x0a, 0x12, 0x08, 0x0a, 0x02,
                                       0x28, 0x00, 0x10, 0x00, 0x18, 0x00, 0x50, 0x00, 0x58, 0x00};
    static const uint8_t form_3_6[] = {0x08, 0x08, 0x10, 0x02, 0x18, 0x01, 0x20, 0x05, 0x28, 0x00,
                                       0x30, 0x00, 0x40, 0x0c, 0x50, 0x00, 0x58, 0x00, 0x68, 0x00};
    static const uint8_t form_3_7[] = {0x08, 0x08, 0x10, 0x02, 0x18, 0x01, 0x20, 0x05, 0x40, 0x0c};
    static const struct ferry_bytes expected[] = {
        {form_3_4, sizeof(form_3_4)}, {form_3_6, sizeof(form_3_6)}, {form_3_7, sizeof(form_3_7)}};
    const struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .to = 2, .from = 1, .term = 5, .commit = 12};

    for (int form = FERRY_FORM_3_4; form <= FERRY_FORM_3_7; form++) {
        struct fy_outgoing *out = pack(&msg, (enum ferry_wire_form)form);
        struct ferry_bytes bytes = unfold(out);

        ck_assert_uint_eq(bytes.len, expected[form].len);
        ck_assert_mem_eq(bytes.data, expected[form].data, bytes.len);
        fy_outgoing_free(out);
    }
}
END_TEST

START_TEST(it_knows_what_the_lanes_ask_for)
{
    const struct ferry_entry entries[] = {{.term = 3, .index = 41}, {.term = 4, .index = 45}};
    struct ferry_message msg = {.type = FERRY_MSG_APP,
                                .to = 1,
                                .from = 2,
                                .term = 4,
                                .log_term = 3,
                                .index = 40,
                                .commit = 39,
                                .entries = entries,
                                .n_entries = 2};
    struct fy_outgoing *out = pack(&msg, FERRY_FORM_3_4);

    ck_assert_int_eq((int)out->type, FERRY_MSG_APP);
    ck_assert_uint_eq(out->to, 1);
    ck_assert_uint_eq(out->from, 2);
    ck_assert_uint_eq(out->term, 4);
    ck_assert_uint_eq(out->log_term, 3);
    ck_assert_uint_eq(out->index, 40);
    ck_assert_uint_eq(out->commit, 39);
    ck_assert_uint_eq(out->n_entries, 2);
    ck_assert_uint_eq(out->last_index, 45);
    ck_assert(!fy_node_is_linked(&out->item.node));
    fy_outgoing_free(out);

    msg.n_entries = 0;
    out = pack(&msg, FERRY_FORM_3_4);
    ck_assert_uint_eq(out->last_index, 40);
    fy_outgoing_free(out);
    fy_outgoing_free(NULL);
}
END_TEST

START_TEST(it_is_one_allocation_of_the_size_that_it_says)
{
    for (int i = 0; i < 500; i++) {
        const struct ferry_message *msg = message_random(&pool, 2);
        struct fy_outgoing *out;
        long live = heap_live();
        size_t largest;

        heap_reset_largest();
        out = pack(msg, FERRY_FORM_3_6);
        largest = heap_largest();
        ck_assert_int_eq(heap_live(), live + 1);
        ck_assert_uint_eq(largest, out->item.memory);
        fy_outgoing_free(out);
        pool_release(&pool);
    }
}
END_TEST

START_TEST(the_limit_is_exact_and_checked_before_anything_is_allocated)
{
    for (int i = 0; i < 500; i++) {
        const struct ferry_message *msg = message_random(&pool, 2);
        struct fy_outgoing *out = pack(msg, FERRY_FORM_3_4);
        size_t len = out->packed_len;
        size_t largest;
        int err;
        int err_at_random;

        fy_outgoing_free(out);
        ck_assert_int_eq(fy_outgoing_new(msg, FERRY_FORM_3_4, len, &out), FERRY_OK);
        fy_outgoing_free(out);
        heap_reset_largest();
        err = fy_outgoing_new(msg, FERRY_FORM_3_4, len - 1, &out);
        err_at_random = fy_outgoing_new(msg, FERRY_FORM_3_4, (size_t)random() % len, &out);
        largest = heap_largest();
        ck_assert_int_eq(err, FERRY_ERR_TOO_LARGE);
        ck_assert_int_eq(err_at_random, FERRY_ERR_TOO_LARGE);
        ck_assert_uint_eq(largest, 0);
        pool_release(&pool);
    }
}
END_TEST

START_TEST(lengths_that_would_wrap_are_too_large)
{
    static const size_t lens[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 20, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 15};
    static const uint8_t byte;

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        const struct ferry_bytes huge = {&byte, lens[i]};
        const struct ferry_entry entries[] = {{.data = huge}, {.data = huge}, {.data = huge}, {.data = huge}};
        const struct ferry_snapshot snapshot = {.data = huge};
        const struct ferry_message response = {.context = huge};
        const struct ferry_message messages[] = {
            {.entries = entries, .n_entries = 4},
            {.context = huge},
            {.snapshot = &snapshot},
            {.responses = &response, .n_responses = 1},
            {.context = huge, .snapshot = &snapshot, .entries = entries, .n_entries = 2},
        };

        for (size_t k = 0; k < sizeof(messages) / sizeof(messages[0]); k++) {
            struct fy_outgoing *out;

            ck_assert_int_eq(fy_outgoing_new(&messages[k], FERRY_FORM_3_7, UNLIMITED, &out), FERRY_ERR_TOO_LARGE);
        }
    }
}
END_TEST

START_TEST(what_is_counted_but_null_is_invalid)
{
    const struct ferry_entry bad_entry = {.data = {NULL, 1}};
    const struct ferry_snapshot snapshots[] = {{.data = {NULL, 1}},
                                               {.conf_state = {.n_voters = 1}},
                                               {.conf_state = {.n_learners = 1}},
                                               {.conf_state = {.n_voters_outgoing = 1}},
                                               {.conf_state = {.n_learners_next = 1}}};
    const struct ferry_message bad_context = {.context = {NULL, 1}};
    const struct ferry_message messages[] = {
        {.n_entries = 1},
        {.n_responses = 1},
        bad_context,
        {.entries = &bad_entry, .n_entries = 1},
        {.snapshot = &snapshots[0]},
        {.snapshot = &snapshots[1]},
        {.snapshot = &snapshots[2]},
        {.snapshot = &snapshots[3]},
        {.snapshot = &snapshots[4]},
        {.responses = &bad_context, .n_responses = 1},
    };
    struct fy_outgoing *out;

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        ck_assert_int_eq(fy_outgoing_new(&messages[i], FERRY_FORM_3_4, UNLIMITED, &out), FERRY_ERR_INVALID);
}
END_TEST

START_TEST(nesting_is_bounded)
{
    struct ferry_message levels[FY_MESSAGE_MAX_DEPTH + 2] = {{.type = FERRY_MSG_STORAGE_APPEND}};
    struct ferry_message endless = {.n_responses = 1, .responses = &endless};
    struct fy_outgoing *out;

    for (size_t i = 0; i <= FY_MESSAGE_MAX_DEPTH; i++) {
        levels[i].responses = &levels[i + 1];
        levels[i].n_responses = i < FY_MESSAGE_MAX_DEPTH;
    }
    ck_assert_int_eq(fy_outgoing_new(levels, FERRY_FORM_3_6, UNLIMITED, &out), FERRY_OK);
    fy_outgoing_free(out);
    levels[FY_MESSAGE_MAX_DEPTH].n_responses = 1;
    ck_assert_int_eq(fy_outgoing_new(levels, FERRY_FORM_3_6, UNLIMITED, &out), FERRY_ERR_DEPTH);
    ck_assert_int_eq(fy_outgoing_new(&endless, FERRY_FORM_3_6, UNLIMITED, &out), FERRY_ERR_DEPTH);
}
END_TEST

START_TEST(packing_survives_every_failed_allocation)
{
    const struct ferry_message *msg = message_random(&pool, 2);
    struct fy_outgoing *out = NULL;
    int err = FERRY_ERR_NOMEM;
    long nth = 0;

    for (; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_outgoing_new(msg, FERRY_FORM_3_4, UNLIMITED, &out);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_int_eq(nth, 2);
    fy_outgoing_free(out);
}
END_TEST

/* ---- One after the other ---- */

static struct fy_shelf shelf;

static struct fy_outgoing *pack_next(struct fy_packer *packer, const struct ferry_message *msg,
                                     const struct ferry_message *next)
{
    struct fy_outgoing *out;

    ck_assert_int_eq(fy_packer_pack(packer, msg, next, &out), FERRY_OK);
    return out;
}

static void check_same(const struct fy_outgoing *out, const struct ferry_message *msg)
{
    struct fy_outgoing *alone = pack(msg, FERRY_FORM_3_7);
    struct ferry_bytes bytes = unfold(out), expected = unfold(alone);

    ck_assert_uint_eq(bytes.len, expected.len);
    ck_assert_mem_eq(bytes.data, expected.data, bytes.len);
    ck_assert_uint_eq(out->item.memory, alone->item.memory); /* each is accounted for as if it were alone */
    fy_outgoing_free(alone);
}

/* To five followers; the fourth is further ahead. */
START_TEST(entries_in_common_are_packed_once)
{
    static const uint8_t data[3000];
    const struct ferry_entry entries[] = {{.term = 3, .index = 41, .data = {data, sizeof(data)}},
                                          {.term = 4, .index = 45, .data = {data, 5}}};
    struct fy_packer packer = {.shelf = &shelf, .form = FERRY_FORM_3_7, .max_bytes = UNLIMITED};
    struct ferry_message msgs[5];
    struct fy_outgoing *outs[5];

    fy_shelf_init(&shelf, 1 << 20);
    for (size_t i = 0; i < 5; i++)
        msgs[i] = (struct ferry_message){.type = FERRY_MSG_APP, .to = 2 + i, .entries = entries, .n_entries = 2};
    msgs[3].entries = entries + 1;
    msgs[3].n_entries = 1;
    for (size_t i = 0; i < 5; i++)
        outs[i] = pack_next(&packer, &msgs[i], i < 4 ? &msgs[i + 1] : NULL);
    fy_packer_release(&packer);
    ck_assert_ptr_eq(outs[0]->entries, outs[1]->entries);
    ck_assert_ptr_eq(outs[0]->entries, outs[2]->entries);
    ck_assert_ptr_ne(outs[0]->entries, outs[3]->entries);
    ck_assert_ptr_ne(outs[0]->entries, outs[4]->entries); /* after another, they are not known again */
    for (size_t i = 5; i-- > 0;) {                        /* whichever goes first */
        check_same(outs[i], &msgs[i]);
        fy_outgoing_free(outs[i]);
    }
    fy_shelf_release(&shelf);
}
END_TEST

START_TEST(short_entries_and_those_of_one_are_not_shared)
{
    static const uint8_t data[3000];
    struct ferry_entry entry = {.term = 3, .index = 41, .data = {data, 500}};
    struct ferry_message msg = {.type = FERRY_MSG_APP, .entries = &entry, .n_entries = 1};
    struct fy_packer packer = {.form = FERRY_FORM_3_7, .max_bytes = UNLIMITED};
    struct fy_outgoing *first = pack_next(&packer, &msg, &msg), *second;

    ck_assert_ptr_null(first->shared);
    entry.data.len = sizeof(data);
    second = pack_next(&packer, &msg, NULL);
    ck_assert_ptr_null(second->shared);
    fy_outgoing_free(first);
    fy_outgoing_free(second);
    fy_packer_release(&packer);
}
END_TEST

START_TEST(sharing_survives_every_failed_allocation)
{
    static const uint8_t data[3000];
    struct ferry_entry entry = {.term = 3, .index = 41, .data = {data, sizeof(data)}};
    struct ferry_message msg = {.type = FERRY_MSG_APP, .entries = &entry, .n_entries = 1};

    for (long nth = 0; nth < 4; nth++) {
        struct fy_packer packer = {.form = FERRY_FORM_3_7, .max_bytes = UNLIMITED};
        struct fy_outgoing *outs[2] = {NULL, NULL};

        int errs[2];

        heap_fail_at(nth);
        for (size_t i = 0; i < 2; i++)
            errs[i] = fy_packer_pack(&packer, &msg, i == 0 ? &msg : NULL, &outs[i]);
        heap_fail_at(-1);
        fy_packer_release(&packer);
        ck_assert_int_eq(errs[0], nth == 1 ? FERRY_ERR_NOMEM : FERRY_OK); /* the first is what would be shared */
        ck_assert_int_eq(errs[1], nth == 2 ? FERRY_ERR_NOMEM : FERRY_OK);
        for (size_t i = 0; i < 2; i++)
            if (outs[i])
                check_same(outs[i], &msg);
        fy_outgoing_free(outs[0]);
        fy_outgoing_free(outs[1]);
    }
}
END_TEST

START_TEST(memory_goes_back_to_the_shelf)
{
    static const uint8_t data[3000];
    struct ferry_entry entry = {.term = 3, .index = 41, .data = {data, sizeof(data)}};
    struct ferry_message msg = {.type = FERRY_MSG_APP, .entries = &entry, .n_entries = 1};
    struct fy_packer packer = {.shelf = &shelf, .form = FERRY_FORM_3_7, .max_bytes = UNLIMITED};
    struct fy_list list;
    long n_live = 0;

    fy_shelf_init(&shelf, 1 << 20);
    fy_list_init(&list);
    for (int i = 0; i < 10; i++) {
        fy_list_append(&list, &pack_next(&packer, &msg, &msg)->item.node);
        fy_list_append(&list, &pack_next(&packer, &msg, NULL)->item.node);
        fy_packer_release(&packer);
        fy_outgoing_free_all(&list);
        ck_assert(fy_list_is_empty(&list));
        if (i == 0)
            n_live = heap_live();
        ck_assert_int_eq(heap_live(), n_live);
    }
    fy_outgoing_free_all(&list); /* an empty one is fine */
    fy_shelf_release(&shelf);
}
END_TEST

int main(void)
{
    return rig_main("outgoing", setup, teardown, every_form_is_what_protobuf_c_packs,
                    the_forms_of_a_heartbeat_are_etcds, it_knows_what_the_lanes_ask_for,
                    it_is_one_allocation_of_the_size_that_it_says,
                    the_limit_is_exact_and_checked_before_anything_is_allocated, lengths_that_would_wrap_are_too_large,
                    what_is_counted_but_null_is_invalid, nesting_is_bounded, packing_survives_every_failed_allocation,
                    entries_in_common_are_packed_once, short_entries_and_those_of_one_are_not_shared,
                    sharing_survives_every_failed_allocation, memory_goes_back_to_the_shelf, NULL);
}
