/*
 * check_peer_status - active or not, since when, why, and the log lines about it.
 */
#include <string.h>

#include "harness/peer_rig.h"
#include "member/peer_status.h"

static struct fy_peer_status *status;
static const char dial_failed[] = "failed to dial 2 on stream Message (no route)";

static void setup(void)
{
    rig_setup();
    status = &rig.peer->base.member.status;
}

static void fail_to_dial(void)
{
    fy_peer_status_deactivate(status, "dial", "stream Message", "no route");
}

static struct ferry_peer_status now(void)
{
    struct ferry_peer_status plain = {.active = false};

    fy_peer_status_read(status, &plain);
    return plain;
}

START_TEST(a_peer_is_inactive_until_something_worked)
{
    ck_assert(!now().active);
    ck_assert_uint_eq(now().active_since_ms, 0);
    ck_assert_str_eq(now().last_error, "");
}
END_TEST

START_TEST(since_is_when_it_became_active_not_when_it_last_was)
{
    uint64_t first_ms;

    rig_run_ms(1000);
    first_ms = fy_net_unix_ms(rig.us);
    fy_peer_status_activate(status);
    ck_assert(now().active);
    ck_assert_uint_eq(now().active_since_ms, first_ms);
    rig_run_ms(1000);
    fy_peer_status_activate(status);
    ck_assert_uint_eq(now().active_since_ms, first_ms);
    fail_to_dial();
    ck_assert(!now().active);
    ck_assert_uint_eq(now().active_since_ms, 0);
    rig_run_ms(1000);
    fy_peer_status_activate(status);
    ck_assert_uint_eq(now().active_since_ms, first_ms + 2000);
}
END_TEST

START_TEST(the_reason_is_etcds_text_and_outlives_the_recovery)
{
    fail_to_dial();
    ck_assert_str_eq(now().last_error, dial_failed);
    fy_peer_status_activate(status);
    ck_assert_str_eq(now().last_error, dial_failed);
    fy_peer_status_deactivate(status, "post", "pipeline", "unexpected http status 500 \"\"");
    ck_assert_str_eq(now().last_error, "failed to post 2 on pipeline (unexpected http status 500 \"\")");
}
END_TEST

START_TEST(the_reason_has_its_time_and_is_over_when_the_peer_is_active)
{
    uint64_t failed_ms;

    fy_peer_status_activate(status);
    ck_assert_uint_eq(now().last_error_ms, 0);
    ck_assert(!now().last_error_is_over); /* there was none */
    rig_run_ms(1000);
    failed_ms = fy_net_unix_ms(rig.us);
    fail_to_dial();
    ck_assert_uint_eq(now().last_error_ms, failed_ms);
    ck_assert(!now().last_error_is_over);
    rig_run_ms(1000);
    fail_to_dial();
    ck_assert_uint_eq(now().last_error_ms, failed_ms + 1000);
    rig_run_ms(1000);
    fy_peer_status_activate(status);
    ck_assert_uint_eq(now().last_error_ms, failed_ms + 1000);
    ck_assert(now().last_error_is_over);
    fail_to_dial();
    ck_assert(!now().last_error_is_over);
}
END_TEST

START_TEST(a_long_reason_is_cut)
{
    char reason[1000];

    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    fy_peer_status_deactivate(status, "dial", "stream Message", reason);
    ck_assert_uint_eq(strlen(now().last_error), sizeof(now().last_error) - 1);
}
END_TEST

START_TEST(changes_are_told_and_repeats_only_at_debug_level)
{
    fail_to_dial(); /* it never was active: told once */
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "peer became inactive: "), 1);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, dial_failed), 1);
    for (int i = 0; i < 10; i++) {
        rig_run_ms(2000);
        fail_to_dial();
    }
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, ""), 1);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_DEBUG, dial_failed), 11);
    fy_peer_status_activate(status);
    fy_peer_status_activate(status);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_INFO, "peer became active"), 1);
    rig_run_ms(2000);
    fail_to_dial();
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "peer became inactive: "), 2);
}
END_TEST

START_TEST(a_peer_that_flips_is_told_of_once_a_second)
{
    size_t n_lines;

    for (int i = 0; i < 250; i++) { /* 500 changes in 5 s */
        fy_peer_status_activate(status);
        rig_run_ms(10);
        fail_to_dial();
        rig_run_ms(10);
    }
    n_lines = rig_lines_with(FERRY_LOG_INFO, "peer became") + rig_lines_with(FERRY_LOG_WARN, "peer became");
    ck_assert_uint_ge(n_lines, 5);
    ck_assert_uint_le(n_lines, 6);
    ck_assert_uint_ge(rig_lines_with(FERRY_LOG_INFO, "changes in the last second") +
                          rig_lines_with(FERRY_LOG_WARN, "changes in the last second"),
                      4);
}
END_TEST

START_TEST(what_was_held_back_is_told_when_the_second_is_over)
{
    fy_peer_status_activate(status);
    rig_run_ms(500);
    fail_to_dial(); /* and nothing changes */
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, dial_failed), 0);
    rig_run_ms(499);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, dial_failed), 0);
    rig_run_ms(1);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, dial_failed), 1);
    rig_run_ms(10);
    fy_peer_status_activate(status);
    rig_run_ms(5000);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_INFO, "peer became active"), 2);
}
END_TEST

START_TEST(what_was_taken_back_within_the_second_is_counted)
{
    fy_peer_status_activate(status);
    rig_run_ms(100);
    fail_to_dial();
    rig_run_ms(100);
    fy_peer_status_activate(status);
    rig_run_ms(5000);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, dial_failed), 0);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_INFO, "peer became active"), 2);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_INFO, "peer became active (changes in the last second: 2)"), 1);
}
END_TEST

int main(void)
{
    return rig_main(
        "peer_status", setup, rig_teardown, a_peer_is_inactive_until_something_worked,
        since_is_when_it_became_active_not_when_it_last_was, the_reason_is_etcds_text_and_outlives_the_recovery,
        the_reason_has_its_time_and_is_over_when_the_peer_is_active, a_long_reason_is_cut,
        changes_are_told_and_repeats_only_at_debug_level, a_peer_that_flips_is_told_of_once_a_second,
        what_was_held_back_is_told_when_the_second_is_over, what_was_taken_back_within_the_second_is_counted, NULL);
}
