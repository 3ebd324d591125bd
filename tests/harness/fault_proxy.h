/*
 * fault_proxy.h - a link that misbehaves: passes bytes on to a target, late, wrong, for a while not at all, or not to
 * their end.
 *
 * It runs in a thread of its own, in the network namespace of the thread that makes it.
 */
#ifndef HARNESS_FAULT_PROXY_H
#define HARNESS_FAULT_PROXY_H

#include <stdbool.h>
#include <stdint.h>

struct fault_proxy;

enum cut_how {
    CUT_RESET, /* both ends */
    CUT_CLOSE  /* both ends, in order */
};

/* Of all connections, both ways.  Zeroed: none. */
struct weather {
    unsigned delay_ms; /* that each piece is late */
    bool is_stalled;   /* nothing passes; nothing is lost either */
    double reset;      /* the share of pieces (0 to 1) that end their connection with a reset instead */
    double truncation; /* half of the piece still passes, and then the connection ends in order */
    double corruption; /* a byte of the piece is another one */
};

/*
 * target, and where to listen, as "ADDRESS:PORT" (IPv4); port 0: any.  Pieces are drawn by seed, so that the same bytes
 * in the same pieces meet the same faults.
 */
struct fault_proxy *fault_proxy_new(const char *listen, const char *target, uint64_t seed);
void fault_proxy_free(struct fault_proxy *p);             /* NULL is fine */
const char *fault_proxy_url(const struct fault_proxy *p); /* http://ADDRESS:PORT */

/* In force when it returns, for what is read after it. */
void fault_proxy_set_weather(struct fault_proxy *p, const struct weather *weather);

/* How many connections were reset, truncated, or had a byte changed. */
unsigned fault_proxy_n_faults(struct fault_proxy *p);

/*
 * Cut one connection: the next that begins with the given text, such as "POST /raft/snapshot", when it has brought
 * after bytes to the target.
 */
void fault_proxy_cut(struct fault_proxy *p, const char *begin, uint64_t after, enum cut_how how);
unsigned fault_proxy_n_cut(struct fault_proxy *p);

#endif
