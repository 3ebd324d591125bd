/*
 * it_strangers - two thousand strangers connect to a member, and its peers are not affected.
 *
 * They hold connections and send nothing, single bytes, too much, or invalid requests.  Meanwhile heartbeats
 * pass between two real members in time, and a member that starts later can still connect.  The strangers are a
 * process of their own, so that the memory that is looked at is the members' alone.
 */
#include "config.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/member.h"
#include "harness/pace.h"
#include "harness/patience.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"
#include "tools/latency.h"

#define N_STRANGERS 2000
#define MAX_CONNECTIONS 1024
#define CONN_BYTES ((size_t)160 << 10) /* of each connection at most: its buffer, and what is kept about it */
#define RECEIVE_BYTES ((size_t)16 << 20)
#define SLACK_BYTES ((size_t)32 << 20)
#define N_ROUNDS (PATIENCE_SANITIZED ? 300 : 1500)
#define ROUND_MS 2
#define N_TIMES 3 /* other work on the machine only ever adds, so that one good time of so many is enough */
#define P99_NS UINT64_C(5000000)
#define PACE_FACTOR 4 /* where others compute, a loop that has work waits longer than one who passes a byte on */

static struct member members[3];

/* ---- The strangers ---- */

static const char *const opening[] = {
    "",                                                                                 /* says nothing */
    "GET /raft/str",                                                                    /* goes on byte by byte */
    "POST /raft HTTP/1.1\r\nHost: x\r\nX-Etcd-Cluster-ID: 1000\r\nX-Server-From: 2\r\n" /* its body likewise */
    "X-Server-Version: 3.4.0\r\nX-Min-Cluster-Version: 3.0.0\r\nContent-Length: 99999\r\n\r\n",
    "POST /raft HTTP/1.1\r\nHost: x\r\nX-Etcd-Cluster-ID: 1000\r\nX-Server-From: 2\r\n"
    "X-Server-Version: 3.4.0\r\nX-Min-Cluster-Version: 3.0.0\r\nContent-Length: 99999999999\r\n\r\n",
    "GET /no/such/path HTTP/1.1\r\nHost: x\r\n\r\n",
    "BREW /raft/stream/message/1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /raft/stream/message/7 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ",
};
#define N_KINDS (sizeof(opening) / sizeof(opening[0]))
#define LONG_HEAD (N_KINDS - 1)
#define TRICKLING_BODIES 3 /* of 100 strangers: a body may take its time, so these are not sent away for others */

static size_t kind_of(size_t i)
{
    size_t kind = i % N_KINDS;

    return (kind == 2 || kind == 3) && i % 100 >= TRICKLING_BODIES * N_KINDS ? i % 2 : kind;
}

static void say(int fd, size_t kind)
{
    static char much[8192];

    memset(much, 'x', sizeof(much));
    (void)send(fd, kind == LONG_HEAD ? much : "x", kind == LONG_HEAD ? sizeof(much) : 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Each comes again as soon as it was sent away, and the ones that talk say a little more each round. */
static void crowd(const char *url, int done_fd)
{
    static struct pollfd fds[N_STRANGERS];
    char byte = 0;

    for (size_t round = 0;; round++) {
        for (size_t i = 0; i < N_STRANGERS; i++) {
            size_t kind = kind_of(i);

            if (round > 0 && i % 10 != round % 10)
                continue; /* a tenth at a time */
            if (fds[i].fd > 0 && fds[i].revents != 0) {
                close(fds[i].fd);
                fds[i].fd = 0;
            }
            if (fds[i].fd == 0) {
                fds[i] = (struct pollfd){.fd = raw_connect(url), .events = POLLRDHUP};
                (void)send(fds[i].fd, opening[kind], strlen(opening[kind]), MSG_NOSIGNAL | MSG_DONTWAIT);
            } else if (kind >= 1 && kind != 3) {
                say(fds[i].fd, kind);
            }
        }
        if (round == 0 && write(done_fd, &byte, 1) != 1)
            _exit(1);
        (void)poll(fds, N_STRANGERS, 0);
        (void)poll(NULL, 0, 10);
    }
}

static pid_t start_strangers(const char *url)
{
    int done[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe(done), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        crowd(url, done[1]);
    }
    close(done[1]);
    ck_assert_int_eq(read(done[0], &byte, 1), 1);
    close(done[0]);
    return pid;
}

/* ---- The heartbeats ---- */

static struct {
    pthread_mutex_t mu;
    pthread_cond_t changed; /* mu */
    uint64_t n_answered;    /* mu */
} rounds = {.mu = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_answer(void *arg, const struct ferry_message *msg)
{
    (void)arg;
    if (msg->type != FERRY_MSG_HEARTBEAT_RESP)
        return;
    pthread_mutex_lock(&rounds.mu);
    rounds.n_answered++;
    pthread_cond_signal(&rounds.changed);
    pthread_mutex_unlock(&rounds.mu);
}

static void on_heartbeat(void *arg, const struct ferry_message *msg)
{
    struct member *m = arg;
    struct ferry_message answer = {.type = FERRY_MSG_HEARTBEAT_RESP, .to = 1, .from = m->id};

    if (msg->type == FERRY_MSG_HEARTBEAT)
        member_send(m, &answer);
}

static void go_round(struct latency *latency, uint64_t n)
{
    const struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .to = 2, .from = 1};
    uint64_t begin_ns = monotonic_ns();

    member_send(&members[0], &msg);
    pthread_mutex_lock(&rounds.mu);
    while (rounds.n_answered < n)
        pthread_cond_wait(&rounds.changed, &rounds.mu);
    pthread_mutex_unlock(&rounds.mu);
    latency_add(latency, monotonic_ns() - begin_ns);
    (void)poll(NULL, 0, ROUND_MS);
}

/* ---- The story ---- */

static size_t rss_bytes(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(statm);
    ck_assert_int_eq(fscanf(statm, "%*u %lu", &pages), 1);
    (void)fclose(statm);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void setup(void)
{
    struct rlimit files;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    ck_assert_uint_gt(files.rlim_cur, N_STRANGERS + 100);
    for (size_t i = 0; i < 3; i++) {
        struct member *m = &members[i];

        member_init(m, i + 1);
        m->config.delivery = FERRY_DELIVER_INLINE;
        m->config.max_connections = MAX_CONNECTIONS;
        m->config.max_receive_bytes = RECEIVE_BYTES;
        m->recorder.on_message = i == 0 ? on_answer : on_heartbeat;
        m->recorder.arg = m;
    }
    member_start(&members[0]);
    member_start(&members[1]);
    members_connect(members, 2);
    members_await_streams(members, 2);
}

static void teardown(void)
{
    for (size_t i = 0; i < 3; i++)
        member_release(&members[i]);
}

/* One more member, in the thick of it. */
static void come_late(void)
{
    member_start(&members[2]);
    member_add(&members[0], 3, member_url(&members[2]));
    member_add(&members[2], 1, member_url(&members[0]));
}

/* Go all rounds of one time, and raise *most to the memory that was in use meanwhile.  Were they in time? */
static bool go_rounds(struct pace *pace, size_t time, size_t *most)
{
    static struct latency pace_times, latency;
    uint64_t pace_p99_ns, limit_ns, p99_ns;

    memset(&latency, 0, sizeof(latency));
    memset(&pace_times, 0, sizeof(pace_times));
    for (uint64_t n = 1; n <= N_ROUNDS; n++) {
        size_t now = n % 50 == 0 ? rss_bytes() : 0;

        go_round(&latency, time * N_ROUNDS + n);
        latency_add(&pace_times, pace_round_trip_ns(pace));
        *most = now > *most ? now : *most;
        if (time == 0 && n == N_ROUNDS / 2)
            come_late();
    }
    p99_ns = latency_percentile_ns(&latency, 0.99);
    pace_p99_ns = latency_percentile_ns(&pace_times, 0.99);
    limit_ns = PACE_FACTOR * pace_p99_ns > P99_NS ? PACE_FACTOR * pace_p99_ns : P99_NS;
    printf("# round trips: p50 %.3f ms, p99 %.3f ms, longest %.3f ms; the machine's own pace meanwhile: p50 %.3f ms, "
           "p99 %.3f ms\n",
           (double)latency_percentile_ns(&latency, 0.5) / 1e6, (double)p99_ns / 1e6, (double)latency.max_ns / 1e6,
           (double)latency_percentile_ns(&pace_times, 0.5) / 1e6, (double)pace_p99_ns / 1e6);
    return p99_ns < limit_ns;
}

START_TEST(a_crowd_of_strangers_delays_no_heartbeat_and_keeps_no_peer_out)
{
    struct pace pace;
    size_t before = rss_bytes(), most = before;
    size_t bound = MAX_CONNECTIONS * CONN_BYTES + RECEIVE_BYTES + SLACK_BYTES;
    uint64_t dials = member_status(&members[0], 2).dials[0];
    bool in_time = false;
    pid_t strangers;

    strangers = start_strangers(member_url(&members[0]));
    pace_start(&pace);
    for (size_t time = 0; time < N_TIMES && !in_time; time++)
        in_time = go_rounds(&pace, time, &most) || PATIENCE_SANITIZED;
    for (uint64_t until = monotonic_ms() + patience_ms(5000); !member_has_streams(&members[2], 1);) {
        ck_assert_msg(monotonic_ms() < until, "a peer is kept out: %s", journal_text(&members[2].journal, 1));
        (void)poll(NULL, 0, 1);
    }
    ck_assert_int_eq(waitpid(strangers, NULL, WNOHANG), 0); /* they are still at it */
    kill(strangers, SIGKILL);
    ck_assert_int_eq(waitpid(strangers, NULL, 0), strangers);
    pace_stop(&pace);
    printf("# memory: %.1f MiB more, at most %.1f allowed\n", (double)(most - before) / 1048576,
           (double)bound / 1048576);
    (void)fflush(stdout);
    ck_assert_uint_eq(member_status(&members[0], 2).dials[0], dials); /* no stream was lost */
    ck_assert(in_time);
    if (!PATIENCE_SANITIZED)
        ck_assert_uint_lt(most - before, bound);
}
END_TEST

int main(void)
{
    return rig_main("strangers", setup, teardown, a_crowd_of_strangers_delays_no_heartbeat_and_keeps_no_peer_out, NULL);
}
