/*
 * message.h - received messages: protobuf bytes decoded into one counted block.
 *
 * The block holds the ferry_message, what it points to, and a reference count.  The bytes are scanned once before
 * anything is allocated.  The scan rejects malformed input, limits the nesting, and computes the exact size of the
 * block, which is limited: a frame of empty entries takes some twenty times its size in memory.
 *
 * Bytes that lie in a frame of ours need not be copied: the block then holds the frame, and the message points into it.
 */
#ifndef FY_WIRE_MESSAGE_H
#define FY_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

/* Levels of nested responses, read or written. etcd's Raft uses one. */
#define FY_MESSAGE_MAX_DEPTH 16

struct fy_frame;

/*
 * Decode a bare protobuf Message of any schema from 3.4 to 3.7. max_memory limits the block.  An empty snapshot (no
 * data, index 0, term 0, no members) in a message other than MsgSnap counts as absent.
 * FERRY_OK with one reference in *ret_msg; FERRY_ERR_MALFORMED, _DEPTH, _TOO_LARGE, _NOMEM.
 */
int fy_message_decode(const uint8_t *data, size_t len, size_t max_memory, const struct ferry_message **ret_msg);

/*
 * The same for bytes in the memory *home (NULL: not in a frame).  The message takes *home over and sets it to NULL if
 * it fills at least half of it, and it is within max_memory.
 */
int fy_message_decode_in(const uint8_t *data, size_t len, size_t max_memory, struct fy_frame **home,
                         const struct ferry_message **ret_msg);

/* The same, but a link heartbeat gives FERRY_OK with *ret_msg NULL, and allocates nothing. */
int fy_message_decode_unless_heartbeat(const uint8_t *data, size_t len, size_t max_memory, struct fy_frame **home,
                                       const struct ferry_message **ret_msg);

/*
 * Build a message from a compact frame: the scalars of head, and n_entries entries in the len bytes at data, each a
 * 64-bit big-endian length and a protobuf Entry. home and errors as above.
 */
int fy_message_decode_entries(const struct ferry_message *head, const uint8_t *data, size_t len, size_t n_entries,
                              size_t max_memory, struct fy_frame **home, const struct ferry_message **ret_msg);

/* The memory of a decoded message in bytes, including its frame. */
size_t fy_message_memory(const struct ferry_message *msg);

/* Is it a link heartbeat: MsgHeartbeat from 0 to 0? */
bool fy_message_is_link_heartbeat(const struct ferry_message *msg);

#endif
