/*
 * member.h - one member of a cluster under test: a transport on a loopback port, its core and its log.
 */
#ifndef HARNESS_MEMBER_H
#define HARNESS_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "harness/journal.h"
#include "harness/recorder.h"

#define MEMBER_CLUSTER_ID 0x1000

struct member {
    uint64_t id;
    struct ferry_config config; /* may be changed between init and start */
    struct ferry_transport *t;  /* NULL while it is down */
    struct recorder recorder;
    struct journal journal;
    uint64_t due_ms; /* FERRY_DELIVER_HOST: when it must run even if its descriptor is not ready */
};

/* Must not move between init and release. */
void member_init(struct member *m, uint64_t id);
void member_release(struct member *m); /* stops it first if needed */

void member_start(struct member *m); /* a new transport on a new port; after stop: a restart */
void member_stop(struct member *m);  /* and free the transport; the records stay */
const char *member_url(const struct member *m);

void member_add(struct member *m, uint64_t id, const char *url);             /* must succeed */
void member_send(struct member *m, const struct ferry_message *msg);         /* must succeed */
struct ferry_peer_status member_status(const struct member *m, uint64_t id); /* id must be known */
struct ferry_counts member_totals(const struct member *m);

/* Every member adds every other. */
void members_connect(struct member *members, size_t n);

/*
 * Wait until done(arg).  Meanwhile the calling thread runs members with FERRY_DELIVER_HOST, as a host would; otherwise
 * done is polled once a millisecond.  False if the deadline passed first.
 */
bool members_wait(struct member *members, size_t n, bool (*done)(void *arg), void *arg, unsigned deadline_ms);

/* Wait until both streams are connected in both directions between all members.  Fails the test otherwise. */
void members_await_streams(struct member *members, size_t n);
bool member_has_streams(const struct member *m, uint64_t id); /* all four with this peer */

/* Wait until every sent message has been written or dropped, and check the counters. */
void members_await_rest(struct member *members, size_t n);
uint64_t counts_dropped(const struct ferry_counts *counts);

#endif
