/*
 * stream_writer.h - one of a peer's two outgoing streams: from the channel into the answer of the GET by which the
 * peer reads it.
 *
 * Detached until the peer dials; then attached to that connection until it breaks, or until the peer dials again and
 * the newer connection takes its place.  The channel is open exactly while the writer is attached.  The connection is
 * an end of the link.
 */
#ifndef FY_PEER_STREAM_WRITER_H
#define FY_PEER_STREAM_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/log.h"
#include "member/channel.h"
#include "member/link.h"
#include "net/net.h"
#include "net/timers.h"
#include "wire/encoder.h"

struct fy_outgoing;
struct fy_peer_base;

struct fy_stream_writer {
    struct fy_peer_base *base; /* const */
    enum ferry_stream stream;
    struct fy_channel channel;       /* senders put here, from any thread */
    struct fy_link_end end;          /* up while out != NULL */
    atomic_uint_fast64_t since_ms;   /* Unix time of the attachment; 0 while there is none.  For any thread to read */
    atomic_uint_fast64_t oldest_ns;  /* the same: when the oldest of current and taken was queued; 0: none */
    atomic_uint_fast64_t heartbeats; /* the same: link heartbeats sent */

    /* the loop's */
    struct fy_outflow *out;      /* NULL: detached */
    struct fy_encoder encoder;   /* fresh with each connection; it stands where the bytes end that the net has taken */
    struct fy_encoder ahead;     /* a copy that runs ahead over what the net is shown */
    struct fy_list taken;        /* from the channel, not yet begun by encoder */
    struct fy_outgoing *current; /* in the encoder; NULL: none, or a heartbeat */
    size_t frame_len;            /* of current, on the wire */
    bool heartbeat_due;
    struct fy_timer heartbeat;
    struct fy_log_fold fold;
};

void fy_stream_writer_init(struct fy_stream_writer *w, struct fy_peer_base *base, enum ferry_stream stream);
void fy_stream_writer_release(struct fy_stream_writer *w); /* stopped */

/* Answer the peer's GET with the stream.  Takes req.  A connection that was attached before is ended cleanly. */
void fy_stream_writer_attach(struct fy_stream_writer *w, struct fy_request *req);

/* The channel holds messages. */
void fy_stream_writer_wake(struct fy_stream_writer *w);

/* End the connection, and drop what is queued for reason. */
void fy_stream_writer_stop(struct fy_stream_writer *w, enum ferry_drop_reason reason);

#endif
