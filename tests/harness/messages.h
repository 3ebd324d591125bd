/*
 * messages.h - Raft messages for tests: random ones, compared field by field, and converted to protobuf-c and back,
 * which is the reference for the library's codec.
 */
#ifndef HARNESS_MESSAGES_H
#define HARNESS_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "raftpb/raft.pb-c.h"

/* Memory that is freed all at once. {NULL} is an empty pool. */
struct pool {
    struct pool_block *blocks;
};

void *pool_take(struct pool *pool, size_t n, size_t size); /* zeroed; NULL only for nothing */
void pool_release(struct pool *pool);

uint64_t random_u64(void); /* of any width, often an edge value; from random() */

/* All types, all fields, with responses up to depth levels deep.  What it points to is the pool's. */
struct ferry_message *message_random(struct pool *pool, unsigned depth);

/* The first field that differs, or NULL.  An absent snapshot equals an empty one. */
const char *message_difference(const struct ferry_message *a, const struct ferry_message *b);

/* As form writes it: sets has_ flags. */
Raftpb__Message *message_to_protobuf(struct pool *pool, const struct ferry_message *msg, enum ferry_wire_form form);
struct ferry_message *message_from_protobuf(struct pool *pool, const Raftpb__Message *pb);

#endif
