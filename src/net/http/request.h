/*
 * request.h - one request: its state, who holds it, and what it says.
 *
 * It lives as long as libmicrohttpd knows it.  Its state says whether a user of net.h still holds it, so that neither
 * side's end leaves the other with a dead pointer.
 */
#ifndef FY_NET_HTTP_REQUEST_H
#define FY_NET_HTTP_REQUEST_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/http/conn.h"
#include "net/net.h"

/* What is left of a request's body is read so far when it was answered early; net.h promises the number. */
#define FY_MAX_SWALLOWED ((size_t)256 << 10)

enum fy_request_state {
    FY_REQUEST_NEW,        /* its head is not whole */
    FY_REQUEST_HEADED,     /* the listener's handler is being called */
    FY_REQUEST_BODY,       /* held by a handler; libmicrohttpd reads its body */
    FY_REQUEST_BULK,       /* held; bulk.c reads its body */
    FY_REQUEST_BULK_WHOLE, /* held; bulk.c has read all of its body */
    FY_REQUEST_WHOLE,      /* held; libmicrohttpd has read all of its body */
    FY_REQUEST_SWALLOWING, /* answered, and its body may still come */
    FY_REQUEST_ANSWERED,   /* answered, and its body is whole or not waited for */
    FY_REQUEST_RAW,        /* raw_answer.c writes its answer */
    FY_REQUEST_UPGRADED,   /* a duplex has its connection */
    FY_REQUEST_BROKEN,     /* its connection ends without the answer, or without the rest of it */
    FY_N_REQUEST_STATES
};

struct fy_outflow;

/* An answer that is written past libmicrohttpd: raw_answer.c's. */
struct fy_raw_answer {
    char *text; /* NULL: there is none, or no more of it */
    size_t len;
    size_t at;
    bool is_body_over;     /* none of the request's is to come */
    struct fy_timer timer; /* the client takes nothing of it */
};

struct fy_request {
    struct fy_net_object object;
    struct fy_conn *conn;
    struct MHD_Connection *mhd;
    enum fy_request_state state;
    const char *method; /* libmicrohttpd's */
    size_t target_len;  /* of path and query, with the mark between them, as they were sent */
    const char *query;  /* inside path */
    struct fy_request_events events;
    void *arg;
    bool is_http_1_1;  /* an answer without an end is sent in chunks */
    bool is_paused;    /* the handler wants no more of the body now; or raw_answer.c waits */
    bool is_suspended; /* libmicrohttpd leaves the connection alone until it is resumed */
    bool must_linger;  /* after the answer the client may still send: close softly */
    size_t n_swallowed;
    uint64_t n_body;               /* of the body that libmicrohttpd brought */
    uint64_t n_to_come;            /* of a bulk */
    struct MHD_Response *response; /* until it is queued */
    unsigned status;
    struct fy_raw_answer raw;
    struct fy_outflow *out;
    void *holder;                                      /* of a connection that no handler holds: upgrade.c's */
    void (*on_gone)(struct fy_request *req, int err); /* tells the user of out, or holder.  NULL: none is left */
    char path[]; /* '\0' query '\0' */
};

struct fy_request *fy_request_new(struct fy_conn *conn, struct MHD_Connection *mhd, const char *target); /* or NULL */
void fy_request_free(struct fy_request *req); /* its outflow and its raw answer are gone */

void fy_request_set_state(struct fy_request *req, enum fy_request_state to);

static inline bool fy_request_is_in(const struct fy_request *req, unsigned set)
{
    return (1u << req->state & set) != 0;
}

/* Does a handler hold it, who may answer it? */
static inline bool fy_request_is_held(const struct fy_request *req)
{
    return fy_request_is_in(req, 1u << FY_REQUEST_HEADED | 1u << FY_REQUEST_BODY | 1u << FY_REQUEST_BULK |
                                     1u << FY_REQUEST_BULK_WHOLE | 1u << FY_REQUEST_WHOLE);
}

/* Does libmicrohttpd read the rest of it? */
static inline bool fy_request_is_reading(const struct fy_request *req)
{
    return !req->out &&
           fy_request_is_in(req, 1u << FY_REQUEST_HEADED | 1u << FY_REQUEST_BODY | 1u << FY_REQUEST_SWALLOWING);
}

void fy_request_suspend(struct fy_request *req); /* from inside a callback of libmicrohttpd's; fine if it is */
void fy_request_resume(struct fy_request *req);  /* if it is suspended */
bool fy_request_add_headers(struct MHD_Response *response, const struct fy_header *headers, size_t n_headers);

/* Break the connection, and let libmicrohttpd see it. */
void fy_request_break(struct fy_request *req, bool is_hard);

/* The same, and tell its handler, or the user of its outflow or duplex. */
void fy_request_drop(struct fy_request *req, int err);

/* Tell its handler, or the user of its outflow or duplex, that it is gone. */
void fy_request_tell_gone(struct fy_request *req, int err);

/* As in net.h. */
const char *fy_server_request_method(const struct fy_request *req);
const char *fy_server_request_path(const struct fy_request *req);
const char *fy_server_request_query(const struct fy_request *req);
const char *fy_server_request_remote(const struct fy_request *req);
const char *fy_server_request_header(const struct fy_request *req, const char *name);
uint64_t fy_server_request_body_len(const struct fy_request *req);
bool fy_server_request_is_from(const struct fy_request *req, uint64_t member);
void fy_server_request_set_events(struct fy_request *req, const struct fy_request_events *events, void *arg);
void fy_server_request_abort(struct fy_request *req);

#endif
