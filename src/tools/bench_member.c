/*
 * bench_member - one member of a measurement.
 *
 * Its queues have room for the whole window, and its errors are printed.
 */
#include "tools/bench_member.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/bench_options.h"

#define CLUSTER_ID 1

static void print_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    const struct bench_member *member = ctx;

    (void)level;
    fprintf(stderr, "ferry-bench: member %" PRIu64 ": %s %" PRIx64 ": %s\n", member->id, id, peer, text);
}

static size_t at_least(size_t limit, uint64_t need)
{
    return limit < need ? (size_t)need : limit;
}

int bench_member_start(struct bench_member *member, const struct bench_options *options,
                       const struct bench_member_spec *spec)
{
    const char *const any_port[] = {spec->tls ? "https://127.0.0.1:0" : "http://127.0.0.1:0", NULL};
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    /* With several peers, one may fall behind by everything under way to all of them. */
    uint64_t window = options->window * options->peers;
    int err;

    member->id = spec->id;
    cfg.id = spec->id;
    cfg.cluster_id = CLUSTER_ID;
    cfg.core.ctx = spec->ctx;
    cfg.core.process = spec->process;
    cfg.listen_urls = any_port;
    cfg.tls = spec->tls;
    cfg.delivery = spec->delivery;
    cfg.busy_poll_us = options->busy_poll_us;
    cfg.log = print_log;
    cfg.log_ctx = member;
    cfg.log_level = FERRY_LOG_ERROR;
    cfg.max_connections = at_least(cfg.max_connections, options->peers * 8);
    cfg.max_queue_messages = at_least(cfg.max_queue_messages, window);
    cfg.max_queue_bytes = at_least(cfg.max_queue_bytes, window * (options->size + 256));
    cfg.max_send_bytes = at_least(cfg.max_send_bytes, window * (options->size + 1024));
    if (spec->adjust)
        spec->adjust(spec->ctx, &cfg);

    err = ferry_transport_new(&cfg, &member->transport);
    if (!err)
        err = ferry_transport_start(member->transport);
    if (err)
        fprintf(stderr, "ferry-bench: member %" PRIu64 " cannot start: %s\n", spec->id, ferry_strerror(err));
    return err ? -1 : 0;
}

void bench_member_stop(struct bench_member *member)
{
    if (!member->transport)
        return;
    ferry_transport_stop(member->transport);
    ferry_transport_free(member->transport);
    member->transport = NULL;
}

int bench_member_meet(struct bench_member *member, const struct bench_member *other)
{
    const char *const urls[] = {ferry_transport_listen_url(other->transport, 0), NULL};
    int err = ferry_transport_add_peer(member->transport, other->id, urls);

    if (err)
        fprintf(stderr, "ferry-bench: member %" PRIu64 " cannot add the peer: %s\n", member->id, ferry_strerror(err));
    return err ? -1 : 0;
}

bool bench_member_is_connected(const struct bench_member *member, uint64_t peer)
{
    struct ferry_peer_status status;

    if (ferry_transport_peer_status(member->transport, peer, &status))
        return false;
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        if (!status.writer_attached[i] || !status.reader_attached[i])
            return false;
    return true;
}

int bench_member_tell_unconnected(void)
{
    fprintf(stderr, "ferry-bench: the members did not connect within %d s\n", BENCH_CONNECT_MS / 1000);
    return -1;
}
