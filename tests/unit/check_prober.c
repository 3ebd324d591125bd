/*
 * check_prober - one prober and a member that answers as the test says.  Each way takes a millisecond, so that a
 * probe's answer is there after 4: two for the connection, which do not count, and two for the request.
 */
#include <string.h>

#include "harness/peer_rig.h"
#include "peer/prober.h"
#include "wire/url.h"

#define INTERVAL_MS 4000
#define RTT_NS (2 * FY_SIM_MS)

static void start(void)
{
    rig.raft.probe_interval_ns = INTERVAL_MS * FY_SIM_MS;
    fy_prober_start(&rig.peer->prober);
}

static struct ferry_probe_status probe_status(void)
{
    return rig_status().probe;
}

/* Answer n more probes, one at a time. */
static void run_probes(size_t n)
{
    size_t until = rig.n_probes + n;

    for (int left_s = 10 * (int)n + 10; rig.n_probes < until; left_s--) {
        ck_assert_int_gt(left_s, 0);
        rig_run_ms(1000);
    }
    rig_run_ms(100); /* the answer of the last */
}

START_TEST(a_healthy_peer_is_probed_at_the_interval)
{
    struct ferry_probe_status status;
    struct ferry_histogram round_trips;

    start();
    ck_assert_uint_eq(rig.n_probes, 0);
    ck_assert(!probe_status().healthy);
    run_probes(1);
    status = probe_status();
    ck_assert(status.healthy);
    ck_assert_uint_eq(status.n_good, 1);
    ck_assert_uint_eq(status.n_failed, 0);
    ck_assert_uint_eq(status.rtt_ns, RTT_NS);
    ck_assert_uint_eq(status.smoothed_ns, RTT_NS); /* it begins with the first */
    ck_assert_uint_gt(status.last_good_ms, 0);
    ck_assert_str_eq(status.last_error, "");
    ck_assert(status.has_clock);
    ck_assert_int_eq(status.clock_ahead_ns, 0); /* both ways take as long */
    run_probes(9);
    for (size_t i = 1; i < rig.n_probes; i++)
        ck_assert_uint_eq(rig.probes[i].at_ns - rig.probes[i - 1].at_ns, INTERVAL_MS * FY_SIM_MS);
    ck_assert_str_eq(rig.probes[0].path, "/raft/probing");
    ck_assert_str_eq(rig.probes[0].from, "(absent)"); /* etcd's have no headers of their own */
    round_trips = rig_status().round_trips;
    ck_assert_uint_eq(round_trips.count, 10);
    ck_assert_uint_eq(round_trips.sum_ns, 10 * RTT_NS);
    ck_assert_uint_eq(round_trips.counts[5], 10); /* up to 3.2 ms */
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_INFO, "") + rig_lines_with(FERRY_LOG_WARN, ""), 0);
    ck_assert(!rig_status().active); /* a probe says nothing of that, as in etcd */
}
END_TEST

START_TEST(the_smoothed_time_follows_slowly)
{
    start();
    run_probes(1);
    fy_sim_slow(rig.our_node, rig.their_node, 16 * FY_SIM_MS);
    run_probes(1);
    ck_assert_uint_eq(probe_status().rtt_ns, RTT_NS + 16 * FY_SIM_MS);
    ck_assert_uint_eq(probe_status().smoothed_ns, RTT_NS + 2 * FY_SIM_MS);
    run_probes(60);
    ck_assert_uint_ge(probe_status().smoothed_ns, RTT_NS + 15 * FY_SIM_MS);
    ck_assert_uint_le(probe_status().smoothed_ns, RTT_NS + 16 * FY_SIM_MS);
}
END_TEST

START_TEST(clocks_are_compared_in_both_directions)
{
    static const int64_t aheads[] = {0, 1500000000, -1500000000, INT64_C(3600000000000), -INT64_C(3600000000000)};

    start();
    for (size_t i = 0; i < sizeof(aheads) / sizeof(aheads[0]); i++) {
        int64_t off;

        rig.their_clock_ahead_ns = aheads[i];
        run_probes(1);
        ck_assert(probe_status().has_clock);
        off = probe_status().clock_ahead_ns + aheads[i];
        ck_assert_int_le(off < 0 ? -off : off, RTT_NS / 2);
    }
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, ""), 0); /* no warning is logged */
}
END_TEST

START_TEST(any_time_at_all_is_survived)
{
    static const char *const nows[] = {"{\"OK\":true,\"Now\":\"1678-01-01T00:00:00+24:00\"}",
                                       "{\"OK\":true,\"Now\":\"2261-12-31T23:59:59-24:00\"}"};

    rig.raft.clock_alarm_ns = FY_SIM_S;
    start();
    rig.on_probe = (struct rig_answer){.status = 200, .body = nows[0]};
    run_probes(1);
    ck_assert_int_eq(probe_status().clock_ahead_ns, INT64_MAX);
    rig.on_probe.body = nows[1];
    run_probes(1);
    ck_assert_int_lt(probe_status().clock_ahead_ns, 0);
    rig.on_probe.body = "{\"OK\":true}";
    run_probes(1);
    ck_assert(probe_status().healthy);
    ck_assert(!probe_status().has_clock);
}
END_TEST

START_TEST(a_clock_far_off_is_told_once_and_a_clock_on_the_edge_is_no_flood)
{
    rig.raft.clock_alarm_ns = FY_SIM_S;
    start();
    run_probes(3);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "clock"), 0);
    for (int i = 0; i < 20; i++) { /* just above and just below */
        rig.their_clock_ahead_ns = i % 2 == 0 ? 1100000000 : 900000000;
        run_probes(1);
    }
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "clock is 1"), 1);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "ahead of ours"), 1);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_INFO, "again"), 0);
    rig.their_clock_ahead_ns = 100000000;
    run_probes(2);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_INFO, "again"), 1);
    rig.their_clock_ahead_ns = -5000000000;
    run_probes(2);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "behind ours"), 1);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "clock"), 2);
}
END_TEST

START_TEST(every_bad_answer_is_a_failure_with_its_reason)
{
    static char huge[20000];
    const struct {
        struct rig_answer answer;
        const char *error;
    } bad[] = {
        {{.status = 200, .body = "nonsense"}, "the answer is not understood"},
        {{.status = 200, .body = ""}, "the answer is not understood"},
        {{.status = 200, .body = "{\"OK\":false}"}, "the answer is not OK"},
        {{.status = 200, .body = "{}"}, "the answer is not OK"},
        {{.status = 200, .body = huge}, "the answer is too long"},
        {{.status = 404, .body = "404 page not found\n"}, "unexpected http status 404"},
        {{.status = 204}, "unexpected http status 204"},
        {{.aborts = true}, ""},
    };

    memset(huge, ' ', sizeof(huge) - 1);
    start();
    run_probes(1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ferry_probe_status before = probe_status(), after;

        rig.on_probe = bad[i].answer;
        run_probes(1);
        after = probe_status();
        ck_assert(!after.healthy);
        ck_assert_uint_eq(after.n_failed, before.n_failed + 1);
        ck_assert_uint_eq(after.n_good, 1);
        ck_assert_msg(strstr(after.last_error, bad[i].error), "%s", after.last_error);
        ck_assert_str_ne(after.last_error, "");
        ck_assert_uint_eq(after.rtt_ns, before.rtt_ns); /* figures stay */
        ck_assert_uint_eq(after.smoothed_ns, before.smoothed_ns);
    }
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_WARN, "probe failed"), 1); /* the change alone */
    rig.on_probe = (struct rig_answer){.status = 200};
    run_probes(1);
    ck_assert(probe_status().healthy);
    ck_assert_uint_eq(rig_lines_with(FERRY_LOG_INFO, "probe answered again"), 1);
}
END_TEST

START_TEST(a_peer_that_never_answers_is_given_up_and_asked_again)
{
    rig.on_probe = (struct rig_answer){.status = 0};
    start();
    rig_run_ms(60000);
    ck_assert_uint_ge(rig.n_probes, 10); /* one every read timeout, which is longer than the interval here */
    ck_assert_uint_le(rig.n_probes, 13);
    ck_assert_str_eq(probe_status().last_error, "no answer within the read timeout");
    for (size_t i = 0; i + 1 < rig.n_probes; i++)
        ck_assert(rig.probes[i].is_gone); /* one at a time */
    rig.on_probe = (struct rig_answer){.status = 200};
    run_probes(2);
    ck_assert(probe_status().healthy);
}
END_TEST

START_TEST(a_peer_that_is_cut_off_is_given_up)
{
    start();
    run_probes(1);
    fy_sim_cut(rig.their_node, rig.our_node);
    rig_run_ms(20000);
    ck_assert(!probe_status().healthy);
    ck_assert_uint_ge(probe_status().n_failed, 2);
    fy_sim_heal_all(rig.sim);
    run_probes(3);
    ck_assert(probe_status().healthy);
}
END_TEST

START_TEST(a_failure_goes_on_to_the_next_url_and_new_urls_start_afresh)
{
    static const char *const urls[] = {"http://them:78", "http://them:81", NULL};
    static const char *const new_urls[] = {"http://them:80", NULL};
    char **copy;
    size_t n;

    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    fy_peer_update(rig.peer, copy);
    start();
    run_probes(2);
    ck_assert_uint_eq(probe_status().n_failed, 1);
    ck_assert_uint_ge(probe_status().n_good, 2); /* it stays with the one that answers */
    ck_assert_uint_eq(rig.probes[0].port, 81);
    rig.on_probe = (struct rig_answer){.status = 0};
    run_probes(1);
    n = rig.n_probes;
    ck_assert_int_eq(fy_urls_copy(new_urls, &copy), FERRY_OK);
    fy_peer_update(rig.peer, copy); /* in the middle of a probe */
    rig.on_probe = (struct rig_answer){.status = 200};
    rig_run_ms(INTERVAL_MS / 2);
    ck_assert(rig.probes[n - 1].is_gone);
    ck_assert_uint_eq(rig.n_probes, n + 1);
    ck_assert_uint_eq(rig.probes[n].port, 80);
    ck_assert(probe_status().healthy);
}
END_TEST

/* All four streams stand, and they all beat. */
static void connect_all(struct rig_call *calls)
{
    rig.raft.probe_interval_ns = INTERVAL_MS * FY_SIM_MS;
    fy_peer_start(rig.peer);
    for (int stream = 0; stream < FERRY_N_STREAMS; stream++)
        rig_dial(&calls[stream], (enum ferry_stream)stream);
}

static void run_s(unsigned s)
{
    for (unsigned i = 0; i < s; i++) {
        rig_feed_heartbeat(FERRY_STREAM_MSGAPP);
        rig_feed_heartbeat(FERRY_STREAM_MESSAGE);
        rig_run_ms(1000);
    }
}

START_TEST(a_peer_whose_streams_stand_is_probed_an_eighth_as_often)
{
    static struct rig_call calls[FERRY_N_STREAMS];
    const struct fy_stream_reader *reader = &rig.peer->readers[0];
    uint64_t broken_ns;
    size_t n;

    connect_all(calls);
    rig_run_ms(100);
    run_s(100); /* the first at 1 s or a little later, and then each 32 s */
    ck_assert_uint_eq(rig.n_probes, 4);
    ck_assert_uint_eq(rig.probes[3].at_ns - rig.probes[2].at_ns, 8 * INTERVAL_MS * FY_SIM_MS);
    ck_assert_uint_eq(probe_status().rtt_ns, RTT_NS);

    broken_ns = rig_now_ns();
    rig_hang_up(&calls[0]); /* one of our writers' */
    run_s(9);
    ck_assert_uint_eq(rig.n_probes, 4 + 2);
    ck_assert_uint_le(rig.probes[4].at_ns - broken_ns, INTERVAL_MS * FY_SIM_MS / 2);
    ck_assert_uint_eq(rig.probes[5].at_ns - rig.probes[4].at_ns, INTERVAL_MS * FY_SIM_MS);

    rig_dial(&calls[0], FERRY_STREAM_MSGAPP);
    run_s(8); /* it is patient again after the next */
    n = rig.n_probes;
    rig_lose_link(&rig.peer->readers[0].end, "for the test");
    ck_assert(reader->state != FERRY_READER_ACTIVE);
    run_s(3);
    ck_assert_uint_eq(rig.n_probes, n + 1);
    ck_assert(rig_status().reader_attached[0]); /* it stands again, and there is time again */
    run_s(20);
    ck_assert_uint_eq(rig.n_probes, n + 1);
}
END_TEST

START_TEST(a_probe_that_fails_brings_the_interval_back_though_the_streams_stand)
{
    static struct rig_call calls[FERRY_N_STREAMS];

    connect_all(calls);
    rig_run_ms(100);
    run_s(30);
    rig.on_probe = (struct rig_answer){.status = 503};
    run_s(20);
    ck_assert(!probe_status().healthy);
    ck_assert_uint_ge(rig.n_probes, 2 + 3); /* one at 33 s, and from there each 4 s */
    for (size_t i = 2; i < rig.n_probes; i++)
        ck_assert_uint_eq(rig.probes[i].at_ns - rig.probes[i - 1].at_ns, INTERVAL_MS * FY_SIM_MS);
}
END_TEST

START_TEST(nothing_is_probed_when_it_is_off_or_over)
{
    fy_prober_start(&rig.peer->prober); /* the interval is 0 */
    rig_run_ms(20000);
    ck_assert_uint_eq(rig.n_probes, 0);
    start();
    run_probes(2);
    fy_prober_stop(&rig.peer->prober);
    fy_prober_stop(&rig.peer->prober);
    rig_run_ms(20000);
    ck_assert_uint_eq(rig.n_probes, 2);
    ck_assert_uint_eq(probe_status().n_good, 2);
    fy_prober_restart(&rig.peer->prober);
    rig_run_ms(20000);
    ck_assert_uint_eq(rig.n_probes, 2);
}
END_TEST

START_TEST(probing_survives_every_failed_allocation)
{
    start();
    for (long nth = 0;; nth++) {
        uint64_t n_good = probe_status().n_good;
        bool has_failed;

        heap_fail_at(nth);
        rig_run_ms(INTERVAL_MS);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        if (!has_failed) {
            ck_assert_uint_gt(probe_status().n_good, n_good);
            ck_assert_int_gt(nth, 0);
            break;
        }
    }
    run_probes(1);
    ck_assert(probe_status().healthy);
}
END_TEST

int main(void)
{
    return rig_main("prober", rig_setup, rig_teardown, a_healthy_peer_is_probed_at_the_interval,
                    the_smoothed_time_follows_slowly, clocks_are_compared_in_both_directions,
                    any_time_at_all_is_survived, a_clock_far_off_is_told_once_and_a_clock_on_the_edge_is_no_flood,
                    every_bad_answer_is_a_failure_with_its_reason,
                    a_peer_that_never_answers_is_given_up_and_asked_again, a_peer_that_is_cut_off_is_given_up,
                    a_failure_goes_on_to_the_next_url_and_new_urls_start_afresh,
                    a_peer_whose_streams_stand_is_probed_an_eighth_as_often,
                    a_probe_that_fails_brings_the_interval_back_though_the_streams_stand,
                    nothing_is_probed_when_it_is_off_or_over, probing_survives_every_failed_allocation, NULL);
}
