/*
 * upgrade.h - a request that becomes a two-way connection.
 */
#ifndef FY_NET_HTTP_UPGRADE_H
#define FY_NET_HTTP_UPGRADE_H

#include "net/http/duplex.h"
#include "net/http/request.h"

/* As in net.h. */
struct fy_duplex *fy_server_request_upgrade(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                            const struct fy_duplex_events *events, void *arg);
bool fy_server_duplex_vitals(const struct fy_duplex *duplex, struct fy_vitals *ret_vitals);

#endif
