/*
 * it_netns - two members on two hosts, and a switch between them that drops.
 *
 * Neither host sees its link go down, and nothing is refused.  A member writes its state into a pipe whenever it
 * changes, with the time of the change.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/hosts.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/standstill.h"

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

static void run_host(int which, int report_fd)
{
    static struct member m;
    char listen_url[64], peer_url[64];
    const char *const urls[] = {listen_url, NULL};

    (void)snprintf(listen_url, sizeof(listen_url), "http://%s:%d", hosts_address((unsigned)which), PORT);
    (void)snprintf(peer_url, sizeof(peer_url), "http://%s:%d", hosts_address(!which), PORT);
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

struct moment {
    uint64_t ns;
    uint64_t still_ms; /* by then */
};

static struct moment this_moment(void)
{
    return (struct moment){.ns = monotonic_ns(), .still_ms = standstill_ms()};
}

static unsigned ms_since(struct moment begin, uint64_t at_ns)
{
    return at_ns > begin.ns ? (unsigned)((at_ns - begin.ns) / 1000000u) : 0;
}

/* Subtract the time that the machine was stalled. */
static void check_within(const char *what, int which, struct moment begin, uint64_t at_ns, unsigned limit_ms)
{
    unsigned ms = ms_since(begin, at_ns), still_ms = (unsigned)(standstill_ms() - begin.still_ms);

    printf("# %s: member %d after %u ms; the machine was stalled for %u ms\n", what, which + 1, ms, still_ms);
    (void)fflush(stdout);
    if (!PATIENCE_SANITIZED)
        ck_assert_msg(ms <= limit_ms + still_ms, "%s: member %d took %u ms", what, which + 1, ms);
}

static void await_both(const char *what, done_fn *done, struct moment begin, unsigned limit_ms)
{
    for (int i = 0; i < 2; i++) {
        uint64_t at_ns = await(&hosts[i], done, 2 * limit_ms + SETTLE_MS);

        check_within(what, i, begin, at_ns, limit_ms);
    }
}

/* ---- The stage ---- */

static void start_host(int which)
{
    int reports[2];

    ck_assert_int_eq(pipe(reports), 0);
    hosts[which].pid = hosts_fork((unsigned)which);
    if (hosts[which].pid == 0)
        run_host(which, reports[1]);
    close(reports[1]);
    hosts[which].fd = reports[0];
}

static void setup(void)
{
    hosts_start(2);
    for (int i = 0; i < 2; i++)
        start_host(i);
    standstill_start();
    for (int i = 0; i < 2; i++)
        (void)await(&hosts[i], has_all, SETTLE_MS);
}

static void teardown(void)
{
    standstill_stop();
    for (int i = 0; i < 2; i++) {
        kill(hosts[i].pid, SIGKILL);
        waitpid(hosts[i].pid, NULL, 0);
        close(hosts[i].fd);
    }
    hosts_stop();
}

/* ---- The stories ---- */

/* Heals at another phase of the dials each time. */
START_TEST(a_pulled_cable_is_noticed_in_2_s_and_a_plugged_one_in_1)
{
    static const unsigned outages_ms[] = {2100, 2900, 3700, 4500};

    for (size_t i = 0; i < sizeof(outages_ms) / sizeof(outages_ms[0]); i++) {
        const struct timespec rest = {.tv_nsec = 130000000 * (long)i}; /* another phase of the probes, too */
        struct moment begin;
        unsigned out_ms;

        nanosleep(&rest, NULL);
        begin = this_moment();
        hosts_cut(0, 1);
        await_both("cable pulled", has_none, begin, NOTICE_MS);
        out_ms = ms_since(begin, monotonic_ns());
        if (out_ms < outages_ms[i])
            (void)poll(NULL, 0, (int)(outages_ms[i] - out_ms)); /* the outage itself */
        begin = this_moment();
        hosts_heal();
        await_both("cable plugged in", has_all, begin, RECOVER_MS);
        ck_assert_int_eq(hosts[0].last.link, FERRY_LINK_BOTH);
    }
}
END_TEST

/* What goes from the sender to the other is dropped.  The sender hears, and must say so; the other can only say that it
 * does not. */
static void drop_one_way(int sender)
{
    struct moment begin = this_moment();
    uint64_t at_ns;

    hosts_drop((unsigned)sender, !sender);
    await_both("one way dropped", has_none, begin, NOTICE_MS);
    at_ns = await(&hosts[sender], is_only_in, SETTLE_MS);
    check_within("direction known", sender, begin, at_ns, NOTICE_MS);
    (void)await(&hosts[sender], has_told, SETTLE_MS);
    ck_assert_int_eq(hosts[!sender].last.link, FERRY_LINK_NONE);
    begin = this_moment();
    hosts_pass((unsigned)sender, !sender);
    await_both("one way healed", has_all, begin, RECOVER_MS);
    ck_assert_int_eq(hosts[sender].last.link, FERRY_LINK_BOTH);
    ck_assert_int_eq(hosts[!sender].last.link, FERRY_LINK_BOTH);
}

START_TEST(a_one_way_drop_is_reported_with_its_direction)
{
    drop_one_way(0);
    drop_one_way(1);
}
END_TEST

int main(void)
{
    const char *obstacle = hosts_obstacle();

    if (obstacle) {
        printf("1..0 # SKIP %s\n", obstacle);
        return EXIT_SUCCESS;
    }
    return rig_main("netns", setup, teardown, a_pulled_cable_is_noticed_in_2_s_and_a_plugged_one_in_1,
                    a_one_way_drop_is_reported_with_its_direction, NULL);
}
