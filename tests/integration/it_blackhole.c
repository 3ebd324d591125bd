/*
 * it_blackhole - one of five members accepts connections and dials streams, but never reads a byte.
 *
 * The first member sends to all others for a long time.  No call of send may wait for that member, memory stays within
 * the budget, every message to it ends as written or dropped, and the other three lose nothing.
 */
#include "config.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"

#define N_GOOD 4 /* the sender and three more */
#define HOLE_ID 5
#define MEBI ((size_t)1 << 20)
#define BUDGET (16 * MEBI)
#define QUEUE_BYTES (4 * MEBI) /* of each queue: the hole's two and its pipeline leave room for the others */
#define MAX_ENTRY (64u << 10)
#define MAX_CALLS (1u << 20)
#define WINDOW_BYTES MEBI     /* undelivered to the slowest good member */
#define PACE_US 1000          /* between two rounds */
#define RSS_SLACK (24 * MEBI) /* sockets and allocators are not in the budget */
#define WRITE_TIMEOUT_MS 1000
#define P99_US 1000
#define P999_US 20000
#define LONGEST_US (WRITE_TIMEOUT_MS * 1000 / 4) /* a call that waited for the hole would take all of the timeout */

static struct member members[N_GOOD];
static uint8_t data[MAX_ENTRY];

/* What one good member has got: counted in process, which runs in order for one peer. */
struct intake {
    uint64_t next_append;    /* what must come next */
    uint64_t next_heartbeat; /* likewise */
    atomic_ullong bytes;
};

static struct intake intakes[N_GOOD];

static void on_message(void *arg, const struct ferry_message *msg)
{
    struct intake *in = arg;

    if (msg->type == FERRY_MSG_APP) {
        ck_assert_uint_eq(msg->commit, in->next_append);
        in->next_append++;
        atomic_fetch_add(&in->bytes, msg->entries[0].data.len);
    } else if (msg->type == FERRY_MSG_HEARTBEAT) {
        ck_assert_uint_eq(msg->commit, in->next_heartbeat);
        in->next_heartbeat++;
    }
}

/* ---- The hole ------------------------------------------------------------------------------------------------------
 */

/* It dials both streams, so that the sender has writers to fill, and dials again when a connection broke or got old. */
struct hole {
    struct fake_peer *server;
    pthread_t dialler;
    char target[64];
    unsigned redial_ms;
    atomic_bool is_over;
    atomic_uint n_dials;
};

#define HOLE_KEEPS 64 /* it does not even close */

static int hole_dial(const struct hole *h, const char *stream)
{
    char request[512];
    int len = snprintf(request, sizeof(request),
                       "GET /raft/stream/%s/5 HTTP/1.1\r\nHost: x\r\nX-Server-From: 5\r\nX-Server-Version: 3.4.0\r\n"
                       "X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: 1000\r\nX-Raft-To: 1\r\n\r\n",
                       stream);
    int fd = fake_dial(h->target, 4096);

    ck_assert(fake_send(fd, request, (size_t)len));
    return fd;
}

static void *hole_run(void *arg)
{
    struct hole *h = arg;
    int fds[HOLE_KEEPS];
    size_t n = 0;

    while (!atomic_load(&h->is_over) && n + 2 <= HOLE_KEEPS) {
        uint64_t until = monotonic_ms() + h->redial_ms;

        fds[n] = hole_dial(h, "msgapp");
        fds[n + 1] = hole_dial(h, "message");
        atomic_fetch_add(&h->n_dials, 2);
        while (!atomic_load(&h->is_over) && monotonic_ms() < until) {
            struct pollfd broken[2] = {{.fd = fds[n], .events = POLLRDHUP}, {.fd = fds[n + 1], .events = POLLRDHUP}};

            if (poll(broken, 2, 50) > 0)
                break;
        }
        n += 2;
    }
    while (n > 0)
        close(fds[--n]);
    return NULL;
}

static void hole_open(struct hole *h, const char *target)
{
    h->server = fake_peer_new();
    fake_peer_set_deaf(h->server);
    snprintf(h->target, sizeof(h->target), "%s", target);
    h->redial_ms = 2000;
    ck_assert_int_eq(pthread_create(&h->dialler, NULL, hole_run, h), 0);
}

static void hole_close(struct hole *h)
{
    atomic_store(&h->is_over, true);
    pthread_join(h->dialler, NULL);
    fake_peer_free(h->server);
}

/* ---- The sender ----------------------------------------------------------------------------------------------------
 */

struct run {
    uint32_t *call_us; /* how long each send took */
    size_t n_calls;
    uint32_t longest_us;       /* of all calls */
    uint32_t longest_block_us; /* of those that gave the processor away: others were only pushed off it */
    uint64_t n_rounds;
    uint64_t sent_bytes; /* to each */
    size_t most_queued;  /* bytes, of all peers together */
    size_t most_rss;     /* above the first seconds' */
};

static size_t rss_bytes(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(statm);
    ck_assert_int_eq(fscanf(statm, "%*u %lu", &pages), 1);
    fclose(statm);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* How often this thread has given up the processor (ru_nvcsw), and how often it was taken from it (ru_nivcsw). */
static struct rusage switches(void)
{
    struct rusage usage;

    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage;
}

static void timed_send(struct run *run, const struct ferry_message *msgs, size_t n)
{
    struct rusage before = switches(), after;
    uint64_t began = monotonic_ns();
    uint32_t took_us;

    ck_assert_int_eq(ferry_transport_send(members[0].t, msgs, n), FERRY_OK);
    took_us = (uint32_t)((monotonic_ns() - began) / 1000);
    after = switches();
    /* a call that lost the processor to another thread tells of the machine, not of send */
    if (run->n_calls < MAX_CALLS && after.ru_nivcsw == before.ru_nivcsw)
        run->call_us[run->n_calls++] = took_us;
    run->longest_us = took_us > run->longest_us ? took_us : run->longest_us;
    if (took_us > run->longest_block_us && after.ru_nvcsw > before.ru_nvcsw)
        run->longest_block_us = took_us;
}

/* One MsgApp and one heartbeat to each of the four. */
static void send_round(struct run *run)
{
    size_t len = (size_t)1024 << (run->n_rounds % 7); /* 1 KiB to 64 KiB */
    struct ferry_entry entry = {.term = 1, .index = run->n_rounds + 1, .data = {data, len}};
    struct ferry_message msgs[2 * N_GOOD];

    for (size_t i = 0; i < N_GOOD; i++) {
        uint64_t to = i + 2;

        msgs[2 * i] = (struct ferry_message){.type = FERRY_MSG_APP,
                                             .from = 1,
                                             .to = to,
                                             .term = 1,
                                             .log_term = 1,
                                             .index = run->n_rounds,
                                             .commit = run->n_rounds,
                                             .entries = &entry,
                                             .n_entries = 1};
        msgs[2 * i + 1] =
            (struct ferry_message){.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = to, .commit = run->n_rounds};
    }
    timed_send(run, msgs, 2 * N_GOOD);
    run->sent_bytes += len;
    run->n_rounds++;
}

static bool slowest_keeps_up(void *arg)
{
    const struct run *run = arg;

    for (size_t i = 1; i < N_GOOD; i++)
        if (atomic_load(&intakes[i].bytes) + WINDOW_BYTES < run->sent_bytes)
            return false;
    return true;
}

static bool all_came(void *arg)
{
    const struct run *run = arg;

    for (size_t i = 1; i < N_GOOD; i++)
        if (recorder_messages(&members[i].recorder) < 2 * run->n_rounds)
            return false;
    return true;
}

/* A message may have come before it is counted. */
static bool all_are_counted(void *arg)
{
    const struct run *run = arg;

    for (uint64_t id = 2; id <= N_GOOD; id++)
        if (member_status(&members[0], id).counts.written < 2 * run->n_rounds)
            return false;
    return true;
}

static void look(struct run *run, size_t rss_at_first)
{
    size_t queued = 0;
    size_t rss = rss_bytes();

    for (uint64_t id = 2; id <= HOLE_ID; id++)
        queued += member_status(&members[0], id).queued_bytes;
    run->most_queued = queued > run->most_queued ? queued : run->most_queued;
    if (rss_at_first > 0 && rss > rss_at_first && rss - rss_at_first > run->most_rss)
        run->most_rss = rss - rss_at_first;
}

static void send_for(struct run *run, uint64_t for_ms)
{
    uint64_t began_ms = monotonic_ms();
    struct timespec next;
    size_t rss_at_first = 0;

    clock_gettime(CLOCK_MONOTONIC, &next);
    for (uint64_t now_ms = began_ms; now_ms < began_ms + for_ms; now_ms = monotonic_ms()) {
        if (now_ms > began_ms + for_ms / 20 && rss_at_first == 0)
            rss_at_first = rss_bytes(); /* the threads' arenas and the good peers' buffers stand by now */
        send_round(run);
        ck_assert_msg(members_wait(members, N_GOOD, slowest_keeps_up, run, patience_ms(10000)),
                      "a good member fell behind: %s", journal_text(&members[0].journal, JOURNAL_ANY));
        if (run->n_rounds % 64 == 0)
            look(run, rss_at_first);
        next.tv_nsec += PACE_US * 1000;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void setup(void)
{
    for (size_t i = 0; i < N_GOOD; i++) {
        struct ferry_config *config = &members[i].config;

        member_init(&members[i], i + 1);
        members[i].recorder.on_message = on_message;
        members[i].recorder.arg = &intakes[i];
        config->max_send_bytes = BUDGET;
        config->max_queue_bytes = QUEUE_BYTES;
        config->write_timeout_ms = patience_ms(WRITE_TIMEOUT_MS);
        config->post_timeout_ms = patience_ms(WRITE_TIMEOUT_MS);
        member_start(&members[i]);
    }
    members_connect(members, N_GOOD);
    members_await_streams(members, N_GOOD);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(31 * i);
}

static void teardown(void)
{
    for (size_t i = 0; i < N_GOOD; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < N_GOOD; i++)
        member_release(&members[i]);
}

static bool hole_has_writers(void *arg)
{
    struct ferry_peer_status status = member_status(&members[0], HOLE_ID);

    (void)arg;
    return status.writer_attached[FERRY_STREAM_MSGAPP] && status.writer_attached[FERRY_STREAM_MESSAGE];
}

static void check_hole(const struct run *run)
{
    struct ferry_counts counts;
    uint64_t dropped;

    ferry_transport_stop(members[0].t);
    for (size_t i = 0; i < N_GOOD - 1; i++)
        ck_assert_uint_eq(recorder_unreachable(&members[0].recorder, i + 2), 0);
    ck_assert_uint_gt(recorder_unreachable(&members[0].recorder, HOLE_ID), 0);
    counts = member_totals(&members[0]);
    dropped = counts_dropped(&counts);
    ck_assert_uint_eq(counts.sent, run->n_rounds * 2 * N_GOOD);
    ck_assert_uint_eq(counts.sent, counts.written + dropped);
    ck_assert_uint_ge(counts.written, run->n_rounds * 2 * (N_GOOD - 1));
    ck_assert_uint_eq(dropped, counts.dropped[FERRY_DROP_QUEUE_FULL] + counts.dropped[FERRY_DROP_BUDGET] +
                                   counts.dropped[FERRY_DROP_STREAM_CLOSED] + counts.dropped[FERRY_DROP_POST_FAILED] +
                                   counts.dropped[FERRY_DROP_STALE] + counts.dropped[FERRY_DROP_STOPPED]);
    ck_assert_uint_gt(counts.dropped[FERRY_DROP_QUEUE_FULL], 0);
    ck_assert_uint_gt(counts.dropped[FERRY_DROP_STREAM_CLOSED], 0);
}

START_TEST(a_black_hole_among_five_does_not_affect_the_others)
{
    uint64_t for_ms = 1000 * environment_number("FERRY_SOAK_S", PATIENCE_SANITIZED ? 8 : 30);
    struct hole hole = {0};
    struct run run = {.call_us = calloc(MAX_CALLS, sizeof(*run.call_us))};
    uint32_t p99_us, p999_us;

    ck_assert_ptr_nonnull(run.call_us);
    memset(run.call_us, 0, MAX_CALLS * sizeof(*run.call_us)); /* so that its pages are resident from the start */
    hole_open(&hole, member_url(&members[0]));
    member_add(&members[0], HOLE_ID, fake_peer_url(hole.server));
    ck_assert(members_wait(members, N_GOOD, hole_has_writers, NULL, patience_ms(5000)));
    send_for(&run, for_ms);

    ck_assert(members_wait(members, N_GOOD, all_came, &run, patience_ms(10000)));
    ck_assert(members_wait(members, N_GOOD, all_are_counted, &run, patience_ms(10000)));
    for (size_t i = 1; i < N_GOOD; i++) {
        struct ferry_peer_status status = member_status(&members[0], i + 1);

        ck_assert(status.active);
        ck_assert_uint_eq(status.counts.written, 2 * run.n_rounds);
        ck_assert_uint_eq(counts_dropped(&status.counts), 0);
        ck_assert_uint_eq(status.counts.sent, 2 * run.n_rounds);
        ck_assert_uint_eq(member_totals(&members[i]).received_dropped, 0);
        ck_assert_uint_eq(recorder_messages(&members[i].recorder), 2 * run.n_rounds);
    }
    hole_close(&hole);
    check_hole(&run);

    qsort(run.call_us, run.n_calls, sizeof(*run.call_us), by_value);
    p99_us = run.call_us[run.n_calls * 99 / 100];
    p999_us = run.call_us[run.n_calls * 999 / 1000];
    if (getenv("FERRY_TEST_LOG"))
        fprintf(stderr,
                "# %llu rounds, p50 %u us, p99 %u us, p99.9 %u us, longest %u us (%u us off the processor by itself), "
                "queued %zu, rss +%zu, %u dials by the hole\n",
                (unsigned long long)run.n_rounds, run.call_us[run.n_calls / 2], p99_us, p999_us, run.longest_us,
                run.longest_block_us, run.most_queued, run.most_rss, atomic_load(&hole.n_dials));
    ck_assert_uint_lt(run.longest_block_us, patience_ms(LONGEST_US));
    ck_assert_uint_gt(run.most_queued, QUEUE_BYTES / 2); /* the hole did fill its queues */
    ck_assert_uint_le(run.most_queued, BUDGET);
    if (!PATIENCE_SANITIZED) { /* a sanitizer's own memory and delays are not ours */
        ck_assert_uint_lt(p99_us, P99_US);
        ck_assert_uint_lt(p999_us, P999_US);
        ck_assert_uint_lt(run.most_rss, BUDGET + RSS_SLACK);
    }
    free(run.call_us);
}
END_TEST

int main(void)
{
    setenv("RIG_TIMEOUT", "120", 0);
    return rig_main("blackhole", setup, teardown, a_black_hole_among_five_does_not_affect_the_others, NULL);
}
