/*
 * check_mail_frame - frames of messages and answers: what goes in comes out, and nothing damaged does.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/mail_frame.h"

#define TEXT(literal) ((struct ferry_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

static uint8_t frame[2048];
static size_t frame_len;
static struct fy_mail_head head, seen;
static struct fy_mail_answer answer, seen_answer;

static void setup(void)
{
    heap_setup();
    head = (struct fy_mail_head){
        .flags = FY_MAIL_DURABLE,
        .packing = 1,
        .hops = 2,
        .attempt = 3,
        .sequence = UINT64_C(0x0102030405060708),
        .incarnation = UINT64_C(0x1112131415161718),
        .cluster = UINT64_C(0x2122232425262728),
        .in_reply_to = 77,
        .remaining_ms = 1500,
        .plain_len = 4000,
        .sender = TEXT("central"),
        .receiver = TEXT("ship1"),
        .subject = TEXT("files"),
        .method = TEXT("append"),
        .reply_method = TEXT("log"),
        .payload = TEXT("payload"),
    };
    answer = (struct fy_mail_answer){
        .status = FY_MAIL_HANDLER_FAILED,
        .flags = FY_MAIL_ANSWER_DONE,
        .sequence = 5,
        .incarnation = UINT64_MAX,
        .attempt = 65535,
        .retry_after_ms = 250,
        .code = -7,
        .body = TEXT("no such file"),
    };
}

static void teardown(void)
{
    heap_teardown();
}

static void write_message(void)
{
    ck_assert_int_eq(fy_mail_frame_size(&head, &frame_len), FERRY_OK);
    ck_assert_uint_le(frame_len, sizeof(frame));
    fy_mail_frame_write(&head, frame);
}

static void write_answer(void)
{
    frame_len = fy_mail_answer_size(&answer);
    fy_mail_answer_write(&answer, frame);
}

static struct ferry_bytes bytes(void)
{
    return (struct ferry_bytes){frame, frame_len};
}

/* A header that was changed on purpose gets the checksum that belongs to it. */
static void seal(size_t header_len)
{
    uint32_t sum = (uint32_t)crc32(0, frame, (uInt)header_len - 4);

    for (int i = 0; i < 4; i++)
        frame[header_len - 4 + i] = (uint8_t)(sum >> (24 - 8 * i));
}

static void assert_same(struct ferry_bytes a, struct ferry_bytes b)
{
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_mem_eq(a.data, b.data, a.len);
}

static void assert_message(void)
{
    ck_assert_int_eq(fy_mail_frame_read(bytes(), &seen), FERRY_OK);
    ck_assert_uint_eq(seen.flags, head.flags);
    ck_assert_uint_eq(seen.packing, head.packing);
    ck_assert_uint_eq(seen.hops, head.hops);
    ck_assert_uint_eq(seen.attempt, head.attempt);
    ck_assert_uint_eq(seen.sequence, head.sequence);
    ck_assert_uint_eq(seen.incarnation, head.incarnation);
    ck_assert_uint_eq(seen.cluster, head.cluster);
    ck_assert_uint_eq(seen.in_reply_to, head.in_reply_to);
    ck_assert_uint_eq(seen.remaining_ms, head.remaining_ms);
    ck_assert_uint_eq(seen.plain_len, head.plain_len);
    assert_same(seen.sender, head.sender);
    assert_same(seen.receiver, head.receiver);
    assert_same(seen.subject, head.subject);
    assert_same(seen.method, head.method);
    assert_same(seen.reply_method, head.reply_method);
    assert_same(seen.payload, head.payload);
}

START_TEST(a_message_comes_back_as_it_went)
{
    write_message();
    ck_assert_mem_eq(frame, "FM\1\1", 4);
    assert_message();
    head.payload = head.reply_method = (struct ferry_bytes){NULL, 0};
    write_message();
    ck_assert_int_eq(fy_mail_frame_read(bytes(), &seen), FERRY_OK);
    ck_assert_uint_eq(seen.payload.len + seen.reply_method.len, 0);
}
END_TEST

START_TEST(the_payload_may_lie_where_it_has_to_go)
{
    const size_t names = strlen("central" "ship1" "files" "append" "log");

    memcpy(frame + FY_MAIL_HEADER_SIZE + names, "payload", 7);
    head.payload = (struct ferry_bytes){frame + FY_MAIL_HEADER_SIZE + names, 7};
    write_message();
    head.payload = TEXT("payload");
    assert_message();
}
END_TEST

START_TEST(a_stamp_changes_attempt_and_time_alone)
{
    write_message();
    fy_mail_frame_stamp(frame, head.attempt = 9, head.remaining_ms = FY_MAIL_NO_DEADLINE);
    assert_message();
    fy_mail_frame_stamp(frame, 1000000, 1);
    head.attempt = UINT16_MAX;
    head.remaining_ms = 1;
    assert_message();
}
END_TEST

START_TEST(names_are_neither_empty_nor_longer_than_a_byte_tells)
{
    static uint8_t name[FY_MAIL_MAX_NAME + 1];
    struct ferry_bytes *names[] = {&head.sender, &head.receiver, &head.subject, &head.method, &head.reply_method};

    for (size_t i = 0; i < 5; i++) {
        struct ferry_bytes old = *names[i];

        *names[i] = (struct ferry_bytes){name, sizeof(name)};
        ck_assert_int_eq(fy_mail_frame_size(&head, &frame_len), FERRY_ERR_INVALID);
        names[i]->len--;
        ck_assert_int_eq(fy_mail_frame_size(&head, &frame_len), FERRY_OK);
        names[i]->len = 0;
        ck_assert_int_eq(fy_mail_frame_size(&head, &frame_len), i < 4 ? FERRY_ERR_INVALID : FERRY_OK);
        *names[i] = old;
    }
    head.payload.len = (size_t)UINT32_MAX + 1;
    ck_assert_int_eq(fy_mail_frame_size(&head, &frame_len), FERRY_ERR_TOO_LARGE);
    head.payload.len = 7;
    for (size_t at = 8; at < 12; at++) { /* the same from a stranger */
        write_message();
        frame_len -= frame[at];
        memset(frame + FY_MAIL_HEADER_SIZE, 0, frame_len - FY_MAIL_HEADER_SIZE);
        frame[at] = 0;
        for (int i = 0; i < 4; i++)
            frame[60 + i] = (uint8_t)(crc32(0, frame + FY_MAIL_HEADER_SIZE, (uInt)(frame_len - FY_MAIL_HEADER_SIZE)) >>
                                      (24 - 8 * i));
        seal(FY_MAIL_HEADER_SIZE);
        ck_assert_int_eq(fy_mail_frame_read(bytes(), &seen), FERRY_ERR_MALFORMED);
    }
}
END_TEST

static int read_kind(int kind, struct ferry_bytes from)
{
    return kind == 0 ? fy_mail_frame_read(from, &seen) : fy_mail_answer_read(from, &seen_answer);
}

START_TEST(every_flipped_bit_and_every_cut_is_noticed)
{
    for (int kind = 0; kind < 2; kind++) {
        if (kind == 0)
            write_message();
        else
            write_answer();
        for (size_t bit = 0; bit < 8 * frame_len; bit++) {
            frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
            ck_assert_int_ne(read_kind(kind, bytes()), FERRY_OK);
            frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t len = 0; len < frame_len; len++) {
            uint8_t *exact = malloc(len + 1);
            struct ferry_bytes cut = {exact + 1, len};

            ck_assert_ptr_nonnull(exact);
            memcpy(exact + 1, frame, len);
            ck_assert_int_eq(read_kind(kind, cut), FERRY_ERR_TRUNCATED);
            free(exact);
        }
        frame_len++;
        ck_assert_int_eq(read_kind(kind, bytes()), FERRY_ERR_MALFORMED);
        ck_assert_int_eq(read_kind(1 - kind, bytes()), kind == 0 ? FERRY_ERR_MALFORMED : FERRY_ERR_TRUNCATED);
    }
}
END_TEST

START_TEST(what_an_answer_needs_is_told_of_a_frame_with_a_damaged_body)
{
    write_message();
    frame[frame_len - 1] ^= 1;
    ck_assert_int_eq(fy_mail_frame_read(bytes(), &seen), FERRY_ERR_MALFORMED);
    ck_assert_uint_eq(seen.sequence, head.sequence);
    ck_assert_uint_eq(seen.incarnation, head.incarnation);
    ck_assert_uint_eq(seen.attempt, head.attempt);
    frame[20] ^= 1;
    ck_assert_int_eq(fy_mail_frame_read(bytes(), &seen), FERRY_ERR_MALFORMED);
    ck_assert_uint_eq(seen.sequence, 0);
}
END_TEST

START_TEST(what_is_not_known_is_told_from_what_is_damaged)
{
    static const struct {
        size_t at;
        uint8_t value;
        int err;
    } changes[] = {
        {2, 2, FERRY_ERR_INCOMPATIBLE_VERSION}, {3, 2, FERRY_ERR_MALFORMED},   {4, 4, FERRY_ERR_INCOMPATIBLE_VERSION},
        {5, 3, FERRY_ERR_INCOMPATIBLE_VERSION}, {6, 0x10, FERRY_ERR_MALFORMED}, {7, 67, FERRY_ERR_MALFORMED},
        {0, 'f', FERRY_ERR_MALFORMED},          {52, 0xff, FERRY_ERR_TRUNCATED},
    };

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        write_message();
        frame[changes[i].at] = changes[i].value;
        seal(FY_MAIL_HEADER_SIZE);
        ck_assert_int_eq(fy_mail_frame_read(bytes(), &seen), changes[i].err);
    }
    for (int status = 0; status <= FY_MAIL_LAST_STATUS + 1; status += FY_MAIL_LAST_STATUS + 1) {
        write_answer();
        frame[4] = (uint8_t)status;
        seal(FY_MAIL_ANSWER_HEADER_SIZE);
        ck_assert_int_eq(fy_mail_answer_read(bytes(), &seen_answer), FERRY_ERR_INCOMPATIBLE_VERSION);
    }
    write_answer();
    frame_len = FY_MAIL_ANSWER_HEADER_SIZE + FY_MAIL_MAX_ANSWER_BODY + 1;
    frame[26] = (FY_MAIL_MAX_ANSWER_BODY + 1) >> 8;
    frame[27] = (FY_MAIL_MAX_ANSWER_BODY + 1) & 0xff;
    seal(FY_MAIL_ANSWER_HEADER_SIZE);
    ck_assert_int_eq(fy_mail_answer_read(bytes(), &seen_answer), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(a_longer_header_is_read_up_to_what_is_known)
{
    const size_t more = 12;

    write_message();
    memmove(frame + FY_MAIL_HEADER_SIZE + more, frame + FY_MAIL_HEADER_SIZE, frame_len - FY_MAIL_HEADER_SIZE);
    frame[7] += more;
    frame_len += more;
    seal(FY_MAIL_HEADER_SIZE + more);
    assert_message();
    write_answer();
    memmove(frame + FY_MAIL_ANSWER_HEADER_SIZE + more, frame + FY_MAIL_ANSWER_HEADER_SIZE, answer.body.len);
    frame[7] += more;
    frame_len += more;
    seal(FY_MAIL_ANSWER_HEADER_SIZE + more);
    ck_assert_int_eq(fy_mail_answer_read(bytes(), &seen_answer), FERRY_OK);
    assert_same(seen_answer.body, answer.body);
}
END_TEST

START_TEST(an_answer_comes_back_as_it_went)
{
    write_answer();
    ck_assert_int_eq(fy_mail_answer_read(bytes(), &seen_answer), FERRY_OK);
    ck_assert_int_eq(seen_answer.status, answer.status);
    ck_assert_uint_eq(seen_answer.flags, answer.flags);
    ck_assert_uint_eq(seen_answer.sequence, answer.sequence);
    ck_assert_uint_eq(seen_answer.incarnation, answer.incarnation);
    ck_assert_uint_eq(seen_answer.attempt, answer.attempt);
    ck_assert_uint_eq(seen_answer.retry_after_ms, answer.retry_after_ms);
    ck_assert_int_eq(seen_answer.code, answer.code);
    assert_same(seen_answer.body, answer.body);
    for (int status = FY_MAIL_OK; status <= FY_MAIL_LAST_STATUS; status++)
        ck_assert_int_eq(fy_mail_status_is_final(status), status == FY_MAIL_OK || status >= FY_MAIL_NO_HANDLER);
}
END_TEST

int main(void)
{
    return rig_main("mail_frame", setup, teardown, a_message_comes_back_as_it_went,
                    the_payload_may_lie_where_it_has_to_go, a_stamp_changes_attempt_and_time_alone,
                    names_are_neither_empty_nor_longer_than_a_byte_tells, every_flipped_bit_and_every_cut_is_noticed,
                    what_an_answer_needs_is_told_of_a_frame_with_a_damaged_body,
                    what_is_not_known_is_told_from_what_is_damaged, a_longer_header_is_read_up_to_what_is_known,
                    an_answer_comes_back_as_it_went, NULL);
}
