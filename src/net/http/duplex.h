/*
 * duplex.h - an upgraded connection, at either end: bytes of each end's own, in both directions.
 *
 * What is the same at both ends is here: when bytes are gathered and written, read and handed on, how it ends, and its
 * deadlines.  The connection below it is the end's own: struct fy_duplex_line.
 */
#ifndef FY_NET_HTTP_DUPLEX_H
#define FY_NET_HTTP_DUPLEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/list.h"
#include "net/http/loop.h"
#include "net/net.h"

/* A part of the loop: the duplexes that have something to do. */
struct fy_duplexes {
    struct fy_loop_part part;
    struct fy_loop *loop;
    unsigned write_timeout_ms;
    struct fy_list ready;  /* struct fy_duplex.ready_node */
    struct fy_list rested; /* the same: they have had their share of this turn */
};

void fy_duplexes_init(struct fy_duplexes *duplexes, struct fy_loop *loop, unsigned write_timeout_ms);

/* The connection of a duplex. */
struct fy_duplex_line {
    /*
     * As readv, into to[0] first, if it has room, and writev, without waiting and without a signal: -1 with errno,
     * EAGAIN for "not now".  *ret_is_empty: no more is there for now, as far as is known.
     */
    ssize_t (*read)(struct fy_duplex *duplex, const struct iovec to[2], bool *ret_is_empty);
    ssize_t (*write)(struct fy_duplex *duplex, const struct iovec *runs, size_t n_runs);
    bool (*is_blocked)(const struct fy_duplex *duplex); /* the last write was not taken whole, or is not sent yet */
    void (*watch)(struct fy_duplex *duplex, uint32_t events); /* of epoll, for fy_duplex_on_event */
    /* End our direction.  false: the line is blocked, and it has to be called again when that is over. */
    bool (*end)(struct fy_duplex *duplex);
    /* Have done with it.  Hard: what was sent is lost as well, and the other end sees a reset. */
    void (*close)(struct fy_duplex *duplex, bool is_hard);
    /* Around all that may call the user.  A duplex that is over when it is left is to be freed. */
    void (*enter)(struct fy_duplex *duplex);
    void (*leave)(struct fy_duplex *duplex);
};

enum fy_duplex_state {
    FY_DUPLEX_OPEN,   /* bytes go both ways */
    FY_DUPLEX_ENDING, /* its user has ended it: what is gathered is sent */
    FY_DUPLEX_ENDED,  /* our direction has ended; the other end's is awaited */
    FY_DUPLEX_OVER,   /* closed; no event comes any more */
    FY_N_DUPLEX_STATES
};

struct fy_duplex {
    struct fy_net_object object;
    const struct fy_duplex_line *line;
    struct fy_duplexes *duplexes;
    enum fy_duplex_state state;
    struct fy_duplex_events events;
    void *arg;
    char *head; /* sent first; NULL: it is sent, or there is none */
    size_t head_len;
    size_t head_at;
    bool is_paused;
    bool is_awake;            /* gather may add something */
    bool is_readable;         /* the share of a turn was read, and there may be more */
    uint32_t watched;         /* the events that line->watch was told last */
    unsigned n_inside;        /* functions that look at it again when they have called the user */
    struct fy_timer deadline; /* set while bytes do not go, or the other end's end is awaited */
    struct fy_node ready_node;
    struct fy_share n_read, n_written;
};

/* The duplex is open.  head, of malloc, is sent first, and may be NULL. */
void fy_duplex_open(struct fy_duplex *duplex, const struct fy_duplex_line *line, struct fy_duplexes *duplexes,
                    const struct fy_duplex_events *events, void *arg, char *head, size_t head_len);

void fy_duplex_on_event(struct fy_duplex *duplex, uint32_t events);

/* Close it and tell the user, unless it is over. */
void fy_duplex_finish(struct fy_duplex *duplex, int err, const char *detail);

/* As in net.h, without its first words. */
void fy_http_duplex_wake(struct fy_duplex *duplex);
void fy_http_duplex_pause(struct fy_duplex *duplex);
void fy_http_duplex_resume(struct fy_duplex *duplex);
void fy_http_duplex_end(struct fy_duplex *duplex);
void fy_http_duplex_abort(struct fy_duplex *duplex);

#endif
