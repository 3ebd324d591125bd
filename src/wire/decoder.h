/*
 * decoder.h - the bytes of one connection to messages.  A pure byte machine: accepts input cut at any byte.
 *
 * A short frame that lies whole in the input is decoded where it lies; any other is gathered in memory that grows as
 * its bytes arrive, never by what a length field promises.  That of a long one goes on as its message's (frame.h).
 */
#ifndef FY_WIRE_DECODER_H
#define FY_WIRE_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "wire/encoder.h"

struct fy_frame;
struct fy_frames;

struct fy_decoder {
    enum fy_codec codec; /* MESSAGE or MSGAPPV2 */
    uint64_t local_id;
    uint64_t remote_id;
    size_t max_bytes; /* of one frame on the wire, and of one decoded message in memory */
    uint64_t term;    /* msgappv2's state */
    uint64_t index;   /* msgappv2's state */

    /* The frame that is coming in, as far as its own fields have told. */
    unsigned step;         /* decoder.c: enum step */
    size_t need;           /* bytes of it that are surely there: the next step can be made once so many have come */
    uint64_t n_entries;    /* of a compact frame */
    uint64_t entries_left; /* of them, those whose length is not known yet */

    /* Its bytes, when it came in pieces.  Empty between frames. */
    struct fy_frame *gathered;
    size_t n_gathered;
    struct fy_frames *frames; /* where it comes from; NULL: nothing was gathered yet */
};

void fy_decoder_init(struct fy_decoder *dec, enum fy_codec codec, uint64_t local_id, uint64_t remote_id,
                     size_t max_bytes);
void fy_decoder_release(struct fy_decoder *dec);

enum fy_decoded {
    FY_DECODED_NOTHING,   /* all input is used, and no frame is complete */
    FY_DECODED_MESSAGE,   /* *ret_msg holds a reference */
    FY_DECODED_HEARTBEAT, /* a link heartbeat */
};

/*
 * Take bytes from data until one frame is complete or all are used; *ret_used says how many were.  Call again with the
 * rest.  *ret_frame_len: the length of the completed frame on the wire.
 * Returns an enum fy_decoded, or an error, after which the decoder only wants to be released: FERRY_ERR_TOO_LARGE,
 * _FRAME_TYPE, _MALFORMED, _DEPTH, _NOMEM.
 */
int fy_decoder_feed(struct fy_decoder *dec, const uint8_t *data, size_t len, size_t *ret_used,
                    const struct ferry_message **ret_msg, size_t *ret_frame_len);

/*
 * Where the next bytes of a long frame are to go, if the caller has the choice: placed there and then fed from there
 * they are not copied again.  *ret_cap: how many of them at most.  NULL: anywhere.  What it returned is good until the
 * next call with this decoder.
 */
uint8_t *fy_decoder_room(struct fy_decoder *dec, size_t *ret_cap);

/* Called now and then: gives back memory that no frame has needed since the last call. */
void fy_decoder_trim(struct fy_decoder *dec);

/* Is the connection's end here a clean one?  FERRY_OK between frames, else FERRY_ERR_TRUNCATED. */
int fy_decoder_end(const struct fy_decoder *dec);

#endif
