/*
 * prober - GET /raft/probing, and what the answer tells.
 *
 * Normal path: a timer starts a call; a whole answer with status 200 that says OK gives a round-trip time, and its Now
 * the difference between the clocks, as etcd computes it: our time at the answer, less the peer's, less half of the
 * smoothed round trip.  The smoothed time is an eighth of the newest and seven of what it was; it begins with the first
 * (etcd's begins with 0, and so reads an eighth of the truth at first).
 *
 * While all streams stand and the last probe was good, there is little to learn: the streams' heartbeats and the link
 * show sooner that something is wrong.  The next probe then comes after eight intervals (32 s by default; etcd looks at
 * what its own probes found every 30), and the connection is not kept for so long.  When a stream ends, a probe follows
 * soon, and the interval is the usual one again.
 *
 * Anything else - no answer within the read timeout, another status, an answer too long or not understood - is a
 * failure: it is counted, its text is kept, and the next probe goes to the peer's next URL.  Earlier figures stay.
 *
 * A change of the peer's health is logged.  Clocks are logged only if a bound is set: once when they differ by more
 * than the bound, and again when they differ by less than half of it, so that a clock near the bound does not flood the
 * log.
 */
#include "peer/prober.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "member/local.h"
#include "peer/peer_base.h"
#include "peer/raft_local.h"

#define FIRST_BUCKET_NS 100000 /* etcd's buckets: from 0.1 ms to 3.3 s */
#define N_BUCKETS 16
#define PATIENCE 8 /* intervals */

static uint64_t now_ns(const struct fy_prober *prober)
{
    return fy_net_now_ns(prober->base->member.local->net);
}

static bool do_streams_stand(const struct fy_prober *prober)
{
    return fy_link_is_whole(&prober->base->member.link);
}

/* Soon after a start, and not all peers at once. */
static void schedule_first(struct fy_prober *prober)
{
    uint64_t interval = prober->base->raft->probe_interval_ns;
    uint64_t jitter = fy_net_random(prober->base->member.local->net) % (interval / 8 + 1);

    fy_timer_set(&prober->next, now_ns(prober) + interval / 4 + jitter);
}

/* The probe has ended, well or not: wait for the next. */
static void await_next(struct fy_prober *prober)
{
    uint64_t next_ns = prober->began_ns + prober->base->raft->probe_interval_ns;

    prober->is_patient = prober->status.healthy && do_streams_stand(prober);
    if (prober->is_patient)
        next_ns += (PATIENCE - 1) * prober->base->raft->probe_interval_ns;
    fy_timer_set(&prober->next, next_ns > now_ns(prober) ? next_ns : now_ns(prober));
}

static void hang_up(struct fy_prober *prober)
{
    fy_timer_unset(&prober->deadline);
    fy_call_cancel(prober->call);
    prober->call = NULL;
}

static void fail(struct fy_prober *prober, const char *reason)
{
    const struct fy_member *member = &prober->base->member;
    bool was_healthy = prober->status.healthy;

    hang_up(prober);
    prober->turn++;
    pthread_mutex_lock(&prober->mu);
    prober->status.healthy = false;
    prober->status.n_failed++;
    (void)snprintf(prober->status.last_error, sizeof(prober->status.last_error), "%s", reason);
    pthread_mutex_unlock(&prober->mu);
    await_next(prober);
    fy_log(&member->local->log, was_healthy ? FERRY_LOG_WARN : FERRY_LOG_DEBUG, "probe", member->id,
           "probe failed: %s", reason);
}

/* ---- Clocks --------------------------------------------------------------------------------------------------------
 */

/* Our clock less the peer's.  A peer may send any number as its time. */
static int64_t clock_difference(uint64_t our_ns, int64_t their_ns, uint64_t smoothed_ns)
{
    int64_t ours = (int64_t)our_ns - (int64_t)(smoothed_ns / 2); /* both are far from the limits */
    int64_t difference;

    if (!__builtin_sub_overflow(ours, their_ns, &difference))
        return difference;
    return their_ns < 0 ? INT64_MAX : INT64_MIN;
}

static void judge_clock(struct fy_prober *prober, int64_t ahead_ns)
{
    const struct fy_member *member = &prober->base->member;
    uint64_t apart_ns = ahead_ns < 0 ? 0 - (uint64_t)ahead_ns : (uint64_t)ahead_ns;
    uint64_t bound_ns = prober->base->raft->clock_alarm_ns;

    if (bound_ns == 0)
        return;
    if (!prober->is_alarmed && apart_ns > bound_ns) {
        prober->is_alarmed = true;
        fy_log(&member->local->log, FERRY_LOG_WARN, "clock", member->id,
               "the peer's clock is %" PRIu64 " ms %s ours: more than %" PRIu64 " ms", apart_ns / 1000000,
               ahead_ns > 0 ? "behind" : "ahead of", bound_ns / 1000000);
    } else if (prober->is_alarmed && apart_ns < bound_ns / 2) {
        prober->is_alarmed = false;
        fy_log(&member->local->log, FERRY_LOG_INFO, "clock", member->id,
               "the peer's clock is within %" PRIu64 " ms again", apart_ns / 1000000 + 1);
    }
}

/* ---- One probe -----------------------------------------------------------------------------------------------------
 */

static void succeed(struct fy_prober *prober, const struct fy_probe_answer *answer)
{
    const struct fy_local *local = prober->base->member.local;
    uint64_t rtt_ns = prober->took_ns;
    struct ferry_probe_status status = prober->status;
    bool has_recovered = !status.healthy && status.n_good > 0;

    hang_up(prober);
    status.smoothed_ns = status.n_good == 0 ? rtt_ns : status.smoothed_ns / 8 * 7 + rtt_ns / 8;
    status.rtt_ns = rtt_ns;
    status.healthy = true;
    status.n_good++;
    status.last_good_ms = fy_net_unix_ms(local->net);
    status.has_clock = answer->has_now;
    if (answer->has_now)
        status.clock_ahead_ns = clock_difference(fy_net_unix_ns(local->net), answer->now_ns, status.smoothed_ns);
    fy_histogram_add(&prober->round_trips, rtt_ns);
    pthread_mutex_lock(&prober->mu);
    prober->status = status;
    pthread_mutex_unlock(&prober->mu);
    fy_member_probe_succeeded(&prober->base->member);
    await_next(prober);
    if (has_recovered)
        fy_log(&local->log, FERRY_LOG_INFO, "probe", prober->base->member.id, "probe answered again");
    if (answer->has_now)
        judge_clock(prober, status.clock_ahead_ns);
}

static void prober_on_head(void *arg, const struct fy_answer *answer)
{
    struct fy_prober *prober = arg;
    char text[48];

    prober->took_ns = answer->took_ns;
    if (answer->status == 200)
        return;
    (void)snprintf(text, sizeof(text), "unexpected http status %d", answer->status);
    fail(prober, text);
}

static void prober_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct fy_prober *prober = arg;

    if (len > sizeof(prober->body) - prober->len) {
        fail(prober, "the answer is too long");
        return;
    }
    memcpy(prober->body + prober->len, data, len);
    prober->len += len;
}

static void prober_on_end(void *arg, int err, const char *detail)
{
    struct fy_prober *prober = arg;
    struct fy_probe_answer answer;

    prober->call = NULL;
    if (err != FERRY_OK)
        fail(prober, detail);
    else if (fy_probe_answer_parse(prober->body, prober->len, &answer) != FERRY_OK)
        fail(prober, "the answer is not understood");
    else if (!answer.ok)
        fail(prober, "the answer is not OK");
    else
        succeed(prober, &answer);
}

static const struct fy_call_events events = {
    .on_head = prober_on_head, .on_body = prober_on_body, .on_end = prober_on_end};

static void prober_on_deadline(void *arg)
{
    fail(arg, "no answer within the read timeout");
}

static void prober_probe(void *arg)
{
    struct fy_prober *prober = arg;
    const struct fy_member *member = &prober->base->member;
    const struct fy_local *local = member->local;
    const struct fy_url_picker *picker = &member->picker;
    char url[sizeof(((struct fy_picked_url *)0)->text) + sizeof(FY_PATH_PROBING)];
    struct fy_call_spec spec = {
        .method = "GET",
        .url = url,
        .member = member->id,
        .is_last = do_streams_stand(prober),
    };
    int err;

    (void)snprintf(url, sizeof(url), "%s" FY_PATH_PROBING, picker->urls[prober->turn % picker->n]);
    prober->len = 0;
    prober->began_ns = now_ns(prober);
    fy_member_limit_dial(member, 0, &spec);
    err = fy_net_call(local->net, &spec, &events, prober, &prober->call);
    if (err != FERRY_OK)
        fail(prober, ferry_strerror(err));
    else
        fy_timer_set(&prober->deadline, prober->began_ns + local->read_timeout_ns);
}

/* ---- Life ----------------------------------------------------------------------------------------------------------
 */

void fy_prober_init(struct fy_prober *prober, struct fy_peer_base *base)
{
    struct fy_timers *timers = fy_net_timers(base->member.local->net);

    prober->base = base; /* the rest is zero */
    fy_timer_init(&prober->next, timers, prober_probe, prober);
    fy_timer_init(&prober->deadline, timers, prober_on_deadline, prober);
    fy_histogram_init(&prober->round_trips, FIRST_BUCKET_NS, N_BUCKETS);
    (void)pthread_mutex_init(&prober->mu, NULL); /* cannot fail for a default mutex on Linux */
}

void fy_prober_release(struct fy_prober *prober)
{
    assert(!prober->is_running && !prober->call);
    pthread_mutex_destroy(&prober->mu);
}

void fy_prober_start(struct fy_prober *prober)
{
    if (prober->is_running || prober->base->raft->probe_interval_ns == 0)
        return;
    prober->is_running = true;
    prober->turn = 0;
    schedule_first(prober);
}

void fy_prober_stop(struct fy_prober *prober)
{
    if (!prober->is_running)
        return;
    prober->is_running = false;
    hang_up(prober);
    fy_timer_unset(&prober->next);
    prober->is_patient = false;
}

void fy_prober_hurry(struct fy_prober *prober)
{
    if (!prober->is_patient || prober->call)
        return;
    prober->is_patient = false;
    schedule_first(prober);
}

void fy_prober_restart(struct fy_prober *prober)
{
    if (!prober->is_running)
        return;
    fy_prober_stop(prober);
    fy_prober_start(prober);
}

void fy_prober_read(struct fy_prober *prober, struct ferry_probe_status *ret_status,
                    struct ferry_histogram *ret_round_trips)
{
    pthread_mutex_lock(&prober->mu);
    *ret_status = prober->status;
    pthread_mutex_unlock(&prober->mu);
    fy_histogram_read(&prober->round_trips, ret_round_trips);
}
