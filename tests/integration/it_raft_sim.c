/*
 * it_raft_sim - libraft on Ferry on the simulated network, one bad day per seed.
 *
 * A seed makes three to seven servers with disks in memory, on which clients write while links are cut, slowed and
 * reset, servers crash and lose what they had not written, come back, and leadership is handed over.  After each event
 * these must hold:
 *  - Election Safety, Log Matching, Leader Completeness and State Machine Safety (raft_safety.h says what they are);
 *  - libraft's log is the one that it has told its disk of.
 * Then all is mended, and within a bounded virtual time
 *  - there is a leader that takes writes, and everybody has applied all that was acknowledged, and all else there is;
 *  - and it stays leader, for no message that it sends to keep its place is late.
 * Nothing is left in memory, libraft's own included; and the same seed gives the same trace again.
 *
 * The bugs of libraft 0.22 are worked around in the adapter (raft_compat.h, snapshot_load.h).  Those of libraft 0.15
 * are avoided here, and nothing else is:
 *  - it commits entries of earlier terms by counting (what figure 8 of the Raft paper warns of), and takes whatever
 * else a follower's log has beyond an empty AppendEntries for its own.  So a new leader writes a barrier at once, as
 * Raft has it, and those empty AppendEntries are lost that follow an entry of an earlier term: there is one for each
 *    follower, and the barrier is right behind it;
 *  - see raft_store_compact_first, is_ahead_of, help, and the close of raft_store.c for the rest.
 * One thing is left: one day in some twenty thousand ends with libraft freeing an entry twice, which it had truncated,
 * and then got again while its first write was still under way.
 *
 * FERRY_SIM_SEEDS: how many seeds, in place of 5000 (500 with a sanitizer).  FERRY_SIM_SEED: this one alone, with the
 * trace, the transports' logs and libraft's own on standard error.  FERRY_SIM_JOBS: processes at one time, in place
 * of 2.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/libraft/raft_compat.h"
#include "ferry/ferry.h"
#include "ferry/libraft.h"
#include "ferry/sim.h"
#include "harness/heap.h"
#include "harness/patience.h"
#include "harness/raft_heap.h"
#include "harness/raft_safety.h"
#include "harness/raft_store.h"
#include "harness/raft_versions.h"
#include "harness/rig.h"
#include "harness/seed.h"
#include "net/sim/chance.h"

#define N_TESTS 20 /* that the seeds are dealt to, for Check's limit on the time of one */
#define MAX_MEMBERS 7
#define MAX_WRITES 4096
#define MAX_COMMAND 20000

#define HEARTBEAT_MS 30
#define ELECTION_MS 200
#define MEND_MS 20000 /* until there must be a leader, and all the same everywhere */
#define HELP_MS 4000  /* without progress, until the run fails */
#define CALM_MS 2000  /* without a reason for an election */
#define LAST_WRITES 5

/* ---- What is known of a seed --------------------------------------------------------------------------------------
 */

struct member {
    size_t place;
    uint64_t id;
    char url[48];
    struct raft_store *disk;
    struct ferry_sim_timer *turn;

    /* of the present life */
    struct ferry_transport *t; /* NULL: down */
    struct ferry_libraft *lr;
    struct raft raft;
    struct raft_fsm fsm;
    bool has_closed;
    uint64_t n_applied; /* commands */
    raft_io_recv_cb recv;
    int (*io_start)(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv);

    /* as last looked at */
    int state;
    raft_term term;
    raft_index commit;
};

/* A client's write. */
struct write {
    struct raft_apply req;
    uint64_t number; /* from 1; what is written begins with it */
    bool is_last;    /* made after the mending */
    bool was_acknowledged;
};

static uint64_t seed;
static bool is_loud; /* FERRY_SIM_SEED */
static bool is_worker;
static struct fy_chance chance;
static struct ferry_sim *sim;
static struct raft_safety *safety;
static struct member members[MAX_MEMBERS];
static size_t n_members;
static struct raft_configuration configuration;
static struct write *writes[MAX_WRITES + 1]; /* by number */
static uint64_t n_writes;
static bool was_applied[MAX_WRITES + 1];
static bool has_pre_vote;
static bool has_snapshots;
static unsigned threshold, trailing;
static long n_leaked; /* blocks, by libraft */
static size_t max_command;
static size_t n_hours;
static struct ferry_sim_timer *clock_timer;
static enum { DAY, MENDED, CALM, OVER } phase;
static uint64_t mended_until_ns, helped_ns, calm_until_ns;
static raft_term calm_term;
static unsigned n_last_acknowledged;
static uint64_t goal; /* commands that everybody must come to apply; 0: not known yet */

/* What all seeds of a test did together: a bad day that never rained proves nothing. */
static uint64_t n_elections, n_acknowledged, n_unknown, n_installs, n_crashes, n_transfers, n_helped, n_events;

static void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void give_up(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (is_worker) {
        fprintf(stderr, "it_raft_sim: seed %" PRIu64 " at %" PRIu64 " us: %s\n", seed,
                sim ? ferry_sim_now_ns(sim) / FERRY_SIM_US : 0, text);
        _exit(EXIT_FAILURE);
    }
    ck_abort_msg("seed %" PRIu64 " at %" PRIu64 " us: %s (FERRY_SIM_SEED=%" PRIu64 " shows it)", seed,
                 sim ? ferry_sim_now_ns(sim) / FERRY_SIM_US : 0, text, seed);
    abort();
}

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            give_up("line %d: %s", __LINE__, #condition);                                                              \
    } while (0)

/* The verdict of raft_safety. */
static void must_be_safe(const char *wrong)
{
    if (wrong)
        give_up("%s", wrong);
}

static bool one_in(uint64_t n)
{
    return fy_chance_below(&chance, n) == 0;
}

static size_t below(size_t n)
{
    return (size_t)fy_chance_below(&chance, n);
}

static void note(const struct member *member, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(const struct member *member, const char *format, ...)
{
    char text[128];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    must(ferry_sim_note(sim, member->id, text) == FERRY_OK);
}

/* ---- The state machine: a list of commands ------------------------------------------------------------------------
 */

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **ret_result)
{
    struct member *me = fsm->data;
    uint64_t number;

    must(buf->len >= sizeof(number));
    memcpy(&number, buf->base, sizeof(number));
    must(number >= 1 && number <= n_writes);
    me->n_applied++;
    if (me->n_applied > raft_safety_n_applied(safety) && was_applied[number])
        give_up("state machine safety: write %" PRIu64 " is applied twice", number);
    was_applied[number] = true;
    must_be_safe(raft_safety_applied(safety, me->n_applied, number));
    *ret_result = NULL;
    return 0;
}

/* What a snapshot holds: how many commands, which ones, and some ballast. */
static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *ret_bufs[], unsigned *ret_n_bufs)
{
    struct member *me = fsm->data;
    size_t size = (size_t)(me->n_applied + 1) * sizeof(uint64_t);
    struct raft_buffer *bufs = raft_malloc(2 * sizeof(*bufs));
    uint64_t *commands = raft_malloc(size);

    must(bufs && commands);
    commands[0] = me->n_applied;
    for (uint64_t i = 1; i <= me->n_applied; i++)
        commands[i] = raft_safety_command(safety, i);
    bufs[0] = (struct raft_buffer){.base = commands, .len = size};
    bufs[1] = (struct raft_buffer){.base = raft_calloc(1, max_command), .len = max_command};
    must(bufs[1].base);
    *ret_bufs = bufs;
    *ret_n_bufs = 2;
    return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct member *me = fsm->data;
    const uint64_t *commands = buf->base;

    must(buf->len >= sizeof(*commands) && buf->len == (commands[0] + 1) * sizeof(*commands) + max_command);
    must(commands[0] <= raft_safety_n_applied(safety));
    me->n_applied = commands[0];
    for (uint64_t i = 1; i <= me->n_applied; i++)
        must_be_safe(raft_safety_applied(safety, i, commands[i]));
    note(me, "restores %" PRIu64 " commands", me->n_applied);
    n_installs += raft_state(&me->raft) != RAFT_UNAVAILABLE;
    raft_free(buf->base);
    return 0;
}

/* ---- Members ------------------------------------------------------------------------------------------------------
 */

static void on_append(void *ctx, raft_index index, raft_term prev_term, const struct raft_store_entry *entry)
{
    (void)ctx;
    must_be_safe(raft_safety_appended(safety, index, prev_term, entry));
}

static void on_turn(void *ctx)
{
    struct member *me = ctx;

    ferry_libraft_turn(me->lr);
}

static void on_wake(void *ctx)
{
    struct member *me = ctx;
    int err = ferry_sim_timer_set(me->turn, 0);

    must(err == FERRY_OK || err == FERRY_ERR_STATE); /* a dead one turns when it is taken down */
}

static void on_peer_failed(void *ctx, uint64_t id, const char *address, int err)
{
    (void)ctx;
    give_up("peer %" PRIx64 " at %s: %s", id, address, ferry_strerror(err));
}

static void on_fatal(void *ctx, int err)
{
    (void)ctx;
    give_up("report_fatal: %s", ferry_strerror(err));
}

static void on_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    const struct member *me = ctx;

    (void)level;
    fprintf(stderr, "    m%zu %s %" PRIx64 ": %s\n", me->place + 1, id, peer, text);
}

static void on_raft_log(void *ctx, const char *file, int line, const char *text)
{
    const struct member *me = ctx;

    fprintf(stderr, "    m%zu %s:%d %s\n", me->place + 1, file, line, text);
}

static void on_trace(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "%s\n", line);
}

static void start_transport(struct member *me)
{
    struct ferry_libraft_config adapter = FERRY_LIBRAFT_CONFIG_INIT;
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    const char *urls[] = {me->url, NULL};

    adapter.inner = raft_store_io(me->disk);
    adapter.ctx = me;
    adapter.wake = on_wake;
    adapter.report_peer = on_peer_failed;
    adapter.report_fatal = on_fatal;
    must(ferry_libraft_new(&adapter, &me->lr) == FERRY_OK);
    cfg.id = me->id;
    cfg.cluster_id = 0x1000;
    cfg.listen_urls = urls;
    cfg.dial_timeout_ms = 150;
    cfg.read_timeout_ms = 300;
    cfg.post_timeout_ms = 300;
    cfg.dial_retry_ms = 30;
    cfg.snapshot_stall_ms = 500;
    cfg.snapshot_answer_ms = 1000;
    cfg.log = is_loud ? on_log : NULL;
    cfg.log_ctx = me;
    ferry_libraft_configure(me->lr, &cfg);
    must(ferry_sim_transport_new(sim, &cfg, &me->t) == FERRY_OK);
    must(ferry_transport_start(me->t) == FERRY_OK);
    ferry_libraft_attach(me->lr, me->t);
}

/* A message that libraft 0.15 answers wrongly, or whose answer it counts wrongly. */
static bool must_be_lost(const struct raft_message *msg)
{
    const struct raft_append_entries *append = &msg->append_entries;

    return !FY_RAFT_IS_0_22 && msg->type == RAFT_APPEND_ENTRIES && append->n_entries == 0 &&
           append->prev_log_term != append->term;
}

static void on_message(struct raft_io *io, struct raft_message *msg)
{
    struct member *me = ((struct raft *)io->data)->data;

    if (!must_be_lost(msg))
        me->recv(io, msg);
}

static int start_io(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    struct member *me = ((struct raft *)io->data)->data;

    me->recv = recv;
    return me->io_start(io, msecs, tick, on_message);
}

static void start(struct member *me, bool is_first)
{
    static struct raft_versions_tracer tracers[MAX_MEMBERS];

    me->n_applied = 0;
    me->has_closed = false;
    me->commit = 0;
    me->state = RAFT_UNAVAILABLE;
    start_transport(me);
    me->fsm = (struct raft_fsm){
        .version = 1, .data = me, .apply = fsm_apply, .snapshot = fsm_snapshot, .restore = fsm_restore};
    me->io_start = ferry_libraft_io(me->lr)->start;
    ferry_libraft_io(me->lr)->start = start_io;
    must(raft_init(&me->raft, ferry_libraft_io(me->lr), &me->fsm, me->id, me->url) == 0);
    me->raft.data = me;
    if (is_loud) {
        tracers[me->place] = (struct raft_versions_tracer){.fn = on_raft_log, .ctx = me};
        raft_trace(&me->raft, &tracers[me->place]);
    }
    raft_set_heartbeat_timeout(&me->raft, HEARTBEAT_MS);
    raft_set_election_timeout(&me->raft, ELECTION_MS);
    raft_set_install_snapshot_timeout(&me->raft, 2000);
    raft_set_snapshot_threshold(&me->raft, threshold);
    raft_set_snapshot_trailing(&me->raft, trailing);
    raft_set_pre_vote(&me->raft, has_pre_vote);
    if (is_first && !has_snapshots)
        must(raft_bootstrap(&me->raft, &configuration) == 0);
    if (raft_start(&me->raft) != 0)
        give_up("m%zu does not start: %s", me->place + 1, raft_errmsg(&me->raft));
}

static void on_closed(struct raft *raft)
{
    struct member *me = raft->data;

    me->has_closed = true;
}

/* Take down what stood on a member, be it dead or not. */
static void take_down(struct member *me)
{
    raft_close(&me->raft, on_closed);
    ferry_transport_stop(me->t); /* ends the snapshots, which libraft waits for */
    ferry_libraft_turn(me->lr);
    must(me->has_closed);
    ferry_sim_timer_unset(me->turn);
    ferry_transport_free(me->t);
    ferry_libraft_free(me->lr);
    me->t = NULL;
    me->lr = NULL;
}

static void crash(struct member *me, enum ferry_sim_crash how)
{
    n_crashes++;
    must(ferry_sim_crash(sim, me->id, how) == FERRY_OK);
    raft_store_crash(me->disk);
    take_down(me);
}

static void bring_back(struct member *me)
{
    must(ferry_sim_restart(sim, me->id) == FERRY_OK);
    start(me, false);
}

static void bring_all_back(void)
{
    for (size_t i = 0; i < n_members; i++)
        if (!members[i].t)
            bring_back(&members[i]);
}

/* ---- Clients ------------------------------------------------------------------------------------------------------
 */

/* One of those that take themselves for leader, if any. */
static struct member *some_leader(void)
{
    struct member *found = NULL;
    size_t n = 0;

    for (size_t i = 0; i < n_members; i++)
        if (members[i].t && raft_state(&members[i].raft) == RAFT_LEADER && one_in(++n))
            found = &members[i];
    return found;
}

static void on_applied(struct raft_apply *req, int status, void *result)
{
    struct write *write = req->data;

    (void)result;
    if (status != 0) {
        n_unknown++; /* it may come true yet */
        return;
    }
    must(was_applied[write->number]);
    write->was_acknowledged = true;
    n_last_acknowledged += write->is_last;
    n_acknowledged++;
}

static void write_to(struct member *leader)
{
    size_t len = sizeof(uint64_t) + below(one_in(10) ? max_command : 100);
    struct raft_buffer buf = {.base = raft_calloc(1, len), .len = len};
    struct write *write = calloc(1, sizeof(*write));

    must(buf.base && write && n_writes < MAX_WRITES);
    writes[++n_writes] = write;
    write->number = n_writes;
    write->is_last = phase == MENDED;
    write->req.data = write;
    memcpy(buf.base, &write->number, sizeof(write->number));
    if (raft_apply(&leader->raft, &write->req, &buf, 1, on_applied) != 0)
        raft_free(buf.base);
}

static void write_some(void)
{
    struct member *leader = some_leader();

    for (size_t n = below(one_in(4) ? 40 : 4); n > 0 && leader; n--)
        write_to(leader);
}

static void on_barrier(struct raft_barrier *req, int status)
{
    (void)status;
    free(req);
}

static void write_barrier(struct member *leader)
{
    struct raft_barrier *req = calloc(1, sizeof(*req));
    int err;

    must(req);
    err = raft_barrier(&leader->raft, req, on_barrier);
    if (err == 0)
        return;
    must(err == RAFT_NOTLEADER && leader->raft.transfer); /* it was told to hand over before it was seen to lead */
    free(req);
}

static void on_transferred(struct raft_transfer *req)
{
    free(req);
}

static void hand_over(void)
{
    struct member *leader = some_leader();
    struct raft_transfer *req;

    if (!leader)
        return;
    req = calloc(1, sizeof(*req));
    must(req);
    if (raft_transfer(&leader->raft, req, members[below(n_members)].id, on_transferred) == 0)
        n_transfers++;
    else
        free(req);
}

/* ---- Faults -------------------------------------------------------------------------------------------------------
 */

static void cut(const struct member *a, const struct member *b)
{
    must(ferry_sim_cut(sim, a->id, b->id) == FERRY_OK);
}

static void isolate(const struct member *member, bool both_ways)
{
    for (size_t i = 0; i < n_members; i++) {
        if (i == member->place)
            continue;
        cut(member, &members[i]);
        if (both_ways)
            cut(&members[i], member);
    }
}

/* The members of a random half from the others. */
static void split(void)
{
    bool is_here[MAX_MEMBERS];

    for (size_t i = 0; i < n_members; i++)
        is_here[i] = one_in(2);
    for (size_t i = 0; i < n_members; i++)
        for (size_t k = 0; k < n_members; k++)
            if (is_here[i] != is_here[k])
                cut(&members[i], &members[k]);
}

static void change_weather(bool is_calm)
{
    struct ferry_sim_weather weather = {.min_delay_ns = 50 * FERRY_SIM_US};

    weather.max_delay_ns =
        weather.min_delay_ns + fy_chance_below(&chance, !is_calm && one_in(4) ? 40 * FERRY_SIM_MS : 3 * FERRY_SIM_MS);
    weather.pieces_ppm = one_in(2) ? (unsigned)below(200000) : 0;
    weather.resets_ppm = !is_calm && one_in(3) ? (unsigned)below(10000) : 0;
    must(ferry_sim_set_weather(sim, &weather) == FERRY_OK);
}

static void change_disks(bool is_calm)
{
    for (size_t i = 0; i < n_members; i++)
        raft_store_set_pace(members[i].disk, 100 * FERRY_SIM_US,
                            (!is_calm && one_in(3) ? 30 + below(60) : 1 + below(5)) * FERRY_SIM_MS);
}

static void inflict(void)
{
    struct member *a = one_in(3) ? some_leader() : NULL;
    struct member *b;

    if (!a)
        a = &members[below(n_members)];
    b = &members[(a->place + 1 + below(n_members - 1)) % n_members];
    switch (below(16)) {
    case 0:
        cut(a, b);
        cut(b, a);
        break;
    case 1:
        cut(a, b);
        break;
    case 2:
        isolate(a, true);
        break;
    case 3:
        isolate(a, false);
        break;
    case 4:
        split();
        break;
    case 5:
    case 6:
    case 7:
        ferry_sim_heal_all(sim);
        break;
    case 8:
        must(ferry_sim_delay(sim, a->id, b->id, below(300) * FERRY_SIM_MS) == FERRY_OK);
        break;
    case 9:
        must(ferry_sim_reset_connections(sim, a->id, b->id, FERRY_SIM_RESET_BOTH) == FERRY_OK);
        break;
    case 10:
        must(ferry_sim_reset_connections(sim, a->id, b->id, FERRY_SIM_RESET_ONE) == FERRY_OK);
        break;
    case 11:
    case 12:
        if (a->t)
            crash(a, one_in(2) ? FERRY_SIM_CRASH_PROCESS : FERRY_SIM_CRASH_HOST);
        break;
    case 13:
        hand_over();
        break;
    case 14:
        change_weather(false);
        break;
    default:
        change_disks(false);
        break;
    }
}

static void mend(void)
{
    phase = MENDED;
    ferry_sim_heal_all(sim);
    change_weather(true);
    change_disks(true);
    bring_all_back();
    helped_ns = ferry_sim_now_ns(sim);
    mended_until_ns = ferry_sim_now_ns(sim) + MEND_MS * FERRY_SIM_MS;
    n_last_acknowledged = 0;
    goal = 0;
}

/*
 * Does a follower lack the entry at which its leader's snapshot ends, as it has compacted it?  libraft 0.15 refuses
 * what follows an entry that it has compacted, where it could say that it has it, and answers a snapshot older than its
 * own with the index of that.  So this leader, unless it knows how far the follower is, which it does not after its
 * election or a lost connection, gets nowhere with it until its next snapshot; and with a majority of such it never
 * takes one.
 */
static bool is_ahead_of(const struct member *follower, const struct member *leader)
{
    return fy_raft_log_offset(&follower->raft) >= fy_raft_snapshot_index(&leader->raft) &&
           fy_raft_snapshot_index(&follower->raft) > fy_raft_snapshot_index(&leader->raft);
}

/*
 * What an operator would do when it goes no further for a fault of libraft's: restart a leader that most are ahead of,
 * when another one leads; and when there is none, go without pre-votes, in which a member of an old term but with the
 * longest log is refused, for its term, by others that it does not learn the term from.
 */
static void help(void)
{
    struct member *leader = some_leader();
    size_t n = 0;

    if (ferry_sim_now_ns(sim) < helped_ns + HELP_MS * FERRY_SIM_MS)
        return;
    for (size_t i = 0; i < n_members && leader; i++)
        n += members[i].t && is_ahead_of(&members[i], leader);
    if (2 * n >= n_members) {
        crash(leader, FERRY_SIM_CRASH_PROCESS);
    } else if (!leader && has_pre_vote) {
        has_pre_vote = false;
        for (size_t i = 0; i < n_members; i++)
            if (members[i].t)
                raft_set_pre_vote(&members[i].raft, false);
    } else {
        return;
    }
    helped_ns = ferry_sim_now_ns(sim);
    n_helped++;
}

/* Has a leader taken writes, and has everybody applied all there was then?  Clients go on writing meanwhile. */
static bool is_settled(void)
{
    struct member *leader = some_leader();

    if (goal == 0 && n_last_acknowledged >= LAST_WRITES)
        goal = raft_safety_n_applied(safety);
    for (size_t i = 0; i < n_members && goal > 0; i++) {
        if (!members[i].t || members[i].n_applied < goal)
            break;
        if (i == n_members - 1)
            return true;
    }
    if (leader)
        write_to(leader);
    return false;
}

static void check_end(void)
{
    for (uint64_t i = 1; i <= n_writes; i++)
        must(!writes[i]->was_acknowledged || was_applied[i]);
}

static raft_term highest_term(void)
{
    raft_term highest = 0;

    for (size_t i = 0; i < n_members; i++)
        if (members[i].raft.current_term > highest)
            highest = members[i].raft.current_term;
    return highest;
}

/* The next hour of the day: what clients and fate do. */
static void on_clock(void *ctx)
{
    uint64_t in_ms = 5 + below(one_in(4) ? 600 : 80);

    (void)ctx;
    if (phase == MENDED) {
        if (is_settled()) {
            check_end();
            phase = CALM;
            calm_term = highest_term();
            calm_until_ns = ferry_sim_now_ns(sim) + CALM_MS * FERRY_SIM_MS;
        } else if (ferry_sim_now_ns(sim) >= mended_until_ns) {
            give_up("no leader accepts writes, or a member does not follow, for %d ms", MEND_MS);
        }
        if (ferry_sim_now_ns(sim) >= helped_ns + HELP_MS * FERRY_SIM_MS / 2)
            bring_all_back();
        if (phase == MENDED)
            help();
        in_ms = 50;
    } else if (phase == CALM) {
        if (highest_term() != calm_term)
            give_up("term %llu comes after %llu with nothing being wrong", highest_term(), calm_term);
        if (ferry_sim_now_ns(sim) >= calm_until_ns)
            phase = OVER;
        write_some();
        in_ms = 50;
    } else if (n_hours-- == 0) {
        mend();
    } else {
        if (one_in(2))
            inflict();
        for (size_t i = 0; i < n_members; i++)
            if (!members[i].t && one_in(4))
                bring_back(&members[i]);
        write_some();
    }
    must(ferry_sim_timer_set(clock_timer, ferry_sim_now_ns(sim) + in_ms * FERRY_SIM_MS) == FERRY_OK);
}

/* ---- What must hold after each event ------------------------------------------------------------------------------
 */

static void check_commits(struct member *me)
{
    raft_index before = raft_safety_last_committed(safety);

    for (raft_index index = me->commit + 1; index <= me->raft.commit_index; index++) {
        raft_term term = raft_store_term_at(me->disk, index);

        if (term != 0) /* else it came in a snapshot */
            must_be_safe(raft_safety_committed(safety, index, term, me->raft.current_term));
    }
    me->commit = me->raft.commit_index;
    if (raft_safety_last_committed(safety) == before)
        return;
    for (size_t i = 0; i < n_members; i++)
        if (members[i].t && members[i].state == RAFT_LEADER)
            must_be_safe(
                raft_safety_is_complete(safety, members[i].id, members[i].raft.current_term, members[i].disk, before));
}

static void check(struct member *me)
{
    int state = raft_state(&me->raft);

    if (raft_last_index(&me->raft) != raft_store_last_index(me->disk))
        give_up("m%zu: libraft's log ends with %llu, its disk's with %llu", me->place + 1, raft_last_index(&me->raft),
                raft_store_last_index(me->disk));
    if (state == RAFT_LEADER && (me->state != state || me->term != me->raft.current_term)) {
        n_elections++;
        note(me, "leads term %llu", me->raft.current_term);
        must_be_safe(raft_safety_elected(safety, me->raft.current_term, me->id));
        must_be_safe(raft_safety_is_complete(safety, me->id, me->raft.current_term, me->disk, 0));
        write_barrier(me);
    }
    me->state = state;
    me->term = me->raft.current_term;
    if (me->raft.commit_index != me->commit)
        check_commits(me);
}

/* The snapshot of nothing at all. */
static void compact_first(struct member *member)
{
    struct raft_buffer *bufs;
    unsigned n_bufs;
    uint8_t *data;

    member->fsm.data = member;
    must(fsm_snapshot(&member->fsm, &bufs, &n_bufs) == 0);
    data = calloc(1, bufs[0].len + bufs[1].len); /* which is all zeros */
    must(data);
    raft_store_compact_first(member->disk, &configuration, data, bufs[0].len + bufs[1].len);
    free(data);
    raft_free(bufs[0].base);
    raft_free(bufs[1].base);
    raft_free(bufs);
}

/* ---- A day --------------------------------------------------------------------------------------------------------
 */

static void begin_day(void)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    char host[24];

    fy_chance_init(&chance, seed, 1000);
    raft_safety_reset(safety);
    n_members = 3 + below(MAX_MEMBERS - 2);
    n_hours = 30 + below(60);
    has_snapshots = !one_in(4);
    threshold = has_snapshots ? 8 + (unsigned)below(40) : 100000;
    trailing = 2 * threshold + 20 + (unsigned)below(40);
    n_leaked = 0;
    max_command = one_in(4) ? MAX_COMMAND : 500;
    has_pre_vote = one_in(2);
    memset(was_applied, 0, sizeof(was_applied));
    n_writes = 0;
    phase = DAY;
    cfg.write_timeout_ms = 300;
    cfg.trace = is_loud ? on_trace : NULL;
    must(ferry_sim_new(seed, &cfg, &sim) == FERRY_OK);
    must(ferry_sim_timer_new(sim, 0, on_clock, NULL, &clock_timer) == FERRY_OK);
    raft_configuration_init(&configuration);
    for (size_t i = 0; i < n_members; i++) {
        struct member *me = &members[i];

        *me = (struct member){.place = i, .id = 0x100 * (i + 1)};
        snprintf(host, sizeof(host), "m%zu", i + 1);
        snprintf(me->url, sizeof(me->url), "http://%s:2380", host);
        must(ferry_sim_add_member(sim, me->id, host) == FERRY_OK);
        must(ferry_sim_timer_new(sim, me->id, on_turn, me, &me->turn) == FERRY_OK);
        must(raft_configuration_add(&configuration, me->id, me->url, RAFT_VOTER) == 0);
        me->disk = raft_store_new(sim, me->id, seed, &(struct raft_store_watch){.ctx = me, .on_append = on_append});
    }
    change_weather(true);
    change_disks(true);
    for (size_t i = 0; i < n_members; i++) {
        if (has_snapshots)
            compact_first(&members[i]);
        start(&members[i], true);
    }
    must(ferry_sim_timer_set(clock_timer, FERRY_SIM_S) == FERRY_OK);
}

/* Returns a hash over everything that happened. */
static uint64_t end_day(void)
{
    uint64_t hash = ferry_sim_trace_hash(sim);

    for (size_t i = 0; i < n_members; i++) {
        take_down(&members[i]);
        n_leaked += raft_store_n_canceled_installs(members[i].disk);
        raft_store_free(members[i].disk);
    }
    for (uint64_t i = 1; i <= n_writes; i++)
        free(writes[i]);
    raft_configuration_close(&configuration);
    n_events += ferry_sim_n_events(sim);
    ferry_sim_free(sim);
    sim = NULL;
    return hash;
}

/*
 * libraft forgets one block for each installation of a snapshot that is cancelled.  live_day counts its blocks to the
 * last; the leak sanitizer, which only sees that there are some, is told to leave them to it.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libraft.so\n";
}

static uint64_t live_day(void)
{
    long live = heap_live();
    uint64_t hash;

    begin_day();
    while (phase != OVER) {
        must(ferry_sim_step(sim));
        for (size_t i = 0; i < n_members; i++) {
            if (!members[i].t)
                continue;
            raft_requests_fire(&members[i].raft);
            check(&members[i]);
        }
    }
    hash = end_day();
    if (heap_live() != live + n_leaked)
        give_up("%ld blocks are left, and libraft's leaks are %ld", heap_live() - live, n_leaked);
    return hash;
}

/* ---- Seeds --------------------------------------------------------------------------------------------------------
 */

/* With many seeds, everything that can go wrong must have gone wrong. */
static void check_that_it_rained(uint64_t n)
{
    if (n < 40)
        return;
    must(n_elections > 2 * n && n_acknowledged > 10 * n && n_unknown > n / 2 && n_installs > n / 8);
    must(n_helped <= 1 + n / 50);
    must(n_crashes > n && n_transfers > n / 4);
}

/* All the seeds from first on, in steps of step. */
static void live_days(uint64_t first, uint64_t step, uint64_t n_seeds)
{
    uint64_t n = 0;

    for (seed = first; seed < n_seeds; seed += step, n++) {
        uint64_t hash = live_day();

        if (n % 25 == 0 && live_day() != hash)
            give_up("the same seed gave another trace");
    }
    check_that_it_rained(n);
    printf("# %" PRIu64 " days: %" PRIu64 " events, %" PRIu64 " elections, %" PRIu64 " writes acknowledged, %" PRIu64
           " unknown, %" PRIu64 " snapshots installed, %" PRIu64 " crashes\n",
           n, n_events, n_elections, n_acknowledged, n_unknown, n_installs, n_crashes);
    (void)fflush(stdout);
}

/* A process for some of the seeds; its status tells. */
static pid_t start_worker(uint64_t first, uint64_t step, uint64_t n_seeds)
{
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    must(pid >= 0);
    if (pid > 0)
        return pid;
    is_worker = true;
    live_days(first, step, n_seeds);
    _exit(EXIT_SUCCESS);
}

static void deal(uint64_t nth)
{
    uint64_t n_seeds = environment_number("FERRY_SIM_SEEDS", PATIENCE_SANITIZED ? 500 : 5000);
    uint64_t n_jobs = environment_number("FERRY_SIM_JOBS", 2);
    uint64_t step = N_TESTS * n_jobs;
    pid_t workers[16];

    seed_tell_of_crashes("it_raft_sim", &seed);
    raft_heap_setup(); /* on ours, which counts */
    safety = raft_safety_new();
    if (getenv("FERRY_SIM_SEED")) {
        is_loud = nth == 0;
        seed = environment_number("FERRY_SIM_SEED", 0);
        if (is_loud)
            (void)live_day();
        raft_safety_free(safety);
        return;
    }
    must(n_jobs >= 1 && n_jobs <= 16);
    for (uint64_t i = 1; i < n_jobs; i++)
        workers[i] = start_worker(nth + i * N_TESTS, step, n_seeds);
    live_days(nth, step, n_seeds);
    for (uint64_t i = 1; i < n_jobs; i++) {
        int status;

        must(waitpid(workers[i], &status, 0) == workers[i]);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a worker failed: standard error has its seed");
    }
    raft_safety_free(safety);
}

#define DAYS(nth)                                                                                                      \
    START_TEST(bad_days_are_safe_and_end_well_##nth)                                                                   \
    {                                                                                                                  \
        deal(nth);                                                                                                     \
    }                                                                                                                  \
    END_TEST

DAYS(0)
DAYS(1)
DAYS(2)
DAYS(3)
DAYS(4)
DAYS(5)
DAYS(6)
DAYS(7)
DAYS(8)
DAYS(9)
DAYS(10)
DAYS(11)
DAYS(12)
DAYS(13)
DAYS(14)
DAYS(15)
DAYS(16)
DAYS(17)
DAYS(18)
DAYS(19)

int main(void)
{
    rig_step_aside();
    return rig_main(
        "raft_sim", heap_setup, NULL, bad_days_are_safe_and_end_well_0, bad_days_are_safe_and_end_well_1,
        bad_days_are_safe_and_end_well_2, bad_days_are_safe_and_end_well_3, bad_days_are_safe_and_end_well_4,
        bad_days_are_safe_and_end_well_5, bad_days_are_safe_and_end_well_6, bad_days_are_safe_and_end_well_7,
        bad_days_are_safe_and_end_well_8, bad_days_are_safe_and_end_well_9, bad_days_are_safe_and_end_well_10,
        bad_days_are_safe_and_end_well_11, bad_days_are_safe_and_end_well_12, bad_days_are_safe_and_end_well_13,
        bad_days_are_safe_and_end_well_14, bad_days_are_safe_and_end_well_15, bad_days_are_safe_and_end_well_16,
        bad_days_are_safe_and_end_well_17, bad_days_are_safe_and_end_well_18, bad_days_are_safe_and_end_well_19, NULL);
}
