/*
 * client_duplex.h - the client's end of an upgraded connection: a GET whose answer is 101.
 */
#ifndef FY_NET_HTTP_CLIENT_DUPLEX_H
#define FY_NET_HTTP_CLIENT_DUPLEX_H

#include "net/http/duplex.h"
#include "net/http/get.h"

/* As fy_net_duplex. */
int fy_client_duplex_start(struct fy_duplexes *duplexes, struct fy_gets *gets, struct fy_transfers *transfers,
                           const struct fy_duplex_spec *spec, const struct fy_duplex_events *events, void *arg,
                           struct fy_duplex **ret_duplex);

#endif
