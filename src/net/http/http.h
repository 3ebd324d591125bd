/*
 * http.h - net.h on real sockets: libmicrohttpd serves, libcurl dials, one epoll loop drives both.
 *
 * Whoever calls fy_http_run or fy_http_run_once is the loop; these two, fy_http_free and the descriptor's two
 * functions belong to one thread at a time.
 */
#ifndef FY_NET_HTTP_HTTP_H
#define FY_NET_HTTP_HTTP_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/log.h"
#include "net/net.h"

struct fy_tls;

/* What was refused to crowds. */
enum fy_crowd_event {
    FY_CROWD_REFUSED,   /* connections that were closed at once: no other could be closed to make room */
    FY_CROWD_EVICTED,   /* connections that were closed to make room for others */
    FY_CROWD_LATE_BODY, /* requests that were ended as their bodies were not whole in time */
    FY_N_CROWD_EVENTS
};

struct fy_crowd_counts {
    atomic_uint_fast64_t of[FY_N_CROWD_EVENTS];
};

struct fy_http_config {
    unsigned write_timeout_ms;   /* of an outflow; 0: 5000 */
    unsigned link_timeout_ms;    /* see ferry_config; 0: the kernel's own patience */
    unsigned idle_timeout_s;     /* a client that sends nothing, or takes nothing of its reply, for so long is cut off;
                                    a request's head has half as long again to be whole.  0: 10 */
    unsigned busy_poll_us;       /* spin at most so long before a sleep; adaptive.  0: never */
    size_t max_connections;      /* accepted at one time, on each listener; 0: 1024 */
    size_t reserved_connections; /* of these, not for strangers (pool.h); at most half of them are reserved.  0: none */
    size_t max_per_address;      /* of these, for the strangers of one address.  0: no limit */
    unsigned body_timeout_ms; /* a body that is not whole after so long, and does not go where its handler has room for
                                 it, ends its request; a known client has 16 s more for each MiB.  0: 30000 */
    struct fy_crowd_counts *crowd; /* outlives the net; NULL: nobody asks */
    const struct fy_log *log;      /* outlives the net */
    struct fy_tls *tls;            /* for https; outlives the net.  NULL: none */
};

static inline void fy_crowd_count(const struct fy_http_config *cfg, enum fy_crowd_event event)
{
    if (cfg->crowd)
        atomic_fetch_add_explicit(&cfg->crowd->of[event], 1, memory_order_relaxed);
}

/* FERRY_OK, FERRY_ERR_NOMEM or FERRY_ERR_SYSTEM.  Starts no thread. */
int fy_http_new(const struct fy_http_config *cfg, struct fy_net **ret_net);

/* Every listener is closed and every call has ended or was cancelled.  NULL is fine. */
void fy_http_free(struct fy_net *net);

/* Turn the loop until fy_http_stop; a stop that came before makes it return at once. */
void fy_http_run(struct fy_net *net);
void fy_http_stop(struct fy_net *net); /* any thread */

/* One turn: wait at most timeout_ms (-1: no limit, 0: not at all) for something to do, and do it. */
void fy_http_run_once(struct fy_net *net, int timeout_ms);

/* For a host's own loop: readable when run_once has work; the milliseconds until it has some anyway, or -1. */
int fy_http_fd(const struct fy_net *net);
int fy_http_timeout_ms(const struct fy_net *net);

#endif
