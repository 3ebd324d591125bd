/*
 * client.h - the client's side of net.h: calls, on curl.  All of it is the loop's.
 */
#ifndef FY_NET_HTTP_CLIENT_H
#define FY_NET_HTTP_CLIENT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "net/http/http.h"
#include "net/http/loop.h"
#include "net/net.h"

struct fy_client {
    struct fy_loop_part part;
    struct fy_loop *loop;
    const struct fy_http_config *cfg;
    const struct fy_net_ops *ops; /* of every call */
    CURLM *multi;                 /* NULL: no call has been with curl for a while */
    struct fy_timer multi_timer;  /* set while none is: then it goes */
    size_t n_easies;              /* calls in which curl has a part */
    uint64_t kept_until_ns;       /* until then it may hold a connection that is of use to another call */
    struct fy_timer curl_timer;
    bool curl_is_due;            /* its timeout passed */
    bool curl_has_acted;         /* it may have left messages */
    bool in_curl;                /* a callback of curl's may be running: its handles cannot be added or removed */
    struct fy_list calls_new;    /* struct fy_call, to be given to curl */
    struct fy_list calls;        /* struct fy_call, with curl */
    struct fy_list calls_doomed; /* struct fy_call, to be taken from curl and freed */
    struct fy_list calls_paused; /* struct fy_call.pause_node: with nothing to send */
    struct fy_list calls_woken;  /* the same: with something again */
    struct fy_list calls_full;   /* struct fy_call.rest_node: streams that have had their share of this turn */
    struct fy_list calls_rested; /* the same, of the turn before: they go on */
    struct fy_list calls_headed; /* the same: streams whose connection is to be taken over from curl */
};

/* cfg outlives the client.  FERRY_OK or FERRY_ERR_NOMEM, with nothing left behind. */
int fy_client_init(struct fy_client *client, struct fy_loop *loop, const struct fy_http_config *cfg,
                   const struct fy_net_ops *ops);
void fy_client_release(struct fy_client *client); /* no call is left */

/* As in net.h. */
int fy_client_call(struct fy_client *client, const struct fy_call_spec *spec, const struct fy_call_events *events,
                   void *arg, struct fy_call **ret_call);
void fy_client_cancel(struct fy_call *call);
void fy_client_wake(struct fy_call *call);
bool fy_client_call_vitals(const struct fy_call *call, struct fy_vitals *ret_vitals);

#endif
