/*
 * linger - connections that were answered before their client had finished sending.
 *
 * A socket that is closed with unread bytes in it answers with a reset, and a reset makes the client's kernel throw
 * away the answer if it was not read yet.  So a second descriptor keeps the socket open, after libmicrohttpd has sent
 * its FIN and closed its own, until the client has closed too; what still comes is thrown away, within limits.
 */
#include "net/http/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ferry/ferry.h"

#define MAX_LINGERING 64
#define LINGER_MS 3000

struct leaver {
    struct fy_watch watch;
    struct fy_lingering *lingering;
    struct fy_node node; /* lingering->leavers */
    uint64_t deadline_ns;
    size_t max_bytes; /* still to be discarded */
};

static void end(struct leaver *leaver)
{
    struct fy_lingering *l = leaver->lingering;
    int fd = leaver->watch.fd;

    fy_list_remove(&leaver->node);
    l->n--;
    fy_watch_end(l->loop, &leaver->watch);
    close(fd);
    fy_watch_bury(l->loop, &leaver->watch, leaver);
}

static void linger_on_readable(struct fy_watch *watch, uint32_t events)
{
    struct leaver *leaver = fy_container(watch, struct leaver, watch);
    char junk[16384];
    ssize_t len;

    (void)events; /* recv tells */
    do {
        len = recv(watch->fd, junk, sizeof(junk), MSG_DONTWAIT);
    } while (len < 0 && errno == EINTR);
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (len <= 0 || (size_t)len >= leaver->max_bytes)
        end(leaver);
    else
        leaver->max_bytes -= (size_t)len;
}

static void linger_on_timer(void *arg)
{
    struct fy_lingering *l = arg;

    for (struct fy_node *node; (node = fy_list_first(&l->leavers));) {
        struct leaver *leaver = fy_container(node, struct leaver, node);

        if (leaver->deadline_ns > l->loop->now_ns) {
            fy_timer_set(&l->timer, leaver->deadline_ns);
            return;
        }
        end(leaver);
    }
}

void fy_linger(struct fy_lingering *l, int fd, size_t max_bytes)
{
    struct leaver *leaver;
    int second_fd;

    if (l->n == MAX_LINGERING)
        return;
    leaver = calloc(1, sizeof(*leaver));
    if (!leaver)
        return;
    second_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (second_fd < 0)
        goto free_leaver;
    if (fy_watch_start(l->loop, &leaver->watch, second_fd, EPOLLIN, linger_on_readable) != FERRY_OK)
        goto close_fd;
    leaver->lingering = l;
    leaver->max_bytes = max_bytes;
    leaver->deadline_ns = fy_loop_deadline_ns(l->loop, LINGER_MS);
    fy_list_append(&l->leavers, &leaver->node);
    l->n++;
    if (!fy_timer_is_set(&l->timer))
        fy_timer_set(&l->timer, leaver->deadline_ns);
    return;

close_fd:
    close(second_fd);
free_leaver:
    free(leaver);
}

void fy_linger_init(struct fy_lingering *l, struct fy_loop *loop)
{
    *l = (struct fy_lingering){.loop = loop};
    fy_list_init(&l->leavers);
    fy_timer_init(&l->timer, &loop->timers, linger_on_timer, l);
}

void fy_linger_release(struct fy_lingering *l)
{
    for (struct fy_node *node; (node = fy_list_first(&l->leavers));)
        end(fy_container(node, struct leaver, node));
    fy_timer_unset(&l->timer);
}
