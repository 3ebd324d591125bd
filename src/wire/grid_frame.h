/*
 * grid_frame.h - the envelope of every message of a grid: an array of seven, and what follows it.
 *
 * One WebSocket message is one grid message: mux id, sequence number, deadline, handler, op, flags and payload as a
 * MessagePack array, then the key of a subroute and a checksum where the flags say so.  A merged message is an empty
 * one that is followed by others.  Nothing is allocated: what is decoded lies in the input.
 */
#ifndef FY_WIRE_GRID_FRAME_H
#define FY_WIRE_GRID_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/gather.h"
#include "ferry/msgpack.h"

/* What a message is, by the names that logs and refusals use. */
#define FY_GRID_OP_MAP(X)                                                                                              \
    X(CONNECT, 1, "Connect")                                                                                           \
    X(CONNECT_RESPONSE, 2, "ConnectResponse")                                                                          \
    X(PING, 3, "Ping")                                                                                                 \
    X(PONG, 4, "Pong")                                                                                                 \
    X(CONNECT_MUX, 5, "ConnectMux")                                                                                    \
    X(MUX_CONNECT_ERROR, 6, "MuxConnectError")                                                                         \
    X(DISCONNECT_CLIENT_MUX, 7, "DisconnectClientMux")                                                                 \
    X(DISCONNECT_SERVER_MUX, 8, "DisconnectServerMux")                                                                 \
    X(MUX_CLIENT_MSG, 9, "MuxClientMsg")                                                                               \
    X(MUX_SERVER_MSG, 10, "MuxServerMsg")                                                                              \
    X(UNBLOCK_SERVER_MUX, 11, "UnblockSrvMux")                                                                         \
    X(UNBLOCK_CLIENT_MUX, 12, "UnblockClMux")                                                                          \
    X(ACK_MUX, 13, "AckMux")                                                                                           \
    X(REQUEST, 14, "Request")                                                                                          \
    X(RESPONSE, 15, "Response")                                                                                        \
    X(DISCONNECT, 16, "Disconnect")                                                                                    \
    X(MERGED, 17, "Merged")

#define FY_GRID_OP_ENUM(name, value, text) FY_GRID_##name = (value),
enum fy_grid_op { FY_GRID_OP_MAP(FY_GRID_OP_ENUM) };
#undef FY_GRID_OP_ENUM

enum fy_grid_flag {
    FY_GRID_CRC = 0x01,             /* a checksum follows */
    FY_GRID_EOF = 0x02,             /* the last message of its direction */
    FY_GRID_STATELESS = 0x04,       /* reserved; a stream that asks for it is refused */
    FY_GRID_PAYLOAD_IS_ERR = 0x08,  /* the payload is the text of an error */
    FY_GRID_PAYLOAD_IS_ZERO = 0x10, /* the payload is empty, not absent */
    FY_GRID_SUBROUTE = 0x20,        /* the key of a subroute follows */
};

#define FY_GRID_SUBROUTE_SIZE 32
#define FY_GRID_CRC_SIZE 4
#define FY_GRID_MAX_HEAD 31 /* bytes before a payload */
#define FY_GRID_MAX_TAIL (FY_GRID_SUBROUTE_SIZE + FY_GRID_CRC_SIZE)
#define FY_GRID_MAX_PART_HEAD 5

struct fy_grid_message {
    uint64_t mux;
    uint32_t seq; /* of a merged message: how many are in it */
    uint32_t deadline_ms;
    uint8_t handler;
    uint8_t op;                 /* enum fy_grid_op, or a number that is not in it */
    uint8_t flags;              /* enum fy_grid_flag */
    struct ferry_bytes payload; /* decoded: data is NULL for an empty one without FY_GRID_PAYLOAD_IS_ZERO */
    const uint8_t *subroute;    /* FY_GRID_SUBROUTE_SIZE bytes with FY_GRID_SUBROUTE, otherwise not looked at */
    struct ferry_bytes rest;    /* decoded: what follows the array before the trailers; encoded: not looked at */
};

/* "Connect" and so on; "unknown" for a number that is no op. */
const char *fy_grid_op_name(unsigned op);

/* ---- Decoding ---- */

/*
 * Decode one whole message.  Numbers may have any MessagePack form that fits; the payload must be bytes.  A checksum is
 * verified if there is one.  Unknown ops and flags are left to the caller.
 * FERRY_OK with all of *ret_msg set, lent from data; FERRY_ERR_MALFORMED, _TRUNCATED, _CHECKSUM.
 */
int fy_grid_decode(const uint8_t *data, size_t len, struct fy_grid_message *ret_msg);

/* The messages in a merged one, in order. */
struct fy_grid_parts {
    struct ferry_msgpack_reader reader;
    uint32_t left;
};

/*
 * Begin with a decoded FY_GRID_MERGED message.  All that it announces must be there, and nothing else: a message is
 * not half carried out.  FERRY_OK; FERRY_ERR_MALFORMED, _TRUNCATED.
 */
int fy_grid_parts_init(struct fy_grid_parts *parts, const struct fy_grid_message *merged);

/* The next one, for fy_grid_decode; false: there are no more.  One that is merged itself is to be dropped. */
bool fy_grid_parts_next(struct fy_grid_parts *parts, struct ferry_bytes *ret_part);

/* ---- Encoding ---- */

/* The exact length of a message on the wire. */
size_t fy_grid_encoded_len(const struct fy_grid_message *msg);

/*
 * Write a message into buf, of cap bytes.  *ret_len is how long it is.
 * FERRY_OK; FERRY_ERR_TOO_LARGE when cap is less than that (nothing was written), or the payload has 4 GiB or more.
 */
int fy_grid_encode(const struct fy_grid_message *msg, uint8_t *buf, size_t cap, size_t *ret_len);

/* A message with a long payload, which is lent: three runs of bytes. */
struct fy_grid_runs {
    uint8_t head[FY_GRID_MAX_HEAD];
    uint8_t tail[FY_GRID_MAX_TAIL];
    size_t head_len;
    size_t tail_len;
    struct ferry_bytes payload;
};

/* Make runs of msg, whose payload is below 4 GiB.  Returns their length together. */
size_t fy_grid_runs_init(struct fy_grid_runs *runs, const struct fy_grid_message *msg);

/* Add them to g from byte at on, as far as there is room.  Returns the byte up to which they were added. */
size_t fy_grid_runs_gather(const struct fy_grid_runs *runs, size_t at, struct fy_gather *g);

/* What a merged message of n_parts begins with, and each of its parts, of len bytes.  Return their own lengths. */
size_t fy_grid_merged_head(uint8_t head[FY_GRID_MAX_HEAD], uint32_t n_parts);
size_t fy_grid_part_head(uint8_t head[FY_GRID_MAX_PART_HEAD], uint32_t len);

#endif
