/*
 * kv_hosts.h - a ferry-kv on each host, clients on the switch, and what can be asked of them.
 *
 * Members are numbered as their hosts, from 0; to each other and in what they tell, they are one more.
 */
#ifndef PARTITION_KV_HOSTS_H
#define PARTITION_KV_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/fault_proxy.h"

#define KV_NOBODY (-1)

/* Why they cannot run here; NULL: they can. */
const char *kv_hosts_obstacle(void);

/*
 * Start n hosts and their members, wait for a leader, and let the clients begin.  With proxies, what members say to
 * each other passes a fault_proxy for each member that is spoken to, and is TLS, since a core believes what it is told,
 * and what TCP carries is not safe from a byte that is another one.  Whatever goes wrong fails the test.
 */
void kv_hosts_start(unsigned n, bool with_proxies, uint64_t seed);

/* End the clients, and have what they saw checked.  The members are then ended as well. */
void kv_hosts_finish(void);

/* At the end of each test, whatever became of it. */
void kv_hosts_release(void);

void kv_hosts_kill(unsigned which); /* SIGKILL, if it runs */
void kv_hosts_restart(unsigned which);
bool kv_hosts_is_up(unsigned which);

/* The member that leads by the word of a majority, itself among them; KV_NOBODY: none does. */
int kv_hosts_leader(void);

/*
 * Wait for one and print how long it took.  In three election timeouts, counted from begin_ms (of running_ms), or it
 * fails the test.
 */
void kv_hosts_await_leader(const char *after, uint64_t begin_ms);

void kv_hosts_set_weather(const struct weather *weather); /* of all proxies */
unsigned kv_hosts_n_faults(void);                         /* that the proxies played so far */

#endif
