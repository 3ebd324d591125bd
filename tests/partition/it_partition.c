/*
 * it_partition - a replicated store on hosts whose network fails in every way, and clients that write and read it all
 * the while.
 *
 * Each story plays one fault for some seconds, kills a member in the middle of it and brings it back, and heals.  Then
 * a leader has to be there within three election timeouts, and in the end what the clients saw has to be linearizable:
 * no write that was acknowledged is lost, and no read is stale.
 *
 * FERRY_PARTITION_S: for how many seconds the last story plays faults at random, in place of 8.
 * FERRY_PARTITION_SEED: which, in place of a seed from the clock; it is printed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness/hosts.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/standstill.h"
#include "partition/kv_hosts.h"

#define FAULT_MS 3000
#define DOWN_MS 800
#define REST_MS 700

static uint64_t seed;

static void wait_ms(unsigned ms)
{
    const struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&span, NULL); /* the duration of a fault, not a wait for an event */
}

static uint64_t draw(void)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void setup(void)
{
    seed = environment_number("FERRY_PARTITION_SEED", (unsigned long)time(NULL));
    printf("# FERRY_PARTITION_SEED=%" PRIu64 "\n", seed);
    (void)fflush(stdout);
}

static unsigned leader(void)
{
    uint64_t begin_ms = monotonic_ms();
    int which;

    while ((which = kv_hosts_leader()) == KV_NOBODY) {
        ck_assert_uint_lt(monotonic_ms() - begin_ms, patience_ms(10000));
        wait_ms(10);
    }
    return (unsigned)which;
}

static void restart_one(unsigned which)
{
    kv_hosts_kill(which);
    wait_ms(DOWN_MS);
    kv_hosts_restart(which);
}

/* The fault stands: let it last, with a member that is killed in the middle of it. */
static void endure(unsigned killed)
{
    wait_ms((FAULT_MS - DOWN_MS) / 2);
    restart_one(killed);
    wait_ms((FAULT_MS - DOWN_MS) / 2);
}

static void heal(const char *after)
{
    uint64_t begin_ms = running_ms();

    hosts_heal();
    kv_hosts_await_leader(after, begin_ms);
    wait_ms(REST_MS);
}

/* ---- One fault each ---- */

START_TEST(a_cut_between_the_leader_and_another)
{
    unsigned first;

    kv_hosts_start(3, false, seed);
    first = leader();
    hosts_cut(first, (first + 1) % 3);
    endure((first + 1) % 3);
    heal("symmetric cut");
    kv_hosts_finish();
}
END_TEST

START_TEST(one_way_towards_the_leader_and_one_way_from_it)
{
    unsigned first;

    kv_hosts_start(3, false, seed);
    first = leader();
    for (unsigned other = 0; other < 3; other++)
        if (other != first)
            hosts_drop(first, other);
    endure((first + 1) % 3);
    heal("the leader was not heard");
    first = leader();
    for (unsigned other = 0; other < 3; other++)
        if (other != first)
            hosts_drop(other, first);
    endure((first + 1) % 3);
    heal("the leader did not hear");
    kv_hosts_finish();
}
END_TEST

START_TEST(a_bridge_of_one_between_two_that_are_cut)
{
    unsigned bridge;

    kv_hosts_start(3, false, seed);
    for (int i = 0; i < 2; i++) { /* a follower, and then the leader, is the one that both hear */
        bridge = (leader() + (i == 0 ? 1 : 0)) % 3;
        hosts_cut((bridge + 1) % 3, (bridge + 2) % 3);
        endure((bridge + 1) % 3);
        heal(i == 0 ? "bridge over a follower" : "bridge over the leader");
    }
    kv_hosts_finish();
}
END_TEST

START_TEST(a_network_that_flaps)
{
    kv_hosts_start(3, false, seed);
    for (int i = 0; i < 8; i++) {
        hosts_split(1u << leader());
        wait_ms(250 + 100 * (unsigned)i);
        hosts_heal();
        wait_ms(150);
        if (i == 4)
            restart_one((leader() + 1) % 3);
    }
    heal("flapping");
    kv_hosts_finish();
}
END_TEST

START_TEST(a_majority_and_a_minority_with_the_leader)
{
    unsigned first;

    kv_hosts_start(5, false, seed);
    first = leader();
    hosts_split(1u << first | 1u << (first + 1) % 5);
    endure((first + 2) % 5); /* of the three, which leaves them a majority of nothing for a while */
    heal("majority and minority");
    kv_hosts_finish();
}
END_TEST

START_TEST(a_leader_alone)
{
    unsigned first;

    kv_hosts_start(3, false, seed);
    first = leader();
    hosts_split(1u << first);
    endure(first);
    heal("isolated leader");
    kv_hosts_finish();
}
END_TEST

START_TEST(links_that_are_slow)
{
    static const struct weather late = {.delay_ms = 60}, fair = {0};
    bool has_tbf = true;

    kv_hosts_start(3, true, seed);
    for (unsigned i = 0; i < 3; i++)
        has_tbf &= hosts_slow(i, 500);
    printf("# bandwidth: %s\n", has_tbf ? "500 kbit/s" : "not limited, for the kernel has no tbf");
    kv_hosts_set_weather(&late);
    endure((leader() + 1) % 3);
    for (unsigned i = 0; i < 3; i++)
        (void)hosts_slow(i, 0);
    kv_hosts_set_weather(&fair);
    heal("slow links");
    kv_hosts_finish();
}
END_TEST

START_TEST(links_that_stall_break_and_lie)
{
    static const struct weather bad = {.reset = 0.002, .truncation = 0.002, .corruption = 0.002}, fair = {0};
    static const struct weather none_at_all = {.is_stalled = true};
    unsigned first;

    kv_hosts_start(3, true, seed);
    first = leader();
    kv_hosts_set_weather(&bad);
    endure((first + 1) % 3);
    kv_hosts_set_weather(&none_at_all);
    wait_ms((FAULT_MS / 2 - DOWN_MS) / 2);
    restart_one((first + 2) % 3);
    wait_ms((FAULT_MS / 2 - DOWN_MS) / 2);
    kv_hosts_set_weather(&fair);
    heal("stalls, resets, truncation and corruption");
    printf("# %u faults\n", kv_hosts_n_faults());
    ck_assert_uint_gt(kv_hosts_n_faults(), 0);
    kv_hosts_finish();
}
END_TEST

/* ---- All of them, at random ---- */

#define N_RANDOM 5

static void play_random(unsigned n)
{
    unsigned one = (unsigned)(draw() % n), other = (unsigned)((one + 1 + draw() % (n - 1)) % n);

    switch (draw() % 5) {
    case 0:
        hosts_cut(one, other);
        break;
    case 1:
        hosts_drop(one, other);
        break;
    case 2:
        hosts_split(1u << one | 1u << other);
        break;
    case 3:
        hosts_split(1u << one);
        break;
    default: /* one way, for all of one */
        for (unsigned i = 0; i < n; i++)
            if (i != one)
                hosts_drop(one, i);
    }
}

START_TEST(faults_at_random)
{
    uint64_t until_ms;

    kv_hosts_start(N_RANDOM, false, seed);
    until_ms = monotonic_ms() + UINT64_C(1000) * environment_number("FERRY_PARTITION_S", 8);
    do {
        unsigned n_faults = 1 + (unsigned)(draw() % 2);
        unsigned n_killed = (unsigned)(draw() % 3);

        for (unsigned i = 0; i < n_faults; i++) {
            play_random(N_RANDOM);
            wait_ms(200 + (unsigned)(draw() % 1500));
        }
        for (unsigned i = 0; i < n_killed; i++)
            restart_one((unsigned)(draw() % N_RANDOM));
        heal("at random");
    } while (monotonic_ms() < until_ms);
    kv_hosts_finish();
}
END_TEST

int main(void)
{
    const char *obstacle = kv_hosts_obstacle();

    if (obstacle) {
        printf("1..0 # SKIP %s\n", obstacle);
        return EXIT_SUCCESS;
    }
    return rig_main("partition", setup, kv_hosts_release, a_cut_between_the_leader_and_another,
                    one_way_towards_the_leader_and_one_way_from_it, a_bridge_of_one_between_two_that_are_cut,
                    a_network_that_flaps, a_majority_and_a_minority_with_the_leader, a_leader_alone,
                    links_that_are_slow, links_that_stall_break_and_lie, faults_at_random, NULL);
}
