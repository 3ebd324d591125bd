/*
 * process - fork, exec, signals and /proc.
 *
 * Output goes to a file, not to a pipe: nobody has to read it for the server to go on, and what it logged is there
 * after it was killed.
 */
#include "config.h"

#include "interop/etcd/process.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/patience.h"

/* In the child: nothing that a lock of another thread could hold up. */
static void become(const char *const argv[], int log_fd, int netns_fd, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(126);
    if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) != 0)
        _exit(126);
    if (dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0)
        _exit(126);
    execvp(argv[0], (char *const *)(uintptr_t)argv); /* exec changes none of them */
    _exit(127);
}

void process_start(struct process *process, const char *const argv[], const char *log, int netns_fd)
{
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    pid_t parent = getpid();

    ck_assert_int_eq(process->pid, 0);
    ck_assert_msg(log_fd >= 0, "%s: %s", log, strerror(errno));
    process->pid = fork();
    ck_assert_int_ge(process->pid, 0);
    if (process->pid == 0)
        become(argv, log_fd, netns_fd, parent);
    close(log_fd);
}

bool process_is_running(struct process *process)
{
    if (process->pid == 0)
        return false;
    if (waitpid(process->pid, NULL, WNOHANG) == 0)
        return true;
    process->pid = 0;
    return false;
}

int process_wait(struct process *process, unsigned deadline_ms)
{
    int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int status = 0;
    bool has_ended;

    ck_assert_int_ge(fd, 0);
    has_ended = poll(&ended, 1, (int)deadline_ms) == 1;
    close(fd);
    if (!has_ended)
        return -1;
    ck_assert_int_eq(waitpid(process->pid, &status, 0), process->pid);
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void process_kill(struct process *process)
{
    if (process->pid == 0)
        return;
    kill(process->pid, SIGKILL);
    ck_assert_int_eq(waitpid(process->pid, NULL, 0), process->pid);
    process->pid = 0;
}

int process_terminate(struct process *process, unsigned deadline_ms)
{
    ck_assert_int_gt(process->pid, 0);
    kill(process->pid, SIGTERM);
    return process_wait(process, deadline_ms);
}

void process_pause(const struct process *process)
{
    siginfo_t info;

    ck_assert_int_gt(process->pid, 0);
    kill(process->pid, SIGSTOP);
    ck_assert_int_eq(waitid(P_PID, (id_t)process->pid, &info, WSTOPPED), 0);
}

void process_resume(const struct process *process)
{
    ck_assert_int_gt(process->pid, 0);
    kill(process->pid, SIGCONT);
}

struct process_usage process_usage(const struct process *process)
{
    struct process_usage usage = {.cpu_s = 0};
    unsigned long user = 0, system = 0;
    char path[64], line[1024];
    const char *after_name;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)process->pid);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
    fclose(file);
    after_name = strrchr(line, ')');
    ck_assert_ptr_nonnull(after_name);
    ck_assert_int_eq(sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
    usage.cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);

    snprintf(path, sizeof(path), "/proc/%d/status", (int)process->pid);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "VmRSS: %zu", &usage.rss_kib);
        (void)sscanf(line, "VmHWM: %zu", &usage.peak_kib);
    }
    fclose(file);
    return usage;
}
