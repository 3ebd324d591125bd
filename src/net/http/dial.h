/*
 * dial.h - a connection of one's own, made by curl: name lookup, TCP and TLS are curl's, and the bytes are ours.
 *
 * Once connected it is a socket that is read and written here, by the system's calls or, with TLS, by curl's.
 */
#ifndef FY_NET_HTTP_DIAL_H
#define FY_NET_HTTP_DIAL_H

#include <sys/types.h>
#include <sys/uio.h>

#include "net/http/transfers.h"

struct fy_dial {
    struct fy_transfer transfer; /* released when a plain connection stands */
    struct fy_client_tls tls;
    int fd;       /* of the connection; -1: there is none */
    bool is_open; /* on_connected has come */

    /*
     * Once, unless it is closed before: FERRY_OK, or why there is no connection, with the reason for people.  With TLS
     * write or read at once, from inside: until then curl counts the connection as idle and may close it for another
     * transfer's sake.
     */
    void (*on_connected)(struct fy_dial *dial, int err, const char *detail);
    /* Later: curl has lost the connection, for want of memory. */
    void (*on_lost)(struct fy_dial *dial, int err, const char *detail);
    void (*on_closed)(struct fy_dial *dial); /* see fy_dial_close */
};

struct fy_dial_spec {
    const char *url;
    unsigned connect_timeout_ms; /* as in struct fy_call_spec */
    unsigned handshake_timeout_ms;
    uint64_t member;
    bool sends_much; /* the kernel's limit for what is not acknowledged is not for it: see fy_vitals_limit */
};

/*
 * Begin to connect.  dial is zeroed but for its callbacks.  FERRY_OK; FERRY_ERR_NOMEM, _URL, _TLS, _TLS_CONFIG with
 * nothing left behind.
 */
int fy_dial_start(struct fy_dial *dial, struct fy_transfers *transfers, const struct fy_dial_spec *spec);

/*
 * Close the connection, or give up making it.  Nothing is called any more but on_closed: when curl has let go, maybe at
 * once; the memory may go then.
 */
void fy_dial_close(struct fy_dial *dial);
void fy_dial_reset(struct fy_dial *dial); /* break the connection, by a reset, before it is closed */

/*
 * Read into to[0], if it has room, and what more there is maybe into to[1].  How many bytes; 0: the other end has ended
 * its direction; -1 with errno, EAGAIN for none now.  *ret_is_empty: none are left for now, as far as is known; with
 * TLS it is known by EAGAIN alone, and the socket may not be readable though there are more.
 */
ssize_t fy_dial_read(struct fy_dial *dial, const struct iovec to[2], bool *ret_is_empty);

/* As writev(2), without a signal. */
ssize_t fy_dial_write(struct fy_dial *dial, const struct iovec *runs, size_t n_runs);

/* A read or write has failed with errno os_errno (not EAGAIN): an enum ferry_err, and the reason for people. */
int fy_dial_explain(struct fy_dial *dial, int os_errno, char *text, size_t size);

#endif
