/*
 * lessor.h - when leases end, while this member leads.
 *
 * Only a leader lets leases end: it proposes their revocation.  When it begins to lead each has its whole time, as with
 * etcd.  The member's thread tells of leases; those who renew ask on Ferry's.
 */
#ifndef ETCD_MEMBER_LESSOR_H
#define ETCD_MEMBER_LESSOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "etcd-member/keyspace.h"

struct lessor_lease {
    struct lease lease;
    uint64_t ends_ms;
    uint64_t asked_ms; /* when its revocation is proposed again; 0: it was not yet */
};

struct lessor {
    pthread_mutex_t mu;
    bool leads; /* mu, as all */
    struct lessor_lease *list;
    size_t n;
    size_t room;
};

enum lessor_answer { LESSOR_OK, LESSOR_UNKNOWN, LESSOR_ENDS, LESSOR_FOLLOWS }; /* ENDS: its time is over */

uint64_t lessor_now_ms(void);
void lessor_init(struct lessor *lessor);
void lessor_release(struct lessor *lessor);

/* The member's thread.  leads changed; leases as they are then, of which each has extend_ms more than its time. */
void lessor_lead(struct lessor *lessor, const struct keyspace *keys, uint64_t now_ms, unsigned extend_ms);
void lessor_follow(struct lessor *lessor);
void lessor_add(struct lessor *lessor, const struct lease *lease, uint64_t now_ms); /* nothing while it follows */
void lessor_drop(struct lessor *lessor, int64_t id);

/* A lease whose time is over, and of which this was not said in the last retry_ms.  False: there is none. */
bool lessor_take_ended(struct lessor *lessor, uint64_t now_ms, unsigned retry_ms, int64_t *ret_id);

/* Any thread.  The lease with its whole time; what is left of it. */
enum lessor_answer lessor_renew(struct lessor *lessor, int64_t id, uint64_t now_ms, struct lease *ret_lease);
enum lessor_answer lessor_look(struct lessor *lessor, int64_t id, uint64_t now_ms, struct lease *ret_lease,
                               uint64_t *ret_left_ms);

#endif
