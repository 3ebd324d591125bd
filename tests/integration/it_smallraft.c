/*
 * it_smallraft - a second Raft core on Ferry: doc/examples/smallraft, on the simulated network and on sockets.
 *
 * What is checked at every step: one leader in a term, and the same entry at an index wherever it is applied.  At the
 * end, when nothing is cut: progress, and the same state everywhere.
 * SMALLRAFT_SEEDS: how many seeds, in place of 200; SMALLRAFT_SEED: this one alone.
 */
#include "config.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"
#include "ferry/sim.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "smallraft.h"

#define N_HOSTS 5
#define N_FOUNDERS 3
#define CLUSTER_ID 7
#define TICK_MS 20
#define COMPACT_AT 40 /* entries behind the snapshot */
#define MAX_INDEX 100000
#define MAX_TERM 10000

/* ---- A member: core, adapter, storage in memory, and a state that hashes what was applied ---- */

struct state {
    uint64_t n;
    uint64_t hash;
};

struct member {
    uint64_t id;
    bool is_up;
    struct smallraft *raft;
    struct sr_ferry ferry;
    struct ferry_sim_timer *timer;
    struct state state;

    /* Its storage: what survives a crash. */
    uint64_t term, vote;
    struct sr_snapshot snapshot;
    struct state snapshot_state; /* the snapshot's data */
    struct sr_entry *entries;
    size_t n_entries;
};

static struct member members[N_HOSTS + 1]; /* by id */
static struct ferry_sim *sim;              /* NULL: on sockets */
static uint64_t hashes[MAX_INDEX];         /* of the state behind each index; 0: nobody has applied it */
static uint64_t leader_of[MAX_TERM];
static uint64_t chance;

static uint64_t next_random(void)
{
    if (sim)
        return ferry_sim_random(sim);
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return chance >> 33;
}

static void host_send(void *ctx, const struct sr_message *msg)
{
    sr_ferry_send(&((struct member *)ctx)->ferry, msg);
}

static int host_save_term(void *ctx, uint64_t term, uint64_t vote)
{
    struct member *member = ctx;

    member->term = term;
    member->vote = vote;
    return 0;
}

static void drop_stored(struct member *member, size_t first, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = first; i < first + n; i++)
        free((void *)(uintptr_t)member->entries[i].data);
    memmove(member->entries + first, member->entries + first + n,
            (member->n_entries - first - n) * sizeof(*member->entries));
    member->n_entries -= n;
}

static int host_save_entries(void *ctx, uint64_t index, const struct sr_entry *entries, size_t n)
{
    struct member *member = ctx;
    size_t at = (size_t)(index - member->snapshot.index - 1);

    drop_stored(member, at, member->n_entries - at);
    member->entries = realloc(member->entries, (at + n) * sizeof(*entries));
    for (size_t i = 0; i < n; i++) {
        uint8_t *data = malloc(entries[i].len + 1);

        ck_assert_ptr_nonnull(data);
        if (entries[i].len > 0)
            memcpy(data, entries[i].data, entries[i].len);
        member->entries[at + i] = entries[i];
        member->entries[at + i].data = data;
    }
    member->n_entries = at + n;
    return 0;
}

static int host_save_snapshot(void *ctx, const struct sr_snapshot *snapshot, bool keeps_log)
{
    struct member *member = ctx;
    size_t n_gone = keeps_log ? (size_t)(snapshot->index - member->snapshot.index) : member->n_entries;

    drop_stored(member, 0, n_gone);
    ck_assert_uint_eq(snapshot->len, sizeof(struct state));
    memcpy(&member->snapshot_state, snapshot->data, sizeof(struct state));
    member->snapshot = *snapshot;
    member->snapshot.data = (const uint8_t *)&member->snapshot_state;
    return 0;
}

/* Every member that gets to an index has the same state there. */
static void check_state(uint64_t index, const struct state *state)
{
    ck_assert_uint_lt(index, MAX_INDEX);
    ck_assert_msg(hashes[index] == 0 || hashes[index] == state->hash, "two states at index %" PRIu64, index);
    hashes[index] = state->hash;
}

static void host_apply(void *ctx, uint64_t index, const struct sr_entry *entry)
{
    struct member *member = ctx;

    member->state.n += entry->kind == SR_COMMAND;
    member->state.hash = (member->state.hash ^ entry->term) * 0x100000001b3u + entry->kind;
    for (size_t i = 0; i < entry->len; i++)
        member->state.hash = (member->state.hash ^ entry->data[i]) * 0x100000001b3u;
    check_state(index, &member->state);
}

static void host_restore(void *ctx, const struct sr_snapshot *snapshot)
{
    struct member *member = ctx;

    ck_assert_uint_eq(snapshot->len, sizeof(struct state));
    memcpy(&member->state, snapshot->data, sizeof(struct state));
    check_state(snapshot->index, &member->state);
}

static void host_on_members(void *ctx, const struct sr_members *now)
{
    sr_ferry_set_members(&((struct member *)ctx)->ferry, now);
}

static unsigned host_random(void *ctx)
{
    (void)ctx;
    return (unsigned)next_random();
}

static void check_leader(const struct member *member)
{
    if (member->raft->role != SR_LEADER)
        return;
    ck_assert_uint_lt(member->raft->term, MAX_TERM);
    ck_assert_msg(leader_of[member->raft->term] == 0 || leader_of[member->raft->term] == member->id,
                  "two leaders of term %" PRIu64, member->raft->term);
    leader_of[member->raft->term] = member->id;
}

static void tick(struct member *member)
{
    sr_tick(member->raft);
    check_leader(member);
    if (member->raft->n_entries > COMPACT_AT && member->raft->applied > member->raft->snapshot.index)
        ck_assert_int_eq(sr_compact(member->raft, &member->state, sizeof(member->state)), SR_OK);
}

static void member_on_tick(void *ctx)
{
    struct member *member = ctx;

    tick(member);
    (void)ferry_sim_timer_set(member->timer, ferry_sim_now_ns(sim) + TICK_MS * FERRY_SIM_MS);
}

/* ---- Its life ---- */

static char urls[N_HOSTS + 1][64];

static const char *url_of(void *ctx, uint64_t id)
{
    (void)ctx;
    return urls[id];
}

static void start(struct member *member)
{
    static const struct sr_host calls = {.send = host_send,
                                         .save_term = host_save_term,
                                         .save_entries = host_save_entries,
                                         .save_snapshot = host_save_snapshot,
                                         .apply = host_apply,
                                         .restore = host_restore,
                                         .on_members = host_on_members,
                                         .random = host_random};
    struct sr_host host = calls;
    struct sr_stored stored = {.term = member->term,
                               .vote = member->vote,
                               .snapshot = member->snapshot,
                               .entries = member->entries,
                               .n_entries = member->n_entries};
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    const char *listen[] = {urls[member->id], NULL};

    host.ctx = member;
    cfg.id = member->id;
    cfg.cluster_id = CLUSTER_ID;
    cfg.listen_urls = listen;
    sr_ferry_init(&member->ferry, &cfg, url_of, NULL);
    member->state = (struct state){.n = 0};
    ck_assert_int_eq(sim ? ferry_sim_transport_new(sim, &cfg, &member->ferry.transport)
                         : ferry_transport_new(&cfg, &member->ferry.transport),
                     FERRY_OK);
    ck_assert_int_eq(sr_new(member->id, &host, &stored, &member->raft), SR_OK);
    ck_assert_int_eq(sr_ferry_start(&member->ferry, member->raft), FERRY_OK);
    member->is_up = true;
    if (sim)
        ck_assert_int_eq(ferry_sim_timer_set(member->timer, ferry_sim_now_ns(sim) + TICK_MS * FERRY_SIM_MS), FERRY_OK);
}

static void stop(struct member *member)
{
    if (!member->is_up)
        return;
    (void)ferry_transport_free(member->ferry.transport);
    sr_free(member->raft);
    member->raft = NULL;
    member->is_up = false;
}

static void forget(struct member *member)
{
    stop(member);
    drop_stored(member, 0, member->n_entries);
    free(member->entries);
    member->entries = NULL;
}

/* The founders begin with the same snapshot, of an empty state. */
static void set_up(void)
{
    memset(hashes, 0, sizeof(hashes));
    memset(leader_of, 0, sizeof(leader_of));
    for (uint64_t id = 1; id <= N_HOSTS; id++) {
        struct member *member = &members[id];

        *member = (struct member){.id = id};
        if (sim) {
            char host[16];

            (void)snprintf(host, sizeof(host), "m%d", (int)id);
            (void)snprintf(urls[id], sizeof(urls[id]), "http://%s:80", host);
            ck_assert_int_eq(ferry_sim_add_member(sim, id, host), FERRY_OK);
            ck_assert_int_eq(ferry_sim_timer_new(sim, id, member_on_tick, member, &member->timer), FERRY_OK);
        }
        if (id > N_FOUNDERS)
            continue;
        member->term = 1;
        member->snapshot_state = (struct state){.hash = 1};
        member->snapshot = (struct sr_snapshot){.index = 1,
                                                .term = 1,
                                                .members = {.ids = {1, 2, 3}, .n = N_FOUNDERS},
                                                .data = (const uint8_t *)&member->snapshot_state,
                                                .len = sizeof(struct state)};
    }
}

static struct member *leader(void)
{
    struct member *best = NULL;

    for (uint64_t id = 1; id <= N_HOSTS; id++)
        if (members[id].is_up && members[id].raft->role == SR_LEADER &&
            (!best || members[id].raft->term > best->raft->term))
            best = &members[id];
    return best;
}

/* Propose one command to whoever leads.  true: it was appended. */
static bool propose(void)
{
    struct member *member = leader();
    uint64_t data[2] = {next_random(), next_random()};

    return member && sr_propose(member->raft, data, next_random() % 17) == SR_OK;
}

/* All members of the leader's configuration have applied everything. */
static bool is_whole(void)
{
    struct member *first = leader();

    if (!first || first->raft->applied != sr_last_index(first->raft) ||
        sr_term_of(first->raft, first->raft->commit) != first->raft->term)
        return false;
    for (size_t i = 0; i < first->raft->members.n; i++) {
        const struct member *member = &members[first->raft->members.ids[i]];

        if (!member->is_up || member->raft->applied != first->raft->applied || member->state.hash != first->state.hash)
            return false;
    }
    return true;
}

/* ---- On the simulated network ---- */

static void run_for_ms(uint64_t ms)
{
    ck_assert_int_eq(ferry_sim_run_until(sim, ferry_sim_now_ns(sim) + ms * FERRY_SIM_MS), FERRY_OK);
}

static uint64_t pick(void)
{
    return 1 + next_random() % N_HOSTS;
}

static void crash_or_restart(struct member *member)
{
    if (member->is_up) {
        ck_assert_int_eq(
            ferry_sim_crash(sim, member->id, next_random() % 2 ? FERRY_SIM_CRASH_PROCESS : FERRY_SIM_CRASH_HOST),
            FERRY_OK);
        stop(member);
    } else if (ferry_sim_is_up(sim, member->id)) {
        start(member);
    } else {
        ck_assert_int_eq(ferry_sim_restart(sim, member->id), FERRY_OK);
        start(member);
    }
}

static void change_members(void)
{
    struct member *member = leader();
    uint64_t id = pick();

    if (member)
        (void)sr_change(member->raft, id, !sr_is_member(member->raft, id));
}

static void do_harm(void)
{
    switch (next_random() % 6) {
    case 0:
        (void)ferry_sim_cut(sim, pick(), pick());
        break;
    case 1:
        ferry_sim_heal_all(sim);
        break;
    case 2:
        crash_or_restart(&members[pick()]);
        break;
    case 3:
        change_members();
        break;
    case 4:
        (void)ferry_sim_reset_connections(sim, pick(), pick(), FERRY_SIM_RESET_ONE);
        break;
    default:
        (void)ferry_sim_delay(sim, pick(), pick(), next_random() % 200 * FERRY_SIM_MS);
    }
}

static void mend_all(void)
{
    ferry_sim_heal_all(sim);
    for (uint64_t id = 1; id <= N_HOSTS; id++)
        if (!members[id].is_up)
            crash_or_restart(&members[id]);
}

static void live_through(uint64_t seed)
{
    unsigned n_proposed = 0;

    ck_assert_int_eq(ferry_sim_new(seed, NULL, &sim), FERRY_OK);
    set_up();
    for (uint64_t id = 1; id <= N_HOSTS; id++)
        start(&members[id]);
    for (int i = 0; i < 300; i++) {
        run_for_ms(next_random() % 100);
        n_proposed += propose();
        if (i % 4 == 0)
            do_harm();
    }
    mend_all();
    n_proposed = 0;
    for (int i = 0; i < 600 && (n_proposed < 10 || !is_whole()); i++) {
        run_for_ms(50);
        n_proposed += n_proposed < 10 && propose();
    }
    ck_assert_msg(n_proposed == 10 && is_whole(), "seed %" PRIu64 ": no progress in 30 s without a fault", seed);
    for (uint64_t id = 1; id <= N_HOSTS; id++)
        forget(&members[id]);
    ferry_sim_free(sim);
    sim = NULL;
}

START_TEST(every_seed_is_lived_through)
{
    unsigned long only = environment_number("SMALLRAFT_SEED", 0);
    unsigned long n = environment_number("SMALLRAFT_SEEDS", PATIENCE_SANITIZED ? 40 : 200);

    for (unsigned long seed = only ? only : 1; seed <= (only ? only : n); seed++)
        live_through(seed);
}
END_TEST

/* ---- On sockets: one loop of the program's turns them all ---- */

static void turn(int ms)
{
    struct pollfd fds[N_HOSTS];
    nfds_t n = 0;

    for (uint64_t id = 1; id <= N_HOSTS; id++) {
        int timeout_ms = members[id].is_up ? ferry_transport_timeout_ms(members[id].ferry.transport) : -1;

        if (!members[id].is_up)
            continue;
        fds[n++] = (struct pollfd){.fd = ferry_transport_fd(members[id].ferry.transport), .events = POLLIN};
        ms = timeout_ms >= 0 && timeout_ms < ms ? timeout_ms : ms;
    }
    (void)poll(fds, n, ms);
    for (uint64_t id = 1; id <= N_HOSTS; id++)
        if (members[id].is_up)
            ck_assert_int_eq(ferry_transport_run(members[id].ferry.transport, 0), FERRY_OK);
}

static void run_turns(unsigned ms)
{
    static uint64_t next_tick_ms;

    for (uint64_t until_ms = monotonic_ms() + ms, now_ms; (now_ms = monotonic_ms()) < until_ms;) {
        turn(now_ms < next_tick_ms ? (int)(next_tick_ms - now_ms) : 0);
        if (monotonic_ms() < next_tick_ms)
            continue;
        next_tick_ms = monotonic_ms() + TICK_MS;
        for (uint64_t id = 1; id <= N_HOSTS; id++)
            if (members[id].is_up)
                tick(&members[id]);
    }
}

#define TURNS_UNTIL(condition)                                                                                         \
    do {                                                                                                               \
        uint64_t until_ms = monotonic_ms() + patience_ms(30000);                                                       \
                                                                                                                       \
        while (!(condition)) {                                                                                         \
            ck_assert_msg(monotonic_ms() < until_ms, "timed out waiting for " #condition);                             \
            run_turns(20);                                                                                             \
        }                                                                                                              \
    } while (0)

static void propose_many(unsigned n)
{
    for (unsigned i = 0; i < n;) {
        i += propose();
        run_turns(1);
    }
}

static bool has_changed(uint64_t id, bool is_added)
{
    struct member *member = leader();

    if (member && sr_is_member(member->raft, id) == is_added)
        return is_whole();
    if (member)
        (void)sr_change(member->raft, id, is_added);
    return false;
}

/* Ports that are free now, and soon after. */
static void pick_ports(void)
{
    for (uint64_t id = 1; id <= N_HOSTS; id++) {
        static const char *const any[] = {"http://127.0.0.1:0", NULL};
        struct ferry_config cfg = FERRY_CONFIG_INIT;
        struct ferry_transport *t;
        struct sr_ferry unused;

        cfg.id = id;
        cfg.cluster_id = CLUSTER_ID;
        cfg.listen_urls = any;
        sr_ferry_init(&unused, &cfg, url_of, NULL);
        ck_assert_int_eq(ferry_transport_new(&cfg, &t), FERRY_OK);
        ck_assert_int_eq(ferry_transport_start(t), FERRY_OK);
        (void)snprintf(urls[id], sizeof(urls[id]), "%s", ferry_transport_listen_url(t, 0));
        (void)ferry_transport_free(t);
    }
}

START_TEST(it_replicates_over_sockets)
{
    struct member *first;

    chance = monotonic_ns();
    set_up();
    pick_ports();
    for (uint64_t id = 1; id <= N_FOUNDERS; id++)
        start(&members[id]);
    propose_many(100);
    TURNS_UNTIL(is_whole());
    first = leader();
    stop(first); /* another takes over, and it catches up by a snapshot */
    propose_many(3 * COMPACT_AT);
    start(first);
    TURNS_UNTIL(is_whole());
    ck_assert_uint_gt(first->raft->snapshot.index, COMPACT_AT);
    start(&members[4]);
    TURNS_UNTIL(has_changed(4, true));
    TURNS_UNTIL(has_changed(first->id, false));
    propose_many(50);
    TURNS_UNTIL(is_whole());
    ck_assert_uint_eq(members[4].state.n, leader()->state.n);
    ck_assert_uint_ge(members[4].state.n, 150 + 3 * COMPACT_AT);
    for (uint64_t id = 1; id <= N_HOSTS; id++) {
        if (members[id].is_up)
            ck_assert_msg(members[id].ferry.n_refused == 0, "member %d refused: %s", (int)id,
                          ferry_verdict_text(members[id].ferry.last_refusal));
        forget(&members[id]);
    }
}
END_TEST

/* What no correct leader sends does not get as far as the core. */
START_TEST(the_gate_keeps_forgeries_out)
{
    struct ferry_message forged = {.type = FERRY_MSG_APP, .to = 1, .from = 2, .term = 1};
    struct ferry_entry entry = {
        .term = 1, .index = 2, .type = FERRY_ENTRY_CONF_CHANGE, .data = {.data = (const uint8_t *)"x", .len = 1}};
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    struct sr_ferry ferry;

    ck_assert_int_eq(ferry_sim_new(1, NULL, &sim), FERRY_OK);
    set_up();
    for (uint64_t id = 1; id <= N_FOUNDERS; id++)
        start(&members[id]);
    for (int i = 0; i < 100 && !is_whole(); i++)
        run_for_ms(100);
    ck_assert(is_whole());
    cfg.id = leader()->id;
    sr_ferry_init(&ferry, &cfg, url_of, NULL);
    ferry.raft = leader()->raft;
    forged.to = leader()->id;
    forged.from = forged.to % N_FOUNDERS + 1;
    forged.term = leader()->raft->term;
    ck_assert_int_ne(cfg.core.process(cfg.core.ctx, &forged), 0);
    ck_assert_int_eq(ferry.last_refusal, FERRY_VERDICT_TWO_LEADERS);
    forged.term++;
    forged.index = sr_last_index(ferry.raft);
    forged.log_term = sr_term_of(ferry.raft, forged.index);
    entry.index = forged.index + 1;
    entry.term = forged.term;
    forged.entries = &entry;
    forged.n_entries = 1;
    ck_assert_int_ne(cfg.core.process(cfg.core.ctx, &forged), 0);
    ck_assert_int_eq(ferry.last_refusal, FERRY_VERDICT_MALFORMED_CHANGE);
    ck_assert_uint_eq(ferry.n_refused, 2);
    ck_assert_int_eq(leader()->raft->role, SR_LEADER);
    for (uint64_t id = 1; id <= N_HOSTS; id++)
        forget(&members[id]);
    ferry_sim_free(sim);
}
END_TEST

int main(void)
{
    return rig_main("smallraft", NULL, NULL, every_seed_is_lived_through, it_replicates_over_sockets,
                    the_gate_keeps_forgeries_out, NULL);
}
