/*
 * check_chunk_writer - bodies written in chunks, when only part of each write is sent.
 */
#include <string.h>

#include "harness/rig.h"
#include "wire/chunk_writer.h"
#include "wire/chunks.h"

#define MAX_RUNS 4

static struct fy_chunk_writer writer;
static char wire[1024]; /* what was sent */
static size_t wire_len;
static const char body[] = "the quick brown fox jumps over the lazy dog, and again";
static size_t n_sent; /* of the body */

static void setup(void)
{
    writer = (struct fy_chunk_writer){.head_len = 0};
    wire_len = 0;
    n_sent = 0;
}

static void nothing(void)
{
}

/* Show at most len bytes of the body, in runs of at most run_len, and send at most n bytes of what that makes. */
static void show_and_send(size_t len, size_t run_len, size_t n)
{
    struct iovec iov[1 + MAX_RUNS + 1];
    size_t n_runs = 0, shown = 0, n_iov, n_left = n, n_body;

    while (shown < len && n_runs < MAX_RUNS) {
        size_t run = len - shown < run_len ? len - shown : run_len;

        iov[1 + n_runs++] = (struct iovec){.iov_base = (void *)(uintptr_t)(body + n_sent + shown), .iov_len = run};
        shown += run;
    }
    n_iov = fy_chunk_writer_frame(&writer, iov, n_runs, shown);
    for (size_t i = 0; i < n_iov; i++) {
        size_t part = iov[i].iov_len < n_left ? iov[i].iov_len : n_left;

        ck_assert_uint_lt(wire_len + part, sizeof(wire));
        memcpy(wire + wire_len, iov[i].iov_base, part);
        wire_len += part;
        n_left -= part;
    }
    n_body = fy_chunk_writer_sent(&writer, n - n_left);
    ck_assert_uint_le(n_body, shown);
    n_sent += n_body;
    wire[wire_len] = '\0';
}

/* The bytes that may be shown next; the body ends at its own end, or goes on in its chunk. */
static size_t next_len(size_t max_len)
{
    size_t left = sizeof(body) - 1 - n_sent, take = fy_chunk_writer_take(&writer, max_len);

    return take < left ? take : left;
}

START_TEST(a_chunk_is_its_size_its_bytes_and_a_line_end)
{
    show_and_send(9, 4, 100);
    ck_assert_str_eq(wire, "9\r\nthe quick\r\n");
    ck_assert(!fy_chunk_writer_is_in_chunk(&writer));
    show_and_send(26, 26, 100);
    ck_assert_str_eq(wire, "9\r\nthe quick\r\n1a\r\n brown fox jumps over the \r\n");
    ck_assert_uint_eq(n_sent, 35);
}
END_TEST

/* The other byte machine takes it apart again. */
static void check_wire(void)
{
    struct fy_chunks chunks;
    size_t at = 0, n = 0;

    fy_chunks_init(&chunks);
    while (at < wire_len) {
        size_t used = 0, len = 0;
        int got = fy_chunks_feed(&chunks, (const uint8_t *)wire + at, wire_len - at, &used, &len);

        at += used;
        if (got == FY_CHUNKS_NOTHING)
            break;
        ck_assert_int_eq(got, FY_CHUNKS_BODY);
        ck_assert_mem_eq(wire + at - len, body + n, len);
        n += len;
    }
    ck_assert_uint_eq(n, sizeof(body) - 1);
    ck_assert_uint_eq(fy_chunks_left(&chunks), 0);
}

START_TEST(what_is_sent_may_be_cut_at_every_byte)
{
    for (size_t n = 1; n < 40; n++)
        for (size_t len = 1; len < sizeof(body); len++)
            for (size_t run_len = 1; run_len <= len; run_len += 5) {
                setup();
                while (n_sent < sizeof(body) - 1 || fy_chunk_writer_is_in_chunk(&writer))
                    show_and_send(next_len(len), run_len, n);
                check_wire();
            }
}
END_TEST

START_TEST(each_place_of_a_cut_is_within_the_chunk_but_its_ends)
{
    const char whole[] = "a\r\nthe quick \r\n";

    for (size_t n = 0; n < sizeof(whole); n++) {
        size_t n_body = n < 3 ? 0 : n < 13 ? n - 3 : 10;

        setup();
        show_and_send(10, 10, n);
        ck_assert(memcmp(wire, whole, n) == 0 && wire_len == n);
        ck_assert_uint_eq(n_sent, n_body);
        ck_assert_msg(fy_chunk_writer_is_in_chunk(&writer) == (n > 0 && n < sizeof(whole) - 1), "at %zu", n);
        ck_assert_uint_eq(fy_chunk_writer_take(&writer, 7), n > 0 && n < sizeof(whole) - 1 ? 10 - n_body : 7);
    }
}
END_TEST

START_TEST(a_head_that_was_not_sent_promises_nothing)
{
    show_and_send(20, 20, 0);
    ck_assert(!fy_chunk_writer_is_in_chunk(&writer));
    ck_assert_uint_eq(fy_chunk_writer_take(&writer, 3), 3);
    show_and_send(3, 3, 100); /* another one is made in its place */
    ck_assert_str_eq(wire, "3\r\nthe\r\n");
}
END_TEST

START_TEST(the_line_end_alone_may_be_what_is_left)
{
    show_and_send(3, 3, 6);
    ck_assert_uint_eq(fy_chunk_writer_take(&writer, 100), 0);
    show_and_send(0, 1, 1);
    ck_assert(fy_chunk_writer_is_in_chunk(&writer));
    show_and_send(0, 1, 1);
    ck_assert(!fy_chunk_writer_is_in_chunk(&writer));
    ck_assert_str_eq(wire, "3\r\nthe\r\n");
}
END_TEST

START_TEST(less_than_was_promised_may_be_shown_and_does_not_end_the_chunk)
{
    show_and_send(12, 12, 5);
    show_and_send(4, 2, 100);
    ck_assert_str_eq(wire, "c\r\nthe qu");
    ck_assert_uint_eq(fy_chunk_writer_take(&writer, 100), 6);
    show_and_send(6, 6, 100);
    ck_assert_str_eq(wire, "c\r\nthe quick br\r\n");
}
END_TEST

START_TEST(the_largest_size_has_room)
{
    struct iovec iov[3] = {{.iov_len = 0}, {.iov_base = wire, .iov_len = SIZE_MAX}};

    ck_assert_uint_eq(fy_chunk_writer_frame(&writer, iov, 1, SIZE_MAX), 3);
    ck_assert_uint_eq(iov[0].iov_len, 18);
    ck_assert_mem_eq(iov[0].iov_base, "ffffffffffffffff\r\n", 18);
}
END_TEST

int main(void)
{
    return rig_main("chunk_writer", setup, nothing, a_chunk_is_its_size_its_bytes_and_a_line_end,
                    what_is_sent_may_be_cut_at_every_byte, each_place_of_a_cut_is_within_the_chunk_but_its_ends,
                    a_head_that_was_not_sent_promises_nothing, the_line_end_alone_may_be_what_is_left,
                    less_than_was_promised_may_be_shown_and_does_not_end_the_chunk, the_largest_size_has_room, NULL);
}
