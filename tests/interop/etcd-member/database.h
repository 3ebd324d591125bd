/*
 * database.h - the keys, leases and alarms in a snapshot's body, etcd's database.
 */
#ifndef ETCD_MEMBER_DATABASE_H
#define ETCD_MEMBER_DATABASE_H

#include "etcd-member/keyspace.h"

/* NULL: the file is no such database, or damaged. */
struct keyspace *database_read(const char *path);

#endif
