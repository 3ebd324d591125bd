/*
 * it_sim - whole transports on the simulated network, one bad day per seed.
 *
 * A seed makes three to five members that send each other everything Raft sends, while links are cut, connections
 * reset, members restarted, moved, paused, removed and added.  Then all is mended, and these must hold:
 *  - every stream stands again within a bounded virtual time, and what is sent then arrives, all of it;
 *  - no message came twice, none was changed on the way, and on each connection they came in the order of sending;
 *  - the accounts are exact, per peer at every step and in sum at every transport's end;
 *  - each MsgSnap that was accepted was reported once, and no drop without a report_unreachable at it or after it;
 *  - a connection of a removed peer delivers nothing;
 *  - nothing is left in memory; and the same seed gives the same trace again.
 *
 * FERRY_SIM_SEEDS: how many seeds, in place of 10000 (2000 with a sanitizer).  FERRY_SIM_SEED: this one alone, with the
 * trace and the members' logs on standard error.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "ferry/sim.h"
#include "harness/heap.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/seed.h"
#include "net/sim/chance.h"

#define N_TESTS 10 /* that the seeds are dealt to, for Check's limit on the time of one */
#define MAX_MEMBERS 5
#define MAX_SENT 4096 /* from one member to one other */
#define MAX_CONNECTIONS 65536
#define MAX_ENTRIES 6
#define MAX_DATA 40000
#define MAX_MESSAGE_BYTES 150000 /* that not every message keeps to */

#define READ_TIMEOUT_MS 500
#define DIAL_TIMEOUT_MS 200
#define WRITE_TIMEOUT_MS 500
#define POST_TIMEOUT_MS 600
#define DIAL_RETRY_MS 30
#define PROBE_INTERVAL_MS 250             /* often, so that they meet every fault */
#define SETTLE_MS (POST_TIMEOUT_MS + 100) /* until nothing that began before the mending is under way */
#define ESTABLISH_MS 3000                 /* until every stream must stand */
#define ARRIVE_MS (2 * POST_TIMEOUT_MS)   /* until what was sent must be there */
#define STRANGER 0x5747                   /* an unknown member */

/* ---- What is known of a seed --------------------------------------------------------------------------------------
 */

/* A message on its way, or not: what it must look like, and what became of it. */
struct sent {
    uint64_t digest;
    bool has_come;
    bool must_come;
};

/* All that one member ever sent to one other, and where its log stands. */
struct pair {
    struct sent sent[MAX_SENT];
    size_t n_sent;
    uint64_t term;
    uint64_t index;
};

struct member {
    size_t place;
    uint64_t id;
    char host[32];
    unsigned port;
    struct ferry_transport *t; /* NULL: not running */
    uint64_t back_at_ns;       /* when it is down */
    bool is_paused;
    bool knows[MAX_MEMBERS];    /* has it as a peer */
    bool has_cut[MAX_MEMBERS];  /* with ferry_transport_cut_peer */
    uint64_t told[MAX_MEMBERS]; /* drops reported by report_unreachable */

    /* of the present transport */
    uint64_t n_sent;
    uint64_t n_unknown;
    uint64_t n_snapshots;
    uint64_t n_reported;
    uint64_t n_finished;
    uint64_t n_processed;
    uint64_t n_from_strangers;
    uint64_t n_refused;

    const struct ferry_message *kept; /* with a reference */
};

/* What connection brought. */
struct brought {
    const struct pair *pair; /* NULL: nothing yet */
    uint64_t last;           /* number of the last message */
    uint64_t dead_ns;        /* when the receiver removed the sender; 0: it did not */
};

static uint64_t seed;
static bool is_loud; /* FERRY_SIM_SEED */
static struct fy_chance chance;
static struct ferry_sim *sim;
static struct member members[MAX_MEMBERS];
static size_t n_members;
static struct pair pairs[MAX_MEMBERS][MAX_MEMBERS]; /* from, to */
static struct brought brought[MAX_CONNECTIONS];
static uint64_t last_connection; /* that brought something */
static bool is_cramped;          /* with little room in the queues */
static size_t max_data;          /* of an entry */
static bool has_wrong_urls;      /* a post to one of these is lost */
static bool is_mended;           /* the faults are over */
static bool is_final;            /* and the last messages are being sent: they must come */
static uint64_t observed;        /* a hash over what the cores saw */

/* Sums over the ends of all transports of a seed. */
static struct ferry_counts all_counts;
static uint64_t all_finished, all_snapshots_come;

/* What all seeds of a test did together: a bad day that never rained proves nothing. */
enum fault {
    FAULT_CUT,
    FAULT_CUT_ONE_WAY,
    FAULT_ISOLATE,
    FAULT_HEAL,
    FAULT_SLOW,
    FAULT_RESET,
    FAULT_HALF_RESET,
    FAULT_CRASH,
    FAULT_POWER,
    FAULT_STOP,
    FAULT_MOVE,
    FAULT_PAUSE,
    FAULT_CUT_PEER,
    FAULT_REMOVE,
    FAULT_WEATHER,
    N_FAULTS
};
static uint64_t n_faults[N_FAULTS];
static uint64_t n_come, n_drops[FERRY_N_DROP_REASONS];

static void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void give_up(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ck_abort_msg("seed %" PRIu64 " at %" PRIu64 " us: %s (FERRY_SIM_SEED=%" PRIu64 " shows it)", seed,
                 sim ? ferry_sim_now_ns(sim) / FERRY_SIM_US : 0, text, seed);
    abort();
}

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            give_up("line %d: %s", __LINE__, #condition);                                                              \
    } while (0)

static bool one_in(uint64_t n)
{
    return fy_chance_below(&chance, n) == 0;
}

static size_t below(size_t n)
{
    return (size_t)fy_chance_below(&chance, n);
}

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = fy_chance_mix(*hash ^ value) + 1;
}

static void mix_bytes(uint64_t *hash, struct ferry_bytes bytes)
{
    uint64_t word = 0;
    size_t i = 0;

    mix(hash, bytes.data ? bytes.len + 1 : 0);
    for (; i + sizeof(word) <= bytes.len; i += sizeof(word)) {
        memcpy(&word, bytes.data + i, sizeof(word));
        *hash = (*hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        *hash ^= *hash >> 29;
    }
    for (; i < bytes.len; i++)
        mix(hash, bytes.data[i]);
}

static uint64_t digest(const struct ferry_message *msg)
{
    uint64_t hash = 1;

    mix(&hash, msg->type);
    mix(&hash, msg->term);
    mix(&hash, msg->log_term);
    mix(&hash, msg->index);
    mix(&hash, msg->commit);
    mix(&hash, msg->reject);
    mix(&hash, msg->reject_hint);
    mix_bytes(&hash, msg->context);
    for (size_t i = 0; i < msg->n_entries; i++) {
        mix(&hash, msg->entries[i].term);
        mix(&hash, msg->entries[i].index);
        mix(&hash, msg->entries[i].type);
        mix_bytes(&hash, msg->entries[i].data);
    }
    if (msg->snapshot) {
        mix(&hash, msg->snapshot->index);
        mix(&hash, msg->snapshot->term);
        mix_bytes(&hash, msg->snapshot->data);
    }
    return hash;
}

static uint64_t dropped(const struct ferry_counts *counts)
{
    uint64_t n = 0;

    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        n += counts->dropped[i];
    return n;
}

/* ---- Sending ------------------------------------------------------------------------------------------------------
 */

static uint8_t data[MAX_DATA];

/* The message's number among all from the same member to the same other, from 1, is its commit: compact frames keep
 * it. */
static void send_to(struct member *from, size_t to, struct ferry_message *msg)
{
    struct pair *pair = &pairs[from->place][to];
    struct sent *sent = &pair->sent[pair->n_sent];

    must(pair->n_sent < MAX_SENT);
    pair->n_sent++;
    msg->from = from->id;
    msg->to = members[to].id;
    msg->commit = pair->n_sent;
    *sent = (struct sent){.digest = digest(msg), .must_come = is_final};
    from->n_sent++;
    if (!from->knows[to])
        from->n_unknown++;
    else if (msg->type == FERRY_MSG_SNAP)
        from->n_snapshots++;
    must(ferry_transport_send(from->t, msg, 1) == FERRY_OK);
}

static struct ferry_bytes some_data(size_t max)
{
    size_t len = one_in(8) ? below(max) : below(64);

    return (struct ferry_bytes){data + below(MAX_DATA - len), len};
}

/* Appends follow one another, as a leader's do, but for a new term or another try now and then. */
static void send_append(struct member *from, size_t to)
{
    struct pair *pair = &pairs[from->place][to];
    struct ferry_entry entries[MAX_ENTRIES];
    size_t n = below(MAX_ENTRIES + 1);
    uint64_t log_term = pair->term;
    struct ferry_message msg;

    if (one_in(20))
        pair->term++;
    if (one_in(20))
        pair->index -= below((size_t)pair->index + 1);
    for (size_t i = 0; i < n; i++)
        entries[i] = (struct ferry_entry){
            .term = pair->term, .index = pair->index + 1 + i, .data = some_data(one_in(4) ? max_data : 512)};
    msg = (struct ferry_message){.type = FERRY_MSG_APP,
                                 .term = pair->term,
                                 .log_term = log_term,
                                 .index = pair->index,
                                 .entries = entries,
                                 .n_entries = n};
    send_to(from, to, &msg);
    pair->index += n;
}

static void send_snapshot(struct member *from, size_t to)
{
    struct ferry_snapshot snapshot = {.index = 1 + below(1000), .term = 1 + below(10), .data = some_data(2000)};
    struct ferry_message msg = {.type = FERRY_MSG_SNAP, .term = 7, .snapshot = &snapshot};

    send_to(from, to, &msg);
}

static void send_other(struct member *from, size_t to)
{
    static const enum ferry_message_type types[] = {
        FERRY_MSG_HEARTBEAT,  FERRY_MSG_HEARTBEAT,       FERRY_MSG_VOTE,        FERRY_MSG_VOTE_RESP, FERRY_MSG_PRE_VOTE,
        FERRY_MSG_READ_INDEX, FERRY_MSG_READ_INDEX_RESP, FERRY_MSG_TIMEOUT_NOW, FERRY_MSG_APP_RESP,
    };
    struct ferry_message msg = {.type = types[below(sizeof(types) / sizeof(types[0]))], .term = 1 + below(9)};

    msg.index = below(1000);
    msg.reject = one_in(3);
    msg.reject_hint = msg.reject ? below(1000) : 0;
    if (one_in(2))
        msg.context = some_data(64);
    send_to(from, to, &msg);
}

static void send_proposal(struct member *from, size_t to)
{
    struct ferry_entry entry = {.data = some_data(max_data)};
    struct ferry_message msg = {.type = FERRY_MSG_PROP, .entries = &entry, .n_entries = 1};

    send_to(from, to, &msg);
}

static void send_to_a_stranger(struct member *from)
{
    struct ferry_message msgs[3] = {{.type = FERRY_MSG_HEARTBEAT, .from = from->id, .to = STRANGER},
                                    {.type = FERRY_MSG_APP, .to = 0}, /* skipped */
                                    {.type = FERRY_MSG_SNAP, .from = from->id, .to = STRANGER}};

    from->n_sent += 2;
    from->n_unknown += 2;
    must(ferry_transport_send(from->t, msgs, 3) == FERRY_OK);
}

static void send_too_much(struct member *from, size_t to)
{
    struct ferry_entry entries[MAX_MESSAGE_BYTES / MAX_DATA + 1];
    struct ferry_message msg = {.type = FERRY_MSG_PROP, .entries = entries};

    for (; msg.n_entries < sizeof(entries) / sizeof(entries[0]); msg.n_entries++)
        entries[msg.n_entries] = (struct ferry_entry){.data = {data, MAX_DATA}};
    send_to(from, to, &msg);
}

static void send_something(struct member *from, size_t to)
{
    uint64_t what = below(100);

    if (what < 50)
        send_append(from, to);
    else if (what < 85)
        send_other(from, to);
    else if (what < 95)
        send_proposal(from, to);
    else if (what < 98)
        send_snapshot(from, to);
    else if (what < 99)
        send_too_much(from, to);
    else
        send_to_a_stranger(from);
}

static size_t other_than(size_t place)
{
    size_t to = below(n_members - 1);

    return to < place ? to : to + 1;
}

static void send_burst(void)
{
    struct member *from = &members[below(n_members)];
    size_t to = other_than(from->place);

    for (size_t n = 1 + below(one_in(4) ? 60 : 8); from->t && n > 0; n--)
        send_something(from, one_in(4) ? other_than(from->place) : to);
}

/* ---- Peers --------------------------------------------------------------------------------------------------------
 */

struct urls {
    char text[2][64];
    const char *list[3];
};

/* The URLs of a member: where it is, and on some days also where it is not. */
static const char *const *urls_of(const struct member *member, struct urls *urls)
{
    size_t n = 0;

    if (has_wrong_urls && one_in(2))
        snprintf(urls->text[n++], sizeof(urls->text[0]), "http://%s", one_in(2) ? "gone:2380" : "m1:9");
    snprintf(urls->text[n++], sizeof(urls->text[0]), "http://%s:%u", member->host, member->port);
    for (size_t i = 0; i < n; i++)
        urls->list[i] = urls->text[i];
    urls->list[n] = NULL;
    return urls->list;
}

static void add_peer(struct member *member, size_t peer)
{
    struct urls urls;

    must(ferry_transport_add_peer(member->t, members[peer].id, urls_of(&members[peer], &urls)) == FERRY_OK);
    member->knows[peer] = true;
    member->has_cut[peer] = false;
    member->told[peer] = 0;
}

/* The current connections of the two deliver nothing from now on: only new ones may. */
static void bury_connections(const struct member *member, size_t peer)
{
    for (uint64_t i = 1; i <= last_connection; i++)
        if (brought[i].pair == &pairs[peer][member->place] && brought[i].dead_ns == 0)
            brought[i].dead_ns = ferry_sim_now_ns(sim);
}

static void toggle_peer(struct member *member, size_t peer)
{
    if (one_in(8)) {
        must(ferry_transport_remove_all_peers(member->t) == FERRY_OK);
        for (size_t i = 0; i < n_members; i++)
            if (member->knows[i])
                bury_connections(member, i);
        memset(member->knows, 0, sizeof(member->knows));
        memset(member->has_cut, 0, sizeof(member->has_cut));
    } else if (member->knows[peer]) {
        must(ferry_transport_remove_peer(member->t, members[peer].id) == FERRY_OK);
        member->knows[peer] = member->has_cut[peer] = false;
        bury_connections(member, peer);
    } else {
        add_peer(member, peer);
    }
}

/* ---- The core of a member -----------------------------------------------------------------------------------------
 */

static struct member *member_of(uint64_t id)
{
    for (size_t i = 0; i < n_members; i++)
        if (members[i].id == id)
            return &members[i];
    give_up("a message from %" PRIx64, id);
}

static void check_order(const struct pair *pair, uint64_t number)
{
    uint64_t connection = ferry_sim_event_connection(sim);

    must(connection > 0 && connection < MAX_CONNECTIONS);
    must(!brought[connection].pair || brought[connection].pair == pair);
    if (number <= brought[connection].last)
        give_up("connection %" PRIu64 " brought %" PRIu64 " after %" PRIu64, connection, number,
                brought[connection].last);
    if (brought[connection].dead_ns != 0 && brought[connection].dead_ns < ferry_sim_now_ns(sim))
        give_up("connection %" PRIu64 " of a peer that was removed brought %" PRIu64, connection, number);
    brought[connection].pair = pair;
    brought[connection].last = number;
    if (connection > last_connection)
        last_connection = connection;
}

static void answer(struct member *me, size_t to, const struct ferry_message *msg)
{
    struct ferry_message response = {.term = msg->term};

    if (msg->type == FERRY_MSG_APP)
        response.type = FERRY_MSG_APP_RESP;
    else if (msg->type == FERRY_MSG_HEARTBEAT)
        response.type = FERRY_MSG_HEARTBEAT_RESP;
    else
        return;
    send_to(me, to, &response);
}

static int process(void *ctx, const struct ferry_message *msg)
{
    struct member *me = ctx;
    struct member *from = member_of(msg->from);
    struct pair *pair = &pairs[from->place][me->place];
    struct sent *sent = &pair->sent[msg->commit - 1];
    bool is_from_stranger;

    must(me->t && msg->to == me->id);
    must(msg->commit >= 1 && msg->commit <= pair->n_sent);
    if (sent->has_come)
        give_up("message %" PRIu64 " from %" PRIx64 " to %" PRIx64 " came twice", msg->commit, msg->from, msg->to);
    if (sent->digest != digest(msg))
        give_up("message %" PRIu64 " from %" PRIx64 " to %" PRIx64 " was changed", msg->commit, msg->from, msg->to);
    must(!me->knows[from->place] || (!me->is_paused && !me->has_cut[from->place]));
    sent->has_come = true;
    check_order(pair, msg->commit);
    mix(&observed, ferry_sim_now_ns(sim));
    mix(&observed, msg->commit);

    n_come++;
    me->n_processed++;
    is_from_stranger = !me->knows[from->place];
    me->n_from_strangers += is_from_stranger;
    if (msg->type == FERRY_MSG_SNAP)
        all_snapshots_come++;
    if (one_in(16)) {
        ferry_message_unref(me->kept);
        me->kept = ferry_message_ref(msg);
    }
    if (one_in(2))
        answer(me, from->place, msg);
    if (!is_mended && one_in(500)) /* a core may change its mind about members at any time */
        toggle_peer(me, other_than(me->place));
    if (is_final || !one_in(50))
        return 0;
    me->n_refused += !is_from_stranger;
    return -1;
}

/* A peer's drops that are reported to the core. */
static uint64_t worth_telling(const struct ferry_peer_status *status)
{
    const uint64_t *n = status->counts.dropped;

    return dropped(&status->counts) - n[FERRY_DROP_PAUSED] - n[FERRY_DROP_CUT];
}

static void report_unreachable(void *ctx, uint64_t id)
{
    struct member *me = ctx;
    struct ferry_peer_status status;

    must(me->t);
    if (ferry_transport_peer_status(me->t, id, &status) == FERRY_OK) /* it may have been removed */
        me->told[member_of(id)->place] = worth_telling(&status);
    mix(&observed, id);
}

static void report_snapshot(void *ctx, uint64_t id, enum ferry_snapshot_result result)
{
    struct member *me = ctx;

    must(me->t && id != STRANGER);
    must(result == FERRY_SNAPSHOT_FINISH || result == FERRY_SNAPSHOT_FAILURE);
    me->n_reported++;
    me->n_finished += result == FERRY_SNAPSHOT_FINISH;
    mix(&observed, id + (uint64_t)result);
}

static void report_fatal(void *ctx, int err)
{
    (void)ctx;
    give_up("report_fatal: %s", ferry_strerror(err));
}

static void on_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    const struct member *me = ctx;

    (void)level;
    fprintf(stderr, "    %s %s %" PRIx64 ": %s\n", me->host, id, peer, text);
}

static void on_trace(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "%s\n", line);
}

/* ---- Members come and go ------------------------------------------------------------------------------------------
 */

static void boot(struct member *member)
{
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    char url[64];
    const char *listen_urls[] = {url, NULL};

    snprintf(url, sizeof(url), "http://%s:%u", member->host, member->port);
    cfg.id = member->id;
    cfg.cluster_id = 0x1000;
    cfg.core = (struct ferry_core){.ctx = member,
                                   .process = process,
                                   .report_unreachable = report_unreachable,
                                   .report_snapshot = report_snapshot,
                                   .report_fatal = report_fatal};
    cfg.listen_urls = listen_urls;
    cfg.form = (enum ferry_wire_form)below(3);
    cfg.read_timeout_ms = READ_TIMEOUT_MS;
    cfg.dial_timeout_ms = DIAL_TIMEOUT_MS;
    cfg.post_timeout_ms = POST_TIMEOUT_MS;
    cfg.dial_retry_ms = DIAL_RETRY_MS;
    cfg.max_message_bytes = MAX_MESSAGE_BYTES;
    cfg.max_remotes = 0; /* a member that was removed here stays unknown, as the accounts have it */
    cfg.probe_interval_ms = PROBE_INTERVAL_MS;
    if (is_cramped) {
        cfg.max_queue_messages = 12;
        cfg.max_pipeline_messages = 6;
        cfg.max_send_bytes = 40000;
    }
    cfg.log = is_loud ? on_log : NULL;
    cfg.log_ctx = member;
    must(ferry_sim_transport_new(sim, &cfg, &member->t) == FERRY_OK);
    must(ferry_transport_start(member->t) == FERRY_OK);
    for (size_t i = 0; i < n_members; i++) {
        member->knows[i] = member->has_cut[i] = false;
        if (i != member->place)
            add_peer(member, i);
    }
    if (member->is_paused)
        ferry_transport_pause(member->t);
}

/* The account at the end of a transport: every message sent ended as one of written or dropped. */
static void check_end(const struct member *member)
{
    struct ferry_counts counts;

    ferry_transport_totals(member->t, &counts);
    must(counts.sent == member->n_sent);
    must(counts.sent == counts.written + dropped(&counts));
    must(counts.dropped[FERRY_DROP_UNKNOWN_PEER] == member->n_unknown);
    must(counts.received - counts.received_dropped <= member->n_processed);
    must(member->n_processed - member->n_from_strangers <= counts.received - counts.received_dropped);
    must(counts.refused >= member->n_refused && counts.refused <= member->n_refused + member->n_from_strangers);
    if (member->n_reported != member->n_snapshots)
        give_up("%" PRIu64 " MsgSnap accepted, %" PRIu64 " reported", member->n_snapshots, member->n_reported);

    all_counts.written += counts.written;
    all_counts.received += counts.received;
    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        all_counts.dropped[i] += counts.dropped[i];
    all_finished += member->n_finished;
}

static void shut_down(struct member *member)
{
    ferry_transport_stop(member->t);
    check_end(member);
    ferry_transport_free(member->t);
    member->t = NULL;
    member->n_sent = member->n_unknown = member->n_snapshots = member->n_reported = member->n_finished = 0;
    member->n_processed = member->n_from_strangers = member->n_refused = 0;
}

static void take_down(struct member *member, enum fault fault)
{
    if (fault == FAULT_CRASH)
        must(ferry_sim_crash(sim, member->id, FERRY_SIM_CRASH_PROCESS) == FERRY_OK);
    else if (fault == FAULT_POWER)
        must(ferry_sim_crash(sim, member->id, FERRY_SIM_CRASH_HOST) == FERRY_OK);
    shut_down(member);
    member->back_at_ns = ferry_sim_now_ns(sim) + fy_chance_between(&chance, 0, 200) * FERRY_SIM_MS;
}

static void bring_back(struct member *member)
{
    if (!ferry_sim_is_up(sim, member->id))
        must(ferry_sim_restart(sim, member->id) == FERRY_OK);
    boot(member);
}

/* Tell everybody where everybody is. */
static void update_all(const struct member *moved)
{
    struct urls urls;

    for (size_t i = 0; i < n_members; i++)
        if (members[i].t && members[i].knows[moved->place])
            must(ferry_transport_update_peer(members[i].t, moved->id, urls_of(moved, &urls)) == FERRY_OK);
}

static void move(struct member *member)
{
    take_down(member, one_in(2) ? FAULT_STOP : FAULT_CRASH);
    member->port++;
    update_all(member);
}

/* ---- Faults -------------------------------------------------------------------------------------------------------
 */

static void isolate(struct member *member)
{
    for (size_t i = 0; i < n_members; i++) {
        if (i == member->place)
            continue;
        must(ferry_sim_cut(sim, member->id, members[i].id) == FERRY_OK);
        must(ferry_sim_cut(sim, members[i].id, member->id) == FERRY_OK);
    }
}

static void change_weather(bool is_calm)
{
    struct ferry_sim_weather weather = {.min_delay_ns = 50 * FERRY_SIM_US};

    weather.max_delay_ns =
        weather.min_delay_ns + fy_chance_below(&chance, one_in(4) ? 20 * FERRY_SIM_MS : 2 * FERRY_SIM_MS);
    weather.pieces_ppm = one_in(2) ? (unsigned)below(300000) : 0;
    weather.bytes_ppm = max_data <= 2000 && one_in(2) ? 50000 : 0;
    weather.resets_ppm = !is_calm && one_in(3) ? (unsigned)below(20000) : 0;
    must(ferry_sim_set_weather(sim, &weather) == FERRY_OK);
}

static void toggle_pause(struct member *member)
{
    member->is_paused = !member->is_paused;
    if (member->is_paused)
        ferry_transport_pause(member->t);
    else
        ferry_transport_resume(member->t);
}

static void toggle_cut_peer(struct member *member, size_t peer)
{
    int err = member->has_cut[peer] ? ferry_transport_mend_peer(member->t, members[peer].id)
                                    : ferry_transport_cut_peer(member->t, members[peer].id);

    must(err == (member->knows[peer] ? FERRY_OK : FERRY_ERR_NOT_FOUND));
    if (err == FERRY_OK)
        member->has_cut[peer] = !member->has_cut[peer];
}

static void inflict(enum fault fault)
{
    struct member *a = &members[below(n_members)];
    size_t place = other_than(a->place);
    struct member *b = &members[place];

    n_faults[fault]++;
    switch (fault) {
    case FAULT_CUT:
        must(ferry_sim_cut(sim, b->id, a->id) == FERRY_OK);
        must(ferry_sim_cut(sim, a->id, b->id) == FERRY_OK);
        break;
    case FAULT_CUT_ONE_WAY:
        must(ferry_sim_cut(sim, a->id, b->id) == FERRY_OK);
        break;
    case FAULT_ISOLATE:
        isolate(a);
        break;
    case FAULT_HEAL:
        if (one_in(2)) {
            ferry_sim_heal_all(sim);
        } else {
            must(ferry_sim_heal(sim, a->id, b->id) == FERRY_OK);
            must(ferry_sim_heal(sim, b->id, a->id) == FERRY_OK);
        }
        break;
    case FAULT_SLOW:
        must(ferry_sim_delay(sim, a->id, b->id, below(50) * FERRY_SIM_MS) == FERRY_OK);
        break;
    case FAULT_RESET:
        must(ferry_sim_reset_connections(sim, a->id, b->id, FERRY_SIM_RESET_BOTH) == FERRY_OK);
        break;
    case FAULT_HALF_RESET:
        must(ferry_sim_reset_connections(sim, a->id, b->id, FERRY_SIM_RESET_ONE) == FERRY_OK);
        break;
    case FAULT_CRASH:
    case FAULT_POWER:
    case FAULT_STOP:
        if (a->t)
            take_down(a, fault);
        break;
    case FAULT_MOVE:
        if (a->t)
            move(a);
        break;
    case FAULT_PAUSE:
        if (a->t)
            toggle_pause(a);
        break;
    case FAULT_CUT_PEER:
        if (a->t)
            toggle_cut_peer(a, place);
        break;
    case FAULT_REMOVE:
        if (a->t)
            toggle_peer(a, place);
        break;
    default:
        change_weather(false);
        break;
    }
}

static void mend_all(void)
{
    is_mended = true;
    ferry_sim_heal_all(sim);
    change_weather(true);
    for (size_t i = 0; i < n_members; i++) {
        struct member *member = &members[i];

        member->is_paused = false;
        if (!member->t)
            bring_back(member);
        ferry_transport_resume(member->t);
        for (size_t k = 0; k < n_members; k++) {
            if (k != i && !member->knows[k])
                add_peer(member, k);
            if (k != i)
                must(ferry_transport_mend_peer(member->t, members[k].id) == FERRY_OK);
            member->has_cut[k] = false;
        }
    }
    for (size_t i = 0; i < n_members; i++)
        update_all(&members[i]);
}

/* ---- What must hold -----------------------------------------------------------------------------------------------
 */

static void run_for_ms(uint64_t n_ms)
{
    must(ferry_sim_run_until(sim, ferry_sim_now_ns(sim) + n_ms * FERRY_SIM_MS) == FERRY_OK);
}

/* The account of each peer, at a moment of rest. */
static void check_accounts(void)
{
    struct ferry_peer_status status;

    for (size_t i = 0; i < n_members; i++)
        for (size_t k = 0; k < n_members && members[i].t; k++)
            if (members[i].knows[k]) {
                must(ferry_transport_peer_status(members[i].t, members[k].id, &status) == FERRY_OK);
                must(status.counts.sent == status.counts.written + dropped(&status.counts) + status.queued_messages);
                must(status.queued_messages > 0 || status.queued_bytes == 0);
            }
}

static bool is_attached(const struct ferry_peer_status *status)
{
    return status->writer_attached[FERRY_STREAM_MSGAPP] && status->writer_attached[FERRY_STREAM_MESSAGE] &&
           status->reader_attached[FERRY_STREAM_MSGAPP] && status->reader_attached[FERRY_STREAM_MESSAGE];
}

/* The first member and peer between which a stream is missing, or that have something queued. */
static bool find_unsettled(struct ferry_peer_status *ret_status, size_t *ret_member)
{
    for (size_t i = 0; i < n_members; i++)
        for (size_t k = 0; k < n_members; k++) {
            if (k == i)
                continue;
            must(ferry_transport_peer_status(members[i].t, members[k].id, ret_status) == FERRY_OK);
            *ret_member = i;
            if (!is_attached(ret_status) || ret_status->queued_messages > 0)
                return true;
        }
    return false;
}

static void establish(void)
{
    uint64_t limit_ns = ferry_sim_now_ns(sim) + ESTABLISH_MS * FERRY_SIM_MS;
    struct ferry_peer_status status;
    size_t member;

    run_for_ms(SETTLE_MS);
    while (find_unsettled(&status, &member)) {
        if (ferry_sim_now_ns(sim) >= limit_ns)
            give_up("%s and peer %" PRIx64 ": %zu queued, writers %d %d, readers %d %d, last error: %s",
                    members[member].host, status.id, status.queued_messages, status.writer_attached[0],
                    status.writer_attached[1], status.reader_attached[0], status.reader_attached[1], status.last_error);
        run_for_ms(10);
    }
}

static void send_last_batch(void)
{
    is_final = true;
    max_data = 200;
    for (size_t from = 0; from < n_members; from++)
        for (size_t to = 0; to < n_members; to++) {
            if (to == from)
                continue;
            for (int i = 0; i < 4; i++)
                send_append(&members[from], to);
            for (int i = 0; i < 2; i++)
                send_other(&members[from], to);
            send_proposal(&members[from], to);
            if (!has_wrong_urls)
                send_snapshot(&members[from], to);
        }
}

static void check_arrived(void)
{
    struct ferry_peer_status status;
    size_t member;

    for (size_t from = 0; from < n_members; from++)
        for (size_t to = 0; to < n_members; to++)
            for (size_t i = 0; i < pairs[from][to].n_sent; i++)
                if (pairs[from][to].sent[i].must_come && !pairs[from][to].sent[i].has_come)
                    give_up("message %zu from %s to %s did not come", i + 1, members[from].host, members[to].host);
    must(!find_unsettled(&status, &member));
    for (size_t i = 0; i < n_members; i++)
        for (size_t k = 0; k < n_members; k++)
            if (k != i) {
                must(ferry_transport_peer_status(members[i].t, members[k].id, &status) == FERRY_OK);
                if (!status.active && !has_wrong_urls)
                    give_up("%s holds peer %" PRIx64 " for inactive: %s", members[i].host, status.id,
                            status.last_error);
                must(status.queued_messages == 0 && status.queued_bytes == 0);
                if (members[i].told[k] != worth_telling(&status))
                    give_up("%s dropped %" PRIu64 " messages to peer %" PRIx64 ", but reported %" PRIu64,
                            members[i].host, worth_telling(&status), status.id, members[i].told[k]);
            }
}

/* Left alone, nothing changes: the links' heartbeats keep every stream. */
static void check_idle(void)
{
    struct ferry_peer_status before[MAX_MEMBERS][MAX_MEMBERS], after;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n_members; i++)
            for (size_t k = 0; k < n_members; k++) {
                if (k == i)
                    continue;
                must(ferry_transport_peer_status(members[i].t, members[k].id, round ? &after : &before[i][k]) == 0);
                if (round)
                    must(after.dials[0] == before[i][k].dials[0] && after.dials[1] == before[i][k].dials[1]);
            }
        if (round == 0)
            run_for_ms(3 * READ_TIMEOUT_MS);
    }
}

/* What was received was sent: each message that came had ended as written, or in a way that may lie. */
static void check_sums(void)
{
    must(all_counts.received <= all_counts.written + all_counts.dropped[FERRY_DROP_POST_FAILED] +
                                    all_counts.dropped[FERRY_DROP_STOPPED] + all_counts.dropped[FERRY_DROP_REMOVED]);
    must(all_finished <= all_snapshots_come);
    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        n_drops[i] += all_counts.dropped[i];
}

/* ---- A day --------------------------------------------------------------------------------------------------------
 */

static void begin_day(void)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    static const size_t windows[] = {500, 4096, 65536};

    fy_chance_init(&chance, seed, 1000);
    memset(&all_counts, 0, sizeof(all_counts));
    all_finished = all_snapshots_come = observed = 0;
    is_mended = is_final = false;
    n_members = 3 + below(MAX_MEMBERS - 2);
    is_cramped = one_in(3);
    has_wrong_urls = one_in(4);
    max_data = one_in(3) ? MAX_DATA / 2 : 2000;
    cfg.window_bytes = windows[max_data > 2000 ? 2 : below(3)];
    cfg.write_timeout_ms = WRITE_TIMEOUT_MS;
    cfg.trace = is_loud ? on_trace : NULL;
    must(ferry_sim_new(seed, &cfg, &sim) == FERRY_OK);
    change_weather(true);
    for (size_t i = 0; i < n_members; i++) {
        struct member *member = &members[i];

        *member = (struct member){.place = i, .id = 0x100 * (i + 1), .port = 2380};
        snprintf(member->host, sizeof(member->host), "m%zu", i + 1);
        must(ferry_sim_add_member(sim, member->id, member->host) == FERRY_OK);
        for (size_t k = 0; k < n_members; k++)
            pairs[i][k].n_sent = pairs[i][k].term = pairs[i][k].index = 0;
    }
    for (size_t i = 0; i < n_members; i++)
        boot(&members[i]);
}

static void bad_hours(void)
{
    bool has_faults[N_FAULTS];
    size_t n_steps = 20 + below(80);

    for (size_t i = 0; i < N_FAULTS; i++)
        has_faults[i] = one_in(2);
    for (size_t step = 0; step < n_steps; step++) {
        enum fault fault = (enum fault)below(N_FAULTS);

        if (has_faults[fault] || fault == FAULT_HEAL)
            inflict(fault);
        for (size_t n = below(4); n > 0; n--) {
            send_burst();
            run_for_ms(below(one_in(4) ? 60 : 10));
        }
        for (size_t i = 0; i < n_members; i++)
            if (!members[i].t && members[i].back_at_ns <= ferry_sim_now_ns(sim))
                bring_back(&members[i]);
        check_accounts();
    }
}

/* Returns a hash over everything that happened. */
static uint64_t end_day(void)
{
    uint64_t hash;

    for (size_t i = 0; i < n_members; i++)
        shut_down(&members[i]);
    check_sums();
    hash = ferry_sim_trace_hash(sim);
    mix(&hash, observed);
    ferry_sim_free(sim);
    sim = NULL;
    for (size_t i = 0; i < n_members; i++)
        ferry_message_unref(members[i].kept); /* messages outlive everything */
    return hash;
}

static uint64_t live_day(void)
{
    long live = heap_live();
    uint64_t hash;

    memset(brought, 0, sizeof(brought));
    last_connection = 0;
    begin_day();
    bad_hours();
    mend_all();
    establish();
    send_last_batch();
    run_for_ms(ARRIVE_MS);
    check_accounts();
    check_arrived();
    if (seed % 8 == 0)
        check_idle();
    hash = end_day();
    if (heap_live() != live)
        give_up("%ld blocks are left", heap_live() - live);
    return hash;
}

/* ---- Seeds --------------------------------------------------------------------------------------------------------
 */

/* With many seeds, everything that can go wrong must have gone wrong. */
static void check_that_it_rained(void)
{
    static const enum ferry_drop_reason expected[] = {
        FERRY_DROP_QUEUE_FULL, FERRY_DROP_BUDGET,       FERRY_DROP_STREAM_CLOSED, FERRY_DROP_POST_FAILED,
        FERRY_DROP_TOO_LARGE,  FERRY_DROP_PAUSED,       FERRY_DROP_CUT,           FERRY_DROP_REMOVED,
        FERRY_DROP_STOPPED,    FERRY_DROP_UNKNOWN_PEER,
    };

    ck_assert_uint_gt(n_come, 0);
    for (size_t i = 0; i < N_FAULTS; i++)
        ck_assert_uint_gt(n_faults[i], 0);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        ck_assert_msg(n_drops[expected[i]] > 0, "no message was dropped for %s", ferry_drop_reason_name(expected[i]));
}

static void live_days(uint64_t nth)
{
    uint64_t n_seeds = environment_number("FERRY_SIM_SEEDS", PATIENCE_SANITIZED ? 2000 : 10000);
    uint64_t n = 0;

    seed_tell_of_crashes("it_sim", &seed);
    fy_chance_init(&chance, 0, 0);
    for (size_t i = 0; i < MAX_DATA; i++)
        data[i] = (uint8_t)fy_chance_next(&chance);
    if (getenv("FERRY_SIM_SEED")) {
        is_loud = nth == 0;
        seed = environment_number("FERRY_SIM_SEED", 0);
        if (is_loud)
            (void)live_day();
        return;
    }
    for (seed = nth; seed < n_seeds; seed += N_TESTS, n++) {
        uint64_t hash = live_day();

        if (n % 25 == 0 && live_day() != hash)
            give_up("the same seed gave another trace");
    }
    if (n >= 40)
        check_that_it_rained();
}

#define DAYS(nth)                                                                                                      \
    START_TEST(bad_days_end_well_##nth)                                                                                \
    {                                                                                                                  \
        live_days(nth);                                                                                                \
    }                                                                                                                  \
    END_TEST

DAYS(0)
DAYS(1)
DAYS(2)
DAYS(3)
DAYS(4)
DAYS(5)
DAYS(6)
DAYS(7)
DAYS(8)
DAYS(9)

int main(void)
{
    rig_step_aside();
    return rig_main("sim", heap_setup, heap_teardown, bad_days_end_well_0, bad_days_end_well_1, bad_days_end_well_2,
                    bad_days_end_well_3, bad_days_end_well_4, bad_days_end_well_5, bad_days_end_well_6,
                    bad_days_end_well_7, bad_days_end_well_8, bad_days_end_well_9, NULL);
}
