/*
 * check_link - what is concluded from the vitals of a peer's connections.
 */
#include "harness/rig.h"
#include "peer/link.h"

#define TICK_NS UINT64_C(250000000)
#define N (2 * FERRY_N_STREAMS)

static struct fy_link_judge judge;
static struct fy_vitals vitals[N];
static const struct fy_vitals *known[N];
static uint64_t now_ns;

static void setup(void)
{
    now_ns = 100 * TICK_NS;
    judge = (struct fy_link_judge){.last_tick_ns = now_ns};
    for (int i = 0; i < N; i++) {
        vitals[i] = (struct fy_vitals){.n_arrived = 5};
        known[i] = &vitals[i];
    }
}

static enum ferry_link tick(void)
{
    now_ns += TICK_NS;
    return fy_link_judge(&judge, known, TICK_NS, now_ns);
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

static void one_arrives(void)
{
    vitals[2].n_arrived++;
}

static void all_move(void)
{
    for (int i = 0; i < N; i++) {
        vitals[i].n_arrived++;
        vitals[i].n_acked++;
    }
}

START_TEST(silence_on_all_connections_for_three_quarters_is_a_lost_link)
{
    ck_assert_int_eq(tick(), FERRY_LINK_BOTH); /* the first look counts as an arrival */
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, NULL), FY_LINK_TICKS * 3 / 4);
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
    vitals[0].is_owed = true;
    ck_assert_int_eq(tick(), FERRY_LINK_BOTH);
    ck_assert(!fy_link_judge_is_one_way(&judge, TICK_NS, now_ns)); /* it may come yet */
    ck_assert_int_eq(ticks_until(FERRY_LINK_ONLY_IN, one_arrives), FY_LINK_TICKS * 3 / 4);
}
END_TEST

START_TEST(a_slow_link_that_acknowledges_bit_by_bit_is_left_alone)
{
    vitals[0].is_owed = true;
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, all_move), 0);
}
END_TEST

START_TEST(a_break_while_something_is_owed_and_the_peer_is_heard_is_one_way)
{
    vitals[3].is_owed = true;
    (void)tick();
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
    vitals[0].is_owed = true;
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
    known[1] = &vitals[1];
    ck_assert_int_eq(tick(), FERRY_LINK_BOTH);
    ck_assert_int_eq(ticks_until(FERRY_LINK_NONE, NULL), FY_LINK_TICKS * 3 / 4);
}
END_TEST

int main(void)
{
    return rig_main("link", setup, NULL, silence_on_all_connections_for_three_quarters_is_a_lost_link,
                    one_packet_on_any_connection_is_a_sign_of_life, without_a_connection_there_is_nothing_to_lose,
                    what_is_not_acknowledged_while_packets_come_was_lost_one_way,
                    a_slow_link_that_acknowledges_bit_by_bit_is_left_alone,
                    a_break_while_something_is_owed_and_the_peer_is_heard_is_one_way,
                    a_break_with_all_acknowledged_is_no_matter_of_the_link,
                    a_late_tick_is_our_own_fault_and_begins_anew, a_new_connection_counts_as_a_sign_of_life, NULL);
}
