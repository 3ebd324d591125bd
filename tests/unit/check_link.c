/*
 * check_link - the link's state as judged from the TCP figures of a member's connections, and the reports to their
 * owners.
 */
#include <stdio.h>

#include "harness/rig.h"
#include "member/link.h"
#include "member/local.h"
#include "net/sim/sim.h"

#define TICK_NS UINT64_C(250000000)
#define SILENCE_TICKS ((FY_LINK_TICKS * 5 + 5) / 6) /* rounded up */
#define N FY_LINK_MAX_ENDS

static struct fy_link_judge judge;
static struct fy_vitals vitals[N];
static const struct fy_vitals *known[N];
static uint64_t heard_ns[N]; /* what the kernel tells the age of */
static uint64_t now_ns;

static void setup(void)
{
    now_ns = 100 * TICK_NS;
    judge = (struct fy_link_judge){.due_ns = now_ns + TICK_NS};
    for (int i = 0; i < N; i++) {
        vitals[i] = (struct fy_vitals){.n_arrived = 5};
        heard_ns[i] = now_ns;
        known[i] = &vitals[i];
    }
}

static void pass(uint64_t ns)
{
    now_ns += ns;
    for (int i = 0; i < N; i++)
        vitals[i].silence_ns = now_ns - heard_ns[i];
}

/* A look at all of them, and the next is expected in a tick. */
static enum ferry_link tick(void)
{
    enum ferry_link found;

    pass(TICK_NS);
    found = fy_link_judge(&judge, known, TICK_NS, now_ns);
    (void)fy_link_judge_next_ns(&judge, now_ns + TICK_NS, TICK_NS, now_ns);
    return found;
}

/* How many ticks it stays _BOTH, at most 20. */
static int ticks_until(enum ferry_link expected, void (*happens)(void))
{
    for (int i = 1; i <= 20; i++) {
        enum ferry_link found;

        if (happens)
            happens();
        found = tick();
        if (found != FERRY_LINK_BOTH) {
            ck_assert_int_eq(found, expected);
            return i;
        }
    }
    return 0;
}

static void arrive(int i)
{
    vitals[i].n_arrived++;
    heard_ns[i] = now_ns;
}

static void one_arrives(void)
{
    arrive(2);
}

static void all_move(void)
{
    for (int i = 0; i < N; i++) {
        arrive(i);
        vitals[i].n_acked++;
    }
}

static void await(int i, bool is_owed)
{
    vitals[i].is_awaited = true;
    vitals[i].is_owed = is_owed;
}

START_TEST(silence_on_all_connections_for_five_sixths_is_a_lost_link)
{
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, NULL), SILENCE_TICKS);
}
END_TEST

/* However late the look at it. */
START_TEST(silence_counts_from_the_last_packet_and_not_from_the_look_that_saw_it)
{
    uint64_t heard_at_ns = now_ns + TICK_NS / 2;

    pass(TICK_NS / 2);
    arrive(1);
    pass(3 * TICK_NS);
    judge.due_ns = now_ns;
    ck_assert_int_eq(fy_link_judge(&judge, known, TICK_NS, now_ns), FERRY_LINK_BOTH);
    ck_assert_uint_eq(judge.arrived_ns, heard_at_ns);
    ck_assert_uint_eq(fy_link_judge_next_ns(&judge, now_ns + 20 * TICK_NS, TICK_NS, now_ns),
                      heard_at_ns + TICK_NS * FY_LINK_TICKS * 5 / 6); /* not the calm 20 ticks */
    pass(4 * TICK_NS);
    ck_assert_int_eq(fy_link_judge(&judge, known, TICK_NS, now_ns), FERRY_LINK_NONE);
}
END_TEST

/* The kernel tells no age of a keepalive probe that came. */
START_TEST(a_packet_that_is_only_counted_came_after_the_look_before)
{
    (void)tick();
    vitals[3].n_arrived++;
    (void)tick();
    ck_assert_uint_eq(judge.arrived_ns, now_ns - TICK_NS);
}
END_TEST

START_TEST(one_connection_shows_that_all_is_calm_until_something_is_awaited_or_old)
{
    ck_assert_int_eq(tick(), FERRY_LINK_BOTH);
    ck_assert(judge.is_calm);
    pass(2 * TICK_NS);
    judge.due_ns = now_ns;
    arrive(1);
    vitals[1].silence_ns = 0;
    ck_assert(fy_link_judge_is_still_calm(&judge, 1, known[1], TICK_NS, now_ns));
    ck_assert_uint_eq(fy_link_judge_next_ns(&judge, now_ns + 3 * TICK_NS, TICK_NS, now_ns), now_ns + 3 * TICK_NS);
    ck_assert(!fy_link_judge_is_still_calm(&judge, 1, NULL, TICK_NS, now_ns));

    await(1, false); /* not even sent again, but that may be all that is seen in time */
    ck_assert(!fy_link_judge_is_still_calm(&judge, 1, known[1], TICK_NS, now_ns));
    ck_assert_uint_eq(fy_link_judge_next_ns(&judge, now_ns + 3 * TICK_NS, TICK_NS, now_ns), now_ns + TICK_NS);
    vitals[1].is_awaited = false;
    ck_assert(!fy_link_judge_is_still_calm(&judge, 1, known[1], TICK_NS, now_ns)); /* all have to say so */
    ck_assert_int_eq(tick(), FERRY_LINK_BOTH);
    ck_assert(judge.is_calm);

    pass(4 * TICK_NS); /* nothing came for half of the timeout */
    judge.due_ns = now_ns;
    ck_assert(!fy_link_judge_is_still_calm(&judge, 1, known[1], TICK_NS, now_ns));
}
END_TEST

START_TEST(what_was_owed_at_a_look_long_after_the_last_is_not_owed_for_all_that_time)
{
    (void)tick();
    await(0, true);
    pass(3 * TICK_NS);
    judge.due_ns = now_ns;
    arrive(2);
    vitals[2].silence_ns = 0;
    ck_assert_int_eq(fy_link_judge(&judge, known, TICK_NS, now_ns), FERRY_LINK_BOTH);
    ck_assert_uint_eq(judge.pulses[0].owed_since_ns, now_ns - TICK_NS);
    ck_assert(fy_link_judge_is_one_way(&judge, TICK_NS, now_ns));
}
END_TEST

START_TEST(one_packet_on_any_connection_is_a_sign_of_life)
{
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, one_arrives), 0);
}
END_TEST

START_TEST(without_a_connection_there_is_nothing_to_lose)
{
    for (int i = 0; i < N; i++)
        known[i] = NULL;
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, NULL), 0);
}
END_TEST

START_TEST(what_is_not_acknowledged_while_packets_come_was_lost_one_way)
{
    await(0, true);
    ck_assert_int_eq(tick(), FERRY_LINK_BOTH);
    ck_assert(!fy_link_judge_is_one_way(&judge, TICK_NS, now_ns)); /* it may come yet */
    ck_assert_int_eq(ticks_until(FERRY_LINK_ONLY_IN, one_arrives), FY_LINK_TICKS * 3 / 4);
}
END_TEST

START_TEST(a_slow_link_that_acknowledges_bit_by_bit_is_left_alone)
{
    await(0, true);
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, all_move), 0);
}
END_TEST

START_TEST(a_break_while_something_is_owed_and_the_peer_is_heard_is_one_way)
{
    (void)tick();
    await(3, true);
    one_arrives();
    (void)tick();
    ck_assert(fy_link_judge_is_one_way(&judge, TICK_NS, now_ns));
    for (int i = 0; i < FY_LINK_TICKS * 5 / 8; i++)
        (void)tick();
    ck_assert(!fy_link_judge_is_one_way(&judge, TICK_NS, now_ns)); /* its packets no longer arrive */
}
END_TEST

START_TEST(a_break_with_all_acknowledged_is_no_matter_of_the_link)
{
    (void)tick();
    one_arrives();
    (void)tick();
    ck_assert(!fy_link_judge_is_one_way(&judge, TICK_NS, now_ns));
}
END_TEST

START_TEST(a_late_tick_is_our_own_fault_and_begins_anew)
{
    await(0, true);
    (void)tick();
    now_ns += 10 * TICK_NS;
    ck_assert_int_eq(tick(), FERRY_LINK_BOTH);
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, NULL), FY_LINK_TICKS * 3 / 4);
}
END_TEST

START_TEST(a_new_connection_counts_as_a_sign_of_life)
{
    known[1] = NULL;
    for (int i = 0; i < 5; i++)
        (void)tick();
    heard_ns[1] = now_ns;
    known[1] = &vitals[1];
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, NULL), SILENCE_TICKS);
}
END_TEST

static void one_is_acknowledged(void)
{
    arrive(1);
    vitals[1].n_acked++;
}

START_TEST(loss_that_holds_up_one_connection_is_no_lost_link_while_another_is_acknowledged)
{
    (void)tick();
    await(0, true);
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, one_is_acknowledged), 0);
    one_is_acknowledged();
    pass(0);
    (void)fy_link_judge(&judge, known, TICK_NS, now_ns);
    ck_assert(!fy_link_judge_is_one_way(&judge, TICK_NS, now_ns));
    ck_assert_int_eq(ticks_until(FERRY_LINK_ONLY_IN, one_arrives), FY_LINK_TICKS * 3 / 4);
}
END_TEST

/* ---- A link whose ends are no streams -------------------------------------------------------------------------------
 */

#define TIMEOUT_MS 2000

struct fake_end {
    struct fy_link_end end;
    struct fy_vitals vitals; /* but for silence_ns */
    uint64_t heard_ns;
    bool answers; /* each heartbeat is acknowledged by a packet */
    unsigned n_read;
    unsigned n_beats;
    unsigned n_lost;
    char why[64];
};

static struct fy_sim *sim;
static struct fy_local local;
static struct fy_link the_link;
static struct fake_end in, out;
static unsigned n_down;

static bool fake_vitals(void *arg, struct fy_vitals *ret_vitals)
{
    struct fake_end *fake = arg;

    fake->n_read++;
    if (!fy_link_end_is_up(&fake->end))
        return false;
    *ret_vitals = fake->vitals;
    ret_vitals->silence_ns = fy_sim_now_ns(sim) - fake->heard_ns;
    return true;
}

static void fake_on_lost(void *arg, const char *why)
{
    struct fake_end *fake = arg;

    fake->n_lost++;
    (void)snprintf(fake->why, sizeof(fake->why), "%s", why);
    fy_link_end_down(&fake->end);
}

static void fake_beat(void *arg)
{
    struct fake_end *fake = arg;

    fake->n_beats++;
    fy_link_end_beat(&fake->end);
    if (!fake->answers)
        return;
    fake->vitals.n_arrived++;
    fake->heard_ns = fy_sim_now_ns(sim);
}

static void count_down(void *arg)
{
    ck_assert_ptr_eq(arg, &sim);
    n_down++;
}

static void start_link(void)
{
    static const struct fy_link_end_ops in_ops = {.vitals = fake_vitals, .on_lost = fake_on_lost};
    static const struct fy_link_end_ops out_ops = {.vitals = fake_vitals, .on_lost = fake_on_lost, .beat = fake_beat};
    struct fy_sim_node *node;

    ck_assert_int_eq(fy_sim_new(1, NULL, &sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "us", &node), FERRY_OK);
    local = (struct fy_local){.net = fy_sim_node_net(node),
                              .link_timeout_ns = TIMEOUT_MS * FY_SIM_MS,
                              .read_timeout_ns = 5 * FY_SIM_S};
    fy_link_init(&the_link, &local, 2, count_down, &sim);
    in = out = (struct fake_end){.n_read = 0};
    fy_link_register(&the_link, &in.end, FY_LINK_IN, &in_ops, &in);
    fy_link_register(&the_link, &out.end, FY_LINK_OUT, &out_ops, &out);
    fy_link_start(&the_link);
    fy_sim_run_until(sim, FY_SIM_S);
    in.heard_ns = out.heard_ns = fy_sim_now_ns(sim);
}

static void end_link(void)
{
    fy_link_stop(&the_link);
    fy_sim_free(sim);
}

static void run_ms(uint64_t ms)
{
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + ms * FY_SIM_MS);
}

START_TEST(a_link_is_open_in_the_directions_whose_ends_are_up)
{
    start_link();
    ck_assert_int_eq(fy_link_state(&the_link), FERRY_LINK_NONE);
    fy_link_end_up(&in.end);
    ck_assert_int_eq(fy_link_state(&the_link), FERRY_LINK_ONLY_IN);
    ck_assert(!fy_link_is_whole(&the_link));
    fy_link_end_up(&out.end);
    ck_assert_int_eq(fy_link_state(&the_link), FERRY_LINK_BOTH);
    ck_assert(fy_link_is_whole(&the_link));
    fy_link_end_down(&in.end);
    ck_assert_int_eq(fy_link_state(&the_link), FERRY_LINK_ONLY_OUT);
    ck_assert_uint_eq(n_down, 1);
    fy_link_end_down(&in.end); /* it was down */
    ck_assert_uint_eq(n_down, 1);
    end_link();
}
END_TEST

START_TEST(silence_has_every_end_break_its_connection)
{
    start_link();
    fy_link_end_up(&in.end);
    fy_link_end_up(&out.end);
    run_ms(TIMEOUT_MS * 3 / 4);
    ck_assert_uint_eq(in.n_lost + out.n_lost, 0);
    ck_assert_uint_gt(out.n_beats, 0); /* asked before it was judged */
    run_ms(TIMEOUT_MS / 4);
    ck_assert_uint_eq(in.n_lost, 1);
    ck_assert_uint_eq(out.n_lost, 1);
    ck_assert_str_eq(in.why, "the peer is not heard");
    ck_assert_uint_eq(n_down, 2);
    run_ms(2 * TIMEOUT_MS); /* without a connection there is nothing to lose */
    ck_assert_uint_eq(in.n_lost, 1);
    end_link();
}
END_TEST

START_TEST(a_link_that_answers_heartbeats_is_kept)
{
    start_link();
    out.answers = true;
    fy_link_end_up(&in.end);
    fy_link_end_up(&out.end);
    run_ms(10 * TIMEOUT_MS);
    ck_assert_uint_eq(in.n_lost + out.n_lost, 0);
    ck_assert_int_eq(fy_link_state(&the_link), FERRY_LINK_BOTH);
    end_link();
}
END_TEST

/* The one that carried the latest heartbeat. */
START_TEST(while_all_is_calm_one_connection_is_read)
{
    unsigned n_in, n_out;

    start_link();
    out.answers = true;
    fy_link_end_up(&in.end);
    fy_link_end_up(&out.end);
    fake_beat(&out);
    run_ms(TIMEOUT_MS / 2);
    n_in = in.n_read;
    n_out = out.n_read;
    for (int i = 0; i < 100; i++) {
        fake_beat(&out);
        run_ms(TIMEOUT_MS * 5 / 12);
    }
    ck_assert_uint_eq(in.n_read, n_in);
    ck_assert_uint_ge(out.n_read, n_out + 90);
    end_link();
}
END_TEST

START_TEST(what_is_not_acknowledged_for_long_is_lost_one_way_until_an_end_is_up_again)
{
    start_link();
    fy_link_end_up(&in.end);
    fy_link_end_up(&out.end);
    out.vitals.is_awaited = out.vitals.is_owed = true;
    for (int i = 0; i < 20 && out.n_lost == 0; i++) {
        in.vitals.n_arrived++;
        in.heard_ns = fy_sim_now_ns(sim);
        run_ms(TIMEOUT_MS / 10);
    }
    ck_assert_uint_eq(out.n_lost, 1);
    ck_assert_uint_eq(in.n_lost, 1);
    ck_assert_str_eq(out.why, "what we send is not acknowledged");
    ck_assert_int_eq(fy_link_state(&the_link), FERRY_LINK_ONLY_IN);
    fy_link_end_up(&out.end);
    ck_assert_int_eq(fy_link_state(&the_link), FERRY_LINK_ONLY_OUT);
    end_link();
}
END_TEST

int main(void)
{
    return rig_main("link", setup, NULL, silence_on_all_connections_for_five_sixths_is_a_lost_link,
                    silence_counts_from_the_last_packet_and_not_from_the_look_that_saw_it,
                    a_packet_that_is_only_counted_came_after_the_look_before,
                    one_connection_shows_that_all_is_calm_until_something_is_awaited_or_old,
                    what_was_owed_at_a_look_long_after_the_last_is_not_owed_for_all_that_time,
                    one_packet_on_any_connection_is_a_sign_of_life, without_a_connection_there_is_nothing_to_lose,
                    what_is_not_acknowledged_while_packets_come_was_lost_one_way,
                    a_slow_link_that_acknowledges_bit_by_bit_is_left_alone,
                    a_break_while_something_is_owed_and_the_peer_is_heard_is_one_way,
                    a_break_with_all_acknowledged_is_no_matter_of_the_link,
                    a_late_tick_is_our_own_fault_and_begins_anew, a_new_connection_counts_as_a_sign_of_life,
                    loss_that_holds_up_one_connection_is_no_lost_link_while_another_is_acknowledged,
                    a_link_is_open_in_the_directions_whose_ends_are_up, silence_has_every_end_break_its_connection,
                    a_link_that_answers_heartbeats_is_kept, while_all_is_calm_one_connection_is_read,
                    what_is_not_acknowledged_for_long_is_lost_one_way_until_an_end_is_up_again, NULL);
}
