/*
 * accept - how connections come to a listener, and when they do not.
 *
 * A listener that is full closes its least useful connection for each that waits, so that a crowd that says nothing
 * keeps no peer out; see find_victim.  Without descriptors or memory it pauses.
 */
#include "config.h" /* _GNU_SOURCE, for accept4 */

#include "net/http/accept.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/http/request.h"

#define MAX_ACCEPTED_AT_ONCE 16
#define PAUSE_MS 100
#define MIN_SILENCE_MS 100 /* before a connection may be closed for another: a peer has sent its head by then */
#define ROOM_INTERVAL_MS 2 /* between two such */

static void stop_accepting(struct fy_listener *listener)
{
    listener->is_accept_paused = true;
    fy_watch_change(listener->loop, &listener->accept_watch, 0);
}

static void resume_accepting(struct fy_listener *listener)
{
    if (!listener->is_accept_paused || listener->is_closed)
        return;
    listener->is_accept_paused = false;
    fy_watch_change(listener->loop, &listener->accept_watch, EPOLLIN);
}

static bool is_full(const struct fy_listener *listener)
{
    return listener->n_conns >= listener->cfg->max_connections;
}

static bool is_older_than(const struct fy_listener *listener, uint64_t since_ns, uint64_t ms)
{
    return listener->loop->now_ns - since_ns >= ms * FY_NS_PER_MS;
}

/* Silent for so long that no peer is, or not yet: the oldest of listener->openings. */
static struct fy_conn *oldest_opening(struct fy_listener *listener)
{
    struct fy_node *node = fy_list_first(&listener->openings);
    struct fy_conn *conn = node ? fy_container(node, struct fy_conn, opening_node) : NULL;

    return conn && is_older_than(listener, conn->opened_ns, MIN_SILENCE_MS) ? conn : NULL;
}

/* The oldest that never had a whole head, else the oldest between two requests. */
static struct fy_conn *oldest_without_head(struct fy_listener *listener)
{
    struct fy_conn *between = NULL;

    for (struct fy_node *node = fy_list_first(&listener->heads); node; node = fy_list_next(&listener->heads, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, head_node);

        if (!is_older_than(listener, conn->since_ns, MIN_SILENCE_MS))
            break; /* and so are all behind it */
        if (conn->state != FY_CONN_FAMILIAR)
            return conn;
        between = between ? between : conn;
    }
    return between;
}

/* Does a body come in, slower than the idle timeout allows? */
static bool is_trickling(const struct fy_conn *conn)
{
    const struct fy_request *req = conn->req;

    return req && (fy_request_is_reading(req) || req->state == FY_REQUEST_BULK) && !req->is_paused &&
           is_older_than(conn->listener, conn->since_ns, UINT64_C(1000) * conn->listener->cfg->idle_timeout_s);
}

static struct fy_conn *first_trickling(struct fy_listener *listener)
{
    for (struct fy_node *node = fy_list_first(&listener->conns); node; node = fy_list_next(&listener->conns, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        if (is_trickling(conn))
            return conn;
    }
    return NULL;
}

/*
 * The least useful connection: one that has said nothing, then one without a whole head, then one between
 * two requests, then one whose body only trickles in.  Never one that carries a stream, nor one that waits for its
 * answer.  NULL: none.
 */
static struct fy_conn *find_victim(struct fy_listener *listener)
{
    struct fy_conn *victim = oldest_opening(listener);

    victim = victim ? victim : oldest_without_head(listener);
    return victim ? victim : first_trickling(listener);
}

static void close_victim(struct fy_conn *victim)
{
    struct fy_listener *listener = victim->listener;

    if (fy_node_is_linked(&victim->opening_node))
        fy_list_remove(&victim->opening_node);
    if (fy_node_is_linked(&victim->head_node))
        fy_list_remove(&victim->head_node);
    if (!victim->req) {
        fy_conn_break(victim, false);
        return;
    }
    fy_listener_enter(listener); /* its handler is told, and may close the listener */
    fy_request_drop(victim->req, FERRY_ERR_EOF);
    fy_listener_leave(listener);
}

/*
 * A connection waits, and the listener is full: close the least useful one to make room.  One at a time, for a crowd
 * that comes again at once would otherwise leave the loop time for nothing else.  The listener may be gone after it.
 */
static void make_room(struct fy_listener *listener)
{
    struct fy_conn *victim = find_victim(listener);

    stop_accepting(listener);
    fy_timer_set(&listener->accept_timer,
                 fy_loop_deadline_ns(listener->loop, victim ? ROOM_INTERVAL_MS : MIN_SILENCE_MS));
    if (victim)
        close_victim(victim);
}

/* No descriptor or no memory for another connection: try again a little later. */
void fy_accept_pause(struct fy_listener *listener, const char *cause)
{
    unsigned long long n_held;

    if (listener->is_closed)
        return;
    if (fy_log_fold_pass(&listener->accept_fold, listener->loop->now_ns, &n_held))
        fy_log(listener->cfg->log, FERRY_LOG_WARN, "listener", 0,
               "%s: cannot accept: %s (%llu similar messages suppressed)",
               listener->url, cause, n_held);
    stop_accepting(listener);
    fy_timer_set(&listener->accept_timer, fy_loop_deadline_ns(listener->loop, PAUSE_MS));
}

static void accept_on_timer(void *arg)
{
    resume_accepting(arg);
}

static void accept_on_event(struct fy_watch *watch, uint32_t events)
{
    struct fy_listener *listener = fy_container(watch, struct fy_listener, accept_watch);

    (void)events; /* accept4 tells */
    for (int i = 0; i < MAX_ACCEPTED_AT_ONCE && !listener->is_accept_paused; i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof(addr);
        int fd;

        if (is_full(listener)) {
            if (i == 0) /* else it is not known yet whether there is one more */
                make_room(listener);
            return;
        }
        fd = accept4(watch->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (!fy_conn_begin(listener, fd, (struct sockaddr *)&addr, len))
                fy_accept_pause(listener, strerror(ENOMEM));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            fy_accept_pause(listener, strerror(errno));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* else that one connection failed before it was accepted */
    }
}

void fy_accept_on_conn_freed(struct fy_listener *listener)
{
    if (!is_full(listener) && !fy_timer_is_set(&listener->accept_timer))
        resume_accepting(listener);
}

void fy_accept_init(struct fy_listener *listener)
{
    fy_timer_init(&listener->accept_timer, &listener->loop->timers, accept_on_timer, listener);
}

int fy_accept_start(struct fy_listener *listener, int fd)
{
    return fy_watch_start(listener->loop, &listener->accept_watch, fd, EPOLLIN, accept_on_event);
}

void fy_accept_release(struct fy_listener *listener)
{
    fy_timer_unset(&listener->accept_timer);
}
