/*
 * check_websocket - frames and heads of WebSocket: what the RFC shows, what it forbids, and every cut of the input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/websocket.h"
#include "wire/websocket_upgrade.h"

#define MAX_MESSAGE 70000
#define ROOM 150000

/* What a reader made of its input: messages and control frames, one after the other. */
struct heard {
    char text[4096]; /* "OPCODE:LENGTH:first bytes|..." */
    bool in_message;
    size_t message_len;
    uint8_t message[ROOM];
    int err;
};

static struct heard heard;
static uint8_t input[ROOM];
static size_t input_len;

static void setup(void)
{
    heap_setup();
    srandom(3);
    input_len = 0;
}

static void teardown(void)
{
    heap_teardown();
}

/* ---- Feeding ---- */

static void tell(unsigned opcode, const uint8_t *data, size_t len)
{
    const size_t at = strlen(heard.text);

    snprintf(heard.text + at, sizeof(heard.text) - at, "%x:%zu:%.*s|", opcode, len, (int)(len < 8 ? len : 8),
             (const char *)data);
}

static void take_piece(int got, const struct fy_ws_piece *piece)
{
    if (got == FY_WS_CONTROL) {
        ck_assert(piece->is_first && piece->is_last);
        tell(piece->opcode, piece->data, piece->len);
        return;
    }
    ck_assert_int_eq(got, FY_WS_DATA);
    ck_assert(piece->is_first == !heard.in_message);
    heard.in_message = !piece->is_last;
    ck_assert(piece->len > 0 || piece->is_last);
    memcpy(heard.message + heard.message_len, piece->data, piece->len);
    heard.message_len += piece->len;
    if (piece->is_last) {
        tell(piece->opcode, heard.message, heard.message_len);
        heard.message_len = 0;
    }
}

/* Feed the input in cuts of at most max_cut bytes (0: of any), from a copy, for reading changes it. */
static const char *feed(bool masked, size_t max_cut)
{
    static uint8_t copy[ROOM];
    struct fy_ws_reader reader;
    size_t at = 0;

    memcpy(copy, input, input_len);
    memset(&heard, 0, sizeof(heard));
    fy_ws_reader_init(&reader, masked, MAX_MESSAGE);
    while (at < input_len && heard.err == FERRY_OK) {
        size_t cut = max_cut > 0 ? max_cut : (size_t)random() % 300 + 1;
        size_t end = at + (cut < input_len - at ? cut : input_len - at);
        int got;

        do {
            struct fy_ws_piece piece;
            size_t n_used = 0;
            uint64_t left = fy_ws_reader_left(&reader);

            got = fy_ws_reader_feed(&reader, copy + at, end - at, &n_used, &piece);
            if (got < 0) {
                heard.err = got;
                break;
            }
            if (left > 0)
                ck_assert_uint_eq(n_used, left < end - at ? left : end - at); /* that many came in a row */
            at += n_used;
            if (got != FY_WS_NOTHING)
                take_piece(got, &piece);
        } while (got != FY_WS_NOTHING);
    }
    if (heard.err == FERRY_OK)
        heard.err = fy_ws_reader_end(&reader);
    return heard.text;
}

/* However it is cut, the input is heard so, and ends in err. */
static void expect(bool masked, const char *text, int err)
{
    static const size_t cuts[] = {ROOM, 1, 2, 3, 7, 0, 0, 0};

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        ck_assert_str_eq(feed(masked, cuts[i]), text);
        ck_assert_int_eq(heard.err, err);
    }
}

static void add(const void *data, size_t len)
{
    ck_assert_uint_le(len, sizeof(input) - input_len);
    memcpy(input + input_len, data, len);
    input_len += len;
}

static void add_frame(unsigned opcode, bool is_last, bool masked, size_t len, uint8_t fill)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t head[FY_WS_MAX_HEAD];
    uint8_t *payload;

    add(head, fy_ws_head_write(head, opcode, is_last, masked ? mask : NULL, len));
    payload = input + input_len;
    ck_assert_uint_le(len, sizeof(input) - input_len);
    memset(payload, fill, len);
    if (masked)
        fy_ws_mask(payload, payload, len, mask, 0);
    input_len += len;
}

static void expect_bytes(const char *bytes, size_t len, bool masked, const char *text, int err)
{
    input_len = 0;
    add(bytes, len);
    expect(masked, text, err);
}

#define EXPECT(bytes, masked, text, err) expect_bytes(bytes, sizeof(bytes) - 1, masked, text, err)

/* ---- Reading ---- */

START_TEST(examples_of_the_rfc_are_read)
{
    EXPECT("\x81\x05Hello", false, "1:5:Hello|", FERRY_OK);
    EXPECT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", true, "1:5:Hello|", FERRY_OK);
    EXPECT("\x01\x03Hel\x80\x02lo", false, "1:5:Hello|", FERRY_OK);
    EXPECT("\x89\x05Hello", false, "9:5:Hello|", FERRY_OK);
    EXPECT("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", true, "a:5:Hello|", FERRY_OK);
}
END_TEST

START_TEST(every_width_of_length_is_read)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, MAX_MESSAGE};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        for (int masked = 0; masked < 2; masked++) {
            char text[64];
            int n = snprintf(text, sizeof(text), "2:%zu:%.*s|", lengths[i], (int)(lengths[i] < 8 ? lengths[i] : 8),
                             "xxxxxxxx");

            ck_assert_int_lt(n, (int)sizeof(text));
            input_len = 0;
            add_frame(FY_WS_BINARY, true, masked, lengths[i], 'x');
            expect(masked, text, FERRY_OK);
        }
}
END_TEST

START_TEST(a_length_may_take_more_bytes_than_it_needs)
{
    EXPECT("\x82\x7e\x00\x01x", false, "2:1:x|", FERRY_OK);
    EXPECT("\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01x", false, "2:1:x|", FERRY_OK);
}
END_TEST

START_TEST(control_frames_may_stand_between_fragments)
{
    for (int masked = 0; masked < 2; masked++) {
        input_len = 0;
        add_frame(FY_WS_BINARY, false, masked, 3, 'a');
        add_frame(FY_WS_PING, true, masked, 125, 'p');
        add_frame(FY_WS_CONTINUATION, false, masked, 0, 0);
        add_frame(FY_WS_PONG, true, masked, 0, 0);
        add_frame(FY_WS_CONTINUATION, false, masked, 2, 'b');
        add_frame(FY_WS_CONTINUATION, true, masked, 0, 0);
        add_frame(FY_WS_BINARY, true, masked, 0, 0);
        add_frame(FY_WS_CLOSE, true, masked, 2, 'c');
        expect(masked, "9:125:pppppppp|a:0:|2:5:aaabb|2:0:|8:2:cc|", FERRY_OK);
    }
}
END_TEST

START_TEST(frames_against_the_rules_are_refused)
{
    EXPECT("\x82\x01x", true, "", FERRY_ERR_PROTOCOL);          /* plain, and has to be masked */
    EXPECT("\x82\x81\1\2\3\4x", false, "", FERRY_ERR_PROTOCOL); /* the reverse */
    EXPECT("\xc2\x01x", false, "", FERRY_ERR_PROTOCOL);         /* a reserved bit: compression */
    EXPECT("\x92\x01x", false, "", FERRY_ERR_PROTOCOL);
    EXPECT("\x83\x01x", false, "", FERRY_ERR_PROTOCOL);                /* a reserved opcode */
    EXPECT("\x8b\x01x", false, "", FERRY_ERR_PROTOCOL);                /* of a control frame */
    EXPECT("\x09\x01x", false, "", FERRY_ERR_PROTOCOL);                /* a fragmented ping */
    EXPECT("\x89\x7e\x00\x7e", false, "", FERRY_ERR_PROTOCOL);         /* one that is too long */
    EXPECT("\x80\x01x", false, "", FERRY_ERR_PROTOCOL);                /* a continuation of nothing */
    EXPECT("\x82\x01x\x80\x01y", false, "2:1:x|", FERRY_ERR_PROTOCOL); /* also after a whole message */
    EXPECT("\x02\x01x\x82\x01y", false, "", FERRY_ERR_PROTOCOL);       /* a message inside a message */
    EXPECT("\x82\x7f\x80\0\0\0\0\0\0\0", false, "", FERRY_ERR_PROTOCOL);
}
END_TEST

/* The first two bytes are enough for a verdict, and so is a length, before any payload. */
START_TEST(a_bad_frame_is_refused_as_early_as_can_be)
{
    struct fy_ws_reader reader;
    struct fy_ws_piece piece;
    uint8_t unmasked[] = {0x82, 0x7e}, huge[] = {0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    size_t n_used;

    fy_ws_reader_init(&reader, true, MAX_MESSAGE);
    ck_assert_int_eq(fy_ws_reader_feed(&reader, unmasked, sizeof(unmasked), &n_used, &piece), FERRY_ERR_PROTOCOL);
    fy_ws_reader_init(&reader, false, MAX_MESSAGE);
    ck_assert_int_eq(fy_ws_reader_feed(&reader, huge, sizeof(huge), &n_used, &piece), FERRY_ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_message_is_bounded_over_all_its_fragments)
{
    input_len = 0;
    add_frame(FY_WS_BINARY, true, false, MAX_MESSAGE + 1, 'x');
    expect(false, "", FERRY_ERR_TOO_LARGE);

    input_len = 0;
    add_frame(FY_WS_BINARY, false, false, MAX_MESSAGE - 1, 'x');
    add_frame(FY_WS_CONTINUATION, false, false, 1, 'x');
    add_frame(FY_WS_PING, true, false, 3, 'p'); /* counts for nothing */
    add_frame(FY_WS_CONTINUATION, true, false, 0, 'x');
    add_frame(FY_WS_BINARY, true, false, 1, 'y'); /* and the next one begins anew */
    expect(false, "9:3:ppp|2:70000:xxxxxxxx|2:1:y|", FERRY_OK);

    input_len = 0;
    add_frame(FY_WS_BINARY, false, false, 1, 'z');
    add_frame(FY_WS_CONTINUATION, false, false, 1, 'z');
    add_frame(FY_WS_CONTINUATION, true, false, MAX_MESSAGE - 1, 'z');
    expect(false, "", FERRY_ERR_TOO_LARGE);
}
END_TEST

START_TEST(an_end_inside_a_frame_or_a_message_is_told)
{
    EXPECT("\x82", false, "", FERRY_ERR_TRUNCATED);
    EXPECT("\x82\x02x", false, "", FERRY_ERR_TRUNCATED);
    EXPECT("\x89\x02x", false, "", FERRY_ERR_TRUNCATED);
    EXPECT("\x02\x01x", false, "", FERRY_ERR_TRUNCATED);
    EXPECT("\x02\x01x\x89\x01y", false, "9:1:y|", FERRY_ERR_TRUNCATED);
    EXPECT("", false, "", FERRY_OK);
}
END_TEST

START_TEST(pieces_lie_in_the_input)
{
    struct fy_ws_reader reader;
    struct fy_ws_piece piece;
    uint8_t data[] = {0x82, 0x83, 0, 0, 0, 0, 'a', 'b', 'c', 0x82};
    size_t n_used;

    fy_ws_reader_init(&reader, true, 3);
    ck_assert_int_eq(fy_ws_reader_feed(&reader, data, sizeof(data), &n_used, &piece), FY_WS_DATA);
    ck_assert_ptr_eq(piece.data, data + 6);
    ck_assert(piece.is_first && piece.is_last);
    ck_assert_uint_eq(piece.len, 3);
    ck_assert_uint_eq(n_used, 9);
    ck_assert_uint_eq(fy_ws_reader_left(&reader), 0);
    ck_assert_uint_eq(reader.message_len, 3);
}
END_TEST

/* ---- Writing ---- */

START_TEST(masking_turns_at_every_offset_and_length)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t plain[150], masked[151];

    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7);
    for (size_t len = 0; len <= sizeof(plain); len++)
        for (uint64_t offset = 0; offset < 9; offset++) {
            masked[len] = 0xee;
            fy_ws_mask(masked, plain, len, mask, offset);
            for (size_t i = 0; i < len; i++)
                ck_assert_uint_eq(masked[i], plain[i] ^ mask[(offset + i) % 4]);
            ck_assert_uint_eq(masked[len], 0xee);
            fy_ws_mask(masked, masked, len, mask, offset);
            ck_assert_mem_eq(masked, plain, len);
        }
}
END_TEST

START_TEST(heads_take_the_fewest_bytes)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    static const struct {
        uint64_t len;
        const char *head;
        size_t head_len;
    } cases[] = {
        {0, "\x82\x80\1\2\3\4", 6},
        {125, "\x82\xfd\1\2\3\4", 6},
        {126, "\x82\xfe\x00\x7e\1\2\3\4", 8},
        {65535, "\x82\xfe\xff\xff\1\2\3\4", 8},
        {65536, "\x82\xff\0\0\0\0\0\1\0\0\1\2\3\4", 14},
        {UINT64_C(0x0102030405060708), "\x82\xff\1\2\3\4\5\6\7\x8\1\2\3\4", 14},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t head[FY_WS_MAX_HEAD];
        size_t len = fy_ws_head_write(head, FY_WS_BINARY, true, mask, cases[i].len);

        ck_assert_uint_eq(len, cases[i].head_len);
        ck_assert_mem_eq(head, cases[i].head, len);
        len = fy_ws_head_write(head, FY_WS_PONG, false, NULL, cases[i].len);
        ck_assert_uint_eq(len, cases[i].head_len - 4);
        ck_assert_uint_eq(head[0], 0x0a);
        ck_assert_uint_eq(head[1], (uint8_t)cases[i].head[1] & 0x7f);
    }
}
END_TEST

/* ---- Closing ---- */

START_TEST(close_frames_carry_a_code_and_a_reason)
{
    uint8_t payload[FY_WS_MAX_CONTROL];
    char reason[200];
    unsigned code;
    size_t len = fy_ws_close_write(payload, FY_WS_CLOSE_TOO_BIG, "too big");

    ck_assert_uint_eq(len, 9);
    ck_assert_mem_eq(payload, "\x03\xf1too big", 9);
    ck_assert_int_eq(fy_ws_close_read(payload, len, &code), FERRY_OK);
    ck_assert_uint_eq(code, FY_WS_CLOSE_TOO_BIG);

    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    ck_assert_uint_eq(fy_ws_close_write(payload, FY_WS_CLOSE_NORMAL, reason), FY_WS_MAX_CONTROL);
    memcpy(reason + 121, "\xe2\x82\xac", 3); /* bytes 121 to 123: it would be cut in its last byte */
    ck_assert_uint_eq(fy_ws_close_write(payload, FY_WS_CLOSE_NORMAL, reason), 2 + 121);
    memcpy(reason + 120, "\xe2\x82\xac", 3); /* and here it just fits */
    reason[123] = 'r';
    ck_assert_uint_eq(fy_ws_close_write(payload, FY_WS_CLOSE_NORMAL, reason), 2 + 123);
}
END_TEST

START_TEST(close_codes_are_judged)
{
    static const unsigned good[] = {1000, 1003, 1007, 1014, 3000, 4999};
    static const unsigned bad[] = {0, 999, 1004, 1005, 1006, 1015, 2999, 5000};
    uint8_t payload[FY_WS_MAX_CONTROL] = {0};
    unsigned code = 1;

    ck_assert_int_eq(fy_ws_close_read(payload, 0, &code), FERRY_OK);
    ck_assert_uint_eq(code, FY_WS_CLOSE_NO_CODE);
    ck_assert_int_eq(fy_ws_close_read(payload, 1, &code), FERRY_ERR_PROTOCOL);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t len = fy_ws_close_write(payload, good[i], "");

        ck_assert_int_eq(fy_ws_close_read(payload, len, &code), FERRY_OK);
        ck_assert_uint_eq(code, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len = fy_ws_close_write(payload, bad[i], "");

        ck_assert_int_eq(fy_ws_close_read(payload, len, &code), FERRY_ERR_PROTOCOL);
    }
}
END_TEST

START_TEST(each_error_has_its_close_code)
{
    ck_assert_int_eq(fy_ws_close_code(FERRY_OK), 1000);
    ck_assert_int_eq(fy_ws_close_code(FERRY_ERR_CLOSED), 1001);
    ck_assert_int_eq(fy_ws_close_code(FERRY_ERR_PROTOCOL), 1002);
    ck_assert_int_eq(fy_ws_close_code(FERRY_ERR_MALFORMED), 1002);
    ck_assert_int_eq(fy_ws_close_code(FERRY_ERR_TRUNCATED), 1002);
    ck_assert_int_eq(fy_ws_close_code(FERRY_ERR_TOO_LARGE), 1009);
    ck_assert_int_eq(fy_ws_close_code(FERRY_ERR_NOMEM), 1011);
}
END_TEST

/* ---- The upgrade ---- */

#define RFC_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define RFC_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

START_TEST(the_key_of_the_rfc_has_its_answer)
{
    char key[FY_WS_KEY_SIZE], accept[FY_WS_ACCEPT_SIZE];

    fy_ws_key_make((const uint8_t *)"the sample nonce", key);
    ck_assert_str_eq(key, RFC_KEY);
    ck_assert_int_eq(fy_ws_accept_make(key, accept), FERRY_OK);
    ck_assert_str_eq(accept, RFC_ACCEPT);
    ck_assert_int_eq(fy_ws_accept_make("short", accept), FERRY_ERR_INVALID);
    ck_assert_int_eq(fy_ws_accept_make(RFC_KEY RFC_KEY, accept), FERRY_ERR_INVALID);
}
END_TEST

/* "NAME: VALUE" lines, of which NULL is the last. */
static struct fy_ws_upgrade headers(const char *const *lines)
{
    struct fy_ws_upgrade upgrade = {0};

    for (; *lines; lines++) {
        char name[64];
        const char *colon = strchr(*lines, ':');

        snprintf(name, sizeof(name), "%.*s", (int)(colon - *lines), *lines);
        fy_ws_upgrade_add(&upgrade, name, colon + 1);
    }
    return upgrade;
}

static int judge_request(const char *upgrade, const char *connection, const char *version, const char *key,
                         const char *more)
{
    const char *lines[] = {upgrade, connection, version, key, more, NULL};
    const struct fy_ws_upgrade got = headers(lines);

    return fy_ws_upgrade_judge_request(&got);
}

#define UP "Upgrade: websocket"
#define CO "Connection: Upgrade"
#define VE "Sec-WebSocket-Version: 13"
#define KE "Sec-WebSocket-Key: " RFC_KEY
#define OTHER "X-Other: y"

START_TEST(requests_are_judged_as_a_real_server_judges_them)
{
    ck_assert_int_eq(judge_request(UP, CO, VE, KE, OTHER), 101);
    ck_assert_int_eq(judge_request("upgrade:WebSocket", "CONNECTION: keep-alive, Upgrade ", "sec-websocket-version:13",
                                   "sec-websocket-KEY:\t" RFC_KEY " ", "Sec-WebSocket-Extensions: permessage-deflate"),
                     101);
    ck_assert_int_eq(judge_request(UP, "Connection: keep-alive", VE, KE, CO), 101); /* a header that comes twice */
    ck_assert_int_eq(judge_request(UP, CO, "Sec-WebSocket-Version: 8 , 13", KE, OTHER), 101);
    ck_assert_int_eq(judge_request(UP, CO, VE, KE, "Sec-WebSocket-Protocol: chat"), 101);

    ck_assert_int_eq(judge_request(OTHER, CO, VE, KE, OTHER), 400);
    ck_assert_int_eq(judge_request("Upgrade: h2c", CO, VE, KE, OTHER), 400);
    ck_assert_int_eq(judge_request("Upgrade: websockets", CO, VE, KE, OTHER), 400);
    ck_assert_int_eq(judge_request(UP, OTHER, VE, KE, OTHER), 400);
    ck_assert_int_eq(judge_request(UP, "Connection: keep-alive,", VE, KE, OTHER), 400);
    ck_assert_int_eq(judge_request(UP, CO, OTHER, KE, OTHER), 400);
    ck_assert_int_eq(judge_request(UP, CO, "Sec-WebSocket-Version: 12", KE, OTHER), 426);
    ck_assert_int_eq(judge_request(UP, CO, VE, OTHER, OTHER), 400);
    ck_assert_int_eq(judge_request(UP, CO, VE, KE, KE), 400); /* which of the two? */
    ck_assert_int_eq(judge_request(UP, CO, VE, "Sec-WebSocket-Key: ", OTHER), 400);
    ck_assert_int_eq(judge_request(UP, CO, VE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=", OTHER), 400);
    ck_assert_int_eq(judge_request(UP, CO, VE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQa=", OTHER), 400);
    ck_assert_int_eq(judge_request(UP, CO, VE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==", OTHER), 400);
    ck_assert_int_eq(judge_request(UP, CO, VE, "Sec-WebSocket-Key: dGhlIHNhb*BsZSBub25jZQ==", OTHER), 400);
    ck_assert_int_eq(judge_request(UP, CO, VE, KE KE, OTHER), 400);
}
END_TEST

static int judge_answer(int status, const char *upgrade, const char *connection, const char *accept, const char *more)
{
    const char *lines[] = {upgrade, connection, accept, more, NULL};
    const struct fy_ws_upgrade got = headers(lines);

    return fy_ws_upgrade_judge_answer(&got, status, RFC_KEY);
}

#define AC "Sec-WebSocket-Accept: " RFC_ACCEPT

START_TEST(answers_are_judged)
{
    ck_assert_int_eq(judge_answer(101, UP, CO, AC, OTHER), FERRY_OK);
    ck_assert_int_eq(judge_answer(200, UP, CO, AC, OTHER), FERRY_ERR_HTTP_STATUS);
    ck_assert_int_eq(judge_answer(403, OTHER, OTHER, OTHER, OTHER), FERRY_ERR_HTTP_STATUS);
    ck_assert_int_eq(judge_answer(101, OTHER, CO, AC, OTHER), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(judge_answer(101, UP, OTHER, AC, OTHER), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(judge_answer(101, UP, CO, OTHER, OTHER), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(judge_answer(101, UP, CO, AC, AC), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(judge_answer(101, UP, CO, AC, "Sec-WebSocket-Extensions: x"), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(judge_answer(101, UP, CO, AC, "Sec-WebSocket-Protocol: x"), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(judge_answer(101, UP, CO, "Sec-WebSocket-Accept: t3pPLMBiTxaQ9kYGzzhZRbK+xOo=", OTHER),
                     FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(judge_answer(101, UP, CO, "Sec-WebSocket-Accept: " RFC_ACCEPT "=", OTHER), FERRY_ERR_PROTOCOL);
}
END_TEST

START_TEST(heads_are_written_whole_or_cut_short)
{
    static const char request[] = "GET /grid HTTP/1.1\r\nHost: a:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\nX: y\r\n\r\n";
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: a\r\n\r\n";
    char text[256];

    ck_assert_uint_eq(fy_ws_request_format(text, sizeof(text), "/grid", "a:1", "k", "X: y\r\n"), sizeof(request) - 1);
    ck_assert_str_eq(text, request);
    ck_assert_uint_eq(fy_ws_request_format(text, 10, "/grid", "a:1", "k", "X: y\r\n"), sizeof(request) - 1);
    ck_assert_uint_eq(strlen(text), 9);
    ck_assert_uint_eq(fy_ws_answer_format(text, sizeof(text), "a"), sizeof(answer) - 1);
    ck_assert_str_eq(text, answer);
}
END_TEST

int main(void)
{
    return rig_main("websocket", setup, teardown, examples_of_the_rfc_are_read, every_width_of_length_is_read,
                    a_length_may_take_more_bytes_than_it_needs, control_frames_may_stand_between_fragments,
                    frames_against_the_rules_are_refused, a_bad_frame_is_refused_as_early_as_can_be,
                    a_message_is_bounded_over_all_its_fragments, an_end_inside_a_frame_or_a_message_is_told,
                    pieces_lie_in_the_input, masking_turns_at_every_offset_and_length, heads_take_the_fewest_bytes,
                    close_frames_carry_a_code_and_a_reason, close_codes_are_judged, each_error_has_its_close_code,
                    the_key_of_the_rfc_has_its_answer, requests_are_judged_as_a_real_server_judges_them,
                    answers_are_judged, heads_are_written_whole_or_cut_short, NULL);
}
