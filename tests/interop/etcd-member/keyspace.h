/*
 * keyspace.h - the keys as they are now, in byte order, with etcd's revisions; and the leases that keys may hang on.
 */
#ifndef ETCD_MEMBER_KEYSPACE_H
#define ETCD_MEMBER_KEYSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct keyspace;

struct key {
    struct ferry_bytes key;
    struct ferry_bytes value;
    int64_t create_revision;
    int64_t mod_revision;
    int64_t version;
    int64_t lease; /* 0: none */
};

struct keyspace *keyspace_new(void);
void keyspace_free(struct keyspace *keys);

size_t keyspace_count(const struct keyspace *keys);
int64_t keyspace_revision(const struct keyspace *keys);
void keyspace_set_revision(struct keyspace *keys, int64_t revision);

/* NULL: there is none.  What is returned lives until the next change. */
const struct key *keyspace_get(const struct keyspace *keys, struct ferry_bytes key);
const struct key *keyspace_next(const struct keyspace *keys, const struct key *key); /* NULL: the first */

/* Those from first on that are in etcd's range: end absent: first alone; a single NUL: all behind it; else before it.
 */
const struct key *keyspace_first_in(const struct keyspace *keys, struct ferry_bytes first, struct ferry_bytes end);
bool keyspace_is_in(const struct key *key, struct ferry_bytes first, struct ferry_bytes end);

void keyspace_set(struct keyspace *keys, const struct key *key);     /* a copy, as it is */
bool keyspace_delete(struct keyspace *keys, struct ferry_bytes key); /* false: it was not there */
void keyspace_add_lease(struct keyspace *keys, int64_t lease);
bool keyspace_has_lease(const struct keyspace *keys, int64_t lease);
void keyspace_drop_lease(struct keyspace *keys, int64_t lease);

#endif
