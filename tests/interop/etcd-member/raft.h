/*
 * raft.h - etcd's Raft, as far as a member needs it: no I/O, no clock, no thread of its own.
 *
 * It is told what happens - raft_step, raft_tick, raft_propose ... - and changes its state at once, but what it wants
 * to say it keeps.  After any number of such calls its owner brings to disk what raft_unstable names, says so with
 * raft_stable, and then lets the messages out with raft_flush: nothing that rests on state is said before that state is
 * stable.  Committed entries are taken with raft_next and acknowledged with raft_applied.
 *
 * As etcd's with CheckQuorum and, in its own elections, PreVote.  One thread.
 */
#ifndef ETCD_MEMBER_RAFT_H
#define ETCD_MEMBER_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "etcd-member/conf.h"
#include "etcd-member/progress.h"
#include "etcd-member/raft_log.h"
#include "ferry/ferry.h"

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_options {
    uint64_t id;
    unsigned election_ticks;  /* a leader that was heard of more lately has its lease */
    unsigned heartbeat_ticks; /* as leader */
    unsigned campaign_ticks;  /* without a leader; then a random part of election_ticks more */
    bool can_lead;            /* campaign when left without a leader, or told so by one */
    unsigned seed;
};

struct raft_hard_state {
    uint64_t term;
    uint64_t vote;
    uint64_t commit;
};

/* A message that waits for raft_flush; its context and entries are its own. */
struct raft_letter {
    struct ferry_message msg;
    struct ferry_entry *entries;
};

/* A linearizable read that waits for a quorum to confirm us. */
struct raft_read {
    uint64_t from;
    uint64_t index;
    struct ferry_bytes context; /* its own */
    struct ids acks;
};

struct raft {
    struct raft_options options;
    enum raft_role role;
    uint64_t term;
    uint64_t vote;
    uint64_t leader; /* 0: none that is known */
    struct conf conf;

    struct raft_log log;
    uint64_t commit;
    uint64_t applied;
    uint64_t stable; /* of the log, the part on disk */
    struct raft_hard_state stable_state;

    unsigned election_elapsed; /* ticks since a leader was heard of, or since our own election began */
    unsigned heartbeat_elapsed;
    unsigned campaign_timeout;
    unsigned random;

    struct raft_letter *letters;
    size_t n_letters;
    size_t room_letters;

    struct progress_table progress; /* as leader: of all; as candidate: their votes */
    uint64_t pending_conf_index;    /* no other configuration change before this one is applied */
    uint64_t transferee;            /* leadership is on its way there; 0: it is not */

    struct raft_read *reads; /* in the order in which they came; those not begun yet have index 0 */
    size_t n_reads;
    size_t room_reads;
};

void raft_init(struct raft *r, const struct raft_options *options);
void raft_release(struct raft *r);

/* After the log and the configuration were filled in: begin with what was on disk. */
void raft_recover(struct raft *r, const struct raft_hard_state *state);

/* ---- What happens ---- */

/*
 * A message from another member.  A MsgSnap that is to be taken is not handled here: raft_wants_snapshot is to be asked
 * first, and raft_restored told after.
 */
void raft_step(struct raft *r, const struct ferry_message *msg);
void raft_tick(struct raft *r);

/* Propose entries, here or to the leader.  False: there is none, or it is handing over. */
bool raft_propose(struct raft *r, const struct ferry_entry *entries, size_t n);

/* Begin an election now, without asking first (no pre-vote).  False: may not stand for it. */
bool raft_campaign(struct raft *r);

/* Hand leadership to id, or ask the leader to.  False: no leader. */
bool raft_transfer(struct raft *r, uint64_t id);

/* As leader: hand over to a voter that is heard of and has all of the log, if there is one. */
void raft_hand_over(struct raft *r);

void raft_report_unreachable(struct raft *r, uint64_t id);
void raft_report_snapshot(struct raft *r, uint64_t id, bool is_stored);

/* ---- Snapshots ---- */

/* Does this MsgSnap replace our log?  Answers it, and sees to its term, when it does not. */
bool raft_wants_snapshot(struct raft *r, const struct ferry_message *msg);

/* The log is now what msg's snapshot stands for. */
void raft_restored(struct raft *r, const struct ferry_message *msg);

/* ---- Disk, messages, application ---- */

struct raft_unstable {
    struct raft_hard_state state;
    uint64_t first; /* entries from here on to the last; beyond the last: none */
    size_t n;
    bool state_changed; /* at all */
    bool must_sync;     /* term, vote or entries */
};

struct raft_unstable raft_unstable(const struct raft *r);
void raft_stable(struct raft *r, const struct raft_unstable *u); /* it is on disk */

/* Let out what waits.  MsgSnap comes without its snapshot, which send fills in. */
void raft_flush(struct raft *r, void (*send)(void *ctx, const struct ferry_message *msg), void *ctx);

bool raft_has_work(const struct raft *r); /* something to store, to send or to apply */

/* The next committed entry that was not applied; NULL: none. */
const struct ferry_entry *raft_next(const struct raft *r);
void raft_applied(struct raft *r, uint64_t index);

/* An applied entry changes who votes.  n == 0 ends a joint configuration. */
void raft_change_conf(struct raft *r, const struct conf_change *changes, size_t n, enum conf_transition transition);

/* As leader: does a learner have nearly all of the log, as etcd has it before a promotion?  False for a stranger. */
bool raft_is_learner_ready(const struct raft *r, uint64_t id);

/* Does it lead, and has it applied all that was committed before it did? */
bool raft_leads_up_to_date(const struct raft *r);

/* Having left the cluster: lead no more, and follow nobody. */
void raft_retire(struct raft *r);

const char *raft_role_name(const struct raft *r); /* follower, candidate, leader or learner */

#endif
