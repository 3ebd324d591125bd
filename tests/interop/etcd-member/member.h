/*
 * member.h - the member as a whole: Raft, its disk, the keys and the transport, on a thread of its own.
 */
#ifndef ETCD_MEMBER_MEMBER_H
#define ETCD_MEMBER_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "etcd-member/options.h"

struct member;

struct member_status {
    uint64_t id;
    uint64_t cluster_id;
    uint64_t term;
    uint64_t vote;
    uint64_t commit;
    uint64_t applied;
    uint64_t last;
    uint64_t last_term;
    uint64_t snapshot; /* the index that the log begins behind */
    uint64_t leader;
    size_t n_keys;
    const char *role; /* a constant */
    bool is_removed;
    uint64_t diverged_at; /* the entry from which on the keys may not be etcd's; 0: they are */
    char cluster_version[32];
    size_t n_active; /* peers */
    size_t n_members;
    size_t n_voters; /* as Raft counts them */
    size_t n_learners;
};

/* Recover, join if need be, and take part.  options outlive the member.  Ends the process when that is not possible. */
struct member *member_start(const struct options *options);

/* Hand over leadership, if we have it, and stop. */
void member_stop(struct member *member);

/* All of these ask the member's thread and wait for its answer.  Threads: any other. */
void member_get_status(struct member *member, struct member_status *ret_status);
char *member_get(struct member *member, const char *key, size_t *ret_len); /* NULL: no such key; else to be freed */
/* KEY\nVALUE\n..., behind a line that says so when the keys may not be etcd's; to be freed. */
char *member_dump(struct member *member, size_t *ret_len);

/* Propose key=value, or n of them with numbers behind the key.  False: there is no leader to propose to. */
bool member_put(struct member *member, const char *key, const char *value, uint64_t n);
bool member_campaign(struct member *member);
bool member_transfer(struct member *member, uint64_t id);

#endif
