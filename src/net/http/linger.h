/*
 * linger.h - connections that were answered before their client had finished sending.
 */
#ifndef FY_NET_HTTP_LINGER_H
#define FY_NET_HTTP_LINGER_H

#include <stddef.h>

#include "base/list.h"
#include "net/http/loop.h"

struct fy_lingering {
    struct fy_loop *loop;
    struct fy_list leavers; /* struct leaver, oldest first */
    struct fy_timer timer;
    size_t n;
};

void fy_linger_init(struct fy_lingering *l, struct fy_loop *loop);
void fy_linger_release(struct fy_lingering *l);

/*
 * Keep the connection behind fd half open, for a client that is still sending and would lose the answer to a reset:
 * read and discard at most max_bytes of what it sends until it closes or some seconds have passed.  fd itself stays
 * the caller's.  Does nothing when descriptors or memory are short, or too many linger already.
 */
void fy_linger(struct fy_lingering *l, int fd, size_t max_bytes);

#endif
