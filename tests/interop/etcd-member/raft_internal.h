/*
 * raft_internal.h - what Raft's files share: raft.c holds terms, votes and time, raft_follower.c and raft_leader.c what
 * each of them does with messages.
 */
#ifndef ETCD_MEMBER_RAFT_INTERNAL_H
#define ETCD_MEMBER_RAFT_INTERNAL_H

#include "etcd-member/raft.h"

#define CAMPAIGN_TRANSFER "CampaignTransfer" /* the context of a vote that overrides leases */

/* Keep msg for the flush.  from and, unless it is one of those without a term or has one already, term are filled in.
 */
void raft_post(struct raft *r, const struct ferry_message *msg);

void raft_become_follower(struct raft *r, uint64_t term, uint64_t leader);
void raft_commit_to(struct raft *r, uint64_t index); /* no further than the log reaches */
bool raft_is_promotable(const struct raft *r);

void raft_step_follower(struct raft *r, const struct ferry_message *msg);

void raft_lead(struct raft *r); /* the election is won */
void raft_step_leader(struct raft *r, const struct ferry_message *msg);
void raft_tick_leader(struct raft *r);
bool raft_append_proposals(struct raft *r, const struct ferry_entry *entries, size_t n);
void raft_transfer_to(struct raft *r, uint64_t id);
void raft_advance_commit(struct raft *r); /* what a quorum has */
void raft_send_appends(struct raft *r, void (*send)(void *ctx, const struct ferry_message *msg), void *ctx);
bool raft_has_appends(const struct raft *r); /* marked to be sent */
void raft_conf_changed(struct raft *r);
void raft_drop_reads(struct raft *r);

#endif
