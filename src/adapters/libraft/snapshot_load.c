/*
 * snapshot_load - a request of the core's, wrapped to see and to change what it is called back with.
 */
#include "adapters/libraft/snapshot_load.h"

#include <stdlib.h>

struct get {
    struct raft_io_snapshot_get req;
    struct fy_snapshot_load *load;
    struct raft_io_snapshot_get *core_req;
    raft_io_snapshot_get_cb core_cb;
    struct raft_snapshot *empty; /* in memory of raft_malloc: the core frees it */
};

static void empty_free(struct raft_snapshot *empty)
{
    if (!empty)
        return;
    raft_free(empty->bufs);
    raft_free(empty);
}

static struct raft_snapshot *empty_new(void)
{
    struct raft_snapshot *empty = raft_calloc(1, sizeof(*empty));

    if (!empty)
        return NULL;
    empty->bufs = raft_calloc(1, sizeof(*empty->bufs));
    if (!empty->bufs) {
        raft_free(empty);
        return NULL;
    }
    empty->n_bufs = 1;
    raft_configuration_init(&empty->configuration);
    return empty;
}

static void on_loaded(struct raft_io_snapshot_get *req, struct raft_snapshot *snapshot, int status)
{
    struct get get = *(struct get *)req->data;

    free(req->data);
    if (status != 0) {
        get.load->has_failed = true;
        snapshot = get.empty;
    } else {
        get.load->index = snapshot->index;
        get.load->term = snapshot->term;
        empty_free(get.empty);
    }
    get.core_cb(get.core_req, snapshot, 0);
    *get.load = (struct fy_snapshot_load){.has_failed = false};
}

int fy_snapshot_load_start(struct fy_snapshot_load *load, struct raft_io *inner, struct raft_io_snapshot_get *req,
                           raft_io_snapshot_get_cb cb)
{
    struct get *get = malloc(sizeof(*get));
    struct raft_snapshot *empty = empty_new();
    int rv = RAFT_NOMEM;

    if (get && empty) {
        *get = (struct get){.load = load, .core_req = req, .core_cb = cb, .empty = empty};
        get->req.data = get;
        rv = inner->snapshot_get(inner, &get->req, on_loaded);
    }
    if (rv != 0) {
        empty_free(empty);
        free(get);
    }
    return rv;
}

raft_term fy_snapshot_load_term(const struct fy_snapshot_load *load, const struct raft_install_snapshot *message)
{
    return load->index != 0 && load->index == message->last_index ? load->term : message->last_term;
}
