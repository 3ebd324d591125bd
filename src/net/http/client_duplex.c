/*
 * client_duplex - dials, asks for another protocol, and carries it on the connection of the GET.
 *
 * Until the answer's head has come it is the GET's (get.c); what its user calls is noted, and done when the duplex
 * opens.  From the 101 on it is duplex.c's, over the line below.
 *
 * Over TLS a write that the socket did not take has to be made again with the same bytes, and what is gathered may
 * change: so a record is copied first, and counts as written.
 */
#include "net/http/client_duplex.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ferry/ferry.h"

#define RECORD ((size_t)16 << 10)

struct client_duplex {
    struct fy_duplex base; /* first: the seam's handle */
    struct fy_duplexes *all;
    struct fy_duplex_events events;
    void *arg;
    bool is_ending; /* called before it was open, as the next */
    bool is_paused;
    struct fy_get get;
    struct fy_watch watch; /* of the connection, when it is open */
    uint8_t *early;        /* came with the head; NULL: none, or all was read */
    size_t n_early;
    size_t early_at;
    bool is_blocked; /* the socket did not take all of the last write */
    uint8_t *record; /* over TLS: RECORD bytes, made when first needed */
    size_t n_record; /* of it to be written, from record_at on */
    size_t record_at;
};

static struct client_duplex *of(struct fy_duplex *handle)
{
    return fy_container(handle, struct client_duplex, base);
}

static const struct client_duplex *of_const(const struct fy_duplex *handle)
{
    return fy_container_const(handle, struct client_duplex, base);
}

/* ---- Its line, when it is open ---- */

static ssize_t line_read(struct fy_duplex *handle, const struct iovec to[2], bool *ret_is_empty)
{
    struct client_duplex *duplex = of(handle);
    const struct iovec *first = to[0].iov_len > 0 ? &to[0] : &to[1];
    size_t n = duplex->n_early - duplex->early_at;

    if (!duplex->early)
        return fy_dial_read(&duplex->get.dial, to, ret_is_empty);
    n = n < first->iov_len ? n : first->iov_len;
    memcpy(first->iov_base, duplex->early + duplex->early_at, n);
    duplex->early_at += n;
    *ret_is_empty = false;
    if (duplex->early_at == duplex->n_early) {
        free(duplex->early);
        duplex->early = NULL;
    }
    return (ssize_t)n;
}

/* Write what is left of the record.  0, or -1 with errno, which is not EAGAIN. */
static int flush_record(struct client_duplex *duplex)
{
    while (duplex->record_at < duplex->n_record) {
        struct iovec rest = {.iov_base = duplex->record + duplex->record_at,
                             .iov_len = duplex->n_record - duplex->record_at};
        ssize_t n = fy_dial_write(&duplex->get.dial, &rest, 1);

        if (n < 0) {
            duplex->is_blocked = errno == EAGAIN;
            return errno == EAGAIN ? 0 : -1;
        }
        duplex->record_at += (size_t)n;
    }
    duplex->is_blocked = false;
    return 0;
}

static ssize_t write_record(struct client_duplex *duplex, const struct iovec *runs, size_t n_runs)
{
    duplex->record = duplex->record ? duplex->record : malloc(RECORD);
    if (!duplex->record) {
        errno = ENOMEM;
        return -1;
    }
    assert(duplex->record_at == duplex->n_record);
    duplex->n_record = duplex->record_at = 0;
    for (size_t i = 0; i < n_runs && duplex->n_record < RECORD; i++) {
        size_t room = RECORD - duplex->n_record;
        size_t n = runs[i].iov_len < room ? runs[i].iov_len : room;

        memcpy(duplex->record + duplex->n_record, runs[i].iov_base, n);
        duplex->n_record += n;
    }
    return flush_record(duplex) == 0 ? (ssize_t)duplex->n_record : -1;
}

static ssize_t line_write(struct fy_duplex *handle, const struct iovec *runs, size_t n_runs)
{
    struct client_duplex *duplex = of(handle);
    size_t len = 0;
    ssize_t n;

    if (duplex->get.dial.tls.policy)
        return write_record(duplex, runs, n_runs);
    for (size_t i = 0; i < n_runs; i++)
        len += runs[i].iov_len;
    n = fy_dial_write(&duplex->get.dial, runs, n_runs);
    duplex->is_blocked = n < 0 ? errno == EAGAIN : (size_t)n < len;
    return n;
}

static bool line_is_blocked(const struct fy_duplex *handle)
{
    return of_const(handle)->is_blocked;
}

static void client_duplex_on_ready(struct fy_watch *watch, uint32_t events)
{
    struct client_duplex *duplex = fy_container(watch, struct client_duplex, watch);

    if (events & EPOLLOUT && flush_record(duplex) != 0)
        fy_duplex_finish(&duplex->base, FERRY_ERR_RESET, strerror(errno));
    else
        fy_duplex_on_event(&duplex->base, events);
}

static void line_watch(struct fy_duplex *handle, uint32_t events)
{
    struct client_duplex *duplex = of(handle);

    fy_watch_change(duplex->all->loop, &duplex->watch, events);
}

static bool line_end(struct fy_duplex *handle)
{
    (void)shutdown(of(handle)->get.dial.fd, SHUT_WR); /* it fails when the connection broke, which the read tells */
    return true;
}

static void close_all(struct client_duplex *duplex, bool is_hard)
{
    fy_watch_end(duplex->all->loop, &duplex->watch);
    free(duplex->early);
    free(duplex->record);
    duplex->early = duplex->record = NULL;
    if (is_hard)
        fy_dial_reset(&duplex->get.dial);
    fy_get_close(&duplex->get); /* which frees the memory when the turn is over */
}

static void line_close(struct fy_duplex *handle, bool is_hard)
{
    close_all(of(handle), is_hard);
}

static void line_do_nothing(struct fy_duplex *handle)
{
    (void)handle; /* the memory stays as long as anybody may look at it */
}

static const struct fy_duplex_line line = {
    .read = line_read,
    .write = line_write,
    .is_blocked = line_is_blocked,
    .watch = line_watch,
    .end = line_end,
    .close = line_close,
    .enter = line_do_nothing,
    .leave = line_do_nothing,
};

/* ---- What its user calls: before it is open, and then ---- */

static bool client_duplex_vitals(const struct fy_duplex *handle, struct fy_vitals *ret_vitals)
{
    return fy_get_vitals(&of_const(handle)->get, ret_vitals);
}

static void opening_wake(struct fy_duplex *handle)
{
    (void)handle; /* gather is asked when it opens, in any case */
}

static void opening_pause(struct fy_duplex *handle)
{
    of(handle)->is_paused = true;
}

static void opening_resume(struct fy_duplex *handle)
{
    of(handle)->is_paused = false;
}

static void opening_end(struct fy_duplex *handle)
{
    of(handle)->is_ending = true;
}

static void opening_abort(struct fy_duplex *handle)
{
    close_all(of(handle), true);
}

static const struct fy_net_ops opening_ops = {.duplex_wake = opening_wake,
                                              .duplex_pause = opening_pause,
                                              .duplex_resume = opening_resume,
                                              .duplex_end = opening_end,
                                              .duplex_abort = opening_abort,
                                              .duplex_vitals = client_duplex_vitals};

static const struct fy_net_ops open_ops = {.duplex_wake = fy_http_duplex_wake,
                                           .duplex_pause = fy_http_duplex_pause,
                                           .duplex_resume = fy_http_duplex_resume,
                                           .duplex_end = fy_http_duplex_end,
                                           .duplex_abort = fy_http_duplex_abort,
                                           .duplex_vitals = client_duplex_vitals};

/* ---- Its GET ---- */

static void client_duplex_on_head(void *arg, const struct fy_answer *answer)
{
    struct client_duplex *duplex = arg;

    duplex->events.on_head(duplex->arg, answer);
}

/* Of an answer other than 101. */
static void client_duplex_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct client_duplex *duplex = arg;

    duplex->events.on_data(duplex->arg, data, len);
}

static void client_duplex_on_end(void *arg, int err, const char *detail)
{
    struct client_duplex *duplex = arg;

    duplex->events.on_end(duplex->arg, err, detail);
}

static void fail_to_open(struct client_duplex *duplex, const char *detail)
{
    close_all(duplex, true);
    duplex->events.on_end(duplex->arg, FERRY_ERR_NOMEM, detail);
}

/* Keep what came with the head until it is read. */
static bool keep_early(struct client_duplex *duplex, const uint8_t *data, size_t len)
{
    if (len == 0)
        return true;
    duplex->early = malloc(len);
    if (!duplex->early)
        return false;
    memcpy(duplex->early, data, len);
    duplex->n_early = len;
    return true;
}

static void client_duplex_on_upgraded(void *arg, const uint8_t *data, size_t len)
{
    struct client_duplex *duplex = arg;

    if (!keep_early(duplex, data, len)) {
        fail_to_open(duplex, "no memory for what came with the answer");
        return;
    }
    if (fy_watch_start(duplex->all->loop, &duplex->watch, duplex->get.dial.fd, EPOLLET, client_duplex_on_ready) !=
        FERRY_OK) {
        fail_to_open(duplex, strerror(errno));
        return;
    }
    duplex->base.object.ops = &open_ops;
    fy_duplex_open(&duplex->base, &line, duplex->all, &duplex->events, duplex->arg, NULL, 0);
    if (duplex->is_paused)
        fy_http_duplex_pause(&duplex->base);
    if (duplex->is_ending)
        fy_http_duplex_end(&duplex->base);
}

int fy_client_duplex_start(struct fy_duplexes *duplexes, struct fy_gets *gets, struct fy_transfers *transfers,
                           const struct fy_duplex_spec *spec, const struct fy_duplex_events *events, void *arg,
                           struct fy_duplex **ret_duplex)
{
    const struct fy_get_spec get_spec = {.dial = {.url = spec->url,
                                                  .connect_timeout_ms = spec->connect_timeout_ms,
                                                  .handshake_timeout_ms = spec->handshake_timeout_ms,
                                                  .member = spec->member,
                                                  .sends_much = true},
                                         .headers = spec->headers,
                                         .n_headers = spec->n_headers};
    struct client_duplex *duplex = calloc(1, sizeof(*duplex));
    int err;

    if (!duplex)
        return FERRY_ERR_NOMEM;
    duplex->base.object.ops = &opening_ops;
    duplex->all = duplexes;
    duplex->events = *events;
    duplex->arg = arg;
    duplex->get.events = (struct fy_call_events){
        .on_head = client_duplex_on_head, .on_body = client_duplex_on_body, .on_end = client_duplex_on_end};
    duplex->get.arg = duplex;
    duplex->get.memory = duplex;
    duplex->get.on_upgraded = client_duplex_on_upgraded;
    err = fy_get_start(&duplex->get, gets, transfers, &get_spec);
    if (err) {
        free(duplex);
        return err;
    }
    *ret_duplex = &duplex->base;
    return FERRY_OK;
}
