/*
 * linger - connections that were answered before their client had finished sending.
 *
 * A socket that is closed with unread bytes in it answers with a reset, and a reset makes the client's kernel throw
 * away the answer if it was not read yet.  So a second descriptor keeps the socket open, after libmicrohttpd has sent
 * its FIN and closed its own, until the client has closed too; what still comes is thrown away, within limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http/http_internal.h"

#define MAX_LINGERING 64
#define LINGER_MS 3000

struct leaver {
    struct fy_watch watch;
    struct fy_http *http;
    struct fy_node node; /* http->lingering */
    uint64_t deadline_ns;
    size_t max_bytes; /* still to be thrown away */
};

static void end(struct leaver *leaver)
{
    struct fy_http *http = leaver->http;
    int fd = leaver->watch.fd;

    fy_list_remove(&leaver->node);
    http->n_lingering--;
    fy_watch_end(http, &leaver->watch);
    close(fd);
    fy_watch_bury(http, &leaver->watch, leaver);
}

static void on_readable(struct fy_watch *watch, uint32_t events)
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

static void on_timer(void *arg)
{
    struct fy_http *http = arg;

    for (struct fy_node *node; (node = fy_list_first(&http->lingering));) {
        struct leaver *leaver = fy_container(node, struct leaver, node);

        if (leaver->deadline_ns > http->now_ns) {
            fy_timer_set(&http->linger_timer, leaver->deadline_ns);
            return;
        }
        end(leaver);
    }
}

void fy_linger(struct fy_http *http, int fd, size_t max_bytes)
{
    struct leaver *leaver;
    int second_fd;

    if (http->n_lingering == MAX_LINGERING)
        return;
    leaver = calloc(1, sizeof(*leaver));
    if (!leaver)
        return;
    second_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (second_fd < 0)
        goto free_leaver;
    if (fy_watch_start(http, &leaver->watch, second_fd, EPOLLIN, on_readable) != FERRY_OK)
        goto close_fd;
    leaver->http = http;
    leaver->max_bytes = max_bytes;
    leaver->deadline_ns = fy_http_deadline_ns(http, LINGER_MS);
    fy_list_append(&http->lingering, &leaver->node);
    http->n_lingering++;
    if (!fy_timer_is_set(&http->linger_timer))
        fy_timer_set(&http->linger_timer, leaver->deadline_ns);
    return;

close_fd:
    close(second_fd);
free_leaver:
    free(leaver);
}

void fy_linger_init(struct fy_http *http)
{
    fy_list_init(&http->lingering);
    fy_timer_init(&http->linger_timer, &http->timers, on_timer, http);
}

void fy_linger_release(struct fy_http *http)
{
    for (struct fy_node *node; (node = fy_list_first(&http->lingering));)
        end(fy_container(node, struct leaver, node));
    fy_timer_unset(&http->linger_timer);
}
