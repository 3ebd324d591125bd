/*
 * hosts.h - real hosts out of network namespaces, on one switch that drops what it is told to, each direction apart.
 *
 * The calling process enters a network namespace of its own, which is the switch: a bridge that it has an address on.
 * Each host is another namespace with one cable to it.  None of them has a name: they are held by descriptors, and go
 * when the processes that use them are gone, however these end.  A process that entered a host dies with the one that
 * forked it.
 *
 * Hosts are numbered from 0.  Whatever goes wrong fails the test.
 */
#ifndef HARNESS_HOSTS_H
#define HARNESS_HOSTS_H

#include <sys/types.h>

#define HOSTS_MAX 7
#define HOSTS_SWITCH "10.77.0.254" /* the address of the switch, whose traffic is never dropped */

/* Why there can be none on this machine; NULL: there can.  To be asked before the first test. */
const char *hosts_obstacle(void);

void hosts_start(unsigned n); /* once in a process */
void hosts_stop(void);

const char *hosts_address(unsigned which); /* IPv4 */

/* fork(): the child is on the host, and dies with its parent.  Its hosts file is the host's own; see hosts_name. */
pid_t hosts_fork(unsigned which);

/*
 * On host at the name of host called is found at address from now on, by processes that are forked later.  The name is
 * "hostN"; before, it is called's own address.  This is how something is put between two hosts.
 */
void hosts_name(unsigned at, unsigned called, const char *address);

/* What goes from one host to another is dropped, or no longer: one direction. */
void hosts_drop(unsigned from, unsigned to);
void hosts_pass(unsigned from, unsigned to);
void hosts_heal(void); /* all pass */

/* Both directions at once, in one step. */
void hosts_cut(unsigned one, unsigned other);

/* Split the hosts in two: those whose bit is set in side, and the others. */
void hosts_split(unsigned side);

/* What a host sends and what it is sent each have so much bandwidth; 0: all there is.  False: the kernel has no tbf. */
_Bool hosts_slow(unsigned which, unsigned kbit_per_s);

#endif
