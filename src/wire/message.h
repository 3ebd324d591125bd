/*
 * message.h - a message that came off the wire: protobuf bytes to one counted block.
 *
 * The block holds the ferry_message, what it points to, and the count.  Before anything is allocated the bytes are
 * walked once: that walk finds malformed input, bounds the nesting, and tells the block's exact size, which is held
 * against a limit - a frame of empty entries takes some forty times its bytes in memory.
 */
#ifndef FY_WIRE_MESSAGE_H
#define FY_WIRE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

/*
 * Decode a bare protobuf Message of any schema from 3.4 to 3.7.  max_memory bounds the block.
 * An empty snapshot (no data, index 0, term 0, no members) in a message that is no MsgSnap is taken for none.
 * FERRY_OK with *ret_msg holding one reference; FERRY_ERR_MALFORMED, _DEPTH, _TOO_LARGE, _NOMEM.
 */
int fy_message_decode(const uint8_t *data, size_t len, size_t max_memory, const struct ferry_message **ret_msg);

/* The memory that a decoded message holds, in bytes. */
size_t fy_message_memory(const struct ferry_message *msg);

/* Is it a link heartbeat: MsgHeartbeat from 0 to 0? */
bool fy_message_is_link_heartbeat(const struct ferry_message *msg);

#endif
