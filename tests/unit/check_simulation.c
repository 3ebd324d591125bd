/*
 * check_simulation - the public interface of the simulation, also with invalid arguments and failing allocations.
 */
#include <stdio.h>
#include <string.h>

#include "ferry/ferry.h"
#include "ferry/sim.h"
#include "ferry/tls.h"
#include "harness/heap.h"
#include "harness/rig.h"

#define MS FERRY_SIM_MS
#define N 3

static struct ferry_sim *sim;
static struct ferry_transport *ts[N + 1]; /* by id */
static size_t n_come[N + 1];
static int (*inside)(void); /* called from process, once */
static int inside_result;
static struct ferry_sim_timer *timer;
static size_t n_fired;
static uint64_t fired_ns;
static char last_line[512];
static size_t n_lines;

static int process(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    n_come[msg->to]++;
    if (inside) {
        int (*fn)(void) = inside;

        inside = NULL;
        inside_result = fn();
    }
    return 0;
}

static struct ferry_config config_of(uint64_t id)
{
    static char url[32];
    static const char *urls[] = {url, NULL};
    struct ferry_config cfg = FERRY_CONFIG_INIT;

    snprintf(url, sizeof(url), "http://m%u:80", (unsigned)id);
    cfg.id = id;
    cfg.cluster_id = 1;
    cfg.listen_urls = urls;
    cfg.core.process = process;
    cfg.dial_timeout_ms = 200;
    cfg.read_timeout_ms = 300;
    return cfg;
}

static int start(uint64_t id)
{
    struct ferry_config cfg = config_of(id);
    char url[32];
    int err = ferry_sim_transport_new(sim, &cfg, &ts[id]);

    if (err != FERRY_OK)
        return err;
    err = ferry_transport_start(ts[id]);
    for (uint64_t peer = 1; peer <= N && err == FERRY_OK; peer++) {
        snprintf(url, sizeof(url), "http://m%u:80", (unsigned)peer);
        if (peer != id)
            err = ferry_transport_add_peer(ts[id], peer, (const char *const[]){url, NULL});
    }
    return err;
}

static void end(uint64_t id)
{
    ferry_transport_free(ts[id]);
    ts[id] = NULL;
}

static void on_line(void *ctx, const char *line)
{
    ck_assert_ptr_eq(ctx, &n_lines);
    n_lines++;
    snprintf(last_line, sizeof(last_line), "%s", line);
}

static void run_for_ms(uint64_t n_ms)
{
    ck_assert_int_eq(ferry_sim_run_until(sim, ferry_sim_now_ns(sim) + n_ms * MS), FERRY_OK);
}

static void build(uint64_t seed)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    char host[16];

    cfg.trace = on_line;
    cfg.trace_ctx = &n_lines;
    ck_assert_int_eq(ferry_sim_new(seed, &cfg, &sim), FERRY_OK);
    for (uint64_t id = 1; id <= N; id++) {
        snprintf(host, sizeof(host), "m%u", (unsigned)id);
        ck_assert_int_eq(ferry_sim_add_member(sim, id, host), FERRY_OK);
    }
}

static void setup(void)
{
    heap_setup();
    memset(n_come, 0, sizeof(n_come));
    n_fired = n_lines = 0;
    timer = NULL;
    build(7);
    for (uint64_t id = 1; id <= N; id++)
        ck_assert_int_eq(start(id), FERRY_OK);
    run_for_ms(500);
}

static void teardown(void)
{
    for (uint64_t id = 1; id <= N; id++)
        end(id);
    ferry_sim_free(sim);
    sim = NULL;
    heap_teardown();
}

static void say(uint64_t from, uint64_t to)
{
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = from, .to = to, .term = 1};

    ck_assert_int_eq(ferry_transport_send(ts[from], &msg, 1), FERRY_OK);
}

/* Does what is said now come within 50 ms? */
static bool reaches(uint64_t from, uint64_t to)
{
    size_t before = n_come[to];

    say(from, to);
    run_for_ms(50);
    return n_come[to] == before + 1;
}

/* ---- Members and links ------------------------------------------------------------------------------------------- */

START_TEST(members_talk)
{
    for (uint64_t from = 1; from <= N; from++)
        for (uint64_t to = 1; to <= N; to++)
            ck_assert(from == to || reaches(from, to));
}
END_TEST

START_TEST(a_cut_is_of_one_direction_and_loses_nothing)
{
    ck_assert_int_eq(ferry_sim_cut(sim, 1, 2), FERRY_OK);
    ck_assert(!reaches(1, 2));
    ck_assert(reaches(2, 1));
    ck_assert(reaches(1, 3));
    ck_assert_int_eq(ferry_sim_heal(sim, 2, 1), FERRY_OK); /* the other one: changes nothing */
    run_for_ms(20);
    ck_assert_uint_eq(n_come[2], 0);
    ck_assert_int_eq(ferry_sim_heal(sim, 1, 2), FERRY_OK);
    run_for_ms(20);
    ck_assert_uint_eq(n_come[2], 1);
}
END_TEST

START_TEST(a_link_is_delayed_in_one_direction)
{
    ck_assert_int_eq(ferry_sim_delay(sim, 1, 2, 100 * MS), FERRY_OK);
    ck_assert(!reaches(1, 2));
    ck_assert(reaches(2, 1));
    run_for_ms(100);
    ck_assert_uint_eq(n_come[2], 1);
    ferry_sim_heal_all(sim);
    run_for_ms(100); /* a link heartbeat may have set out before, and nothing overtakes it */
    ck_assert(reaches(1, 2));
}
END_TEST

START_TEST(connections_are_reset_and_dialled_again)
{
    struct ferry_peer_status before, after;

    ck_assert_int_eq(ferry_transport_peer_status(ts[1], 2, &before), FERRY_OK);
    ck_assert_int_eq(ferry_sim_reset_connections(sim, 1, 2, FERRY_SIM_RESET_BOTH), FERRY_OK);
    run_for_ms(1000);
    ck_assert_int_eq(ferry_transport_peer_status(ts[1], 2, &after), FERRY_OK);
    ck_assert_uint_gt(after.dials[0], before.dials[0]);
    ck_assert(reaches(1, 2));
    ck_assert_int_eq(ferry_sim_reset_connections(sim, 1, 2, FERRY_SIM_RESET_ONE), FERRY_OK);
    run_for_ms(2000);
    ck_assert(reaches(1, 2));
}
END_TEST

START_TEST(a_member_crashes_and_comes_back)
{
    for (int crash = FERRY_SIM_CRASH_PROCESS; crash <= FERRY_SIM_CRASH_HOST; crash++) {
        ck_assert_int_eq(ferry_sim_crash(sim, 2, (enum ferry_sim_crash)crash), FERRY_OK);
        ck_assert(!ferry_sim_is_up(sim, 2));
        ck_assert_int_eq(ferry_sim_crash(sim, 2, FERRY_SIM_CRASH_HOST), FERRY_ERR_STATE);
        ck_assert(!reaches(1, 2));
        ck_assert(!reaches(2, 1)); /* the crashed process may run on for a while: its messages are lost */
        ck_assert_int_eq(ferry_sim_restart(sim, 2), FERRY_ERR_STATE);
        end(2);
        ck_assert_int_eq(start(2), FERRY_ERR_STATE);
        ck_assert_int_eq(ferry_sim_restart(sim, 2), FERRY_OK);
        ck_assert_int_eq(ferry_sim_restart(sim, 2), FERRY_ERR_STATE);
        ck_assert_int_eq(start(2), FERRY_OK);
        run_for_ms(2000);
        ck_assert(reaches(1, 2));
        ck_assert(reaches(2, 1));
    }
}
END_TEST

START_TEST(the_weather_changes)
{
    struct ferry_sim_weather slow = {.min_delay_ns = 100 * MS, .max_delay_ns = 120 * MS};
    struct ferry_sim_weather bad = slow;

    ck_assert_int_eq(ferry_sim_set_weather(sim, &slow), FERRY_OK);
    ck_assert(!reaches(1, 2));
    run_for_ms(100);
    ck_assert_uint_eq(n_come[2], 1);
    bad.max_delay_ns = bad.min_delay_ns - 1;
    ck_assert_int_eq(ferry_sim_set_weather(sim, &bad), FERRY_ERR_INVALID);
    bad.max_delay_ns = FERRY_SIM_MAX_DELAY_NS + 1;
    ck_assert_int_eq(ferry_sim_set_weather(sim, &bad), FERRY_ERR_INVALID);
    bad = slow;
    bad.pieces_ppm = 1000001;
    ck_assert_int_eq(ferry_sim_set_weather(sim, &bad), FERRY_ERR_INVALID);
    bad = slow;
    bad.bytes_ppm = 1000001;
    ck_assert_int_eq(ferry_sim_set_weather(sim, &bad), FERRY_ERR_INVALID);
    bad = slow;
    bad.resets_ppm = 1000001;
    ck_assert_int_eq(ferry_sim_set_weather(sim, &bad), FERRY_ERR_INVALID);
}
END_TEST

/* ---- Time and timers --------------------------------------------------------------------------------------------- */

static void on_fire(void *ctx)
{
    ck_assert_ptr_eq(ctx, &n_fired);
    n_fired++;
    fired_ns = ferry_sim_now_ns(sim);
}

START_TEST(timers_fire_at_their_time_once)
{
    uint64_t now_ns = ferry_sim_now_ns(sim);

    for (uint64_t member = 0; member <= 1; member++) {
        n_fired = 0;
        ck_assert_int_eq(ferry_sim_timer_new(sim, member, on_fire, &n_fired, &timer), FERRY_OK);
        now_ns = ferry_sim_now_ns(sim);
        ck_assert(!ferry_sim_timer_is_set(timer));
        ck_assert_int_eq(ferry_sim_timer_set(timer, now_ns + 70 * MS), FERRY_OK);
        ck_assert_int_eq(ferry_sim_timer_set(timer, now_ns + 30 * MS), FERRY_OK);
        ck_assert(ferry_sim_timer_is_set(timer));
        run_for_ms(29);
        ck_assert_uint_eq(n_fired, 0);
        run_for_ms(100);
        ck_assert_uint_eq(n_fired, 1);
        ck_assert_uint_eq(fired_ns, now_ns + 30 * MS);
        ck_assert(!ferry_sim_timer_is_set(timer));

        ck_assert_int_eq(ferry_sim_timer_set(timer, 5), FERRY_OK); /* has passed: now, but not from inside */
        ck_assert_uint_eq(n_fired, 1);
        run_for_ms(0);
        ck_assert_uint_eq(n_fired, 2);

        ck_assert_int_eq(ferry_sim_timer_set(timer, ferry_sim_now_ns(sim) + MS), FERRY_OK);
        ferry_sim_timer_unset(timer);
        ferry_sim_timer_unset(timer);
        run_for_ms(10);
        ck_assert_uint_eq(n_fired, 2);
        ck_assert_int_eq(ferry_sim_timer_set(timer, FERRY_SIM_MAX_NS + 1), FERRY_ERR_INVALID);
        ck_assert_int_eq(ferry_sim_timer_set(timer, FERRY_SIM_MAX_NS), FERRY_OK);
        ferry_sim_timer_free(timer); /* a set one */
    }
    ferry_sim_timer_free(NULL);
}
END_TEST

START_TEST(a_members_timer_ends_with_it_and_one_of_no_member_stays)
{
    struct ferry_sim_timer *of_no_member;
    uint64_t at_ns = ferry_sim_now_ns(sim) + 30 * MS;

    ck_assert_int_eq(ferry_sim_timer_new(sim, 2, on_fire, &n_fired, &timer), FERRY_OK);
    ck_assert_int_eq(ferry_sim_timer_new(sim, 0, on_fire, &n_fired, &of_no_member), FERRY_OK);
    ck_assert_int_eq(ferry_sim_timer_set(timer, at_ns), FERRY_OK);
    ck_assert_int_eq(ferry_sim_timer_set(of_no_member, at_ns), FERRY_OK);
    ck_assert_int_eq(ferry_sim_crash(sim, 2, FERRY_SIM_CRASH_PROCESS), FERRY_OK);
    ck_assert(!ferry_sim_timer_is_set(timer));
    ck_assert_int_eq(ferry_sim_timer_set(timer, at_ns), FERRY_ERR_STATE);
    run_for_ms(50);
    ck_assert_uint_eq(n_fired, 1);
    end(2);
    ck_assert_int_eq(ferry_sim_restart(sim, 2), FERRY_OK);
    ck_assert_int_eq(ferry_sim_timer_set(timer, at_ns), FERRY_OK);
    run_for_ms(0);
    ck_assert_uint_eq(n_fired, 2);
}
END_TEST

/* All that may be done from a timer: its member dies, its transport is freed, it comes back, and the timer goes. */
static void on_doom(void *ctx)
{
    (void)ctx;
    ck_assert(!ferry_sim_step(sim));
    ck_assert_int_eq(ferry_sim_run_until(sim, 0), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_sim_crash(sim, 2, FERRY_SIM_CRASH_PROCESS), FERRY_OK);
    end(2);
    ck_assert_int_eq(ferry_sim_restart(sim, 2), FERRY_OK);
    ck_assert_int_eq(start(2), FERRY_OK);
    ferry_sim_timer_free(timer);
    n_fired++;
}

START_TEST(a_timer_may_crash_and_restart_members_and_free_itself)
{
    for (uint64_t member = 0; member <= N; member++) {
        ck_assert_int_eq(ferry_sim_timer_new(sim, member, on_doom, NULL, &timer), FERRY_OK);
        ck_assert_int_eq(ferry_sim_timer_set(timer, ferry_sim_now_ns(sim) + MS), FERRY_OK);
        run_for_ms(3000);
        ck_assert_uint_eq(n_fired, member + 1);
        ck_assert(reaches(1, 2));
    }
}
END_TEST

static int crash_from_inside(void)
{
    ck_assert(!ferry_sim_step(sim));
    ck_assert_int_eq(ferry_sim_run_until(sim, FERRY_SIM_MAX_NS), FERRY_ERR_STATE);
    ck_assert_uint_gt(ferry_sim_event_connection(sim), 0);
    return ferry_sim_crash(sim, 2, FERRY_SIM_CRASH_HOST);
}

START_TEST(a_callback_of_a_transport_can_neither_crash_a_member_nor_move_the_time)
{
    inside = crash_from_inside;
    ck_assert(reaches(1, 2));
    ck_assert_int_eq(inside_result, FERRY_ERR_STATE);
    ck_assert(ferry_sim_is_up(sim, 2));
    ck_assert_uint_eq(ferry_sim_event_connection(sim), 0);
}
END_TEST

START_TEST(time_stands_still_but_for_its_two_movers)
{
    uint64_t now_ns = ferry_sim_now_ns(sim);

    say(1, 2);
    ck_assert_uint_eq(ferry_sim_now_ns(sim), now_ns);
    while (n_come[2] == 0)
        ck_assert(ferry_sim_step(sim));
    ck_assert_uint_ge(ferry_sim_now_ns(sim), now_ns + 100 * FERRY_SIM_US); /* the least delay there is */
    now_ns = ferry_sim_now_ns(sim);
    ck_assert_int_eq(ferry_sim_run_until(sim, now_ns - 1), FERRY_OK); /* never back */
    ck_assert_uint_eq(ferry_sim_now_ns(sim), now_ns);
    ck_assert_int_eq(ferry_sim_run_until(sim, FERRY_SIM_MAX_NS + 1), FERRY_ERR_INVALID);
}
END_TEST

/* ---- Life -------------------------------------------------------------------------------------------------------- */

START_TEST(a_simulation_without_events_ends_and_is_freed_before_its_transports)
{
    ferry_sim_free(sim);
    say(1, 2); /* what they stand on is still there */
    for (uint64_t id = 1; id <= N; id++)
        end(id);
    build(3);
    ck_assert(!ferry_sim_step(sim));
    ck_assert_int_eq(ferry_sim_timer_new(sim, 0, on_fire, &n_fired, &timer), FERRY_OK); /* freed with it */
    ck_assert_int_eq(ferry_sim_timer_set(timer, MS), FERRY_OK);
    ferry_sim_free(NULL);
}
END_TEST

START_TEST(what_cannot_be_is_refused_with_its_reason)
{
    struct ferry_sim_config bad = FERRY_SIM_CONFIG_INIT;
    struct ferry_sim *none = NULL;
    char long_host[258];

    bad.window_bytes = 0;
    ck_assert_int_eq(ferry_sim_new(1, &bad, &none), FERRY_ERR_INVALID);
    bad = (struct ferry_sim_config)FERRY_SIM_CONFIG_INIT;
    bad.size--;
    ck_assert_int_eq(ferry_sim_new(1, &bad, &none), FERRY_ERR_INVALID);
    bad = (struct ferry_sim_config)FERRY_SIM_CONFIG_INIT;
    bad.weather.min_delay_ns = bad.weather.max_delay_ns + 1;
    ck_assert_int_eq(ferry_sim_new(1, &bad, &none), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_new(1, NULL, NULL), FERRY_ERR_INVALID);
    ck_assert_ptr_null(none);

    ck_assert_int_eq(ferry_sim_add_member(sim, 0, "m0"), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, NULL), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, ""), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, "a/b"), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, "a:1"), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, "a b"), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, "a?b"), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, "a,b"), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, "a@b"), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, "[::1]"), FERRY_ERR_INVALID);
    memset(long_host, 'h', sizeof(long_host) - 1);
    long_host[sizeof(long_host) - 1] = '\0';
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, long_host), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_add_member(sim, 1, "other"), FERRY_ERR_EXISTS);
    ck_assert_int_eq(ferry_sim_add_member(sim, 9, "m1"), FERRY_ERR_EXISTS);

    ck_assert_int_eq(ferry_sim_crash(sim, 9, FERRY_SIM_CRASH_HOST), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_sim_crash(sim, 1, (enum ferry_sim_crash)7), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_restart(sim, 9), FERRY_ERR_NOT_FOUND);
    ck_assert(!ferry_sim_is_up(sim, 9));
    ck_assert_int_eq(ferry_sim_cut(sim, 1, 9), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_sim_heal(sim, 9, 1), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_sim_delay(sim, 1, 9, 1), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_sim_delay(sim, 1, 2, FERRY_SIM_MAX_DELAY_NS + 1), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_reset_connections(sim, 1, 9, FERRY_SIM_RESET_BOTH), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_sim_reset_connections(sim, 1, 2, (enum ferry_sim_reset)9), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_note(sim, 9, "x"), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_sim_timer_new(sim, 9, on_fire, NULL, &timer), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_sim_timer_new(sim, 1, NULL, NULL, &timer), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_timer_new(sim, 1, on_fire, NULL, NULL), FERRY_ERR_INVALID);
    ck_assert(reaches(1, 2));
}
END_TEST

START_TEST(a_transport_that_cannot_be_is_refused_with_its_reason)
{
    struct ferry_tls_config tls = FERRY_TLS_CONFIG_INIT;
    struct ferry_transport *t = NULL;
    struct ferry_config cfg = config_of(1);

    ck_assert_int_eq(ferry_sim_transport_new(sim, &cfg, &t), FERRY_ERR_EXISTS);
    end(1);
    cfg.id = 9;
    ck_assert_int_eq(ferry_sim_transport_new(sim, &cfg, &t), FERRY_ERR_NOT_FOUND);
    cfg.id = 1;
    cfg.tls = &tls;
    ck_assert_int_eq(ferry_sim_transport_new(sim, &cfg, &t), FERRY_ERR_TLS_CONFIG);
    cfg.tls = NULL;
    cfg.size = 8;
    ck_assert_int_eq(ferry_sim_transport_new(sim, &cfg, &t), FERRY_ERR_INVALID);
    cfg.size = sizeof(cfg) + 8;
    ck_assert_int_eq(ferry_sim_transport_new(sim, &cfg, &t), FERRY_ERR_INVALID);
    cfg.size = sizeof(cfg);
    cfg.core.process = NULL;
    ck_assert_int_eq(ferry_sim_transport_new(sim, &cfg, &t), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_transport_new(sim, NULL, &t), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_sim_transport_new(sim, &cfg, NULL), FERRY_ERR_INVALID);
    ck_assert_ptr_null(t);

    cfg.core.process = process;
    cfg.listen_urls = (const char *const[]){"http://m2:80", NULL}; /* another's host */
    ck_assert_int_eq(ferry_sim_transport_new(sim, &cfg, &ts[1]), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(ts[1]), FERRY_ERR_LISTEN);
    ck_assert_int_eq(ferry_transport_run(ts[1], 0), FERRY_ERR_STATE);
    end(1);
    ck_assert_int_eq(start(1), FERRY_OK);
    ck_assert_int_eq(ferry_transport_run(ts[1], 0), FERRY_ERR_STATE); /* the simulation moves it */
    ck_assert_int_eq(ferry_transport_fd(ts[1]), -1);
}
END_TEST

START_TEST(there_is_room_for_so_many_members)
{
    char host[16];
    uint64_t id = N + 1;

    for (; id <= FERRY_SIM_MAX_MEMBERS; id++) {
        snprintf(host, sizeof(host), "m%u", (unsigned)id);
        ck_assert_int_eq(ferry_sim_add_member(sim, id, host), FERRY_OK);
    }
    ck_assert_int_eq(ferry_sim_add_member(sim, id, "one-more"), FERRY_ERR_FULL);
    ck_assert_int_eq(ferry_sim_cut(sim, id - 1, 1), FERRY_OK);
    ck_assert(reaches(1, 2));
}
END_TEST

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

START_TEST(every_call_survives_every_failed_allocation)
{
    struct ferry_sim *other = NULL;
    int err = FERRY_ERR_NOMEM;

    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = ferry_sim_new(1, NULL, &other);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ferry_sim_free(other);

    err = FERRY_ERR_NOMEM;
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = ferry_sim_add_member(sim, 9, "m9");
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);

    err = FERRY_ERR_NOMEM;
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = ferry_sim_timer_new(sim, 9, on_fire, &n_fired, &timer);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);

    end(1);
    err = FERRY_ERR_NOMEM;
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = start(1);
        heap_fail_at(-1);
        if (err != FERRY_OK)
            end(1);
        ts[1] = err == FERRY_OK ? ts[1] : NULL;
    }
    ck_assert_int_eq(err, FERRY_OK);
    run_for_ms(1000);
    ck_assert(reaches(1, 2));
}
END_TEST

/* ---- The trace --------------------------------------------------------------------------------------------------- */

static uint64_t live(uint64_t seed, const char *note)
{
    uint64_t hash;

    build(seed);
    for (uint64_t id = 1; id <= N; id++)
        ck_assert_int_eq(start(id), FERRY_OK);
    run_for_ms(300);
    say(1, 2);
    for (int i = 0; i < 5; i++)
        run_for_ms(ferry_sim_random(sim) % 100);
    ck_assert_int_eq(ferry_sim_note(sim, 2, note), FERRY_OK);
    for (uint64_t id = 1; id <= N; id++)
        end(id);
    hash = ferry_sim_trace_hash(sim);
    ferry_sim_free(sim);
    return hash;
}

START_TEST(the_same_seed_gives_the_same_trace)
{
    uint64_t hash;

    teardown();
    heap_setup();
    hash = live(11, "leader");
    ck_assert_uint_eq(live(11, "leader"), hash);
    ck_assert_uint_ne(live(12, "leader"), hash);
    ck_assert_uint_ne(live(11, "Leader"), hash);
    sim = NULL;
}
END_TEST

START_TEST(the_trace_has_a_line_for_each_event_and_note)
{
    uint64_t n_events = ferry_sim_n_events(sim);
    uint64_t hash = ferry_sim_trace_hash(sim);

    ck_assert_uint_gt(n_events, 0);
    ck_assert_uint_eq(n_lines, n_events);
    ck_assert_int_eq(ferry_sim_note(sim, 3, "becomes leader"), FERRY_OK);
    ck_assert_str_eq(last_line, "500.000000 ms m3 becomes leader");
    ck_assert_int_eq(ferry_sim_note(sim, 0, "all is well"), FERRY_OK);
    ck_assert_str_eq(last_line, "500.000000 ms nowhere all is well");
    ck_assert_uint_eq(ferry_sim_n_events(sim), n_events + 2);
    ck_assert_uint_eq(n_lines, n_events + 2);
    ck_assert_uint_ne(ferry_sim_trace_hash(sim), hash);
}
END_TEST

int main(void)
{
    return rig_main(
        "simulation", setup, teardown, members_talk, a_cut_is_of_one_direction_and_loses_nothing,
        a_link_is_delayed_in_one_direction, connections_are_reset_and_dialled_again, a_member_crashes_and_comes_back,
        the_weather_changes, timers_fire_at_their_time_once, a_members_timer_ends_with_it_and_one_of_no_member_stays,
        a_timer_may_crash_and_restart_members_and_free_itself,
        a_callback_of_a_transport_can_neither_crash_a_member_nor_move_the_time,
        time_stands_still_but_for_its_two_movers, a_simulation_without_events_ends_and_is_freed_before_its_transports,
        what_cannot_be_is_refused_with_its_reason, a_transport_that_cannot_be_is_refused_with_its_reason,
        there_is_room_for_so_many_members, every_call_survives_every_failed_allocation,
        the_same_seed_gives_the_same_trace, the_trace_has_a_line_for_each_event_and_note, NULL);
}
