/*
 * conf.h - who votes and who only learns: Raft's configuration, joint ones included.
 */
#ifndef ETCD_MEMBER_CONF_H
#define ETCD_MEMBER_CONF_H

#include "etcd-member/ids.h"
#include "ferry/ferry.h"

enum conf_change_type { CONF_ADD_NODE, CONF_REMOVE_NODE, CONF_UPDATE_NODE, CONF_ADD_LEARNER }; /* raftpb's numbers */
enum conf_transition { CONF_AUTO, CONF_JOINT_IMPLICIT, CONF_JOINT_EXPLICIT };

struct conf_change {
    enum conf_change_type type;
    uint64_t id; /* 0: without effect */
};

struct conf {
    struct ids voters;
    struct ids outgoing; /* voters of the old half, while it is joint */
    struct ids learners;
    struct ids learners_next; /* become learners when the old half ends */
    bool auto_leave;
};

void conf_release(struct conf *conf);
void conf_copy(const struct conf *from, struct conf *to);
void conf_from_state(const struct ferry_conf_state *state, struct conf *conf);
struct ferry_conf_state conf_to_state(const struct conf *conf); /* borrows conf's lists */

/*
 * Apply changes as etcd does: one as it is, several by way of a joint configuration; none of them: leave that.  A
 * change that would leave no voter is not made; false says so.
 */
bool conf_apply(struct conf *conf, const struct conf_change *changes, size_t n, enum conf_transition transition);

bool conf_is_joint(const struct conf *conf);
bool conf_votes(const struct conf *conf, uint64_t id);
bool conf_has(const struct conf *conf, uint64_t id);

/* Do those for whom says(ctx, id) is true make a majority, of both halves if there are two? */
bool conf_is_quorum(const struct conf *conf, bool (*says)(const void *ctx, uint64_t id), const void *ctx);

/* The highest index that a quorum has, where has(ctx, id) is the one that id has. */
uint64_t conf_quorum_index(const struct conf *conf, uint64_t (*has)(const void *ctx, uint64_t id), const void *ctx);

#endif
