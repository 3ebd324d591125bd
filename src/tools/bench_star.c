/*
 * bench_star - a hub and its peers.
 *
 * While they connect, the opening thread runs the peers' loop; then the herd's own thread does.
 */
#include "tools/bench_star.h"

#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tools/bench_herd.h"
#include "tools/bench_member.h"
#include "tools/bench_options.h"
#include "tools/bench_tls.h"
#include "tools/progress.h"
#include "tools/stopwatch.h"

#define HUB 1
#define FIRST_PEER 2
#define STALL_MS 10000
#define DESCRIPTORS_PER_PEER 32

struct bench_star {
    struct bench_member hub;
    struct bench_member *peers;
    size_t n_peers; /* started */
    struct bench_herd herd;
    uint64_t first_rss_kb;
};

static int ignore(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    (void)msg;
    return 0;
}

/* Raise this process's descriptor limit as far as allowed.  If that is not enough, the transport reports it. */
static void raise_descriptor_limit(uint64_t need)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* cannot fail up to the hard limit */
}

static int add_peer(struct bench_star *star, const struct bench_options *options, struct bench_member_spec *spec)
{
    struct bench_member *peer = &star->peers[star->n_peers];

    spec->id = FIRST_PEER + star->n_peers;
    if (bench_member_start(peer, options, spec))
        return -1;
    star->n_peers++;
    if (bench_herd_add(&star->herd, peer->transport))
        return -1;
    return bench_member_meet(&star->hub, peer) || bench_member_meet(peer, &star->hub) ? -1 : 0;
}

static int connect_from(struct bench_star *star, size_t first)
{
    uint64_t until = stopwatch_now_ns() + BENCH_CONNECT_MS * UINT64_C(1000000);

    for (size_t i = first; i < star->n_peers; i++) {
        while (!bench_member_is_connected(&star->hub, star->peers[i].id)) {
            if (stopwatch_now_ns() > until)
                return bench_member_tell_unconnected();
            bench_herd_turn(&star->herd, 1);
        }
    }
    return 0;
}

static int start_all(struct bench_star *star, const struct bench_options *options, const struct ferry_tls_config *tls,
                     void *ctx, int (*process)(void *ctx, const struct ferry_message *msg))
{
    struct bench_member_spec spec = {.id = HUB, .delivery = options->delivery, .tls = tls, .process = ignore};

    if (bench_member_start(&star->hub, options, &spec))
        return -1;
    if (options->delivery == FERRY_DELIVER_HOST && bench_herd_add(&star->herd, star->hub.transport))
        return -1;
    spec.delivery = FERRY_DELIVER_HOST;
    spec.ctx = ctx;
    spec.process = process;
    if (add_peer(star, options, &spec) || connect_from(star, 0))
        return -1;
    (void)malloc_trim(0); /* like the program that it is compared with */
    star->first_rss_kb = stopwatch_rss_kb();
    while (star->n_peers < options->peers)
        if (add_peer(star, options, &spec))
            return -1;
    return connect_from(star, 1);
}

int bench_star_open(const struct bench_options *options, void *ctx,
                    int (*process)(void *ctx, const struct ferry_message *msg), struct bench_star **ret_star)
{
    struct bench_star *star = calloc(1, sizeof(*star));
    struct bench_tls tls;
    int failed = -1;

    raise_descriptor_limit((options->peers + 1) * DESCRIPTORS_PER_PEER);
    if (star)
        star->peers = calloc(options->peers, sizeof(*star->peers));
    if (!star || !star->peers) {
        perror("ferry-bench");
        free(star);
        return -1;
    }
    if (bench_herd_init(&star->herd, options->peers + 1))
        goto close_star;
    if (!options->tls) {
        failed = start_all(star, options, NULL, ctx, process);
    } else if (bench_tls_make(&tls) == 0) {
        failed = start_all(star, options, &tls.config, ctx, process);
        bench_tls_remove(&tls);
    }
    if (failed || bench_herd_start(&star->herd))
        goto close_star;
    *ret_star = star;
    return 0;

close_star:
    bench_star_close(star);
    return -1;
}

void bench_star_close(struct bench_star *star)
{
    if (!star)
        return;
    bench_herd_stop(&star->herd);
    bench_member_stop(&star->hub);
    for (size_t i = 0; i < star->n_peers; i++)
        bench_member_stop(&star->peers[i]);
    bench_herd_release(&star->herd);
    free(star->peers);
    free(star);
}

uint64_t bench_star_first_rss_kb(const struct bench_star *star)
{
    return star->first_rss_kb;
}

void bench_star_send(struct bench_star *star, const struct ferry_message *msgs, size_t n)
{
    (void)ferry_transport_send(star->hub.transport, msgs, n); /* drops are counted */
}

uint64_t bench_star_lost(const struct bench_star *star)
{
    struct ferry_counts counts;
    uint64_t n_lost = 0;

    ferry_transport_totals(star->hub.transport, &counts);
    for (int i = 0; i < FERRY_N_DROP_REASONS; i++)
        n_lost += counts.dropped[i];
    return n_lost;
}

bool bench_star_wait(struct bench_star *star, struct progress *progress, uint64_t count)
{
    struct pollfd wake = {.fd = progress->wake_fd, .events = POLLIN};

    while (progress_fall_asleep(progress, count)) {
        uint64_t before = progress_count(progress);
        int n = poll(&wake, 1, STALL_MS);

        progress_wake_up(progress);
        if (n == 0 && progress_count(progress) == before) {
            fprintf(stderr,
                    "ferry-bench: no progress after %" PRIu64 " of %" PRIu64 " messages, %" PRIu64 " of them lost\n",
                    before, count, bench_star_lost(star));
            return false;
        }
    }
    return true;
}
