/*
 * network.h - a machine for each server, as far as the kernel is concerned, and a router between them that drops.
 *
 * The router is the test's own network namespace.  It reaches every server whatever is dropped between them.
 */
#ifndef ETCD_NETWORK_H
#define ETCD_NETWORK_H

struct server;

/* Why this system cannot play it; NULL when it can.  Threads: none may have been started. */
const char *network_find_obstacle(void);

/* Each in the test, before any server is started. */
void network_enter(void);
void network_add_host(struct server *server); /* moves it from loopback to a machine of its own */

void network_cut(const struct server *a, const struct server *b); /* drop all between the two, in both directions */
void network_mend(const struct server *a, const struct server *b);
void network_isolate(const struct server *server); /* cut it off from all others */
void network_rejoin(const struct server *server);

/* The interface of the router that leads to the server. */
const char *network_interface(const struct server *server);

#endif
