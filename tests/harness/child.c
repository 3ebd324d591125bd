/*
 * child - a process on one socket pair.
 *
 * setpriv has the kernel kill it when this process dies, so that a test that fails in the middle leaves nothing behind.
 */
#include "harness/child.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/patience.h"

#define MAX_ARGUMENTS 16

extern char **environ;

static int spawn(char *const argv[], int fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int err = posix_spawn_file_actions_init(&actions);

    if (err)
        return err;
    for (int to = STDIN_FILENO; to <= STDERR_FILENO && !err; to++)
        err = posix_spawn_file_actions_adddup2(&actions, fd, to);
    if (!err)
        err = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

bool child_start(struct child *child, const char *const argv[])
{
    static const char *const first[] = {"setpriv", "--pdeathsig", "KILL", "--"};
    char *all[MAX_ARGUMENTS + 5];
    int fds[2], err;
    size_t n = 0;

    for (; n < 4; n++)
        all[n] = (char *)(uintptr_t)first[n]; /* posix_spawn changes none of them */
    for (size_t i = 0; argv[i]; i++) {
        ck_assert_uint_lt(i, MAX_ARGUMENTS);
        all[n++] = (char *)(uintptr_t)argv[i];
    }
    all[n] = NULL;
    memset(child, 0, sizeof(*child));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return false;
    err = spawn(all, fds[0], &child->pid);
    close(fds[0]);
    child->fd = fds[1];
    if (err) {
        close(child->fd);
        child->pid = 0;
    }
    return !err;
}

/* What came is appended.  False: nothing will come any more. */
static bool read_some(struct child *child)
{
    char buf[4096];
    ssize_t n = recv(child->fd, buf, sizeof(buf), 0);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    child->text = realloc(child->text, child->len + (size_t)n + 1);
    ck_assert_ptr_nonnull(child->text);
    memcpy(child->text + child->len, buf, (size_t)n);
    child->len += (size_t)n;
    child->text[child->len] = '\0';
    return true;
}

void child_give(struct child *child, const char *data, size_t len)
{
    while (len > 0) {
        struct pollfd fd = {.fd = child->fd, .events = POLLIN | POLLOUT};
        ssize_t n;

        ck_assert_int_gt(poll(&fd, 1, (int)patience_ms(10000)), 0);
        if (fd.revents & POLLIN && !read_some(child))
            break;
        if (!(fd.revents & POLLOUT))
            continue;
        n = send(child->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            break;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    shutdown(child->fd, SHUT_WR);
}

bool child_await(struct child *child, const char *part, unsigned deadline_ms)
{
    uint64_t until = monotonic_ms() + deadline_ms;

    while (!child->text || !strstr(child->text, part)) {
        struct pollfd fd = {.fd = child->fd, .events = POLLIN};
        uint64_t now = monotonic_ms();

        if (now >= until || poll(&fd, 1, (int)(until - now)) <= 0 || !read_some(child))
            return false;
    }
    return true;
}

int child_wait(struct child *child, unsigned deadline_ms)
{
    uint64_t until = monotonic_ms() + deadline_ms;
    bool has_more = true;
    int status = 0;

    while (has_more) {
        struct pollfd fd = {.fd = child->fd, .events = POLLIN};
        uint64_t now = monotonic_ms();

        if (now >= until || poll(&fd, 1, (int)(until - now)) <= 0) {
            kill(child->pid, SIGKILL);
            break;
        }
        has_more = read_some(child);
    }
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(child->fd);
    child->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void child_stop(struct child *child)
{
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        (void)child_wait(child, 10000);
    }
    free(child->text);
    memset(child, 0, sizeof(*child));
}
