/*
 * link - reads the vitals of a peer's connections, and judges by them.
 *
 * Lost is a link on which no packet came on any connection for five sixths of the timeout, or on which bytes that were
 * sent again were not acknowledged for three quarters of it; what is left pays for what is seen late.  All connections
 * count together: one packet anywhere proves that the peer's machine is there, however busy the others are.
 *
 * Normal path: our two streams to the peer beat in turn, and each heartbeat is acknowledged by the peer's kernel.  Some
 * time after each the one connection that carried it is looked at: if nothing is awaited on it, and something came
 * lately, all is well until after the next.  Otherwise all connections are looked at, eight times in a timeout, until
 * nothing is awaited; and both streams beat at once when nothing has come for half of it.  So a peer that has nothing
 * to say costs one system call a heartbeat.
 *
 * The times are chosen for a direction that is lost: the peer, which hears nothing any more, gives up first, and we
 * have to know by then that we are owed.  Its five sixths begin with the last that it heard.  5/12 of the timeout later
 * at most is our next heartbeat; the kernel sends it again twice (a probe of the tail after 200 ms, and as much later
 * what it counts), and at 2/3 is the look: for the usual 2 s just after that, and 333 ms before the peer's end.
 *
 * A packet that the peer loses on its way to us and one of ours that is lost look alike from here but for one thing: as
 * long as something arrives, what is lost is ours.  The other end of such a link hears nothing, gives up first, and its
 * reset may be the last that we get of it; so a stream that breaks while we are owed counts as one way, too.
 *
 * A look that comes late tells of ourselves, not of the peer: the machine or the loop stood still, and counting begins
 * anew.
 */
#include "member/link.h"

#include <stdio.h>

#include "peer/local.h"
#include "peer/peer.h"

#define SETTLE_NS UINT64_C(1000000000) /* streams come and go one by one: what passes is not told */
#define N_CONNECTIONS (2 * FERRY_N_STREAMS)

/* ---- The judge ---- */

static uint64_t silence_limit_ns(uint64_t tick_ns)
{
    return tick_ns * FY_LINK_TICKS * 5 / 6;
}

static uint64_t owed_limit_ns(uint64_t tick_ns)
{
    return tick_ns * FY_LINK_TICKS * 3 / 4;
}

static bool is_young(const struct fy_link_judge *judge, uint64_t tick_ns, uint64_t now_ns)
{
    return now_ns - judge->arrived_ns < tick_ns * FY_LINK_TICKS / 2;
}

/* When the last packet came, as far as can be told; 0: not. */
static uint64_t arrival_ns(const struct fy_pulse *pulse, const struct fy_vitals *vitals, uint64_t now_ns)
{
    uint64_t told_ns = vitals->silence_ns < now_ns ? now_ns - vitals->silence_ns : 0;
    bool is_more = pulse->is_known && vitals->n_arrived != pulse->last.n_arrived;

    return is_more && told_ns < pulse->read_ns ? pulse->read_ns : told_ns;
}

static void feel(struct fy_link_judge *judge, size_t i, const struct fy_vitals *vitals, uint64_t tick_ns,
                 uint64_t now_ns)
{
    struct fy_pulse *pulse = &judge->pulses[i];
    uint64_t arrived_ns;

    if (!vitals) {
        *pulse = (struct fy_pulse){.is_known = false};
        return;
    }
    arrived_ns = arrival_ns(pulse, vitals, now_ns);
    if (arrived_ns > judge->arrived_ns)
        judge->arrived_ns = arrived_ns;
    if (!pulse->is_known || vitals->n_acked != pulse->last.n_acked || !vitals->is_owed)
        pulse->owed_since_ns = now_ns;
    else if (!pulse->last.is_owed) /* the last look may have been long ago */
        pulse->owed_since_ns = now_ns - pulse->read_ns < tick_ns ? pulse->read_ns : now_ns - tick_ns;
    pulse->is_known = true;
    pulse->last = *vitals;
    pulse->read_ns = now_ns;
}

/* Whoever stood still has missed what came meanwhile. */
static void begin_anew(struct fy_link_judge *judge, uint64_t now_ns)
{
    judge->arrived_ns = now_ns;
    for (size_t i = 0; i < N_CONNECTIONS; i++)
        judge->pulses[i].owed_since_ns = now_ns;
}

static bool is_late(const struct fy_link_judge *judge, uint64_t tick_ns, uint64_t now_ns)
{
    return now_ns > judge->due_ns + 3 * tick_ns;
}

enum ferry_link fy_link_judge(struct fy_link_judge *judge, const struct fy_vitals *const *vitals, uint64_t tick_ns,
                              uint64_t now_ns)
{
    bool is_late_now = is_late(judge, tick_ns, now_ns);
    bool is_awaited = false;
    bool is_one_way = false;

    judge->is_watching = false;
    for (size_t i = 0; i < N_CONNECTIONS; i++) {
        feel(judge, i, vitals[i], tick_ns, now_ns);
        judge->is_watching |= judge->pulses[i].is_known;
    }
    if (is_late_now || !judge->is_watching)
        begin_anew(judge, now_ns);
    for (size_t i = 0; i < N_CONNECTIONS; i++) {
        const struct fy_pulse *pulse = &judge->pulses[i];

        is_awaited |= pulse->last.is_awaited;
        is_one_way |= pulse->last.is_owed && now_ns - pulse->owed_since_ns >= owed_limit_ns(tick_ns);
    }
    judge->is_calm = !is_awaited && is_young(judge, tick_ns, now_ns);
    if (now_ns - judge->arrived_ns >= silence_limit_ns(tick_ns))
        return FERRY_LINK_NONE;
    if (!is_one_way)
        return FERRY_LINK_BOTH;
    return fy_link_judge_is_one_way(judge, tick_ns, now_ns) ? FERRY_LINK_ONLY_IN : FERRY_LINK_NONE;
}

bool fy_link_judge_is_still_calm(struct fy_link_judge *judge, size_t i, const struct fy_vitals *vitals,
                                 uint64_t tick_ns, uint64_t now_ns)
{
    if (!judge->is_calm || !vitals || !judge->pulses[i].is_known || is_late(judge, tick_ns, now_ns))
        return false;
    feel(judge, i, vitals, tick_ns, now_ns);
    judge->is_calm = !vitals->is_awaited && is_young(judge, tick_ns, now_ns);
    return judge->is_calm;
}

uint64_t fy_link_judge_next_ns(struct fy_link_judge *judge, uint64_t calm_ns, uint64_t tick_ns, uint64_t now_ns)
{
    uint64_t limit_ns = judge->arrived_ns + silence_limit_ns(tick_ns);
    uint64_t next_ns = !judge->is_watching || judge->is_calm ? calm_ns : now_ns + tick_ns;

    if (judge->is_watching && limit_ns < next_ns)
        next_ns = limit_ns > now_ns ? limit_ns : now_ns + tick_ns;
    judge->due_ns = next_ns;
    return next_ns;
}

bool fy_link_judge_is_one_way(const struct fy_link_judge *judge, uint64_t tick_ns, uint64_t now_ns)
{
    if (now_ns - judge->arrived_ns >= tick_ns * FY_LINK_TICKS * 5 / 8)
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
/* Returns whether there is something to tell that has not settled yet. */
static bool tell(struct fy_link *link, uint64_t now_ns)
{
    enum ferry_link state = fy_link_state(link);
    bool is_one_way = state == FERRY_LINK_ONLY_IN || state == FERRY_LINK_ONLY_OUT;
    bool was_one_way = link->told == FERRY_LINK_ONLY_IN || link->told == FERRY_LINK_ONLY_OUT;
    unsigned long long n_held;

    if (state != link->seen) {
        link->seen = state;
        link->seen_since_ns = now_ns;
    }
    if (state == link->told || (!is_one_way && !was_one_way))
        return false;
    if (now_ns - link->seen_since_ns < SETTLE_NS || !fy_log_fold_pass(&link->fold, now_ns, &n_held))
        return true;
    link->told = state;
    fy_log(&link->peer->local->log, is_one_way ? FERRY_LOG_WARN : FERRY_LOG_INFO, "link", link->peer->id, "the link %s",
           describe(link, state));
    return false;
}

/* ---- Watching ---- */

static uint64_t tick_ns(const struct fy_link *link)
{
    return link->peer->local->link_timeout_ns / FY_LINK_TICKS;
}

/* Some time after each of our heartbeats. */
static uint64_t calm_ns(const struct fy_link *link, uint64_t now_ns)
{
    uint64_t beat_ns = fy_local_heartbeat_ns(link->peer->local) / FERRY_N_STREAMS;
    uint64_t after_ns = beat_ns / 5 * 3;

    return (now_ns + beat_ns - after_ns) / beat_ns * beat_ns + after_ns;
}

static bool is_still_calm(struct fy_link *link, uint64_t now_ns)
{
    struct fy_peer *peer = link->peer;
    enum ferry_stream stream = fy_local_last_to_beat(peer->local, now_ns);
    struct fy_vitals vitals;
    bool is_known = fy_outflow_vitals(peer->writers[stream].out, &vitals);

    return fy_link_judge_is_still_calm(&link->judge, FERRY_N_STREAMS + (size_t)stream, is_known ? &vitals : NULL,
                                       tick_ns(link), now_ns);
}

static enum ferry_link judge(struct fy_link *link, uint64_t now_ns)
{
    struct fy_peer *peer = link->peer;
    struct fy_vitals vitals[N_CONNECTIONS];
    const struct fy_vitals *known[N_CONNECTIONS] = {NULL};

    if (is_still_calm(link, now_ns))
        return FERRY_LINK_BOTH;
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
    link->judge = (struct fy_link_judge){.due_ns = link->judge.due_ns};
}

/* What is acknowledged of this tells that the link is open, and TCP sends it again and again. */
static void ask(struct fy_link *link)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        fy_stream_writer_beat(&link->peer->writers[i]);
}

static void look_again(struct fy_link *link, uint64_t now_ns, bool is_soon)
{
    uint64_t latest_ns = is_soon ? now_ns + tick_ns(link) : calm_ns(link, now_ns);

    fy_timer_set(&link->tick, fy_link_judge_next_ns(&link->judge, latest_ns, tick_ns(link), now_ns));
}

static void on_tick(void *arg)
{
    struct fy_link *link = arg;
    uint64_t now_ns = fy_net_now_ns(link->peer->local->net);
    enum ferry_link found = judge(link, now_ns);

    if (found == FERRY_LINK_ONLY_IN)
        atomic_store(&link->was_one_way, true);
    if (found != FERRY_LINK_BOTH)
        give_up(link, found);
    else if (link->judge.is_watching && !is_young(&link->judge, tick_ns(link), now_ns))
        ask(link);
    look_again(link, now_ns, tell(link, now_ns));
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
    look_again(link, fy_net_now_ns(link->peer->local->net), false);
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
