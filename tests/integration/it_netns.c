/*
 * it_netns - two members on two machines, as far as the kernel is concerned, and a router between them that drops.
 *
 * The test enters a network namespace of its own, which is the router; each member runs in a child process with another
 * one.  None of them has a name, and the children die with the test, so nothing can be left behind, however it ends.
 * Packets are dropped by a route into nowhere: neither machine sees its link go down, and nothing is refused.
 *
 * A member writes its state into a pipe whenever it changes, with the time of the change.
 */
#include "config.h" /* _GNU_SOURCE, for unshare */

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"

#define NOTICE_MS 2000
#define RECOVER_MS 1000
#define SETTLE_MS 10000
#define PORT 2380

struct report {
    uint64_t at_ns;
    int n_streams; /* of four */
    enum ferry_link link;
    bool was_told; /* the log names a direction */
};

struct host {
    pid_t pid;
    int fd;             /* reports come here */
    struct report last; /* the newest */
};

static struct host hosts[2];

/* ---- A machine ---- */

static const char *const addresses[] = {"10.77.1.2", "10.77.2.2"};

static struct report observe(struct member *m, uint64_t peer)
{
    struct ferry_peer_status status = member_status(m, peer);
    struct report report = {.link = status.link};

    for (int i = 0; i < FERRY_N_STREAMS; i++)
        report.n_streams += status.writer_attached[i] + status.reader_attached[i];
    report.was_told = journal_count(&m->journal, FERRY_LOG_WARN, peer, "the peer is heard, but what we send") > 0;
    report.at_ns = monotonic_ns();
    return report;
}

static void report_changes(struct member *m, uint64_t peer, int fd)
{
    struct report last = {.n_streams = -1};
    const struct timespec pause = {.tv_nsec = 1000000};

    for (;;) {
        struct report now = observe(m, peer);

        if (now.n_streams != last.n_streams || now.link != last.link || now.was_told != last.was_told)
            if (write(fd, &now, sizeof(now)) != sizeof(now))
                _exit(0);
        last = now;
        nanosleep(&pause, NULL);
    }
}

static void run_host(int which, int ready_fd, int go_fd, int report_fd)
{
    static struct member m;
    char listen_url[64], peer_url[64];
    const char *const urls[] = {listen_url, NULL};
    char byte = 0;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || unshare(CLONE_NEWNET) != 0 || write(ready_fd, &byte, 1) != 1 ||
        read(go_fd, &byte, 1) != 1)
        _exit(1);
    (void)snprintf(listen_url, sizeof(listen_url), "http://%s:%d", addresses[which], PORT);
    (void)snprintf(peer_url, sizeof(peer_url), "http://%s:%d", addresses[!which], PORT);
    member_init(&m, (uint64_t)which + 1);
    m.config = (struct ferry_config)FERRY_CONFIG_INIT; /* it is the defaults that are to hold */
    m.config.id = m.id;
    m.config.cluster_id = MEMBER_CLUSTER_ID;
    m.config.core = recorder_core(&m.recorder);
    m.config.listen_urls = urls;
    m.config.log = journal_log;
    m.config.log_ctx = &m.journal;
    member_start(&m);
    member_add(&m, (uint64_t)!which + 1, peer_url);
    report_changes(&m, (uint64_t)!which + 1, report_fd);
}

/* ---- The router ---- */

static bool try_ip(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool try_ip(const char *format, ...)
{
    char command[256] = "PATH=$PATH:/usr/sbin:/sbin exec ip ";
    size_t len = strlen(command);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command + len, sizeof(command) - len, format, args);
    va_end(args);
    return system(command) == 0;
}

#define ip(...) ck_assert_msg(try_ip(__VA_ARGS__), "ip " __VA_ARGS__)

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_msg(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s: %s", path, strerror(errno));
}

static void lay_cable(int which)
{
    int pid = (int)hosts[which].pid;

    ip("link add v%d type veth peer name eth0 netns %d", which, pid);
    ip("addr add 10.77.%d.1/24 dev v%d", which + 1, which);
    ip("link set v%d up", which);
}

/* Inside the host's namespace, by a process that enters it. */
static void configure_host(int which)
{
    char path[64];
    pid_t pid;
    int status;

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)hosts[which].pid);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        FILE *ns = fopen(path, "r");
        bool is_done = ns && setns(fileno(ns), CLONE_NEWNET) == 0 && try_ip("link set lo up") &&
                       try_ip("addr add %s/24 dev eth0", addresses[which]) && try_ip("link set eth0 up") &&
                       try_ip("route add default via 10.77.%d.1", which + 1);

        _exit(is_done ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void drop_towards(int which)
{
    ip("route add blackhole %s/32", addresses[which]);
}

static void let_pass_towards(int which)
{
    ip("route del blackhole %s/32", addresses[which]);
}

/* ---- Awaiting ---- */

typedef bool done_fn(const struct report *report);

static bool has_all(const struct report *report)
{
    return report->n_streams == 2 * FERRY_N_STREAMS;
}

static bool has_none(const struct report *report)
{
    return report->n_streams == 0;
}

static bool has_told(const struct report *report)
{
    return report->was_told;
}

static bool is_only_in(const struct report *report)
{
    return report->link == FERRY_LINK_ONLY_IN && has_none(report);
}

/* The first report that is done, of one that is so already or that comes.  When, in ns. */
static uint64_t await(struct host *host, done_fn *done, unsigned limit_ms)
{
    uint64_t deadline = monotonic_ms() + patience_ms(limit_ms);

    while (!done(&host->last)) {
        struct pollfd readable = {.fd = host->fd, .events = POLLIN};
        uint64_t now = monotonic_ms();

        ck_assert_msg(now < deadline && poll(&readable, 1, (int)(deadline - now)) == 1,
                      "member %d is not there within %u ms: %d streams, link %d", (int)(host - hosts) + 1, limit_ms,
                      host->last.n_streams, (int)host->last.link);
        ck_assert_int_eq(read(host->fd, &host->last, sizeof(host->last)), sizeof(host->last));
    }
    return host->last.at_ns;
}

static unsigned ms_since(uint64_t begin_ns, uint64_t at_ns)
{
    return at_ns > begin_ns ? (unsigned)((at_ns - begin_ns) / 1000000u) : 0;
}

static void check_within(const char *what, int which, unsigned ms, unsigned limit_ms)
{
    printf("# %s: member %d after %u ms\n", what, which + 1, ms);
    (void)fflush(stdout);
    if (!PATIENCE_SANITIZED)
        ck_assert_msg(ms <= limit_ms, "%s: member %d took %u ms", what, which + 1, ms);
}

static void await_both(const char *what, done_fn *done, uint64_t begin_ns, unsigned limit_ms)
{
    for (int i = 0; i < 2; i++)
        check_within(what, i, ms_since(begin_ns, await(&hosts[i], done, 2 * limit_ms)), limit_ms);
}

/* ---- The stage ---- */

static void start_host(int which, int ready[2], int go[2])
{
    int reports[2];

    ck_assert_int_eq(pipe(reports), 0);
    hosts[which].pid = fork();
    ck_assert_int_ge(hosts[which].pid, 0);
    if (hosts[which].pid == 0)
        run_host(which, ready[1], go[0], reports[1]);
    close(reports[1]);
    hosts[which].fd = reports[0];
}

static void setup(void)
{
    int ready[2], go[2];
    char bytes[2];

    ck_assert_int_eq(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    write_text("/proc/sys/net/ipv4/ip_forward", "1");
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(go), 0);
    for (int i = 0; i < 2; i++)
        start_host(i, ready, go);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(read(ready[0], bytes, 1), 1);
    for (int i = 0; i < 2; i++) {
        lay_cable(i);
        configure_host(i);
    }
    ck_assert_int_eq(write(go[1], bytes, 2), 2);
    for (int i = 0; i < 2; i++)
        (void)await(&hosts[i], has_all, SETTLE_MS);
}

static void teardown(void)
{
    for (int i = 0; i < 2; i++) {
        kill(hosts[i].pid, SIGKILL);
        waitpid(hosts[i].pid, NULL, 0);
        close(hosts[i].fd);
    }
}

/* ---- The stories ---- */

/* Heals at another phase of the dials each time. */
START_TEST(a_pulled_cable_is_noticed_in_2_s_and_a_plugged_one_in_1)
{
    static const unsigned outages_ms[] = {2100, 2900, 3700, 4500};

    for (size_t i = 0; i < sizeof(outages_ms) / sizeof(outages_ms[0]); i++) {
        const struct timespec rest = {.tv_nsec = 130000000 * (long)i}; /* another phase of the probes, too */
        uint64_t begin_ns, out_ms;

        nanosleep(&rest, NULL);
        begin_ns = monotonic_ns();
        drop_towards(0);
        drop_towards(1);
        await_both("cable pulled", has_none, begin_ns, NOTICE_MS);
        out_ms = ms_since(begin_ns, monotonic_ns());
        if (out_ms < outages_ms[i])
            (void)poll(NULL, 0, (int)(outages_ms[i] - out_ms)); /* the outage itself */
        begin_ns = monotonic_ns();
        let_pass_towards(0);
        let_pass_towards(1);
        await_both("cable plugged in", has_all, begin_ns, RECOVER_MS);
        ck_assert_int_eq(hosts[0].last.link, FERRY_LINK_BOTH);
    }
}
END_TEST

/* What goes from the sender to the other is dropped.  The sender hears, and must say so; the other can only say that it
 * does not. */
static void drop_one_way(int sender)
{
    uint64_t begin_ns = monotonic_ns();

    drop_towards(!sender);
    await_both("one way dropped", has_none, begin_ns, NOTICE_MS);
    check_within("direction known", sender, ms_since(begin_ns, await(&hosts[sender], is_only_in, SETTLE_MS)),
                 NOTICE_MS);
    (void)await(&hosts[sender], has_told, SETTLE_MS);
    ck_assert_int_eq(hosts[!sender].last.link, FERRY_LINK_NONE);
    begin_ns = monotonic_ns();
    let_pass_towards(!sender);
    await_both("one way healed", has_all, begin_ns, RECOVER_MS);
    ck_assert_int_eq(hosts[sender].last.link, FERRY_LINK_BOTH);
    ck_assert_int_eq(hosts[!sender].last.link, FERRY_LINK_BOTH);
}

START_TEST(a_one_way_drop_is_reported_with_its_direction)
{
    drop_one_way(0);
    drop_one_way(1);
}
END_TEST

/* Why this machine cannot play the story; NULL when it can.  In a process that keeps nothing of it. */
static const char *find_obstacle(void)
{
    static const char *const obstacles[] = {NULL, "no network namespace may be made here",
                                            "no virtual ethernet can be made here (is iproute2 installed?)",
                                            "forwarding cannot be switched on here"};
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (unshare(CLONE_NEWNET) != 0)
            _exit(1);
        if (!try_ip("link add v0 type veth peer name v1 2>/dev/null"))
            _exit(2);
        _exit(access("/proc/sys/net/ipv4/ip_forward", W_OK) == 0 ? 0 : 3);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return "no process can be made";
    return obstacles[WEXITSTATUS(status) < 4 ? WEXITSTATUS(status) : 1];
}

int main(void)
{
    const char *obstacle = find_obstacle();

    if (obstacle) {
        printf("1..0 # SKIP %s\n", obstacle);
        return EXIT_SUCCESS;
    }
    return rig_main("netns", setup, teardown, a_pulled_cable_is_noticed_in_2_s_and_a_plugged_one_in_1,
                    a_one_way_drop_is_reported_with_its_direction, NULL);
}
