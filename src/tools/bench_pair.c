/*
 * bench_pair - the two members of a measurement, connected over loopback.
 *
 * Both listen on a port that the system picks, learn each other's URL, and dial.  Until the streams stand the opening
 * thread looks at both members' status every millisecond - there is no event for it - and with host delivery turns both
 * loops; then member 2's loop is handed over to a thread of its own.  It comes back when that thread has ended.
 */
#include "tools/bench_pair.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench_options.h"
#include "tools/progress.h"
#include "tools/stopwatch.h"

#define CLUSTER_ID 1
#define CONNECT_MS 10000
#define STALL_NS 10000000000u
#define LOOK_MS 100 /* between two looks at what was lost, while waiting */
#define MAX_BACKOFF 63
#define SPIN_NS 20000 /* a wait begins awake: what it waits for may be nearly there */

struct member {
    struct ferry_transport *transport;
    uint64_t id;

    /* of its loop, with host delivery */
    unsigned busy_poll_us;
    unsigned backoff; /* turns not to spin in after the next spin in vain */
    unsigned n_to_skip;
};

struct bench_pair {
    struct member one;
    struct member two;
    enum ferry_delivery delivery;

    bool hosted; /* two's loop runs in host */
    pthread_t host;
    struct progress end; /* raised once, to end host */
};

static void print_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    const struct member *member = ctx;

    (void)level;
    fprintf(stderr, "ferry-bench: member %" PRIu64 ": %s %" PRIx64 ": %s\n", member->id, id, peer, text);
}

static size_t at_least(size_t limit, uint64_t need)
{
    return limit < need ? (size_t)need : limit;
}

static int member_start(struct member *member, uint64_t id, const struct bench_options *options, void *ctx,
                        int (*process)(void *ctx, const struct ferry_message *msg))
{
    const char *const any_port[] = {"http://127.0.0.1:0", NULL};
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    int err;

    member->id = id;
    member->busy_poll_us = options->busy_poll_us;
    cfg.id = id;
    cfg.cluster_id = CLUSTER_ID;
    cfg.core.ctx = ctx;
    cfg.core.process = process;
    cfg.listen_urls = any_port;
    cfg.delivery = options->delivery;
    cfg.busy_poll_us = options->busy_poll_us;
    cfg.log = print_log;
    cfg.log_ctx = member;
    cfg.log_level = FERRY_LOG_ERROR;
    /* The window is the limit that is measured with. */
    cfg.max_queue_messages = at_least(cfg.max_queue_messages, options->window);
    cfg.max_queue_bytes = at_least(cfg.max_queue_bytes, options->window * (options->size + 256));
    cfg.max_send_bytes = at_least(cfg.max_send_bytes, options->window * (options->size + 1024));

    err = ferry_transport_new(&cfg, &member->transport);
    if (!err)
        err = ferry_transport_start(member->transport);
    if (err)
        fprintf(stderr, "ferry-bench: member %" PRIu64 " does not start: %s\n", id, ferry_strerror(err));
    return err ? -1 : 0;
}

static int member_meet(struct member *member, const struct member *other)
{
    const char *const urls[] = {ferry_transport_listen_url(other->transport, 0), NULL};
    int err = ferry_transport_add_peer(member->transport, other->id, urls);

    if (err)
        fprintf(stderr, "ferry-bench: member %" PRIu64 " takes no peer: %s\n", member->id, ferry_strerror(err));
    return err ? -1 : 0;
}

static bool member_is_connected(const struct member *member, uint64_t peer)
{
    struct ferry_peer_status status;

    if (ferry_transport_peer_status(member->transport, peer, &status))
        return false;
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        if (!status.writer_attached[i] || !status.reader_attached[i])
            return false;
    return true;
}

/* Poll without sleeping for a moment, unless that has not caught anything lately.  The number of ready ones. */
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

/* One turn of a host's loop: wait for the transport, or for wake_fd, as any embedder's loop would, and run it. */
static void host_turn(struct member *member, int wake_fd, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = ferry_transport_fd(member->transport), .events = POLLIN},
                            {.fd = wake_fd, .events = POLLIN}};
    int own_ms = ferry_transport_timeout_ms(member->transport);

    if (own_ms >= 0 && (timeout_ms < 0 || own_ms < timeout_ms))
        timeout_ms = own_ms;
    if (timeout_ms != 0 && spin(member, fds, 2) == 0)
        (void)poll(fds, 2, timeout_ms);              /* whatever ended it, the loop turns */
    (void)ferry_transport_run(member->transport, 0); /* fails only for a transport that is not the host's to run */
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
    uint64_t until = stopwatch_now_ns() + CONNECT_MS * UINT64_C(1000000);
    bool host = pair->delivery == FERRY_DELIVER_HOST;

    while (!member_is_connected(&pair->one, pair->two.id) || !member_is_connected(&pair->two, pair->one.id)) {
        if (stopwatch_now_ns() > until) {
            fprintf(stderr, "ferry-bench: the members did not connect within %d s\n", CONNECT_MS / 1000);
            return -1;
        }
        if (host) {
            (void)ferry_transport_run(pair->one.transport, 1);
            (void)ferry_transport_run(pair->two.transport, 1);
        } else {
            (void)poll(NULL, 0, 1);
        }
    }
    return 0;
}

int bench_pair_open(const struct bench_options *options, void *ctx,
                    int (*process_one)(void *ctx, const struct ferry_message *msg),
                    int (*process_two)(void *ctx, const struct ferry_message *msg), struct bench_pair **ret_pair)
{
    struct bench_pair *pair = calloc(1, sizeof(*pair));

    if (!pair || progress_init(&pair->end)) {
        perror("ferry-bench");
        free(pair);
        return -1;
    }
    pair->delivery = options->delivery;
    *ret_pair = pair; /* process may be called from here on */
    if (member_start(&pair->one, 1, options, ctx, process_one) ||
        member_start(&pair->two, 2, options, ctx, process_two) || member_meet(&pair->one, &pair->two) ||
        member_meet(&pair->two, &pair->one) || connect_both(pair))
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
        (void)pthread_join(pair->host, NULL); /* cannot fail: joined once, and not by itself */
    }
    ferry_transport_stop(pair->one.transport);
    ferry_transport_stop(pair->two.transport);
    ferry_transport_free(pair->one.transport);
    ferry_transport_free(pair->two.transport);
    progress_release(&pair->end);
    free(pair);
}

void bench_pair_send(struct bench_pair *pair, const struct ferry_message *msg)
{
    (void)ferry_transport_send(pair->one.transport, msg, 1); /* what is dropped is counted */
}

void bench_pair_answer(struct bench_pair *pair, const struct ferry_message *msg)
{
    (void)ferry_transport_send(pair->two.transport, msg, 1); /* likewise */
}

void bench_pair_turn(struct bench_pair *pair)
{
    if (pair->delivery == FERRY_DELIVER_HOST)
        (void)ferry_transport_run(pair->one.transport, 0); /* as in host_turn */
}

uint64_t bench_pair_lost(const struct bench_pair *pair)
{
    struct ferry_counts counts;
    uint64_t n_lost = 0;

    ferry_transport_totals(pair->one.transport, &counts);
    for (int i = 0; i < FERRY_N_DROP_REASONS; i++)
        n_lost += counts.dropped[i];
    if (!pair->hosted) { /* else member 2 is its own thread's to look at, and has no queue before its core */
        ferry_transport_totals(pair->two.transport, &counts);
        n_lost += counts.received_dropped;
    }
    return n_lost;
}

/* Sleep, or as a host turn the loop, until progress reaches count, for LOOK_MS at most. */
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
        (void)poll(&wake, 1, LOOK_MS); /* whatever ended it, the caller looks */
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
            fprintf(stderr, "ferry-bench: stuck after %" PRIu64 " of %" PRIu64 " messages, %" PRIu64 " of them lost\n",
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
