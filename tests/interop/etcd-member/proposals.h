/*
 * proposals.h - entries of our own for the log, as etcd's members write them.
 */
#ifndef ETCD_MEMBER_PROPOSALS_H
#define ETCD_MEMBER_PROPOSALS_H

#include "ferry/ferry.h"

struct proposals {
    uint64_t id;      /* the member's */
    uint64_t next_id; /* of the next request: no two of a cluster are alike */
};

void proposals_init(struct proposals *proposals, uint64_t id);

/* The data of an entry, to be freed. */
struct ferry_bytes proposals_put(struct proposals *proposals, const char *key, const char *value);
struct ferry_bytes proposals_name(struct proposals *proposals, const char *name, const char *server_version);
struct ferry_bytes proposals_revocation(struct proposals *proposals, int64_t lease);
struct ferry_bytes proposals_promotion(struct proposals *proposals, uint64_t id); /* of a FERRY_ENTRY_CONF_CHANGE */
void proposals_free(struct ferry_bytes data);

#endif
