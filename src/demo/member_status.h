/*
 * member_status.h - the status that a ferry-kv reports.
 */
#ifndef DEMO_MEMBER_STATUS_H
#define DEMO_MEMBER_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMBER_STATUS_MAX 16

struct link_status {
    uint64_t id;
    char role[16];
    bool is_self;
    bool is_active;
    bool is_cut;
    uint64_t streams_in;
    uint64_t streams_out;
    uint64_t dials;
    uint64_t sent;
    uint64_t received;
    uint64_t dropped;
    uint64_t snapshots_sent;
    uint64_t snapshots_received;
};

struct member_status {
    char role[16]; /* "leader" and so on; "" if it did not answer */
    uint64_t term;
    uint64_t leader; /* 0: none */
    uint64_t commit;
    uint64_t applied;
    uint64_t last_index; /* of its log */
    uint64_t snapshot_index;
    uint64_t keys;
    bool was_removed;
    size_t n_members;
    struct link_status members[MEMBER_STATUS_MAX];
};

/* Read GET /status of client_url.  False, with role "", without an answer. */
bool member_status_read(const char *client_url, struct member_status *ret_status);

#endif
