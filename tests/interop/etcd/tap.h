/*
 * tap.h - what goes over the wire between a server and all others, read from the packets themselves.
 *
 * Neither side is asked: this is what tells that streams stand on both, and what is in them.
 */
#ifndef ETCD_TAP_H
#define ETCD_TAP_H

#include <stdint.h>

struct tap;
struct server;

enum tap_direction { TAP_FROM_SERVER, TAP_TO_SERVER, TAP_N_DIRECTIONS };

struct tap_counts {
    uint64_t posts;                             /* requests POST /raft, in both directions */
    uint64_t snapshots;                         /* requests POST /raft/snapshot, in both */
    uint64_t dials[TAP_N_DIRECTIONS];           /* requests for a stream */
    uint64_t compact[TAP_N_DIRECTIONS];         /* msgappv2 frames that leave out all but entries and commit */
    uint64_t full[TAP_N_DIRECTIONS];            /* with a whole message */
    uint64_t link_heartbeats[TAP_N_DIRECTIONS]; /* with nothing */
    uint64_t lost;                              /* pieces of a connection that were missed, or made no sense */
};

/* Packets of the server's peer port and to its peers' ports, from now on.  The server has a host of its own. */
struct tap *tap_start(const struct server *server);
struct tap_counts tap_read(struct tap *tap);
void tap_stop(struct tap *tap);

#endif
