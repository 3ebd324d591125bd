/*
 * uv_no_network - a network part for libraft's uv backend that never connects.
 */
#include "adapters/libraft/raft_compat.h"

#include "ferry/libraft.h"

static int init(struct raft_uv_transport *transport, raft_id id, const char *address)
{
    (void)transport;
    (void)id;
    (void)address;
    return 0;
}

static int listen_for_nobody(struct raft_uv_transport *transport, raft_uv_accept_cb cb)
{
    (void)transport;
    (void)cb;
    return 0;
}

static int connect_to_nobody(struct raft_uv_transport *transport, struct raft_uv_connect *req, raft_id id,
                             const char *address, raft_uv_connect_cb cb)
{
    (void)transport;
    (void)req;
    (void)id;
    (void)address;
    (void)cb;
    return RAFT_NOCONNECTION;
}

static void close_nothing(struct raft_uv_transport *transport, raft_uv_transport_close_cb cb)
{
    cb(transport);
}

void ferry_libraft_uv_no_network(struct raft_uv_transport *transport)
{
    *transport = (struct raft_uv_transport){
        .init = init, .listen = listen_for_nobody, .connect = connect_to_nobody, .close = close_nothing};
    fy_raft_uv_transport_set_version(transport);
}
