/*
 * smallraft.h - a small Raft core: elections, replication, snapshots, and membership by one change at a time.
 *
 * It is an example of what Ferry is put under: plain C with callbacks, no thread, no clock and no I/O of its own.  All
 * calls come from one thread.  The program calls sr_tick at a steady pace and sr_receive for each message; the core
 * calls the program's functions from inside.  They must not call back into the core.
 */
#ifndef SMALLRAFT_H
#define SMALLRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SR_MAX_MEMBERS 9
#define SR_MAX_BATCH 64               /* entries of one message */
#define SR_MAX_BATCH_BYTES (1u << 20) /* of their data; one entry may be larger */
#define SR_ELECTION_TICKS 10          /* without a leader; up to twice as many, by chance */
#define SR_HEARTBEAT_TICKS 2

enum sr_error { SR_OK, SR_NOT_LEADER, SR_BUSY, SR_INVALID, SR_NOMEM, SR_STORAGE };

enum sr_kind {
    SR_COMMAND, /* the program's */
    SR_NOTHING, /* what a new leader appends to its term */
    SR_MEMBERS  /* the members from this entry on: their ids, 8 bytes each, little-endian */
};

struct sr_entry {
    uint64_t term;
    enum sr_kind kind;
    const uint8_t *data;
    size_t len;
};

struct sr_members {
    uint64_t ids[SR_MAX_MEMBERS];
    size_t n;
};

struct sr_snapshot {
    uint64_t index; /* of the last entry that it stands for; 0: there is none */
    uint64_t term;
    struct sr_members members;
    const uint8_t *data;
    size_t len;
};

enum sr_type { SR_VOTE, SR_VOTE_ANSWER, SR_APPEND, SR_APPEND_ANSWER, SR_SNAPSHOT };

struct sr_message {
    enum sr_type type;
    uint64_t from, to, term;
    uint64_t index;    /* vote: of the last entry; append: of the entry before; answer: of the last that is common */
    uint64_t log_term; /* its term */
    uint64_t commit;
    const struct sr_entry *entries; /* at index + 1 and on */
    size_t n_entries;
    bool reject;
    uint64_t hint; /* of a rejected append: how far the log reaches */
    const struct sr_snapshot *snapshot;
};

/* The program's part.  The save functions return 0 once the data is safe; anything else stops the core for good. */
struct sr_host {
    void *ctx;
    void (*send)(void *ctx, const struct sr_message *msg);
    int (*save_term)(void *ctx, uint64_t term, uint64_t vote);
    /* These take the place of all entries from index on. */
    int (*save_entries)(void *ctx, uint64_t index, const struct sr_entry *entries, size_t n);
    /* It takes the place of the entries up to its index; unless keeps_log, all entries go. */
    int (*save_snapshot)(void *ctx, const struct sr_snapshot *snapshot, bool keeps_log);
    void (*apply)(void *ctx, uint64_t index, const struct sr_entry *entry); /* it is committed */
    void (*restore)(void *ctx, const struct sr_snapshot *snapshot);         /* it takes the place of the state */
    void (*on_members)(void *ctx, const struct sr_members *members);
    unsigned (*random)(void *ctx);
};

/* What the save functions were given last, at a start. */
struct sr_stored {
    uint64_t term, vote;
    struct sr_snapshot snapshot;
    const struct sr_entry *entries; /* from snapshot.index + 1 on */
    size_t n_entries;
};

enum sr_role { SR_FOLLOWER, SR_CANDIDATE, SR_LEADER };

/* What the leader knows of a member. */
struct sr_progress {
    uint64_t next;  /* the entry to send next */
    uint64_t match; /* the last that it has */
    bool has_answered;
    bool has_voted;
    unsigned snapshot_ticks; /* until another snapshot may be sent */
};

/* To be read by the program, and written by the core alone. */
struct smallraft {
    uint64_t id;
    struct sr_host host;
    bool is_broken; /* the storage failed: the core has stopped for good */
    uint64_t term, vote, leader;
    enum sr_role role;
    uint64_t commit, applied;
    unsigned ticks, timeout_ticks;
    struct sr_snapshot snapshot;
    struct sr_entry *entries; /* of index snapshot.index + 1 and on; their data is the core's */
    size_t n_entries, n_room;
    struct sr_members members; /* of the last SR_MEMBERS in the log, committed or not */
    uint64_t members_index;    /* where it is; 0 or snapshot.index: there is none behind the snapshot */
    struct sr_progress progress[SR_MAX_MEMBERS]; /* as members.ids */
};

/* stored: copied.  A new cluster's founders all start with the same members in a snapshot of index 1 and term 1. */
enum sr_error sr_new(uint64_t id, const struct sr_host *host, const struct sr_stored *stored,
                     struct smallraft **ret_raft);
void sr_free(struct smallraft *raft); /* takes NULL */

void sr_tick(struct smallraft *raft);
enum sr_error sr_receive(struct smallraft *raft, const struct sr_message *msg);
void sr_unreachable(struct smallraft *raft, uint64_t id); /* messages to it were lost */

/* Append a command.  It may still be lost with the leadership; apply tells of those that were not. */
enum sr_error sr_propose(struct smallraft *raft, const void *data, size_t len);

/* Add or remove one member.  SR_BUSY while another change is not committed. */
enum sr_error sr_change(struct smallraft *raft, uint64_t id, bool is_added);

/* Put a snapshot of the state, as it is now, in place of the applied entries. */
enum sr_error sr_compact(struct smallraft *raft, const void *data, size_t len);

uint64_t sr_last_index(const struct smallraft *raft);
uint64_t sr_term_of(const struct smallraft *raft, uint64_t index); /* 0: not known */
bool sr_is_member(const struct smallraft *raft, uint64_t id);
bool sr_decode_members(const uint8_t *data, size_t len, struct sr_members *ret_members);

#endif
