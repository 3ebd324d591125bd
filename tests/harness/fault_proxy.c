/*
 * fault_proxy - one thread, one poll, two sockets per connection, and a queue of pieces for each direction.
 *
 * A piece is the result of one read.  Its fault is drawn when it is read and applied when it is due to be written:
 * delayed, with one byte changed, half of it, or a reset.  A direction whose queue is full is not read, so that a stall
 * slows the sender down, as a slow network would.
 */
#include "config.h" /* _GNU_SOURCE, for accept4 and pipe2 */

#include "harness/fault_proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/patience.h"

#define MAX_LINKS 64
#define PIECE ((size_t)16 << 10)
#define MAX_PIECES 32 /* of one direction */
#define MAX_BEGIN 64

enum fate { PASSES, IS_TRUNCATED, IS_RESET };

struct piece {
    struct piece *next;
    uint64_t due_ms;
    enum fate fate;
    size_t len, at; /* at: written so far */
    char data[PIECE];
};

/* One direction: what was read of one socket and not written to the other. */
struct flow {
    struct piece *first, **last;
    unsigned n;
    bool is_ended;  /* nothing more is read */
    bool is_closed; /* and the other end was told */
};

struct link {
    int fds[2];           /* the client's, the target's; -1: the place is free */
    struct flow flows[2]; /* by the socket that they are read from */
    uint64_t n_sent;      /* to the target */
    bool is_candidate;    /* for the cut that is armed */
};

struct fault_proxy {
    struct sockaddr_in target;
    char url[64];
    int listen_fd;
    int wake_fds[2]; /* a byte: read the faults again; closed: stop */
    pthread_t thread;
    struct link links[MAX_LINKS];
    uint64_t random;
    struct weather now; /* the thread's copy, as of its last turn */

    pthread_mutex_t mu;
    struct weather weather;  /* mu */
    unsigned n_set, n_taken; /* mu; weathers, by the test and by the thread */
    pthread_cond_t taken;    /* mu */
    unsigned n_faults;       /* mu */
    bool is_armed;           /* mu */
    char begin[MAX_BEGIN];   /* mu */
    uint64_t after;          /* mu */
    enum cut_how how;        /* mu */
    unsigned n_cut;          /* mu */
};

/* ---- Connections ---- */

static void link_close(struct link *l, bool is_hard)
{
    struct linger reset = {.l_onoff = 1};

    for (int i = 0; i < 2; i++) {
        if (is_hard)
            (void)setsockopt(l->fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(l->fds[i]);
        l->fds[i] = -1;
        for (struct piece *piece = l->flows[i].first, *next; piece; piece = next) {
            next = piece->next;
            free(piece);
        }
        l->flows[i].first = NULL;
    }
}

static void link_open(struct fault_proxy *p, struct link *l, int client)
{
    int at_once = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memset(l, 0, sizeof(*l));
    for (int i = 0; i < 2; i++)
        l->flows[i].last = &l->flows[i].first;
    l->fds[0] = client;
    l->fds[1] = fd;
    if (fd < 0 || (connect(fd, (struct sockaddr *)&p->target, sizeof(p->target)) != 0 && errno != EINPROGRESS)) {
        link_close(l, true);
        return;
    }
    for (int i = 0; i < 2; i++)
        (void)setsockopt(l->fds[i], IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once));
}

static void take_client(struct fault_proxy *p)
{
    int fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    for (size_t i = 0; i < MAX_LINKS; i++)
        if (p->links[i].fds[0] < 0) {
            link_open(p, &p->links[i], fd);
            return;
        }
    close(fd);
}

/* ---- Fates ---- */

static uint64_t draw(struct fault_proxy *p)
{
    uint64_t z = p->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool happens(struct fault_proxy *p, double share)
{
    return (double)(draw(p) >> 11) / (double)(UINT64_C(1) << 53) < share;
}

static void count_fault(struct fault_proxy *p)
{
    pthread_mutex_lock(&p->mu);
    p->n_faults++;
    pthread_mutex_unlock(&p->mu);
}

static void meet_weather(struct fault_proxy *p, struct piece *piece)
{
    piece->due_ms = monotonic_ms() + p->now.delay_ms;
    if (happens(p, p->now.corruption)) {
        piece->data[draw(p) % piece->len] ^= (char)(1 + draw(p) % 255);
        count_fault(p);
    }
    if (happens(p, p->now.truncation)) {
        piece->fate = IS_TRUNCATED;
        piece->len /= 2;
    } else if (happens(p, p->now.reset)) {
        piece->fate = IS_RESET;
    }
}

/* How much may be sent to the target now if a cut is set. */
static size_t allowed(struct fault_proxy *p, struct link *l, size_t len)
{
    pthread_mutex_lock(&p->mu);
    if (p->is_armed && l->is_candidate)
        len = l->n_sent >= p->after ? 0 : p->after - l->n_sent < len ? (size_t)(p->after - l->n_sent) : len;
    pthread_mutex_unlock(&p->mu);
    return len;
}

static void cut(struct fault_proxy *p, struct link *l)
{
    pthread_mutex_lock(&p->mu);
    p->is_armed = false;
    p->n_cut++;
    link_close(l, p->how == CUT_RESET);
    pthread_mutex_unlock(&p->mu);
}

static bool is_candidate(struct fault_proxy *p, const struct piece *first)
{
    bool is;

    pthread_mutex_lock(&p->mu);
    is = first->len >= strlen(p->begin) && memcmp(first->data, p->begin, strlen(p->begin)) == 0;
    pthread_mutex_unlock(&p->mu);
    return is;
}

/* ---- Bytes ---- */

static void read_from(struct fault_proxy *p, struct link *l, int side)
{
    struct flow *flow = &l->flows[side];
    struct piece *piece = calloc(1, sizeof(*piece));
    ssize_t n;

    ck_assert_ptr_nonnull(piece);
    n = recv(l->fds[side], piece->data, PIECE, 0);
    if (n <= 0) {
        free(piece);
        if (n == 0)
            flow->is_ended = true;
        else if (errno != EAGAIN && errno != EINTR)
            link_close(l, true);
        return;
    }
    piece->len = (size_t)n;
    if (side == 0 && l->n_sent == 0 && !flow->first)
        l->is_candidate = is_candidate(p, piece);
    meet_weather(p, piece);
    *flow->last = piece;
    flow->last = &piece->next;
    flow->n++;
}

static void drop_first(struct flow *flow)
{
    struct piece *piece = flow->first;

    flow->first = piece->next;
    if (!flow->first)
        flow->last = &flow->first;
    flow->n--;
    free(piece);
}

static void write_from(struct fault_proxy *p, struct link *l, int side)
{
    struct flow *flow = &l->flows[side];
    struct piece *piece = flow->first;
    size_t len = piece->len - piece->at;
    ssize_t n = 0;

    if (piece->fate == IS_RESET) {
        count_fault(p);
        link_close(l, true);
        return;
    }
    if (side == 0 && len > 0) {
        len = allowed(p, l, len);
        if (len == 0) {
            cut(p, l);
            return;
        }
    }
    if (len > 0)
        n = send(l->fds[!side], piece->data + piece->at, len, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
            link_close(l, true);
        return;
    }
    piece->at += (size_t)n;
    if (side == 0)
        l->n_sent += (uint64_t)n;
    if (piece->at < piece->len)
        return;
    if (piece->fate == IS_TRUNCATED) {
        count_fault(p);
        link_close(l, false);
        return;
    }
    drop_first(flow);
}

/* ---- The thread ---- */

static bool is_due(const struct fault_proxy *p, const struct flow *flow, uint64_t now_ms)
{
    return flow->first && !p->now.is_stalled && flow->first->due_ms <= now_ms;
}

static bool wants_in(const struct link *l, int side)
{
    return l->flows[side].n < MAX_PIECES && !l->flows[side].is_ended;
}

/* The events that poll waits for, and its timeout. */
static int prepare(struct fault_proxy *p, struct pollfd *fds)
{
    uint64_t now_ms = monotonic_ms(), wait_ms = 1000;

    for (size_t i = 0; i < MAX_LINKS; i++)
        for (int side = 0; side < 2; side++) {
            const struct link *l = &p->links[i];
            const struct flow *out = &l->flows[!side];
            short events = 0;

            if (l->fds[0] >= 0 && wants_in(l, side))
                events |= POLLIN;
            if (l->fds[0] >= 0 && is_due(p, out, now_ms))
                events |= POLLOUT;
            else if (l->fds[0] >= 0 && out->first && !p->now.is_stalled && out->first->due_ms - now_ms < wait_ms)
                wait_ms = out->first->due_ms - now_ms;
            fds[2 * i + (size_t)side] = (struct pollfd){.fd = events ? l->fds[side] : -1, .events = events};
        }
    return (int)wait_ms;
}

static void pass_end_on(struct link *l)
{
    for (int side = 0; side < 2 && l->fds[0] >= 0; side++) {
        struct flow *flow = &l->flows[side];

        if (flow->is_ended && !flow->first && !flow->is_closed) {
            (void)shutdown(l->fds[!side], SHUT_WR);
            flow->is_closed = true;
        }
    }
    if (l->fds[0] >= 0 && l->flows[0].is_closed && l->flows[1].is_closed)
        link_close(l, false);
}

static void serve(struct fault_proxy *p, struct link *l, const struct pollfd *fds)
{
    for (int side = 0; side < 2; side++) {
        short events = fds[side].revents;

        if (l->fds[side] >= 0 && (events & POLLOUT) && l->flows[!side].first)
            write_from(p, l, !side);
        if (l->fds[side] >= 0 && (events & (POLLIN | POLLHUP | POLLERR)) && wants_in(l, side))
            read_from(p, l, side);
    }
    pass_end_on(l);
}

/* False: stop. */
static bool look_at_weather(struct fault_proxy *p)
{
    char bytes[16];

    if (read(p->wake_fds[0], bytes, sizeof(bytes)) <= 0)
        return false;
    pthread_mutex_lock(&p->mu);
    p->now = p->weather;
    p->n_taken = p->n_set;
    pthread_cond_signal(&p->taken);
    pthread_mutex_unlock(&p->mu);
    return true;
}

static void *proxy_main(void *arg)
{
    struct fault_proxy *p = arg;
    struct pollfd fds[2 * MAX_LINKS + 2];

    for (;;) {
        int wait_ms = prepare(p, fds);

        fds[2 * MAX_LINKS] = (struct pollfd){.fd = p->wake_fds[0], .events = POLLIN};
        fds[2 * MAX_LINKS + 1] = (struct pollfd){.fd = p->listen_fd, .events = POLLIN};
        if (poll(fds, sizeof(fds) / sizeof(fds[0]), wait_ms) < 0 && errno != EINTR)
            return NULL;
        for (size_t i = 0; i < MAX_LINKS; i++)
            serve(p, &p->links[i], &fds[2 * i]);
        if (fds[2 * MAX_LINKS].revents && !look_at_weather(p))
            return NULL;
        if (fds[2 * MAX_LINKS + 1].revents)
            take_client(p);
    }
}

/* ---- The test's side ---- */

static struct sockaddr_in parse(const char *address)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    const char *colon = strrchr(address, ':');
    char host[64];

    ck_assert_ptr_nonnull(colon);
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    ck_assert_int_eq(inet_pton(AF_INET, host, &addr.sin_addr), 1);
    addr.sin_port = htons((unsigned short)strtoul(colon + 1, NULL, 10));
    return addr;
}

static int listen_on(const char *address, char *url, size_t url_size)
{
    struct sockaddr_in addr = parse(address);
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    char host[INET_ADDRSTRLEN];

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    (void)snprintf(url, url_size, "http://%s:%u", inet_ntop(AF_INET, &addr.sin_addr, host, sizeof(host)),
                   ntohs(addr.sin_port));
    return fd;
}

struct fault_proxy *fault_proxy_new(const char *listen, const char *target, uint64_t seed)
{
    struct fault_proxy *p = calloc(1, sizeof(*p));

    ck_assert_ptr_nonnull(p);
    p->target = parse(target);
    p->random = seed;
    for (size_t i = 0; i < MAX_LINKS; i++)
        p->links[i].fds[0] = p->links[i].fds[1] = -1;
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->taken, NULL);
    p->listen_fd = listen_on(listen, p->url, sizeof(p->url));
    ck_assert_int_eq(pipe2(p->wake_fds, O_CLOEXEC), 0); /* otherwise children keep it open */
    ck_assert_int_eq(pthread_create(&p->thread, NULL, proxy_main, p), 0);
    return p;
}

void fault_proxy_free(struct fault_proxy *p)
{
    if (!p)
        return;
    close(p->wake_fds[1]);
    pthread_join(p->thread, NULL);
    close(p->wake_fds[0]);
    close(p->listen_fd);
    for (size_t i = 0; i < MAX_LINKS; i++)
        if (p->links[i].fds[0] >= 0)
            link_close(&p->links[i], false);
    pthread_cond_destroy(&p->taken);
    pthread_mutex_destroy(&p->mu);
    free(p);
}

const char *fault_proxy_url(const struct fault_proxy *p)
{
    return p->url;
}

void fault_proxy_set_weather(struct fault_proxy *p, const struct weather *weather)
{
    char byte = 0;

    pthread_mutex_lock(&p->mu);
    p->weather = *weather;
    p->n_set++;
    ck_assert_int_eq(write(p->wake_fds[1], &byte, 1), 1);
    while (p->n_taken != p->n_set)
        pthread_cond_wait(&p->taken, &p->mu);
    pthread_mutex_unlock(&p->mu);
}

unsigned fault_proxy_n_faults(struct fault_proxy *p)
{
    unsigned n;

    pthread_mutex_lock(&p->mu);
    n = p->n_faults;
    pthread_mutex_unlock(&p->mu);
    return n;
}

void fault_proxy_cut(struct fault_proxy *p, const char *begin, uint64_t after, enum cut_how how)
{
    ck_assert_uint_lt(strlen(begin), MAX_BEGIN);
    pthread_mutex_lock(&p->mu);
    p->is_armed = true;
    (void)snprintf(p->begin, sizeof(p->begin), "%s", begin);
    p->after = after;
    p->how = how;
    pthread_mutex_unlock(&p->mu);
}

unsigned fault_proxy_n_cut(struct fault_proxy *p)
{
    unsigned n;

    pthread_mutex_lock(&p->mu);
    n = p->n_cut;
    pthread_mutex_unlock(&p->mu);
    return n;
}
