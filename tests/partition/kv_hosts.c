/*
 * kv_hosts - processes on hosts, and what they say.
 *
 * A member's URL names its host, so that each host may have its own way to it: straight, or by a proxy on the switch.
 * The clients are one process, kv-history, which writes down what it saw when its input ends.
 */
#include "config.h" /* _GNU_SOURCE, for unshare */

#include "partition/kv_hosts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demo/member_status.h"
#include "harness/certificates.h"
#include "harness/child.h"
#include "harness/hosts.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/standstill.h"

#define ELECTION_MS 1000
#define PEER_PORT 2380 /* of member 0; each has its own, for the proxies share an address */
#define CLIENT_PORT 2379
#define N_CLIENTS "5"
#define URL_MAX 64

static struct {
    unsigned n;
    pid_t pids[HOSTS_MAX]; /* 0: it does not run */
    char client_urls[HOSTS_MAX][URL_MAX];
    struct fault_proxy *proxies[HOSTS_MAX];
    struct child clients;
    const char *tls[7]; /* arguments, NULL-ended */
    char dir[RIG_DIR_SIZE];
    char history[RIG_DIR_SIZE + 16];
} kv;

static const char *in_builddir(const char *name)
{
    static char paths[2][4096];
    static unsigned turn;
    const char *builddir = getenv("FERRY_BUILDDIR");
    char *path = paths[turn++ % 2];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", builddir ? builddir : ".", name);
    return path;
}

const char *kv_hosts_obstacle(void)
{
    if (access(in_builddir("kv-history"), X_OK) != 0)
        return "kv-history is not built: run this test by its script";
    return hosts_obstacle();
}

/* ---- Members ---- */

/* In a process of its own, on the host. */
static _Noreturn void run_member(unsigned which)
{
    char id[8], peer_url[URL_MAX], cluster[HOSTS_MAX * URL_MAX] = "", election[16], data_dir[RIG_DIR_SIZE + 16];
    char log[RIG_DIR_SIZE + 16];
    const char *argv[32] = {"ferry-kv",
                            "--id",
                            id,
                            "--data-dir",
                            data_dir,
                            "--peer-url",
                            peer_url,
                            "--client-url",
                            kv.client_urls[which],
                            "--cluster",
                            cluster,
                            "--election-timeout",
                            election,
                            "--snapshot-entries",
                            "500",
                            "--trailing-entries",
                            "100"};
    const char *scheme = kv.tls[0] ? "https" : "http";
    size_t len = 0, n = 0;
    int fd;

    while (argv[n])
        n++;
    for (size_t i = 0; kv.tls[i]; i++)
        argv[n++] = kv.tls[i];

    (void)snprintf(id, sizeof(id), "%u", which + 1);
    (void)snprintf(election, sizeof(election), "%u", patience_ms(ELECTION_MS));
    (void)snprintf(data_dir, sizeof(data_dir), "%s/data%u", kv.dir, which);
    (void)snprintf(log, sizeof(log), "%s/log%u", kv.dir, which);
    for (unsigned i = 0; i < kv.n; i++)
        len += (size_t)snprintf(cluster + len, sizeof(cluster) - len, "%s%u=%s://host%u:%u", i > 0 ? "," : "", i + 1,
                                scheme, i, PEER_PORT + i);
    (void)snprintf(peer_url, sizeof(peer_url), "%s://host%u:%u", scheme, which, PEER_PORT + which);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0 && dup2(fd, STDERR_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0)
        execv(in_builddir("ferry-kv"), (char *const *)(uintptr_t)argv); /* it changes none of them */
    _exit(127);
}

void kv_hosts_restart(unsigned which)
{
    ck_assert_int_eq(kv.pids[which], 0);
    kv.pids[which] = hosts_fork(which);
    if (kv.pids[which] == 0)
        run_member(which);
}

void kv_hosts_kill(unsigned which)
{
    if (kv.pids[which] == 0)
        return;
    kill(kv.pids[which], SIGKILL);
    waitpid(kv.pids[which], NULL, 0);
    kv.pids[which] = 0;
}

bool kv_hosts_is_up(unsigned which)
{
    return kv.pids[which] != 0;
}

static void print_logs(void)
{
    char command[RIG_DIR_SIZE + 64];

    (void)snprintf(command, sizeof(command), "tail -n 20 %s/log* | sed 's/^/# /'", kv.dir);
    (void)fflush(stdout);
    (void)!system(command);
}

/* ---- Who leads ---- */

/* A member that has ended by itself fails the test. */
static void check_alive(void)
{
    int status;

    for (unsigned i = 0; i < kv.n; i++)
        if (kv.pids[i] != 0 && waitpid(kv.pids[i], &status, WNOHANG) == kv.pids[i]) {
            kv.pids[i] = 0;
            print_logs();
            ck_abort_msg("member %u has ended by itself, with status %#x", i, (unsigned)status);
        }
}

int kv_hosts_leader(void)
{
    struct member_status status[HOSTS_MAX];

    check_alive();
    for (unsigned i = 0; i < kv.n; i++)
        if (kv.pids[i] == 0 || !member_status_read(kv.client_urls[i], &status[i]))
            status[i] = (struct member_status){.role = ""};
    for (unsigned i = 0; i < kv.n; i++) {
        unsigned n_agree = 0;

        if (strcmp(status[i].role, "leader") != 0)
            continue;
        for (unsigned j = 0; j < kv.n; j++)
            n_agree += status[j].term == status[i].term && status[j].leader == i + 1;
        if (n_agree > kv.n / 2)
            return (int)i;
    }
    return KV_NOBODY;
}

/* How long it took, since begin_ms of running_ms: it is promised to members that run. */
static uint64_t await_leader(const char *after, uint64_t begin_ms)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    uint64_t ms;

    while (kv_hosts_leader() == KV_NOBODY) {
        if (running_ms() - begin_ms > 10 * patience_ms(ELECTION_MS)) {
            print_logs();
            ck_abort_msg("%s: no leader", after);
        }
        nanosleep(&pause, NULL);
    }
    ms = running_ms() - begin_ms;
    printf("# %s: a leader after %" PRIu64 " ms\n", after, ms);
    (void)fflush(stdout);
    return ms;
}

void kv_hosts_await_leader(const char *after, uint64_t begin_ms)
{
    uint64_t ms = await_leader(after, begin_ms);

    ck_assert_msg(ms <= 3 * patience_ms(ELECTION_MS), "%s: a leader after %" PRIu64 " ms only", after, ms);
}

/* ---- Proxies ---- */

static void take_tls(void)
{
    const struct certificate_spec ca_spec = {.common_name = "ca", .is_ca = true};
    const struct certificate_spec spec = {.common_name = "member",
                                          .names = "DNS:host0,DNS:host1,DNS:host2,DNS:host3,DNS:host4,"
                                                   "DNS:host5,DNS:host6,IP:" HOSTS_SWITCH};
    struct certificate ca, member;

    certificates_setup();
    ca = certificate_make(&ca_spec, NULL);
    member = certificate_make(&spec, &ca);
    kv.tls[0] = "--peer-cert-file";
    kv.tls[1] = certificate_write("member.pem", &member, NULL);
    kv.tls[2] = "--peer-key-file";
    kv.tls[3] = certificate_write_key("member.key", &member);
    kv.tls[4] = "--peer-trusted-ca-file";
    kv.tls[5] = certificate_write("ca.pem", &ca, NULL);
    certificate_release(&member);
    certificate_release(&ca);
}

static void put_proxies_between(uint64_t seed)
{
    for (unsigned called = 0; called < kv.n; called++) {
        char at[URL_MAX], target[URL_MAX];

        (void)snprintf(at, sizeof(at), HOSTS_SWITCH ":%u", PEER_PORT + called);
        (void)snprintf(target, sizeof(target), "%s:%u", hosts_address(called), PEER_PORT + called);
        kv.proxies[called] = fault_proxy_new(at, target, seed + called);
        for (unsigned from = 0; from < kv.n; from++)
            if (from != called)
                hosts_name(from, called, HOSTS_SWITCH);
    }
}

void kv_hosts_set_weather(const struct weather *weather)
{
    for (unsigned i = 0; i < kv.n; i++)
        fault_proxy_set_weather(kv.proxies[i], weather);
}

unsigned kv_hosts_n_faults(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < kv.n; i++)
        n += fault_proxy_n_faults(kv.proxies[i]);
    return n;
}

/* ---- All of it ---- */

static void start_clients(uint64_t seed)
{
    const char *argv[6 + HOSTS_MAX] = {in_builddir("kv-history"), "load", N_CLIENTS};
    char seed_text[24];

    (void)snprintf(seed_text, sizeof(seed_text), "%" PRIu64, seed);
    argv[3] = seed_text;
    argv[4] = kv.history;
    for (unsigned i = 0; i < kv.n; i++)
        argv[5 + i] = kv.client_urls[i];
    ck_assert(child_start(&kv.clients, argv));
    ck_assert_msg(child_await(&kv.clients, "loading\n", patience_ms(5000)), "%s", kv.clients.text);
}

/*
 * A directory whose disk is memory, for this process and those that it starts.  Members are killed here, and not the
 * machine, so memory keeps what an acknowledged write is owed; and no fsync waits for what others write, which has been
 * seen to take a member out of an election for two seconds.
 */
static void make_memory_dir(char dir[RIG_DIR_SIZE])
{
    rig_make_dir(dir);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "mode=700") != 0)
        printf("# no memory to be had as a disk: the members' files are on a real one\n");
}

void kv_hosts_start(unsigned n, bool with_proxies, uint64_t seed)
{
    make_memory_dir(kv.dir);
    (void)snprintf(kv.history, sizeof(kv.history), "%s/history", kv.dir);
    hosts_start(n);
    kv.n = n;
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(kv.client_urls[i], sizeof(kv.client_urls[i]), "http://%s:%u", hosts_address(i), CLIENT_PORT);
    if (with_proxies) {
        take_tls();
        put_proxies_between(seed);
    }
    for (unsigned i = 0; i < n; i++)
        kv_hosts_restart(i);
    standstill_start();
    (void)await_leader("start", running_ms()); /* no link has been there before that could come back */
    start_clients(seed);
}

static void check_history(void)
{
    struct child checker;
    int status;

    ck_assert(child_start(&checker, (const char *const[]){in_builddir("kv-history"), "check", kv.history, NULL}));
    status = child_wait(&checker, patience_ms(120000));
    printf("# %s", checker.text);
    (void)fflush(stdout);
    if (status != 0)
        print_logs();
    ck_assert_msg(status == 0, "%s", checker.text);
    child_stop(&checker);
}

void kv_hosts_finish(void)
{
    int status;

    child_give(&kv.clients, "", 0);
    status = child_wait(&kv.clients, patience_ms(120000));
    ck_assert_msg(status == 0, "%s", kv.clients.text);
    printf("# %s", strchr(kv.clients.text, '\n') + 1);
    check_history();
}

void kv_hosts_release(void)
{
    if (kv.n > 0)
        standstill_stop();
    child_stop(&kv.clients);
    for (unsigned i = 0; i < kv.n; i++)
        kv_hosts_kill(i);
    for (unsigned i = 0; i < kv.n; i++)
        fault_proxy_free(kv.proxies[i]);
    hosts_stop();
    memset(&kv, 0, sizeof(kv));
}
