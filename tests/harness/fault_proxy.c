/*
 * cutting_proxy - one thread, one poll, two sockets a connection.
 */
#include "harness/cutting_proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/raw_socket.h"

#define MAX_LINKS 32
#define BUFFER 65536

/* One direction: what was read of one socket and not written to the other. */
struct flow {
    char data[BUFFER];
    size_t len;
    bool is_ended; /* nothing more will be read */
};

struct link {
    int fds[2];           /* the client's, the target's; -1: the place is free */
    struct flow flows[2]; /* by the socket that they are read from */
    uint64_t n_sent;      /* to the target */
    bool is_candidate;
};

struct cutting_proxy {
    char target[64];
    char url[64];
    char begin[64];
    int listen_fd;
    int stop_fds[2];
    pthread_t thread;
    struct link links[MAX_LINKS];

    pthread_mutex_t mu;
    bool is_armed;  /* mu */
    uint64_t after; /* mu */
    enum cut_how how;
    unsigned n_cut; /* mu */
};

static void link_close(struct link *l, bool is_hard)
{
    struct linger reset = {.l_onoff = 1};

    for (int i = 0; i < 2; i++) {
        if (is_hard)
            (void)setsockopt(l->fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(l->fds[i]);
        l->fds[i] = -1;
    }
}

/* How much may be passed to the target now; 0: cut. */
static size_t allowed(struct cutting_proxy *p, struct link *l, size_t len)
{
    pthread_mutex_lock(&p->mu);
    if (p->is_armed && l->is_candidate)
        len = l->n_sent >= p->after ? 0 : p->after - l->n_sent < len ? (size_t)(p->after - l->n_sent) : len;
    pthread_mutex_unlock(&p->mu);
    return len;
}

static void cut(struct cutting_proxy *p, struct link *l)
{
    pthread_mutex_lock(&p->mu);
    p->is_armed = false;
    p->n_cut++;
    link_close(l, p->how == CUT_RESET);
    pthread_mutex_unlock(&p->mu);
}

static void read_from(struct cutting_proxy *p, struct link *l, int side)
{
    struct flow *flow = &l->flows[side];
    ssize_t n = recv(l->fds[side], flow->data, BUFFER, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        link_close(l, true);
        return;
    }
    flow->len = (size_t)n;
    flow->is_ended = n == 0;
    if (n == 0)
        (void)shutdown(l->fds[!side], SHUT_WR);
    if (side == 0 && l->n_sent == 0 && (size_t)n >= strlen(p->begin))
        l->is_candidate = memcmp(flow->data, p->begin, strlen(p->begin)) == 0;
    if (l->flows[0].is_ended && l->flows[1].is_ended)
        link_close(l, false);
}

static void write_from(struct cutting_proxy *p, struct link *l, int side)
{
    struct flow *flow = &l->flows[side];
    size_t len = side == 0 ? allowed(p, l, flow->len) : flow->len;
    ssize_t n;

    if (len == 0) {
        cut(p, l);
        return;
    }
    n = send(l->fds[!side], flow->data, len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        link_close(l, true);
        return;
    }
    memmove(flow->data, flow->data + n, flow->len - (size_t)n);
    flow->len -= (size_t)n;
    if (side == 0)
        l->n_sent += (uint64_t)n;
}

static void take_client(struct cutting_proxy *p)
{
    int fd = raw_accept(p->listen_fd);
    struct link *l = NULL;

    if (fd < 0)
        return;
    for (size_t i = 0; i < MAX_LINKS && !l; i++)
        if (p->links[i].fds[0] < 0)
            l = &p->links[i];
    if (!l) {
        close(fd);
        return;
    }
    memset(l, 0, sizeof(*l));
    l->fds[0] = fd;
    l->fds[1] = raw_connect(p->target);
}

static void *proxy_main(void *arg)
{
    struct cutting_proxy *p = arg;
    struct pollfd fds[2 + 2 * MAX_LINKS];

    for (;;) {
        fds[0] = (struct pollfd){.fd = p->stop_fds[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = p->listen_fd, .events = POLLIN};
        for (size_t i = 0; i < MAX_LINKS; i++) {
            struct link *l = &p->links[i];

            for (int side = 0; side < 2; side++) {
                bool wants_in = l->flows[side].len == 0 && !l->flows[side].is_ended;
                bool wants_out = l->flows[!side].len > 0;

                fds[2 + 2 * i + (size_t)side] =
                    (struct pollfd){.fd = wants_in || wants_out ? l->fds[side] : -1,
                                    .events = (short)((wants_in ? POLLIN : 0) | (wants_out ? POLLOUT : 0))};
            }
        }
        if (poll(fds, 2 + 2 * MAX_LINKS, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[0].revents)
            return NULL;
        for (size_t i = 0; i < MAX_LINKS; i++)
            for (int side = 0; side < 2; side++) {
                struct link *l = &p->links[i];
                short events = fds[2 + 2 * i + (size_t)side].revents;

                if (l->fds[side] >= 0 && (events & POLLOUT) && l->flows[!side].len > 0)
                    write_from(p, l, !side);
                if (l->fds[side] >= 0 && (events & (POLLIN | POLLHUP | POLLERR)) && l->flows[side].len == 0 &&
                    !l->flows[side].is_ended)
                    read_from(p, l, side);
            }
        if (fds[1].revents)
            take_client(p);
    }
}

struct cutting_proxy *cutting_proxy_new(const char *target, const char *begin)
{
    struct cutting_proxy *p = calloc(1, sizeof(*p));

    ck_assert_ptr_nonnull(p);
    snprintf(p->target, sizeof(p->target), "%s", target);
    snprintf(p->begin, sizeof(p->begin), "%s", begin);
    for (size_t i = 0; i < MAX_LINKS; i++)
        p->links[i].fds[0] = p->links[i].fds[1] = -1;
    pthread_mutex_init(&p->mu, NULL);
    p->listen_fd = raw_listen(16, p->url, sizeof(p->url));
    ck_assert_int_eq(pipe(p->stop_fds), 0);
    ck_assert_int_eq(pthread_create(&p->thread, NULL, proxy_main, p), 0);
    return p;
}

void cutting_proxy_free(struct cutting_proxy *p)
{
    close(p->stop_fds[1]);
    pthread_join(p->thread, NULL);
    close(p->stop_fds[0]);
    close(p->listen_fd);
    for (size_t i = 0; i < MAX_LINKS; i++)
        if (p->links[i].fds[0] >= 0)
            link_close(&p->links[i], false);
    pthread_mutex_destroy(&p->mu);
    free(p);
}

const char *cutting_proxy_url(const struct cutting_proxy *p)
{
    return p->url;
}

void cutting_proxy_cut(struct cutting_proxy *p, uint64_t after, enum cut_how how)
{
    pthread_mutex_lock(&p->mu);
    p->is_armed = true;
    p->after = after;
    p->how = how;
    pthread_mutex_unlock(&p->mu);
}

unsigned cutting_proxy_n_cut(struct cutting_proxy *p)
{
    unsigned n;

    pthread_mutex_lock(&p->mu);
    n = p->n_cut;
    pthread_mutex_unlock(&p->mu);
    return n;
}
