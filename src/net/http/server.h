/*
 * server.h - what serving is made of, for server.c, conn.c, request.c, bulk.c, raw_answer.c, unparsed.c, outflow.c and
 * bypass.c.
 *
 * A listener has connections, a connection has at most one request at a time, and a request may have become an outflow.
 * Connection, request and outflow live as long as libmicrohttpd knows their counterparts; whether the user of net.h
 * still holds a request or an outflow is a flag, so that neither side's end leaves the other with a dead pointer.
 * All of it is the loop's.
 */
#ifndef FY_NET_HTTP_SERVER_H
#define FY_NET_HTTP_SERVER_H

#include <microhttpd.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "net/http/http.h"
#include "net/http/linger.h"
#include "net/http/loop.h"
#include "net/http/server_tls.h"
#include "net/http/vitals.h"
#include "wire/chunk_writer.h"

/* What is left of a request's body is read so far when it was answered early; net.h promises the number. */
#define FY_MAX_SWALLOWED ((size_t)256 << 10)

/* What a connection's own watch is for, unless bulk.c reads or raw_answer.c writes. */
#define FY_CONN_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

/* The outflows of a server that are written past libmicrohttpd, and have something to write. */
struct fy_outflows {
    struct fy_loop_part part;
    struct fy_list ready;  /* struct fy_outflow.bypass.ready_node: may have something to write */
    struct fy_list rested; /* the same: they have had their share of this turn */
};

struct fy_server {
    struct fy_loop_part part;
    struct fy_loop *loop;
    const struct fy_http_config *cfg;
    const struct fy_net_ops *ops; /* of every listener, request and outflow */
    struct fy_list listeners;     /* struct fy_listener */
    uint64_t pass;                /* of the work on listeners: each is run once in a pass */
    struct fy_outflows outflows;
    struct fy_lingering lingering;
};

struct fy_listener {
    struct fy_net_object object;
    struct fy_server *server;
    struct fy_loop *loop;             /* the server's */
    const struct fy_http_config *cfg; /* the same */
    struct fy_node node;              /* server->listeners */
    struct fy_watch accept_watch; /* the listening socket */
    struct fy_watch daemon_watch; /* libmicrohttpd's epoll set */
    struct MHD_Daemon *daemon;
    fy_request_fn *fn;
    void *arg;
    char *url; /* as bound */

    struct fy_list conns;       /* struct fy_conn.node */
    struct fy_list half_closed; /* struct fy_conn.half_node */
    struct fy_list talking;     /* struct fy_conn.unparsed.node: bytes came since libmicrohttpd last ran */
    size_t n_conns;
    struct fy_list given;     /* struct fy_conn.given_node: libmicrohttpd has them and has not started them yet */
    struct fy_list started;   /* the same: it has started them in its present run */
    struct fy_conn *shaking;  /* in the TLS handshake that libmicrohttpd was last busy with; NULL: none */
    bool is_tls;
    bool is_accept_paused;
    struct fy_timer accept_timer; /* ends a pause for want of descriptors or memory */
    struct fy_log_fold accept_fold;

    struct fy_list openings; /* struct fy_conn.opening_node: no byte yet, or no whole TLS handshake; oldest first */
    struct fy_timer opening_timer;
    struct fy_list heads; /* struct fy_conn.head_node: no whole head yet, oldest first */
    struct fy_timer head_timer;
    struct fy_list unsent; /* struct fy_outflow.unsent_node: bytes are on their way, oldest first */
    struct fy_timer unsent_timer;

    bool is_due;     /* libmicrohttpd has something to do */
    bool is_running; /* a callback of libmicrohttpd's or an outflow's may be running: it cannot be stopped */
    bool is_closed;
    uint64_t pass; /* in which it ran last */
};

/* Of a connection: what was read and has brought nothing forward, neither a head nor a body. */
struct fy_unparsed {
    struct fy_node node; /* listener->talking */
    size_t n_readable;   /* then: what the socket held */
    bool is_of_use;      /* then: something was brought forward since */
    size_t n_bytes;
    unsigned n_arrivals;
};

struct fy_conn {
    struct fy_watch watch; /* of the client's end, and that data came; they are libmicrohttpd's */
    struct fy_listener *listener;
    struct fy_node node; /* listener->conns */
    struct fy_node opening_node;
    uint64_t opened_ns; /* when it was accepted */
    uint64_t since_ns;  /* it awaits a head, or its request made progress */
    size_t n_moved;     /* bytes of a body, since the last progress */
    struct fy_node head_node;
    uint64_t head_deadline_ns;
    bool is_given;             /* to libmicrohttpd */
    struct fy_node given_node; /* listener->given or started */
    int fd;
    bool is_half_closed;      /* the client sends no more */
    struct fy_node half_node; /* listener->half_closed, then */
    bool was_heard;           /* it had a whole head once */
    struct fy_unparsed unparsed;
    struct fy_request *req;
    struct fy_server_tls tls;
    char remote[64];
};

/* An answer that is written past libmicrohttpd. */
struct fy_raw_answer {
    char *text; /* NULL: there is none, or no more of it */
    size_t len;
    size_t at;
    struct fy_timer timer; /* the client takes nothing of it */
};

struct fy_request {
    struct fy_net_object object;
    struct fy_conn *conn;
    struct MHD_Connection *mhd;
    const char *method; /* libmicrohttpd's */
    const char *query;  /* inside path */
    struct fy_request_events events;
    void *arg;
    bool is_begun;     /* the listener's handler has seen it */
    bool is_live;      /* the handler holds it */
    bool is_broken;    /* to end without an answer, or without the rest of it */
    bool is_past_head; /* the listener's handler has returned */
    bool is_http_1_1;  /* an answer without an end is sent in chunks */
    bool is_whole;     /* the body has ended */
    bool is_paused;    /* the handler wants no more of the body now */
    bool is_suspended; /* libmicrohttpd leaves the connection alone until it is resumed */
    bool must_linger;  /* it was answered before a body that is too long to be swallowed */
    bool is_bulk;      /* the body is read by bulk.c, and libmicrohttpd suspended until the answer */
    size_t n_swallowed;
    uint64_t n_body;               /* of the body that libmicrohttpd brought */
    uint64_t n_to_come;            /* of a bulk */
    struct MHD_Response *response; /* until it is queued */
    unsigned status;
    struct fy_raw_answer raw;
    struct fy_outflow *out;
    char path[]; /* '\0' query '\0' */
};

/* An outflow's way past libmicrohttpd. */
struct fy_bypass {
    bool is_begun;             /* chunks are written so */
    bool is_blocked;           /* the socket's buffer is full */
    struct fy_node ready_node; /* outflows->ready or rested */
    struct fy_share share;     /* that it wrote of this turn */
    struct fy_chunk_writer chunk;
};

struct fy_outflow {
    struct fy_net_object object;
    struct fy_request *req;
    struct fy_outflow_source source;
    void *arg;
    struct fy_node unsent_node; /* listener->unsent */
    uint64_t unsent_since_ns;
    size_t n_touched; /* of libmicrohttpd's buffer, since it was last trimmed */
    uint64_t trimmed_ns;
    struct fy_bypass bypass;
    bool is_live;    /* its user holds it */
    bool is_ended;   /* the body is complete */
    bool is_reading; /* libmicrohttpd's buffer is being filled */
    bool was_woken;  /* meanwhile */
};

/* ---- server.c ---- */

/* cfg outlives the server.  Cannot fail. */
void fy_server_init(struct fy_server *server, struct fy_loop *loop, const struct fy_http_config *cfg,
                    const struct fy_net_ops *ops);
void fy_server_release(struct fy_server *server); /* every listener is closed */

/* As in net.h. */
int fy_server_listen(struct fy_server *server, const char *url, fy_request_fn *fn, void *arg,
                     struct fy_listener **ret_listener, char *ret_detail, size_t detail_size);
const char *fy_server_listener_url(const struct fy_listener *listener);
void fy_server_listener_close(struct fy_listener *listener);

/* Around what may call handlers: a listener that one of them closes is stopped when it is left, and is gone then. */
void fy_listener_enter(struct fy_listener *listener);
void fy_listener_leave(struct fy_listener *listener);

/* ---- conn.c ---- */

void fy_conns_init(struct fy_listener *listener);    /* cannot fail */
void fy_conns_release(struct fy_listener *listener); /* no connection is left */
void fy_conns_drop(struct fy_listener *listener);    /* end what users hold of them, and what nobody does */
/*
 * After a run of libmicrohttpd, or its end: what it was given and has not started it has closed.  What it has started
 * needs another run, which reads.
 */
void fy_conns_settle(struct fy_listener *listener);
void fy_conns_on_acceptable(struct fy_watch *watch, uint32_t events);

/* After a run of libmicrohttpd: a client that ends its side may leave a body incomplete. */
void fy_conns_look_at_half_closed(struct fy_listener *listener);

/* libmicrohttpd's callback; cls is the listener. */
void fy_conn_on_notify(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code);

void fy_conn_opened(struct fy_conn *conn);                 /* HTTP begins on it */
void fy_conn_await_head(struct fy_conn *conn);             /* in time, or it is broken */
void fy_conn_body_moved(struct fy_conn *conn, size_t len); /* so much of a body came */
void fy_conn_break(struct fy_conn *conn, bool is_hard);    /* hard: what was sent is lost as well */

/* ---- unparsed.c ---- */

void fy_unparsed_came(struct fy_conn *conn);          /* bytes; libmicrohttpd has not run yet */
void fy_unparsed_was_of_use(struct fy_conn *conn);    /* a head is whole or awaited, or a piece of a body came */
void fy_unparsed_judge(struct fy_listener *listener); /* libmicrohttpd has run */

/* ---- request.c ---- */

/* libmicrohttpd's callbacks; cls is the listener.  on_completed takes a NULL mhd for one that is gone already. */
void *fy_request_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result fy_request_on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                     const char *version, const char *data, size_t *len, void **request);
void fy_request_on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                             enum MHD_RequestTerminationCode code);

void fy_request_suspend(struct fy_request *req); /* from inside a callback of libmicrohttpd's */
void fy_request_resume(struct fy_request *req);  /* if it is suspended */
bool fy_request_add_headers(struct MHD_Response *response, const struct fy_header *headers, size_t n_headers);

/* End what the user holds of req with on_gone, and the connection. */
void fy_request_drop(struct fy_request *req, int err);

const char *fy_server_request_method(const struct fy_request *req);
const char *fy_server_request_path(const struct fy_request *req);
const char *fy_server_request_query(const struct fy_request *req);
const char *fy_server_request_remote(const struct fy_request *req);
const char *fy_server_request_header(const struct fy_request *req, const char *name);
uint64_t fy_server_request_body_len(const struct fy_request *req);
bool fy_server_request_is_from(const struct fy_request *req, uint64_t member);
void fy_server_request_set_events(struct fy_request *req, const struct fy_request_events *events, void *arg);
void fy_server_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                             const void *body, size_t body_len);
void fy_server_request_abort(struct fy_request *req);
void fy_server_request_pause_body(struct fy_request *req);
void fy_server_request_resume_body(struct fy_request *req);

/* ---- bulk.c ---- */

bool fy_bulk_is_due(const struct fy_request *req); /* is the rest of its body better read past libmicrohttpd? */
void fy_bulk_begin(struct fy_request *req);        /* which holds none of it, and is suspended */
void fy_bulk_watch(struct fy_request *req);        /* whether it reads may have changed; also for one that is none */
bool fy_bulk_take_event(struct fy_conn *conn);     /* true: it was for a bulk */

/* ---- raw_answer.c ---- */

/* Answer a request that the handler has let go, in the middle of its body or after a bulk, and end its connection. */
void fy_raw_answer_begin(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                         const void *body, size_t body_len);
bool fy_raw_answer_take_event(struct fy_conn *conn); /* true: it was for such an answer */
void fy_raw_answer_release(struct fy_request *req);  /* also of one that was not answered so */

/* ---- outflow.c ---- */

struct fy_outflow *fy_server_outflow_begin(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                           const struct fy_outflow_source *source, void *arg);
void fy_server_outflow_wake(struct fy_outflow *out);
void fy_server_outflow_end(struct fy_outflow *out);
void fy_server_outflow_abort(struct fy_outflow *out);
bool fy_server_outflow_vitals(const struct fy_outflow *out, struct fy_vitals *ret_vitals);

bool fy_outflow_is_live(const struct fy_outflow *out); /* NULL is not */
void fy_outflow_gone(struct fy_outflow *out, int err); /* tell its user, who holds it no more */
void fy_outflow_free(struct fy_outflow *out);          /* NULL is fine */
void fy_outflow_on_unsent_timer(void *listener);
void fy_outflow_note_unsent(struct fy_outflow *out); /* bytes of it are on their way, from now on */
void fy_outflow_forget_unsent(struct fy_outflow *out);

/* ---- bypass.c ---- */

void fy_outflows_init(struct fy_outflows *outflows, struct fy_loop *loop);

void fy_bypass_begin(struct fy_outflow *out); /* libmicrohttpd has sent the head for chunks, and nothing of the body */
void fy_bypass_end(struct fy_outflow *out);   /* it is about to be freed; also for one that never began */
void fy_bypass_wake(struct fy_outflow *out);  /* the source has something */
void fy_bypass_on_writable(struct fy_outflow *out);         /* the socket has room; NULL is fine */
bool fy_bypass_is_in_chunk(const struct fy_bypass *bypass); /* an end now would be no clean one */

#endif
