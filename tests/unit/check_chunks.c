/*
 * check_chunks - chunked bodies, cut at every byte, and malformed ones.
 */
#include <string.h>

#include "ferry/ferry.h"
#include "harness/rig.h"
#include "wire/chunks.h"

static char body[256];

/* Feed text in pieces of n; what it ends with.  The body is in body. */
static int feed(struct fy_chunks *chunks, const char *text, size_t n)
{
    size_t len = strlen(text);
    size_t body_len = 0;
    int got = FY_CHUNKS_NOTHING;

    fy_chunks_init(chunks);
    for (size_t at = 0; at < len && got >= 0 && got != FY_CHUNKS_END;) {
        size_t piece = len - at < n ? len - at : n;
        size_t used = 0, taken = 0;

        got = fy_chunks_feed(chunks, (const uint8_t *)text + at, piece, &used, &taken);
        if (got == FY_CHUNKS_BODY) {
            ck_assert_uint_le(taken, used);
            ck_assert_uint_lt(body_len + taken, sizeof(body));
            memcpy(body + body_len, text + at + used - taken, taken);
            body_len += taken;
        }
        ck_assert_uint_le(used, piece);
        at += used;
    }
    body[body_len] = '\0';
    return got;
}

static void assert_all(const char *text, int expected, const char *expected_body)
{
    struct fy_chunks chunks;

    for (size_t n = 1; n <= strlen(text); n++) {
        int got = feed(&chunks, text, n);

        ck_assert_msg(got == expected, "%s: %d", text, got);
        ck_assert_str_eq(body, expected_body);
    }
}

START_TEST(chunks_are_a_body_however_they_are_cut)
{
    assert_all("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", FY_CHUNKS_END, "abcde");
    assert_all("00000b\r\nhello world\r\n0\r\n\r\nrest", FY_CHUNKS_END, "hello world");
    assert_all("A\r\n0123456789\r\na;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", FY_CHUNKS_END, "01234567890123456789");
    assert_all("1\na\n0\n\n", FY_CHUNKS_END, "a"); /* without carriage returns */
}
END_TEST

START_TEST(trailers_are_passed_over)
{
    assert_all("1\r\na\r\n0\r\nX: y\r\nZ: 1\r\n\r\n", FY_CHUNKS_END, "a");
    assert_all("0\r\n\rX\r\n\r\n", FY_CHUNKS_END, "");
}
END_TEST

START_TEST(what_is_no_chunk_is_refused)
{
    assert_all("x\r\n", FERRY_ERR_PROTOCOL, "");
    assert_all("\r\n", FERRY_ERR_PROTOCOL, "");
    assert_all("1x\r\n", FERRY_ERR_PROTOCOL, "");
    assert_all("-1\r\n", FERRY_ERR_PROTOCOL, "");
    assert_all("1\r\nab\r\n", FERRY_ERR_PROTOCOL, "a");
    assert_all("1\r\na\rb", FERRY_ERR_PROTOCOL, "a");
    assert_all("1000000000000000\r\n", FERRY_ERR_PROTOCOL, ""); /* a digit more than may be */
}
END_TEST

START_TEST(a_line_that_does_not_end_is_refused)
{
    struct fy_chunks chunks;
    const uint8_t byte = 'x';
    size_t used, len;
    int got = FY_CHUNKS_NOTHING;
    size_t n = 0;

    ck_assert_int_eq(feed(&chunks, "1;", 2), FY_CHUNKS_NOTHING);
    while (got == FY_CHUNKS_NOTHING && n++ < 100000)
        got = fy_chunks_feed(&chunks, &byte, 1, &used, &len);
    ck_assert_int_eq(got, FERRY_ERR_PROTOCOL);
    ck_assert_uint_lt(n, 20000);
    ck_assert_int_eq(feed(&chunks, "0\r\n", 3), FY_CHUNKS_NOTHING);
    for (n = 0, got = FY_CHUNKS_NOTHING; got == FY_CHUNKS_NOTHING && n < 100000; n++)
        got = fy_chunks_feed(&chunks, (const uint8_t *)(n % 10 == 9 ? "\n" : "x"), 1, &used, &len);
    ck_assert_int_eq(got, FERRY_ERR_PROTOCOL);
    ck_assert_uint_lt(n, 20000);
}
END_TEST

START_TEST(how_much_of_a_chunk_is_left_is_known)
{
    struct fy_chunks chunks;

    ck_assert_int_eq(feed(&chunks, "10", 2), FY_CHUNKS_NOTHING);
    ck_assert_uint_eq(fy_chunks_left(&chunks), 0);
    ck_assert_int_eq(feed(&chunks, "10\r\n", 4), FY_CHUNKS_NOTHING);
    ck_assert_uint_eq(fy_chunks_left(&chunks), 16);
    ck_assert_int_eq(feed(&chunks, "10\r\nabc", 7), FY_CHUNKS_BODY);
    ck_assert_uint_eq(fy_chunks_left(&chunks), 13);
    ck_assert_int_eq(feed(&chunks, "1\r\na", 4), FY_CHUNKS_BODY);
    ck_assert_uint_eq(fy_chunks_left(&chunks), 0);
}
END_TEST

static void nothing(void)
{
}

int main(void)
{
    return rig_main("chunks", nothing, nothing, chunks_are_a_body_however_they_are_cut, trailers_are_passed_over,
                    what_is_no_chunk_is_refused, a_line_that_does_not_end_is_refused,
                    how_much_of_a_chunk_is_left_is_known, NULL);
}
