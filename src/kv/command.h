/*
 * command.h - what stands in the log's entries.
 *
 * Layout, integers big-endian: 1 byte kind, 3 bytes 0, 4 bytes length of the value, 8 bytes id, 4 bytes length of the
 * key, 4 bytes 0, key, value, and zeros up to a multiple of 8, which libraft's disk format asks for.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "adapters/libraft/raft_compat.h"

enum kv_command_kind {
    KV_PUT = 1,      /* key, value */
    KV_DELETE = 2,   /* key */
    KV_ANNOUNCE = 3, /* member id's client URL is the value */
    KV_REMOVED = 4,  /* member id has been removed, for ever */
};

struct kv_command {
    enum kv_command_kind kind;
    uint64_t id;
    const void *key; /* borrowed */
    size_t key_len;
    const void *value; /* borrowed */
    size_t value_len;
};

#define KV_MAX_KEY 1024
#define KV_MAX_VALUE ((size_t)1 << 20)

/* In memory of raft_malloc.  0 or RAFT_NOMEM. */
int kv_command_encode(const struct kv_command *command, struct raft_buffer *ret_buf);

/* *ret_command borrows from buf.  0 or RAFT_MALFORMED. */
int kv_command_decode(const struct raft_buffer *buf, struct kv_command *ret_command);

#endif
