/*
 * stream_writer.h - one of a peer's two outgoing streams: from the channel into the answer of the GET by which the
 * peer reads it.
 *
 * Detached until the peer dials; then attached to that connection until it breaks, or until the peer dials again and
 * the newer connection takes its place.  The channel is open exactly while the writer is attached.
 */
#ifndef FY_PEER_STREAM_WRITER_H
#define FY_PEER_STREAM_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/log.h"
#include "member/channel.h"
#include "net/net.h"
#include "net/timers.h"
#include "wire/encoder.h"

struct fy_peer;

struct fy_stream_writer {
    struct fy_peer *peer; /* const */
    enum ferry_stream stream;
    struct fy_channel channel;       /* senders put here, from any thread */
    atomic_bool is_attached;         /* out != NULL, for other threads to read, as all up to heartbeats */
    atomic_uint_fast64_t since_ms;   /* Unix time of the attachment; 0 while there is none */
    atomic_uint_fast64_t oldest_ns;  /* when the oldest of current and taken was queued; 0: none */
    atomic_uint_fast64_t heartbeats; /* link heartbeats sent */

    /* the loop's */
    struct fy_outflow *out;      /* NULL: detached */
    struct fy_encoder encoder;   /* fresh with each connection; it stands where the net has taken bytes to */
    struct fy_encoder ahead;     /* of it, where the net is shown bytes */
    struct fy_list taken;        /* from the channel, not yet begun by encoder */
    struct fy_outgoing *current; /* in the encoder; NULL: none, or a heartbeat */
    size_t frame_len;            /* of current, on the wire */
    bool heartbeat_due;
    struct fy_timer heartbeat;
    struct fy_log_fold fold;
};

void fy_stream_writer_init(struct fy_stream_writer *w, struct fy_peer *peer, enum ferry_stream stream);
void fy_stream_writer_release(struct fy_stream_writer *w); /* stopped */

/* Answer the peer's GET with the stream.  Takes req.  A connection that was attached before is ended cleanly. */
void fy_stream_writer_attach(struct fy_stream_writer *w, struct fy_request *req);

/* The channel has something. */
void fy_stream_writer_wake(struct fy_stream_writer *w);

/* Send a link heartbeat now, if the writer is attached. */
void fy_stream_writer_beat(struct fy_stream_writer *w);

/* The link is lost: break the connection, if there is one, and drop what is queued. */
void fy_stream_writer_give_up(struct fy_stream_writer *w, const char *why);

/* End the connection, and drop what is queued for reason. */
void fy_stream_writer_stop(struct fy_stream_writer *w, enum ferry_drop_reason reason);

#endif
