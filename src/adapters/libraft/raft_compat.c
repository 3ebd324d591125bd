/*
 * raft_compat - the parts of the compatibility layer that only the adapter needs.
 */
#include "adapters/libraft/raft_compat.h"

#include <string.h>

#include "adapters/libraft/adapter.h"

#if FY_RAFT_IS_0_22

void fy_raft_uv_transport_set_version(struct raft_uv_transport *transport)
{
    transport->version = 1;
}

void fy_raft_forward_async_work(struct ferry_libraft *lr)
{
    (void)lr; /* the core has no work for other threads */
}

#else

void fy_raft_uv_transport_set_version(struct raft_uv_transport *transport)
{
    (void)transport;
}

static int io_async_work(struct raft_io *io, struct raft_io_async_work *req, raft_io_async_work_cb cb)
{
    struct ferry_libraft *lr = io->impl;
    int rv = lr->inner->async_work(lr->inner, req, cb);

    if (rv != 0)
        memcpy(io->errmsg, lr->inner->errmsg, sizeof(io->errmsg));
    return rv;
}

void fy_raft_forward_async_work(struct ferry_libraft *lr)
{
    if (lr->inner->version >= 2 && lr->inner->async_work)
        lr->io.async_work = io_async_work;
}

#endif
