/*
 * check_answer_body - how the body of an answer ends, as its head says.
 */
#include "wire/answer_body.h"

#include <string.h>

#include "ferry/ferry.h"
#include "harness/rig.h"

static struct fy_answer_body body;

static int begin(int status, const char *first, const char *second)
{
    struct fy_header headers[2];
    const char *const lines[] = {first, second};
    static char names[2][64];
    size_t n = 0;

    for (; n < 2 && lines[n]; n++) {
        const char *colon = strchr(lines[n], ':');

        ck_assert_ptr_nonnull(colon);
        memset(names[n], 0, sizeof(names[n]));
        memcpy(names[n], lines[n], (size_t)(colon - lines[n]));
        headers[n] = (struct fy_header){names[n], colon + 1};
    }
    return fy_answer_body_init(&body, status, headers, n);
}

/* Feed text in pieces; what was the body's, and how it ended. */
static int feed(const char *text, size_t at_a_time, char *ret_body, size_t *ret_used)
{
    size_t len = strlen(text), n_used = 0, n_body = 0;
    int got = FY_CHUNKS_NOTHING;

    while (n_used < len) {
        size_t n = len - n_used < at_a_time ? len - n_used : at_a_time, used = 0, n_of_body = 0;

        got = fy_answer_body_feed(&body, (const uint8_t *)text + n_used, n, &used, &n_of_body);
        if (got != FY_CHUNKS_NOTHING && got != FY_CHUNKS_BODY)
            break;
        if (got == FY_CHUNKS_BODY) {
            memcpy(ret_body + n_body, text + n_used + used - n_of_body, n_of_body);
            n_body += n_of_body;
        }
        n_used += used;
    }
    ret_body[n_body] = '\0';
    *ret_used = n_used;
    return got;
}

START_TEST(a_length_ends_a_body)
{
    char seen[32];
    size_t n_used;

    for (size_t at_a_time = 1; at_a_time < 10; at_a_time++) {
        ck_assert_int_eq(begin(200, "content-length:5", NULL), FERRY_OK);
        ck_assert_uint_eq(fy_answer_body_left(&body), 5);
        ck_assert(!fy_answer_body_is_complete(&body));
        ck_assert(!fy_answer_body_ends_by_close(&body));
        ck_assert_int_eq(feed("abcdefgh", at_a_time, seen, &n_used), FY_CHUNKS_END);
        ck_assert_str_eq(seen, "abcde");
        ck_assert_uint_eq(n_used, 5);
        ck_assert(fy_answer_body_is_complete(&body));
    }
}
END_TEST

START_TEST(chunks_end_a_body_whatever_length_is_said)
{
    char seen[32];
    size_t n_used;

    for (size_t at_a_time = 1; at_a_time < 10; at_a_time++) {
        ck_assert_int_eq(begin(200, "Content-Length:1", "Transfer-Encoding:Chunked"), FERRY_OK);
        ck_assert(!fy_answer_body_ends_by_close(&body));
        ck_assert_int_eq(feed("3\r\nabc\r\n0\r\n\r\nx", at_a_time, seen, &n_used), FY_CHUNKS_END);
        ck_assert_str_eq(seen, "abc");
    }
}
END_TEST

START_TEST(without_either_it_ends_with_the_connection)
{
    char seen[32];
    size_t n_used;

    ck_assert_int_eq(begin(200, NULL, NULL), FERRY_OK);
    ck_assert(fy_answer_body_ends_by_close(&body));
    ck_assert_int_eq(feed("abc", 2, seen, &n_used), FY_CHUNKS_BODY);
    ck_assert_str_eq(seen, "abc");
    ck_assert_uint_gt(fy_answer_body_left(&body), UINT64_MAX / 2);
}
END_TEST

START_TEST(some_answers_have_no_body)
{
    ck_assert_int_eq(begin(204, NULL, NULL), FERRY_OK);
    ck_assert(fy_answer_body_is_complete(&body));
    ck_assert_int_eq(begin(304, "Content-Length:7", NULL), FERRY_OK);
    ck_assert(fy_answer_body_is_complete(&body));
    ck_assert_int_eq(begin(200, "Content-Length:0", NULL), FERRY_OK);
    ck_assert(fy_answer_body_is_complete(&body));
}
END_TEST

START_TEST(a_framing_that_is_in_doubt_is_refused)
{
    ck_assert_int_eq(begin(200, "Content-Length:", NULL), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(begin(200, "Content-Length:5x", NULL), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(begin(200, "Content-Length:-5", NULL), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(begin(200, "Content-Length:99999999999999999999", NULL), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(begin(200, "Content-Length:5", "Content-Length:6"), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(begin(200, "Content-Length:5", "Content-Length:5"), FERRY_OK);
    ck_assert_int_eq(begin(200, "Transfer-Encoding:gzip", NULL), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(begin(200, "Transfer-Encoding:gzip, chunked", NULL), FERRY_ERR_PROTOCOL);
    ck_assert_int_eq(begin(200, "Transfer-Encoding:chunked", "Transfer-Encoding:chunked"), FERRY_ERR_PROTOCOL);
}
END_TEST

int main(void)
{
    return rig_main("answer_body", NULL, NULL, a_length_ends_a_body, chunks_end_a_body_whatever_length_is_said,
                    without_either_it_ends_with_the_connection, some_answers_have_no_body,
                    a_framing_that_is_in_doubt_is_refused, NULL);
}
