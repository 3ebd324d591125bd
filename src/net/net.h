/*
 * net.h - the seam between the protocol and whatever carries it.
 *
 * The peer code dials, posts, serves and sets timers through this header alone.  Two implementations stand behind it:
 * http (libmicrohttpd and libcurl in one epoll loop) and sim (in memory, a virtual clock, one seed).  What is here is
 * HTTP as a protocol needs it - a request, a status, headers, a body in pieces, an upgrade to another protocol - and
 * nothing of sockets.
 *
 * One thread, the loop, owns everything: all functions but fy_net_wake are called on it, and every event comes on it.
 * No event comes from inside a call into this header; an event handler may call anything here, also to cancel or end
 * the very thing that the event is about.
 * Time is in nanoseconds of a monotonic clock that starts anywhere.
 */
#ifndef FY_NET_NET_H
#define FY_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/gather.h"
#include "net/timers.h"
#include "wire/http_header.h"

struct fy_net;
struct fy_call;
struct fy_listener;
struct fy_request;
struct fy_outflow;
struct fy_duplex;

/* ---- The client's side ---------------------------------------------------------------------------------------- */

#define FY_LEN_UNKNOWN UINT64_MAX /* of a body that is read until its end: sent in chunks */
#define FY_BODY_END SIZE_MAX

/*
 * Where the bytes of a request's body come from, when it does not lie in memory.  Copy up to cap bytes of what is ready
 * into buf, and return how many.  0: nothing is ready; it is asked again after fy_call_wake.  FY_BODY_END: the body is
 * complete, with body_len FY_LEN_UNKNOWN alone; otherwise nothing is asked once all body_len bytes were given.
 * A body that cannot be completed ends by fy_call_cancel, which breaks the connection, so that the server notices.
 */
typedef size_t fy_body_fn(void *arg, uint8_t *buf, size_t cap);

struct fy_call_spec {
    const char *method; /* "GET" or "POST" */
    const char *url;    /* whole */
    const struct fy_header *headers;
    size_t n_headers;
    const void *body;      /* POST: lent until on_end or cancel.  Everything else here is copied */
    fy_body_fn *read_body; /* POST: the body is read by this (body is NULL), with the events' arg */
    /* With read_body: the body is to be read again from its first byte, for a kept connection turned out to be dead.
       NULL: that cannot be done, and own_connection is set */
    void (*rewind_body)(void *arg);
    uint64_t body_len;
    bool own_connection;           /* a connection for this call alone, closed with it: streams */
    bool is_last;                  /* none follows for a while: the connection is not kept */
    unsigned connect_timeout_ms;   /* for name lookup and TCP; 0: the system's */
    unsigned handshake_timeout_ms; /* https: for TLS, beside it; 0: connect_timeout_ms is for both */
    uint64_t member; /* https: the member whose certificate it must be, if the policy knows such; 0: any */
};

/* The head of an answer, valid during on_head. */
struct fy_answer {
    int status;
    const struct fy_header *headers;
    size_t n_headers;
    uint64_t took_ns; /* since the request began to be sent: connecting is not in it */
};

/* The first value of a header, names compared without case; NULL when it is absent. */
const char *fy_answer_header(const struct fy_answer *answer, const char *name);

struct fy_call_events {
    void (*on_head)(void *arg, const struct fy_answer *answer);  /* once, before the body */
    void (*on_body)(void *arg, const uint8_t *data, size_t len); /* as it comes, len > 0 */
    /* May be NULL.  Where the next bytes of the body may be put, *ret_cap of them at most, to be handed to on_body from
       there; NULL: anywhere.  A net that has no use for it does not ask */
    uint8_t *(*room)(void *arg, size_t *ret_cap);
    /* Once, the last; the call is gone after it.  FERRY_OK: the answer is complete.  Else FERRY_ERR_CONNECT, _TIMEOUT
       (connecting), _TLS, _RESET, _EOF, _PROTOCOL; detail says more, for people */
    void (*on_end)(void *arg, int err, const char *detail);
};

/*
 * Start a call.  On FERRY_OK *ret_call lives until on_end returns or it is cancelled.  FERRY_ERR_NOMEM, _URL or
 * _TLS_CONFIG (https, and the net has no TLS).
 */
int fy_net_call(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                struct fy_call **ret_call);

/* A call with read_body has something to be read.  Cheap when it is known already. */
void fy_call_wake(struct fy_call *call);

/* Drop a call: its connection is closed (unless it is idle and may be kept) and no further event comes.  NULL is fine.
 */
void fy_call_cancel(struct fy_call *call);

/* How a connection does, below anything that either end says on it. */
struct fy_vitals {
    uint64_t n_arrived;  /* packets from the other end, of any kind: its kernel lives and is heard */
    uint64_t silence_ns; /* since the last that brought something, or acknowledged it; others count above alone */
    uint64_t n_acked;    /* bytes of ours that it has acknowledged */
    bool is_awaited;     /* bytes of ours are not acknowledged yet */
    bool is_owed;        /* nor were they when they were sent again */
};

/* false: not known, for there is no connection yet or the network cannot tell. */
bool fy_call_vitals(const struct fy_call *call, struct fy_vitals *ret_vitals);

/* ---- The server's side ---------------------------------------------------------------------------------------- */

/*
 * A request came: its head is whole, its body (if any) still to come.  The handler chooses one of
 *  - fy_request_reply, now or at any later time;
 *  - fy_request_on_body, to be given the body, and then fy_request_reply;
 *  - fy_request_stream, for an answer without an end.
 * The request belongs to the handler until it has called _reply or _stream, or on_gone has told that the client left.
 */
typedef void fy_request_fn(void *arg, struct fy_request *req);

/*
 * Bind a URL (http or https://host:port; port 0 picks one).  FERRY_ERR_LISTEN with the cause in ret_detail, _URL,
 * _TLS_CONFIG (as above), _NOMEM.
 */
int fy_net_listen(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg, struct fy_listener **ret_listener,
                  char *ret_detail, size_t detail_size);
const char *fy_listener_url(const struct fy_listener *listener); /* as bound */

/*
 * Stop accepting, end every connection that came by it, and free it.  Requests and outflows that still live get
 * on_gone from inside this call: the one exception to the rule above.  NULL is fine.
 */
void fy_listener_close(struct fy_listener *listener);

const char *fy_request_method(const struct fy_request *req);
const char *fy_request_path(const struct fy_request *req);   /* percent-decoding is not done; without the query */
const char *fy_request_query(const struct fy_request *req);  /* without '?'; "" for none */
const char *fy_request_remote(const struct fy_request *req); /* "127.0.0.1:40312" */
const char *fy_request_header(const struct fy_request *req, const char *name); /* first value, or NULL */

/* Of the whole body, as the head announces it.  FY_LEN_UNKNOWN: it comes in chunks, or the net cannot tell. */
uint64_t fy_request_body_len(const struct fy_request *req);

/* May a request of this connection speak for the member (0: it does not say for whom)?  The TLS policy decides. */
bool fy_request_is_from(const struct fy_request *req, uint64_t member);

/* The client is known to the service: its connection counts as a stranger's no longer, and no stranger displaces it. */
void fy_request_set_known(struct fy_request *req);

#define FY_BODY_PIECE_MAX ((size_t)128 << 10)

struct fy_request_events {
    void (*on_body)(void *arg, const uint8_t *data,
                    size_t len);    /* 0 < len <= FY_BODY_PIECE_MAX; may be NULL: the body is thrown away */
    void (*on_body_end)(void *arg); /* the body was complete; may be NULL */
    void (*on_gone)(void *arg); /* the client left before the request was replied to; the request is dead after it */

    /*
     * Where the next bytes of the body may be put, and how many; NULL: nowhere now.  A net may put some there, and then
     * tells on_body of them, where they lie: they may be more than a piece.  NULL: it keeps to its own memory.
     * A client that sends nothing is then not ended by the net's idle timeout: such a handler sees to its own deadline,
     * as one that pauses does.
     */
    uint8_t *(*on_room)(void *arg, size_t *ret_len);
};

/*
 * Receive the body.  To be called from the request handler, if at all.  With no body on_body_end comes next.
 * A handler that did not call it must reply or stream at once, or call it with on_gone alone to be able to wait.
 * May be called again, from on_body_end, to have a later on_gone told to somebody else.
 */
void fy_request_set_events(struct fy_request *req, const struct fy_request_events *events, void *arg);

/*
 * Take no more of the body for now, and go on.  Between the two neither on_body nor on_body_end comes, and the client
 * is held back once the buffers on the way are full; on_gone still comes when the client breaks the connection.
 * A handler that pauses sees to its own deadline.  Pausing twice, or resuming what is not paused, does nothing.
 */
void fy_request_pause_body(struct fy_request *req);
void fy_request_resume_body(struct fy_request *req);

/*
 * Answer with a whole body, which is copied, and let the request go.  headers do not name Content-Length.
 * What is left of the request's body is read within limits, so that the client sees the answer.  In the middle of a
 * long body the answer is sent at once, and the connection ended.
 */
void fy_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                      const void *body, size_t body_len);

/* End the connection without an answer, and let the request go. */
void fy_request_abort(struct fy_request *req);

/* Where the bytes of an endless answer come from. */
struct fy_outflow_source {
    /*
     * Add what is ready to g, from the first byte that was not sent; nothing is taken by it.  g stays empty: nothing is
     * ready; gather comes again after fy_outflow_wake.  What is lent to g stays where it is until sent has returned, or
     * gather comes again.  The bytes may change from one time to the next, but they never become fewer.
     * May call fy_outflow_end or _abort for its own outflow, and then adds nothing.
     */
    void (*gather)(void *arg, struct fy_gather *g);
    /*
     * The first n of the bytes that were gathered just now are on their way, n > 0: the others are asked for again.
     * May end or abort its own outflow as well; what is on its way arrives before an end.
     */
    void (*sent)(void *arg, size_t n);
    /*
     * The connection is gone: FERRY_ERR_EOF or _RESET, or _TIMEOUT when bytes that were gathered were not taken within
     * the net's write timeout.  The outflow is dead after it.
     */
    void (*on_gone)(void *arg, int err);
};

/*
 * Answer 200 with headers, flushed at once, and then what source yields until fy_outflow_end.  Lets the request go.
 * Never fails: a connection that cannot be served so reports on_gone later.
 * NULL only when memory is out: the request is aborted then and no event comes.
 */
struct fy_outflow *fy_request_stream(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                     const struct fy_outflow_source *source, void *arg);

void fy_outflow_wake(struct fy_outflow *out); /* gather has something; cheap when it is known already */

/*
 * Finish the body cleanly; no event after.  NULL is fine.  What was gathered and not sent is lost, and if it was
 * announced to the client already, in the head of a chunk, the connection is broken instead.
 */
void fy_outflow_end(struct fy_outflow *out);
void fy_outflow_abort(struct fy_outflow *out); /* break the connection; no event after.  NULL is fine */
bool fy_outflow_vitals(const struct fy_outflow *out, struct fy_vitals *ret_vitals); /* as of a call */

/* ---- Upgraded connections, from either side -------------------------------------------------------------------- */

/*
 * An HTTP/1.1 connection that both sides agreed to use for another protocol (the answer 101): from then on it carries
 * bytes in both directions, and the net adds nothing to them.
 *
 * Each end has one user, which gets these events until the last one, on_end.  Every handler may call any function of
 * its own duplex.
 */
struct fy_duplex_events {
    /*
     * The client's end only, once: the head of the answer.  Status 101: the duplex is open.  Any other: the server
     * refused, on_data brings the body of its answer, and gather is never called.
     */
    void (*on_head)(void *arg, const struct fy_answer *answer);
    /* What is to be sent: as gather and sent of struct fy_outflow_source.  Asked when the duplex opens, and after a
     * wake. */
    void (*gather)(void *arg, struct fy_gather *g);
    void (*sent)(void *arg, size_t n);
    void (*on_data)(void *arg, const uint8_t *data, size_t len); /* bytes of the other end's, in order, len > 0 */
    /* May be NULL: memory of the user's for the bytes that come next, as room of struct fy_call_events. */
    uint8_t *(*room)(void *arg, size_t *ret_cap);
    /*
     * The connection is gone, and the duplex with it; detail says more, for people.
     *  FERRY_OK        the user ended it, and then the other end did; or an answer other than 101 is complete
     *  FERRY_ERR_EOF   the other end ended it first: all that it sent was delivered, what was not sent to it is lost
     *  FERRY_ERR_RESET it broke
     *  FERRY_ERR_TIMEOUT  it was not connected in time; or bytes that were gathered were not taken within the net's
     *                  write timeout; or the other end did not end within that time after our end
     *  FERRY_ERR_CONNECT, _TLS, _PROTOCOL, _NOMEM  it never opened
     */
    void (*on_end)(void *arg, int err, const char *detail);
};

struct fy_duplex_spec {
    const char *url;                 /* whole.  Everything here is copied */
    const struct fy_header *headers; /* of the GET, with Upgrade, Connection and what else the protocol asks for */
    size_t n_headers;
    unsigned connect_timeout_ms; /* as in struct fy_call_spec */
    unsigned handshake_timeout_ms;
    uint64_t member; /* as in struct fy_call_spec */
};

/*
 * Dial, and ask for an upgrade, on a connection of its own.  On FERRY_OK *ret_duplex lives until on_end returns or it
 * is aborted.  FERRY_ERR_NOMEM, _URL, _TLS, _TLS_CONFIG as fy_net_call. How long the server takes to answer is not
 * limited here.
 */
int fy_net_duplex(struct fy_net *net, const struct fy_duplex_spec *spec, const struct fy_duplex_events *events,
                  void *arg, struct fy_duplex **ret_duplex);

/*
 * Answer a request with 101 and these headers (Upgrade and Connection are the caller's to name), flushed at once, and
 * let the request go.  To be called from the request handler, or later if fy_request_set_events was called with
 * on_gone. events->on_head is not used.  The duplex is open at once; it lives until on_end returns or it is aborted.
 * NULL only when memory is out: the request is aborted then and no event comes.
 * fy_listener_close ends it with FERRY_ERR_EOF, from inside that call.
 */
struct fy_duplex *fy_request_upgrade(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                     const struct fy_duplex_events *events, void *arg);

void fy_duplex_wake(struct fy_duplex *duplex); /* gather has something; cheap when it is known already */

/*
 * Take no more bytes of an open duplex for now, and go on; called before it is open, they count from then on.  Between
 * the two on_data does not come, and the other end is held back once the
 * buffers on the way are full; a connection that breaks still gets its on_end.
 * Pausing twice, or resuming what is not paused, does nothing.
 */
void fy_duplex_pause(struct fy_duplex *duplex);
void fy_duplex_resume(struct fy_duplex *duplex);

/*
 * Send what gather still has, until it adds nothing, and then end our direction.  Bytes go on coming until the other
 * end has ended its own: then on_end comes.  Before the duplex is open it is done as soon as it is.  A second end does
 * nothing.
 */
void fy_duplex_end(struct fy_duplex *duplex);

/* Break the connection at once, at any time; no event after.  NULL is fine. */
void fy_duplex_abort(struct fy_duplex *duplex);

bool fy_duplex_vitals(const struct fy_duplex *duplex, struct fy_vitals *ret_vitals); /* as of a call */

/* ---- Time, chance, and the world outside the loop ------------------------------------------------------------- */

uint64_t fy_net_now_ns(const struct fy_net *net);    /* monotonic; cached for one turn of the loop */
uint64_t fy_net_unix_ns(const struct fy_net *net);   /* the wall clock */
uint64_t fy_net_unix_ms(const struct fy_net *net);   /* the same, rounded down */
uint64_t fy_net_coarse_ns(const struct fy_net *net); /* as now_ns, but from any thread: cheap, some ms behind */
uint64_t fy_net_random(struct fy_net *net);          /* for jitter, not for secrets */
struct fy_timers *fy_net_timers(struct fy_net *net); /* fy_timer_set(fy_net_timers(net), ...) */

/* Make on_wake come on the loop soon, once for any number of calls before it.  Any thread. */
void fy_net_wake(struct fy_net *net);
void fy_net_set_on_wake(struct fy_net *net, void (*on_wake)(void *arg), void *arg);

/* ---- For implementations --------------------------------------------------------------------------------------- */

/* Move up to cap bytes from source into buf; how many.  0: there is nothing, or gather has ended the outflow. */
size_t fy_outflow_source_read(const struct fy_outflow_source *source, void *arg, uint8_t *buf, size_t cap);

struct fy_net_ops {
    int (*call)(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                struct fy_call **ret_call);
    void (*call_cancel)(struct fy_call *call);
    void (*call_wake)(struct fy_call *call);
    int (*listen)(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg, struct fy_listener **ret_listener,
                  char *ret_detail, size_t detail_size);
    const char *(*listener_url)(const struct fy_listener *listener);
    void (*listener_close)(struct fy_listener *listener);
    const char *(*request_method)(const struct fy_request *req);
    const char *(*request_path)(const struct fy_request *req);
    const char *(*request_query)(const struct fy_request *req);
    const char *(*request_remote)(const struct fy_request *req);
    const char *(*request_header)(const struct fy_request *req, const char *name);
    uint64_t (*request_body_len)(const struct fy_request *req);             /* NULL: it cannot tell */
    bool (*request_is_from)(const struct fy_request *req, uint64_t member); /* NULL: always */
    void (*request_set_known)(struct fy_request *req);                      /* NULL: all are alike */
    void (*request_set_events)(struct fy_request *req, const struct fy_request_events *events, void *arg);
    void (*request_pause_body)(struct fy_request *req);
    void (*request_resume_body)(struct fy_request *req);
    void (*request_reply)(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                          const void *body, size_t body_len);
    void (*request_abort)(struct fy_request *req);
    struct fy_outflow *(*request_stream)(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                         const struct fy_outflow_source *source, void *arg);
    void (*outflow_wake)(struct fy_outflow *out);
    void (*outflow_end)(struct fy_outflow *out);
    void (*outflow_abort)(struct fy_outflow *out);
    int (*duplex)(struct fy_net *net, const struct fy_duplex_spec *spec, const struct fy_duplex_events *events,
                  void *arg, struct fy_duplex **ret_duplex);
    struct fy_duplex *(*request_upgrade)(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                         const struct fy_duplex_events *events, void *arg);
    void (*duplex_wake)(struct fy_duplex *duplex);
    void (*duplex_pause)(struct fy_duplex *duplex);
    void (*duplex_resume)(struct fy_duplex *duplex);
    void (*duplex_end)(struct fy_duplex *duplex);
    void (*duplex_abort)(struct fy_duplex *duplex);
    bool (*call_vitals)(const struct fy_call *call, struct fy_vitals *ret_vitals); /* NULL: it cannot tell */
    bool (*outflow_vitals)(const struct fy_outflow *out, struct fy_vitals *ret_vitals);
    bool (*duplex_vitals)(const struct fy_duplex *duplex, struct fy_vitals *ret_vitals);
    uint64_t (*now_ns)(const struct fy_net *net);
    uint64_t (*unix_ns)(const struct fy_net *net);
    uint64_t (*coarse_ns)(const struct fy_net *net);
    uint64_t (*random)(struct fy_net *net);
    struct fy_timers *(*timers)(struct fy_net *net);
    void (*wake)(struct fy_net *net);
    void (*set_on_wake)(struct fy_net *net, void (*on_wake)(void *arg), void *arg);
};

/*
 * The first member of every implementation's net, call, listener, request, outflow and duplex.  Objects of one net may
 * have different tables: a function of one kind of object is only looked up in the table of that object.
 */
struct fy_net {
    const struct fy_net_ops *ops;
};
struct fy_net_object {
    const struct fy_net_ops *ops;
};

#endif
