/*
 * check_frame - the store of long frames: what is kept, and for how long.
 */
#include <pthread.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/frame.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static struct fy_frames *frames;

static void setup(void)
{
    heap_setup();
    frames = fy_frames_new();
    ck_assert_ptr_nonnull(frames);
}

static void teardown(void)
{
    fy_frames_close(frames);
    frames = NULL;
    heap_teardown();
}

static struct fy_frame *new_frame(size_t size)
{
    struct fy_frame *frame = fy_frames_grow(frames, NULL, size);

    ck_assert_ptr_nonnull(frame);
    ck_assert_uint_ge(frame->cap, size);
    memset(frame->bytes, 7, frame->cap);
    return frame;
}

START_TEST(a_frame_that_was_put_is_taken_by_the_next_of_its_size)
{
    struct fy_frame *frame = new_frame(100 * KIB);

    ck_assert_ptr_null(fy_frames_take(frames, 100 * KIB)); /* it is out */
    fy_frame_put(frame);
    ck_assert_ptr_null(fy_frames_take(frames, 200 * KIB)); /* too short */
    ck_assert_ptr_null(fy_frames_take(frames, 10 * KIB));  /* too long */
    ck_assert_ptr_eq(fy_frames_take(frames, 100 * KIB + 1), frame);
    ck_assert_ptr_null(fy_frames_take(frames, 100 * KIB));
    fy_frame_put(frame);
}
END_TEST

START_TEST(the_last_that_was_put_is_the_first_that_is_taken)
{
    struct fy_frame *a = new_frame(100 * KIB), *b = new_frame(100 * KIB);

    fy_frame_put(a);
    fy_frame_put(b);
    ck_assert_ptr_eq(fy_frames_take(frames, 100 * KIB), b);
    ck_assert_ptr_eq(fy_frames_take(frames, 100 * KIB), a);
    fy_frame_put(a);
    fy_frame_put(b);
}
END_TEST

START_TEST(a_frame_that_grows_keeps_what_is_in_it)
{
    struct fy_frame *frame = new_frame(1000);
    struct fy_frame *grown = fy_frames_grow(frames, frame, MIB);

    ck_assert_ptr_nonnull(grown);
    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(grown->bytes[i], 7);
    ck_assert_uint_ge(grown->cap, MIB);
    fy_frame_put(grown);
}
END_TEST

START_TEST(short_frames_are_not_kept)
{
    long live = heap_live();

    fy_frame_put(new_frame(4 * KIB));
    ck_assert_int_eq(heap_live(), live);
}
END_TEST

START_TEST(no_more_is_kept_than_the_limit)
{
    enum { N = 20 };
    struct fy_frame *out[N];
    long live = heap_live();

    for (size_t i = 0; i < N; i++)
        out[i] = new_frame(MIB);
    for (size_t i = 0; i < N; i++)
        fy_frame_put(out[i]);
    ck_assert_int_le(heap_live() - live, FY_FRAMES_KEPT / MIB);
    ck_assert_int_ge(heap_live() - live, FY_FRAMES_KEPT / MIB - 1);
    ck_assert_ptr_eq(fy_frames_take(frames, MIB), out[N - 1]); /* the oldest went */
    fy_frame_put(out[N - 1]);
    live = heap_live();
    fy_frame_put(new_frame(2 * FY_FRAMES_KEPT)); /* one that is too long alone, and goes with all before it */
    ck_assert_int_lt(heap_live(), live);
}
END_TEST

START_TEST(unused_frames_are_freed)
{
    long live = heap_live();

    fy_frame_put(new_frame(MIB));
    fy_frames_trim(frames);
    ck_assert_int_eq(heap_live(), live);
    fy_frame_put(new_frame(MIB));
    fy_frame_put(fy_frames_take(frames, MIB));
    fy_frames_trim(frames); /* it was asked for since the last one */
    ck_assert_int_eq(heap_live(), live + 1);
    fy_frames_trim(frames);
    ck_assert_int_eq(heap_live(), live);
}
END_TEST

static void *put_all(void *arg)
{
    struct fy_frame **out = arg;

    for (size_t i = 0; i < 100; i++)
        fy_frame_put(out[i]);
    return NULL;
}

START_TEST(frames_come_back_on_other_threads_and_after_the_end)
{
    struct fy_frame *out[2][100];
    pthread_t threads[2];

    for (size_t i = 0; i < 200; i++)
        out[i / 100][i % 100] = new_frame(16 * KIB);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, put_all, out[i]), 0);
    fy_frames_close(frames);
    frames = NULL;
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
} /* teardown sees that nothing is left */
END_TEST

START_TEST(without_memory_a_frame_is_as_it_was)
{
    struct fy_frame *frame = new_frame(1000);
    struct fy_frame *refused;

    heap_fail_at(0);
    refused = fy_frames_grow(frames, frame, MIB);
    heap_fail_at(-1);
    ck_assert_ptr_null(refused);
    ck_assert_uint_eq(frame->bytes[999], 7);
    fy_frame_put(frame);
    heap_fail_at(0);
    refused = fy_frames_grow(frames, NULL, 1000);
    heap_fail_at(-1);
    ck_assert_ptr_null(refused);
    heap_fail_at(0);
    ck_assert_ptr_null(fy_frames_new());
    heap_fail_at(-1);
}
END_TEST

int main(void)
{
    return rig_main("frame", setup, teardown, a_frame_that_was_put_is_taken_by_the_next_of_its_size,
                    the_last_that_was_put_is_the_first_that_is_taken, a_frame_that_grows_keeps_what_is_in_it,
                    short_frames_are_not_kept, no_more_is_kept_than_the_limit, unused_frames_are_freed,
                    frames_come_back_on_other_threads_and_after_the_end, without_memory_a_frame_is_as_it_was, NULL);
}
