/*
 * unparsed.h - what libmicrohttpd has read of a client and cannot make a head or a piece of a body of yet.
 */
#ifndef FY_NET_HTTP_UNPARSED_H
#define FY_NET_HTTP_UNPARSED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct fy_conn;
struct fy_listener;

/* A part of its connection. */
struct fy_unparsed {
    struct fy_node node; /* listener->talking */
    size_t n_readable;   /* when bytes came: what the socket held */
    bool is_of_use;      /* since then they completed a head or were of a body */
    size_t n_bytes;
    unsigned n_arrivals;
};

void fy_unparsed_came(struct fy_conn *conn);       /* bytes; libmicrohttpd has not run yet */
void fy_unparsed_was_of_use(struct fy_conn *conn); /* a head is whole or awaited, or a piece of a body came */

/* libmicrohttpd has run: account for what came.  The next connection that sent too much; NULL: none, or no more. */
struct fy_conn *fy_unparsed_next_excess(struct fy_listener *listener);

#endif
