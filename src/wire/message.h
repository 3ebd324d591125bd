/*
 * message.h - a message that came off the wire: protobuf bytes to one counted block.
 *
 * The block holds the ferry_message, what it points to, and the count.  Before anything is allocated the bytes are
 * walked once: that walk finds malformed input, bounds the nesting, and tells the block's exact size, which is held
 * against a limit - a frame of empty entries takes some twenty times its bytes in memory.
 *
 * Bytes that lie in a frame of ours need not be copied: then the block holds the frame, and the message points into it.
 */
#ifndef FY_WIRE_MESSAGE_H
#define FY_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

/* Levels of responses inside responses, read or written.  etcd's Raft uses one. */
#define FY_MESSAGE_MAX_DEPTH 16

struct fy_frame;

/*
 * Decode a bare protobuf Message of any schema from 3.4 to 3.7.  max_memory bounds the block.
 * An empty snapshot (no data, index 0, term 0, no members) in a message that is no MsgSnap is taken for none.
 * FERRY_OK with *ret_msg holding one reference; FERRY_ERR_MALFORMED, _DEPTH, _TOO_LARGE, _NOMEM.
 */
int fy_message_decode(const uint8_t *data, size_t len, size_t max_memory, const struct ferry_message **ret_msg);

/*
 * The same, of bytes that lie in the memory *home (NULL: in none of ours).  The message takes it over, and sets it to
 * NULL, when that is worth while - it fills at least half of it - and within max_memory.
 */
int fy_message_decode_in(const uint8_t *data, size_t len, size_t max_memory, struct fy_frame **home,
                         const struct ferry_message **ret_msg);

/* The same, but a link heartbeat gives FERRY_OK with *ret_msg NULL, and allocates nothing. */
int fy_message_decode_unless_heartbeat(const uint8_t *data, size_t len, size_t max_memory, struct fy_frame **home,
                                       const struct ferry_message **ret_msg);

/*
 * Build a message from a compact frame: the scalars of head, and n_entries entries, each a 64-bit length in network
 * order and a protobuf Entry, which together are the len bytes at data.  home and errors as above.
 */
int fy_message_decode_entries(const struct ferry_message *head, const uint8_t *data, size_t len, size_t n_entries,
                              size_t max_memory, struct fy_frame **home, const struct ferry_message **ret_msg);

/* The memory that a decoded message holds, in bytes, its frame included. */
size_t fy_message_memory(const struct ferry_message *msg);

/* Is it a link heartbeat: MsgHeartbeat from 0 to 0? */
bool fy_message_is_link_heartbeat(const struct ferry_message *msg);

#endif
