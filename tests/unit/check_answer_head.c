/*
 * check_answer_head - heads of HTTP answers, valid and malformed.
 */
#include "wire/answer_head.h"

#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"

static struct fy_answer_head head;

static void setup(void)
{
    heap_setup();
    head = (struct fy_answer_head){.text = NULL};
}

static void teardown(void)
{
    fy_answer_head_release(&head);
    heap_teardown();
}

static int add(const char *line)
{
    return fy_answer_head_add(&head, line, strlen(line));
}

static void assert_headers(const struct fy_header *expected, size_t n)
{
    struct fy_header *headers = fy_answer_head_list(&head);

    ck_assert_ptr_nonnull(headers);
    ck_assert_uint_eq(head.n_headers, n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(headers[i].name, expected[i].name);
        ck_assert_str_eq(headers[i].value, expected[i].value);
    }
    free(headers);
}

START_TEST(a_head_ends_with_an_empty_line)
{
    const struct fy_header expected[] = {{"A", "b c"}, {"Empty", ""}, {"a", "d:e"}};

    ck_assert_int_eq(add("HTTP/1.1 200 OK\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("A:  b c \t\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("Empty:\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("a:d:e\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("\r\n"), FY_ANSWER_HEAD_COMPLETE);
    ck_assert_int_eq(head.status, 200);
    assert_headers(expected, 3);
}
END_TEST

START_TEST(an_informational_head_is_followed_by_another)
{
    const struct fy_header expected[] = {{"B", "2"}};

    ck_assert_int_eq(add("HTTP/1.1 100 Continue\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("A: 1\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("HTTP/1.1 404 Not Found\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("B: 2\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("\r\n"), FY_ANSWER_HEAD_COMPLETE);
    ck_assert_int_eq(head.status, 404);
    assert_headers(expected, 1);
}
END_TEST

START_TEST(lines_that_are_no_headers_are_passed_over)
{
    const struct fy_header expected[] = {{"A", "1"}};

    ck_assert_int_eq(add("HTTP/1.1\r\n"), FY_ANSWER_HEAD_MORE); /* not even a status: it is never complete */
    ck_assert_int_eq(head.status, 0);
    ck_assert_int_eq(add("no colon\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("A: 1\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add(" folded: 2\r\n"), FY_ANSWER_HEAD_MORE);
    ck_assert_int_eq(add("\r\n"), FY_ANSWER_HEAD_MORE);
    assert_headers(expected, 1);
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
    char line[1024];
    size_t n_bytes = 0;
    int got = add("HTTP/1.1 103 Early Hints\r\n");

    memset(line, 'a', sizeof(line));
    line[1] = ':';
    for (; got == FY_ANSWER_HEAD_MORE; n_bytes += sizeof(line)) {
        ck_assert_uint_le(n_bytes, FY_ANSWER_HEAD_MAX);
        got = fy_answer_head_add(&head, line, sizeof(line));
    }
    ck_assert_int_eq(got, FERRY_ERR_PROTOCOL);
    ck_assert_uint_le(head.room, 2 * FY_ANSWER_HEAD_MAX);
}
END_TEST

/* ---- From the bytes of a connection ---- */

static int feed(const char *text, size_t at_a_time, size_t *ret_used)
{
    size_t len = strlen(text), n_used = 0;
    int got = FY_ANSWER_HEAD_MORE;

    while (got == FY_ANSWER_HEAD_MORE && n_used < len) {
        size_t n = len - n_used < at_a_time ? len - n_used : at_a_time, used = 0;

        got = fy_answer_head_feed(&head, (const uint8_t *)text + n_used, n, &used);
        n_used += used;
    }
    *ret_used = n_used;
    return got;
}

static void begin_again(void)
{
    fy_answer_head_release(&head);
}

START_TEST(bytes_may_be_cut_anywhere)
{
    const struct fy_header expected[] = {{"A", "b"}, {"C", ""}};
    const char *text = "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.0 200\r\nA: b\nC:\r\n\r\nbody";

    for (size_t at_a_time = 1; at_a_time <= strlen(text); at_a_time++) {
        size_t n_used;

        ck_assert(!fy_answer_head_has_begun(&head));
        ck_assert_int_eq(feed(text, at_a_time, &n_used), FY_ANSWER_HEAD_COMPLETE);
        ck_assert_uint_eq(n_used, strlen(text) - strlen("body"));
        ck_assert(fy_answer_head_has_begun(&head));
        ck_assert_int_eq(head.status, 200);
        assert_headers(expected, 2);
        begin_again();
    }
}
END_TEST

START_TEST(a_switch_of_protocols_completes_a_head)
{
    size_t n_used;

    ck_assert_int_eq(feed("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\1", 3, &n_used),
                     FY_ANSWER_HEAD_COMPLETE);
    ck_assert_int_eq(head.status, 101);
}
END_TEST

START_TEST(what_is_not_http_1_is_refused_as_soon_as_it_is_seen)
{
    static const char *const bad[] = {"x",           "HTTP/2", "HTTP/1.1 2x", "HTTP/1.1 2000", "HTTP/1.x", "\r\n",
                                      "HTTP/1.1\r\n", "GET ",  "HTTP/1.1 200_", "HTTP/1.1 100 C\r\n\r\nA: b\r\n"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t at_a_time = 1; at_a_time <= strlen(bad[i]); at_a_time++) {
            size_t n_used;

            ck_assert_msg(feed(bad[i], at_a_time, &n_used) == FERRY_ERR_PROTOCOL, "%s", bad[i]);
            begin_again();
        }
    }
}
END_TEST

START_TEST(a_line_without_end_is_refused)
{
    static char text[FY_ANSWER_HEAD_MAX + 1024];
    size_t n_used;

    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
    ck_assert_int_eq(feed(text, 1000, &n_used), FERRY_ERR_PROTOCOL);
    ck_assert_uint_le(heap_largest(), FY_ANSWER_HEAD_MAX + 1024);
}
END_TEST

START_TEST(bytes_survive_every_failed_allocation)
{
    int got = FERRY_ERR_NOMEM;
    long nth = 0;

    for (; got == FERRY_ERR_NOMEM; nth++) {
        size_t n_used;

        begin_again();
        heap_fail_at(nth);
        got = feed("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", 5, &n_used);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(got, FY_ANSWER_HEAD_COMPLETE);
    ck_assert_int_ge(nth, 3);
}
END_TEST

START_TEST(no_failed_allocation_loses_a_line)
{
    int got = FERRY_ERR_NOMEM;

    ck_assert_int_eq(add("HTTP/1.1 200 OK\r\n"), FY_ANSWER_HEAD_MORE);
    for (long nth = 0; got == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        got = add("A: 1\r\n");
        heap_fail_at(-1);
    }
    ck_assert_int_eq(got, FY_ANSWER_HEAD_MORE);
    assert_headers(&(struct fy_header){"A", "1"}, 1);

    heap_fail_at(0);
    ck_assert_ptr_null(fy_answer_head_list(&head));
    heap_fail_at(-1);
}
END_TEST

int main(void)
{
    return rig_main("answer_head", setup, teardown, a_head_ends_with_an_empty_line,
                    an_informational_head_is_followed_by_another, lines_that_are_no_headers_are_passed_over,
                    a_head_without_end_is_refused, no_failed_allocation_loses_a_line, bytes_may_be_cut_anywhere,
                    a_switch_of_protocols_completes_a_head, what_is_not_http_1_is_refused_as_soon_as_it_is_seen,
                    a_line_without_end_is_refused, bytes_survive_every_failed_allocation, NULL);
}
