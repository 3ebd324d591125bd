/*
 * pipeline.h - how messages go out while no stream is up, and MsgSnap always: one POST each, a few at a time.
 */
#ifndef FY_PEER_PIPELINE_H
#define FY_PEER_PIPELINE_H

#include <stdatomic.h>

#include "member/channel.h"
#include "member/refusal.h"
#include "member/stall.h"
#include "member/url_picker.h"
#include "net/net.h"
#include "net/timers.h"
#include "wire/encoder.h"

#define FY_PIPELINE_WIDTH 4 /* POSTs in flight, as in etcd */

struct fy_outgoing;
struct fy_peer_base;
struct fy_pipeline;

/* One POST. */
struct fy_post {
    struct fy_pipeline *pipeline;
    struct fy_outgoing *msg;   /* NULL: the slot is free */
    uint8_t *body;             /* the bare message, if it is short */
    struct fy_encoder encoder; /* else what yields it, when the net asks */
    struct fy_call *call;
    struct fy_picked_url url;
    struct fy_refusal answer; /* status 0: none yet */
    struct fy_timer deadline; /* the end of the window of stall */
    struct fy_stall stall;
    uint64_t n_acked; /* of the connection, when last asked; is_acked_known: it was asked */
    bool is_acked_known;
};

struct fy_pipeline {
    struct fy_peer_base *base; /* const */
    struct fy_channel channel; /* senders put here, from any thread; open from start to stop */
    /* when the oldest in flight was queued; 0: there is none.  For any thread to read */
    atomic_uint_fast64_t oldest_ns;
    atomic_bool is_unreachable; /* a POST would wait or fail: the peer is dead.  For any thread to read */
    bool is_stopped;            /* the loop's, as what follows */
    uint64_t unheard_ns;        /* when a POST last ended without an answer; 0: none has */
    size_t n_unheard;           /* URLs in a row at which a POST got no answer */
    struct fy_timer retry;      /* set: no POST is begun before it fires */
    struct fy_post posts[FY_PIPELINE_WIDTH];
};

void fy_pipeline_init(struct fy_pipeline *p, struct fy_peer_base *base);
void fy_pipeline_release(struct fy_pipeline *p); /* stopped */

/* The channel holds messages. */
void fy_pipeline_wake(struct fy_pipeline *p);

/* The peer has other URLs: they are tried at once. */
void fy_pipeline_urls_changed(struct fy_pipeline *p);

/* Cancel what is in flight, drop all for reason, and refuse more. */
void fy_pipeline_stop(struct fy_pipeline *p, enum ferry_drop_reason reason);

#endif
