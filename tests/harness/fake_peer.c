/*
 * fake_peer - one poll loop in a thread plays the bad server; plain blocking calls with deadlines play the bad client.
 */
#include "config.h"

#include "harness/fake_peer.h"

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
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/patience.h"

#define MAX_CONNS 256
#define HEAD_SIZE 4096

struct conn {
    int fd; /* -1: free */
    char head[HEAD_SIZE];
    size_t head_len;
    size_t body_left; /* of a POST, still to be read */
    bool is_asked;    /* the request is whole; the script runs */
    struct fake_script script;
    size_t sent; /* of the answer, or of the present repetition */
    bool is_repeating;
    uint64_t next_ms; /* when the script goes on */
};

struct fake_peer {
    char url[64];
    int listener;
    int wake; /* an eventfd: look at is_stopping and is_deaf */
    pthread_t thread;
    struct conn conns[MAX_CONNS]; /* the thread's */

    pthread_mutex_t mu;
    bool is_stopping;                         /* mu */
    bool is_deaf;                             /* mu */
    struct fake_script scripts[FAKE_N_LANES]; /* mu */
    uint64_t accepted;                        /* mu */
    uint64_t requests[FAKE_N_LANES];          /* mu */
    char last[FAKE_N_LANES][HEAD_SIZE];       /* mu */
};

static void conn_close(struct conn *c, bool broken)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (broken)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(c->fd);
    c->fd = -1;
}

static enum fake_lane lane_of(const char *head)
{
    if (strncmp(head, "GET /raft/stream/msgapp/", 24) == 0)
        return FAKE_MSGAPP;
    if (strncmp(head, "GET /raft/stream/message/", 25) == 0)
        return FAKE_MESSAGE;
    return FAKE_POST;
}

static void on_asked(struct fake_peer *f, struct conn *c)
{
    enum fake_lane lane = lane_of(c->head);

    c->is_asked = true;
    c->sent = 0;
    c->is_repeating = false;
    c->next_ms = monotonic_ms();
    pthread_mutex_lock(&f->mu);
    c->script = f->scripts[lane];
    f->requests[lane]++;
    memcpy(f->last[lane], c->head, c->head_len + 1);
    pthread_mutex_unlock(&f->mu);
}

/* The request comes: its head into head, its body nowhere. */
static void on_readable(struct fake_peer *f, struct conn *c)
{
    char scrap[65536];
    char *end;
    const char *length;
    bool in_head = !c->is_asked && c->body_left == 0;
    ssize_t n = in_head ? recv(c->fd, c->head + c->head_len, HEAD_SIZE - 1 - c->head_len, 0)
                        : recv(c->fd, scrap, sizeof(scrap), 0);

    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            conn_close(c, false);
        return;
    }
    if (c->is_asked)
        return;
    if (!in_head) {
        c->body_left -= (size_t)n < c->body_left ? (size_t)n : c->body_left;
    } else {
        c->head_len += (size_t)n;
        c->head[c->head_len] = '\0';
        end = strstr(c->head, "\r\n\r\n");
        if (!end)
            return;
        length = strcasestr(c->head, "\r\nContent-Length:");
        if (length && length < end) {
            size_t body = strtoul(length + 17, NULL, 10);
            size_t here = c->head_len - (size_t)(end + 4 - c->head);

            c->body_left = body > here ? body - here : 0;
        }
        end[4] = '\0';
        c->head_len = (size_t)(end + 4 - c->head);
    }
    if (c->body_left == 0)
        on_asked(f, c);
}

static void answer_sent(struct conn *c, uint64_t now)
{
    if (c->script.repeat) {
        c->is_repeating = true;
        c->sent = 0;
        c->next_ms = now + c->script.repeat_ms;
    } else if (c->script.end != FAKE_KEEP) {
        conn_close(c, c->script.end == FAKE_RESET);
    } else {
        c->next_ms = UINT64_MAX;
        if (c->script.answer_len > 0 && c->body_left == 0 && strncmp(c->head, "POST", 4) == 0) {
            c->is_asked = false; /* the connection is kept: the next request */
            c->head_len = 0;
        }
    }
}

static void on_due(struct conn *c, uint64_t now)
{
    const struct fake_script *s = &c->script;
    const uint8_t *data = c->is_repeating ? s->repeat : s->answer;
    size_t len = c->is_repeating ? s->repeat_len : s->answer_len;
    size_t piece = len - c->sent;
    ssize_t n = 0;

    if (!c->is_repeating && s->step_ms > 0)
        piece = c->sent < s->at_once ? s->at_once - c->sent : (piece > 0 ? 1 : 0);
    if (piece > 0)
        n = send(c->fd, data + c->sent, piece, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno == EAGAIN)
            c->next_ms = now + 1; /* a bad peer need not be quick */
        else
            conn_close(c, false);
        return;
    }
    c->sent += (size_t)n;
    if (c->sent == len)
        answer_sent(c, now);
    else
        c->next_ms = now + (c->is_repeating ? 0 : s->step_ms);
}

static void on_accept(struct fake_peer *f)
{
    int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int one = 1;
    size_t i = 0;

    if (fd < 0)
        return;
    pthread_mutex_lock(&f->mu);
    f->accepted++;
    pthread_mutex_unlock(&f->mu);
    while (i < MAX_CONNS && f->conns[i].fd >= 0)
        i++;
    ck_assert_uint_lt(i, MAX_CONNS);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    memset(&f->conns[i], 0, sizeof(f->conns[i]));
    f->conns[i].fd = fd;
}

static void turn(struct fake_peer *f, bool deaf)
{
    struct pollfd fds[MAX_CONNS + 2];
    uint64_t now = monotonic_ms();
    uint64_t next_ms = UINT64_MAX;
    uint64_t rung;

    fds[0] = (struct pollfd){.fd = f->wake, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = f->listener, .events = POLLIN};
    for (size_t i = 0; i < MAX_CONNS; i++) {
        struct conn *c = &f->conns[i];

        fds[i + 2] = (struct pollfd){.fd = deaf ? -1 : c->fd, .events = POLLIN};
        if (c->fd >= 0 && c->is_asked && c->next_ms < next_ms && !deaf)
            next_ms = c->next_ms;
    }
    if (poll(fds, MAX_CONNS + 2, next_ms == UINT64_MAX ? -1 : next_ms <= now ? 0 : (int)(next_ms - now)) < 0)
        return;
    if (fds[0].revents)
        ck_assert_int_eq(read(f->wake, &rung, sizeof(rung)), sizeof(rung));
    for (size_t i = 0; i < MAX_CONNS; i++)
        if (f->conns[i].fd >= 0 && fds[i + 2].revents)
            on_readable(f, &f->conns[i]);
    now = monotonic_ms();
    for (size_t i = 0; i < MAX_CONNS; i++)
        if (f->conns[i].fd >= 0 && f->conns[i].is_asked && f->conns[i].next_ms <= now && !deaf)
            on_due(&f->conns[i], now);
    if (fds[1].revents)
        on_accept(f);
}

static void *run(void *arg)
{
    struct fake_peer *f = arg;
    bool deaf;
    bool stopping;

    do {
        pthread_mutex_lock(&f->mu);
        deaf = f->is_deaf;
        stopping = f->is_stopping;
        pthread_mutex_unlock(&f->mu);
        if (!stopping)
            turn(f, deaf);
    } while (!stopping);
    return NULL;
}

struct fake_peer *fake_peer_new(void)
{
    struct fake_peer *f = calloc(1, sizeof(*f));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < MAX_CONNS; i++)
        f->conns[i].fd = -1;
    pthread_mutex_init(&f->mu, NULL);
    f->wake = eventfd(0, EFD_CLOEXEC);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(f->wake, 0);
    ck_assert_int_ge(f->listener, 0);
    ck_assert_int_eq(bind(f->listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(f->listener, 64), 0);
    ck_assert_int_eq(getsockname(f->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&f->thread, NULL, run, f), 0);
    return f;
}

static void ring(struct fake_peer *f)
{
    uint64_t one = 1;

    ck_assert_int_eq(write(f->wake, &one, sizeof(one)), sizeof(one));
}

void fake_peer_free(struct fake_peer *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->mu);
    f->is_stopping = true;
    pthread_mutex_unlock(&f->mu);
    ring(f);
    pthread_join(f->thread, NULL);
    for (size_t i = 0; i < MAX_CONNS; i++)
        if (f->conns[i].fd >= 0)
            conn_close(&f->conns[i], false);
    close(f->listener);
    close(f->wake);
    pthread_mutex_destroy(&f->mu);
    free(f);
}

const char *fake_peer_url(const struct fake_peer *f)
{
    return f->url;
}

void fake_peer_set_script(struct fake_peer *f, enum fake_lane lane, const struct fake_script *script)
{
    pthread_mutex_lock(&f->mu);
    f->scripts[lane] = *script;
    pthread_mutex_unlock(&f->mu);
}

void fake_peer_set_deaf(struct fake_peer *f)
{
    pthread_mutex_lock(&f->mu);
    f->is_deaf = true;
    pthread_mutex_unlock(&f->mu);
    ring(f);
}

uint64_t fake_peer_accepted(struct fake_peer *f)
{
    uint64_t n;

    pthread_mutex_lock(&f->mu);
    n = f->accepted;
    pthread_mutex_unlock(&f->mu);
    return n;
}

uint64_t fake_peer_requests(struct fake_peer *f, enum fake_lane lane)
{
    uint64_t n;

    pthread_mutex_lock(&f->mu);
    n = f->requests[lane];
    pthread_mutex_unlock(&f->mu);
    return n;
}

void fake_peer_last_request(struct fake_peer *f, enum fake_lane lane, char *buf, size_t size)
{
    pthread_mutex_lock(&f->mu);
    snprintf(buf, size, "%s", f->last[lane]);
    pthread_mutex_unlock(&f->mu);
}

/* ---- The client ----------------------------------------------------------------------------------------------- */

int fake_dial(const char *url, int rcvbuf)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(strncmp(url, "http://127.0.0.1:", 17), 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtoul(url + 17, NULL, 10));
    if (rcvbuf > 0)
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    ck_assert_msg(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "%s: %s", url, strerror(errno));
    return fd;
}

bool fake_send(int fd, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

bool fake_trickle(int fd, const void *data, size_t len, unsigned step_ms)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};

        if (!fake_send(fd, bytes + i, 1))
            return false;
        if (poll(&pfd, 1, (int)step_ms) != 0)
            return false;
    }
    return true;
}

/* What stands at the head's start: its status and its body's length, SIZE_MAX when only the connection's end tells. */
static bool is_whole(const char *data, size_t len, size_t *ret_head_len)
{
    const char *end = strstr(data, "\r\n\r\n");
    const char *length;
    int status;

    if (!end)
        return false;
    *ret_head_len = (size_t)(end + 4 - data);
    status = (int)strtol(data + 9, NULL, 10);
    if (status == 204 || status == 304 || status / 100 == 1)
        return true;
    if (strcasestr(data, "\r\nTransfer-Encoding: chunked"))
        return true;
    length = strcasestr(data, "\r\nContent-Length:");
    return length && length < end && len >= *ret_head_len + strtoul(length + 17, NULL, 10);
}

void fake_read_answer(int fd, struct fake_answer *ret_answer, unsigned deadline_ms)
{
    char data[sizeof(ret_answer->head) + sizeof(ret_answer->body)];
    uint64_t deadline = monotonic_ms() + deadline_ms;
    size_t len = 0;
    size_t head_len = 0;

    memset(ret_answer, 0, sizeof(*ret_answer));
    data[0] = '\0';
    while (!is_whole(data, len, &head_len)) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        uint64_t now = monotonic_ms();
        ssize_t n;

        if (now >= deadline || poll(&pfd, 1, (int)(deadline - now)) <= 0)
            break;
        ck_assert_uint_lt(len + 1, sizeof(data));
        n = recv(fd, data + len, sizeof(data) - 1 - len, 0);
        if (n <= 0) {
            ret_answer->is_closed = true;
            break;
        }
        len += (size_t)n;
        data[len] = '\0';
    }
    if (head_len == 0)
        return;
    ck_assert_uint_lt(head_len, sizeof(ret_answer->head));
    ck_assert_uint_lt(len - head_len, sizeof(ret_answer->body));
    ret_answer->status = (int)strtol(data + 9, NULL, 10);
    memcpy(ret_answer->head, data, head_len);
    ret_answer->body_len = len - head_len;
    memcpy(ret_answer->body, data + head_len, ret_answer->body_len);
}

bool fake_wait_closed(int fd, unsigned deadline_ms)
{
    char scrap[65536];
    uint64_t deadline = monotonic_ms() + deadline_ms;

    for (;;) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        uint64_t now = monotonic_ms();

        if (now >= deadline || poll(&pfd, 1, (int)(deadline - now)) <= 0)
            return false;
        if (recv(fd, scrap, sizeof(scrap), 0) <= 0)
            return true;
    }
}

void fake_ask(const char *url, const void *request, size_t len, struct fake_answer *ret_answer, unsigned deadline_ms)
{
    int fd = fake_dial(url, 0);

    (void)fake_send(fd, request, len); /* a server that hung up early may have answered all the same */
    fake_read_answer(fd, ret_answer, deadline_ms);
    close(fd);
}

const char *fake_answer_header(const struct fake_answer *answer, const char *name)
{
    static char value[512];
    size_t name_len = strlen(name);

    for (const char *line = strstr(answer->head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *text = line + 2;
        const char *end = strstr(text, "\r\n");

        if (strncasecmp(text, name, name_len) != 0 || text[name_len] != ':')
            continue;
        text += name_len + 1;
        text += strspn(text, " ");
        snprintf(value, sizeof(value), "%.*s", (int)(end - text), text);
        return value;
    }
    return NULL;
}
