/*
 * outflow.h - an answer without an end, and what outflow.c, bypass.c and unsent.c know of it.
 *
 * It lives as long as its request.  The request says whether a user still holds it (on_gone).
 */
#ifndef FY_NET_HTTP_OUTFLOW_H
#define FY_NET_HTTP_OUTFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/http/request.h"
#include "wire/chunk_writer.h"

enum fy_outflow_state {
    FY_OUTFLOW_ASKED, /* libmicrohttpd asks for bytes, and writes them */
    FY_OUTFLOW_PAST,  /* chunks are written past it */
    FY_OUTFLOW_ENDED, /* the body is complete */
    FY_OUTFLOW_LOST,  /* it was aborted, or its user was told that it is gone */
    FY_N_OUTFLOW_STATES
};

struct fy_outflow {
    struct fy_net_object object;
    struct fy_request *req;
    struct fy_socket *socket; /* its connection's */
    enum fy_outflow_state state;
    struct fy_outflow_source source;
    void *arg;

    /* outflow.c's: of libmicrohttpd's buffer */
    size_t n_touched; /* bytes, since it was last trimmed */
    uint64_t trimmed_ns;
    bool was_woken; /* since the source was last asked by libmicrohttpd */

    /* bypass.c's */
    struct fy_node ready_node; /* fy_outflows.ready or rested */
    struct fy_share share;     /* that it wrote of this turn */
    struct fy_chunk_writer chunk;

    /* unsent.c's */
    struct fy_node unsent_node; /* listener->unsent */
    uint64_t unsent_since_ns;
};

bool fy_outflow_is_live(const struct fy_outflow *out); /* its user holds it */
void fy_outflow_free(struct fy_outflow *out);          /* NULL is fine */

/* As in net.h. */
struct fy_outflow *fy_server_outflow_begin(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                           const struct fy_outflow_source *source, void *arg);
void fy_server_outflow_wake(struct fy_outflow *out);
void fy_server_outflow_end(struct fy_outflow *out);
void fy_server_outflow_abort(struct fy_outflow *out);
bool fy_server_outflow_vitals(const struct fy_outflow *out, struct fy_vitals *ret_vitals);

#endif
