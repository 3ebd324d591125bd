/*
 * demo_cluster - the members of the demo as their parent sees them.
 *
 * A member is this very program, run again.  Two pipes join it to us; it dies with us, whatever we die of: its
 * standard input ends, and the kernel is asked to kill it as well.  A pipe that ends without our doing is how we learn
 * that a member ended by itself.
 */
#define _GNU_SOURCE /* pipe2 */
#include "tools/demo_cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/stopwatch.h"

#define STOP_NS 5000000000u

static void close_pipes(struct demo_process *process)
{
    (void)close(process->commands); /* pipes: nothing can be lost that anybody still waits for */
    (void)close(process->lines.fd);
}

static int reap(struct demo_process *process)
{
    int status = -1;

    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        ;
    process->pid = 0;
    close_pipes(process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int demo_cluster_init(struct demo_cluster *cluster)
{
    sigset_t ours;

    memset(cluster, 0, sizeof(*cluster));
    (void)sigemptyset(&ours); /* these cannot fail with signals that exist */
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGTERM);
    (void)sigaddset(&ours, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &ours, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -1;
    cluster->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    return cluster->signals < 0 ? -1 : 0;
}

void demo_cluster_release(struct demo_cluster *cluster)
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        demo_cluster_kill(cluster, id);
    if (cluster->signals >= 0)
        (void)close(cluster->signals);
    cluster->signals = -1;
}

/* In the child: become the member.  Only returns when that failed. */
static void run_member(uint64_t id, uint64_t life, const char *url, int in, int out, pid_t parent)
{
    char id_text[24];
    char life_text[24];
    sigset_t none;

    (void)snprintf(id_text, sizeof(id_text), "%" PRIu64, id);
    (void)snprintf(life_text, sizeof(life_text), "%" PRIu64, life);
    (void)sigemptyset(&none);
    /* Ctrl-C reaches the whole foreground group; the parent decides what it means. */
    if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGPIPE, SIG_DFL) == SIG_ERR ||
        sigprocmask(SIG_SETMASK, &none, NULL) || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent ||
        dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        return;
    (void)execl("/proc/self/exe", "ferry-demo", "--member", id_text, life_text, url, (char *)NULL);
}

int demo_cluster_start(struct demo_cluster *cluster, uint64_t id)
{
    struct demo_process *process = &cluster->members[id];
    const char *url = *process->url ? process->url : "http://127.0.0.1:0";
    pid_t parent = getpid();
    int commands[2];
    int said[2];
    pid_t pid;

    if (pipe2(commands, O_CLOEXEC))
        return -1;
    if (pipe2(said, O_CLOEXEC))
        goto close_commands;
    pid = fork();
    if (pid < 0)
        goto close_said;
    if (pid == 0) {
        run_member(id, process->n_lives + 1, url, commands[0], said[1], parent);
        _exit(EXIT_FAILURE);
    }
    (void)close(commands[0]);
    (void)close(said[1]);
    process->pid = pid;
    process->n_lives++;
    process->has_said_url = false;
    process->commands = commands[1];
    process->lines = (struct lines){.fd = said[0]};
    memset(process->links, 0, sizeof(process->links));
    return 0;

close_said:
    (void)close(said[0]);
    (void)close(said[1]);
close_commands:
    (void)close(commands[0]);
    (void)close(commands[1]);
    return -1;
}

void demo_cluster_kill(struct demo_cluster *cluster, uint64_t id)
{
    struct demo_process *process = &cluster->members[id];

    if (process->pid == 0)
        return;
    (void)kill(process->pid, SIGKILL); /* not reaped yet, so it is there */
    (void)reap(process);
}

static void command(struct demo_process *process, const char *text)
{
    ssize_t ignored;

    if (process->pid == 0)
        return;
    ignored = write(process->commands, text, strlen(text)); /* to a dead one: its output has ended too, and is read */
    (void)ignored;
}

void demo_cluster_introduce(struct demo_cluster *cluster, uint64_t id, uint64_t peer)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "peer %" PRIu64 " %s\n", peer, cluster->members[peer].url);
    command(&cluster->members[id], text);
}

void demo_cluster_quiet(struct demo_cluster *cluster)
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        command(&cluster->members[id], "quiet\n");
}

/* A line of a member, while it is read. */
struct hearing {
    struct demo_cluster *cluster;
    uint64_t id;
};

static void on_line(void *arg, const char *line)
{
    struct hearing *hearing = arg;
    struct demo_process *process = &hearing->cluster->members[hearing->id];
    struct demo_link link;

    if (strncmp(line, "link ", 5) == 0 && demo_link_parse(line + 5, &link) && link.peer >= 1 &&
        link.peer <= DEMO_N_MEMBERS) {
        process->links[link.peer] = link;
    } else if (strncmp(line, "listen ", 7) == 0 && strlen(line + 7) < sizeof(process->url)) {
        (void)snprintf(process->url, sizeof(process->url), "%s", line + 7);
        process->has_said_url = true;
    } else {
        fprintf(stderr, "ferry-demo: member %" PRIu64 " said: %s\n", hearing->id, line);
        hearing->cluster->outcome = DEMO_BROKEN;
    }
}

enum demo_outcome demo_cluster_turn(struct demo_cluster *cluster, int timeout_ms)
{
    struct pollfd fds[DEMO_N_MEMBERS + 1] = {{.fd = cluster->signals, .events = POLLIN}};

    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        fds[id] =
            (struct pollfd){.fd = cluster->members[id].pid > 0 ? cluster->members[id].lines.fd : -1, .events = POLLIN};
    if (poll(fds, DEMO_N_MEMBERS + 1, timeout_ms) < 0 && errno != EINTR) {
        perror("ferry-demo: poll");
        cluster->outcome = DEMO_BROKEN;
        return cluster->outcome;
    }
    if (fds[0].revents)
        cluster->outcome = DEMO_INTERRUPTED;
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS && cluster->outcome == DEMO_ON; id++) {
        struct hearing hearing = {cluster, id};

        if (fds[id].revents && !lines_read(&cluster->members[id].lines, on_line, &hearing)) {
            fprintf(stderr, "ferry-demo: member %" PRIu64 " ended by itself\n", id);
            cluster->outcome = DEMO_BROKEN;
        }
    }
    return cluster->outcome;
}

static void ignore_line(void *arg, const char *line)
{
    (void)arg;
    (void)line;
}

int demo_cluster_stop(struct demo_cluster *cluster, uint64_t id)
{
    struct demo_process *process = &cluster->members[id];
    uint64_t until = stopwatch_now_ns() + STOP_NS;

    command(process, "stop\n");
    for (;;) {
        struct pollfd end = {.fd = process->lines.fd, .events = POLLIN};
        uint64_t now = stopwatch_now_ns();

        if (now >= until || poll(&end, 1, (int)((until - now) / 1000000) + 1) == 0) {
            demo_cluster_kill(cluster, id);
            return -1;
        }
        if (end.revents && !lines_read(&process->lines, ignore_line, NULL))
            return reap(process);
    }
}
