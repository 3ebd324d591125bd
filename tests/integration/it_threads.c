/*
 * it_threads - everything at once from many threads, for the thread sanitizer to watch.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"

#define N_MEMBERS 4
#define N_SENDERS 6
#define N_ROUNDS 400

static struct member members[N_MEMBERS];
static char urls[N_MEMBERS][64];
static atomic_bool is_over;
static atomic_ullong n_given; /* to the first member's send */

static void setup(void)
{
    for (size_t i = 0; i < N_MEMBERS; i++)
        member_init(&members[i], i + 1);
    atomic_store(&is_over, false);
    atomic_store(&n_given, 0);
}

static void teardown(void)
{
    for (size_t i = 0; i < N_MEMBERS; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < N_MEMBERS; i++)
        member_release(&members[i]);
}

static void start(enum ferry_delivery delivery)
{
    for (size_t i = 0; i < N_MEMBERS; i++) {
        members[i].config.delivery = delivery;
        member_start(&members[i]);
        snprintf(urls[i], sizeof(urls[i]), "%s", member_url(&members[i]));
    }
    members_connect(members, N_MEMBERS);
    members_await_streams(members, N_MEMBERS);
}

static void *send_to_all(void *arg)
{
    static const enum ferry_message_type types[] = {FERRY_MSG_APP, FERRY_MSG_HEARTBEAT, FERRY_MSG_PROP, FERRY_MSG_VOTE,
                                                    FERRY_MSG_SNAP};
    uint64_t n = 0;

    (void)arg;
    for (int round = 0; round < N_ROUNDS; round++) {
        struct ferry_entry entry = {.term = 1, .index = (uint64_t)round + 1, .data = {(const uint8_t *)"entry", 5}};
        struct ferry_message msgs[N_MEMBERS];

        for (size_t i = 0; i < N_MEMBERS; i++)
            msgs[i] = (struct ferry_message){.type = types[(size_t)round % 5],
                                             .from = 1,
                                             .to = i + 2, /* the last is not a member */
                                             .term = 1,
                                             .log_term = 1,
                                             .index = (uint64_t)round,
                                             .entries = &entry,
                                             .n_entries = 1};
        ck_assert_int_eq(ferry_transport_send(members[0].t, msgs, N_MEMBERS), FERRY_OK);
        n += N_MEMBERS;
    }
    atomic_fetch_add(&n_given, n);
    return NULL;
}

static void *come_and_go(void *arg)
{
    (void)arg;
    for (unsigned turn = 0; !atomic_load(&is_over); turn++) {
        size_t i = 1 + turn % (N_MEMBERS - 1);
        const char *const list[] = {urls[i], NULL};
        int err = turn % 3 == 0   ? ferry_transport_remove_peer(members[0].t, i + 1)
                  : turn % 3 == 1 ? ferry_transport_add_peer(members[0].t, i + 1, list)
                                  : ferry_transport_update_peer(members[0].t, i + 1, list);

        ck_assert(err == FERRY_OK || err == FERRY_ERR_EXISTS || err == FERRY_ERR_NOT_FOUND);
    }
    return NULL;
}

static void *look_and_meddle(void *arg)
{
    (void)arg;
    for (unsigned turn = 0; !atomic_load(&is_over); turn++) {
        uint64_t id = 2 + turn % N_MEMBERS;
        struct ferry_peer_status status;
        struct ferry_counts totals;
        int err = ferry_transport_peer_status(members[0].t, id, &status);

        ck_assert(err == FERRY_ERR_NOT_FOUND || (err == FERRY_OK && status.id == id));
        ferry_transport_totals(members[0].t, &totals);
        ck_assert_uint_le(ferry_transport_active_peers(members[0].t), N_MEMBERS - 1);
        (void)ferry_transport_active_since_ms(members[0].t, id);
        if (turn % 64 == 0) {
            ferry_transport_pause(members[0].t);
            ferry_transport_resume(members[0].t);
            (void)ferry_transport_cut_peer(members[0].t, id); /* it may be away just now */
            (void)ferry_transport_mend_peer(members[0].t, id);
        }
    }
    return NULL;
}

static void run_all(bool meddle)
{
    pthread_t senders[N_SENDERS];
    pthread_t changer;
    pthread_t looker;
    struct ferry_counts totals;

    for (size_t i = 0; i < N_SENDERS; i++)
        ck_assert_int_eq(pthread_create(&senders[i], NULL, send_to_all, NULL), 0);
    if (meddle) {
        ck_assert_int_eq(pthread_create(&changer, NULL, come_and_go, NULL), 0);
        ck_assert_int_eq(pthread_create(&looker, NULL, look_and_meddle, NULL), 0);
    }
    for (size_t i = 0; i < N_SENDERS; i++)
        pthread_join(senders[i], NULL);
    atomic_store(&is_over, true);
    if (meddle) {
        pthread_join(changer, NULL);
        pthread_join(looker, NULL);
    }
    members_await_rest(members, N_MEMBERS);
    totals = member_totals(&members[0]);
    ck_assert_uint_eq(totals.sent, atomic_load(&n_given));
    ck_assert_uint_eq(totals.sent, totals.written + counts_dropped(&totals));
    ck_assert_uint_ge(totals.dropped[FERRY_DROP_UNKNOWN_PEER], N_SENDERS * N_ROUNDS);
    ck_assert_uint_gt(totals.written, 0);
}

START_TEST(many_threads_send_through_workers)
{
    start(FERRY_DELIVER_WORKERS);
    run_all(false);
}
END_TEST

START_TEST(many_threads_send_while_peers_come_and_go)
{
    start(FERRY_DELIVER_WORKERS);
    run_all(true);
}
END_TEST

START_TEST(many_threads_send_while_peers_come_and_go_inline)
{
    start(FERRY_DELIVER_INLINE);
    run_all(true);
}
END_TEST

/* ---- References ----------------------------------------------------------------------------------------------- */

static void *let_go(void *arg)
{
    for (size_t i = 0; i < members[1].recorder.n_kept; i++) {
        const struct ferry_message *msg = ferry_message_ref(members[1].recorder.kept[i]);

        ck_assert_uint_eq(msg->from, 1);
        ferry_message_unref(msg);
    }
    return arg;
}

START_TEST(references_are_counted_across_threads)
{
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2};
    pthread_t threads[4];

    members[1].recorder.keep = true;
    start(FERRY_DELIVER_WORKERS);
    for (int i = 0; i < 500; i++)
        member_send(&members[0], &msg);
    ck_assert(recorder_wait_messages(&members[1].recorder, 500, patience_ms(5000)));
    for (size_t i = 0; i < N_MEMBERS; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, let_go, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* ---- The end while all goes on -------------------------------------------------------------------------------- */

static void *send_until_closed(void *arg)
{
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = 1};
    uint64_t n = 0;
    int err;

    (void)arg;
    do {
        msg.to = 2 + n % (N_MEMBERS - 1);
        err = ferry_transport_send(members[0].t, &msg, 1);
        n += err == FERRY_OK;
    } while (err == FERRY_OK);
    ck_assert_int_eq(err, FERRY_ERR_CLOSED);
    atomic_fetch_add(&n_given, n);
    return NULL;
}

START_TEST(stop_comes_while_many_threads_send)
{
    pthread_t senders[N_SENDERS];
    struct ferry_counts totals;
    uint64_t n_received;

    start(FERRY_DELIVER_WORKERS);
    for (size_t i = 0; i < N_SENDERS; i++)
        ck_assert_int_eq(pthread_create(&senders[i], NULL, send_until_closed, NULL), 0);
    ck_assert(recorder_wait_messages(&members[1].recorder, 1000, patience_ms(10000)));
    ferry_transport_stop(members[0].t);
    for (size_t i = 0; i < N_SENDERS; i++)
        pthread_join(senders[i], NULL);
    totals = member_totals(&members[0]);
    ck_assert_uint_eq(totals.sent, atomic_load(&n_given));
    ck_assert_uint_eq(totals.sent, totals.written + counts_dropped(&totals));
    n_received = recorder_messages(&members[0].recorder);
    ferry_transport_stop(members[0].t); /* does nothing */
    ck_assert_uint_eq(recorder_messages(&members[0].recorder), n_received);
}
END_TEST

static atomic_bool has_transport;

static void *await_url(void *arg)
{
    const char *url = NULL;

    while (!atomic_load(&has_transport))
        sched_yield();
    while (!url)
        url = ferry_transport_listen_url(members[0].t, 0);
    ck_assert_int_eq(strncmp(url, "http://127.0.0.1:", 17), 0);
    return arg;
}

START_TEST(a_thread_may_ask_for_the_url_while_another_starts)
{
    pthread_t asker;

    ck_assert_int_eq(pthread_create(&asker, NULL, await_url, NULL), 0);
    ck_assert_int_eq(ferry_transport_new(&members[0].config, &members[0].t), FERRY_OK);
    atomic_store(&has_transport, true);
    ck_assert_int_eq(ferry_transport_start(members[0].t), FERRY_OK);
    ck_assert_int_eq(pthread_join(asker, NULL), 0);
}
END_TEST

int main(void)
{
    return rig_main("threads", setup, teardown, many_threads_send_through_workers,
                    many_threads_send_while_peers_come_and_go, many_threads_send_while_peers_come_and_go_inline,
                    references_are_counted_across_threads, stop_comes_while_many_threads_send,
                    a_thread_may_ask_for_the_url_while_another_starts, NULL);
}
