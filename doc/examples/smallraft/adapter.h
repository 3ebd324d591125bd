/*
 * adapter.h - smallraft's messages over Ferry.
 *
 * The program makes the adapter, then the core with sr_ferry_send and sr_ferry_set_members among its functions, and
 * gives the core to sr_ferry_start.  All calls come from one thread: the transport is hosted by the program's loop
 * (FERRY_DELIVER_HOST), or stands on a simulated network.
 */
#ifndef SMALLRAFT_ADAPTER_H
#define SMALLRAFT_ADAPTER_H

#include <ferry/ferry.h>
#include <ferry/gate.h>

#include "smallraft.h"

struct sr_ferry {
    struct ferry_transport *transport;
    struct smallraft *raft; /* the program's; NULL until start */
    uint64_t id;
    struct sr_members members; /* whom the transport has as peers, besides this member */
    const char *(*url_of)(void *ctx, uint64_t id);
    void *url_ctx;
    uint64_t n_refused; /* messages */
    enum ferry_verdict last_refusal;
};

/* Fill the callbacks of cfg, whose other fields are the program's; then make the transport of it. */
void sr_ferry_init(struct sr_ferry *ferry, struct ferry_config *cfg, const char *(*url_of)(void *ctx, uint64_t id),
                   void *url_ctx);

/* The transport is made.  FERRY_OK or what went wrong, with nothing started. */
int sr_ferry_start(struct sr_ferry *ferry, struct smallraft *raft);

/* For struct sr_host. */
void sr_ferry_send(struct sr_ferry *ferry, const struct sr_message *msg);
void sr_ferry_set_members(struct sr_ferry *ferry, const struct sr_members *members);

#endif
