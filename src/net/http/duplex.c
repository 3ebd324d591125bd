/*
 * duplex - an upgraded connection, at either end.
 *
 * Normal path: open.  A duplex that was woken, or is readable again, is put into the list of the ready; in its next
 * round of work the loop writes what it gathers, without a copy of what is long, and reads what has come, each up to a
 * share of the turn.  Bytes that come meanwhile are read in the event that tells of them.
 *
 * Its user ends it: what is gathered is sent, then our direction ends, and it is over when the other end's has.  Bytes
 * that do not go, or an other end that does not end, have the write timeout.
 *
 * A user may end and abort it in any event.  So whoever has called the user looks at the state before it goes on, and
 * the memory goes when the last of them has returned (enter and leave).
 */
#include "net/http/duplex.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/gather.h"
#include "ferry/ferry.h"

#define MAX_SHARE ((size_t)256 << 10) /* of one duplex and direction in a turn */
#define MAX_RUNS 64
#define BIT(state) (1u << (state))

static const unsigned successors[FY_N_DUPLEX_STATES] = {
    [FY_DUPLEX_OPEN] = BIT(FY_DUPLEX_ENDING) | BIT(FY_DUPLEX_OVER),
    [FY_DUPLEX_ENDING] = BIT(FY_DUPLEX_ENDED) | BIT(FY_DUPLEX_OVER),
    [FY_DUPLEX_ENDED] = BIT(FY_DUPLEX_OVER),
    [FY_DUPLEX_OVER] = 0,
};

static void set_state(struct fy_duplex *duplex, enum fy_duplex_state to)
{
    assert(successors[duplex->state] & BIT(to));
    duplex->state = to;
}

static bool is_sending(const struct fy_duplex *duplex)
{
    return duplex->state == FY_DUPLEX_OPEN || duplex->state == FY_DUPLEX_ENDING;
}

static void enter(struct fy_duplex *duplex)
{
    if (duplex->n_inside++ == 0)
        duplex->line->enter(duplex);
}

static void leave(struct fy_duplex *duplex)
{
    if (--duplex->n_inside == 0)
        duplex->line->leave(duplex);
}

/* ---- Its end ---- */

static void close_line(struct fy_duplex *duplex, bool is_hard)
{
    set_state(duplex, FY_DUPLEX_OVER);
    fy_timer_unset(&duplex->deadline);
    if (fy_node_is_linked(&duplex->ready_node))
        fy_list_remove(&duplex->ready_node);
    free(duplex->head);
    duplex->head = NULL;
    duplex->line->close(duplex, is_hard);
}

void fy_duplex_finish(struct fy_duplex *duplex, int err, const char *detail)
{
    if (duplex->state == FY_DUPLEX_OVER)
        return;
    enter(duplex);
    close_line(duplex, err == FERRY_ERR_TIMEOUT || err == FERRY_ERR_RESET);
    duplex->events.on_end(duplex->arg, err, detail);
    leave(duplex);
}

static void finish_broken(struct fy_duplex *duplex)
{
    int os_errno = errno;

    fy_duplex_finish(duplex, os_errno == ETIMEDOUT ? FERRY_ERR_TIMEOUT : FERRY_ERR_RESET, strerror(os_errno));
}

static void set_deadline(struct fy_duplex *duplex)
{
    struct fy_duplexes *duplexes = duplex->duplexes;

    fy_timer_set(&duplex->deadline, fy_loop_deadline_ns(duplexes->loop, duplexes->write_timeout_ms));
}

static void duplex_on_deadline(void *arg)
{
    struct fy_duplex *duplex = arg;

    fy_duplex_finish(duplex, FERRY_ERR_TIMEOUT,
                     duplex->state == FY_DUPLEX_ENDED ? "the other end did not end in time"
                                                      : "the other end takes nothing");
}

/* ---- What it waits for ---- */

static void make_ready(struct fy_duplex *duplex)
{
    if (!fy_node_is_linked(&duplex->ready_node))
        fy_list_append(&duplex->duplexes->ready, &duplex->ready_node);
}

/* While it is paused only an error is of interest, which always comes, and need not come twice. */
static void watch(struct fy_duplex *duplex)
{
    uint32_t events = duplex->is_paused ? (uint32_t)EPOLLET : (uint32_t)EPOLLIN;

    if (duplex->state == FY_DUPLEX_OVER)
        return;
    if (duplex->line->is_blocked(duplex))
        events |= EPOLLOUT;
    if (events == duplex->watched)
        return;
    duplex->watched = events;
    duplex->line->watch(duplex, events);
}

/* ---- Bytes that go ---- */

static void note_written(struct fy_duplex *duplex, size_t n)
{
    if (n > 0)
        fy_timer_unset(&duplex->deadline);
    if (duplex->line->is_blocked(duplex) && !fy_timer_is_set(&duplex->deadline))
        set_deadline(duplex);
}

/* Send the rest of the head.  false: not all of it went, or the line broke. */
static bool write_head(struct fy_duplex *duplex)
{
    while (duplex->head) {
        struct iovec rest = {.iov_base = duplex->head + duplex->head_at, .iov_len = duplex->head_len - duplex->head_at};
        ssize_t n = duplex->line->write(duplex, &rest, 1);

        if (n < 0 && errno != EAGAIN) {
            finish_broken(duplex);
            return false;
        }
        note_written(duplex, n > 0 ? (size_t)n : 0);
        if (n < 0)
            return false;
        duplex->head_at += (size_t)n;
        if (duplex->head_at == duplex->head_len) {
            free(duplex->head);
            duplex->head = NULL;
        }
    }
    return true;
}

static void end_direction(struct fy_duplex *duplex)
{
    if (duplex->line->end(duplex))
        set_state(duplex, FY_DUPLEX_ENDED);
    else
        duplex->is_awake = true; /* the end is still to be sent */
    set_deadline(duplex);
}

/* Write at most max_len bytes of what there is.  How many; 0: that is all for now. */
static size_t write_some(struct fy_duplex *duplex, size_t max_len)
{
    struct iovec runs[MAX_RUNS];
    struct fy_gather g = fy_gather_runs(runs, MAX_RUNS, duplex->duplexes->loop->scratch, FY_LOOP_SCRATCH, max_len);
    ssize_t n;

    duplex->is_awake = false; /* first: it may be woken from inside */
    duplex->events.gather(duplex->arg, &g);
    if (!is_sending(duplex))
        return 0;
    if (g.len == 0) {
        if (duplex->state == FY_DUPLEX_ENDING)
            end_direction(duplex);
        return 0;
    }
    duplex->is_awake = true; /* until it adds nothing */
    n = duplex->line->write(duplex, runs, g.n_runs);
    if (n < 0 && errno != EAGAIN) {
        finish_broken(duplex);
        return 0;
    }
    note_written(duplex, n > 0 ? (size_t)n : 0);
    if (n > 0)
        duplex->events.sent(duplex->arg, (size_t)n);
    return is_sending(duplex) && n > 0 ? (size_t)n : 0;
}

static void write_share(struct fy_duplex *duplex)
{
    size_t *n_in_turn = fy_share_of_turn(&duplex->n_written, duplex->duplexes->loop);

    if (!write_head(duplex))
        return;
    while (is_sending(duplex) && duplex->is_awake && !duplex->line->is_blocked(duplex) && *n_in_turn < MAX_SHARE) {
        size_t n = write_some(duplex, MAX_SHARE - *n_in_turn);

        if (n == 0)
            return;
        *n_in_turn += n;
    }
}

/* ---- Bytes that come ---- */

static bool may_read(const struct fy_duplex *duplex)
{
    return duplex->state != FY_DUPLEX_OVER && !duplex->is_paused;
}

static void finish_read(struct fy_duplex *duplex, ssize_t n)
{
    if (n < 0)
        finish_broken(duplex);
    else if (duplex->state == FY_DUPLEX_ENDED)
        fy_duplex_finish(duplex, FERRY_OK, "");
    else
        fy_duplex_finish(duplex, FERRY_ERR_EOF, "the other end ended the connection");
}

/* Read once, into the user's memory first, and hand it on.  How many bytes; *ret_is_empty: no more for now. */
static size_t read_some(struct fy_duplex *duplex, bool *ret_is_empty)
{
    struct iovec to[2] = {{.iov_len = 0}, {.iov_base = duplex->duplexes->loop->scratch, .iov_len = FY_LOOP_SCRATCH}};
    size_t cap = 0, n_first;
    uint8_t *room = duplex->events.room ? duplex->events.room(duplex->arg, &cap) : NULL;
    ssize_t n;

    *ret_is_empty = true;
    if (!may_read(duplex))
        return 0;
    if (room)
        to[0] = (struct iovec){.iov_base = room, .iov_len = cap < MAX_SHARE ? cap : MAX_SHARE};
    n = duplex->line->read(duplex, to, ret_is_empty);
    if (n <= 0) {
        *ret_is_empty = true;
        if (n == 0 || errno != EAGAIN)
            finish_read(duplex, n);
        return 0;
    }
    n_first = (size_t)n < to[0].iov_len ? (size_t)n : to[0].iov_len;
    if (n_first > 0)
        duplex->events.on_data(duplex->arg, to[0].iov_base, n_first);
    if ((size_t)n > n_first && duplex->state != FY_DUPLEX_OVER)
        duplex->events.on_data(duplex->arg, to[1].iov_base, (size_t)n - n_first);
    return (size_t)n;
}

static void read_share(struct fy_duplex *duplex)
{
    size_t *n_in_turn = fy_share_of_turn(&duplex->n_read, duplex->duplexes->loop);

    while (may_read(duplex) && *n_in_turn < MAX_SHARE) {
        bool is_empty;

        *n_in_turn += read_some(duplex, &is_empty);
        if (is_empty) {
            duplex->is_readable = false;
            return;
        }
    }
}

/* ---- Work ---- */

/* It has had its share of this turn, or nothing to do. */
static void rest(struct fy_duplex *duplex)
{
    bool has_more = duplex->is_readable && !duplex->is_paused;

    if (is_sending(duplex) && duplex->is_awake && !duplex->line->is_blocked(duplex))
        has_more = true;
    if (has_more && !fy_node_is_linked(&duplex->ready_node))
        fy_list_append(&duplex->duplexes->rested, &duplex->ready_node);
}

static void go_on(struct fy_duplex *duplex)
{
    enter(duplex);
    if (is_sending(duplex))
        write_share(duplex);
    if (duplex->is_readable)
        read_share(duplex);
    if (duplex->state != FY_DUPLEX_OVER) {
        watch(duplex);
        rest(duplex);
    }
    leave(duplex);
}

void fy_duplex_on_event(struct fy_duplex *duplex, uint32_t events)
{
    if (duplex->state == FY_DUPLEX_OVER)
        return;
    if (duplex->is_paused && events & EPOLLERR) {
        fy_duplex_finish(duplex, FERRY_ERR_RESET, "connection reset");
        return;
    }
    if (is_sending(duplex) && !duplex->line->is_blocked(duplex))
        fy_timer_unset(&duplex->deadline); /* TLS wrote what it had kept: there may be nothing more to write */
    duplex->is_readable = true;            /* the read tells */
    go_on(duplex);
}

static bool duplexes_have_work(const struct fy_loop_part *part)
{
    return !fy_list_is_empty(&fy_container_const(part, struct fy_duplexes, part)->ready);
}

static void duplexes_work(struct fy_loop_part *part)
{
    struct fy_duplexes *duplexes = fy_container(part, struct fy_duplexes, part);
    struct fy_list now; /* one that is woken meanwhile comes the next time */

    fy_list_init(&now);
    fy_list_splice(&now, &duplexes->ready);
    for (struct fy_node *node; (node = fy_list_take_first(&now));)
        go_on(fy_container(node, struct fy_duplex, ready_node));
}

static void duplexes_end_turn(struct fy_loop_part *part)
{
    struct fy_duplexes *duplexes = fy_container(part, struct fy_duplexes, part);

    fy_list_splice(&duplexes->ready, &duplexes->rested);
}

void fy_duplexes_init(struct fy_duplexes *duplexes, struct fy_loop *loop, unsigned write_timeout_ms)
{
    static const struct fy_loop_part_ops ops = {
        .has_work = duplexes_have_work,
        .work = duplexes_work,
        .end_turn = duplexes_end_turn,
    };

    *duplexes = (struct fy_duplexes){.loop = loop, .write_timeout_ms = write_timeout_ms};
    fy_list_init(&duplexes->ready);
    fy_list_init(&duplexes->rested);
    fy_loop_add_part(loop, &duplexes->part, &ops);
}

/* ---- The user's side ---- */

void fy_duplex_open(struct fy_duplex *duplex, const struct fy_duplex_line *line, struct fy_duplexes *duplexes,
                    const struct fy_duplex_events *events, void *arg, char *head, size_t head_len)
{
    duplex->line = line;
    duplex->duplexes = duplexes;
    duplex->events = *events;
    duplex->arg = arg;
    duplex->head = head;
    duplex->head_len = head_len;
    duplex->is_awake = true;    /* gather is asked at once, as for an outflow */
    duplex->is_readable = true; /* bytes may have come before it was watched */
    fy_timer_init(&duplex->deadline, &duplexes->loop->timers, duplex_on_deadline, duplex);
    make_ready(duplex);
}

void fy_http_duplex_wake(struct fy_duplex *duplex)
{
    duplex->is_awake = true;
    if (is_sending(duplex) && !duplex->line->is_blocked(duplex))
        make_ready(duplex);
}

void fy_http_duplex_pause(struct fy_duplex *duplex)
{
    duplex->is_paused = true;
    make_ready(duplex); /* what is watched changes */
}

void fy_http_duplex_resume(struct fy_duplex *duplex)
{
    if (!duplex->is_paused)
        return;
    duplex->is_paused = false;
    duplex->is_readable = true;
    make_ready(duplex);
}

void fy_http_duplex_end(struct fy_duplex *duplex)
{
    if (duplex->state != FY_DUPLEX_OPEN)
        return;
    set_state(duplex, FY_DUPLEX_ENDING);
    duplex->is_awake = true;
    make_ready(duplex);
}

void fy_http_duplex_abort(struct fy_duplex *duplex)
{
    if (duplex->state == FY_DUPLEX_OVER)
        return; /* its on_end runs */
    enter(duplex);
    close_line(duplex, true);
    leave(duplex);
}
