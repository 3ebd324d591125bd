/*
 * raft_versions - 0.22's queue of completed requests, its tracer and its capacity.
 *
 * The queue is a ring of pairs {next, previous} whose head is legacy.requests; each request begins with the same
 * fields.
 */
#include "harness/raft_versions.h"

#include <check.h>
#include <stddef.h>

#if FY_RAFT_IS_0_22

static struct raft_apply *take_first(struct raft *raft)
{
    void **head = raft->legacy.requests;
    void **first = head[0];
    void **second = first[0];

    if (first == head)
        return NULL;
    head[0] = second;
    second[1] = head;
    return (struct raft_apply *)(void *)((char *)first - offsetof(struct raft_apply, queue));
}

static void fire(struct raft_apply *req)
{
    switch (req->type) {
    case RAFT_COMMAND:
        req->cb(req, req->status, req->result);
        break;
    case RAFT_BARRIER:
        ((struct raft_barrier *)(void *)req)->cb((struct raft_barrier *)(void *)req, req->status);
        break;
    case RAFT_CHANGE:
        ((struct raft_change *)(void *)req)->cb((struct raft_change *)(void *)req, req->status);
        break;
    default: /* libraft's own number for a transfer is not in its header */
        ck_assert_int_gt(req->type, RAFT_CHANGE);
        ((struct raft_transfer *)(void *)req)->cb((struct raft_transfer *)(void *)req);
    }
}

void raft_requests_init(struct raft *raft)
{
    raft->legacy.requests[0] = raft->legacy.requests[1] = raft->legacy.requests;
}

void raft_requests_fire(struct raft *raft)
{
    struct raft_apply *req;

    while ((req = take_first(raft)))
        fire(req);
}

static void on_trace(struct raft_tracer *tracer, int type, const void *info)
{
    const struct raft_versions_tracer *to = (const struct raft_versions_tracer *)(const void *)tracer;
    const struct raft_tracer_info *seen = info;

    if (type == RAFT_TRACER_DIAGNOSTIC)
        to->fn(to->ctx, seen->diagnostic.file, seen->diagnostic.line, seen->diagnostic.message);
}

void raft_trace(struct raft *raft, struct raft_versions_tracer *tracer)
{
    tracer->tracer = (struct raft_tracer){.version = 2, .emit = on_trace};
    raft->tracer = &tracer->tracer;
}

void raft_io_set_ample_capacity(struct raft_io *io)
{
    io->capacity = UINT16_MAX;
}

#else

void raft_requests_init(struct raft *raft)
{
    (void)raft;
}

void raft_requests_fire(struct raft *raft)
{
    (void)raft;
}

static void on_trace(struct raft_tracer *tracer, const char *file, int line, const char *text)
{
    const struct raft_versions_tracer *to = (const struct raft_versions_tracer *)(const void *)tracer;

    to->fn(to->ctx, file, line, text);
}

void raft_trace(struct raft *raft, struct raft_versions_tracer *tracer)
{
    tracer->tracer = (struct raft_tracer){.enabled = true, .emit = on_trace};
    raft->tracer = &tracer->tracer;
}

void raft_io_set_ample_capacity(struct raft_io *io)
{
    (void)io;
}

#endif
