/* Three members on a simulated network: a day of cuts and crashes that a seed replays, event by event. */
#include <ferry/ferry.h>
#include <ferry/sim.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define N_MEMBERS 3
#define BEAT_NS (50 * FERRY_SIM_MS)

/* Stands for your core: it sends a heartbeat to everybody at every tick, and counts what it hears. */
struct core {
    uint64_t id;
    uint64_t n_heard;
    struct ferry_transport *transport;
    struct ferry_sim_timer *tick;
};

static struct ferry_sim *sim;
static struct core cores[N_MEMBERS + 1]; /* by id */

static void must(int err)
{
    if (err != FERRY_OK) {
        fprintf(stderr, "%s\n", ferry_strerror(err));
        exit(EXIT_FAILURE);
    }
}

static int process(void *ctx, const struct ferry_message *msg)
{
    struct core *core = ctx;

    (void)msg;
    core->n_heard++;
    return 0;
}

static void on_tick(void *ctx)
{
    struct core *core = ctx;

    for (uint64_t to = 1; to <= N_MEMBERS; to++) {
        struct ferry_message beat = {.type = FERRY_MSG_HEARTBEAT, .from = core->id, .to = to, .term = 1};

        if (to != core->id)
            must(ferry_transport_send(core->transport, &beat, 1));
    }
    must(ferry_sim_timer_set(core->tick, ferry_sim_now_ns(sim) + BEAT_NS));
}

static const char *const *urls_of(uint64_t id)
{
    static const char *const urls[N_MEMBERS + 1][2] = {{NULL}, {"http://m1:80"}, {"http://m2:80"}, {"http://m3:80"}};

    return urls[id];
}

/* What a program would do at its start; again after a crash. */
static void start(struct core *core)
{
    struct ferry_config cfg = FERRY_CONFIG_INIT;

    cfg.id = core->id;
    cfg.cluster_id = 0x1000;
    cfg.listen_urls = urls_of(core->id);
    cfg.core.ctx = core;
    cfg.core.process = process;
    must(ferry_sim_transport_new(sim, &cfg, &core->transport));
    must(ferry_transport_start(core->transport));
    for (uint64_t peer = 1; peer <= N_MEMBERS; peer++)
        if (peer != core->id)
            must(ferry_transport_add_peer(core->transport, peer, urls_of(peer)));
    must(ferry_sim_timer_set(core->tick, ferry_sim_now_ns(sim) + BEAT_NS));
}

static void run_for_ms(uint64_t n_ms)
{
    must(ferry_sim_run_until(sim, ferry_sim_now_ns(sim) + n_ms * FERRY_SIM_MS));
}

/* What of this must hold is for you to say.  Here: whom nothing separates hears the other. */
static void check_that_all_hear(void)
{
    uint64_t before[N_MEMBERS + 1];

    for (uint64_t id = 1; id <= N_MEMBERS; id++)
        before[id] = cores[id].n_heard;
    run_for_ms(1000);
    for (uint64_t id = 1; id <= N_MEMBERS; id++)
        if (cores[id].n_heard < before[id] + 20) {
            fprintf(stderr, "member %" PRIu64 " hears too little\n", id);
            exit(EXIT_FAILURE);
        }
}

static void bad_day(void)
{
    for (int i = 0; i < 20; i++) {
        uint64_t a = 1 + ferry_sim_random(sim) % N_MEMBERS, b = 1 + ferry_sim_random(sim) % N_MEMBERS;

        switch (ferry_sim_random(sim) % 4) {
        case 0: /* one direction only */
            must(ferry_sim_cut(sim, a, b));
            break;
        case 1:
            must(ferry_sim_delay(sim, a, b, 80 * FERRY_SIM_MS));
            break;
        case 2:
            must(ferry_sim_reset_connections(sim, a, b, FERRY_SIM_RESET_ONE));
            break;
        default:
            must(ferry_sim_crash(sim, a, FERRY_SIM_CRASH_HOST));
            ferry_transport_free(cores[a].transport); /* what the process held */
            run_for_ms(500);
            must(ferry_sim_restart(sim, a));
            start(&cores[a]);
        }
        run_for_ms(ferry_sim_random(sim) % 300);
    }
    ferry_sim_heal_all(sim);
    run_for_ms(10000); /* longer than the transports' timeouts */
}

/* Returns what is the same whenever the seed is. */
static uint64_t live(uint64_t seed)
{
    char host[] = "m?";
    uint64_t hash;

    must(ferry_sim_new(seed, NULL, &sim));
    for (uint64_t id = 1; id <= N_MEMBERS; id++) {
        cores[id] = (struct core){.id = id};
        host[1] = (char)('0' + id);
        must(ferry_sim_add_member(sim, id, host));
        must(ferry_sim_timer_new(sim, id, on_tick, &cores[id], &cores[id].tick));
        start(&cores[id]);
    }
    bad_day();
    check_that_all_hear();
    hash = ferry_sim_trace_hash(sim);
    for (uint64_t id = 1; id <= N_MEMBERS; id++)
        ferry_transport_free(cores[id].transport);
    ferry_sim_free(sim);
    return hash;
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        if (live(seed) != live(seed)) {
            fprintf(stderr, "seed %" PRIu64 " did not repeat\n", seed);
            return EXIT_FAILURE;
        }
    printf("20 bad days, each of them twice the same, ended well\n");
    return EXIT_SUCCESS;
}
