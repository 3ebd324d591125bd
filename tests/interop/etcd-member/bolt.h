/*
 * bolt.h - read a bbolt database, the body of etcd's snapshots.
 */
#ifndef ETCD_MEMBER_BOLT_H
#define ETCD_MEMBER_BOLT_H

#include <stdbool.h>
#include <stddef.h>

#include "ferry/ferry.h"

struct bolt;

/* Map the file at path.  NULL: it cannot be read, or is no bbolt database. */
struct bolt *bolt_open(const char *path);
void bolt_close(struct bolt *bolt);

/* Call fn for each pair of the bucket, in the order of keys.  False: the database is damaged, or fn said false. */
typedef bool bolt_fn(void *ctx, struct ferry_bytes key, struct ferry_bytes value);
bool bolt_each(const struct bolt *bolt, const char *bucket, bolt_fn *fn, void *ctx);

#endif
