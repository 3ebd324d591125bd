/*
 * check_answer_head - heads as servers write them, and as none should.
 */
#include "net/http/answer_head.h"

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
                    a_head_without_end_is_refused, no_failed_allocation_loses_a_line, NULL);
}
