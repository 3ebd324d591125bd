/*
 * go_peer - a child process on two socket pairs; a pipe would raise SIGPIPE in the test when the child is gone.
 *
 * Its standard error is ours, so that its log stands in the test's.  The end of its input makes it stop, so it never
 * outlives the test, however that ends.
 */
#include "interop/go_peer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct go_peer {
    pid_t pid;
    pthread_mutex_t mu; /* held while a line is written */
    int to;             /* its standard input */
    int from;           /* its standard output */
    size_t len;
    char buf[4096]; /* what was read and not yet taken: [len] */
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static int spawn(const char *program, char *const argv[], int in, int out, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int err = posix_spawn_file_actions_init(&actions);

    if (err)
        return err;
    err = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (!err)
        err = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!err)
        err = posix_spawn(ret_pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

struct go_peer *go_peer_start(const char *program, uint64_t id, uint64_t cluster_id, const struct go_peer_tls *tls)
{
    struct go_peer *peer = calloc(1, sizeof(*peer));
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    char name[] = "rafthttp-peer", id_flag[] = "-id", cluster_flag[] = "-cluster-id", id_text[24], cluster_text[24];
    char cert[160], key[160], ca[160];
    char *const argv[] = {name, id_flag, id_text, cluster_flag, cluster_text, tls ? cert : NULL, key, ca, NULL};
    int err = ENOMEM;

    if (!peer)
        goto fail;
    if (tls) {
        snprintf(cert, sizeof(cert), "-cert=%s", tls->cert_file);
        snprintf(key, sizeof(key), "-key=%s", tls->key_file);
        snprintf(ca, sizeof(ca), "-ca=%s", tls->ca_file);
    }
    snprintf(id_text, sizeof(id_text), "%" PRIu64, id);
    snprintf(cluster_text, sizeof(cluster_text), "%" PRIu64, cluster_id);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out) != 0) {
        err = errno;
        goto close_ends;
    }
    err = spawn(program, argv, in[0], out[1], &peer->pid);
    if (err)
        goto close_ends;
    close(in[0]);
    close(out[1]);
    pthread_mutex_init(&peer->mu, NULL);
    peer->to = in[1];
    peer->from = out[0];
    return peer;
close_ends:
    for (int i = 0; i < 2; i++) {
        if (in[i] >= 0)
            close(in[i]);
        if (out[i] >= 0)
            close(out[i]);
    }
fail:
    free(peer);
    errno = err;
    return NULL;
}

void go_peer_command(struct go_peer *peer, const char *format, ...)
{
    char line[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    assert(len > 0 && (size_t)len < sizeof(line) - 1);
    line[len++] = '\n';
    pthread_mutex_lock(&peer->mu);
    /* it may be gone already; the caller then misses its answer */
    (void)send(peer->to, line, (size_t)len, MSG_NOSIGNAL);
    pthread_mutex_unlock(&peer->mu);
}

/* Take the first line out of the buffer; NULL when there is no whole one. */
static json_t *take_line(struct go_peer *peer)
{
    char *end = memchr(peer->buf, '\n', peer->len);
    size_t line_len;
    json_t *event;

    if (!end)
        return NULL;
    line_len = (size_t)(end - peer->buf) + 1;
    event = json_loadb(peer->buf, line_len, 0, NULL);
    peer->len -= line_len;
    memmove(peer->buf, end + 1, peer->len);
    return event;
}

json_t *go_peer_event(struct go_peer *peer, unsigned timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    json_t *event;

    while (!(event = take_line(peer))) {
        struct pollfd fd = {.fd = peer->from, .events = POLLIN};
        int64_t left = deadline - now_ms();
        ssize_t n;

        if (poll(&fd, 1, left > 0 ? (int)left : 0) == 0)
            return NULL;
        n = read(peer->from, peer->buf + peer->len, sizeof(peer->buf) - peer->len);
        if (n == 0 || (n < 0 && errno != EINTR))
            return NULL;
        if (n > 0)
            peer->len += (size_t)n;
    }
    return event;
}

bool go_peer_stop(struct go_peer *peer, unsigned timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    bool is_killed = false;
    int status = 0;
    json_t *event;

    go_peer_command(peer, "stop");
    close(peer->to);
    /* the end of its output is the end of the process */
    while ((event = go_peer_event(peer, deadline > now_ms() ? (unsigned)(deadline - now_ms()) : 0)))
        json_decref(event);
    if (now_ms() >= deadline) {
        is_killed = true;
        kill(peer->pid, SIGKILL);
    }
    close(peer->from);
    while (waitpid(peer->pid, &status, 0) < 0 && errno == EINTR)
        ;
    pthread_mutex_destroy(&peer->mu);
    free(peer);
    return !is_killed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
