/*
 * accept.h - how connections come to a listener, and when they do not.
 */
#ifndef FY_NET_HTTP_ACCEPT_H
#define FY_NET_HTTP_ACCEPT_H

#include "net/http/listener.h"

void fy_accept_init(struct fy_listener *listener);         /* cannot fail */
int fy_accept_start(struct fy_listener *listener, int fd); /* a listening socket.  FERRY_OK or FERRY_ERR_SYSTEM */
void fy_accept_release(struct fy_listener *listener);

/* Accept no more for a moment, and log why.  Fine for a listener that is closed. */
void fy_accept_pause(struct fy_listener *listener, const char *cause);
void fy_accept_on_conn_freed(struct fy_listener *listener);

#endif
