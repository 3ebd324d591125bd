/*
 * raft_message.h - libraft's messages as raftpb's, and back.
 *
 * ferry/libraft.h has the table.  No I/O, no state.
 */
#ifndef FY_ADAPTERS_LIBRAFT_RAFT_MESSAGE_H
#define FY_ADAPTERS_LIBRAFT_RAFT_MESSAGE_H

#include <stdint.h>

#include "adapters/libraft/raft_compat.h"
#include "adapters/libraft/raft_context.h"
#include "ferry/ferry.h"

/* A message on its way out.  It borrows from the raft_message that it was made of. */
struct fy_raft_out {
    struct ferry_message msg;
    struct ferry_snapshot snapshot;               /* msg.snapshot, of an InstallSnapshot; without data */
    struct ferry_entry *entries;                  /* msg.entries */
    uint64_t *voters;                             /* and learners, of the snapshot's ConfState */
    uint8_t *conf_context;                        /* msg.context, of an InstallSnapshot */
    uint8_t small_context[FY_RAFT_CONTEXT_SMALL]; /* msg.context, of all else */
};

/*
 * Make *out of message, which server self at address ("": none) sends.  FERRY_OK; FERRY_ERR_NOMEM; FERRY_ERR_INVALID
 * for what has no form there: an unknown type of message or entry, a configuration that Context cannot hold.
 */
int fy_raft_out_init(struct fy_raft_out *out, const struct raft_message *message, raft_id self, const char *address);
void fy_raft_out_release(struct fy_raft_out *out);

/*
 * Make *message, as a raft_io has to hand it to the core, of msg; all but server_address, which is NULL.  *sender is
 * the address that it came with, or "".
 * body is the data of an InstallSnapshot if it came beside msg, else NULL: then msg has it.  On success it is the
 * message's, and base is NULL.
 * FERRY_OK; FERRY_ERR_NOMEM; FERRY_ERR_INVALID for a type that libraft has no counterpart of; FERRY_ERR_MALFORMED or
 * _TRUNCATED for contents that it has none of.
 */
int fy_raft_in_init(struct raft_message *message, const struct ferry_message *msg, struct raft_buffer *body,
                    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1]);

/* Free what of message would have become the core's. */
void fy_raft_in_release(struct raft_message *message);

#endif
