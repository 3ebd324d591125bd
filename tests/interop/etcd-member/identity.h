/*
 * identity.h - ids as etcd computes them.
 */
#ifndef ETCD_MEMBER_IDENTITY_H
#define ETCD_MEMBER_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

/* Of a member of a cluster that begins: peer_urls (NULL-ended, in any order) and the cluster's token. */
uint64_t identity_of_member(char *const *peer_urls, const char *token);

/* Of a cluster that begins with the members ids[0..n), in ascending order. */
uint64_t identity_of_cluster(const uint64_t *ids, size_t n);

#endif
