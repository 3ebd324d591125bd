/*
 * socket - a connection's descriptor, its watch and its owner.
 */
#include "net/http/socket.h"

#include <errno.h>
#include <sys/socket.h>

#include "ferry/ferry.h"

static void socket_on_event(struct fy_watch *watch, uint32_t events)
{
    struct fy_socket *socket = fy_container(watch, struct fy_socket, watch);

    socket->on_event(socket->owner, events);
}

void fy_socket_init(struct fy_socket *socket, struct fy_loop *loop, int fd, uint32_t events,
                    fy_socket_event_fn *on_event, void *owner)
{
    *socket = (struct fy_socket){.loop = loop, .fd = fd, .on_event = on_event, .owner = owner};
    (void)fy_watch_start(loop, &socket->watch, fd, events, socket_on_event); /* see fy_socket_is_watched */
}

void fy_socket_release(struct fy_socket *socket, void *memory)
{
    fy_watch_end(socket->loop, &socket->watch);
    fy_watch_bury(socket->loop, &socket->watch, memory);
}

void fy_socket_forget_fd(struct fy_socket *socket)
{
    socket->watch.fn = NULL; /* a closed descriptor has left the epoll set; its number may be another's by now */
    socket->fd = -1;
}

bool fy_socket_is_watched(const struct fy_socket *socket)
{
    return socket->watch.fn;
}

void fy_socket_own(struct fy_socket *socket, uint32_t events, fy_socket_event_fn *on_event, void *owner)
{
    socket->on_event = on_event;
    socket->owner = owner;
    socket->is_blocked = socket->has_record;
    if (socket->watch.fn)
        fy_watch_change(socket->loop, &socket->watch, events);
}

static ssize_t result_of_tls(ssize_t n)
{
    if (n >= 0)
        return n;
    if (n == GNUTLS_E_PREMATURE_TERMINATION)
        return 0; /* its end without a notice of it: what ends where is told by the protocol above */
    errno = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? EAGAIN : EIO;
    return -1;
}

ssize_t fy_socket_read(struct fy_socket *socket, void *data, size_t size)
{
    ssize_t n;

    if (socket->session)
        return result_of_tls(gnutls_record_recv(socket->session, data, size));
    do {
        n = recv(socket->fd, data, size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n;
}

static size_t sum(const struct iovec *iov, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += iov[i].iov_len;
    return len;
}

static ssize_t write_plain(struct fy_socket *socket, const struct iovec *iov, size_t n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n}; /* only read */
    ssize_t n_written;

    do {
        n_written = sendmsg(socket->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n_written < 0 && errno == EINTR);
    socket->is_blocked = n_written < 0 ? errno == EAGAIN : (size_t)n_written < sum(iov, n);
    return n_written;
}

/* The first run, as far as a record holds it. */
static ssize_t write_record(struct fy_socket *socket, const struct iovec *iov)
{
    size_t max = gnutls_record_get_max_size(socket->session);
    size_t len = iov->iov_len < max ? iov->iov_len : max;
    ssize_t n = result_of_tls(gnutls_record_send(socket->session, iov->iov_base, len));

    if (n >= 0 || errno != EAGAIN)
        return n;
    socket->has_record = true; /* it is encrypted, and kept by the session until it is flushed */
    socket->is_blocked = true;
    return (ssize_t)len;
}

ssize_t fy_socket_write(struct fy_socket *socket, const struct iovec *iov, size_t n)
{
    if (!socket->session)
        return write_plain(socket, iov, n);
    if (!socket->is_blocked)
        return write_record(socket, iov);
    errno = EAGAIN;
    return -1;
}

int fy_socket_unblock(struct fy_socket *socket)
{
    if (socket->has_record) {
        if (result_of_tls(gnutls_record_send(socket->session, NULL, 0)) < 0)
            return errno == EAGAIN ? 0 : -1;
        socket->has_record = false;
    }
    socket->is_blocked = false;
    return 0;
}

bool fy_socket_end(struct fy_socket *socket)
{
    int err = socket->session ? gnutls_bye(socket->session, GNUTLS_SHUT_WR) : 0;

    socket->is_blocked = err == GNUTLS_E_AGAIN || err == GNUTLS_E_INTERRUPTED;
    if (!socket->is_blocked)
        (void)shutdown(socket->fd, SHUT_WR); /* it fails when the connection broke, which the read tells */
    return !socket->is_blocked;
}

int fy_socket_error(int os_errno)
{
    return os_errno == ETIMEDOUT ? FERRY_ERR_TIMEOUT : FERRY_ERR_RESET;
}
