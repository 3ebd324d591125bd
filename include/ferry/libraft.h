/*
 * libraft.h - libraft (C-Raft: 0.15 by Canonical, or 0.22 by cowsql) on Ferry: a raft_io whose messages travel through
 * a transport.
 *
 * libraft asks one struct raft_io for all that it needs of the world.  The one made here wraps another: storage, time
 * and chance stay with that inner one (libraft's own uv backend, or one in memory), and what is sent and received goes
 * through a ferry_transport.  In libferry-libraft, a library of its own; include <raft.h> beside this header.
 *
 * The order of use, with libuv:
 *
 *     raft_uv_init(&inner, &loop, dir, &no_network);     // after ferry_libraft_uv_no_network(&no_network)
 *     ferry_libraft_new(&config, &lr);                   // config.inner = &inner
 *     ferry_libraft_configure(lr, &ferry_config);        // the core, the delivery and the sink of ferry_config
 *     ferry_transport_new(&ferry_config, &t);  ferry_transport_start(t);
 *     ferry_libraft_attach(lr, t);
 *     ferry_libraft_uv_new(lr, &loop, &turner);          // turns t and lr inside the loop
 *     raft_init(&raft, ferry_libraft_io(lr), ...);  raft_start(&raft);
 *     ...
 *     raft_close(&raft, on_closed);                      // then, from on_closed on, with the loop still running:
 *     ferry_libraft_uv_close(turner, on_turner_closed);  // then, outside of every callback:
 *     ferry_transport_free(t);  ferry_libraft_free(lr);  raft_uv_close(&inner);
 *
 * Members: a server's address in libraft's configuration is its peer URL ("http://10.0.0.1:2380", at most
 * FERRY_LIBRAFT_ADDRESS_MAX bytes).  The transport's peers are kept equal to the servers of that configuration other
 * than this one: added, updated and removed as it changes, committed or not.  A server that knows no configuration yet
 * answers the leader as a remote of Ferry's.  The struct raft is found in the raft_io's data, where raft_init puts it.
 *
 * Threads: everything here and in libraft belongs to one thread, the one that turns the transport
 * (FERRY_DELIVER_HOST), but for wake.  The bodies of incoming snapshots are allocated by raft_malloc on threads of
 * Ferry's: a heap that is given to raft_heap_set must bear that.
 *
 *
 * How messages map
 *
 *     libraft                      raftpb            fields
 *     RequestVote                  MsgVote           Term, From (the candidate), Index and LogTerm of its last entry
 *     RequestVote, pre_vote        MsgPreVote        the same; Term is the one that it would have
 *     RequestVoteResult            MsgVoteResp, MsgPreVoteResp    Term, Reject
 *     AppendEntries                MsgApp            Term, Index and LogTerm of the previous entry, Commit, Entries
 *     AppendEntriesResult          MsgAppResp        Term, Index of the last entry; refused: Reject, Index of what was
 *                                                    refused, RejectHint is the index of the last entry
 *     InstallSnapshot              MsgSnap           Term, Snapshot.Metadata; the data is the body that follows
 *     TimeoutNow                   MsgTimeoutNow     Term, Index and LogTerm of the leader's last entry
 *
 * An entry is EntryNormal for a command, EntryConfChange (its data is libraft's own encoding) for a change, and
 * EntryNormal without data for a barrier, as etcd's own empty entry is.  A barrier's eight bytes mean nothing, and
 * libraft does not even set them: at the other end they are zeros.  A command of no bytes keeps present, empty data.
 *
 * An AppendEntries without entries is a MsgApp too, not a MsgHeartbeat: heartbeats go by another stream, and one that
 * overtook the entries before it would be refused for an index that is still on its way.
 *
 * A vote that is asked for by the very leader that this server follows is passed to the core with disrupt_leader, for
 * who asks does not lead any more.  The core still looks at term and log.
 *
 * What raftpb has no field for travels in Context, which the compact frames of msgappv2 leave out; the first MsgApp of
 * each stream and term is never compact.
 *
 *     byte    version, 1
 *     byte    flags.  1: disrupt_leader (MsgVote, MsgPreVote).  2: pre_vote is unknown (MsgVoteResp).
 *             4: features and capacity follow.  No others
 *     byte    length of the sender's address
 *     bytes   the sender's address: printable ASCII; empty when it has none
 *     2 bytes features, 2 bytes capacity, big-endian, with flag 4: of a result by libraft 0.22 (MsgVoteResp,
 *             MsgPreVoteResp, MsgAppResp).  0.15 ignores them
 *
 * and, in a MsgSnap, which alone must have a Context, the configuration; integers are big-endian:
 *
 *     8 bytes conf_index
 *     2 bytes number of servers, at most FERRY_LIBRAFT_SERVERS_MAX, and for each, in libraft's order:
 *         8 bytes id, not 0, and no two the same
 *         byte    role: 0 standby, 1 voter, 2 spare
 *         byte    length of its address, not 0
 *         bytes   its address, and no two the same
 *
 * Nothing follows.  The ConfState of the snapshot lists voters and standbys (as learners) for whoever else reads it.
 *
 * This carries libraft's messages in etcd's envelopes; it does not make a libraft server a member of an etcd cluster.
 * Entries, configuration changes and snapshots are libraft's, and the two cores differ in what they expect of peers.
 */
#ifndef FERRY_LIBRAFT_H
#define FERRY_LIBRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "ferry/gate.h"

#ifdef __cplusplus
extern "C" {
#endif

struct raft_io;
struct raft_uv_transport;
struct uv_loop_s;

#define FERRY_LIBRAFT_ADDRESS_MAX 255
#define FERRY_LIBRAFT_SERVERS_MAX 1024

struct ferry_libraft;

/* Begin with FERRY_LIBRAFT_CONFIG_INIT.  Everything but inner is copied. */
struct ferry_libraft_config {
    size_t size; /* of this struct: set by FERRY_LIBRAFT_CONFIG_INIT, so that it can grow */

    struct raft_io *inner; /* outlives the adapter, which sets its data field to the struct raft.  Its send is never
                              called; what it receives, if anything, is handed on.  libraft does not bear an append
                              that fails there: ferry-kv ends before the core learns of one (src/kv/log_guard.c).
                              With libraft 0.22 it must be libraft's uv backend, or call back the completed requests
                              of the struct raft itself: 0.22 leaves that to the backend */
    void *ctx;             /* the first argument of the following, which all may be NULL */

    /*
     * ferry_libraft_turn has work.  From any thread, also from inside any call of libraft's; must not call back.  To be
     * left NULL when ferry_libraft_uv_new is used.
     */
    void (*wake)(void *ctx);

    bool (*is_id_removed)(void *ctx, uint64_t id); /* as in ferry_core */
    void (*report_fatal)(void *ctx, int err);      /* the same */

    /*
     * A server of the configuration cannot be made a peer: its address is no URL, or an https one without TLS; or
     * memory ran out (and it is tried again).  address lives for the call.
     */
    void (*report_peer)(void *ctx, uint64_t id, const char *address, int err);

    /*
     * A message was refused before the core saw it: see ferry/gate.h.  msg lives for the call.  libraft checks nothing
     * of the kind itself, and a message that no correct member sends crashes it or makes it diverge.  Must not call
     * back.
     */
    void (*report_refused)(void *ctx, const struct ferry_message *msg, enum ferry_verdict verdict);

    /*
     * May the member with this id send, although it is not in the core's configuration?  NULL: none may.  A member that
     * was down while another was added, and that other one has become the leader, does not know its leader: whoever
     * learns of members otherwise can vouch for it here.  Otherwise it waits until another member leads.
     */
    bool (*is_member)(void *ctx, uint64_t id);

    /*
     * Can the application restore this snapshot?  Asked before the core sees a MsgSnap, whose restore must not fail.
     * NULL: every one is taken.
     */
    bool (*is_snapshot)(void *ctx, const void *data, size_t len);

    /*
     * The entries of one MsgApp have at most so many bytes, but for a single larger one.  Not 0.  libraft gives with
     * one AppendEntries all that a follower lacks: it is sent in several MsgApp, up to 16 MiB of them, to a follower
     * that took the last one, and else the first MsgApp alone, until it is answered.  So what a dead follower lacks is
     * not sent to it again with every heartbeat.
     */
    size_t max_append_bytes;
};

#define FERRY_LIBRAFT_CONFIG_INIT                                                                                      \
    {                                                                                                                  \
        .size = sizeof(struct ferry_libraft_config), .max_append_bytes = (size_t)1 << 20                               \
    }

/* FERRY_OK, FERRY_ERR_INVALID (no inner, no max_append_bytes, or a size that this library does not know) or
 * FERRY_ERR_NOMEM. */
FERRY_API int ferry_libraft_new(const struct ferry_libraft_config *config, struct ferry_libraft **ret_lr);

/* Once raft_close has called back, and the transport is freed.  Takes NULL. */
FERRY_API void ferry_libraft_free(struct ferry_libraft *lr);

/*
 * Set what of the transport's configuration is the adapter's: core, snapshot_sink, and delivery (FERRY_DELIVER_HOST).
 * A snapshot lies in memory whole at both ends, as libraft has it: max_snapshot_bytes, when it is the default, becomes
 * 1 GiB.
 */
FERRY_API void ferry_libraft_configure(struct ferry_libraft *lr, struct ferry_config *config);

/* Name the transport, which was made with the configuration and has been started.  Once, before raft_start. */
FERRY_API void ferry_libraft_attach(struct ferry_libraft *lr, struct ferry_transport *t);

/* How many messages were refused for this reason.  0 for FERRY_VERDICT_ADMIT and outside the list. */
FERRY_API uint64_t ferry_libraft_n_refused(const struct ferry_libraft *lr, enum ferry_verdict verdict);

/* What raft_init is to be given.  Lives as long as lr. */
FERRY_API struct raft_io *ferry_libraft_io(struct ferry_libraft *lr);

/*
 * Call back what has been sent since, and what else must not happen inside of a call of libraft's.  To be called, from
 * outside of every callback, soon after wake.  raft_close's own callback may come from here.
 *
 * A send is called back with 0 once Ferry has the message (InstallSnapshot: once the other end has the whole), since
 * for Raft a message may be lost at any time; with RAFT_NOCONNECTION once for each time that Ferry reports the server
 * as unreachable, so that the leader goes back to probing (0.22 does so by itself); with RAFT_CANCELED after
 * raft_close. A message that cannot be queued is called back with RAFT_NOCONNECTION, RAFT_INVALID or RAFT_NOMEM.  A
 * send returns an error only after close, before attach, without memory for the callback, or where there is no callback
 * to tell it by.
 */
FERRY_API void ferry_libraft_turn(struct ferry_libraft *lr);

/* ---- In libuv's loop ------------------------------------------------------------------------------------------------
 */

/* A raft_uv_transport that neither listens nor connects, for the uv backend that only stores. */
FERRY_API void ferry_libraft_uv_no_network(struct raft_uv_transport *transport);

struct ferry_libraft_uv;

/*
 * From now on turn the attached transport and the adapter inside loop, whenever there is work.
 * FERRY_OK, FERRY_ERR_NOMEM, FERRY_ERR_SYSTEM (libuv refused), or FERRY_ERR_STATE (not attached).
 */
FERRY_API int ferry_libraft_uv_new(struct ferry_libraft *lr, struct uv_loop_s *loop,
                                   struct ferry_libraft_uv **ret_turner);

/*
 * Turn no more, and free turner; then done is called (NULL: nobody is).  From a callback of the loop or outside of it,
 * before the transport is stopped.
 */
FERRY_API void ferry_libraft_uv_close(struct ferry_libraft_uv *turner, void (*done)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
