/*
 * raft_change.h - libraft's encoding of a configuration, checked without decoding it into memory.
 *
 *     byte     version, 1
 *     8 bytes  number of servers, and for each:
 *         8 bytes  id, not 0, and no two the same
 *         bytes    address, ended by a zero byte, and no two the same
 *         byte     role: 0 standby, 1 voter, 2 spare
 *
 * Integers are little-endian.  libraft pads the whole to a multiple of 8 bytes, which it does not set.
 */
#ifndef FY_ADAPTERS_LIBRAFT_RAFT_CHANGE_H
#define FY_ADAPTERS_LIBRAFT_RAFT_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool fy_raft_change_is_valid(const uint8_t *data, size_t len);

#endif
