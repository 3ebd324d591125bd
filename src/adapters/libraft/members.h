/*
 * members.h - the servers of libraft's configuration as peers of the transport.
 */
#ifndef FY_ADAPTERS_LIBRAFT_MEMBERS_H
#define FY_ADAPTERS_LIBRAFT_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/libraft/raft_compat.h"

struct ferry_transport;

struct fy_member {
    raft_id id;
    char *address;
    bool is_unreachable; /* Ferry has said so, and the core has not been told */
    bool is_heard;       /* it took the last entries: since then nothing was refused, lost, or of a new term */
};

/* Zeroed: empty. */
struct fy_members {
    struct fy_member *items; /* those that are peers, in no order */
    size_t n;
    size_t cap;

    /* Which configuration they are of. */
    bool is_current; /* false: something failed, try again */
    raft_index index;
    raft_index uncommitted_index;
};

struct fy_member *fy_members_find(const struct fy_members *members, raft_id id); /* NULL: none */
void fy_members_forget_heard(struct fy_members *members);                        /* is_heard, of all */

typedef void fy_member_failed_fn(void *ctx, raft_id id, const char *address, int err);

/*
 * Make the peers of t those servers of r's configuration that are not r itself; nothing when there is no configuration.
 * Cheap when nothing has changed.  failed is told of each that cannot be made a peer; where that is for want of memory,
 * the next call tries again.
 */
void fy_members_follow(struct fy_members *members, const struct raft *r, struct ferry_transport *t,
                       fy_member_failed_fn *failed, void *ctx);

/* Remove all of them from t, and forget them. */
void fy_members_clear(struct fy_members *members, struct ferry_transport *t);

/* Forget them. */
void fy_members_release(struct fy_members *members);

#endif
