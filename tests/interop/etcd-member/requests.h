/*
 * requests.h - what etcd's requests in the log do to the keys.
 */
#ifndef ETCD_MEMBER_REQUESTS_H
#define ETCD_MEMBER_REQUESTS_H

#include "etcd-member/etcdserver.pb-c.h"
#include "etcd-member/keyspace.h"

/* Each request is one revision if it changes anything; one that etcd refuses when it applies it changes nothing. */
void requests_put(struct keyspace *keys, const Etcdserver__PutRequest *put);
void requests_delete_range(struct keyspace *keys, const Etcdserver__DeleteRangeRequest *range);
void requests_txn(struct keyspace *keys, const Etcdserver__TxnRequest *txn);
void requests_revoke_lease(struct keyspace *keys, int64_t lease);

#endif
