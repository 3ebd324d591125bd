/*
 * lease_routes.h - what etcds ask their leader about leases, on its peer port.
 */
#ifndef ETCD_MEMBER_LEASE_ROUTES_H
#define ETCD_MEMBER_LEASE_ROUTES_H

#include "etcd-member/lessor.h"

/* Before the transport starts; lessor outlives it.  Returns Ferry's errors. */
int lease_routes_add(struct lessor *lessor, struct ferry_transport *transport);

#endif
