/*
 * accept - how connections come to a listener, and when they do not.
 *
 * A listener that is full closes its least useful connection for each that waits, so that a crowd keeps no peer out
 * (pool.c).  A stranger that finds no room in the strangers' share, and nobody to make some, is closed at once: behind
 * it in the queue a peer may wait.  Without descriptors or memory the listener pauses.
 */
#include "config.h" /* _GNU_SOURCE, for accept4 */

#include "net/http/accept.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http/request.h"

#define MAX_ACCEPTED_AT_ONCE 16
#define PAUSE_MS 100
/* Connections accepted in a row while others have to be closed for them, and the pause between two such rows: a crowd
 * that comes again at once would otherwise leave the loop time for nothing else. */
#define MAX_CROWDED_AT_ONCE 4
#define ROOM_INTERVAL_MS 2

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

static void close_victim(struct fy_conn *victim)
{
    struct fy_listener *listener = victim->listener;

    fy_crowd_count(listener->cfg, FY_CROWD_EVICTED);
    fy_pool_set_leaving(victim);
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

/* Wait for so long before the next connection is accepted. */
static void pause_for(struct fy_listener *listener, uint64_t ms)
{
    stop_accepting(listener);
    fy_timer_set(&listener->accept_timer, fy_loop_deadline_ns(listener->loop, ms));
}

/* No descriptor or no memory for another connection: try again a little later. */
void fy_accept_pause(struct fy_listener *listener, const char *cause)
{
    unsigned long long n_held;

    if (listener->is_closed)
        return;
    if (fy_log_fold_pass(&listener->accept_fold, listener->loop->now_ns, &n_held))
        fy_log(listener->cfg->log, FERRY_LOG_WARN, "listener", 0,
               "%s: cannot accept: %s (%llu similar messages suppressed)", listener->url, cause, n_held);
    pause_for(listener, PAUSE_MS);
}

static void accept_on_timer(void *arg)
{
    resume_accepting(arg);
}

/* May a newcomer from source stay?  *ret_victim has to go for it, if it is not NULL. */
static bool has_place(struct fy_listener *listener, uint64_t source, struct fy_conn **ret_victim)
{
    enum fy_pool_verdict verdict = fy_pool_judge(listener, source);

    *ret_victim = verdict == FY_POOL_ROOM ? NULL : fy_pool_find_victim(listener, verdict, source);
    return verdict == FY_POOL_ROOM || *ret_victim;
}

/* One that was accepted, for which victim has to go if it is not NULL.  The listener may be closed after it. */
static void admit(struct fy_listener *listener, int fd, const struct sockaddr *addr, socklen_t len,
                  struct fy_conn *victim)
{
    if (!victim && !has_place(listener, fy_pool_source(addr), &victim)) {
        fy_crowd_count(listener->cfg, FY_CROWD_REFUSED);
        close(fd);
        return;
    }
    if (!fy_conn_begin(listener, fd, addr, len))
        fy_accept_pause(listener, strerror(ENOMEM));
    if (victim)
        close_victim(victim);
}

static void accept_on_event(struct fy_watch *watch, uint32_t events)
{
    struct fy_listener *listener = fy_container(watch, struct fy_listener, accept_watch);

    (void)events; /* accept4 tells */
    for (int i = 0; i < MAX_ACCEPTED_AT_ONCE && !listener->is_accept_paused && !listener->is_closed; i++) {
        struct fy_conn *victim = NULL;
        struct sockaddr_storage addr;
        socklen_t len = sizeof(addr);
        int fd;

        if (fy_pool_is_crowded(listener) && i == MAX_CROWDED_AT_ONCE) {
            pause_for(listener, ROOM_INTERVAL_MS);
            return;
        }
        if (fy_pool_is_full(listener)) {
            victim = fy_pool_find_victim(listener, FY_POOL_FULL, 0);
            if (!victim) {
                pause_for(listener, FY_POOL_MIN_SILENCE_MS);
                return;
            }
        }
        fd = accept4(watch->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(listener, fd, (struct sockaddr *)&addr, len, victim);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            fy_accept_pause(listener, strerror(errno));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* else that one connection failed before it was accepted */
    }
}

void fy_accept_on_conn_freed(struct fy_listener *listener)
{
    if (!fy_pool_is_full(listener) && !fy_timer_is_set(&listener->accept_timer))
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
