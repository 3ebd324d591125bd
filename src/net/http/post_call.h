/*
 * post_call.h - calls that are curl's from beginning to end: POSTs, and GETs whose connection may be kept.
 */
#ifndef FY_NET_HTTP_POST_CALL_H
#define FY_NET_HTTP_POST_CALL_H

#include "net/http/transfers.h"
#include "net/net.h"

/* Those of a net. */
struct fy_post_calls {
    struct fy_transfers *transfers;
    struct fy_list paused; /* struct post_call.pause_node: with nothing to send */
    struct fy_list woken;  /* the same: with something again */
};

void fy_post_calls_init(struct fy_post_calls *posts, struct fy_transfers *transfers);
bool fy_post_calls_have_work(const struct fy_post_calls *posts);
void fy_post_calls_work(struct fy_post_calls *posts);

/* End those that wait for something to send, and whose server has closed the connection: curl does not see that. */
void fy_post_calls_end_closed(struct fy_post_calls *posts);

int fy_post_call_start(struct fy_post_calls *posts, const struct fy_call_spec *spec,
                       const struct fy_call_events *events, void *arg, struct fy_call **ret_call);

#endif
