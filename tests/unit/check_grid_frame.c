/*
 * check_grid_frame - the envelope beyond the golden vectors: the widths of its fields, its bounds, and the payloads of
 * the grid's own messages.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/grid_frame.h"
#include "wire/grid_names.h"
#include "wire/grid_payload.h"

static uint8_t buf[20000];
static size_t len;

static void setup(void)
{
    heap_setup();
    srandom(5);
}

static void teardown(void)
{
    heap_teardown();
}

#define TEXT(text) ((struct ferry_bytes){(const uint8_t *)(text), strlen(text)})

static struct fy_grid_message decode_again(void)
{
    struct fy_grid_message msg;

    ck_assert_int_eq(fy_grid_decode(buf, len, &msg), FERRY_OK);
    return msg;
}

/* ---- The envelope ---- */

START_TEST(wide_numbers_are_those_of_a_real_node)
{
    static const uint8_t bytes[] = "\x97\xcf\x12\x34\x56\x78\x9a\xbc\xde\xf0\xce\x00\x01\x11\x70\xcd\x01\x2c\xcc\xc8"
                                   "\x09\x10\xc4\x00";
    struct fy_grid_message msg = {.mux = UINT64_C(0x123456789abcdef0),
                                  .seq = 70000,
                                  .deadline_ms = 300,
                                  .handler = 200,
                                  .op = FY_GRID_MUX_CLIENT_MSG,
                                  .flags = FY_GRID_PAYLOAD_IS_ZERO,
                                  .payload = TEXT("")};

    ck_assert_int_eq(fy_grid_encode(&msg, buf, sizeof(buf), &len), FERRY_OK);
    ck_assert_uint_eq(len, sizeof(bytes) - 1);
    ck_assert_mem_eq(buf, bytes, len);
    msg = decode_again();
    ck_assert_uint_eq(msg.mux, UINT64_C(0x123456789abcdef0));
    ck_assert(msg.seq == 70000 && msg.deadline_ms == 300 && msg.handler == 200 && msg.op == 9 && msg.flags == 0x10);
    ck_assert_ptr_nonnull(msg.payload.data);
    ck_assert_uint_eq(msg.payload.len, 0);
}
END_TEST

START_TEST(numbers_that_do_not_fit_are_refused)
{
    struct fy_grid_message msg;

    ck_assert_int_eq(fy_grid_decode((const uint8_t *)"\x97\x00\xcf\0\0\0\1\0\0\0\0\x00\x00\x0e\x00\xc4\x00", 17, &msg),
                     FERRY_ERR_MALFORMED); /* seq of 33 bits */
    ck_assert_int_eq(fy_grid_decode((const uint8_t *)"\x97\xff\x00\x00\x00\x0e\x00\xc4\x00", 9, &msg),
                     FERRY_ERR_MALFORMED); /* mux -1 */
    ck_assert_int_eq(fy_grid_decode((const uint8_t *)"\x97\x00\x00\x00\xcd\x01\0\x0e\x00\xc4\x00", 11, &msg),
                     FERRY_ERR_MALFORMED); /* handler 256 */
    ck_assert_int_eq(
        fy_grid_decode((const uint8_t *)"\x97\xd0\x05\xd1\0\6\xd2\0\0\0\7\xcd\0\x08\x0e\x00\xc4\x00", 18, &msg),
        FERRY_OK); /* any form that fits */
    ck_assert(msg.mux == 5 && msg.seq == 6 && msg.deadline_ms == 7 && msg.handler == 8);
    ck_assert_int_eq(fy_grid_decode((const uint8_t *)"\x97\x00\x00\x00\x00\x0e\x00\xa0", 8, &msg),
                     FERRY_ERR_MALFORMED); /* a text as payload */
    ck_assert_int_eq(fy_grid_decode((const uint8_t *)"\x97\x00\x00\x00\x00\x0e\x00\xc6\xff\xff\xff\xff", 12, &msg),
                     FERRY_ERR_TRUNCATED); /* a payload that is not there */
    ck_assert_int_eq(fy_grid_decode((const uint8_t *)"\x97\x00\x00\x00\x00\x0e\x20\xc4\x00", 9, &msg),
                     FERRY_ERR_TRUNCATED); /* a key that is not there */
    ck_assert_int_eq(fy_grid_decode((const uint8_t *)"\x97\x00\x00\x00\x00\x0e\x01\xc4\x00", 9, &msg),
                     FERRY_ERR_TRUNCATED); /* a checksum that is not there */
}
END_TEST

START_TEST(what_follows_a_message_is_passed_over)
{
    struct fy_grid_message msg = {.mux = 1, .op = FY_GRID_REQUEST, .payload = TEXT("p")};

    ck_assert_int_eq(fy_grid_encode(&msg, buf, sizeof(buf), &len), FERRY_OK);
    memcpy(buf + len, "more", 4);
    len += 4;
    msg = decode_again();
    ck_assert_uint_eq(msg.rest.len, 4);
}
END_TEST

START_TEST(a_buffer_that_is_too_small_stays_untouched)
{
    static const uint8_t key[FY_GRID_SUBROUTE_SIZE] = {1};
    const struct fy_grid_message msg = {.mux = 1,
                                        .op = FY_GRID_REQUEST,
                                        .flags = FY_GRID_CRC | FY_GRID_SUBROUTE,
                                        .payload = TEXT("payload"),
                                        .subroute = key};
    const size_t need = fy_grid_encoded_len(&msg);

    for (size_t cap = 0; cap < need; cap++) {
        memset(buf, 0xee, need);
        ck_assert_int_eq(fy_grid_encode(&msg, buf, cap, &len), FERRY_ERR_TOO_LARGE);
        ck_assert_uint_eq(len, need);
        for (size_t i = 0; i < need; i++)
            ck_assert_uint_eq(buf[i], 0xee);
    }
    ck_assert_int_eq(fy_grid_encode(&msg, buf, need, &len), FERRY_OK);
}
END_TEST

START_TEST(a_payload_without_a_form_is_refused)
{
    const struct fy_grid_message msg = {.payload = {buf, (size_t)UINT32_MAX + 1}};

    ck_assert_int_eq(fy_grid_encode(&msg, buf, sizeof(buf), &len), FERRY_ERR_TOO_LARGE);
}
END_TEST

/* A long payload is lent, and all is the same bytes, wherever the room ends. */
START_TEST(runs_are_the_bytes_of_the_message)
{
    static uint8_t payload[9000], row[20000];
    static const uint8_t key[FY_GRID_SUBROUTE_SIZE] = {7, 0, 9};

    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)random();
    for (unsigned flags = 0; flags < 0x40; flags += FY_GRID_CRC)
        for (size_t n = 0; n <= sizeof(payload); n += 1500) {
            const struct fy_grid_message msg = {
                .mux = 77, .op = FY_GRID_RESPONSE, .flags = (uint8_t)flags, .payload = {payload, n}, .subroute = key};
            struct fy_grid_runs runs;
            size_t at = 0, n_row = 0;

            ck_assert_int_eq(fy_grid_encode(&msg, buf, sizeof(buf), &len), FERRY_OK);
            ck_assert_uint_eq(fy_grid_runs_init(&runs, &msg), len);
            while (at < len) {
                struct iovec iov[4];
                uint8_t room[64];
                struct fy_gather g = fy_gather_runs(iov, 1 + (size_t)random() % 4, room, 1 + (size_t)random() % 64,
                                                    1 + (size_t)random() % 5000);
                size_t end = fy_grid_runs_gather(&runs, at, &g);

                ck_assert_uint_eq(end - at, g.len);
                for (size_t i = 0; i < g.n_runs; i++) {
                    memcpy(row + n_row, iov[i].iov_base, iov[i].iov_len);
                    n_row += iov[i].iov_len;
                }
                at = end;
            }
            ck_assert_uint_eq(n_row, len);
            ck_assert_mem_eq(row, buf, len);
        }
}
END_TEST

START_TEST(a_long_payload_is_lent)
{
    static uint8_t payload[9000];
    const struct fy_grid_message msg = {.op = FY_GRID_RESPONSE, .payload = {payload, sizeof(payload)}};
    struct fy_grid_runs runs;
    struct iovec iov[4];
    uint8_t room[64];
    struct fy_gather g = fy_gather_runs(iov, 4, room, sizeof(room), SIZE_MAX);

    fy_grid_runs_init(&runs, &msg);
    fy_grid_runs_gather(&runs, 0, &g);
    ck_assert_uint_eq(g.n_runs, 2);
    ck_assert_ptr_eq(iov[1].iov_base, payload);
}
END_TEST

START_TEST(ops_have_names)
{
    ck_assert_str_eq(fy_grid_op_name(FY_GRID_CONNECT), "Connect");
    ck_assert_str_eq(fy_grid_op_name(FY_GRID_MERGED), "Merged");
    ck_assert_str_eq(fy_grid_op_name(0), "unknown");
    ck_assert_str_eq(fy_grid_op_name(18), "unknown");
}
END_TEST

/* ---- Merged messages ---- */

static int parts_of(const char *rest, size_t rest_len, uint32_t n, struct fy_grid_parts *ret_parts)
{
    const struct fy_grid_message merged = {.op = FY_GRID_MERGED, .seq = n, .rest = {(const uint8_t *)rest, rest_len}};

    return fy_grid_parts_init(ret_parts, &merged);
}

START_TEST(merged_messages_are_all_there_or_refused)
{
    struct fy_grid_parts parts;
    struct ferry_bytes part;

    ck_assert_int_eq(parts_of("", 0, 0, &parts), FERRY_OK);
    ck_assert(!fy_grid_parts_next(&parts, &part));
    ck_assert_int_eq(parts_of("\xc4\x01x\xc5\0\x02yz", 8, 2, &parts), FERRY_OK);
    ck_assert(fy_grid_parts_next(&parts, &part));
    ck_assert(part.len == 1 && part.data[0] == 'x');
    ck_assert(fy_grid_parts_next(&parts, &part));
    ck_assert(part.len == 2 && part.data[1] == 'z');
    ck_assert(!fy_grid_parts_next(&parts, &part));

    ck_assert_int_eq(parts_of("\xc4\x01x\xc4\x01y", 6, 3, &parts), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(parts_of("\xc4\x01x\xc4\x01y", 6, UINT32_MAX, &parts), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(parts_of("\xc4\x01x\xc4\x01y", 6, 1, &parts), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(parts_of("\xc4\x01x\xa1y", 5, 2, &parts), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(parts_of("\xc4\x02x", 3, 1, &parts), FERRY_ERR_TRUNCATED);
}
END_TEST

START_TEST(heads_of_merged_messages_and_parts_are_short)
{
    uint8_t head[FY_GRID_MAX_HEAD];

    ck_assert_uint_eq(fy_grid_merged_head(head, 2), 9);
    ck_assert_mem_eq(head, "\x97\0\x02\0\0\x11\0\xc4\0", 9);
    ck_assert_uint_eq(fy_grid_merged_head(head, UINT32_MAX), 13);
    ck_assert_uint_eq(fy_grid_part_head(head, 12), 2);
    ck_assert_mem_eq(head, "\xc4\x0c", 2);
    ck_assert_uint_eq(fy_grid_part_head(head, UINT32_MAX), FY_GRID_MAX_PART_HEAD);
}
END_TEST

/* ---- Payloads ---- */

static struct ferry_msgpack_writer writer;

static struct ferry_bytes end_payload(void)
{
    ck_assert_int_eq(ferry_msgpack_writer_end(&writer, &len), FERRY_OK);
    return (struct ferry_bytes){buf, len};
}

static void begin_payload(void)
{
    ferry_msgpack_writer_init(&writer, buf, sizeof(buf));
}

START_TEST(a_connect_keeps_keys_that_it_does_not_know)
{
    struct fy_grid_connect connect = {
        .id = {1, 2, 3}, .host = TEXT("http://a:1"), .time = {1700000000, 5}, .token = TEXT("t")};
    const struct fy_grid_extra extra = {.n = 2, .pairs = TEXT("\xa1x\x05\xa1y\x92\xc0\xc3")};
    struct ferry_msgpack_reader value;
    struct ferry_bytes payload;
    uint64_t x;

    begin_payload();
    fy_grid_connect_write(&writer, &connect, &extra);
    payload = end_payload();
    memset(&connect, 0xee, sizeof(connect));
    ck_assert_int_eq(fy_grid_connect_read(payload, &connect), FERRY_OK);
    ck_assert(connect.id[2] == 3 && connect.id[15] == 0);
    ck_assert(ferry_msgpack_is_text(connect.host, "http://a:1") && ferry_msgpack_is_text(connect.token, "t"));
    ck_assert(connect.time.seconds == 1700000000 && connect.time.ns == 5);
    ck_assert_int_eq(fy_grid_map_find(payload, "x", &value), FERRY_OK);
    ck_assert_int_eq(ferry_msgpack_read_uint(&value, &x), FERRY_OK);
    ck_assert_uint_eq(x, 5);
    ck_assert_int_eq(fy_grid_map_find(payload, "z", &value), FERRY_ERR_NOT_FOUND);
    for (size_t cut = 0; cut < payload.len; cut++) {
        ck_assert_int_eq(fy_grid_connect_read((struct ferry_bytes){buf, cut}, &connect), FERRY_ERR_TRUNCATED);
        ck_assert_int_eq(fy_grid_map_find((struct ferry_bytes){buf, cut}, "z", &value), FERRY_ERR_TRUNCATED);
    }
}
END_TEST

START_TEST(a_connect_response_says_yes_or_why_not)
{
    struct fy_grid_connect_response response = {.id = {9}, .reason = TEXT("no")};
    const struct fy_grid_extra extra = {.n = 1, .pairs = TEXT("\xa1x\x05")};
    struct ferry_bytes payload;

    begin_payload();
    fy_grid_connect_response_write(&writer, &response, &extra);
    payload = end_payload();
    response.is_accepted = true;
    ck_assert_int_eq(fy_grid_connect_response_read(payload, &response), FERRY_OK);
    ck_assert(!response.is_accepted && ferry_msgpack_is_text(response.reason, "no") && response.id[0] == 9);
    ck_assert_int_eq(fy_grid_connect_response_read(TEXT("\x81\xa8"
                                                        "Accepted\xc3"),
                                                   &response),
                     FERRY_OK);
    ck_assert(response.is_accepted && response.id[0] == 0);
    ck_assert_int_eq(fy_grid_connect_response_read(TEXT("\x81\xa8"
                                                        "Accepted\xa1y"),
                                                   &response),
                     FERRY_ERR_MALFORMED);
    ck_assert_int_eq(fy_grid_connect_response_read(TEXT("\x92\x01\x02"), &response), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(a_pong_tells_of_the_stream)
{
    struct fy_grid_pong pong = {.is_unknown = true, .error = TEXT("broken"), .time = FY_GRID_NO_TIME};

    begin_payload();
    fy_grid_pong_write(&writer, &pong);
    memset(&pong, 0, sizeof(pong));
    ck_assert_int_eq(fy_grid_pong_read(end_payload(), &pong), FERRY_OK);
    ck_assert(pong.is_unknown && ferry_msgpack_is_text(pong.error, "broken"));
    ck_assert_int_eq(pong.time.seconds, FY_GRID_NO_TIME.seconds);
    ck_assert_int_eq(fy_grid_pong_read((struct ferry_bytes){NULL, 0}, &pong), FERRY_OK);
    ck_assert(!pong.is_unknown && !pong.error.data);
    ck_assert_int_eq(fy_grid_pong_read(TEXT("\x83\xa1"
                                            "e\xa1x\xa1"
                                            "e\xc0\xa1u\x01"),
                                       &pong),
                     FERRY_OK);
    ck_assert_ptr_null(pong.error.data); /* the last of several counts */
    ck_assert_int_eq(fy_grid_pong_read(TEXT("\x81\xa1"
                                            "e\x01"),
                                       &pong),
                     FERRY_ERR_MALFORMED);
    ck_assert_int_eq(fy_grid_pong_read(TEXT("\x81\xa2nf\x01"), &pong), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(fy_grid_pong_read(TEXT("\x81\xa1t\x01"), &pong), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(a_ping_may_have_no_time)
{
    struct fy_grid_time time = {1, 2};

    ck_assert_int_eq(fy_grid_ping_read(TEXT("\x81\xa1u\x01"), &time), FERRY_OK);
    ck_assert_int_eq(time.seconds, FY_GRID_NO_TIME.seconds);
    ck_assert_int_eq(fy_grid_ping_read(TEXT("\x81\x01\x01"), &time), FERRY_ERR_MALFORMED); /* no key */
}
END_TEST

START_TEST(a_mux_error_is_a_text)
{
    struct ferry_bytes error;

    begin_payload();
    fy_grid_mux_error_write(&writer, "Invalid Handler", 15);
    ck_assert_int_eq(fy_grid_mux_error_read(end_payload(), &error), FERRY_OK);
    ck_assert(ferry_msgpack_is_text(error, "Invalid Handler"));
    ck_assert_int_eq(fy_grid_mux_error_read(TEXT("\x81\xa1"
                                                 "E\x01"),
                                            &error),
                     FERRY_OK);
    ck_assert_ptr_null(error.data);
    ck_assert_int_eq(fy_grid_mux_error_read(TEXT("\x81\xa5"
                                                 "Error\x01"),
                                            &error),
                     FERRY_ERR_MALFORMED);
}
END_TEST

/* ---- Names ---- */

START_TEST(of_two_hosts_one_dials)
{
    static const char *const names[] = {"http://node1:9000", "http://node2:9000", "http://node3:9000", "a", "b", ""};
    const size_t n = sizeof(names) / sizeof(names[0]);

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            if (i == k)
                ck_assert(!fy_grid_dials(names[i], names[k]));
            else
                ck_assert(fy_grid_dials(names[i], names[k]) != fy_grid_dials(names[k], names[i]));
    ck_assert(fy_grid_dials("http://node2:9000", "http://node1:9000"));
    /* Both orders are the same text, so their hashes are equal and the names decide. */
    ck_assert(fy_grid_dials("aa", "aaa") && !fy_grid_dials("aaa", "aa"));
}
END_TEST

int main(void)
{
    return rig_main(
        "grid_frame", setup, teardown, wide_numbers_are_those_of_a_real_node, numbers_that_do_not_fit_are_refused,
        what_follows_a_message_is_passed_over, a_buffer_that_is_too_small_stays_untouched,
        a_payload_without_a_form_is_refused, runs_are_the_bytes_of_the_message, a_long_payload_is_lent, ops_have_names,
        merged_messages_are_all_there_or_refused, heads_of_merged_messages_and_parts_are_short,
        a_connect_keeps_keys_that_it_does_not_know, a_connect_response_says_yes_or_why_not, a_pong_tells_of_the_stream,
        a_ping_may_have_no_time, a_mux_error_is_a_text, of_two_hosts_one_dials, NULL);
}
