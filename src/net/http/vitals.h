/*
 * vitals.h - what the kernel knows of a connection, and how soon it gives one up.
 */
#ifndef FY_NET_HTTP_VITALS_H
#define FY_NET_HTTP_VITALS_H

#include <stdbool.h>

#include "net/net.h"

/* Have the kernel probe the other end of a silent connection.  A socket that refuses works without. */
void fy_vitals_watch(unsigned link_timeout_ms, int fd);

/*
 * Have the kernel end a connection when link_timeout_ms (0: no limit) have passed without an acknowledgement.  Not for
 * one that a body is sent on: the kernel counts a receiver whose buffer is full as one that does not answer.
 */
void fy_vitals_limit(unsigned link_timeout_ms, int fd);

/*
 * Break a connection at once: the other end sees a reset, whatever is done with the descriptor after it.  Closing it
 * with SO_LINGER is not enough when a library writes to it, or shuts it down, before it closes it.
 */
void fy_vitals_reset(int fd);

bool fy_vitals_read(int fd, struct fy_vitals *ret_vitals);

#endif
