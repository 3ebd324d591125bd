/*
 * link - reads the vitals of all connections with a member, and judges by them.
 *
 * A link is lost when no packet came on any connection for five sixths of the timeout, or when bytes that were sent
 * again were not acknowledged for three quarters of it; the rest of the timeout is for what is seen late.  All
 * connections count together: one packet on any of them proves that the member's machine is there, and one
 * acknowledgement that it hears us.  Packet loss holds up one connection or the other, a lost link all of them; the
 * kernel ends a connection that alone makes no progress for the whole timeout.
 *
 * Normal path: our streams to the member carry a heartbeat in turn, and the member's kernel acknowledges each.  Some
 * time after each the link looks at the one connection that carried it: if nothing is awaited on it, and a packet came
 * lately, all is well until after the next heartbeat.  Otherwise the link looks at all connections, eight times in a
 * timeout, until nothing is awaited; and when nothing has come for half of the timeout, it has all ends send a
 * heartbeat at once.  So a member that has nothing to say costs one system call a heartbeat.
 *
 * The times are chosen for a link that is lost in one direction: the member hears nothing, so it gives up first, and we
 * have to know by then that we are owed.  Its five sixths begin with the last packet that it heard.  Our next heartbeat
 * comes 5/12 of the timeout later at most; the kernel sends it again twice (a probe of the tail after 200 ms, and once
 * more after as long again), and we look at 2/3: for the usual 2 s just after that, and 333 ms before the member's end.
 *
 * A packet of the member's that is lost and one of ours that is lost look alike from here, but for one thing: as long
 * as something arrives, what is lost is ours.  The other end of such a link hears nothing, gives up first, and its
 * reset may be the last packet that we get; so a connection that breaks while we are owed counts as one way, too.
 *
 * A timer that fires late says nothing about the member: the machine or the loop stood still, and counting begins anew.
 */
#include "member/link.h"

#include <assert.h>
#include <stdio.h>

#include "member/local.h"

#define SETTLE_NS UINT64_C(1000000000) /* connections come and go one by one: what passes is not logged */

/* ---- The judge ---- */

static uint64_t silence_limit_ns(uint64_t tick_ns)
{
    return tick_ns * FY_LINK_TICKS * 5 / 6;
}

static uint64_t owed_limit_ns(uint64_t tick_ns)
{
    return tick_ns * FY_LINK_TICKS * 3 / 4;
}

static bool is_recent(const struct fy_link_judge *judge, uint64_t tick_ns, uint64_t now_ns)
{
    return now_ns - judge->arrived_ns < tick_ns * FY_LINK_TICKS / 2;
}

/* When the last packet came, as far as is known; 0: it is not known. */
static uint64_t arrival_ns(const struct fy_pulse *pulse, const struct fy_vitals *vitals, uint64_t now_ns)
{
    uint64_t told_ns = vitals->silence_ns < now_ns ? now_ns - vitals->silence_ns : 0;
    bool is_more = pulse->is_known && vitals->n_arrived != pulse->last.n_arrived;

    return is_more && told_ns < pulse->read_ns ? pulse->read_ns : told_ns;
}

static void take_pulse(struct fy_link_judge *judge, size_t i, const struct fy_vitals *vitals, uint64_t tick_ns,
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
    if (pulse->is_known && vitals->n_acked != pulse->last.n_acked && arrived_ns > judge->acked_ns)
        judge->acked_ns = arrived_ns;
    if (!pulse->is_known || vitals->n_acked != pulse->last.n_acked || !vitals->is_owed)
        pulse->owed_since_ns = now_ns;
    else if (!pulse->last.is_owed) /* it may have been read last long ago */
        pulse->owed_since_ns = now_ns - pulse->read_ns < tick_ns ? pulse->read_ns : now_ns - tick_ns;
    pulse->is_known = true;
    pulse->last = *vitals;
    pulse->read_ns = now_ns;
}

/* We stood still, and have missed what came meanwhile. */
static void begin_anew(struct fy_link_judge *judge, uint64_t now_ns)
{
    judge->arrived_ns = now_ns;
    for (size_t i = 0; i < FY_LINK_MAX_ENDS; i++)
        judge->pulses[i].owed_since_ns = now_ns;
}

/* For how long bytes on this connection are not acknowledged, and none on any other were meanwhile. */
static uint64_t owed_ns(const struct fy_link_judge *judge, const struct fy_pulse *pulse, uint64_t now_ns)
{
    uint64_t since_ns = pulse->owed_since_ns > judge->acked_ns ? pulse->owed_since_ns : judge->acked_ns;

    return pulse->is_known && pulse->last.is_owed ? now_ns - since_ns : 0;
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
    for (size_t i = 0; i < FY_LINK_MAX_ENDS; i++) {
        take_pulse(judge, i, vitals[i], tick_ns, now_ns);
        judge->is_watching |= judge->pulses[i].is_known;
    }
    if (is_late_now || !judge->is_watching)
        begin_anew(judge, now_ns);
    for (size_t i = 0; i < FY_LINK_MAX_ENDS; i++) {
        const struct fy_pulse *pulse = &judge->pulses[i];

        is_awaited |= pulse->last.is_awaited;
        is_one_way |= owed_ns(judge, pulse, now_ns) >= owed_limit_ns(tick_ns);
    }
    judge->is_calm = !is_awaited && is_recent(judge, tick_ns, now_ns);
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
    take_pulse(judge, i, vitals, tick_ns, now_ns);
    judge->is_calm = !vitals->is_awaited && is_recent(judge, tick_ns, now_ns);
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
    for (size_t i = 0; i < FY_LINK_MAX_ENDS; i++)
        if (owed_ns(judge, &judge->pulses[i], now_ns) >= tick_ns)
            return true;
    return false;
}

/* ---- The state, and its log lines ---- */

enum ferry_link fy_link_state(const struct fy_link *link)
{
    bool is_up[2] = {false, false};

    if (atomic_load(&link->was_one_way))
        return FERRY_LINK_ONLY_IN;
    for (size_t i = 0; i < link->n_ends; i++)
        is_up[link->ends[i]->direction] |= fy_link_end_is_up(link->ends[i]);
    if (is_up[FY_LINK_IN] && is_up[FY_LINK_OUT])
        return FERRY_LINK_BOTH;
    return is_up[FY_LINK_IN] ? FERRY_LINK_ONLY_IN : is_up[FY_LINK_OUT] ? FERRY_LINK_ONLY_OUT : FERRY_LINK_NONE;
}

bool fy_link_is_whole(const struct fy_link *link)
{
    for (size_t i = 0; i < link->n_ends; i++)
        if (!fy_link_end_is_up(link->ends[i]))
            return false;
    return true;
}

bool fy_link_has_end_up(const struct fy_link *link)
{
    for (size_t i = 0; i < link->n_ends; i++)
        if (fy_link_end_is_up(link->ends[i]))
            return true;
    return false;
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

/*
 * Log a link that works one way only, and the end of that.  One that is lost altogether is logged with the member's
 * status.  Returns whether there is a change that is still too recent to be logged.
 */
static bool log_state(struct fy_link *link, uint64_t now_ns)
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
    fy_log(&link->local->log, is_one_way ? FERRY_LOG_WARN : FERRY_LOG_INFO, "link", link->id, "the link %s",
           describe(link, state));
    return false;
}

/* ---- Watching ---- */

static uint64_t tick_ns(const struct fy_link *link)
{
    return link->local->link_timeout_ns / FY_LINK_TICKS;
}

/* Some time after each of our heartbeats. */
static uint64_t calm_ns(const struct fy_link *link, uint64_t now_ns)
{
    uint64_t beat_ns = fy_local_heartbeat_ns(link->local) / FY_HEARTBEAT_TURNS;
    uint64_t after_ns = beat_ns / 5 * 3;

    return (now_ns + beat_ns - after_ns) / beat_ns * beat_ns + after_ns;
}

static bool read_vitals(const struct fy_link_end *end, struct fy_vitals *ret_vitals)
{
    return end->ops->vitals(end->arg, ret_vitals);
}

/* By the connection that carried the latest heartbeat alone. */
static bool is_still_calm(struct fy_link *link, uint64_t now_ns)
{
    struct fy_vitals vitals;

    for (size_t i = 0; i < link->n_ends; i++)
        if (link->ends[i] == link->last_beat)
            return fy_link_judge_is_still_calm(&link->judge, i, read_vitals(link->ends[i], &vitals) ? &vitals : NULL,
                                               tick_ns(link), now_ns);
    return false;
}

static enum ferry_link judge(struct fy_link *link, uint64_t now_ns)
{
    struct fy_vitals vitals[FY_LINK_MAX_ENDS];
    const struct fy_vitals *known[FY_LINK_MAX_ENDS] = {NULL};

    if (is_still_calm(link, now_ns))
        return FERRY_LINK_BOTH;
    for (size_t i = 0; i < link->n_ends; i++)
        if (read_vitals(link->ends[i], &vitals[i]))
            known[i] = &vitals[i];
    return fy_link_judge(&link->judge, known, tick_ns(link), now_ns);
}

static void give_up(struct fy_link *link, enum ferry_link found)
{
    const char *why = found == FERRY_LINK_ONLY_IN ? "what we send is not acknowledged" : "the peer is not heard";

    for (size_t i = 0; i < link->n_ends; i++)
        link->ends[i]->ops->on_lost(link->ends[i]->arg, why);
    link->judge = (struct fy_link_judge){.due_ns = link->judge.due_ns};
}

/* An acknowledgement of a heartbeat proves that the link is open, and TCP sends the heartbeat again and again. */
static void ask(struct fy_link *link)
{
    for (size_t i = 0; i < link->n_ends; i++)
        if (link->ends[i]->ops->beat)
            link->ends[i]->ops->beat(link->ends[i]->arg);
}

static void await_tick(struct fy_link *link, uint64_t now_ns, bool is_soon)
{
    uint64_t latest_ns = is_soon ? now_ns + tick_ns(link) : calm_ns(link, now_ns);

    fy_timer_set(&link->tick, fy_link_judge_next_ns(&link->judge, latest_ns, tick_ns(link), now_ns));
}

static void link_on_tick(void *arg)
{
    struct fy_link *link = arg;
    uint64_t now_ns = fy_net_now_ns(link->local->net);
    enum ferry_link found = judge(link, now_ns);

    if (found == FERRY_LINK_ONLY_IN)
        atomic_store(&link->was_one_way, true);
    if (found != FERRY_LINK_BOTH)
        give_up(link, found);
    else if (link->judge.is_watching && !is_recent(&link->judge, tick_ns(link), now_ns))
        ask(link);
    await_tick(link, now_ns, log_state(link, now_ns));
}

void fy_link_init(struct fy_link *link, const struct fy_local *local, uint64_t id, void (*on_end_down)(void *arg),
                  void *arg)
{
    *link = (struct fy_link){.local = local, .id = id, .on_end_down = on_end_down, .arg = arg, .told = FERRY_LINK_BOTH};
    atomic_init(&link->was_one_way, false);
    fy_timer_init(&link->tick, fy_net_timers(local->net), link_on_tick, link);
}

void fy_link_start(struct fy_link *link)
{
    if (link->local->link_timeout_ns == 0)
        return;
    await_tick(link, fy_net_now_ns(link->local->net), false);
}

void fy_link_stop(struct fy_link *link)
{
    fy_timer_unset(&link->tick);
}

/* ---- The ends ---- */

void fy_link_register(struct fy_link *link, struct fy_link_end *end, enum fy_link_direction direction,
                      const struct fy_link_end_ops *ops, void *arg)
{
    assert(link->n_ends < FY_LINK_MAX_ENDS && !fy_timer_is_set(&link->tick));
    *end = (struct fy_link_end){.link = link, .ops = ops, .arg = arg, .direction = direction};
    atomic_init(&end->is_up, false);
    link->ends[link->n_ends++] = end;
}

void fy_link_end_up(struct fy_link_end *end)
{
    atomic_store(&end->is_up, true);
    atomic_store(&end->link->was_one_way, false);
}

void fy_link_end_broke(struct fy_link_end *end)
{
    struct fy_link *link = end->link;
    uint64_t now_ns = fy_net_now_ns(link->local->net);

    if (link->local->link_timeout_ns > 0 && fy_link_judge_is_one_way(&link->judge, tick_ns(link), now_ns))
        atomic_store(&link->was_one_way, true);
}

void fy_link_end_down(struct fy_link_end *end)
{
    struct fy_link *link = end->link;

    if (atomic_exchange(&end->is_up, false) && link->on_end_down)
        link->on_end_down(link->arg);
}

void fy_link_end_beat(struct fy_link_end *end)
{
    end->link->last_beat = end;
}
