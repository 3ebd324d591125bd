/*
 * it_stop - what the other members see of one that stops.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "ferry/ferry.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"

#define MANY 200

static struct member members[2];
static atomic_bool is_held;

static void setup(void)
{
    member_init(&members[0], 1);
    member_init(&members[1], 2);
}

static void teardown(void)
{
    member_release(&members[0]);
    member_release(&members[1]);
}

/* As from etcd: both streams end cleanly, and are no broken connections in the other's log. */
static void stop_is_clean(enum ferry_delivery delivery)
{
    members[0].config.delivery = delivery;
    member_start(&members[0]);
    member_start(&members[1]);
    members_connect(members, 2);
    members_await_streams(members, 2);
    member_stop(&members[0]);
    ck_assert_msg(journal_wait(&members[1].journal, 1, "the peer ended the stream", patience_ms(5000)), "%s",
                  journal_text(&members[1].journal, JOURNAL_ANY));
    ck_assert(!journal_wait(&members[1].journal, 1, "failed to read", 0));
}

START_TEST(a_stop_with_workers_ends_the_streams_cleanly)
{
    stop_is_clean(FERRY_DELIVER_WORKERS);
}
END_TEST

START_TEST(an_inline_stop_ends_the_streams_cleanly)
{
    stop_is_clean(FERRY_DELIVER_INLINE);
}
END_TEST

START_TEST(a_hosted_stop_ends_the_streams_cleanly)
{
    stop_is_clean(FERRY_DELIVER_HOST);
}
END_TEST

static struct {
    sem_t begins, may_end;
    atomic_uint n_calls;
} slow;

/* A core that takes until the test lets it end. */
static int process_slowly(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    (void)msg;
    atomic_fetch_add(&slow.n_calls, 1);
    sem_post(&slow.begins);
    sem_wait(&slow.may_end);
    return 0;
}

static void *stop(void *t)
{
    ferry_transport_stop(t);
    return NULL;
}

static void stop_waits_for_one_call(enum ferry_delivery delivery)
{
    struct ferry_message msgs[MANY];
    pthread_t thread;

    sem_init(&slow.begins, 0, 0);
    sem_init(&slow.may_end, 0, 0);
    members[1].config.delivery = delivery;
    members[1].config.n_workers = 1;
    members[1].config.core.process = process_slowly;
    member_start(&members[0]);
    member_start(&members[1]);
    members_connect(members, 2);
    members_await_streams(members, 2);
    for (size_t i = 0; i < MANY; i++)
        msgs[i] = (struct ferry_message){.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2};
    ck_assert_int_eq(ferry_transport_send(members[0].t, msgs, MANY), FERRY_OK);
    sem_wait(&slow.begins);

    ck_assert_int_eq(pthread_create(&thread, NULL, stop, members[1].t), 0);
    while (ferry_transport_send(members[1].t, NULL, 0) != FERRY_ERR_CLOSED)
        sched_yield();
    for (size_t i = 0; i < MANY; i++)
        sem_post(&slow.may_end);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(atomic_load(&slow.n_calls), 1);
}

START_TEST(a_stop_waits_for_one_call_of_a_slow_inline_core)
{
    stop_waits_for_one_call(FERRY_DELIVER_INLINE);
}
END_TEST

START_TEST(a_stop_waits_for_one_call_of_a_slow_worker)
{
    stop_waits_for_one_call(FERRY_DELIVER_WORKERS);
}
END_TEST

/* The core's call lasts until the log has said that stop waits for it. */
static void hold_until_told(void *arg, const struct ferry_message *msg)
{
    struct member *m = arg;

    (void)msg;
    atomic_store(&is_held, true);
    if (!journal_wait(&m->journal, 0, "stop has been waiting for 5 s for ", patience_ms(20000)))
        abort();
}

static bool has_begun(void *arg)
{
    (void)arg;
    return atomic_load(&is_held);
}

static void a_long_stop_is_told(enum ferry_delivery delivery, const char *what)
{
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = 2, .to = 1, .term = 1};

    members[0].config.delivery = delivery;
    members[0].recorder.on_message = hold_until_told;
    members[0].recorder.arg = &members[0];
    member_start(&members[0]);
    member_start(&members[1]);
    members_connect(members, 2);
    members_await_streams(members, 2);
    member_send(&members[1], &msg);
    ck_assert(members_wait(members, 2, has_begun, NULL, patience_ms(5000)));
    ck_assert_int_eq(ferry_transport_stop(members[0].t), FERRY_OK);
    ck_assert_uint_eq(journal_count(&members[0].journal, FERRY_LOG_WARN, 0, "stop has been waiting"), 1);
    ck_assert_uint_eq(journal_count(&members[0].journal, FERRY_LOG_WARN, 0, what), 1);
}

START_TEST(a_stop_that_takes_long_says_that_it_waits_for_a_worker)
{
    a_long_stop_is_told(FERRY_DELIVER_WORKERS, "a worker that is in a callback");
}
END_TEST

START_TEST(a_stop_that_takes_long_says_that_it_waits_for_the_loop)
{
    a_long_stop_is_told(FERRY_DELIVER_INLINE, "the I/O thread, which is in a callback");
}
END_TEST

int main(void)
{
    return rig_main("stop", setup, teardown, a_stop_with_workers_ends_the_streams_cleanly,
                    an_inline_stop_ends_the_streams_cleanly, a_hosted_stop_ends_the_streams_cleanly,
                    a_stop_waits_for_one_call_of_a_slow_inline_core, a_stop_waits_for_one_call_of_a_slow_worker,
                    a_stop_that_takes_long_says_that_it_waits_for_a_worker,
                    a_stop_that_takes_long_says_that_it_waits_for_the_loop, NULL);
}
