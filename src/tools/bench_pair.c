/*
 * bench_pair - the two members of a measurement, connected over loopback.
 *
 * Both listen on a port that the system chooses, learn each other's URL, and connect.  Until the streams are connected,
 * the opening thread checks both members' status every millisecond, as there is no event for it; with host delivery it
 * also runs both loops.  Then a thread of its own runs member 2's loop, until the pair is closed.
 */
#include "tools/bench_pair.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench_member.h"
#include "tools/bench_options.h"
#include "tools/bench_tls.h"
#include "tools/progress.h"
#include "tools/stopwatch.h"

#define STALL_NS 10000000000u
#define LOOK_MS 100 /* between two checks for lost messages, while waiting */
#define MAX_BACKOFF 63
#define SPIN_NS 20000 /* a wait begins by spinning: the event may be near */

struct member {
    struct bench_member own;

    /* of the loop, with host delivery */
    unsigned busy_poll_us;
    unsigned backoff; /* turns without spinning after the next spin that catches nothing */
    unsigned n_to_skip;
};

struct bench_pair {
    struct member one;
    struct member two;
    enum ferry_delivery delivery;

    bool hosted; /* runs two's loop */
    pthread_t host;
    struct progress end; /* set once, to end host */
};

/* Poll without sleeping for a moment, unless that caught nothing lately.  Returns the number of ready descriptors. */
static int spin(struct member *member, struct pollfd *fds, nfds_t n_fds)
{
    uint64_t until;
    int n_ready;

    if (member->n_to_skip > 0) {
        member->n_to_skip--;
        return 0;
    }
    until = stopwatch_now_ns() + member->busy_poll_us * UINT64_C(1000);
    do {
        n_ready = poll(fds, n_fds, 0);
    } while (n_ready == 0 && stopwatch_now_ns() < until);
    if (n_ready != 0)
        member->backoff = 0;
    else if (member->backoff < MAX_BACKOFF)
        member->backoff = 2 * member->backoff + 1;
    member->n_to_skip = member->backoff;
    return n_ready;
}

/* One turn of a host's loop: wait for the transport or wake_fd, as an embedder's loop would, and run the transport. */
static void host_turn(struct member *member, int wake_fd, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = ferry_transport_fd(member->own.transport), .events = POLLIN},
                            {.fd = wake_fd, .events = POLLIN}};
    int own_ms = ferry_transport_timeout_ms(member->own.transport);

    if (own_ms >= 0 && (timeout_ms < 0 || own_ms < timeout_ms))
        timeout_ms = own_ms;
    if (timeout_ms != 0 && spin(member, fds, 2) == 0)
        (void)poll(fds, 2, timeout_ms);                  /* however the wait ended, run the transport */
    (void)ferry_transport_run(member->own.transport, 0); /* fails only for a transport without host delivery */
}

static void *host_main(void *arg)
{
    struct bench_pair *pair = arg;

    while (progress_fall_asleep(&pair->end, 1)) {
        host_turn(&pair->two, pair->end.wake_fd, -1);
        progress_wake_up(&pair->end);
    }
    return NULL;
}

static int connect_both(struct bench_pair *pair)
{
    uint64_t until = stopwatch_now_ns() + BENCH_CONNECT_MS * UINT64_C(1000000);
    bool host = pair->delivery == FERRY_DELIVER_HOST;

    while (!bench_member_is_connected(&pair->one.own, pair->two.own.id) ||
           !bench_member_is_connected(&pair->two.own, pair->one.own.id)) {
        if (stopwatch_now_ns() > until)
            return bench_member_tell_unconnected();
        if (host) {
            (void)ferry_transport_run(pair->one.own.transport, 1);
            (void)ferry_transport_run(pair->two.own.transport, 1);
        } else {
            (void)poll(NULL, 0, 1);
        }
    }
    return 0;
}

static int start_both(struct bench_pair *pair, const struct bench_options *options,
                      const struct bench_pair_cores *cores)
{
    struct bench_tls tls;
    struct bench_member_spec spec = {.id = 1,
                                     .delivery = options->delivery,
                                     .tls = options->tls ? &tls.config : NULL,
                                     .ctx = cores->ctx,
                                     .process = cores->process_one,
                                     .adjust = cores->adjust};
    int failed;

    if (options->tls && bench_tls_make(&tls))
        return -1;
    failed = bench_member_start(&pair->one.own, options, &spec);
    spec.id = 2;
    spec.process = cores->process_two;
    failed = failed || bench_member_start(&pair->two.own, options, &spec);
    if (options->tls)
        bench_tls_remove(&tls);
    return failed ? -1 : 0;
}

int bench_pair_open(const struct bench_options *options, const struct bench_pair_cores *cores,
                    struct bench_pair **ret_pair)
{
    struct bench_pair *pair = calloc(1, sizeof(*pair));

    if (!pair || progress_init(&pair->end)) {
        perror("ferry-bench");
        free(pair);
        return -1;
    }
    pair->delivery = options->delivery;
    pair->one.busy_poll_us = pair->two.busy_poll_us = options->busy_poll_us;
    *ret_pair = pair; /* cores may be called from now on */
    if (start_both(pair, options, cores) || bench_member_meet(&pair->one.own, &pair->two.own) ||
        bench_member_meet(&pair->two.own, &pair->one.own) || connect_both(pair))
        goto close_pair;
    if (pair->delivery == FERRY_DELIVER_HOST) {
        int err = pthread_create(&pair->host, NULL, host_main, pair);

        if (err) {
            fprintf(stderr, "ferry-bench: no thread for member 2: %s\n", strerror(err));
            goto close_pair;
        }
        pair->hosted = true;
    }
    return 0;

close_pair:
    *ret_pair = NULL;
    bench_pair_close(pair);
    return -1;
}

void bench_pair_close(struct bench_pair *pair)
{
    if (!pair)
        return;
    if (pair->hosted) {
        progress_raise(&pair->end);
        (void)pthread_join(pair->host, NULL); /* cannot fail: joined once, and by another thread */
    }
    bench_member_stop(&pair->one.own);
    bench_member_stop(&pair->two.own);
    progress_release(&pair->end);
    free(pair);
}

void bench_pair_send(struct bench_pair *pair, const struct ferry_message *msg)
{
    (void)ferry_transport_send(pair->one.own.transport, msg, 1); /* drops are counted */
}

void bench_pair_send_snapshot(struct bench_pair *pair, const struct ferry_message *msg,
                              const struct ferry_snapshot_source *source)
{
    (void)ferry_transport_send_snapshot(pair->one.own.transport, msg, source); /* source is told of errors */
}

void bench_pair_answer(struct bench_pair *pair, const struct ferry_message *msg)
{
    (void)ferry_transport_send(pair->two.own.transport, msg, 1); /* as above */
}

void bench_pair_turn(struct bench_pair *pair)
{
    if (pair->delivery == FERRY_DELIVER_HOST)
        (void)ferry_transport_run(pair->one.own.transport, 0); /* as in host_turn */
}

uint64_t bench_pair_lost(const struct bench_pair *pair)
{
    struct ferry_counts counts;
    uint64_t n_lost = 0;

    ferry_transport_totals(pair->one.own.transport, &counts);
    for (int i = 0; i < FERRY_N_DROP_REASONS; i++)
        n_lost += counts.dropped[i];
    if (!pair->hosted) { /* otherwise member 2 belongs to its own thread, and has no queue before its core */
        ferry_transport_totals(pair->two.own.transport, &counts);
        n_lost += counts.received_dropped;
    }
    return n_lost;
}

/* Sleep until progress reaches count, LOOK_MS at most.  With host delivery, run the loop meanwhile. */
static void wait_a_while(struct bench_pair *pair, struct progress *progress, uint64_t count)
{
    uint64_t spin_until = stopwatch_now_ns() + SPIN_NS;
    struct pollfd wake = {.fd = progress->wake_fd, .events = POLLIN};

    if (pair->delivery == FERRY_DELIVER_HOST) {
        if (progress_fall_asleep(progress, count)) {
            host_turn(&pair->one, progress->wake_fd, LOOK_MS);
            progress_wake_up(progress);
        }
        return;
    }
    while (progress_count(progress) < count && stopwatch_now_ns() < spin_until)
        (void)sched_yield(); /* cannot fail on Linux */
    if (progress_fall_asleep(progress, count)) {
        (void)poll(&wake, 1, LOOK_MS); /* however the wait ended, the caller checks */
        progress_wake_up(progress);
    }
}

bool bench_pair_wait(struct bench_pair *pair, struct progress *progress, uint64_t count)
{
    uint64_t moved_at = stopwatch_now_ns();
    uint64_t looked_at = moved_at;
    uint64_t before = progress_count(progress);
    uint64_t n_lost = 0;

    while (progress_count(progress) + n_lost < count) {
        uint64_t now;

        wait_a_while(pair, progress, count - n_lost);
        now = stopwatch_now_ns();
        if (progress_count(progress) != before) {
            before = progress_count(progress);
            moved_at = now;
        } else if (now - moved_at > STALL_NS) {
            fprintf(stderr,
                    "ferry-bench: no progress after %" PRIu64 " of %" PRIu64 " messages, %" PRIu64 " of them lost\n",
                    before, count, n_lost);
            return false;
        }
        if (now - looked_at > LOOK_MS * UINT64_C(1000000)) {
            n_lost = bench_pair_lost(pair);
            looked_at = now;
        }
    }
    return true;
}
