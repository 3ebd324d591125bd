/*
 * standstill - a thread sleeps for a moment, repeatedly, and adds up by how much it wakes too late.
 */
#include "harness/standstill.h"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "harness/patience.h"

#define MOMENT_MS 5
#define SHORT_MS 20 /* of a busy processor */

static pthread_t thread;
static struct {
    pthread_mutex_t mu;
    bool is_over;       /* mu */
    uint64_t total_ms;  /* mu; up to looked_ms */
    uint64_t looked_ms; /* mu; when the thread last did */
} still = {.mu = PTHREAD_MUTEX_INITIALIZER};

/* Under mu. */
static uint64_t total_ms(uint64_t now_ms)
{
    uint64_t late_ms = still.looked_ms + MOMENT_MS + SHORT_MS;

    return still.total_ms + (now_ms > late_ms ? now_ms - late_ms : 0);
}

/* Look, and say whether to go on. */
static bool look(void)
{
    uint64_t now_ms;
    bool goes_on;

    pthread_mutex_lock(&still.mu);
    now_ms = monotonic_ms();
    still.total_ms = total_ms(now_ms);
    still.looked_ms = now_ms;
    goes_on = !still.is_over;
    pthread_mutex_unlock(&still.mu);
    return goes_on;
}

static void *watch(void *arg)
{
    const struct timespec moment = {.tv_nsec = MOMENT_MS * 1000000L};

    while (look())
        (void)nanosleep(&moment, NULL);
    return arg;
}

void standstill_start(void)
{
    still.is_over = false;
    still.total_ms = 0;
    still.looked_ms = monotonic_ms();
    ck_assert_int_eq(pthread_create(&thread, NULL, watch, NULL), 0);
}

void standstill_stop(void)
{
    pthread_mutex_lock(&still.mu);
    still.is_over = true;
    pthread_mutex_unlock(&still.mu);
    pthread_join(thread, NULL);
}

/* Includes what the thread has not seen yet: the caller may have been woken before it. */
uint64_t standstill_ms(void)
{
    uint64_t ms;

    pthread_mutex_lock(&still.mu);
    ms = total_ms(monotonic_ms());
    pthread_mutex_unlock(&still.mu);
    return ms;
}

uint64_t running_ms(void)
{
    uint64_t now_ms, ms;

    pthread_mutex_lock(&still.mu);
    now_ms = monotonic_ms();
    ms = now_ms - total_ms(now_ms);
    pthread_mutex_unlock(&still.mu);
    return ms;
}
