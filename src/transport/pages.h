/*
 * pages.h - the two pages that show a transport: /metrics and /debug/peers.
 */
#ifndef FY_TRANSPORT_PAGES_H
#define FY_TRANSPORT_PAGES_H

struct ferry_transport;

/* Serve the pages that the configuration wants, unless the embedder serves the path.  FERRY_OK or FERRY_ERR_NOMEM. */
int fy_pages_add_routes(struct ferry_transport *t);

#endif
