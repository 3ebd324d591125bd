/*
 * http_internal.h - what the files of http share: the net itself and how its parts are driven.
 *
 * The loop (http.c) knows three kinds of work: a descriptor became ready, a timer is due, and a part has something left
 * to do before the loop may sleep.  client.c (calls, on curl), server.c (listeners, connections and requests, on
 * libmicrohttpd), bypass.c (endless answers, written past it) and linger.c (connections that are closed gently) are the
 * parts.
 */
#ifndef FY_NET_HTTP_HTTP_INTERNAL_H
#define FY_NET_HTTP_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/spin.h"
#include "net/http/http.h"
#include "net/net.h"
#include "net/timers.h"

#define FY_NS_PER_MS UINT64_C(1000000)
#define FY_NS_PER_S UINT64_C(1000000000)

/*
 * A descriptor in the loop's epoll set: a member of what it belongs to.  One batch of events may name a watch that an
 * earlier event of the batch ended, so the memory around it lives on in the net's list of the dead until the turn is
 * over.
 */
struct fy_watch {
    void (*fn)(struct fy_watch *watch, uint32_t events); /* NULL: ended */
    int fd;
    struct fy_node dead_node; /* fy_http.dead */
    void *dead_memory;
};

#define FY_HTTP_ROOM ((size_t)64 << 10) /* so much is written or read at a time, where it has no place of its own */

struct fy_http {
    struct fy_net net;
    struct fy_http_config cfg; /* with its defaults filled in; const after new */
    int epoll_fd;
    struct fy_watch wake; /* an eventfd */

    atomic_bool wake_pending; /* fy_net_wake was called since on_wake last began */
    atomic_bool sleeping;     /* the loop waits, or nobody turns it: a wake has to write the eventfd */
    atomic_bool stop;

    /* All else is the loop's. */
    void (*on_wake)(void *arg);
    void *on_wake_arg;
    uint64_t now_ns;
    uint64_t woken_ns;      /* when this turn, or the last, had done with waiting */
    uint64_t next_yield_ns; /* before which the loop's own thread does not yield */
    uint64_t random_state;
    struct fy_timers timers;
    struct fy_spin spin; /* of the loop */
    struct fy_list dead; /* struct fy_watch.dead_node; freed when the turn ends */

    CURLM *multi;                /* NULL: no call has been with curl for a while */
    struct fy_timer multi_timer; /* set while none is: then it goes */
    size_t n_easies;             /* calls in which curl has a part */
    uint64_t kept_until_ns;      /* until then it may hold a connection that is of use to another call */
    struct fy_timer curl_timer;
    bool curl_is_due;            /* its timeout passed */
    bool curl_has_acted;         /* it may have left messages */
    bool in_curl;                /* a callback of curl's may be running: its handles cannot be added or removed */
    struct fy_list calls_new;    /* struct fy_call, to be given to curl */
    struct fy_list calls;        /* struct fy_call, with curl */
    struct fy_list calls_doomed; /* struct fy_call, to be taken from curl and freed */
    struct fy_list calls_paused; /* struct fy_call.pause_node: with nothing to send */
    struct fy_list calls_woken;  /* the same: with something again */
    struct fy_list calls_full;   /* struct fy_call.rest_node: streams that have had their share of this turn */
    struct fy_list calls_rested; /* the same, of the turn before: they go on */
    struct fy_list calls_headed; /* the same: streams whose connection is to be taken over from curl */
    uint64_t n_turns;

    struct fy_list outflows_ready;  /* struct fy_outflow.bypass.ready_node: may have something to write */
    struct fy_list outflows_rested; /* the same: they have had their share of this turn */

    /*
     * FY_HTTP_ROOM bytes: for what outflows copy on the way to a write, and for what is read from a stream.  Nothing is
     * left in it by either, and no write is made while what was read is handed on.
     */
    uint8_t *room;

    struct fy_list listeners; /* struct fy_listener */
    uint64_t pass;            /* of the work on listeners: each is run once in a pass */
    struct fy_list lingering; /* struct leaver, oldest first */
    struct fy_timer linger_timer;
    size_t n_lingering;
};

static inline struct fy_http *fy_http_of(struct fy_net *net)
{
    return (struct fy_http *)(void *)net; /* its first member */
}

static inline const struct fy_http *fy_http_of_const(const struct fy_net *net)
{
    return (const struct fy_http *)(const void *)net;
}

/* How many bytes of a stream were moved in the present turn of the loop: see fy_share_of_turn. */
struct fy_share {
    uint64_t turn; /* of which n_bytes tells */
    size_t n_bytes;
};

/* What was moved in this turn, to be added to: 0 at its beginning. */
static inline size_t *fy_share_of_turn(struct fy_share *share, const struct fy_http *http)
{
    if (share->turn != http->n_turns)
        *share = (struct fy_share){.turn = http->n_turns};
    return &share->n_bytes;
}

/* ---- http.c ---- */

extern const struct fy_net_ops fy_http_ops;

/* Add a descriptor to the loop.  FERRY_OK or FERRY_ERR_SYSTEM. */
int fy_watch_start(struct fy_http *http, struct fy_watch *watch, int fd, uint32_t events,
                   void (*fn)(struct fy_watch *watch, uint32_t events));
void fy_watch_change(struct fy_http *http, struct fy_watch *watch, uint32_t events);
/* Take it out; to be done before the descriptor is closed.  One that was never started is fine. */
void fy_watch_end(struct fy_http *http, struct fy_watch *watch);
/* Free memory, which holds this ended watch, when no event can name it any more. */
void fy_watch_bury(struct fy_http *http, struct fy_watch *watch, void *memory);

/* A deadline from now; the clock is read, for the cached one may lag behind a long event. */
uint64_t fy_http_deadline_ns(struct fy_http *http, uint64_t in_ms);

/* ---- vitals.c ---- */

/*
 * Have the kernel ask after the other end of a silent connection, and give a stream's up when the net's link timeout
 * has passed without an acknowledgement.  The latter is not for a connection that a body goes out on: the kernel counts
 * an other end that takes nothing as one that does not answer.  Does what can be done: a socket that refuses works
 * without.
 */
void fy_vitals_watch(const struct fy_http *http, int fd);
void fy_vitals_limit(const struct fy_http *http, int fd);
bool fy_vitals_read(int fd, struct fy_vitals *ret_vitals);

/* ---- client.c ---- */

int fy_client_init(struct fy_http *http); /* FERRY_OK or FERRY_ERR_NOMEM, with nothing left behind */
void fy_client_release(struct fy_http *http);
/* A socket of curl's has no watch: the datum of its events is the descriptor, marked by being odd. */
void fy_client_on_socket(struct fy_http *http, uint64_t datum, uint32_t events);
bool fy_client_has_work(const struct fy_http *http);
void fy_client_work(struct fy_http *http);
void fy_client_end_turn(struct fy_http *http);

int fy_client_call(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                   struct fy_call **ret_call);
void fy_client_cancel(struct fy_call *call);
void fy_client_wake(struct fy_call *call);
bool fy_client_call_vitals(const struct fy_call *call, struct fy_vitals *ret_vitals);

/* ---- bypass.c ---- */

bool fy_bypass_has_work(const struct fy_http *http);
void fy_bypass_work(struct fy_http *http);
void fy_bypass_end_turn(struct fy_http *http);

/* ---- server.c ---- */

bool fy_server_has_work(const struct fy_http *http);
void fy_server_work(struct fy_http *http);
uint64_t fy_server_timeout_ms(const struct fy_http *http); /* FY_NEVER: none */

int fy_server_listen(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg,
                     struct fy_listener **ret_listener, char *ret_detail, size_t detail_size);
const char *fy_server_listener_url(const struct fy_listener *listener);
void fy_server_listener_close(struct fy_listener *listener);

/* ---- linger.c ---- */

void fy_linger_init(struct fy_http *http);
void fy_linger_release(struct fy_http *http);

/*
 * Keep the connection behind fd half open, for a client that is still sending and would lose the answer to a reset:
 * read and throw away at most max_bytes of what it sends until it closes or some seconds are over.  fd itself stays
 * the caller's.  Does nothing when descriptors or memory are short, or too many linger already.
 */
void fy_linger(struct fy_http *http, int fd, size_t max_bytes);

#endif
