/*
 * node.h - one member: libraft over Ferry, with the store as its state machine, in libuv's loop.
 *
 * Everything belongs to the loop's thread.
 */
#ifndef KV_NODE_H
#define KV_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/gate.h>

#include "adapters/libraft/raft_compat.h"
#include "kv/command.h"
#include "kv/options.h"

struct uv_loop_s;
struct ferry_transport;
struct kv_node;
struct kv_store;

struct kv_node_events {
    void *ctx;
    void (*say)(void *ctx, const char *text);    /* a line for people */
    void (*failed)(void *ctx, const char *text); /* it cannot go on: to be closed */
    void (*broken)(void *ctx, const char *text); /* nor can it be closed: does not return */
};

/*
 * Make and start it.  options, store and loop outlive it; log_path is a directory.  0, or -1 with one line in text.
 */
int kv_node_new(const struct kv_options *options, const char *log_path, struct uv_loop_s *loop, struct kv_store *store,
                const struct kv_node_events *events, struct kv_node **ret_node, char *text, size_t size);

/*
 * End it: what is under way is answered with RAFT_SHUTDOWN or the like, then done is called, and it can be freed once
 * the callback has returned.
 */
void kv_node_close(struct kv_node *node, void (*done)(void *ctx), void *ctx);
void kv_node_free(struct kv_node *node); /* closed.  Takes NULL */

/* ---- What clients ask for -----------------------------------------------------------------------------------------
 *
 * Each calls done once, from the loop, with 0 or an error of libraft's; or returns such an error at once and does not.
 * RAFT_NOTLEADER: ask the leader.  RAFT_LEADERSHIPLOST and RAFT_SHUTDOWN, later: it may have come true or not.
 */

typedef void kv_done_fn(void *arg, int status);

/* As kv_done_fn.  existed: see kv_store_apply. */
typedef void kv_applied_fn(void *arg, int status, bool existed);

int kv_node_apply(struct kv_node *node, const struct kv_command *command, kv_applied_fn *done, void *arg);

/* done is called when the store holds all that was acknowledged before the call, and the store may be read in it. */
int kv_node_read(struct kv_node *node, kv_done_fn *done, void *arg);

/* Make id a voting member; one that is there already and does not vote gets a vote. */
int kv_node_add_member(struct kv_node *node, uint64_t id, const char *peer_url, kv_done_fn *done, void *arg);

/* RAFT_BUSY, later: it is this member, the leader, and has given its leadership away; ask again. */
int kv_node_remove_member(struct kv_node *node, uint64_t id, kv_done_fn *done, void *arg);

/* ---- Looking at it ------------------------------------------------------------------------------------------------
 */

struct raft *kv_node_raft(struct kv_node *node);
uint64_t kv_node_n_refused(const struct kv_node *node, enum ferry_verdict verdict); /* messages, by the gate */
struct ferry_transport *kv_node_transport(struct kv_node *node);
bool kv_node_was_removed(const struct kv_node *node);

#endif
