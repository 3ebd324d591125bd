/*
 * check_delivery - received messages on their way to the core, on the loop and by workers.
 *
 * The core is the test's.  Where an order between threads matters, the core waits at a gate that the test opens;
 * nothing waits for time to pass.
 */
#include "transport/delivery.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "harness/peer_rig.h"
#include "wire/message.h"
#include "wire/url.h"

#define MAX_TOLD 4096
#define GATED_TERM 99 /* messages of this term wait at the gate */

static struct fy_delivery delivery;
static struct ferry_core core;
static struct fy_peer *second; /* another peer: member 3 */

/* What the core was told. */
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct rig_message told[MAX_TOLD]; /* mu */
static size_t n_told;                     /* mu */
static size_t n_unreachable[4];           /* mu; by peer id */
static size_t n_finish[4], n_failure[4];  /* mu */
static size_t n_at_gate;                  /* mu; calls that wait */
static bool is_gate_open;                 /* mu */
static int process_result;
static int done_result;
static size_t n_done;

static int process(void *ctx, const struct ferry_message *msg)
{
    int result;

    if (ctx != &core)
        ck_abort();
    pthread_mutex_lock(&mu);
    if (msg->term == GATED_TERM) {
        n_at_gate++;
        pthread_cond_broadcast(&changed);
        while (!is_gate_open)
            pthread_cond_wait(&changed, &mu);
        n_at_gate--;
    }
    told[n_told++] = (struct rig_message){.type = msg->type, .index = msg->index, .from = msg->from};
    result = process_result;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
    return result;
}

static void report_unreachable(void *ctx, uint64_t id)
{
    (void)ctx;
    pthread_mutex_lock(&mu);
    n_unreachable[id]++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
}

static void report_snapshot(void *ctx, uint64_t id, enum ferry_snapshot_result result)
{
    (void)ctx;
    pthread_mutex_lock(&mu);
    *(result == FERRY_SNAPSHOT_FINISH ? &n_finish[id] : &n_failure[id]) += 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
}

static void on_done(void *arg, int result)
{
    if (arg != &done_result)
        ck_abort();
    done_result = result;
    n_done++;
}

/* Wait, under mu and for the event, until condition holds. */
#define wait_until(condition)                                                                                          \
    do {                                                                                                               \
        pthread_mutex_lock(&mu);                                                                                       \
        while (!(condition))                                                                                           \
            pthread_cond_wait(&changed, &mu);                                                                          \
        pthread_mutex_unlock(&mu);                                                                                     \
    } while (0)

static void open_gate(void)
{
    pthread_mutex_lock(&mu);
    is_gate_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
}

static void free_second(void *arg, struct fy_peer *peer)
{
    ck_assert_ptr_eq(arg, &delivery);
    fy_peer_free(peer);
    second = NULL;
}

static void setup(void)
{
    static const char *const urls[] = {"http://third:80", NULL};
    char **copy;

    rig_setup();
    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    ck_assert_int_eq(fy_peer_new(&rig.raft, 3, copy, &second), FERRY_OK);
    second->ties.on_last_unref = free_second;
    second->ties.arg = &delivery;
    core = (struct ferry_core){
        .ctx = &core, .process = process, .report_unreachable = report_unreachable, .report_snapshot = report_snapshot};
    fy_delivery_init(&delivery, &core, 16, 1u << 20);
}

static void teardown(void)
{
    open_gate();
    fy_inbox_close(&rig.peer->inbox);
    fy_inbox_close(&second->inbox);
    fy_delivery_stop(&delivery);
    fy_delivery_release(&delivery);
    fy_peer_stop(second, FERRY_DROP_REMOVED);
    fy_peer_unref(second); /* the last reference: all others were let go */
    ck_assert_ptr_null(second);
    rig_teardown();
}

static void start(unsigned n_workers, unsigned n_propose_workers)
{
    ck_assert_int_eq(fy_delivery_start(&delivery, n_workers, n_propose_workers, 50), FERRY_OK);
}

static void put_from(struct fy_peer *peer, enum ferry_message_type type, uint64_t index)
{
    fy_delivery_put(&delivery, peer, rig_decoded(type, index, 0), NULL, NULL);
}

static void put(enum ferry_message_type type, uint64_t index)
{
    put_from(rig.peer, type, index);
}

/* A message that keeps its worker until the gate opens. */
static void put_gated(struct fy_peer *peer, enum ferry_message_type type)
{
    const struct ferry_message *msg = rig_decoded(type, 1000, 0);

    ((struct ferry_message *)(uintptr_t)msg)->term = GATED_TERM;
    fy_delivery_put(&delivery, peer, msg, NULL, NULL);
}

/* ---- On the loop ---- */

START_TEST(without_workers_the_core_is_called_at_once)
{
    start(0, 0);
    put(FERRY_MSG_APP, 1);
    put(FERRY_MSG_PROP, 2);
    ck_assert_uint_eq(n_told, 2);
    ck_assert_uint_eq(told[0].index, 1);
    ck_assert_uint_eq(told[1].index, 2);
    ck_assert_uint_eq(rig_status().counts.refused, 0);
}
END_TEST

START_TEST(what_the_core_says_is_told_and_counted)
{
    process_result = 7;
    fy_delivery_put(&delivery, rig.peer, rig_decoded(FERRY_MSG_APP, 1, 0), on_done, &done_result);
    ck_assert_uint_eq(n_done, 1);
    ck_assert_int_eq(done_result, FERRY_ERR_CANCELED); /* not the 7 that the core returned */
    ck_assert_uint_eq(rig_status().counts.refused, 1);
    ck_assert_uint_eq(rig_status().counts.received_dropped, 0);
    fy_delivery_put(&delivery, NULL, rig_decoded(FERRY_MSG_APP, 1, 0), on_done, &done_result); /* a stranger */
    ck_assert_uint_eq(n_done, 2);
}
END_TEST

START_TEST(without_workers_reports_wait_for_the_loops_next_turn)
{
    fy_delivery_report_unreachable(&delivery, rig.peer);
    fy_delivery_report_unreachable(&delivery, rig.peer);
    fy_delivery_report_snapshot(&delivery, rig.peer, FERRY_SNAPSHOT_FINISH);
    fy_delivery_report_snapshot(&delivery, rig.peer, FERRY_SNAPSHOT_FAILURE);
    ck_assert_uint_eq(n_unreachable[RIG_THEM], 0); /* never from inside */
    ck_assert(atomic_load(&rig.peer->base.needs_attention));
    fy_delivery_attend(&delivery, rig.peer);
    ck_assert_uint_eq(n_unreachable[RIG_THEM], 1);
    ck_assert_uint_eq(n_finish[RIG_THEM], 1);
    ck_assert_uint_eq(n_failure[RIG_THEM], 1);
    fy_delivery_attend(&delivery, rig.peer);
    ck_assert_uint_eq(n_unreachable[RIG_THEM], 1);
}
END_TEST

START_TEST(a_core_without_report_callbacks_is_not_called)
{
    core.report_unreachable = NULL;
    core.report_snapshot = NULL;
    fy_delivery_report_unreachable(&delivery, rig.peer);
    fy_delivery_report_snapshot(&delivery, rig.peer, FERRY_SNAPSHOT_FINISH);
    fy_delivery_attend(&delivery, rig.peer);
}
END_TEST

START_TEST(after_stop_the_core_is_not_called)
{
    fy_delivery_stop(&delivery);
    fy_delivery_put(&delivery, rig.peer, rig_decoded(FERRY_MSG_APP, 1, 0), on_done, &done_result);
    ck_assert_uint_eq(n_told, 0);
    ck_assert_uint_eq(n_done, 1);
    ck_assert_int_eq(done_result, FERRY_ERR_CLOSED);
    ck_assert_uint_eq(rig_status().counts.received_dropped, 1);
}
END_TEST

START_TEST(after_close_the_core_gets_reports_and_no_message)
{
    fy_delivery_close(&delivery);
    fy_delivery_put(&delivery, rig.peer, rig_decoded(FERRY_MSG_APP, 1, 0), on_done, &done_result);
    ck_assert_uint_eq(n_told, 0);
    ck_assert_uint_eq(n_done, 1);
    ck_assert_int_eq(done_result, FERRY_ERR_CLOSED);
    ck_assert_uint_eq(rig_status().counts.received_dropped, 1);
    fy_delivery_report_unreachable(&delivery, rig.peer);
    fy_delivery_attend(&delivery, rig.peer);
    ck_assert_uint_eq(n_unreachable[fy_peer_id(rig.peer)], 1);
}
END_TEST

/* ---- By workers ---- */

START_TEST(a_report_that_comes_too_late_is_let_go)
{
    fy_delivery_report_unreachable(&delivery, rig.peer); /* by a sender that saw the transport run */
    fy_delivery_report_snapshot(&delivery, rig.peer, FERRY_SNAPSHOT_FAILURE);
    fy_delivery_stop(&delivery);
    fy_delivery_silence(&delivery);
    fy_delivery_attend(&delivery, rig.peer); /* when the transport is freed */
    ck_assert_uint_eq(n_unreachable[RIG_THEM], 0);
    ck_assert_uint_eq(n_failure[RIG_THEM], 0);
    ck_assert(!fy_inbox_is_scheduled(&rig.peer->inbox.queues[FY_INBOX_RECEIVE]));
}
END_TEST

START_TEST(a_peers_messages_stay_in_order_whatever_the_number_of_workers)
{
    enum { N = 1000 };

    rig.peer->inbox.max_messages = second->inbox.max_messages = N;
    start(4, 1);
    for (uint64_t i = 0; i < N; i++) {
        put(FERRY_MSG_APP, i);
        put_from(second, FERRY_MSG_VOTE, i);
    }
    wait_until(n_told == 2 * N);
    for (size_t i = 0, apps = 0, votes = 0; i < 2 * N; i++)
        ck_assert_uint_eq(told[i].index, told[i].type == FERRY_MSG_APP ? apps++ : votes++);
}
END_TEST

START_TEST(a_proposal_that_blocks_delays_nothing_else)
{
    start(1, 1);
    put_gated(rig.peer, FERRY_MSG_PROP);
    wait_until(n_at_gate == 1);
    put(FERRY_MSG_APP, 1);
    put_from(second, FERRY_MSG_APP, 2);
    wait_until(n_told == 2);
    ck_assert_uint_eq(n_at_gate, 1);
    open_gate();
    wait_until(n_told == 3);
    ck_assert_int_eq(told[2].type, FERRY_MSG_PROP);
}
END_TEST

/* Many times, for what may go wrong is in the moment between a worker's last look and its sleep. */
static void bring_one_at_a_time(void)
{
    for (uint64_t i = 0; i < 3000; i++) {
        pthread_mutex_lock(&mu);
        n_told = 0;
        pthread_mutex_unlock(&mu);
        put(FERRY_MSG_APP, i);
        wait_until(n_told == 1);
        for (uint64_t pause = 0; pause < i % 64 * 64; pause++)
            fy_spin_relax();
    }
}

START_TEST(what_comes_while_workers_doze_off_is_brought)
{
    start(2, 1);
    bring_one_at_a_time();
}
END_TEST

START_TEST(workers_that_never_spin_bring_it_as_well)
{
    ck_assert_int_eq(fy_delivery_start(&delivery, 2, 1, 0), FERRY_OK);
    bring_one_at_a_time();
}
END_TEST

START_TEST(a_worker_that_is_stuck_leaves_what_comes_next_to_another)
{
    start(2, 1);
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&mu);
        is_gate_open = false;
        n_told = 0;
        pthread_mutex_unlock(&mu);
        put_gated(rig.peer, FERRY_MSG_APP);
        put_from(second, FERRY_MSG_VOTE, 2);
        wait_until(n_told == 1);
        ck_assert_int_eq(told[0].type, FERRY_MSG_VOTE);
        open_gate();
        wait_until(n_told == 2);
    }
}
END_TEST

START_TEST(a_busy_peer_does_not_starve_another)
{
    rig.peer->inbox.max_messages = 1000;
    start(1, 1);
    put_gated(rig.peer, FERRY_MSG_APP);
    wait_until(n_at_gate == 1);
    for (uint64_t i = 0; i < 900; i++)
        put(FERRY_MSG_APP, i);
    put_from(second, FERRY_MSG_VOTE, 1);
    open_gate();
    wait_until(n_told == 902);
    for (size_t i = 0; i < 902; i++)
        if (told[i].type == FERRY_MSG_VOTE)
            ck_assert_uint_le(i, 2 * 64);
}
END_TEST

START_TEST(a_full_queue_refuses_and_counts)
{
    start(1, 1);
    put_gated(rig.peer, FERRY_MSG_APP);
    wait_until(n_at_gate == 1);
    for (uint64_t i = 0; i < 16; i++)
        put(FERRY_MSG_APP, i);
    fy_delivery_put(&delivery, rig.peer, rig_decoded(FERRY_MSG_APP, 16, 0), on_done, &done_result);
    ck_assert_uint_eq(n_done, 1);
    ck_assert_int_eq(done_result, FERRY_ERR_FULL);
    ck_assert_uint_eq(rig_status().counts.received_dropped, 1);
    open_gate();
    wait_until(n_told == 17);
}
END_TEST

START_TEST(workers_bring_reports_also_while_messages_come)
{
    start(2, 1);
    for (uint64_t i = 0; i < 10; i++) {
        put(FERRY_MSG_APP, i);
        fy_delivery_report_snapshot(&delivery, rig.peer, FERRY_SNAPSHOT_FAILURE);
        fy_delivery_report_unreachable(&delivery, second);
    }
    wait_until(n_told == 10 && n_failure[RIG_THEM] == 10 && n_unreachable[3] >= 1);
    ck_assert_uint_eq(n_unreachable[RIG_THEM], 0);
    ck_assert_uint_eq(n_failure[3], 0);
}
END_TEST

static void *stop_delivery(void *arg)
{
    fy_delivery_stop(arg);
    return NULL;
}

static bool is_stopping(void)
{
    bool is_stopping;

    pthread_mutex_lock(&delivery.workers[FY_INBOX_RECEIVE].mu);
    is_stopping = delivery.workers[FY_INBOX_RECEIVE].is_stopping;
    pthread_mutex_unlock(&delivery.workers[FY_INBOX_RECEIVE].mu);
    return is_stopping;
}

/* Begin to stop in a thread of its own while a worker stands at the gate. */
static void begin_stop(pthread_t *ret_thread)
{
    ck_assert_int_eq(pthread_create(ret_thread, NULL, stop_delivery, &delivery), 0);
    while (!is_stopping())
        sched_yield();
}

START_TEST(stop_waits_for_the_core_and_calls_it_no_more)
{
    pthread_t thread;

    start(1, 1);
    put_gated(rig.peer, FERRY_MSG_APP);
    wait_until(n_at_gate == 1);
    put_from(second, FERRY_MSG_APP, 1);
    begin_stop(&thread);
    ck_assert_uint_eq(n_told, 0);
    open_gate();
    pthread_join(thread, NULL);
    ck_assert_uint_eq(n_told, 1); /* the one that it was with; the other is thrown away */
}
END_TEST

/* A report is brought before the messages that wait with it, so a second one comes when those are done with. */
static void see_what_waits_done_with(void)
{
    for (size_t n = 1; n <= 2; n++) {
        fy_delivery_report_unreachable(&delivery, rig.peer);
        wait_until(n_unreachable[fy_peer_id(rig.peer)] == n);
    }
}

START_TEST(after_close_workers_bring_none_of_the_messages_that_wait)
{
    start(1, 1);
    put_gated(rig.peer, FERRY_MSG_APP);
    wait_until(n_at_gate == 1);
    put(FERRY_MSG_APP, 1);
    put(FERRY_MSG_APP, 2);
    fy_delivery_close(&delivery);
    open_gate();
    see_what_waits_done_with();
    fy_delivery_stop(&delivery);
    ck_assert_uint_eq(n_told, 1);
    ck_assert_uint_eq(rig_status().counts.received_dropped, 2);
}
END_TEST

START_TEST(stop_brings_the_reports_that_wait)

{
    pthread_t thread;

    start(1, 1);
    put_gated(rig.peer, FERRY_MSG_APP);
    wait_until(n_at_gate == 1);
    fy_delivery_report_snapshot(&delivery, second, FERRY_SNAPSHOT_FAILURE);
    fy_delivery_report_snapshot(&delivery, rig.peer, FERRY_SNAPSHOT_FAILURE);
    begin_stop(&thread);
    open_gate();
    pthread_join(thread, NULL);
    ck_assert_uint_eq(n_failure[3], 1);
    ck_assert_uint_eq(n_failure[RIG_THEM], 1);
}
END_TEST

START_TEST(a_strangers_message_takes_the_same_way)
{
    start(1, 1);
    fy_delivery_put(&delivery, NULL, rig_decoded(FERRY_MSG_APP, 5, 0), NULL, NULL);
    wait_until(n_told == 1);
    ck_assert_uint_eq(told[0].index, 5);
}
END_TEST

START_TEST(strangers_that_still_wait_at_stop_are_told)
{
    pthread_t thread;

    start(1, 1);
    put_gated(rig.peer, FERRY_MSG_APP);
    wait_until(n_at_gate == 1);
    fy_delivery_put(&delivery, NULL, rig_decoded(FERRY_MSG_APP, 5, 0), on_done, &done_result);
    begin_stop(&thread);
    open_gate();
    pthread_join(thread, NULL);
    ck_assert_uint_eq(n_done, 1);
    ck_assert_int_eq(done_result, FERRY_ERR_CLOSED);
}
END_TEST

START_TEST(a_peer_lives_while_a_worker_has_its_queue)
{
    start(1, 1);
    put_gated(second, FERRY_MSG_APP);
    wait_until(n_at_gate == 1);
    ck_assert_uint_eq(atomic_load(&second->n_refs), 2);
    open_gate();
    wait_until(n_told == 1);
    fy_delivery_stop(&delivery);
    ck_assert_uint_eq(atomic_load(&second->n_refs), 1);
}
END_TEST

START_TEST(start_survives_every_failed_allocation)
{
    int err = FERRY_ERR_NOMEM;

    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_delivery_start(&delivery, 2, 2, 50);
        heap_fail_at(-1);
        if (err == FERRY_ERR_NOMEM) {
            fy_delivery_release(&delivery);
            fy_delivery_init(&delivery, &core, 16, 1u << 20);
        }
    }
    ck_assert_int_eq(err, FERRY_OK);
    put(FERRY_MSG_APP, 1);
    wait_until(n_told == 1);
}
END_TEST

START_TEST(put_survives_every_failed_allocation)
{
    bool has_failed = true;
    size_t n_refused = 0;

    start(1, 1);
    for (long nth = 0; has_failed; nth++) {
        const struct ferry_message *msg = rig_decoded(FERRY_MSG_APP, (uint64_t)nth, 0);

        heap_fail_at(nth);
        fy_delivery_put(&delivery, rig.peer, msg, NULL, NULL);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        n_refused += has_failed;
    }
    ck_assert_uint_eq(n_refused, 1);
    ck_assert_uint_eq(rig_status().counts.received_dropped, 1);
    wait_until(n_told == 1);
}
END_TEST

int main(void)
{
    return rig_main("delivery", setup, teardown, without_workers_the_core_is_called_at_once,
                    what_the_core_says_is_told_and_counted, without_workers_reports_wait_for_the_loops_next_turn,
                    a_core_without_report_callbacks_is_not_called, after_close_the_core_gets_reports_and_no_message,
                    after_stop_the_core_is_not_called, a_report_that_comes_too_late_is_let_go,
                    a_peers_messages_stay_in_order_whatever_the_number_of_workers,
                    a_proposal_that_blocks_delays_nothing_else, a_busy_peer_does_not_starve_another,
                    what_comes_while_workers_doze_off_is_brought, workers_that_never_spin_bring_it_as_well,
                    a_worker_that_is_stuck_leaves_what_comes_next_to_another, a_full_queue_refuses_and_counts,
                    workers_bring_reports_also_while_messages_come, stop_waits_for_the_core_and_calls_it_no_more,
                    after_close_workers_bring_none_of_the_messages_that_wait, stop_brings_the_reports_that_wait,
                    a_strangers_message_takes_the_same_way, strangers_that_still_wait_at_stop_are_told,
                    a_peer_lives_while_a_worker_has_its_queue, start_survives_every_failed_allocation,
                    put_survives_every_failed_allocation, NULL);
}
