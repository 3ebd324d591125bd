/*
 * pages.h - the two pages that show a transport: /metrics and /debug/peers.
 */
#ifndef FY_TRANSPORT_PAGES_H
#define FY_TRANSPORT_PAGES_H

struct ferry_transport;

/* Add to t->service the pages that the configuration wants. */
void fy_pages_init(struct ferry_transport *t);

#endif
