/*
 * admin.h - a port to look at the member and to tell it what to do.
 */
#ifndef ETCD_MEMBER_ADMIN_H
#define ETCD_MEMBER_ADMIN_H

#include <stdint.h>

#include "etcd-member/member.h"

struct admin;

/* NULL with errno set: the address cannot be had.  host: an IPv4 address. */
struct admin *admin_start(const char *host, uint16_t port, struct member *member);
void admin_stop(struct admin *admin); /* NULL is fine */

#endif
