/*
 * requests.h - what etcd's requests in the log do to the keys.
 */
#ifndef ETCD_MEMBER_REQUESTS_H
#define ETCD_MEMBER_REQUESTS_H

#include "etcd-member/etcdserver.pb-c.h"
#include "etcd-member/keyspace.h"

/*
 * Does etcd refuse the request for an alarm?  Until 3.4 (is_old) it does not look for puts in inner transactions.
 */
bool requests_are_barred(const struct keyspace_rules *rules, const Etcdserver__InternalRaftRequest *request,
                         bool is_old);

/* Does it change keys or leases, unless it is refused? */
bool requests_are_changes(const Etcdserver__InternalRaftRequest *request);

/*
 * Each request is one revision if it changes anything; one that etcd refuses when it applies it changes nothing.
 * sees_reads: a transaction is also refused for a read of a revision that is compacted or to come, wherever the read
 * stands.  Until 3.6, etcds leave the outermost reads out unless the request came from their own client, and see those
 * of inner transactions alone.
 */
void requests_put(struct keyspace *keys, const Etcdserver__PutRequest *put);
void requests_delete_range(struct keyspace *keys, const Etcdserver__DeleteRangeRequest *range);
void requests_txn(struct keyspace *keys, const Etcdserver__TxnRequest *txn, bool sees_reads);
void requests_compact(struct keyspace *keys, const Etcdserver__CompactionRequest *compaction);
void requests_set_alarm(struct keyspace_rules *rules, const Etcdserver__AlarmRequest *alarm);
void requests_revoke_lease(struct keyspace *keys, int64_t lease);

#endif
