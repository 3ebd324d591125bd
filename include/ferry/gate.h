/*
 * gate.h - judge a message by its meaning before it reaches a Raft core.
 *
 * Ferry checks the form of what arrives: lengths, types, nesting.  A Raft core often checks nothing more, and a message
 * that is well formed but cannot come from a correct member then crashes it or makes it diverge: an append of the term
 * that it leads itself, entries that contradict what is committed, a term of 2^64-1 that ends all elections.
 *
 * The gate is one function without state.  The embedder fills a small view of the core and asks for a verdict at the
 * start of its process callback.  The adapter for libraft does so for every message; its own checks (the encoding of
 * configuration changes and snapshots) come on top, since the gate does not know how a core encodes them.
 *
 * What the gate cannot see: whether the sender is who it says it is.  Without mutual TLS whoever knows the cluster id
 * can write any member's id into a message, and a forged append of the present leader's next entry looks like the real
 * one.
 */
#ifndef FERRY_GATE_H
#define FERRY_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Why a message is refused.  Values are fixed: new ones are appended.  The last two are for whoever knows the core's
 * encodings, as the adapter for libraft does; ferry_message_judge does not return them.
 */
#define FERRY_VERDICT_MAP(X)                                                                                           \
    X(LOCAL_TYPE, 1, "its type is never sent between members")                                                         \
    X(FROM_SELF, 2, "it says that it comes from this member, or from nobody")                                          \
    X(WRONG_MEMBER, 3, "it is addressed to another member")                                                            \
    X(UNKNOWN_SENDER, 4, "its sender is not in the configuration")                                                     \
    X(TERM_ZERO, 5, "its term is zero")                                                                                \
    X(TERM_AHEAD, 6, "its term is too far ahead of this member's")                                                     \
    X(TWO_LEADERS, 7, "its sender does not lead its term: another member does")                                        \
    X(LOG_TERM, 8, "a log term in it is zero, falls, or is above the message's term")                                  \
    X(ENTRY_INDEX, 9, "its entries are not numbered one after the other")                                              \
    X(INDEX_AHEAD, 10, "an index in it is too far ahead of this member's log")                                         \
    X(CONTRADICTS_COMMITTED, 11, "it contradicts what this member has committed")                                      \
    X(COMPACTED, 12, "its entries begin at index 1, which this member has replaced by a snapshot")                     \
    X(ENTRY_TYPE, 13, "the core does not know the type of an entry in it")                                             \
    X(EMPTY_CHANGE, 14, "a configuration change in it has no data")                                                    \
    X(NO_SNAPSHOT, 15, "it is a MsgSnap without a snapshot")                                                           \
    X(OLD_SNAPSHOT, 16, "its snapshot is older than this member's own")                                                \
    X(UNSENT_INDEX, 17, "it acknowledges entries that this member never had")                                          \
    X(MALFORMED_CHANGE, 18, "a configuration change in it cannot be decoded")                                          \
    X(MALFORMED_SNAPSHOT, 19, "the data of its snapshot cannot be decoded")

#define FERRY_VERDICT_ENUM(name, value, text) FERRY_VERDICT_##name = (value),
enum ferry_verdict { FERRY_VERDICT_ADMIT = 0, FERRY_VERDICT_MAP(FERRY_VERDICT_ENUM) FERRY_N_VERDICTS };
#undef FERRY_VERDICT_ENUM

/*
 * The text of a verdict, to follow "refused: "; "admitted" for FERRY_VERDICT_ADMIT, "unknown verdict" outside the list.
 * Threads: any, at any time.
 */
FERRY_API const char *ferry_verdict_text(enum ferry_verdict verdict);

/* What the gate has to know of the core.  Begin with FERRY_CORE_VIEW_INIT; 0 and NULL stand for "not known". */
struct ferry_core_view {
    size_t size; /* of this struct: set by FERRY_CORE_VIEW_INIT, so that it can grow */

    uint64_t id;     /* this member's; not 0 */
    uint64_t term;   /* its current term; 0 before its first */
    bool leads;      /* it is the leader of that term */
    uint64_t leader; /* of that term, as far as this member knows; 0: nobody yet */

    uint64_t last_index;   /* of the last entry in its log, or of its snapshot if that has none */
    uint64_t commit_index; /* <= last_index */

    /*
     * How far a message may be ahead: terms above the current one, and indexes above the last one.  A member that was
     * cut off for long, with elections every second and no pre-vote, is as far ahead as seconds have passed.
     */
    uint64_t max_term_ahead;
    uint64_t max_index_ahead;

    void *ctx; /* the first argument of the following */

    /*
     * Is id in this member's configuration, committed or not?  NULL: every sender is admitted.  Not asked while
     * has_configuration is false: a joining member learns of the others by its first append or snapshot.
     */
    bool (*is_member)(void *ctx, uint64_t id);
    bool has_configuration;

    /* The term of the entry at index, or of the snapshot that ends there; 0: not known.  NULL: none is known. */
    uint64_t (*term_of)(void *ctx, uint64_t index);

    bool has_conf_change_v2; /* the core knows FERRY_ENTRY_CONF_CHANGE_V2 */

    /*
     * An acknowledgement (MsgAppResp) never names an index above the leader's last one, as with etcd's core.  libraft's
     * may: it tells the follower's last index, which can be a leftover of an earlier term.
     */
    bool has_exact_acks;
};

#define FERRY_CORE_VIEW_INIT                                                                                           \
    {                                                                                                                  \
        .size = sizeof(struct ferry_core_view), .max_term_ahead = (uint64_t)1 << 24,                                   \
        .max_index_ahead = (uint64_t)1 << 48                                                                           \
    }

/*
 * May msg be given to the core that view describes?  Changes nothing, allocates nothing, never blocks; reads msg and
 * view, and calls back view's functions from inside the call.  A message that is merely old is admitted: every core
 * answers those.  So is one that is premature, since the core answers with what it lacks.
 * Threads: any; the callbacks decide.
 * Returns FERRY_VERDICT_ADMIT or why not; what is wrong with the sender is said before what is wrong with the contents.
 */
FERRY_API enum ferry_verdict ferry_message_judge(const struct ferry_message *msg, const struct ferry_core_view *view);

#ifdef __cplusplus
}
#endif

#endif
