/*
 * standstill - a thread sleeps for a moment, again and again, and adds up by how much it wakes too late.
 */
#include "harness/standstill.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "harness/patience.h"

#define MOMENT_MS 5
#define SHORT_MS 20 /* a busy processor's */

static pthread_t thread;
static atomic_bool is_over;
static atomic_uint_fast64_t total_ms;
static atomic_uint_fast64_t looked_ms; /* when the thread last did */

static uint64_t lateness_ms(uint64_t now_ms)
{
    uint64_t due_ms = atomic_load(&looked_ms) + MOMENT_MS;

    return now_ms > due_ms + SHORT_MS ? now_ms - due_ms : 0;
}

static void *watch(void *arg)
{
    const struct timespec moment = {.tv_nsec = MOMENT_MS * 1000000L};

    while (!atomic_load(&is_over)) {
        uint64_t now_ms;

        (void)nanosleep(&moment, NULL);
        now_ms = monotonic_ms();
        atomic_fetch_add(&total_ms, lateness_ms(now_ms));
        atomic_store(&looked_ms, now_ms);
    }
    return arg;
}

void standstill_start(void)
{
    atomic_store(&is_over, false);
    atomic_store(&total_ms, 0);
    atomic_store(&looked_ms, monotonic_ms());
    ck_assert_int_eq(pthread_create(&thread, NULL, watch, NULL), 0);
}

void standstill_stop(void)
{
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
}

/* With what the thread has not seen yet: whoever asks may have been woken before it. */
uint64_t standstill_ms(void)
{
    return atomic_load(&total_ms) + lateness_ms(monotonic_ms());
}
