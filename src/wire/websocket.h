/*
 * websocket.h - WebSocket frames (RFC 6455, section 5).  A pure byte machine: accepts input cut at any byte, copies
 * nothing but control frames, and allocates nothing.
 *
 * The reader hands out pieces of messages where they lie in its input, unmasked in place.  What a frame announces is
 * held against the limit before the first byte of its payload is taken, so the owner never makes room by an unchecked
 * length.
 *
 * Refused: a frame that is masked where it must not be or the reverse, reserved bits and opcodes, control frames that
 * are fragmented or longer than 125 bytes, a continuation without a beginning, a message inside a message, a length
 * with its highest bit set.  A length that takes more bytes than it needs is accepted.
 */
#ifndef FY_WIRE_WEBSOCKET_H
#define FY_WIRE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fy_ws_opcode {
    FY_WS_CONTINUATION = 0x0,
    FY_WS_TEXT = 0x1,
    FY_WS_BINARY = 0x2,
    FY_WS_CLOSE = 0x8,
    FY_WS_PING = 0x9,
    FY_WS_PONG = 0xa,
};

#define FY_WS_MAX_HEAD 14     /* bytes before a payload */
#define FY_WS_MAX_CONTROL 125 /* bytes of a control frame's payload */

/* ---- Reading ---- */

struct fy_ws_reader {
    bool masked;        /* frames must be masked: we accepted the connection.  false: they must not be */
    size_t max_message; /* bytes of a message, all its fragments together */

    uint8_t head[FY_WS_MAX_HEAD]; /* of the present frame */
    unsigned n_head;              /* bytes of it that have come; 0: between two frames */
    bool in_payload;              /* the head is complete */
    uint64_t frame_len;           /* of its payload */
    uint64_t n_taken;             /* of them, those that have come */

    bool in_message;     /* a message has begun, and its last frame has not ended */
    bool is_piece_first; /* no piece of it was handed out yet */
    unsigned opcode;     /* of the message: TEXT or BINARY */
    size_t message_len;  /* bytes of it that its frames have announced so far; never above max_message */
    uint8_t control[FY_WS_MAX_CONTROL];
};

enum fy_ws_got {
    FY_WS_NOTHING, /* all input is used */
    FY_WS_DATA,    /* a piece of a message, in the input */
    FY_WS_CONTROL, /* a whole control frame, in the reader until the next call */
};

struct fy_ws_piece {
    unsigned opcode; /* enum fy_ws_opcode; for FY_WS_DATA that of the message: TEXT or BINARY */
    uint8_t *data;   /* unmasked */
    size_t len;
    bool is_first; /* of the message */
    bool is_last;  /* with it the message is complete */
};

void fy_ws_reader_init(struct fy_ws_reader *reader, bool masked, size_t max_message);

/*
 * Take bytes from data up to the end of one piece, or all.  *ret_used says how many; call again with the rest.
 * A piece is never empty, but for the last of a message.
 * Returns an enum fy_ws_got, or an error after which the reader must not be used: FERRY_ERR_PROTOCOL,
 * FERRY_ERR_TOO_LARGE (fy_ws_close_code has what to tell the other side).
 */
int fy_ws_reader_feed(struct fy_ws_reader *reader, uint8_t *data, size_t len, size_t *ret_used,
                      struct fy_ws_piece *ret_piece);

/*
 * So many bytes of a message come next, without anything in between; 0: not known yet.  An owner that reads them
 * straight to where the message is gathered, and feeds them from there, need not copy them.
 */
uint64_t fy_ws_reader_left(const struct fy_ws_reader *reader);

/* Does the connection's end here cut nothing off?  FERRY_OK between messages, else FERRY_ERR_TRUNCATED. */
int fy_ws_reader_end(const struct fy_ws_reader *reader);

/* ---- Writing ---- */

/*
 * Write the head of a frame of len bytes, whose length takes the fewest bytes.  mask: the four bytes that its payload
 * will be masked with; NULL: it is plain.  Returns the head's length.
 */
size_t fy_ws_head_write(uint8_t head[FY_WS_MAX_HEAD], enum fy_ws_opcode opcode, bool is_last, const uint8_t *mask,
                        uint64_t len);

/*
 * Mask or unmask len bytes from src to dst, which are the same or do not overlap.  offset: how many bytes of the
 * payload lie before src.
 */
void fy_ws_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t mask[4], uint64_t offset);

/* ---- Closing ---- */

enum fy_ws_close {
    FY_WS_CLOSE_NORMAL = 1000,
    FY_WS_CLOSE_GOING_AWAY = 1001,
    FY_WS_CLOSE_PROTOCOL_ERROR = 1002,
    FY_WS_CLOSE_NO_CODE = 1005, /* never on the wire: the frame was empty */
    FY_WS_CLOSE_TOO_BIG = 1009,
    FY_WS_CLOSE_INTERNAL_ERROR = 1011,
};

/* The code that tells the other side of an error: of the reader, or any other. */
enum fy_ws_close fy_ws_close_code(int err);

/*
 * Write the payload of a close frame; a reason longer than 123 bytes is cut, between two UTF-8 characters.
 * Returns its length.
 */
size_t fy_ws_close_write(uint8_t payload[FY_WS_MAX_CONTROL], unsigned code, const char *reason);

/*
 * Read one: *ret_code is FY_WS_CLOSE_NO_CODE for an empty payload; what follows the code is the reason, not checked.
 * FERRY_OK; FERRY_ERR_PROTOCOL for a single byte or a code that must not be on the wire.
 */
int fy_ws_close_read(const uint8_t *payload, size_t len, unsigned *ret_code);

#endif
