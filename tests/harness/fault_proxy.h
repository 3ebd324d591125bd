/*
 * cutting_proxy.h - a link that can be cut: passes bytes on to a target, and breaks one connection at a chosen byte.
 *
 * It runs in a thread of its own.  Only connections that begin with a given text, such as "POST /raft/snapshot", are
 * cut.
 */
#ifndef HARNESS_CUTTING_PROXY_H
#define HARNESS_CUTTING_PROXY_H

#include <stdbool.h>
#include <stdint.h>

struct cutting_proxy;

enum cut_how {
    CUT_RESET, /* both ends */
    CUT_CLOSE  /* both ends, in order */
};

/* target: http://127.0.0.1:PORT */
struct cutting_proxy *cutting_proxy_new(const char *target, const char *begin);
void cutting_proxy_free(struct cutting_proxy *p);
const char *cutting_proxy_url(const struct cutting_proxy *p);

/* Cut the next such connection when it has brought after bytes to the target. */
void cutting_proxy_cut(struct cutting_proxy *p, uint64_t after, enum cut_how how);
unsigned cutting_proxy_n_cut(struct cutting_proxy *p);

#endif
