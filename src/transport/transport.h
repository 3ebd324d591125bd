/*
 * transport.h - the transport as the simulation's tests see it: on a net that somebody else runs.
 */
#ifndef FY_TRANSPORT_TRANSPORT_H
#define FY_TRANSPORT_TRANSPORT_H

#include "ferry/ferry.h"

struct fy_net;

/*
 * As ferry_transport_new, but on net, which outlives the transport and whose loop the caller turns.  The core is called
 * on that loop, and every function of ferry.h belongs to its thread; cfg.delivery is not looked at.
 */
int fy_transport_new_on(const struct ferry_config *cfg, struct fy_net *net, struct ferry_transport **ret_t);

#endif
