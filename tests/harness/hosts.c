/*
 * hosts - namespaces, cables and the switch's rules.
 *
 * Normal path: the process unshares its network and creates the bridge.  For each host a child unshares again, creates
 * the cable from its side, and waits until this process has opened its namespace.  Dropped traffic is one set of
 * address pairs in a table of the bridge family, so that any number of changes is one transaction.  Without nft each
 * pair is a rule of iptables, which sees bridged packets if the kernel is configured so.
 */
#include "config.h" /* _GNU_SOURCE, for unshare */

#include "harness/hosts.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/rig.h"

#define PATHS "PATH=$PATH:/usr/sbin:/sbin; "
#define NETWORK "10.77.0."

static struct {
    unsigned n;
    int ns_fds[HOSTS_MAX];
    char addresses[HOSTS_MAX][24];
    char names[HOSTS_MAX][HOSTS_MAX][24]; /* [at][called] */
    bool is_dropped[HOSTS_MAX][HOSTS_MAX];
    bool has_nft;
    char dir[RIG_DIR_SIZE]; /* the hosts files */
} hosts;

/* ---- Commands ---- */

static bool try_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool try_command(const char *format, ...)
{
    char command[4096] = PATHS;
    size_t len = strlen(command);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command + len, sizeof(command) - len, format, args);
    va_end(args);
    return system(command) == 0;
}

#define run(...) ck_assert_msg(try_command(__VA_ARGS__), __VA_ARGS__)

/* ---- What there is ---- */

static bool has_nft(void)
{
    return try_command("nft 'add table bridge ferry' 2>/dev/null");
}

static bool has_iptables(void)
{
    return try_command("iptables -L FORWARD >/dev/null 2>&1 && grep -q 1 /proc/sys/net/bridge/bridge-nf-call-iptables");
}

const char *hosts_obstacle(void)
{
    static const char *const obstacles[] = {
        NULL, "no network namespace may be made here", "no virtual ethernet can be made here (is iproute2 installed?)",
        "no bridge can be made here", "a bridge cannot drop here: neither nft nor iptables can be used"};
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
            _exit(1);
        if (!try_command("ip link add v0 type veth peer name v1 2>/dev/null"))
            _exit(2);
        if (!try_command("ip link add b0 type bridge 2>/dev/null"))
            _exit(3);
        _exit(has_nft() || has_iptables() ? 0 : 4);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return "no process can be made";
    return obstacles[WEXITSTATUS(status) < 5 ? WEXITSTATUS(status) : 1];
}

/* ---- The switch ---- */

static void make_switch(void)
{
    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    run("ip link set lo up && ip link add sw type bridge && ip addr add " HOSTS_SWITCH "/24 dev sw && "
        "ip link set sw up");
    hosts.has_nft = has_nft();
    if (hosts.has_nft)
        run("nft -f - <<'END'\n"
            "table bridge ferry {\n"
            "    set dropped { type ipv4_addr . ipv4_addr; }\n"
            "    chain passing {\n"
            "        type filter hook forward priority 0;\n"
            "        ip saddr . ip daddr @dropped drop\n"
            "    }\n"
            "}\n"
            "END\n");
}

/* Make the rules match hosts.is_dropped, with nft in one step. */
static void apply(void)
{
    char text[3072] = "";
    size_t len = 0;

    if (hosts.has_nft)
        len += (size_t)snprintf(text, sizeof(text), "flush set bridge ferry dropped\n");
    for (unsigned from = 0; from < hosts.n; from++)
        for (unsigned to = 0; to < hosts.n; to++)
            if (hosts.is_dropped[from][to])
                len += (size_t)snprintf(text + len, sizeof(text) - len,
                                        hosts.has_nft ? "add element bridge ferry dropped { %s . %s }\n"
                                                      : "-A FORWARD -s %s -d %s -j DROP\n",
                                        hosts.addresses[from], hosts.addresses[to]);
    ck_assert_uint_lt(len, sizeof(text));
    if (hosts.has_nft)
        run("nft -f - <<'END'\n%sEND\n", text);
    else
        run("iptables-restore <<'END'\n*filter\n%sCOMMIT\nEND\n", text);
}

void hosts_drop(unsigned from, unsigned to)
{
    hosts.is_dropped[from][to] = true;
    apply();
}

void hosts_pass(unsigned from, unsigned to)
{
    hosts.is_dropped[from][to] = false;
    apply();
}

void hosts_heal(void)
{
    memset(hosts.is_dropped, 0, sizeof(hosts.is_dropped));
    apply();
}

void hosts_cut(unsigned one, unsigned other)
{
    hosts.is_dropped[one][other] = hosts.is_dropped[other][one] = true;
    apply();
}

void hosts_split(unsigned side)
{
    for (unsigned one = 0; one < hosts.n; one++)
        for (unsigned other = 0; other < hosts.n; other++)
            if ((side >> one & 1u) != (side >> other & 1u))
                hosts.is_dropped[one][other] = true;
    apply();
}

/* ---- Hosts ---- */

/* In a process of its own; ends when its input does. */
static void make_host(unsigned which, int ready_fd, int go_fd)
{
    char byte = 0;
    bool is_made = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && unshare(CLONE_NEWNET) == 0 &&
                   try_command("ip link set lo up && ip link add eth0 type veth peer name h%u netns %d && "
                               "ip addr add %s/24 dev eth0 && ip link set eth0 up",
                               which, (int)getppid(), hosts.addresses[which]) &&
                   write(ready_fd, &byte, 1) == 1;

    (void)!read(go_fd, &byte, 1);
    _exit(is_made ? 0 : 1);
}

static void add_host(unsigned which)
{
    int ready[2], go[2], status;
    char path[64], byte;
    pid_t pid;

    (void)snprintf(hosts.addresses[which], sizeof(hosts.addresses[which]), NETWORK "%u", which + 1);
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(go), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(ready[0]);
        close(go[1]);
        make_host(which, ready[1], go[0]);
    }
    close(ready[1]);
    close(go[0]);
    ck_assert_msg(read(ready[0], &byte, 1) == 1, "host %u cannot be made", which);
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    hosts.ns_fds[which] = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(hosts.ns_fds[which], 0);
    close(go[1]);
    close(ready[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    run("ip link set h%u master sw && ip link set h%u up", which, which);
}

void hosts_start(unsigned n)
{
    ck_assert_uint_le(n, HOSTS_MAX);
    ck_assert_uint_eq(hosts.n, 0);
    rig_make_dir(hosts.dir);
    make_switch();
    for (unsigned i = 0; i < n; i++)
        add_host(i);
    hosts.n = n;
    for (unsigned at = 0; at < n; at++)
        for (unsigned called = 0; called < n; called++)
            hosts_name(at, called, hosts.addresses[called]);
}

void hosts_stop(void)
{
    for (unsigned i = 0; i < hosts.n; i++)
        close(hosts.ns_fds[i]);
    memset(&hosts, 0, sizeof(hosts));
}

const char *hosts_address(unsigned which)
{
    return hosts.addresses[which];
}

void hosts_name(unsigned at, unsigned called, const char *address)
{
    char path[RIG_DIR_SIZE + 16];
    FILE *file;

    (void)snprintf(hosts.names[at][called], sizeof(hosts.names[at][called]), "%s", address);
    (void)snprintf(path, sizeof(path), "%s/hosts%u", hosts.dir, at);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "127.0.0.1 localhost\n");
    for (unsigned i = 0; i < hosts.n; i++)
        fprintf(file, "%s host%u\n", hosts.names[at][i], i);
    ck_assert_int_eq(fclose(file), 0);
}

/* A mount namespace of the process, in which /etc/hosts is the host's file. */
static bool take_names(unsigned which)
{
    char path[RIG_DIR_SIZE + 16];

    (void)snprintf(path, sizeof(path), "%s/hosts%u", hosts.dir, which);
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
}

pid_t hosts_fork(unsigned which)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid != 0)
        return pid;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || setns(hosts.ns_fds[which], CLONE_NEWNET) != 0 ||
        !take_names(which))
        _exit(126);
    return 0;
}

/* ---- Bandwidth ---- */

#define TBF "root tbf rate %ukbit burst 16kb latency 200ms"

bool hosts_slow(unsigned which, unsigned kbit_per_s)
{
    int status;
    pid_t pid;

    if (kbit_per_s > 0 && !try_command("tc qdisc replace dev h%u " TBF " 2>/dev/null", which, kbit_per_s))
        return false;
    if (kbit_per_s == 0)
        (void)try_command("tc qdisc del dev h%u root 2>/dev/null", which); /* it may have had none */
    pid = hosts_fork(which);
    if (pid == 0) {
        if (kbit_per_s > 0)
            _exit(try_command("tc qdisc replace dev eth0 " TBF, kbit_per_s) ? 0 : 1);
        (void)try_command("tc qdisc del dev eth0 root 2>/dev/null");
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status == 0;
}
