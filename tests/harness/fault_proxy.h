/*
 * fault_proxy.h - a faulty link: forwards bytes to a target, but can delay, corrupt, hold or truncate them.
 *
 * It runs in its own thread, in the network namespace of the thread that creates it.
 */
#ifndef HARNESS_FAULT_PROXY_H
#define HARNESS_FAULT_PROXY_H

#include <stdbool.h>
#include <stdint.h>

struct fault_proxy;

enum cut_how {
    CUT_RESET, /* reset both ends */
    CUT_CLOSE  /* close both ends in an orderly way */
};

/* Faults of all connections, both directions.  Zeroed: none. */
struct weather {
    unsigned delay_ms; /* delay of each piece */
    bool is_stalled;   /* nothing is forwarded, but nothing is lost either */
    double reset;      /* the share of pieces (0 to 1) that end their connection with a reset instead */
    double truncation; /* half of the piece is forwarded, and then the connection is closed */
    double corruption; /* one byte of the piece is changed */
};

/*
 * target, and where to listen, as "ADDRESS:PORT" (IPv4); port 0: any.  Faults are drawn from seed, so the same bytes in
 * the same pieces get the same faults.
 */
struct fault_proxy *fault_proxy_new(const char *listen, const char *target, uint64_t seed);
void fault_proxy_free(struct fault_proxy *p);             /* NULL is fine */
const char *fault_proxy_url(const struct fault_proxy *p); /* http://ADDRESS:PORT */

/* Applies on return, to everything read after it. */
void fault_proxy_set_weather(struct fault_proxy *p, const struct weather *weather);

/* How many connections were reset, truncated, or had a byte changed. */
unsigned fault_proxy_n_faults(struct fault_proxy *p);

/*
 * Cut one connection: the next that begins with the given text, such as "POST /raft/snapshot", after it has sent after
 * bytes to the target.
 */
void fault_proxy_cut(struct fault_proxy *p, const char *begin, uint64_t after, enum cut_how how);
unsigned fault_proxy_n_cut(struct fault_proxy *p);

#endif
