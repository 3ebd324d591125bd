/*
 * get - a stream: dial, send the request, read the head, and then the body, each turn as much as its share.
 *
 * Normal path: curl connects; the request goes out in one write; the bytes that come are first the head's and then the
 * body's, which are read to where the owner has room for them, as far as it is sure that they are the body's.
 *
 * A connection brings no more than a share in one turn of the loop, so that a full stream keeps no other stream's
 * heartbeat waiting.  The socket stays readable then, and the next turn goes on by itself; with TLS there may be bytes
 * that were decrypted already, so such a stream is listed to be read again.
 */
#include "net/http/get.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "ferry/ferry.h"
#include "net/http/target.h"
#include "net/http/vitals.h"

#define STREAM_READ ((size_t)256 << 10) /* of a stream in one turn, before others are looked at */
#define MIN_ROOM ((size_t)8 << 10)      /* a shorter place for what is read is not worth while */
#define BEHIND_ROOM ((size_t)4 << 10)   /* what is read beyond such a place */

enum state { DIALING, ASKING, AWAITING_HEAD, IN_BODY, UPGRADED, CLOSED };

#define BIT(state) (1u << (state))

static const unsigned successors[] = {
    [DIALING] = BIT(ASKING) | BIT(CLOSED),
    [ASKING] = BIT(AWAITING_HEAD) | BIT(CLOSED),
    [AWAITING_HEAD] = BIT(IN_BODY) | BIT(UPGRADED) | BIT(CLOSED),
    [IN_BODY] = BIT(CLOSED),
    [UPGRADED] = BIT(CLOSED),
    [CLOSED] = 0,
};

static void set_state(struct fy_get *get, enum state to)
{
    assert(successors[get->state] & BIT(to));
    get->state = to;
}

/* ---- Its end ---- */

static void get_on_closed(struct fy_dial *dial)
{
    struct fy_get *get = fy_container(dial, struct fy_get, dial);

    fy_watch_bury(get->loop, &get->watch, get->memory);
}

void fy_get_close(struct fy_get *get)
{
    if (get->state == CLOSED)
        return; /* its owner closes it in its last event */
    set_state(get, CLOSED);
    fy_watch_end(get->loop, &get->watch);
    if (fy_node_is_linked(&get->rest_node))
        fy_list_remove(&get->rest_node);
    fy_answer_head_release(&get->head);
    free(get->request);
    get->request = NULL;
    fy_dial_close(&get->dial);
}

/* The last event.  The connection is gone by then, and the memory stays until the turn is over. */
static void finish(struct fy_get *get, int err, const char *detail)
{
    const struct fy_call_events events = get->events;
    void *arg = get->arg;

    fy_get_close(get);
    if (events.on_end)
        events.on_end(arg, err, detail);
}

/* A read or write has failed, as errno says. */
static void fail(struct fy_get *get)
{
    char detail[CURL_ERROR_SIZE + 64] = "";
    int err = fy_dial_explain(&get->dial, errno, detail, sizeof(detail));

    finish(get, err, detail);
}

/* The server has ended the connection. */
static void end_by_close(struct fy_get *get)
{
    if (get->state == IN_BODY && fy_answer_body_ends_by_close(&get->body))
        finish(get, FERRY_OK, "");
    else if (get->state == IN_BODY)
        finish(get, FERRY_ERR_EOF, "the connection was closed within the answer");
    else
        finish(get, FERRY_ERR_EOF, "the connection was closed before the answer");
}

/* ---- The head ---- */

/* What the head says of what follows.  FERRY_OK or FERRY_ERR_PROTOCOL. */
static int judge_head(struct fy_get *get, const struct fy_answer *answer)
{
    if (answer->status == 101 && !get->on_upgraded)
        return FERRY_ERR_PROTOCOL;
    set_state(get, answer->status == 101 ? UPGRADED : IN_BODY);
    if (get->state == UPGRADED)
        return FERRY_OK;
    return fy_answer_body_init(&get->body, answer->status, answer->headers, answer->n_headers);
}

/* The head is whole: tell the owner, who may close the GET. */
static void tell_head(struct fy_get *get, const struct fy_answer *answer)
{
    if (judge_head(get, answer) != FERRY_OK) {
        finish(get, FERRY_ERR_PROTOCOL, "the answer's head contradicts itself, or the request");
        return;
    }
    if (get->dial.tls.policy)
        fy_client_tls_on_head(&get->dial.tls, get->dial.transfer.easy);
    if (get->events.on_head)
        get->events.on_head(get->arg, answer);
}

static void deliver_head(struct fy_get *get)
{
    struct fy_answer_head head = get->head; /* it outlives a close from inside */
    struct fy_header *headers = fy_answer_head_list(&head);
    struct fy_answer answer = {.status = head.status,
                               .headers = headers,
                               .n_headers = head.n_headers,
                               .took_ns = fy_loop_deadline_ns(get->loop, 0) - get->asked_ns};

    get->head = (struct fy_answer_head){.text = NULL};
    if (headers)
        tell_head(get, &answer);
    else
        finish(get, FERRY_ERR_NOMEM, "");
    free(headers);
    fy_answer_head_release(&head);
}

/* Bytes that begin in the head.  How many of them were the head's. */
static size_t take_head(struct fy_get *get, const uint8_t *data, size_t len)
{
    size_t used = 0;
    int got = fy_answer_head_feed(&get->head, data, len, &used);

    if (got == FY_ANSWER_HEAD_COMPLETE) {
        deliver_head(get);
    } else if (got == FERRY_ERR_NOMEM) {
        finish(get, got, "");
    } else if (got < 0) {
        char detail[96] = "the answer is not HTTP/1";

        if (get->head.status != 0)
            (void)snprintf(detail, sizeof(detail), "the answer's head is malformed or longer than %zu bytes",
                           FY_ANSWER_HEAD_MAX);
        finish(get, got, detail);
    }
    return used;
}

/* ---- The body ---- */

static void take_body(struct fy_get *get, const uint8_t *data, size_t len)
{
    int got = FY_CHUNKS_BODY;

    while (got == FY_CHUNKS_BODY && get->state == IN_BODY) {
        size_t used = 0, n = 0;

        got = fy_answer_body_feed(&get->body, data, len, &used, &n);
        if (got == FY_CHUNKS_BODY && get->events.on_body)
            get->events.on_body(get->arg, data + used - n, n);
        data += used;
        len -= used;
    }
    if (get->state != IN_BODY)
        return; /* the owner closed it */
    if (got == FERRY_ERR_PROTOCOL)
        finish(get, got, "a malformed chunk");
    else if (got == FY_CHUNKS_END || fy_answer_body_is_complete(&get->body))
        finish(get, FERRY_OK, "");
}

/* The connection is the owner's from here on. */
static void hand_over(struct fy_get *get, const uint8_t *data, size_t len)
{
    fy_watch_end(get->loop, &get->watch);
    get->on_upgraded(get->arg, data, len);
}

/* Bytes that came, whatever they are. */
static void take(struct fy_get *get, const uint8_t *data, size_t len)
{
    if (get->state == AWAITING_HEAD) {
        size_t used = take_head(get, data, len);

        data += used;
        len -= used;
    }
    if (get->state == IN_BODY)
        take_body(get, data, len);
    else if (get->state == UPGRADED)
        hand_over(get, data, len);
}

/*
 * Where the next bytes go.  What is sure to be the body's goes to the owner's room; the rest, or all, to the loop's
 * buffer.  Behind a room that is kept short, for what comes to lie in it has to be copied.
 */
static void place(struct fy_get *get, struct iovec to[2])
{
    uint64_t left = get->state == IN_BODY ? fy_answer_body_left(&get->body) : 0;
    size_t cap = 0;
    uint8_t *room = left > 0 && get->events.room ? get->events.room(get->arg, &cap) : NULL;

    if (cap > left)
        cap = (size_t)left;
    if (cap > STREAM_READ)
        cap = STREAM_READ;
    if (!room || cap < MIN_ROOM)
        cap = 0;
    to[0] = (struct iovec){.iov_base = room, .iov_len = cap};
    to[1] = (struct iovec){.iov_base = get->loop->scratch, .iov_len = cap > 0 ? BEHIND_ROOM : FY_LOOP_SCRATCH};
}

/* ---- The connection ---- */

/* Read until there is nothing, or this turn's share is used up. */
static void read_some(struct fy_get *get)
{
    size_t *n_in_turn = fy_share_of_turn(&get->share, get->loop);
    bool is_empty = false;

    while (!is_empty && *n_in_turn < STREAM_READ && (get->state == AWAITING_HEAD || get->state == IN_BODY)) {
        struct iovec to[2];
        size_t n_placed;
        ssize_t n;

        place(get, to);
        if (get->state == CLOSED)
            return; /* by the owner, who was asked for room */
        n = fy_dial_read(&get->dial, to, &is_empty);
        if (n <= 0) {
            if (n == 0)
                end_by_close(get);
            else if (errno != EAGAIN && errno != EINTR)
                fail(get);
            return;
        }
        *n_in_turn += (size_t)n;
        n_placed = (size_t)n < to[0].iov_len ? (size_t)n : to[0].iov_len;
        if (n_placed > 0)
            take(get, to[0].iov_base, n_placed);
        if ((size_t)n > n_placed && get->state != CLOSED)
            take(get, to[1].iov_base, (size_t)n - n_placed);
    }
    if (!is_empty && get->dial.tls.policy && get->state == IN_BODY && !fy_node_is_linked(&get->rest_node))
        fy_list_append(&get->gets->full, &get->rest_node);
}

/* Send what is left of the request. */
static void ask(struct fy_get *get)
{
    struct iovec run = {.iov_base = get->request + get->n_sent, .iov_len = get->request_len - get->n_sent};
    ssize_t n = fy_dial_write(&get->dial, &run, 1);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail(get);
        return;
    }
    get->n_sent += n > 0 ? (size_t)n : 0;
    if (get->n_sent < get->request_len)
        return;
    free(get->request);
    get->request = NULL;
    set_state(get, AWAITING_HEAD);
    fy_watch_change(get->loop, &get->watch, EPOLLIN);
}

static void get_on_ready(struct fy_watch *watch, uint32_t events)
{
    struct fy_get *get = fy_container(watch, struct fy_get, watch);

    (void)events; /* an error and an end are told by the read or write, too */
    if (get->state == ASKING)
        ask(get);
    else
        read_some(get);
}

static void get_on_connected(struct fy_dial *dial, int err, const char *detail)
{
    struct fy_get *get = fy_container(dial, struct fy_get, dial);

    if (err) {
        finish(get, err, detail);
        return;
    }
    set_state(get, ASKING);
    get->asked_ns = fy_loop_deadline_ns(get->loop, 0);
    if (fy_watch_start(get->loop, &get->watch, dial->fd, EPOLLOUT, get_on_ready) != FERRY_OK)
        finish(get, FERRY_ERR_NOMEM, strerror(errno));
    else
        ask(get);
}

static void get_on_lost(struct fy_dial *dial, int err, const char *detail)
{
    finish(fy_container(dial, struct fy_get, dial), err, detail);
}

int fy_get_start(struct fy_get *get, struct fy_gets *gets, struct fy_transfers *transfers,
                 const struct fy_get_spec *spec)
{
    int err = fy_target_format_get(spec->dial.url, spec->headers, spec->n_headers, &get->request, &get->request_len);

    if (err)
        return err;
    get->loop = transfers->loop;
    get->gets = gets;
    get->state = DIALING;
    get->dial.on_connected = get_on_connected;
    get->dial.on_lost = get_on_lost;
    get->dial.on_closed = get_on_closed;
    err = fy_dial_start(&get->dial, transfers, &spec->dial);
    if (err) {
        free(get->request);
        get->request = NULL;
    }
    return err;
}

bool fy_get_vitals(const struct fy_get *get, struct fy_vitals *ret_vitals)
{
    int fd = get->dial.fd >= 0 ? get->dial.fd : get->dial.transfer.fd;

    return fd >= 0 && fy_vitals_read(fd, ret_vitals);
}

/* ---- All of a net ---- */

void fy_gets_init(struct fy_gets *gets)
{
    fy_list_init(&gets->full);
    fy_list_init(&gets->rested);
}

bool fy_gets_have_work(const struct fy_gets *gets)
{
    return !fy_list_is_empty(&gets->rested);
}

void fy_gets_work(struct fy_gets *gets)
{
    for (struct fy_node *node; (node = fy_list_take_first(&gets->rested));)
        read_some(fy_container(node, struct fy_get, rest_node));
}

void fy_gets_end_turn(struct fy_gets *gets)
{
    fy_list_splice(&gets->rested, &gets->full);
}
