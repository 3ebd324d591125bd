/*
 * conn.h - one connection of a listener, from accept to its end.
 *
 * It lives as long as libmicrohttpd knows it, and has at most one request at a time.
 */
#ifndef FY_NET_HTTP_CONN_H
#define FY_NET_HTTP_CONN_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"
#include "net/http/listener.h"
#include "net/http/server_tls.h"
#include "net/http/socket.h"
#include "net/http/unparsed.h"

enum fy_conn_state {
    FY_CONN_SILENT,   /* accepted; no byte came yet */
    FY_CONN_GIVEN,    /* libmicrohttpd was given it and has not started it */
    FY_CONN_STARTED,  /* a TLS handshake is under way */
    FY_CONN_OPEN,     /* HTTP is spoken; no whole head came yet */
    FY_CONN_FAMILIAR, /* the same, after a first whole head */
};

struct fy_conn {
    struct fy_socket socket; /* libmicrohttpd reads and writes it, unless another owns it */
    struct fy_listener *listener;
    struct fy_node node;         /* listener->conns */
    struct fy_node given_node;   /* listener->given or started */
    struct fy_node opening_node; /* listener->openings */
    struct fy_node head_node;    /* listener->heads */
    struct fy_node half_node;    /* listener->half_closed: the client sends no more */
    enum fy_conn_state state;
    uint64_t source;    /* fy_pool_source */
    bool is_known;      /* pool.c's */
    bool is_leaving;    /* pool.c's */
    uint64_t opened_ns; /* when it was accepted */
    uint64_t headed_ns; /* when the head of its request was whole */
    uint64_t since_ns;  /* it awaits a head, or its request made progress */
    uint64_t head_deadline_ns;
    size_t n_moved;             /* bytes of a body, since the last progress */
    struct fy_timer body_timer; /* the body of its request is late */
    struct fy_unparsed unparsed;
    struct fy_request *req;
    struct fy_server_tls tls;
    char remote[64];
};

void fy_conns_init(struct fy_listener *listener);    /* cannot fail */
void fy_conns_release(struct fy_listener *listener); /* no connection is left */
void fy_conns_drop(struct fy_listener *listener);    /* end what users hold of them, and what nobody does */

/* An accepted connection.  false: there is no memory, and fd was closed. */
bool fy_conn_begin(struct fy_listener *listener, int fd, const struct sockaddr *addr, socklen_t len);

/*
 * After a run of libmicrohttpd, or its end.  A client that closed its side may leave a body incomplete, or have sent
 * too much that makes neither a head nor a body.  What libmicrohttpd was given and has not started it has closed; what
 * it has started needs another run, which reads.
 */
void fy_conns_after_run(struct fy_listener *listener);

/* libmicrohttpd's callback; cls is the listener. */
void fy_conn_on_notify(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code);

void fy_conn_await_head(struct fy_conn *conn);                     /* in time, or it is broken */
void fy_conn_head_came(struct fy_conn *conn);                      /* whole */
void fy_conn_await_body(struct fy_conn *conn, uint64_t len);       /* in time, or its request is ended */
void fy_conn_body_moved(struct fy_conn *conn, size_t len);         /* so much of a body came */
void fy_conn_break(struct fy_conn *conn, bool is_hard);            /* hard: what was sent is lost as well */
void fy_conn_on_client_end(struct fy_conn *conn, uint32_t events); /* its side, or all of the connection */

/* The socket goes back to the connection.  Fine when it owns it already. */
void fy_conn_take_back(struct fy_conn *conn);
bool fy_conn_is_half_closed(const struct fy_conn *conn);

#endif
