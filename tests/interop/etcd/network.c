/*
 * network - namespaces, veth pairs and routing rules.
 *
 * A rule into a black hole drops what one server sends to another: neither sees its link go down, and nothing is
 * refused.  The namespaces have no name, so they go with the processes and descriptors that hold them.
 */
#include "config.h" /* _GNU_SOURCE, for unshare */

#include "interop/etcd/network.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interop/etcd/cluster.h"

#define NETWORK "10.77"

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

static unsigned number_of(const struct server *server)
{
    return (unsigned)(server - cluster.servers) + 1;
}

/* In a process that keeps nothing of it. */
const char *network_find_obstacle(void)
{
    static const char *const obstacles[] = {
        NULL, "no network namespace may be made here", "no virtual ethernet can be made here (is iproute2 installed?)",
        "no routing rule can be made here", "forwarding cannot be switched on here"};
    const unsigned n_obstacles = sizeof(obstacles) / sizeof(obstacles[0]);
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (unshare(CLONE_NEWNET) != 0)
            _exit(1);
        if (!try_ip("link add v0 type veth peer name v1 2>/dev/null"))
            _exit(2);
        if (!try_ip("rule add from 10.0.0.1 to 10.0.0.2 blackhole 2>/dev/null"))
            _exit(3);
        _exit(access("/proc/sys/net/ipv4/ip_forward", W_OK) == 0 ? 0 : 4);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return "no process can be made";
    return obstacles[(unsigned)WEXITSTATUS(status) < n_obstacles ? WEXITSTATUS(status) : 1];
}

static int open_own_namespace(void)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

void network_enter(void)
{
    FILE *file;

    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    ip("link set lo up");
    file = fopen("/proc/sys/net/ipv4/ip_forward", "w");
    ck_assert(file && fputs("1", file) >= 0 && fclose(file) == 0);
}

const char *network_interface(const struct server *server)
{
    static char name[16];

    snprintf(name, sizeof(name), "v%u", number_of(server));
    return name;
}

void network_add_host(struct server *server)
{
    unsigned n = number_of(server);
    int router = open_own_namespace();
    char host[32];

    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    server->netns_fd = open_own_namespace();
    ck_assert_int_eq(setns(router, CLONE_NEWNET), 0);
    ip("link add v%u type veth peer name eth0 netns /proc/%d/fd/%d", n, (int)getpid(), server->netns_fd);
    ip("addr add " NETWORK ".%u.1/24 dev v%u", n, n);
    ip("link set v%u up", n);
    ck_assert_int_eq(setns(server->netns_fd, CLONE_NEWNET), 0);
    ip("link set lo up");
    ip("addr add " NETWORK ".%u.2/24 dev eth0", n);
    ip("link set eth0 up");
    ip("route add default via " NETWORK ".%u.1", n);
    ck_assert_int_eq(setns(router, CLONE_NEWNET), 0);
    close(router);
    snprintf(host, sizeof(host), NETWORK ".%u.2", n);
    server_set_host(server, host);
}

static void rule(const char *verb, const struct server *from, const struct server *to)
{
    ip("rule %s from " NETWORK ".%u.2 to " NETWORK ".%u.2 blackhole", verb, number_of(from), number_of(to));
}

void network_cut(const struct server *a, const struct server *b)
{
    rule("add", a, b);
    rule("add", b, a);
}

void network_mend(const struct server *a, const struct server *b)
{
    rule("del", a, b);
    rule("del", b, a);
}

void network_isolate(const struct server *server)
{
    for (unsigned i = 0; i < cluster.n; i++)
        if (server != &cluster.servers[i])
            network_cut(server, &cluster.servers[i]);
}

void network_rejoin(const struct server *server)
{
    for (unsigned i = 0; i < cluster.n; i++)
        if (server != &cluster.servers[i])
            network_mend(server, &cluster.servers[i]);
}
