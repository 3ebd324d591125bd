/*
 * check_link - what is concluded from the vitals of a peer's connections.
 */
#include "harness/rig.h"
#include "member/link.h"

#define TICK_NS UINT64_C(250000000)
#define SILENCE_TICKS ((FY_LINK_TICKS * 5 + 5) / 6) /* rounded up */
#define N (2 * FERRY_N_STREAMS)

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

/* How many ticks until it is not _BOTH any more, at most 20. */
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
    ck_assert(!fy_link_judge_is_one_way(&judge, TICK_NS, now_ns)); /* it is not heard any more */
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
                    a_late_tick_is_our_own_fault_and_begins_anew, a_new_connection_counts_as_a_sign_of_life, NULL);
}
