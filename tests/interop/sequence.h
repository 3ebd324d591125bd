/*
 * sequence.h - an endless row of messages that sender and receiver can both generate, and their comparison.
 *
 * The twin of rafthttp-peer/peer/sequence.go, where the story is told: what is drawn, and in which order, must be the
 * same in both.
 */
#ifndef INTEROP_SEQUENCE_H
#define INTEROP_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

/* Memory that is given back all at once.  Zeroed is empty.  Ends the process when there is none. */
struct arena {
    struct arena_block *blocks;
};

void arena_release(struct arena *arena);

struct sequence {
    uint64_t seed;
    uint64_t from;
    uint64_t to;
    uint64_t types; /* message types 0 to types - 1 */
    bool late;      /* use the fields of etcd 3.6 as well */
};

/* Message k; what it points to stands in the arena. */
struct ferry_message sequence_message(const struct sequence *seq, uint64_t k, struct arena *arena);

/* The number of a message; garbage for one of another sequence. */
uint64_t sequence_number(const struct sequence *seq, const struct ferry_message *msg);

/* Where got departs from want, in words; false when nowhere. */
bool sequence_difference(const struct ferry_message *got, const struct ferry_message *want, char *text, size_t cap);

#endif
