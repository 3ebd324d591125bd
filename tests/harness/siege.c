/*
 * siege - clients that mean harm.
 */
#include "config.h"

#include "harness/siege.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/patience.h"

#define REDIAL_MS 50
#define TICK_MS 5
#define MAX_EVENTS 256

struct besieger {
    const struct siege_kind *kind;
    struct siege_figures *figures;
    int fd; /* -1: it waits for its next dial */
    size_t head_at;
    size_t body_at;
    uint64_t next_ms; /* of a dial or a piece */
    uint64_t born_ms;
    unsigned n_dials;
};

static int epoll_fd;

static void leave(struct besieger *b, uint64_t now_ms)
{
    close(b->fd);
    b->fd = -1;
    b->next_ms = now_ms + REDIAL_MS;
}

static void dial(struct besieger *b, uint64_t now_ms)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = b};

    to.sin_port = htons((in_port_t)strtoul(strrchr(b->kind->url, ':') + 1, NULL, 10));
    b->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    b->next_ms = now_ms + REDIAL_MS;
    if (b->fd < 0)
        return;
    if (b->kind->n_sources > 0) {
        from.sin_addr.s_addr = htonl(0x7f010001u + b->n_dials % b->kind->n_sources * 256);
        (void)bind(b->fd, (struct sockaddr *)&from, sizeof(from));
    }
    b->n_dials++;
    b->figures->n_dials++;
    b->head_at = b->body_at = 0;
    b->born_ms = b->next_ms = now_ms;
    if ((connect(b->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, b->fd, &event) != 0)
        leave(b, now_ms);
}

/* Send from *at on, at most most bytes.  false: it cannot go on now. */
static bool send_some(struct besieger *b, const char *data, size_t len, size_t *at, size_t most, uint64_t now_ms)
{
    size_t left = len - *at < most ? len - *at : most;
    ssize_t n = send(b->fd, data + *at, left, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
        return false;
    if (n < 0) {
        b->figures->n_closed++;
        leave(b, now_ms);
        return false;
    }
    b->figures->n_bytes_sent += (size_t)n;
    *at += (size_t)n;
    return true;
}

static void go_on(struct besieger *b, uint64_t now_ms)
{
    const struct siege_kind *kind = b->kind;
    size_t head_len = kind->head_len ? kind->head_len : strlen(kind->head);

    if (kind->life_ms > 0 && now_ms - b->born_ms >= kind->life_ms) {
        leave(b, now_ms);
        return;
    }
    if (b->head_at < head_len && !send_some(b, kind->head, head_len, &b->head_at, head_len, now_ms))
        return;
    if (b->head_at < head_len || !kind->body)
        return;
    for (unsigned i = 0; i < (kind->gap_ms ? 1 : 16); i++) {
        if (!send_some(b, kind->body, kind->body_len, &b->body_at, kind->piece ? kind->piece : kind->body_len, now_ms))
            return;
        b->body_at %= kind->body_len;
    }
    b->next_ms = now_ms + kind->gap_ms;
}

static void receive(struct besieger *b, uint64_t now_ms)
{
    static char thrown_away[1 << 18];
    ssize_t n = recv(b->fd, thrown_away, sizeof(thrown_away), MSG_DONTWAIT);

    if (n > 0) {
        b->figures->n_bytes_received += (size_t)n;
    } else if (n == 0 || errno != EAGAIN) {
        b->figures->n_closed++;
        leave(b, now_ms);
    }
}

static _Noreturn void besiege(const struct siege_kind *kinds, size_t n_kinds, struct siege_figures *figures)
{
    struct epoll_event events[MAX_EVENTS];
    struct besieger *all;
    size_t n = 0, at = 0;

    for (size_t i = 0; i < n_kinds; i++)
        n += kinds[i].n;
    all = calloc(n, sizeof(*all));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!all || epoll_fd < 0)
        _exit(1);
    for (size_t i = 0; i < n_kinds; i++)
        for (unsigned k = 0; k < kinds[i].n; k++)
            all[at++] = (struct besieger){.kind = &kinds[i], .figures = &figures[i], .fd = -1, .n_dials = k};
    for (;;) {
        int n_events = epoll_wait(epoll_fd, events, MAX_EVENTS, TICK_MS);
        uint64_t now_ms = monotonic_ms();

        for (int i = 0; i < n_events; i++)
            receive(events[i].data.ptr, now_ms);
        for (size_t i = 0; i < n; i++) {
            if (all[i].next_ms > now_ms)
                continue;
            if (all[i].fd < 0)
                dial(&all[i], now_ms);
            else
                go_on(&all[i], now_ms);
        }
    }
}

void siege_begin(struct siege *siege, const struct siege_kind *kinds, size_t n_kinds)
{
    pid_t parent = getpid();

    ck_assert_uint_le(n_kinds, SIEGE_MAX_KINDS);
    siege->n_kinds = n_kinds;
    siege->figures =
        mmap(NULL, n_kinds * sizeof(*siege->figures), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(siege->figures, MAP_FAILED);
    siege->pid = fork();
    ck_assert_int_ge(siege->pid, 0);
    if (siege->pid != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    besiege(kinds, n_kinds, siege->figures);
}

void siege_end(struct siege *siege)
{
    if (siege->pid > 0) {
        (void)kill(siege->pid, SIGKILL);
        (void)waitpid(siege->pid, NULL, 0);
        siege->pid = 0;
    }
}
