/*
 * carrier.h - how frames reach a node, and how its answers come back: what the mailbox asks of a network.
 *
 * The carrier calls, on the mailbox's thread: fy_outbox_link when a node can be reached or no more, fy_outbox_answer
 * with an answer, and fy_receiver_take with a message.  It never does so from inside a call of this interface.
 * from is the node at the other end of the link as its certificate or address tells, never as a frame claims.
 */
#ifndef FY_MAILBOX_CARRIER_H
#define FY_MAILBOX_CARRIER_H

#include <stdint.h>

#include "ferry/ferry.h"

struct fy_carrier {
    void *ctx;

    /*
     * Send a message frame, which is read during the call only.  call is the number by which the answer may be matched
     * where the network has none of its own; 0: no answer is wanted.
     * FERRY_ERR_FULL: not now; FERRY_ERR_TOO_LARGE: never; any other error: the node cannot be reached.
     */
    int (*send)(void *ctx, const char *node, uint64_t call, struct ferry_bytes frame);

    /* A call has ended, by its answer or without one.  An answer that comes all the same may be given or not. */
    void (*forget)(void *ctx, uint64_t call);

    /* Answer a message that fy_receiver_take was given, once for each; an empty answer: none is to be sent. */
    void (*answer)(void *ctx, void *request, struct ferry_bytes frame);
};

#endif
