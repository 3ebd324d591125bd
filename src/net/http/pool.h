/*
 * pool.h - who may have how many connections of a listener.
 *
 * A connection is a stranger's until a service says that its client is known, or takes it for a stream or an upgrade.
 * Strangers have all connections but the reserve, and of those only so many from one address.  An address from which a
 * known client came is familiar: the newcomers from it may use the reserve.
 */
#ifndef FY_NET_HTTP_POOL_H
#define FY_NET_HTTP_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fy_conn;
struct fy_listener;
struct fy_request;
struct sockaddr;

#define FY_POOL_MIN_SILENCE_MS 100 /* before a connection may be closed: a peer has sent its head by then */
#define FY_POOL_FAMILIAR 128       /* addresses that are remembered, the latest ones */

/* A listener's. */
struct fy_pool {
    size_t n_known;   /* connections of known clients that stay */
    size_t n_leaving; /* closed to make room, and not gone yet */
    uint64_t familiar[FY_POOL_FAMILIAR];
    size_t n_familiar; /* ever added: the next takes the place of the oldest */
};

enum fy_pool_verdict {
    FY_POOL_ROOM,         /* a newcomer may stay */
    FY_POOL_FULL,         /* if another connection goes */
    FY_POOL_CROWDED,      /* if a stranger's goes */
    FY_POOL_ADDRESS_FULL, /* if a stranger's goes that is from the same address */
};

/* Where a client is: its IPv4 address, or the network of its IPv6 address (/64). */
uint64_t fy_pool_source(const struct sockaddr *addr);

bool fy_pool_is_full(const struct fy_listener *listener);    /* all connections are in use */
bool fy_pool_is_crowded(const struct fy_listener *listener); /* the strangers' share is */
enum fy_pool_verdict fy_pool_judge(const struct fy_listener *listener, uint64_t source);

/* The least useful connection that may be closed for a newcomer from source; NULL: there is none just now. */
struct fy_conn *fy_pool_find_victim(struct fy_listener *listener, enum fy_pool_verdict verdict, uint64_t source);

void fy_pool_set_known(struct fy_conn *conn);   /* and its address familiar; done again, it does nothing */
void fy_pool_set_leaving(struct fy_conn *conn); /* it was closed to make room */
void fy_pool_forget(struct fy_conn *conn);      /* it is gone */

void fy_server_request_set_known(struct fy_request *req); /* as in net.h */

#endif
