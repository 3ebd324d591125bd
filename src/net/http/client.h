/*
 * client.h - the client's side of net.h: which of its parts makes a call.  All of it is the loop's.
 */
#ifndef FY_NET_HTTP_CLIENT_H
#define FY_NET_HTTP_CLIENT_H

#include "net/http/duplex.h"
#include "net/http/get.h"
#include "net/http/post_call.h"

struct fy_client {
    struct fy_loop_part part;
    struct fy_transfers transfers;
    struct fy_gets gets;
    struct fy_post_calls posts;
};

/* cfg outlives the client.  FERRY_OK or FERRY_ERR_NOMEM, with nothing left behind. */
int fy_client_init(struct fy_client *client, struct fy_loop *loop, const struct fy_http_config *cfg);
void fy_client_release(struct fy_client *client); /* no call is left */

/* As fy_net_call. */
int fy_client_call(struct fy_client *client, const struct fy_call_spec *spec, const struct fy_call_events *events,
                   void *arg, struct fy_call **ret_call);

/* As fy_net_duplex. */
int fy_client_duplex(struct fy_client *client, struct fy_duplexes *duplexes, const struct fy_duplex_spec *spec,
                     const struct fy_duplex_events *events, void *arg, struct fy_duplex **ret_duplex);

#endif
