/*
 * peers.h - how members see each other: what a Ferry member says of its peers, and an etcd in its metrics.
 */
#ifndef ETCD_PEERS_H
#define ETCD_PEERS_H

#include <stdbool.h>
#include <stdint.h>

struct server;

bool peers_is_listening(const struct server *server); /* its peer port takes connections */
void peers_await_listening(struct server *server); /* the test fails at once when the server has ended */
bool peers_is_removed(const struct server *ferry);
unsigned peers_count(const struct server *ferry);   /* members that it holds for peers; 0: no answer */
unsigned peers_streams(const struct server *ferry); /* streams that stand, of four to each peer */

/* A number that a Ferry member tells about one peer: "snapshots_sent", "good".  0 without. */
uint64_t peers_number(const struct server *ferry, const struct server *peer, const char *group, const char *key);

/* A sample of the etcd's metrics whose labels are exactly those; -1: it has none. */
double peers_metric(const struct server *etcd, const char *name, const char *labels);

#endif
