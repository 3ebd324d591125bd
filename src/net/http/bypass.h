/*
 * bypass.h - endless answers, written past libmicrohttpd.
 */
#ifndef FY_NET_HTTP_BYPASS_H
#define FY_NET_HTTP_BYPASS_H

#include "base/list.h"
#include "net/http/loop.h"

struct fy_outflow;

/* A part of the loop: the outflows of a server that go this way and have something to write. */
struct fy_outflows {
    struct fy_loop_part part;
    struct fy_list ready;  /* struct fy_outflow.ready_node: may have something to write */
    struct fy_list rested; /* the same: they have had their share of this turn */
};

void fy_outflows_init(struct fy_outflows *outflows, struct fy_loop *loop);

/* libmicrohttpd has sent the head, which announces chunks, and nothing of the body, and is suspended. */
void fy_bypass_begin(struct fy_outflow *out);
void fy_bypass_wake(struct fy_outflow *out); /* the source has something */
void fy_bypass_end(struct fy_outflow *out);  /* write no more; also for one that never began */

#endif
