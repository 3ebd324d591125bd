/*
 * snapshot - what a MsgSnap says beside its body.
 */
#include "etcd-member/snapshot.h"

#include <stdlib.h>

#include "etcd-member/mem.h"

void snapshot_release(struct snapshot *snapshot)
{
    conf_release(&snapshot->conf);
    free((void *)(uintptr_t)snapshot->data.data); /* a copy of its own */
    *snapshot = (struct snapshot){0};
}

void snapshot_set(struct snapshot *snapshot, const struct ferry_snapshot *from)
{
    snapshot_release(snapshot);
    snapshot->index = from->index;
    snapshot->term = from->term;
    conf_from_state(&from->conf_state, &snapshot->conf);
    snapshot->data = (struct ferry_bytes){mem_copy(from->data.data, from->data.len), from->data.len};
}

struct ferry_snapshot snapshot_view(const struct snapshot *snapshot)
{
    return (struct ferry_snapshot){.data = snapshot->data,
                                   .conf_state = conf_to_state(&snapshot->conf),
                                   .index = snapshot->index,
                                   .term = snapshot->term};
}
