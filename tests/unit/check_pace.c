/*
 * check_pace - one rate shared fairly by several bodies, and stalled ones.
 */
#include "member/pace.h"

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "member/stall.h"
#include "net/sim/sim.h"

#define RATE 1000000
#define SECONDS 10

static struct fy_sim *sim;
static struct fy_sim_node *node;
static struct fy_pace pace;

/* One that always wants more. */
static struct user {
    struct fy_pace_user pace;
    uint64_t n_taken;
    size_t want;
} users[3];

static void take(void *arg)
{
    struct user *user = arg;
    size_t n;

    while ((n = fy_pace_take(&pace, &user->pace, user->want)) > 0)
        user->n_taken += n;
}

static void setup(void)
{
    heap_setup();
    ck_assert_int_eq(fy_sim_new(1, NULL, &sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "us", &node), FERRY_OK);
    for (size_t i = 0; i < 3; i++)
        users[i] = (struct user){.pace = {.on_turn = take, .arg = &users[i]}, .want = 100000};
}

static void teardown(void)
{
    for (size_t i = 0; i < 3; i++)
        fy_pace_leave(&pace, &users[i].pace);
    fy_pace_release(&pace);
    fy_sim_free(sim);
    heap_teardown();
}

static void begin(uint64_t rate)
{
    fy_pace_init(&pace, fy_sim_node_net(node), rate);
}

static void run_ms(uint64_t ms)
{
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + ms * FY_SIM_MS);
}

START_TEST(no_rate_is_no_limit)
{
    begin(0);
    ck_assert_uint_eq(fy_pace_take(&pace, &users[0].pace, SIZE_MAX), SIZE_MAX);
}
END_TEST

START_TEST(one_user_gets_the_rate)
{
    begin(RATE);
    take(&users[0]);
    run_ms(SECONDS * 1000);
    ck_assert_uint_ge(users[0].n_taken, (uint64_t)RATE * SECONDS * 98 / 100);
    ck_assert_uint_le(users[0].n_taken, (uint64_t)RATE * SECONDS + RATE / 20);
}
END_TEST

START_TEST(three_users_get_a_third_each)
{
    begin(RATE);
    users[1].want = 1000; /* however they ask */
    for (size_t i = 0; i < 3; i++)
        take(&users[i]);
    run_ms(SECONDS * 1000);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_ge(users[i].n_taken, (uint64_t)RATE * SECONDS / 4);
    ck_assert_uint_le(users[0].n_taken + users[1].n_taken + users[2].n_taken, (uint64_t)RATE * SECONDS + RATE / 20);
}
END_TEST

START_TEST(an_unused_turn_delays_no_other_body)
{
    begin(RATE);
    take(&users[0]);
    ck_assert_uint_eq(fy_pace_take(&pace, &users[1].pace, 1), 0); /* in line, and then gone for something else */
    users[1].pace.on_turn = take;
    users[1].want = 0;
    run_ms(SECONDS * 1000);
    ck_assert_uint_ge(users[0].n_taken, (uint64_t)RATE * SECONDS * 9 / 10);
}
END_TEST

START_TEST(what_was_not_used_does_not_gather)
{
    begin(RATE);
    run_ms(60000);
    ck_assert_uint_eq(fy_pace_take(&pace, &users[0].pace, SIZE_MAX), RATE / 20);
}
END_TEST

START_TEST(the_least_rate_is_kept_to)
{
    begin(FY_PACE_LEAST);
    take(&users[0]);
    run_ms(SECONDS * 1000);
    ck_assert_uint_ge(users[0].n_taken, FY_PACE_LEAST * SECONDS * 9 / 10);
    ck_assert_uint_le(users[0].n_taken, FY_PACE_LEAST * SECONDS * 11 / 10);
}
END_TEST

START_TEST(who_leaves_the_line_is_not_called)
{
    begin(RATE);
    take(&users[0]);
    fy_pace_leave(&pace, &users[0].pace);
    users[0].n_taken = 0;
    run_ms(1000);
    ck_assert_uint_eq(users[0].n_taken, 0);
}
END_TEST

#define WINDOW_NS UINT64_C(1000000000)

static bool passes(struct fy_stall *stall, uint64_t late_ns)
{
    const struct fy_timer timer = {.deadline_ns = 100 * WINDOW_NS};

    return fy_stall_pass(stall, &timer, WINDOW_NS, timer.deadline_ns + late_ns);
}

START_TEST(a_window_passes_with_enough_bytes_or_without_blame)
{
    struct fy_stall stall = {.n_bytes = 0};

    ck_assert(!passes(&stall, 0));
    fy_stall_moved(&stall, FY_STALL_LEAST - 1);
    ck_assert(!passes(&stall, 0));
    fy_stall_moved(&stall, FY_STALL_LEAST);
    ck_assert(passes(&stall, 0));
    ck_assert(!passes(&stall, 0)); /* the next window counts for itself */
    fy_stall_hold(&stall, true);
    fy_stall_hold(&stall, false);
    ck_assert(passes(&stall, 0)); /* held for a while */
    ck_assert(!passes(&stall, 0));
    fy_stall_hold(&stall, true);
    ck_assert(passes(&stall, 0));
    ck_assert(passes(&stall, 0)); /* and still */
}
END_TEST

START_TEST(a_window_whose_end_is_seen_late_passes_once)
{
    struct fy_stall stall = {.n_bytes = 0};

    ck_assert(!passes(&stall, WINDOW_NS / FY_LATE_SHARE - 1));
    ck_assert(passes(&stall, WINDOW_NS / FY_LATE_SHARE));
    ck_assert(!passes(&stall, WINDOW_NS)); /* nothing came meanwhile: one is enough */
    fy_stall_moved(&stall, FY_STALL_LEAST);
    ck_assert(passes(&stall, WINDOW_NS));
    ck_assert(passes(&stall, WINDOW_NS)); /* the one that moved needed none */
    ck_assert(!passes(&stall, WINDOW_NS));
}
END_TEST

int main(void)
{
    return rig_main("pace", setup, teardown, no_rate_is_no_limit, one_user_gets_the_rate, three_users_get_a_third_each,
                    an_unused_turn_delays_no_other_body, what_was_not_used_does_not_gather,
                    the_least_rate_is_kept_to, who_leaves_the_line_is_not_called,
                    a_window_passes_with_enough_bytes_or_without_blame, a_window_whose_end_is_seen_late_passes_once,
                    NULL);
}
