/*
 * link - reads the vitals of a peer's connections eight times in a link timeout, and judges by them.
 *
 * Lost is a link on which no packet came on any connection for three quarters of the timeout (probes and heartbeats see
 * to it that some come every fifth of it), or on which bytes that were sent again were not acknowledged for so long.
 * The last quarter pays for what a tick sees late.  All connections count together: one packet anywhere proves that the
 * peer's machine is there, however busy the others are.
 *
 * A packet that the peer loses on its way to us and one of ours that is lost look alike from here but for one thing: as
 * long as something arrives, what is lost is ours.  The other end of such a link hears nothing, gives up first, and its
 * reset may be the last that we get of it; so a stream that breaks while we are owed counts as one way, too.
 *
 * A tick that comes late tells of ourselves, not of the peer: the machine or the loop stood still, and counting begins
 * anew.
 */
#include "peer/link.h"

#include <stdio.h>

#include "peer/local.h"
#include "peer/peer.h"

#define SETTLE_NS UINT64_C(1000000000) /* streams come and go one by one: what passes is not told */
#define N_CONNECTIONS (2 * FERRY_N_STREAMS)

/* ---- The judge ---- */

static uint64_t limit_ns(uint64_t tick_ns)
{
    return tick_ns * FY_LINK_TICKS * 3 / 4;
}

/* Did a packet come? */
static bool feel(struct fy_pulse *pulse, const struct fy_vitals *vitals, bool is_late, uint64_t now_ns)
{
    bool is_new = !pulse->is_known;
    bool has_arrived;

    if (!vitals) {
        *pulse = (struct fy_pulse){.is_known = false};
        return false;
    }
    has_arrived = is_new || vitals->n_arrived != pulse->last.n_arrived;
    if (is_new || is_late || !pulse->last.is_owed || vitals->n_acked != pulse->last.n_acked)
        pulse->owed_since_ns = now_ns;
    pulse->is_known = true;
    pulse->last = *vitals;
    return has_arrived;
}

enum ferry_link fy_link_judge(struct fy_link_judge *judge, const struct fy_vitals *const *vitals, uint64_t tick_ns,
                              uint64_t now_ns)
{
    bool is_late = now_ns - judge->last_tick_ns > 3 * tick_ns;
    bool has_arrived = is_late || !judge->is_watching;
    bool is_one_way = false;

    judge->last_tick_ns = now_ns;
    judge->is_watching = false;
    for (int i = 0; i < N_CONNECTIONS; i++) {
        struct fy_pulse *pulse = &judge->pulses[i];

        has_arrived |= feel(pulse, vitals[i], is_late, now_ns);
        judge->is_watching |= pulse->is_known;
        is_one_way |= pulse->is_known && pulse->last.is_owed && now_ns - pulse->owed_since_ns >= limit_ns(tick_ns);
    }
    if (has_arrived)
        judge->arrived_ns = now_ns;
    if (judge->is_watching && now_ns - judge->arrived_ns >= limit_ns(tick_ns))
        return FERRY_LINK_NONE;
    if (!is_one_way)
        return FERRY_LINK_BOTH;
    return fy_link_judge_is_one_way(judge, tick_ns, now_ns) ? FERRY_LINK_ONLY_IN : FERRY_LINK_NONE;
}

bool fy_link_judge_is_one_way(const struct fy_link_judge *judge, uint64_t tick_ns, uint64_t now_ns)
{
    if (now_ns - judge->arrived_ns >= limit_ns(tick_ns) * 5 / 6)
        return false;
    for (int i = 0; i < N_CONNECTIONS; i++) {
        const struct fy_pulse *pulse = &judge->pulses[i];

        if (pulse->is_known && pulse->last.is_owed && now_ns - pulse->owed_since_ns >= tick_ns)
            return true;
    }
    return false;
}

/* ---- Telling ---- */

enum ferry_link fy_link_state(const struct fy_link *link)
{
    bool in = false, out = false;

    if (atomic_load(&link->was_one_way))
        return FERRY_LINK_ONLY_IN;
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        in |= atomic_load(&link->peer->readers[i].is_attached);
        out |= atomic_load(&link->peer->writers[i].is_attached);
    }
    if (in && out)
        return FERRY_LINK_BOTH;
    return in ? FERRY_LINK_ONLY_IN : out ? FERRY_LINK_ONLY_OUT : FERRY_LINK_NONE;
}

const char *ferry_link_name(enum ferry_link link)
{
    static const char *const names[] = {
        [FERRY_LINK_NONE] = "none",
        [FERRY_LINK_BOTH] = "both",
        [FERRY_LINK_ONLY_IN] = "only_in",
        [FERRY_LINK_ONLY_OUT] = "only_out",
    };

    return (size_t)link < sizeof(names) / sizeof(names[0]) ? names[link] : "unknown";
}

static const char *describe(const struct fy_link *link, enum ferry_link state)
{
    switch (state) {
    case FERRY_LINK_BOTH:
        return "works both ways again";
    case FERRY_LINK_ONLY_IN:
        return atomic_load(&link->was_one_way) ? "one way only: the peer is heard, but what we send does not get there"
                                               : "one way only: we read from the peer, but it does not read from us";
    case FERRY_LINK_ONLY_OUT:
        return "one way only: the peer reads from us, but we cannot read from it";
    default:
        return "works in neither direction any more";
    }
}

/* A link that is gone altogether is told of with the peer's status, so that only one way, and its end, is news. */
static void tell(struct fy_link *link, uint64_t now_ns)
{
    enum ferry_link state = fy_link_state(link);
    bool is_one_way = state == FERRY_LINK_ONLY_IN || state == FERRY_LINK_ONLY_OUT;
    bool was_one_way = link->told == FERRY_LINK_ONLY_IN || link->told == FERRY_LINK_ONLY_OUT;
    unsigned long long n_held;

    if (state != link->seen) {
        link->seen = state;
        link->seen_since_ns = now_ns;
        return;
    }
    if (state == link->told || now_ns - link->seen_since_ns < SETTLE_NS || (!is_one_way && !was_one_way))
        return;
    if (!fy_log_fold_pass(&link->fold, now_ns, &n_held))
        return; /* the next tick tries again */
    link->told = state;
    fy_log(&link->peer->local->log, is_one_way ? FERRY_LOG_WARN : FERRY_LOG_INFO, "link", link->peer->id, "the link %s",
           describe(link, state));
}

/* ---- Watching ---- */

static uint64_t tick_ns(const struct fy_link *link)
{
    return link->peer->local->link_timeout_ns / FY_LINK_TICKS;
}

static enum ferry_link judge(struct fy_link *link, uint64_t now_ns)
{
    struct fy_peer *peer = link->peer;
    struct fy_vitals vitals[N_CONNECTIONS];
    const struct fy_vitals *known[N_CONNECTIONS] = {NULL};

    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        int k = FERRY_N_STREAMS + i;

        if (fy_call_vitals(peer->readers[i].call, &vitals[i]))
            known[i] = &vitals[i];
        if (fy_outflow_vitals(peer->writers[i].out, &vitals[k]))
            known[k] = &vitals[k];
    }
    return fy_link_judge(&link->judge, known, tick_ns(link), now_ns);
}

static void give_up(struct fy_link *link, enum ferry_link found)
{
    const char *why = found == FERRY_LINK_ONLY_IN ? "what we send is not acknowledged" : "the peer is not heard";
    struct fy_peer *peer = link->peer;

    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        fy_stream_reader_give_up(&peer->readers[i], why);
        fy_stream_writer_give_up(&peer->writers[i], why);
    }
    link->judge = (struct fy_link_judge){.last_tick_ns = link->judge.last_tick_ns};
}

static void on_tick(void *arg)
{
    struct fy_link *link = arg;
    uint64_t now_ns = fy_net_now_ns(link->peer->local->net);
    enum ferry_link found = judge(link, now_ns);

    fy_timer_set(&link->tick, now_ns + tick_ns(link));
    if (found == FERRY_LINK_ONLY_IN)
        atomic_store(&link->was_one_way, true);
    if (found != FERRY_LINK_BOTH)
        give_up(link, found);
    tell(link, now_ns);
}

void fy_link_init(struct fy_link *link, struct fy_peer *peer)
{
    *link = (struct fy_link){.peer = peer, .told = FERRY_LINK_BOTH};
    atomic_init(&link->was_one_way, false);
    fy_timer_init(&link->tick, fy_net_timers(peer->local->net), on_tick, link);
}

void fy_link_start(struct fy_link *link)
{
    if (link->peer->local->link_timeout_ns == 0)
        return;
    link->judge.last_tick_ns = fy_net_now_ns(link->peer->local->net);
    fy_timer_set(&link->tick, link->judge.last_tick_ns + tick_ns(link));
}

void fy_link_stop(struct fy_link *link)
{
    fy_timer_unset(&link->tick);
}

void fy_link_stands(struct fy_link *link)
{
    atomic_store(&link->was_one_way, false);
}

void fy_link_broke(struct fy_link *link)
{
    uint64_t now_ns = fy_net_now_ns(link->peer->local->net);

    if (link->peer->local->link_timeout_ns > 0 && fy_link_judge_is_one_way(&link->judge, tick_ns(link), now_ns))
        atomic_store(&link->was_one_way, true);
}
