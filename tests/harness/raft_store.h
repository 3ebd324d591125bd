/*
 * raft_store.h - a disk for libraft in memory: a raft_io whose time, chance and writes are a simulation's.
 *
 * It is the inner raft_io of a member; messages are somebody else's (send fails).  Term and vote are on the disk when
 * the call returns, as in libraft's own backend.  Entries, truncations and snapshots are written one after the other,
 * each taking its time, and are called back when they are on the disk.  After a crash there is what was on the disk and
 * some part, decided by chance, of what was on its way: whole writes in their order, and of the next some entries.
 * The disk outlives the members' lives: close ends a life, the next begins with load.
 */
#ifndef HARNESS_RAFT_STORE_H
#define HARNESS_RAFT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/libraft/raft_compat.h"
#include "ferry/sim.h"
#include "net/sim/chance.h"

/* An entry of a log, as the disk has it. */
struct raft_store_entry {
    raft_term term;
    unsigned short type;
    uint64_t digest; /* of type and data */
    size_t len;
    uint8_t *data;
};

/* Who looks at what is written, at the moment at which libraft says so. */
struct raft_store_watch {
    void *ctx;
    /* libraft appends entry at index, after one of prev_term (0: the log is empty there). */
    void (*on_append)(void *ctx, raft_index index, raft_term prev_term, const struct raft_store_entry *entry);
};

struct raft_store;

/* chance is drawn from alone by this store. */
struct raft_store *raft_store_new(struct ferry_sim *sim, uint64_t member, uint64_t seed,
                                  const struct raft_store_watch *watch);
void raft_store_free(struct raft_store *store); /* between two lives */
struct raft_io *raft_store_io(struct raft_store *store);

/* A write takes min_ns to max_ns; a snapshot ten times that. */
void raft_store_set_pace(struct raft_store *store, uint64_t min_ns, uint64_t max_ns);

/*
 * Before the first life: as if the bootstrapping entry had been taken into a snapshot of this content.  For days on
 * which libraft compacts its log: a leader of 0.15 that still has its first entry can come to send it to a follower
 * that has compacted it, which then takes it for a new one, and crashes.
 */
void raft_store_compact_first(struct raft_store *store, const struct raft_configuration *conf, const void *data,
                              size_t len);

/* The process dies: decide what of the writes that are on their way is on the disk.  Then raft_close is called. */
void raft_store_crash(struct raft_store *store);

/* Closes that canceled the installing of a snapshot: libraft 0.15 forgets a block of memory at each. */
unsigned raft_store_n_canceled_installs(const struct raft_store *store);

/* The log as libraft has it, written or on its way: 0 for a term that is not known there (any more). */
raft_index raft_store_last_index(const struct raft_store *store);
raft_term raft_store_term_at(const struct raft_store *store, raft_index index);

#endif
