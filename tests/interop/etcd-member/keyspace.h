/*
 * keyspace.h - the keys as they are now, in byte order, with etcd's revisions; the leases that keys may hang on; and
 * what makes etcd refuse requests, which its database holds beside them.
 */
#ifndef ETCD_MEMBER_KEYSPACE_H
#define ETCD_MEMBER_KEYSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "etcd-member/ids.h"
#include "ferry/ferry.h"

struct keyspace;

/* What makes etcd refuse a request when it applies it. */
struct keyspace_rules {
    struct ids no_space;     /* members with this alarm on: no puts, no leases */
    struct ids corrupt;      /* the same with this one: nothing changes any more */
    int64_t compacted;       /* the revision compacted to last; 0: none */
    bool has_auth;           /* authentication may be on: who may do what is not known here */
    uint64_t diverged_at;    /* the entry from which on the keys may not be etcd's any more; 0: they are */
    const char *diverged_by; /* and why; a constant */
};

struct lease {
    int64_t id;
    int64_t ttl_s;
};

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

struct keyspace_rules *keyspace_rules(struct keyspace *keys);                  /* to be read and set */
void keyspace_diverge(struct keyspace *keys, uint64_t entry, const char *why); /* unless it is said already */

/* NULL: there is none.  What is returned lives until the next change. */
const struct key *keyspace_get(const struct keyspace *keys, struct ferry_bytes key);
const struct key *keyspace_next(const struct keyspace *keys, const struct key *key); /* NULL: the first */

/* Those from first on that are in etcd's range: end absent: first alone; a single NUL: all behind it; else before it.
 */
const struct key *keyspace_first_in(const struct keyspace *keys, struct ferry_bytes first, struct ferry_bytes end);
bool keyspace_is_in(const struct key *key, struct ferry_bytes first, struct ferry_bytes end);

void keyspace_set(struct keyspace *keys, const struct key *key);                 /* a copy, as it is */
bool keyspace_delete(struct keyspace *keys, struct ferry_bytes key);             /* false: it was not there */
void keyspace_add_lease(struct keyspace *keys, const struct lease *lease);       /* nothing if it is there */
const struct lease *keyspace_leases(const struct keyspace *keys, size_t *ret_n); /* ascending by id */
bool keyspace_has_lease(const struct keyspace *keys, int64_t lease);
void keyspace_drop_lease(struct keyspace *keys, int64_t lease);

#endif
