/*
 * socket.h - a connection's descriptor: read, written and watched in one place, by one owner at a time.
 *
 * A socket is watched for the events that its owner asks for, and they go to that owner alone.  The first owner is the
 * connection itself; whoever reads or writes past libmicrohttpd owns the socket meanwhile and gives it back.
 *
 * Reading and writing speak TLS when the socket has a session.  The loop's only.
 */
#ifndef FY_NET_HTTP_SOCKET_H
#define FY_NET_HTTP_SOCKET_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "net/http/loop.h"

/* events is of epoll. */
typedef void fy_socket_event_fn(void *owner, uint32_t events);

struct fy_socket {
    struct fy_watch watch;
    struct fy_loop *loop;
    int fd;
    bool is_blocked;          /* the last write was not taken whole; the owner clears it when it may write again */
    gnutls_session_t session; /* NULL: it is plain */
    bool has_record;          /* the session has taken a record that the kernel has not */
    fy_socket_event_fn *on_event;
    void *owner;
};

/* Watch fd, which stays the caller's, for its first owner.  Without memory for that it works, and has no events. */
void fy_socket_init(struct fy_socket *socket, struct fy_loop *loop, int fd, uint32_t events,
                    fy_socket_event_fn *on_event, void *owner);
void fy_socket_release(struct fy_socket *socket, void *memory); /* free memory, which holds it, when the turn ends */

/* fd was closed by somebody else: nothing is done to it any more. */
void fy_socket_forget_fd(struct fy_socket *socket);

/* Can events come?  Without, nobody may take it over. */
bool fy_socket_is_watched(const struct fy_socket *socket);

/* Hand it to another owner, who wants these events. */
void fy_socket_own(struct fy_socket *socket, uint32_t events, fy_socket_event_fn *on_event, void *owner);

/*
 * As recv and sendmsg, without waiting and without a signal: -1 with errno, EAGAIN for "not now".  EINTR does not
 * come.  Over TLS a record is read or written at a time; what the session has taken of a write counts as written, and
 * is_blocked tells that the kernel did not take it yet.
 */
ssize_t fy_socket_read(struct fy_socket *socket, void *data, size_t size);
ssize_t fy_socket_write(struct fy_socket *socket, const struct iovec *iov, size_t n);

/* There is room to write again: is_blocked is cleared, once the session's record has gone.  0, or -1 with errno. */
int fy_socket_unblock(struct fy_socket *socket);

/*
 * End our direction: over TLS with the notice without which the other end would take the end for an attack that cut
 * the connection, then with a FIN.  false: the notice does not fit yet; is_blocked is set, call again when it is not.
 */
bool fy_socket_end(struct fy_socket *socket);

/* What net.h calls an error of errno that one of the two left. */
int fy_socket_error(int os_errno);

#endif
