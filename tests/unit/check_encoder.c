/*
 * check_encoder - frames: which one, its bytes, the state after it, and reading it in pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/messages.h"
#include "harness/rig.h"
#include "wire/be64.h"
#include "wire/encoder.h"

static struct pool pool;

static void setup(void)
{
    heap_setup();
    srandom(23);
}

static void teardown(void)
{
    pool_release(&pool);
    heap_teardown();
}

static struct fy_outgoing *pack(const struct ferry_message *msg, enum ferry_wire_form form)
{
    struct fy_outgoing *out;

    ck_assert_int_eq(fy_outgoing_new(msg, form, SIZE_MAX, &out), FERRY_OK);
    return out;
}

/* The frame that was started, in the pool. */
static struct ferry_bytes read_whole(struct fy_encoder *enc)
{
    size_t len = fy_encoder_left(enc);
    uint8_t *bytes = pool_take(&pool, 1, len);

    ck_assert_uint_eq(fy_encoder_read(enc, bytes, len + 100), len);
    ck_assert_uint_eq(fy_encoder_left(enc), 0);
    ck_assert_uint_eq(fy_encoder_read(enc, bytes, 1), 0);
    return (struct ferry_bytes){bytes, len};
}

static struct ferry_bytes encode(struct fy_encoder *enc, const struct ferry_message *msg)
{
    struct fy_outgoing *out = pack(msg, enc->form);
    struct ferry_bytes bytes;

    fy_encoder_start(enc, out);
    bytes = read_whole(enc);
    fy_outgoing_free(out);
    return bytes;
}

START_TEST(a_link_heartbeat_is_the_frame_of_a_heartbeat_of_zeros)
{
    const struct ferry_message heartbeat = {.type = FERRY_MSG_HEARTBEAT};

    for (int form = FERRY_FORM_3_4; form <= FERRY_FORM_3_7; form++) {
        for (int codec = FY_CODEC_MESSAGE; codec <= FY_CODEC_MSGAPPV2; codec++) {
            struct fy_encoder enc;
            struct ferry_bytes expected;
            struct ferry_bytes bytes;

            fy_encoder_init(&enc, (enum fy_codec)codec, (enum ferry_wire_form)form);
            expected = encode(&enc, &heartbeat);
            fy_encoder_start_heartbeat(&enc);
            bytes = read_whole(&enc);
            ck_assert_uint_eq(bytes.len, expected.len);
            ck_assert_mem_eq(bytes.data, expected.data, bytes.len);
            if (codec == FY_CODEC_MSGAPPV2) {
                ck_assert_uint_eq(bytes.len, 1);
                ck_assert_uint_eq(bytes.data[0], FY_FRAME_HEARTBEAT);
            }
        }
    }
}
END_TEST

START_TEST(the_state_decides_between_compact_and_full)
{
    static const struct ferry_entry two[] = {{.term = 5, .index = 11}, {.term = 5, .index = 12}};
    static const struct ferry_entry gap[] = {{.term = 5, .index = 20}};
    static const struct {
        uint64_t term, log_term, index; /* of the message */
        const struct ferry_entry *entries;
        size_t n_entries;
        enum fy_frame_type type;
        uint64_t term_after, index_after;
    } steps[] = {
        {5, 5, 10, two, 2, FY_FRAME_MESSAGE, 5, 12},  /* the first one of a connection */
        {5, 5, 12, gap, 1, FY_FRAME_ENTRIES, 5, 13},  /* goes on; entries are counted, not looked at */
        {5, 5, 13, NULL, 0, FY_FRAME_ENTRIES, 5, 13}, /* empty */
        {5, 4, 13, NULL, 0, FY_FRAME_MESSAGE, 5, 13}, /* an older log term */
        {6, 5, 13, NULL, 0, FY_FRAME_MESSAGE, 6, 13}, /* a new leader */
        {6, 5, 13, gap, 1, FY_FRAME_MESSAGE, 6, 20},  /* its log term is still the old one */
        {6, 6, 20, NULL, 0, FY_FRAME_ENTRIES, 6, 20}, /* now it fits */
        {6, 6, 15, NULL, 0, FY_FRAME_MESSAGE, 6, 15}, /* a probe elsewhere */
        {6, 6, UINT64_MAX, NULL, 0, FY_FRAME_MESSAGE, 6, UINT64_MAX},
        {6, 6, UINT64_MAX, two, 2, FY_FRAME_ENTRIES, 6, 1}, /* wraps */
    };
    struct fy_encoder enc;

    fy_encoder_init(&enc, FY_CODEC_MSGAPPV2, FERRY_FORM_3_4);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const struct ferry_message msg = {.type = FERRY_MSG_APP,
                                          .to = 1,
                                          .from = 2,
                                          .term = steps[i].term,
                                          .log_term = steps[i].log_term,
                                          .index = steps[i].index,
                                          .entries = steps[i].entries,
                                          .n_entries = steps[i].n_entries,
                                          .commit = 7};
        struct ferry_bytes bytes = encode(&enc, &msg);

        ck_assert_msg(bytes.data[0] == steps[i].type, "step %zu", i);
        ck_assert_uint_eq(enc.term, steps[i].term_after);
        ck_assert_uint_eq(enc.index, steps[i].index_after);
        if (steps[i].type == FY_FRAME_ENTRIES) {
            ck_assert_uint_eq(fy_be64_get(bytes.data + 1), steps[i].n_entries);
            ck_assert_uint_eq(fy_be64_get(bytes.data + bytes.len - 8), 7);
        } else {
            ck_assert_uint_eq(fy_be64_get(bytes.data + 1), bytes.len - 9);
        }
        fy_encoder_start_heartbeat(&enc); /* moves nothing */
        (void)read_whole(&enc);
        ck_assert_uint_eq(enc.term, steps[i].term_after);
        ck_assert_uint_eq(enc.index, steps[i].index_after);
    }
}
END_TEST

START_TEST(a_fresh_state_fits_a_message_of_zeros_of_any_type)
{
    for (int type = FERRY_MSG_HUP; type <= FERRY_MSG_FORGET_LEADER; type++) {
        const struct ferry_message msg = {.type = (enum ferry_message_type)type, .to = 1, .commit = 3};
        struct fy_encoder enc;

        fy_encoder_init(&enc, FY_CODEC_MSGAPPV2, FERRY_FORM_3_7);
        ck_assert_uint_eq(encode(&enc, &msg).data[0], FY_FRAME_ENTRIES);
    }
}
END_TEST

START_TEST(the_codecs_wrap_the_same_message)
{
    for (int i = 0; i < 1000; i++) {
        const struct ferry_message *msg = message_random(&pool, 2);
        const enum ferry_wire_form form = (enum ferry_wire_form)(random() % 3);
        Raftpb__Message *pb = message_to_protobuf(&pool, msg, form);
        size_t len = raftpb__message__get_packed_size(pb);
        uint8_t *expected = pool_take(&pool, 1, len);
        struct fy_encoder enc;
        struct ferry_bytes bytes;

        raftpb__message__pack(pb, expected);
        fy_encoder_init(&enc, FY_CODEC_BARE, form);
        bytes = encode(&enc, msg);
        ck_assert_uint_eq(bytes.len, len);
        ck_assert_mem_eq(bytes.data, expected, len);

        fy_encoder_init(&enc, FY_CODEC_MESSAGE, form);
        bytes = encode(&enc, msg);
        ck_assert_uint_eq(bytes.len, 8 + len);
        ck_assert_uint_eq(fy_be64_get(bytes.data), len);
        ck_assert_mem_eq(bytes.data + 8, expected, len);

        fy_encoder_init(&enc, FY_CODEC_MSGAPPV2, form);
        enc.index = msg->index + 1; /* so that it does not fit */
        bytes = encode(&enc, msg);
        if (bytes.data[0] != FY_FRAME_HEARTBEAT) {
            ck_assert_uint_eq(bytes.len, 9 + len);
            ck_assert_uint_eq(bytes.data[0], FY_FRAME_MESSAGE);
            ck_assert_uint_eq(fy_be64_get(bytes.data + 1), len);
            ck_assert_mem_eq(bytes.data + 9, expected, len);
        }
        pool_release(&pool);
    }
}
END_TEST

START_TEST(a_frame_can_be_read_in_pieces_of_any_size)
{
    for (int i = 0; i < 1000; i++) {
        const struct ferry_message *msg = message_random(&pool, 1);
        const enum ferry_wire_form form = (enum ferry_wire_form)(random() % 3);
        struct fy_outgoing *out = pack(msg, form);
        struct fy_encoder enc;
        struct fy_encoder again;
        struct ferry_bytes expected;
        uint8_t *bytes;
        size_t at = 0;

        fy_encoder_init(&enc, (enum fy_codec)(random() % 3), form);
        if (random() % 2 == 0) { /* so that it fits */
            enc.term = msg->term;
            enc.index = msg->index;
        }
        again = enc;
        fy_encoder_start(&enc, out);
        expected = read_whole(&enc);
        bytes = pool_take(&pool, 1, expected.len);

        fy_encoder_start(&again, out);
        while (fy_encoder_left(&again) > 0) {
            size_t left = fy_encoder_left(&again);
            size_t cap = random() % 2 ? (size_t)random() % 3 : (size_t)random() % (left + 2);
            size_t n = cap < left ? cap : left;

            ck_assert_uint_eq(left, expected.len - at);
            ck_assert_uint_eq(fy_encoder_read(&again, bytes + at, n), n);
            at += n;
        }
        ck_assert_uint_eq(at, expected.len);
        ck_assert_mem_eq(bytes, expected.data, at);
        fy_outgoing_free(out);
        pool_release(&pool);
    }
}
END_TEST

/* A message that is long enough for runs to be lent. */
static const struct ferry_message *long_message(void)
{
    struct ferry_message *msg = pool_take(&pool, 1, sizeof(*msg));
    size_t n = 1 + (size_t)random() % 4;
    struct ferry_entry *entries = pool_take(&pool, n, sizeof(*entries));

    for (size_t i = 0; i < n; i++) {
        size_t len = (size_t)random() % (3 * FY_GATHER_MIN_LENT);
        uint8_t *data = pool_take(&pool, 1, len);

        for (size_t k = 0; k < len; k++)
            data[k] = (uint8_t)random();
        entries[i] = (struct ferry_entry){.term = 1, .index = i + 1, .data = {data, len}};
    }
    *msg = (struct ferry_message){
        .type = FERRY_MSG_APP, .term = 1, .log_term = 1, .entries = entries, .n_entries = n, .commit = 300};
    return msg;
}

static size_t join(const struct fy_gather *g, uint8_t *bytes)
{
    size_t len = 0;

    for (size_t i = 0; i < g->n_runs; i++) {
        memcpy(bytes + len, g->runs[i].iov_base, g->runs[i].iov_len);
        len += g->runs[i].iov_len;
    }
    ck_assert_uint_eq(len, g->len);
    return len;
}

/* Shown by a copy that runs ahead, in as many runs and with as much room as there happens to be; then it is taken. */
START_TEST(a_frame_can_be_shown_ahead_of_what_is_taken)
{
    for (int i = 0; i < 3000; i++) {
        const struct ferry_message *msg = random() % 2 ? long_message() : message_random(&pool, 2);
        const enum ferry_wire_form form = (enum ferry_wire_form)(random() % 3);
        struct fy_outgoing *out = pack(msg, form);
        struct fy_encoder enc, ahead;
        struct ferry_bytes expected;
        uint8_t room[500], *bytes;
        size_t at = 0;

        fy_encoder_init(&enc, (enum fy_codec)(random() % 3), form);
        if (random() % 2 == 0) { /* so that it fits */
            enc.term = msg->term;
            enc.index = msg->index;
        }
        ahead = enc;
        fy_encoder_start(&ahead, out);
        expected = read_whole(&ahead);
        bytes = pool_take(&pool, 1, expected.len);
        fy_encoder_start(&enc, out);
        while (fy_encoder_left(&enc) > 0) {
            struct iovec runs[3];
            struct fy_gather g = fy_gather_runs(runs, 1 + (size_t)random() % 3, room, 1 + (size_t)random() % 500,
                                                1 + (size_t)random() % 10000);
            size_t n;

            fy_encoder_copy(&ahead, &enc);
            fy_encoder_gather(&ahead, &g);
            n = join(&g, bytes);
            ck_assert_uint_gt(n, 0);
            ck_assert_uint_eq(fy_encoder_left(&ahead), fy_encoder_left(&enc) - n);
            ck_assert_mem_eq(bytes, expected.data + at, n);
            n = random() % 2 ? n : (size_t)random() % (n + 1);
            fy_encoder_skip(&enc, n);
            at += n;
            ck_assert_uint_eq(fy_encoder_left(&enc), expected.len - at);
        }
        fy_outgoing_free(out);
        pool_release(&pool);
    }
}
END_TEST

START_TEST(reading_allocates_nothing)
{
    struct fy_outgoing *out = pack(message_random(&pool, 2), FERRY_FORM_3_4);
    uint8_t *bytes = pool_take(&pool, 1, out->packed_len + 100);
    struct fy_encoder enc;
    size_t largest;

    for (int codec = FY_CODEC_MESSAGE; codec <= FY_CODEC_BARE; codec++) {
        heap_reset_largest();
        fy_encoder_init(&enc, (enum fy_codec)codec, FERRY_FORM_3_4);
        fy_encoder_start(&enc, out);
        while (fy_encoder_read(&enc, bytes, 7) == 7)
            ;
        largest = heap_largest();
        ck_assert_uint_eq(largest, 0);
    }
    fy_outgoing_free(out);
}
END_TEST

int main(void)
{
    return rig_main("encoder", setup, teardown, a_link_heartbeat_is_the_frame_of_a_heartbeat_of_zeros,
                    the_state_decides_between_compact_and_full, a_fresh_state_fits_a_message_of_zeros_of_any_type,
                    the_codecs_wrap_the_same_message, a_frame_can_be_read_in_pieces_of_any_size,
                    a_frame_can_be_shown_ahead_of_what_is_taken, reading_allocates_nothing, NULL);
}
