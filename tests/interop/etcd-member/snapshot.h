/*
 * snapshot.h - what a MsgSnap says beside its body: where in the log it stands, who was a member, etcd's data.
 */
#ifndef ETCD_MEMBER_SNAPSHOT_H
#define ETCD_MEMBER_SNAPSHOT_H

#include "etcd-member/conf.h"
#include "ferry/ferry.h"

struct snapshot {
    uint64_t index; /* 0: there is none */
    uint64_t term;
    struct conf conf;
    struct ferry_bytes data; /* its own */
};

void snapshot_release(struct snapshot *snapshot);
void snapshot_set(struct snapshot *snapshot, const struct ferry_snapshot *from);
struct ferry_snapshot snapshot_view(const struct snapshot *snapshot); /* borrows */

#endif
