/*
 * peer_base.h - the part of a peer that its lanes know: the member, the account of messages, and whether traffic
 * passes.
 *
 * What else belongs to a peer, its lanes among it, is peer.h's.
 */
#ifndef FY_PEER_PEER_BASE_H
#define FY_PEER_PEER_BASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "member/account.h"
#include "member/member.h"

struct fy_outgoing;
struct fy_peer;
struct fy_raft_local;

struct fy_peer_base {
    struct fy_member member;
    struct fy_account account;
    struct fy_raft_local *raft; /* const; outlives the peer */
    struct fy_peer *peer;       /* const; what the upcalls are given */
    atomic_bool is_remote;      /* may become false, never true */
    atomic_bool is_paused;
    atomic_bool is_cut;
    atomic_int closed_reason;         /* enum ferry_drop_reason: of messages that come when the lanes are closed */
    atomic_bool needs_attention;      /* up.attend was called, and fy_peer_attend not yet */
    atomic_uint_fast64_t reported_ns; /* when the core was last told that it is unreachable; 0: never */
    atomic_bool is_report_due;        /* a drop since then is still to be reported, by the timer */
    struct fy_timer report;           /* the loop's, as what follows */
    bool is_stopped;
    bool is_closed; /* no message is posted any more: they are dropped for closed_reason */
};

/* base is zeroed; takes urls (of fy_urls_copy).  on_end_down(arg): see fy_link_init. */
void fy_peer_base_init(struct fy_peer_base *base, struct fy_raft_local *raft, uint64_t id, char **urls,
                       struct fy_peer *peer, void (*on_end_down)(void *arg), void *arg);
void fy_peer_base_release(struct fy_peer_base *base);
void fy_peer_base_stop(struct fy_peer_base *base);

/* Call up.attend, once until needs_attention is reset.  Any thread. */
void fy_peer_base_ask_for_attention(struct fy_peer_base *base);

/* Do the work that droppers left for the loop.  Once stopped, no timer is set. */
void fy_peer_base_attend(struct fy_peer_base *base);

/* Does the peer's traffic pass?  Not while it is paused or cut. */
bool fy_peer_base_is_open(const struct fy_peer_base *base);

/* A message came from the peer: count it, and hand it up if traffic passes.  Takes the reference. */
void fy_peer_base_received(struct fy_peer_base *base, const struct ferry_message *msg, size_t n_bytes);

/* msg was written, and is freed; or all of msgs, which is left empty, of so much memory together. */
void fy_peer_base_free_message(struct fy_peer_base *base, struct fy_outgoing *msg);
void fy_peer_base_free_messages(struct fy_peer_base *base, struct fy_list *msgs, size_t memory);

/* The end of a snapshot, for the core. */
void fy_peer_base_report_snapshot(struct fy_peer_base *base, enum ferry_snapshot_result result);

/* The peer says that the cluster has removed this member. */
void fy_peer_base_report_removed(struct fy_peer_base *base);

#endif
