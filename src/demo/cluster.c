/*
 * cluster - starts, stops and signals member processes, and asks them over HTTP.
 */
#include "config.h" /* _GNU_SOURCE, for nftw */

#include "demo/cluster.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demo/http_call.h"

#define MAX_ARGUMENTS 32
#define STOP_PATIENCE_MS 10000

static struct cluster_member *member_of(struct cluster *cluster, uint64_t id)
{
    assert(id >= 1 && id <= cluster->n);
    return &cluster->members[id - 1];
}

/* ---- Ports --------------------------------------------------------------------------------------------------------
 */

/*
 * Reserve a port: a socket bound to it; -1: failed.  The socket never listens, so a member that sets SO_REUSEADDR can
 * still listen on that port number.  While the member is down, the system does not give the port to a program that asks
 * for any free one.
 */
static int take_port(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0) { /* after bind: not to share a port */
        (void)close(fd);
        return -1;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void leave_ports(struct cluster_member *member)
{
    for (size_t i = 0; i < CLUSTER_N_PORTS; i++)
        if (member->port_fds[i] >= 0)
            (void)close(member->port_fds[i]);
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

uint64_t cluster_add(struct cluster *cluster)
{
    struct cluster_member *member = &cluster->members[cluster->n];
    unsigned peer_port, client_port;

    if (cluster->n == CLUSTER_MAX)
        return 0;
    *member = (struct cluster_member){.port_fds = {take_port(&peer_port), take_port(&client_port)}};
    if (member->port_fds[0] < 0 || member->port_fds[1] < 0) {
        leave_ports(member);
        return 0;
    }
    cluster->n++;
    (void)snprintf(member->peer_url, sizeof(member->peer_url), "%s://127.0.0.1:%u", cluster->peer_scheme, peer_port);
    (void)snprintf(member->client_url, sizeof(member->client_url), "http://127.0.0.1:%u", client_port);
    (void)snprintf(member->data_dir, sizeof(member->data_dir), "%s/%zu", cluster->dir, cluster->n);
    (void)snprintf(member->log_path, sizeof(member->log_path), "%s/%zu.log", cluster->dir, cluster->n);
    return cluster->n;
}

bool cluster_init(struct cluster *cluster, const char *program, const char *peer_scheme, size_t n_founders)
{
    const char *tmp = getenv("TMPDIR");

    *cluster = (struct cluster){.n_founders = n_founders, .peer_scheme = peer_scheme};
    (void)snprintf(cluster->program, sizeof(cluster->program), "%s", program);
    (void)snprintf(cluster->dir, sizeof(cluster->dir), "%s/ferry-kv-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(cluster->dir)) {
        fprintf(stderr, "%s: %s\n", cluster->dir, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < n_founders; i++) {
        if (cluster_add(cluster) == 0) {
            fprintf(stderr, "no free ports: %s\n", strerror(errno));
            cluster_release(cluster);
            return false;
        }
    }
    return true;
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

void cluster_wipe(struct cluster *cluster, uint64_t id)
{
    (void)nftw(member_of(cluster, id)->data_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* may be missing */
}

void cluster_release(struct cluster *cluster)
{
    for (uint64_t id = 1; id <= cluster->n; id++) {
        cluster_kill(cluster, id);
        leave_ports(member_of(cluster, id));
    }
    cluster->n = 0;
    (void)nftw(cluster->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* files left over are below TMPDIR */
}

/* ---- Processes ----------------------------------------------------------------------------------------------------
 */

static void join_founders(const struct cluster *cluster, char *to, size_t size)
{
    size_t len = 0;

    to[0] = '\0';
    for (size_t i = 0; i < cluster->n_founders; i++)
        len +=
            (size_t)snprintf(to + len, size - len, "%s%zu=%s", i > 0 ? "," : "", i + 1, cluster->members[i].peer_url);
}

static _Noreturn void become(const struct cluster *cluster, uint64_t id, pid_t parent)
{
    const struct cluster_member *member = &cluster->members[id - 1];
    char founders[CLUSTER_MAX * 64];
    char id_text[24];
    const char *argv[MAX_ARGUMENTS] = {cluster->program,   "--id",       id_text,          "--data-dir",
                                       member->data_dir,   "--peer-url", member->peer_url, "--client-url",
                                       member->client_url, "--cluster",  founders};
    size_t n = 11;
    int fd = open(member->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    (void)snprintf(id_text, sizeof(id_text), "%" PRIu64, id);
    join_founders(cluster, founders, sizeof(founders));
    for (size_t i = 0; cluster->extra && cluster->extra[i] && n < MAX_ARGUMENTS - 1; i++)
        argv[n++] = cluster->extra[i];
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        getppid() != parent)
        _exit(126);
    execv(cluster->program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

bool cluster_start(struct cluster *cluster, uint64_t id)
{
    struct cluster_member *member = member_of(cluster, id);
    pid_t parent = getpid();

    assert(member->pid == 0);
    member->pid = fork();
    if (member->pid == 0)
        become(cluster, id, parent);
    if (member->pid > 0)
        return true;
    member->pid = 0;
    return false;
}

void cluster_kill(struct cluster *cluster, uint64_t id)
{
    struct cluster_member *member = member_of(cluster, id);

    if (member->pid == 0)
        return;
    (void)kill(member->pid, SIGKILL); /* our child, not waited for yet */
    (void)waitpid(member->pid, NULL, 0);
    member->pid = 0;
}

static void sleep_ms(long ms)
{
    const struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&span, NULL); /* a signal may shorten it */
}

int cluster_stop(struct cluster *cluster, uint64_t id)
{
    struct cluster_member *member = member_of(cluster, id);
    int status = 0;

    (void)kill(member->pid, SIGTERM);
    for (int ms = 0; ms < STOP_PATIENCE_MS; ms += 10) {
        if (waitpid(member->pid, &status, WNOHANG) == member->pid) {
            member->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        sleep_ms(10);
    }
    cluster_kill(cluster, id);
    return -1;
}

uint64_t cluster_find_dead(struct cluster *cluster)
{
    for (uint64_t id = 1; id <= cluster->n; id++) {
        struct cluster_member *member = member_of(cluster, id);

        if (member->pid > 0 && waitpid(member->pid, NULL, WNOHANG) == member->pid) {
            member->pid = 0;
            return id;
        }
    }
    return 0;
}

/* ---- Questions ----------------------------------------------------------------------------------------------------
 */

bool cluster_status(const struct cluster *cluster, uint64_t id, struct member_status *ret_status)
{
    return member_status_read(cluster->members[id - 1].client_url, ret_status);
}

uint64_t cluster_leader(const struct cluster *cluster)
{
    struct member_status status;
    uint64_t leader = 0;
    uint64_t term = 0;

    for (uint64_t id = 1; id <= cluster->n; id++) {
        if (cluster->members[id - 1].pid == 0 || !cluster_status(cluster, id, &status))
            continue;
        if (strcmp(status.role, "leader") == 0 && status.term > term) {
            leader = id;
            term = status.term;
        }
    }
    return leader;
}

long cluster_post(const struct cluster *cluster, uint64_t id, const char *path, unsigned timeout_ms)
{
    struct http_answer answer;
    char url[600];

    (void)snprintf(url, sizeof(url), "%s%s", cluster->members[id - 1].client_url, path);
    http_call("POST", url, "", 0, timeout_ms, &answer);
    free(answer.body);
    return answer.status;
}

void cluster_print_logs(const struct cluster *cluster)
{
    char text[4096];

    for (size_t i = 0; i < cluster->n; i++) {
        FILE *log = fopen(cluster->members[i].log_path, "r");
        size_t len;

        fprintf(stderr, "---- log of member %zu:\n", i + 1);
        while (log && (len = fread(text, 1, sizeof(text), log)) > 0)
            fwrite(text, 1, len, stderr);
        if (log)
            (void)fclose(log);
    }
}
