/*
 * raft_context.h - what raftpb has no field for, as the bytes of a message's Context.
 *
 * ferry/libraft.h has the format.
 */
#ifndef FY_ADAPTERS_LIBRAFT_RAFT_CONTEXT_H
#define FY_ADAPTERS_LIBRAFT_RAFT_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/libraft/raft_compat.h"
#include "ferry/libraft.h"

#define FY_RAFT_CONTEXT_SMALL (3 + FERRY_LIBRAFT_ADDRESS_MAX + 4) /* one without a configuration, at most */

struct fy_raft_context {
    bool is_disrupting;
    bool is_pre_vote_unknown;
    bool has_report;
    struct fy_raft_report report;               /* zeroed unless has_report */
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1]; /* address; "": it has none */
};

/*
 * Write the Context of a message without a configuration into buf, of FY_RAFT_CONTEXT_SMALL bytes, and return its
 * length. The sender is an address that fy_raft_context_is_address takes, or "".
 */
size_t fy_raft_context_write(const struct fy_raft_context *context, uint8_t *buf);

/* The same followed by a configuration, in a block for free().  FERRY_OK, _INVALID (a server that cannot be written),
   _NOMEM. */
int fy_raft_context_write_conf(const struct fy_raft_context *context, const struct raft_configuration *conf,
                               raft_index conf_index, uint8_t **ret_data, size_t *ret_len);

/*
 * Read a Context without a configuration; an absent one is as one that says nothing.  FERRY_OK, or
 * FERRY_ERR_MALFORMED or _TRUNCATED.
 */
int fy_raft_context_read(const uint8_t *data, size_t len, struct fy_raft_context *ret_context);

/* The same with one, which is initialized here and, on success, the caller's to close.  Also _NOMEM. */
int fy_raft_context_read_conf(const uint8_t *data, size_t len, struct fy_raft_context *ret_context,
                              struct raft_configuration *ret_conf, raft_index *ret_conf_index);

/* 1 to FERRY_LIBRAFT_ADDRESS_MAX printable ASCII characters without blanks. */
bool fy_raft_context_is_address(const char *text);

#endif
