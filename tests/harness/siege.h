/*
 * siege.h - many clients that mean harm, in a process of their own: one loop that keeps up a number of connections of
 * each kind, and dials again when one was closed.
 */
#ifndef HARNESS_SIEGE_H
#define HARNESS_SIEGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * One kind of client.  It connects, sends head, and then body over and over, a piece each gap_ms; what it receives is
 * thrown away.
 */
struct siege_kind {
    const char *name;
    const char *url; /* "http://127.0.0.1:PORT" */
    unsigned n;      /* connections at a time */
    const char *head;
    size_t head_len;  /* 0: of a text */
    const char *body; /* NULL: nothing after the head */
    size_t body_len;
    unsigned gap_ms;    /* between two pieces; 0: as fast as they go */
    unsigned piece;     /* bytes of body at a time */
    unsigned life_ms;   /* then it leaves in the middle of what it does; 0: it stays */
    unsigned n_sources; /* addresses of 127.1.0.0/16 that it comes from by turns; 0: 127.0.0.1 */
};

#define SIEGE_MAX_KINDS 16

/* What became of a kind, in memory that both processes see. */
struct siege_figures {
    uint64_t n_dials;
    uint64_t n_bytes_sent;
    uint64_t n_bytes_received;
    uint64_t n_closed; /* by the other end */
};

struct siege {
    pid_t pid;
    size_t n_kinds;
    struct siege_figures *figures; /* [n_kinds] */
};

/* Start it; kinds are copied, what they point to must stay as it is until siege_end. */
void siege_begin(struct siege *siege, const struct siege_kind *kinds, size_t n_kinds);
void siege_end(struct siege *siege); /* every connection is closed when it returns */

#endif
