/*
 * raft_message.h - libraft's messages as raftpb's, and back.
 *
 * ferry/libraft.h has the table.  No I/O, no state.
 */
#ifndef FY_ADAPTERS_LIBRAFT_RAFT_MESSAGE_H
#define FY_ADAPTERS_LIBRAFT_RAFT_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/libraft/raft_compat.h"
#include "adapters/libraft/raft_context.h"
#include "ferry/ferry.h"

/* A message on its way out.  It borrows from the raft_message that it was made of. */
struct fy_raft_out {
    struct ferry_message msg;
    struct ferry_snapshot snapshot;               /* msg.snapshot, of an InstallSnapshot; without data */
    struct ferry_entry *entries;                  /* of an AppendEntries; msg.entries are in there */
    size_t n_left;                                /* from msg.entries on */
    uint64_t *voters;                             /* and learners, of the snapshot's ConfState */
    uint8_t *conf_context;                        /* msg.context, of an InstallSnapshot */
    uint8_t small_context[FY_RAFT_CONTEXT_SMALL]; /* msg.context, of all else */
};

/*
 * Make *out of message, which server self at address ("": none) sends.  FERRY_OK; FERRY_ERR_NOMEM; FERRY_ERR_INVALID
 * for what has no form there: an unknown type of message or entry, a configuration that Context cannot hold.
 * Of the entries of an AppendEntries the first are taken, up to max_bytes of them, and at least one.
 */
int fy_raft_out_init(struct fy_raft_out *out, const struct raft_message *message, raft_id self, const char *address,
                     size_t max_bytes);

/*
 * An AppendEntries in pieces, each a MsgApp that follows the one before.  cut: leave in msg as many entries as have
 * max_bytes together, at least one.  next: go on with all those behind them; false: there are none.
 */
void fy_raft_out_cut(struct fy_raft_out *out, size_t max_bytes);
bool fy_raft_out_next(struct fy_raft_out *out);

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
