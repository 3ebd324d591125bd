/*
 * it_snapshot_sim - snapshots with their bodies on the simulated network, one bad day per seed.
 *
 * A seed makes three members that send each other snapshots of many sizes, while links are cut and healed, connections
 * reset, members restarted, peers removed and added, sources and sinks fail.  Then all is mended, and these must hold:
 *  - each accepted snapshot was closed once and, unless its transport was gone, reported once, with the same outcome;
 *  - each body that a sink was given ended with one commit or one abort, and what was committed is whole and right;
 *  - the core gets a snapshot only after its commit;
 *  - the accounts are exact, a snapshot that is sent now arrives, and nothing is left in memory;
 *  - the same seed gives the same trace.
 *
 * FERRY_SIM_SEEDS: twenty times as many seeds as here, in place of 10000 (2000 with a sanitizer).  FERRY_SIM_SEED: this
 * one alone.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "ferry/sim.h"
#include "harness/heap.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/snapshots.h"
#include "net/sim/chance.h"

#define N_MEMBERS 3
#define N_TESTS 4 /* that the seeds are dealt to */
#define MAX_SENT 512
#define MAX_SIZE ((uint64_t)1500000)
#define N_ACTIONS 120
#define STALL_MS 400
#define MEND_MS 5000

/* A snapshot that some member sent.  Its index is its place here, from 1: so the other end knows what it is. */
struct sent {
    size_t from;
    uint64_t size;    /* that it yields */
    uint64_t at;      /* of the source */
    uint64_t fail_at; /* UINT64_MAX: never */
    bool was_accepted;
    unsigned n_closed;
    int close_err;
    unsigned n_commits; /* at its receiver */
};

/* A body in a sink. */
struct deposit {
    struct sent *sent;
    uint64_t at;
    uint64_t fail_at;
    bool fails_commit;
};

struct member {
    size_t place;
    uint64_t id;
    struct ferry_transport *t; /* NULL: down */
    bool knows[N_MEMBERS];
    uint64_t n_accepted; /* of this transport */
    uint64_t n_finish, n_failure;
};

static uint64_t seed;
static struct fy_chance chance;
static struct ferry_sim *sim;
static struct member members[N_MEMBERS];
static struct sent sent[MAX_SENT + 1];
static size_t n_sent;
static unsigned n_opened, n_ended;
static bool is_mended;

/* Over all seeds: a day on which nothing failed proves nothing. */
static uint64_t all_finished, all_failed, all_aborts, all_source_failures;

static void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void give_up(const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ck_abort_msg("seed %" PRIu64 ": %s (FERRY_SIM_SEED=%" PRIu64 " runs it alone)", seed, text, seed);
    abort();
}

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            give_up("line %d: %s", __LINE__, #condition);                                                              \
    } while (0)

static bool one_in(uint64_t n)
{
    return fy_chance_below(&chance, n) == 0;
}

static size_t below(size_t n)
{
    return (size_t)fy_chance_below(&chance, n);
}

/* ---- Sources ------------------------------------------------------------------------------------------------------
 */

static int64_t source_read(void *ctx, void *buf, size_t len)
{
    struct sent *s = ctx;
    uint64_t left = s->size - s->at;

    must(s->n_closed == 0);
    if (s->at >= s->fail_at)
        return FERRY_ERR_SYSTEM;
    if (len > left)
        len = (size_t)left;
    if (len > 1 && one_in(4))
        len = 1 + below(len);
    body_bytes(s->size, s->at, buf, len);
    s->at += len;
    return (int64_t)len;
}

static void source_close(void *ctx, int err)
{
    struct sent *s = ctx;

    s->n_closed++;
    s->close_err = err;
}

static void send_snapshot(struct member *from, size_t to)
{
    struct sent *s = &sent[++n_sent];
    struct ferry_snapshot snapshot = {.index = n_sent, .term = 1};
    struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = from->id, .to = members[to].id, .snapshot = &snapshot};
    struct ferry_snapshot_source source = {.ctx = s, .fd = -1, .read = source_read, .close = source_close};

    must(n_sent < MAX_SENT);
    *s = (struct sent){.from = from->place, .fail_at = UINT64_MAX};
    s->size = one_in(4) ? below(100) : below(MAX_SIZE);
    source.size = one_in(3) ? FERRY_SIZE_UNKNOWN : s->size;
    if (!is_mended && one_in(8))
        s->fail_at = below((size_t)s->size + 1);
    else if (!is_mended && source.size != FERRY_SIZE_UNKNOWN && one_in(8))
        source.size = s->size == 0 || one_in(2) ? s->size + 1 : s->size - 1;
    s->was_accepted = ferry_transport_send_snapshot(from->t, &msg, &source) == FERRY_OK;
    from->n_accepted += s->was_accepted;
    must(s->was_accepted || s->n_closed == 1);
    must(s->was_accepted || !is_mended);
}

/* ---- Sinks --------------------------------------------------------------------------------------------------------
 */

static int sink_open(void *ctx, const struct ferry_message *msg, uint64_t size, void **ret_body)
{
    struct deposit *d;

    (void)ctx;
    must(size == FERRY_SIZE_UNKNOWN); /* this net has no Content-Length */
    must(msg->snapshot->index >= 1 && msg->snapshot->index <= n_sent);
    if (!is_mended && one_in(20))
        return FERRY_ERR_SYSTEM;
    d = calloc(1, sizeof(*d));
    must(d);
    d->sent = &sent[msg->snapshot->index];
    d->fail_at = !is_mended && one_in(10) ? below(MAX_SIZE) : UINT64_MAX;
    d->fails_commit = !is_mended && one_in(20);
    n_opened++;
    *ret_body = d;
    return 0;
}

static int sink_write(void *ctx, void *body, const void *data, size_t len)
{
    struct deposit *d = body;

    (void)ctx;
    must(body_matches(d->sent->size, d->at, data, len));
    d->at += len;
    return d->at > d->fail_at ? FERRY_ERR_SYSTEM : 0;
}

static int sink_commit(void *ctx, void *body)
{
    struct deposit *d = body;
    int err = d->fails_commit ? FERRY_ERR_SYSTEM : 0;

    (void)ctx;
    n_ended++;
    must(d->at == d->sent->size);         /* whole */
    must(d->sent->fail_at == UINT64_MAX); /* of a source that was */
    if (!err)
        d->sent->n_commits++;
    free(d);
    return err;
}

static void sink_abort(void *ctx, void *body)
{
    (void)ctx;
    n_ended++;
    all_aborts++;
    free(body);
}

/* ---- Members ------------------------------------------------------------------------------------------------------
 */

static int process(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    if (msg->type == FERRY_MSG_SNAP)
        must(sent[msg->snapshot->index].n_commits == 1);
    return 0;
}

static void report_snapshot(void *ctx, uint64_t id, enum ferry_snapshot_result result)
{
    struct member *m = ctx;

    (void)id;
    if (result == FERRY_SNAPSHOT_FINISH)
        m->n_finish++;
    else
        m->n_failure++;
}

static void add(struct member *m, size_t other)
{
    char url[64];

    snprintf(url, sizeof(url), "http://host%zu:80", other);
    must(ferry_transport_add_peer(m->t, members[other].id, (const char *const[]){url, NULL}) == FERRY_OK);
    m->knows[other] = true;
}

static void start(struct member *m)
{
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    char url[64];
    const char *urls[] = {url, NULL};

    snprintf(url, sizeof(url), "http://host%zu:80", m->place);
    cfg.id = m->id;
    cfg.cluster_id = 0x77;
    cfg.core = (struct ferry_core){.ctx = m, .process = process, .report_snapshot = report_snapshot};
    cfg.listen_urls = urls;
    cfg.snapshot_sink = (struct ferry_snapshot_sink){
        .ctx = m, .open = sink_open, .write = sink_write, .commit = sink_commit, .abort = sink_abort};
    cfg.snapshot_stall_ms = STALL_MS;
    cfg.snapshot_answer_ms = 2 * STALL_MS;
    cfg.dial_timeout_ms = 200;
    cfg.read_timeout_ms = 500;
    cfg.post_timeout_ms = 600;
    cfg.snapshot_bytes_per_s = one_in(3) ? 1 + 4 * MAX_SIZE : 0;
    cfg.max_snapshots_out = 1 + (unsigned)below(8);
    cfg.max_snapshots_in = 1 + (unsigned)below(4);
    if (is_mended)
        cfg.max_snapshots_out = cfg.max_snapshots_in = 8;
    m->n_accepted = m->n_finish = m->n_failure = 0;
    must(ferry_sim_transport_new(sim, &cfg, &m->t) == FERRY_OK);
    must(ferry_transport_start(m->t) == FERRY_OK);
    for (size_t i = 0; i < N_MEMBERS; i++)
        if (i != m->place)
            add(m, i);
}

/* All that it accepted has ended by now; what is reported after the core's end is not. */
static void stop(struct member *m)
{
    ferry_transport_free(m->t);
    m->t = NULL;
    must(m->n_finish + m->n_failure == m->n_accepted);
    all_finished += m->n_finish;
    all_failed += m->n_failure;
}

/* ---- Days ---------------------------------------------------------------------------------------------------------
 */

static size_t other_than(size_t place)
{
    size_t other = below(N_MEMBERS - 1);

    return other < place ? other : other + 1;
}

static void restart(struct member *m)
{
    if (one_in(2)) {
        stop(m);
    } else {
        must(ferry_sim_crash(sim, m->id, one_in(2) ? FERRY_SIM_CRASH_PROCESS : FERRY_SIM_CRASH_HOST) == FERRY_OK);
        stop(m);
        must(ferry_sim_restart(sim, m->id) == FERRY_OK);
    }
    start(m);
}

static void act(void)
{
    struct member *m = &members[below(N_MEMBERS)];
    size_t other = other_than(m->place);
    uint64_t a = m->id, b = members[other].id;

    switch (below(16)) {
    case 0:
        must(ferry_sim_cut(sim, a, b) == FERRY_OK);
        if (one_in(2))
            must(ferry_sim_cut(sim, b, a) == FERRY_OK);
        break;
    case 1:
    case 2:
        must(ferry_sim_heal(sim, a, b) == FERRY_OK);
        must(ferry_sim_heal(sim, b, a) == FERRY_OK);
        break;
    case 3:
    case 4:
        must(ferry_sim_reset_connections(sim, a, b, one_in(2) ? FERRY_SIM_RESET_BOTH : FERRY_SIM_RESET_ONE) ==
             FERRY_OK);
        break;
    case 5:
        if (one_in(3))
            restart(m);
        break;
    case 6:
        if (m->knows[other]) {
            must(ferry_transport_remove_peer(m->t, members[other].id) == FERRY_OK);
            m->knows[other] = false;
        }
        break;
    case 7:
    case 8:
        if (!m->knows[other])
            add(m, other);
        break;
    case 9:
        if (m->knows[other])
            must((one_in(3) ? ferry_transport_cut_peer : ferry_transport_mend_peer)(m->t, members[other].id) ==
                 FERRY_OK);
        break;
    default:
        send_snapshot(m, other);
    }
}

static void check_accounts(void)
{
    for (size_t i = 0; i < N_MEMBERS; i++)
        for (size_t k = 0; k < N_MEMBERS; k++) {
            struct ferry_peer_status status;
            uint64_t n_ended_here;

            if (i == k || !members[i].knows[k])
                continue;
            must(ferry_transport_peer_status(members[i].t, members[k].id, &status) == FERRY_OK);
            n_ended_here = status.counts.written;
            for (size_t r = 0; r < FERRY_N_DROP_REASONS; r++)
                n_ended_here += status.counts.dropped[r];
            must(status.counts.sent == n_ended_here + status.queued_messages);
        }
}

static void mend(void)
{
    struct ferry_sim_weather weather = {.min_delay_ns = 100 * FERRY_SIM_US, .max_delay_ns = FERRY_SIM_MS};

    is_mended = true;
    ferry_sim_heal_all(sim);
    must(ferry_sim_set_weather(sim, &weather) == FERRY_OK);
    for (size_t i = 0; i < N_MEMBERS; i++) {
        for (size_t k = 0; k < N_MEMBERS; k++) {
            if (i != k && !members[i].knows[k])
                add(&members[i], k);
            if (i != k)
                must(ferry_transport_mend_peer(members[i].t, members[k].id) == FERRY_OK);
        }
    }
    must(ferry_sim_run_until(sim, ferry_sim_now_ns(sim) + MEND_MS * FERRY_SIM_MS) == FERRY_OK);
    for (size_t i = 0; i < N_MEMBERS; i++)
        must(members[i].n_finish + members[i].n_failure == members[i].n_accepted);
}

/* One snapshot from each member to its next: it arrives. */
static void send_last(void)
{
    size_t first = n_sent + 1;

    for (size_t i = 0; i < N_MEMBERS; i++)
        send_snapshot(&members[i], (i + 1) % N_MEMBERS);
    must(ferry_sim_run_until(sim, ferry_sim_now_ns(sim) + MEND_MS * FERRY_SIM_MS) == FERRY_OK);
    for (size_t i = first; i <= n_sent; i++)
        if (sent[i].n_commits != 1 || sent[i].n_closed != 1 || sent[i].close_err != FERRY_OK)
            give_up("%zu of %zu (%" PRIu64 " bytes, at %" PRIu64 "): %u commits, closed %u times, %s", i, n_sent,
                    sent[i].size, sent[i].at, sent[i].n_commits, sent[i].n_closed, ferry_strerror(sent[i].close_err));
}

static uint64_t run_seed(void)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    uint64_t hash;

    heap_setup();
    fy_chance_init(&chance, seed, 100);
    n_sent = 0;
    n_opened = n_ended = 0;
    is_mended = false;
    cfg.weather.max_delay_ns = FERRY_SIM_MS * (1 + below(10));
    cfg.weather.pieces_ppm = one_in(2) ? 100000 : 0;
    cfg.weather.resets_ppm = one_in(2) ? 3000 : 0;
    cfg.window_bytes = (size_t)1 << (12 + below(8));
    must(ferry_sim_new(seed, &cfg, &sim) == FERRY_OK);
    for (size_t i = 0; i < N_MEMBERS; i++) {
        char host[16];

        snprintf(host, sizeof(host), "host%zu", i);
        members[i] = (struct member){.place = i, .id = i + 1};
        must(ferry_sim_add_member(sim, members[i].id, host) == FERRY_OK);
    }
    for (size_t i = 0; i < N_MEMBERS; i++)
        start(&members[i]);
    for (size_t i = 0; i < N_ACTIONS; i++) {
        act();
        check_accounts();
        must(ferry_sim_run_until(sim, ferry_sim_now_ns(sim) + below(40) * FERRY_SIM_MS) == FERRY_OK);
    }
    mend();
    if (one_in(2))
        for (size_t i = 0; i < N_MEMBERS; i++)
            restart(&members[i]); /* the limits of before may have been too narrow for what comes */
    else
        must(ferry_sim_run_until(sim, ferry_sim_now_ns(sim) + FERRY_SIM_S) == FERRY_OK);
    send_last();
    check_accounts();
    for (size_t i = 0; i < N_MEMBERS; i++)
        stop(&members[i]);
    hash = ferry_sim_trace_hash(sim);
    ferry_sim_free(sim);
    sim = NULL;
    must(n_opened == n_ended);
    for (size_t i = 1; i <= n_sent; i++) {
        must(sent[i].n_closed == 1);
        must(sent[i].n_commits <= 1);
        must(sent[i].close_err != FERRY_OK || sent[i].n_commits == 1);
        all_source_failures += sent[i].close_err == FERRY_ERR_SYSTEM || sent[i].close_err == FERRY_ERR_TRUNCATED ||
                               sent[i].close_err == FERRY_ERR_TOO_LARGE;
    }
    heap_teardown();
    return hash;
}

static void live_days(uint64_t nth)
{
    unsigned long n_seeds = environment_number("FERRY_SIM_SEEDS", PATIENCE_SANITIZED ? 2000 : 10000) / 20 + 1;
    unsigned long only = environment_number("FERRY_SIM_SEED", 0);

    seed = only;
    if (only > 0) {
        if (nth == 0)
            (void)run_seed();
        return;
    }
    for (seed = nth + 1; seed <= n_seeds; seed += N_TESTS) {
        uint64_t hash = run_seed();

        if (seed / N_TESTS % 16 == 0)
            must(run_seed() == hash);
    }
    printf("# %" PRIu64 " came, %" PRIu64 " failed, %" PRIu64 " were aborted, %" PRIu64 " by their source\n",
           all_finished, all_failed, all_aborts, all_source_failures);
    if (n_seeds / N_TESTS >= 40)
        ck_assert(all_finished > n_seeds && all_failed > n_seeds && all_aborts > n_seeds / 10 &&
                  all_source_failures > n_seeds / 10);
}

#define DAYS(nth)                                                                                                      \
    START_TEST(bad_days_end_well_##nth)                                                                                \
    {                                                                                                                  \
        live_days(nth);                                                                                                \
    }                                                                                                                  \
    END_TEST

DAYS(0)
DAYS(1)
DAYS(2)
DAYS(3)

int main(void)
{
    rig_step_aside();
    return rig_main("snapshot_sim", NULL, NULL, bad_days_end_well_0, bad_days_end_well_1, bad_days_end_well_2,
                    bad_days_end_well_3, NULL);
}
