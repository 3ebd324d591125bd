/*
 * client.h - keys and values, by way of an etcd's JSON gateway.
 */
#ifndef ETCD_CLIENT_H
#define ETCD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct server;

/* True when etcd acknowledged it; false is no proof that it was not done. */
bool client_put(const struct server *etcd, const char *key, const char *value, unsigned deadline_ms);

enum client_consistency { READ_LINEARIZABLE, READ_LOCAL };

/* The value, for free; NULL: there is none, or no answer. */
char *client_get(const struct server *etcd, const char *key, enum client_consistency consistency, unsigned deadline_ms);

/* True when etcd answers that key has that value. */
bool client_has(const struct server *etcd, const char *key, const char *value, enum client_consistency consistency);

/*
 * All keys and values that a server holds, in the order of the keys, each on a line of its own: what etcdctl get
 * prints, and a Ferry member's /dump.  For free.
 */
char *client_dump(const struct server *server);

/* All running servers hold the same, once they have applied the same.  The common dump, for free. */
char *client_common_dump(void);

/* The bodies of a put and of a linearizable read, for free. */
char *client_put_body(const char *key, const char *value);
char *client_get_body(const char *key);

#endif
