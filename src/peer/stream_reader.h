/*
 * stream_reader.h - one of a peer's two incoming streams: dial, decode, and dial again.
 *
 * Dials for as long as the peer exists, at a bounded rate with jitter.  After a refusal (every answer but 200, and a
 * version that does not serve the stream) it waits longer each time, up to sixteen times the retry interval; after
 * other failures it does not, so that a link that heals is found at once.  The connection is an end of the link.
 */
#ifndef FY_PEER_STREAM_READER_H
#define FY_PEER_STREAM_READER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/log.h"
#include "member/excuse.h"
#include "member/link.h"
#include "member/refusal.h"
#include "member/url_picker.h"
#include "net/net.h"
#include "net/timers.h"
#include "wire/decoder.h"

struct fy_peer_base;

struct fy_stream_reader {
    struct fy_peer_base *base; /* const */
    enum ferry_stream stream;
    struct fy_link_end end; /* up while state == FERRY_READER_ACTIVE */

    /* for other threads to read */
    atomic_int shown_state;        /* state */
    atomic_uint_fast64_t since_ms; /* Unix time since when it is ACTIVE; 0: it is not */
    atomic_uint_fast64_t dials;
    atomic_uint_fast64_t heartbeats; /* link heartbeats received */

    /* the loop's */
    enum ferry_reader_state state;
    struct fy_call *call; /* DIALING, REFUSED, ACTIVE */
    struct fy_picked_url url;
    struct fy_decoder decoder; /* ACTIVE */
    struct fy_refusal refusal; /* REFUSED */
    struct fy_timer retry;     /* BACKOFF */
    struct fy_timer watch;     /* DIALING, REFUSED: the answer is due; ACTIVE: progress is due */
    uint64_t last_dial_ns;
    uint64_t last_progress_ns; /* ACTIVE: when the last whole frame, or the last MIN_PROGRESS bytes, came */
    size_t n_bytes_since;      /* ACTIVE: bytes that came since then */
    unsigned n_refusals;       /* in a row */
    unsigned n_hurried;        /* dials since the last that worked */
    struct fy_excuse excuse;
    bool is_proven;         /* a frame came since the log last said that we read */
    unsigned n_failures;    /* dials and streams that ended, in a row without a frame between them */
    char last_failure[160]; /* as logged last: the same text is not logged again */
    struct fy_log_fold fold;
    struct fy_log_fold active_fold;
};

void fy_stream_reader_init(struct fy_stream_reader *r, struct fy_peer_base *base, enum ferry_stream stream);
void fy_stream_reader_release(struct fy_stream_reader *r); /* stopped */

void fy_stream_reader_start(struct fy_stream_reader *r);
void fy_stream_reader_stop(struct fy_stream_reader *r);

/* The peer's URLs changed: a reader that waits to dial does so soon. */
void fy_stream_reader_urls_changed(struct fy_stream_reader *r);

#endif
