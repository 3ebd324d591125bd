/*
 * decoder.h - turns the bytes of one connection into messages.  A pure byte machine: accepts input cut at any byte.
 *
 * A short frame that is complete in the input is decoded in place.  Any other is gathered in memory that grows with the
 * bytes that arrive, never by what a length field claims.  The message of a long frame takes that memory over
 * (frame.h).
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
    size_t max_bytes; /* largest frame on the wire, and largest decoded message in memory */
    uint64_t term;    /* state of msgappv2 */
    uint64_t index;   /* state of msgappv2 */

    /* The current frame, as far as it is parsed. */
    unsigned step;         /* decoder.c: enum step */
    size_t need;           /* bytes that the next step needs, from the start of the frame */
    uint64_t n_entries;    /* entries of a compact frame */
    uint64_t entries_left; /* of these, how many are not yet read */

    /* The frame's bytes, if it came in pieces.  Empty between frames. */
    struct fy_frame *gathered;
    size_t n_gathered;
    struct fy_frames *frames; /* where gathered comes from; NULL: nothing was gathered yet */
};

void fy_decoder_init(struct fy_decoder *dec, enum fy_codec codec, uint64_t local_id, uint64_t remote_id,
                     size_t max_bytes);
void fy_decoder_release(struct fy_decoder *dec);

enum fy_decoded {
    FY_DECODED_NOTHING,   /* all input is used, no frame is complete */
    FY_DECODED_MESSAGE,   /* *ret_msg holds a reference */
    FY_DECODED_HEARTBEAT, /* a link heartbeat */
};

/*
 * Consume data until one frame is complete or all is used; *ret_used tells how much.  Call again with the rest.
 * *ret_frame_len: length of the completed frame on the wire.
 * Returns an enum fy_decoded, or an error, after which the decoder may only be released: FERRY_ERR_TOO_LARGE,
 * _FRAME_TYPE, _MALFORMED, _DEPTH, _NOMEM.
 */
int fy_decoder_feed(struct fy_decoder *dec, const uint8_t *data, size_t len, size_t *ret_used,
                    const struct ferry_message **ret_msg, size_t *ret_frame_len);

/*
 * Where to read the next bytes of a long frame, if the caller can choose: bytes read to there and then fed from there
 * are not copied again.  *ret_cap: the most that fits.  NULL: no preference.  The result is valid until the next call
 * with this decoder.
 */
uint8_t *fy_decoder_room(struct fy_decoder *dec, size_t *ret_cap);

/* Call periodically: frees memory that no frame has used since the last call. */
void fy_decoder_trim(struct fy_decoder *dec);

/* Was the connection closed between two frames?  FERRY_OK, else FERRY_ERR_TRUNCATED. */
int fy_decoder_end(const struct fy_decoder *dec);

#endif
