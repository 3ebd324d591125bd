/*
 * join.h - ask a running cluster who we are in it.
 */
#ifndef ETCD_MEMBER_JOIN_H
#define ETCD_MEMBER_JOIN_H

#include "etcd-member/options.h"

/*
 * GET /members of the members that --initial-cluster names until one of them knows our peer URL, for half a minute at
 * most.  NULL with the three results set, or what went wrong last, to be freed.
 */
char *join_cluster(const struct options *options, const struct cluster_members *configured, uint64_t *ret_id,
                   uint64_t *ret_cluster_id, struct cluster_members *ret_members);

#endif
