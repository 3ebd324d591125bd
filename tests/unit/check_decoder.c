/*
 * check_decoder - streams of frames: round trips, limits, and damaged input.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/messages.h"
#include "harness/rig.h"
#include "wire/be64.h"
#include "wire/decoder.h"
#include "wire/message.h"
#include "wire/protobuf.h"

#define LOCAL 0x11
#define REMOTE 0x22
#define MIB ((size_t)1 << 20)
#define PAGE 4096 /* what the memory of a frame may be longer */

static struct pool pool;

static void setup(void)
{
    heap_setup();
    srandom(29);
}

static void teardown(void)
{
    pool_release(&pool);
    heap_teardown();
}

/* Feed all of bytes in pieces of n until an error; messages are let go.  Returns it, or what the end is. */
static int feed_all(struct fy_decoder *dec, struct ferry_bytes bytes, size_t n)
{
    for (size_t at = 0; at < bytes.len;) {
        const struct ferry_message *msg = NULL;
        size_t len = bytes.len - at < n ? bytes.len - at : n;
        size_t frame_len;
        size_t used;
        int ret = fy_decoder_feed(dec, bytes.data + at, len, &used, &msg, &frame_len);

        if (ret < 0)
            return ret;
        if (ret == FY_DECODED_MESSAGE)
            ferry_message_unref(msg);
        at += used;
    }
    return fy_decoder_end(dec);
}

#define BYTES(...) ((struct ferry_bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static void assert_refused(enum fy_codec codec, size_t max_bytes, struct ferry_bytes bytes, int expected)
{
    for (size_t n = 1; n <= bytes.len; n++) {
        struct fy_decoder dec;
        size_t largest;
        int err;

        fy_decoder_init(&dec, codec, LOCAL, REMOTE, max_bytes);
        heap_reset_largest();
        err = feed_all(&dec, bytes, n);
        largest = heap_largest();
        fy_decoder_release(&dec);
        ck_assert_msg(err == expected, "%s, not %s", ferry_strerror(err), ferry_strerror(expected));
        ck_assert_uint_le(largest, 256);
    }
}

/* ---- Round trips ---- */

/* What a message becomes on its way: a compact frame keeps little. */
static struct ferry_message sent_as(const struct ferry_message *msg, const struct fy_encoder *before)
{
    if (before->codec == FY_CODEC_MSGAPPV2 && before->index == msg->index && before->term == msg->log_term &&
        msg->log_term == msg->term)
        return (struct ferry_message){.type = FERRY_MSG_APP,
                                      .to = LOCAL,
                                      .from = REMOTE,
                                      .term = msg->term,
                                      .log_term = msg->log_term,
                                      .index = msg->index,
                                      .entries = msg->entries,
                                      .n_entries = msg->n_entries,
                                      .commit = msg->commit};
    return *msg;
}

static struct ferry_message *next_message(const struct fy_encoder *enc)
{
    struct ferry_message *msg = message_random(&pool, 2);

    if (random() % 2 == 0) { /* one that follows: compact on msgappv2 */
        msg->term = msg->log_term = enc->term;
        msg->index = enc->index;
    }
    if (random() % 10 == 0) { /* a link heartbeat */
        *msg = (struct ferry_message){.type = FERRY_MSG_HEARTBEAT};
    }
    return msg;
}

/* Through the wire and back, read and fed in random pieces. */
static void assert_round_trip(struct fy_encoder *enc, struct fy_decoder *dec, const struct ferry_message *msg)
{
    const bool is_heartbeat = fy_message_is_link_heartbeat(msg);
    const struct ferry_message expected = sent_as(msg, enc);
    const struct ferry_message *got = NULL;
    struct fy_outgoing *out;
    uint8_t bytes[512];
    size_t total = 0;
    size_t frame_len = 0;
    int ret = FY_DECODED_NOTHING;

    ck_assert_int_eq(fy_outgoing_new(msg, enc->form, 16 * MIB, &out), FERRY_OK);
    fy_encoder_start(enc, out);
    while (ret == FY_DECODED_NOTHING && fy_encoder_left(enc) > 0) {
        size_t n = fy_encoder_read(enc, bytes, 1 + (size_t)random() % sizeof(bytes));
        size_t used;

        ret = fy_decoder_feed(dec, bytes, n, &used, &got, &frame_len);
        ck_assert_msg(ret >= 0, "%s", ferry_strerror(ret));
        ck_assert_uint_eq(used, n);
        total += n;
    }
    fy_outgoing_free(out);
    ck_assert_uint_eq(fy_encoder_left(enc), 0);
    ck_assert_uint_eq(frame_len, total);
    ck_assert_int_eq(fy_decoder_end(dec), FERRY_OK);
    if (is_heartbeat) {
        ck_assert_int_eq(ret, FY_DECODED_HEARTBEAT);
    } else {
        const char *difference;

        ck_assert_int_eq(ret, FY_DECODED_MESSAGE);
        difference = message_difference(&expected, got);
        ck_assert_msg(!difference, "%s differs", difference);
        ferry_message_unref(got);
    }
    if (enc->codec == FY_CODEC_MSGAPPV2) {
        ck_assert_uint_eq(dec->term, enc->term);
        ck_assert_uint_eq(dec->index, enc->index);
    }
}

START_TEST(thousands_of_random_messages_come_through_in_every_form_and_codec)
{
    for (int codec = FY_CODEC_MESSAGE; codec <= FY_CODEC_MSGAPPV2; codec++) {
        for (int form = FERRY_FORM_3_4; form <= FERRY_FORM_3_7; form++) {
            struct fy_encoder enc;
            struct fy_decoder dec;

            fy_encoder_init(&enc, (enum fy_codec)codec, (enum ferry_wire_form)form);
            fy_decoder_init(&dec, (enum fy_codec)codec, LOCAL, REMOTE, 16 * MIB);
            for (int i = 0; i < 3000; i++) {
                assert_round_trip(&enc, &dec, next_message(&enc));
                pool_release(&pool);
            }
            fy_decoder_release(&dec);
        }
    }
}
END_TEST

START_TEST(frames_back_to_back_are_taken_one_at_a_time)
{
    const struct ferry_bytes bytes =
        BYTES(0, 0, 0, 0, 0, 0, 0, 2, 8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 8, 8, 0, 0, 0);
    const size_t lens[] = {10, 8, 10, 3};
    const int rets[] = {FY_DECODED_MESSAGE, FY_DECODED_MESSAGE, FY_DECODED_HEARTBEAT, FY_DECODED_NOTHING};
    struct fy_decoder dec;
    size_t at = 0;

    fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, MIB);
    for (size_t i = 0; i < 4; i++) {
        const struct ferry_message *msg = NULL;
        size_t frame_len = 3;
        size_t used;

        ck_assert_int_eq(fy_decoder_end(&dec), FERRY_OK);
        ck_assert_int_eq(fy_decoder_feed(&dec, bytes.data + at, bytes.len - at, &used, &msg, &frame_len), rets[i]);
        ck_assert_uint_eq(used, lens[i]);
        ck_assert_uint_eq(frame_len, lens[i]);
        ferry_message_unref(msg);
        at += used;
    }
    ck_assert_int_eq(fy_decoder_end(&dec), FERRY_ERR_TRUNCATED);
    fy_decoder_release(&dec);
}
END_TEST

START_TEST(no_input_is_no_frame)
{
    struct fy_decoder dec;
    const struct ferry_message *msg;
    size_t used = 1;
    size_t frame_len;

    fy_decoder_init(&dec, FY_CODEC_MSGAPPV2, LOCAL, REMOTE, MIB);
    ck_assert_int_eq(fy_decoder_feed(&dec, NULL, 0, &used, &msg, &frame_len), FY_DECODED_NOTHING);
    ck_assert_uint_eq(used, 0);
    ck_assert_int_eq(fy_decoder_end(&dec), FERRY_OK);
    fy_decoder_release(&dec);
}
END_TEST

START_TEST(a_heartbeat_on_msgappv2_can_also_come_as_a_full_frame)
{
    const struct ferry_bytes bytes = BYTES(2, 0, 0, 0, 0, 0, 0, 0, 6, 8, 8, 0x20, 5, 0x30, 7);
    const struct ferry_message *msg;
    struct fy_decoder dec;
    size_t used;
    size_t frame_len;

    fy_decoder_init(&dec, FY_CODEC_MSGAPPV2, LOCAL, REMOTE, MIB);
    ck_assert_int_eq(fy_decoder_feed(&dec, bytes.data, bytes.len, &used, &msg, &frame_len), FY_DECODED_HEARTBEAT);
    ck_assert_uint_eq(dec.term, 5); /* as etcd's decoder does: the reader drops it later */
    ck_assert_uint_eq(dec.index, 7);
    fy_decoder_release(&dec);
}
END_TEST

/* ---- Limits ---- */

START_TEST(lengths_are_held_against_the_limit_before_their_bytes_come)
{
    assert_refused(FY_CODEC_MESSAGE, 100, BYTES(0, 0, 0, 0, 0, 0, 0, 101), FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MESSAGE, 100, BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MESSAGE, SIZE_MAX, BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
                   FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MESSAGE, SIZE_MAX, BYTES(0x80, 0, 0, 0, 0, 0, 0, 0), FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MSGAPPV2, 100, BYTES(2, 0, 0, 0, 0, 0, 0, 0, 101), FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MSGAPPV2, SIZE_MAX, BYTES(2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
                   FERRY_ERR_TOO_LARGE);
    /* a count whose entries, or whose lengths, would not fit */
    assert_refused(FY_CODEC_MSGAPPV2, 1000, BYTES(1, 0, 0, 0, 0, 0, 0, 0, 26), FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MSGAPPV2, 1000, BYTES(1, 0x20, 0, 0, 0, 0, 0, 0, 0), FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MSGAPPV2, SIZE_MAX, BYTES(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
                   FERRY_ERR_TOO_LARGE);
    /* an entry, alone and together with those before it */
    assert_refused(FY_CODEC_MSGAPPV2, 200, BYTES(1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 201),
                   FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MSGAPPV2, 200,
                   BYTES(1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 180),
                   FERRY_ERR_TOO_LARGE);
    assert_refused(FY_CODEC_MSGAPPV2, SIZE_MAX,
                   BYTES(1, 0, 0, 0, 0, 0, 0, 0, 2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
                   FERRY_ERR_TOO_LARGE);
}
END_TEST

START_TEST(the_limit_on_lengths_is_exact)
{
    const uint8_t context[] = {0x62, 98};
    uint8_t bytes[8 + 100] = {0, 0, 0, 0, 0, 0, 0, 100};
    const size_t memory = 3 * sizeof(size_t) + sizeof(struct ferry_message) + 98;
    struct fy_decoder dec;

    memcpy(bytes + 8, context, sizeof(context));
    for (size_t max = memory - 1; max <= memory; max++) {
        fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, max);
        ck_assert_int_eq(feed_all(&dec, (struct ferry_bytes){bytes, sizeof(bytes)}, 50),
                         max < memory ? FERRY_ERR_TOO_LARGE : FERRY_OK);
        fy_decoder_release(&dec);
    }
    /* on the wire a hundred bytes pass, and it is their memory that does not */
    assert_refused(FY_CODEC_MESSAGE, 100, (struct ferry_bytes){bytes, sizeof(bytes)}, FERRY_ERR_TOO_LARGE);
}
END_TEST

START_TEST(empty_entries_meet_the_limit_of_memory)
{
    enum { N = 100000 };
    const size_t len = 1 + 8 + (size_t)8 * N + 8;
    const size_t memory = 3 * sizeof(size_t) + sizeof(struct ferry_message) + sizeof(struct ferry_entry) * N;
    uint8_t *bytes = pool_take(&pool, 1, len);
    struct fy_decoder dec;
    size_t largest;
    int err;

    bytes[0] = FY_FRAME_ENTRIES;
    fy_be64_put(bytes + 1, N);
    fy_decoder_init(&dec, FY_CODEC_MSGAPPV2, LOCAL, REMOTE, memory);
    ck_assert_int_eq(feed_all(&dec, (struct ferry_bytes){bytes, len}, 1000), FERRY_OK);
    fy_decoder_release(&dec);

    for (size_t n = 1; n <= len; n += len - 1) { /* byte by byte, and whole */
        fy_decoder_init(&dec, FY_CODEC_MSGAPPV2, LOCAL, REMOTE, MIB);
        heap_reset_largest();
        err = feed_all(&dec, (struct ferry_bytes){bytes, len}, n);
        largest = heap_largest();
        fy_decoder_release(&dec);
        ck_assert_int_eq(err, FERRY_ERR_TOO_LARGE);
        ck_assert_uint_le(largest, 256);
    }
}
END_TEST

START_TEST(a_buffer_grows_with_what_arrives_and_goes_with_its_frame)
{
    const size_t len = 8 * MIB;
    uint8_t *bytes = pool_take(&pool, 1, 8 + len);
    const struct ferry_message *msg = NULL;
    struct fy_decoder dec;
    size_t frame_len;
    size_t used;
    size_t largest;
    long live;

    fy_be64_put(bytes, len);
    bytes[8] = 0x7a; /* an unknown field, which takes all of the message */
    fy_pb_put_varint(bytes + 9, len - 5);
    live = heap_live();
    fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, 64 * MIB);
    for (size_t at = 0; at + 1000 < len; at += 1000) {
        heap_reset_largest();
        ck_assert_int_eq(fy_decoder_feed(&dec, bytes + at, 1000, &used, &msg, &frame_len), FY_DECODED_NOTHING);
        largest = heap_largest();
        if (largest > 4096)
            ck_assert_uint_le(largest, 2 * (at + 1000) + PAGE);
    }
    fy_decoder_release(&dec);
    ck_assert_int_eq(heap_live(), live);

    fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, 64 * MIB);
    ck_assert_int_eq(fy_decoder_feed(&dec, bytes, len, &used, &msg, &frame_len), FY_DECODED_NOTHING);
    ck_assert_int_eq(fy_decoder_end(&dec), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(heap_live(), live + 2); /* and the store that it is of */
    ck_assert_int_eq(fy_decoder_feed(&dec, bytes + len, 8, &used, &msg, &frame_len), FY_DECODED_MESSAGE);
    ck_assert_uint_eq(used, 8);
    ck_assert_int_eq(heap_live(), live + 2); /* the store and the message, which needs none of it: the buffer is gone */
    ck_assert_uint_lt(fy_message_memory(msg), 256);
    ferry_message_unref(msg);
    fy_decoder_release(&dec);
}
END_TEST

/* ---- Long frames ---- */

/* A full frame of one entry with size bytes of data, in the pool. */
static struct ferry_bytes long_frame(size_t size)
{
    uint8_t *data = pool_take(&pool, 1, size);
    const struct ferry_entry entry = {.term = 1, .index = 1, .data = {data, size}};
    const struct ferry_message msg = {.type = FERRY_MSG_APP, .term = 1, .entries = &entry, .n_entries = 1};
    uint8_t *bytes = pool_take(&pool, 1, size + 256);
    struct fy_outgoing *out;
    struct fy_encoder enc;
    size_t len;

    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    ck_assert_int_eq(fy_outgoing_new(&msg, FERRY_FORM_3_7, 16 * MIB, &out), FERRY_OK);
    fy_encoder_init(&enc, FY_CODEC_MESSAGE, FERRY_FORM_3_7);
    fy_encoder_start(&enc, out);
    len = fy_encoder_read(&enc, bytes, size + 256);
    fy_outgoing_free(out);
    return (struct ferry_bytes){bytes, len};
}

static void assert_carries(const struct ferry_message *msg, size_t size)
{
    ck_assert_uint_eq(msg->n_entries, 1);
    ck_assert_uint_eq(msg->entries[0].data.len, size);
    for (size_t i = 0; i < size; i++)
        if (msg->entries[0].data.data[i] != (uint8_t)(i * 7 + (i >> 8)))
            ck_abort_msg("byte %zu is another", i);
}

/* Feed bytes, as far as the decoder says where from there, else from where they are; in pieces of n. */
static const struct ferry_message *feed_placed(struct fy_decoder *dec, struct ferry_bytes bytes, size_t n,
                                               size_t *ret_placed)
{
    const struct ferry_message *msg = NULL;
    int ret = FY_DECODED_NOTHING;

    *ret_placed = 0;
    for (size_t at = 0; at < bytes.len;) {
        size_t len = bytes.len - at < n ? bytes.len - at : n;
        const uint8_t *from = bytes.data + at;
        size_t cap = 0;
        size_t frame_len;
        size_t used;
        uint8_t *to = fy_decoder_room(dec, &cap);

        ck_assert_int_eq(ret, FY_DECODED_NOTHING);
        if (to) {
            ck_assert_uint_gt(cap, 0);
            len = len < cap ? len : cap;
            memcpy(to, from, len);
            from = to;
            *ret_placed += len;
        }
        ret = fy_decoder_feed(dec, from, len, &used, &msg, &frame_len);
        ck_assert_msg(ret >= 0, "%s", ferry_strerror(ret));
        ck_assert_uint_eq(used, len);
        at += len;
    }
    ck_assert_int_eq(ret, FY_DECODED_MESSAGE);
    return msg;
}

START_TEST(a_message_lives_on_in_the_memory_of_its_long_frame)
{
    const struct ferry_bytes bytes = long_frame(MIB);

    for (size_t n = 1000; n <= 2 * MIB; n *= 5) { /* in pieces, and whole */
        const struct ferry_message *msg;
        struct fy_decoder dec;
        size_t n_placed;
        size_t memory;

        fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, 2 * MIB);
        msg = feed_placed(&dec, bytes, n, &n_placed);
        memory = fy_message_memory(msg);
        ck_assert_uint_ge(memory, bytes.len);
        ck_assert_uint_le(memory, bytes.len + 2 * (size_t)PAGE);
        if (n < MIB / 2) { /* the first bytes come from elsewhere, before anything is known of the frame */
            ck_assert_uint_ge(n_placed, bytes.len / 2);
        }
        fy_decoder_release(&dec);
        assert_carries(msg, MIB); /* the decoder is gone, and its store with it when the message goes */
        ferry_message_unref(msg);
    }
}
END_TEST

START_TEST(a_long_frame_takes_the_memory_of_the_one_before)
{
    const struct ferry_bytes bytes = long_frame(MIB);
    const struct ferry_message *msg;
    struct fy_decoder dec;
    size_t n_placed;
    size_t largest;
    long live;

    fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, 2 * MIB);
    msg = feed_placed(&dec, bytes, 10000, &n_placed);
    ferry_message_unref(msg);
    live = heap_live();
    heap_reset_largest();
    msg = feed_placed(&dec, bytes, 10000, &n_placed);
    largest = heap_largest();
    ck_assert_uint_lt(largest, 1000); /* the block of the message alone */
    assert_carries(msg, MIB);
    ferry_message_unref(msg);
    fy_decoder_trim(&dec);
    ck_assert_int_eq(heap_live(), live); /* it was of use */
    fy_decoder_trim(&dec);
    ck_assert_int_eq(heap_live(), live - 1);
    fy_decoder_release(&dec);
}
END_TEST

START_TEST(the_place_for_a_frame_is_at_most_a_little_ahead_of_what_came)
{
    const struct ferry_bytes bytes = long_frame(4 * MIB);
    const struct ferry_message *msg = NULL;
    struct fy_decoder dec;
    size_t largest;
    size_t cap;
    size_t used;
    size_t frame_len;

    fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, 16 * MIB);
    ck_assert_ptr_null(fy_decoder_room(&dec, &cap)); /* nothing came */
    heap_reset_largest();
    ck_assert_int_eq(fy_decoder_feed(&dec, bytes.data, 100, &used, &msg, &frame_len), FY_DECODED_NOTHING);
    ck_assert_ptr_nonnull(fy_decoder_room(&dec, &cap));
    largest = heap_largest();
    ck_assert_uint_le(largest, 7 * (size_t)PAGE);
    fy_decoder_release(&dec);
}
END_TEST

START_TEST(a_frame_that_is_too_large_to_keep_within_the_limit_is_copied_from)
{
    const struct ferry_bytes bytes = long_frame(20000);
    const size_t exact = 3 * sizeof(size_t) + sizeof(struct ferry_message) + sizeof(struct ferry_entry) + 20000;
    const struct ferry_message *msg;
    struct fy_decoder dec;
    size_t n_placed;

    fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, exact);
    msg = feed_placed(&dec, bytes, 1000, &n_placed);
    ck_assert_uint_eq(fy_message_memory(msg), exact);
    assert_carries(msg, 20000);
    ferry_message_unref(msg);
    fy_decoder_release(&dec);
}
END_TEST

START_TEST(long_frames_survive_every_failed_allocation)
{
    const struct ferry_bytes bytes = long_frame(100000);

    for (size_t n = 3000; n <= 300000; n *= 10) {
        bool has_failed = true;

        for (long nth = 0; has_failed; nth++) {
            struct fy_decoder dec;
            size_t cap;
            int err = FERRY_OK;

            fy_decoder_init(&dec, FY_CODEC_MESSAGE, LOCAL, REMOTE, MIB);
            heap_fail_at(nth);
            for (size_t at = 0; at < bytes.len && (err == FERRY_OK || err == FERRY_ERR_TRUNCATED); at += n) {
                err = feed_all(&dec, (struct ferry_bytes){bytes.data + at, bytes.len - at < n ? bytes.len - at : n}, n);
                if (err == FERRY_ERR_TRUNCATED)
                    (void)fy_decoder_room(&dec, &cap); /* what it could not have is told by feeding */
            }
            has_failed = heap_has_failed();
            heap_fail_at(-1);
            fy_decoder_release(&dec);
            ck_assert(err == FERRY_OK || (has_failed && err == FERRY_ERR_NOMEM));
        }
    }
}
END_TEST

START_TEST(a_whole_frame_is_decoded_where_it_lies)
{
    const struct ferry_bytes bytes = BYTES(2, 0, 0, 0, 0, 0, 0, 0, 4, 8, 3, 0x3a, 0);
    const struct ferry_message *msg;
    struct fy_decoder dec;
    size_t frame_len;
    size_t used;
    long live = heap_live();

    fy_decoder_init(&dec, FY_CODEC_MSGAPPV2, LOCAL, REMOTE, MIB);
    ck_assert_int_eq(fy_decoder_feed(&dec, bytes.data, bytes.len, &used, &msg, &frame_len), FY_DECODED_MESSAGE);
    ck_assert_int_eq(heap_live(), live + 1);
    ferry_message_unref(msg);
    fy_decoder_release(&dec);
}
END_TEST

/* ---- Damage ---- */

START_TEST(bad_frames_are_named)
{
    for (int type = 3; type < 256; type++)
        assert_refused(FY_CODEC_MSGAPPV2, MIB, BYTES((uint8_t)type), FERRY_ERR_FRAME_TYPE);
    assert_refused(FY_CODEC_MSGAPPV2, MIB, BYTES(2, 0, 0, 0, 0, 0, 0, 0, 1, 0xff), FERRY_ERR_MALFORMED);
    assert_refused(FY_CODEC_MSGAPPV2, MIB,
                   BYTES(1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 0, 0),
                   FERRY_ERR_MALFORMED);
    assert_refused(FY_CODEC_MESSAGE, MIB, BYTES(0, 0, 0, 0, 0, 0, 0, 1, 0), FERRY_ERR_MALFORMED);
    assert_refused(FY_CODEC_MESSAGE, MIB, BYTES(0, 0, 0, 0, 0, 0, 0, 1), FERRY_ERR_TRUNCATED);
    assert_refused(FY_CODEC_MESSAGE, MIB, BYTES(0), FERRY_ERR_TRUNCATED);
    assert_refused(FY_CODEC_MSGAPPV2, MIB, BYTES(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), FERRY_ERR_TRUNCATED);
    assert_refused(FY_CODEC_MESSAGE, MIB,
                   BYTES(0, 0, 0, 0, 0, 0, 0, 36, 0x72, 34, 0x72, 32, 0x72, 30, 0x72, 28, 0x72, 26, 0x72, 24, 0x72, 22,
                         0x72, 20, 0x72, 18, 0x72, 16, 0x72, 14, 0x72, 12, 0x72, 10, 0x72, 8, 0x72, 6, 0x72, 4, 0x72, 2,
                         0x72, 0),
                   FERRY_ERR_DEPTH);
}
END_TEST

/* A stream of some frames, in the pool. */
static struct ferry_bytes random_stream(enum fy_codec codec)
{
    const size_t cap = 4 * MIB;
    uint8_t *bytes = pool_take(&pool, 1, cap);
    struct fy_encoder enc;
    size_t len = 0;

    fy_encoder_init(&enc, codec, (enum ferry_wire_form)(random() % 3));
    for (int i = 0; i < 5; i++) {
        struct fy_outgoing *out;

        ck_assert_int_eq(fy_outgoing_new(next_message(&enc), enc.form, MIB / 2, &out), FERRY_OK);
        fy_encoder_start(&enc, out);
        len += fy_encoder_read(&enc, bytes + len, cap - len);
        fy_outgoing_free(out);
    }
    return (struct ferry_bytes){bytes, len};
}

START_TEST(damaged_streams_end_in_an_error_or_in_messages)
{
    size_t n_errors = 0;

    for (int i = 0; i < 200; i++) {
        const enum fy_codec codec = random() % 2 ? FY_CODEC_MESSAGE : FY_CODEC_MSGAPPV2;
        const struct ferry_bytes whole = random_stream(codec);

        for (int k = 0; k < 20; k++) {
            size_t len = random() % 4 == 0 ? 1 + (size_t)random() % whole.len : whole.len;
            uint8_t *bytes = malloc(len); /* exact, so that a reader past its end meets the sanitizer */
            struct fy_decoder dec;
            size_t largest;
            int err;

            memcpy(bytes, whole.data, len);
            for (long n = 1 + random() % 4; n > 0; n--)
                bytes[(size_t)random() % len] ^= (uint8_t)(1 << random() % 8);
            fy_decoder_init(&dec, codec, LOCAL, REMOTE, 16 * MIB);
            heap_reset_largest();
            err = feed_all(&dec, (struct ferry_bytes){bytes, len}, 1 + (size_t)random() % len);
            largest = heap_largest();
            fy_decoder_release(&dec);
            free(bytes);
            n_errors += err != FERRY_OK;
            ck_assert(err == FERRY_OK || err == FERRY_ERR_TOO_LARGE || err == FERRY_ERR_MALFORMED ||
                      err == FERRY_ERR_DEPTH || err == FERRY_ERR_FRAME_TYPE || err == FERRY_ERR_TRUNCATED);
            ck_assert_uint_le(largest, sizeof(struct ferry_message) * (len + 2));
        }
        pool_release(&pool);
    }
    ck_assert_uint_gt(n_errors, 100);
}
END_TEST

START_TEST(decoding_survives_every_failed_allocation)
{
    for (int codec = FY_CODEC_MESSAGE; codec <= FY_CODEC_MSGAPPV2; codec++) {
        const struct ferry_bytes bytes = random_stream((enum fy_codec)codec);

        for (size_t n = 1; n <= bytes.len; n = n * 3 + 1) {
            int err = FERRY_ERR_NOMEM;
            bool has_failed = true;

            for (long nth = 0; has_failed; nth++) {
                struct fy_decoder dec;

                fy_decoder_init(&dec, (enum fy_codec)codec, LOCAL, REMOTE, MIB);
                heap_fail_at(nth);
                err = feed_all(&dec, bytes, n);
                has_failed = heap_has_failed();
                heap_fail_at(-1);
                fy_decoder_release(&dec);
                ck_assert_int_eq(err, has_failed ? FERRY_ERR_NOMEM : FERRY_OK);
            }
        }
    }
}
END_TEST

int main(void)
{
    rig_step_aside();
    return rig_main("decoder", setup, teardown, thousands_of_random_messages_come_through_in_every_form_and_codec,
                    frames_back_to_back_are_taken_one_at_a_time, no_input_is_no_frame,
                    a_heartbeat_on_msgappv2_can_also_come_as_a_full_frame,
                    lengths_are_held_against_the_limit_before_their_bytes_come, the_limit_on_lengths_is_exact,
                    empty_entries_meet_the_limit_of_memory, a_buffer_grows_with_what_arrives_and_goes_with_its_frame,
                    a_message_lives_on_in_the_memory_of_its_long_frame, a_long_frame_takes_the_memory_of_the_one_before,
                    the_place_for_a_frame_is_at_most_a_little_ahead_of_what_came,
                    a_frame_that_is_too_large_to_keep_within_the_limit_is_copied_from,
                    long_frames_survive_every_failed_allocation, a_whole_frame_is_decoded_where_it_lies,
                    bad_frames_are_named, damaged_streams_end_in_an_error_or_in_messages,
                    decoding_survives_every_failed_allocation, NULL);
}
