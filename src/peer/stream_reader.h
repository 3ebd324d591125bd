/*
 * stream_reader.h - one of a peer's two incoming streams: dial, decode, and dial again.
 *
 * Dials for as long as the peer exists, at a bounded rate with jitter.  Refusals - every answer but 200, and a version
 * that does not serve the stream - are retried more and more slowly, up to sixteen times the retry interval; other
 * failures are not, so that a link that heals is found at once.
 */
#ifndef FY_PEER_STREAM_READER_H
#define FY_PEER_STREAM_READER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/log.h"
#include "member/excuse.h"
#include "member/refusal.h"
#include "member/url_picker.h"
#include "net/net.h"
#include "net/timers.h"
#include "wire/decoder.h"

struct fy_peer;

struct fy_stream_reader {
    struct fy_peer *peer; /* const */
    enum ferry_stream stream;
    atomic_bool is_attached; /* state == FERRY_READER_ACTIVE, for other threads to read, as all up to heartbeats */
    atomic_int shown_state;  /* state */
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
    uint64_t last_progress_ns; /* ACTIVE: of the last whole frame, or of the last MIN_PROGRESS bytes */
    size_t n_bytes_since;      /* ACTIVE: bytes since then */
    unsigned n_refusals;       /* in a row */
    unsigned n_hurried;        /* dials in a row that were not given all of the dial timeout */
    uint64_t dial_took_ns;     /* the last that worked, up to the answer's head; 0: none did */
    struct fy_excuse excuse;
    bool is_proven;         /* a frame came since a stream was last said to stand */
    unsigned n_failures;    /* ends of any kind, in a row without a frame between them */
    char last_failure[160]; /* the last that was logged: the same again is not */
    struct fy_log_fold fold;
    struct fy_log_fold standing_fold;
};

void fy_stream_reader_init(struct fy_stream_reader *r, struct fy_peer *peer, enum ferry_stream stream);
void fy_stream_reader_release(struct fy_stream_reader *r); /* stopped */

void fy_stream_reader_start(struct fy_stream_reader *r);
void fy_stream_reader_stop(struct fy_stream_reader *r);
void fy_stream_reader_give_up(struct fy_stream_reader *r, const char *why); /* the link is lost: dial anew */

/*
 * How long one attempt to connect to the peer may take.  A kernel asks again after one second, then two, then four, so
 * that an attempt begun during an outage would sleep on when the link is back.  Where dials are known to work they are
 * therefore kept short, in relation to the reader's last that did, and made anew.
 */
uint64_t fy_stream_reader_connect_timeout_ns(const struct fy_stream_reader *r);

/* The peer's URLs changed: a reader that waits dials soon. */
void fy_stream_reader_urls_changed(struct fy_stream_reader *r);

#endif
