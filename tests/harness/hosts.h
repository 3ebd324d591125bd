/*
 * hosts.h - hosts in network namespaces, on one switch that can drop traffic for each direction separately.
 *
 * The calling process enters a network namespace of its own, which is the switch: a bridge with an address.  Each host
 * is another namespace with a cable to it.  The namespaces have no names: descriptors keep them, so they are gone when
 * the processes that use them end, in any way.  A process that entered a host is killed when its parent ends.
 *
 * Hosts are numbered from 0.  Any error fails the test.
 */
#ifndef HARNESS_HOSTS_H
#define HARNESS_HOSTS_H

#include <sys/types.h>

#define HOSTS_MAX 7
#define HOSTS_SWITCH "10.77.0.254" /* the switch's address, whose traffic is never dropped */

/* Why this machine cannot have hosts; NULL: it can.  Call before the first test. */
const char *hosts_obstacle(void);

void hosts_start(unsigned n); /* once per process */
void hosts_stop(void);

const char *hosts_address(unsigned which); /* IPv4 */

/*
 * fork(): the child runs on the host, and is killed when its parent ends.  It has its own hosts file; see hosts_name.
 */
pid_t hosts_fork(unsigned which);

/*
 * On host at, the name of host called resolves to address from now on, for processes forked later.  The name is
 * "hostN", and initially resolves to the host's own address.  Use this to put a proxy between two hosts.
 */
void hosts_name(unsigned at, unsigned called, const char *address);

/* Start or stop dropping the traffic from one host to another, one direction. */
void hosts_drop(unsigned from, unsigned to);
void hosts_pass(unsigned from, unsigned to);
void hosts_heal(void); /* drop nothing */

/* Both directions in one step. */
void hosts_cut(unsigned one, unsigned other);

/* Split the hosts into two groups: those whose bit is set in side, and the others. */
void hosts_split(unsigned side);

/* Limit a host's bandwidth, for sending and for receiving; 0: no limit.  False: the kernel has no tbf. */
_Bool hosts_slow(unsigned which, unsigned kbit_per_s);

#endif
