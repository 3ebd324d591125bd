/*
 * member - Raft, its disk, the keys and the transport, on a thread of its own.
 *
 * The thread takes what has come, tells Raft, and then settles: what has to be on disk is written, at most one sync for
 * all of it; only then answers and appends leave; then what is committed is applied.  So however much comes at once
 * costs one write.
 *
 * Nobody else touches Raft, the disk or the keys: other threads put into the inbox, and whoever wants to know something
 * has the thread call a function and waits.  The cluster alone has a lock, for the transport's thread asks it.
 */
#include "etcd-member/member.h"

#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/bodies.h"
#include "etcd-member/etcdserver.pb-c.h"
#include "etcd-member/identity.h"
#include "etcd-member/inbox.h"
#include "etcd-member/join.h"
#include "etcd-member/lease_routes.h"
#include "etcd-member/lessor.h"
#include "etcd-member/mem.h"
#include "etcd-member/peer_routes.h"
#include "etcd-member/peers.h"
#include "etcd-member/proposals.h"
#include "etcd-member/publisher.h"
#include "etcd-member/raft.h"
#include "etcd-member/say.h"
#include "etcd-member/state_machine.h"
#include "etcd-member/storage.h"
#include "etcd-member/version.h"
#include "ferry/tls.h"

#define TICKS_PER_ELECTION 10
#define PUTS_PER_PROPOSAL 64

struct member {
    const struct options *options;
    uint64_t id;
    uint64_t cluster_id;
    struct raft raft;
    struct storage *storage;
    struct snapshot snapshot; /* what the log begins behind */
    struct bodies bodies;
    struct cluster cluster;
    struct state_machine machine;
    struct peer_routes routes;
    struct ferry_transport *transport;
    struct peers peers;
    struct proposals proposals;
    struct publisher publisher;
    struct lessor lessor;
    bool keeps_leases; /* the lessor leads */
    struct inbox inbox;
    pthread_t thread;

    struct timespec next_tick;
    unsigned tick_ms;
    unsigned ticks_to_leave; /* having been removed: until we talk to nobody; 0: we take part, or have left */
    unsigned ticks_to_end;   /* having been told to stop as leader: for somebody to take over */
    bool is_stopping;
    bool is_removed;
};

/* ---- Messages out
 * ------------------------------------------------------------------------------------------------------- */

static void send_snapshot(struct member *m, const struct ferry_message *msg)
{
    struct ferry_snapshot snapshot;
    struct ferry_snapshot_source source;
    struct ferry_message filled = *msg;
    struct conf conf = {0};
    bool is_sent;

    conf_copy(&m->snapshot.conf, &conf);
    if (!conf_has(&conf, msg->to)) /* it came later; who is not in its snapshot would not take it */
        ids_add(ids_have(&m->raft.conf.learners, msg->to) ? &conf.learners : &conf.voters, msg->to);
    snapshot = snapshot_view(&m->snapshot);
    snapshot.conf_state = conf_to_state(&conf);
    filled.snapshot = &snapshot;
    if (bodies_source(&m->bodies, snapshot.index, &source))
        is_sent = ferry_transport_send_snapshot(m->transport, &filled, &source) == FERRY_OK;
    else
        is_sent = ferry_transport_send(m->transport, &filled, 1) == FERRY_OK;
    conf_release(&conf);
    if (!is_sent)
        raft_report_snapshot(&m->raft, msg->to, false);
}

static void send_message(void *ctx, const struct ferry_message *msg)
{
    struct member *m = ctx;

    if (msg->type == FERRY_MSG_SNAP)
        send_snapshot(m, msg);
    else
        (void)ferry_transport_send(m->transport, msg, 1); /* what is dropped Raft hears of */
}

/* ---- Applying
 * ----------------------------------------------------------------------------------------------------------- */

static void be_removed(struct member *m, const char *how)
{
    if (m->is_removed)
        return;
    say("removed from the cluster: %s", how);
    m->is_removed = true;
    m->ticks_to_leave = TICKS_PER_ELECTION; /* the others may want an answer yet */
}

/* A change of the configuration was applied: is it the promotion that is waited for? */
static void end_promotion(struct member *m)
{
    uint64_t id = promotions_pending(&m->routes.promotions);
    const struct cluster_member *member = cluster_members_find(&m->cluster.applied, id);

    if (member && !member->is_learner)
        promotions_end(&m->routes.promotions, id, PROMOTION_DONE);
}

static void apply(struct member *m, const struct ferry_entry *entry)
{
    struct effect effect = state_machine_apply(&m->machine, entry);

    raft_applied(&m->raft, entry->index);
    publisher_hear(&m->publisher, &effect.publication);
    if (!effect.is_conf_change)
        return;
    raft_change_conf(&m->raft, effect.changes, effect.n_changes, effect.transition);
    free(effect.changes);
    end_promotion(m);
    if (m->transport)
        peers_follow(&m->peers, &m->cluster, m->snapshot.index == 0);
    if (cluster_is_removed(&m->cluster, m->id))
        be_removed(m, "the log says so");
}

static void apply_all(struct member *m)
{
    const struct ferry_entry *entry;

    while ((entry = raft_next(&m->raft)) != NULL)
        apply(m, entry);
}

/* Make true what Raft's state has become, until nothing more follows from it. */
static void settle(struct member *m)
{
    do {
        struct raft_unstable u = raft_unstable(&m->raft);

        if (u.state_changed)
            storage_append(m->storage, &u.state, raft_log_get(&m->raft.log, u.first), u.n, u.must_sync);
        raft_stable(&m->raft, &u);
        raft_flush(&m->raft, send_message, m);
        apply_all(m);
    } while (raft_has_work(&m->raft));
}

/* Those of our snapshot's body; NULL: it came without one. */
static void take_keys(struct member *m, struct keyspace *keys)
{
    keyspace_free(m->machine.keys);
    m->machine.keys = keys ? keys : keyspace_new();
    if (!keys)
        keyspace_diverge(m->machine.keys, m->snapshot.index, "the snapshot came without its keys");
}

/* ---- Promotions
 * ------------------------------------------------------------------------------------------------------- */

/* What keeps the learner from being promoted; PROMOTION_PENDING: nothing, and its entry is in the log. */
static enum promotion propose_promotion(struct member *m, uint64_t id)
{
    const struct cluster_member *learner = cluster_members_find(&m->cluster.applied, id);
    struct ferry_entry entry = {.type = FERRY_ENTRY_CONF_CHANGE};
    bool is_proposed;

    if (m->raft.role != RAFT_LEADER || m->is_removed)
        return PROMOTION_NO_LEADER;
    if (!learner)
        return PROMOTION_NO_MEMBER;
    if (!learner->is_learner)
        return PROMOTION_NO_LEARNER;
    if (!raft_is_learner_ready(&m->raft, id))
        return PROMOTION_NOT_READY;
    entry.data = proposals_promotion(&m->proposals, id);
    is_proposed = raft_propose(&m->raft, &entry, 1);
    proposals_free(entry.data);
    return is_proposed ? PROMOTION_PENDING : PROMOTION_NO_LEADER;
}

static void promote(void *arg)
{
    struct member *m = arg;
    uint64_t id = promotions_pending(&m->routes.promotions);

    if (id != 0)
        promotions_end(&m->routes.promotions, id, propose_promotion(m, id));
}

static void on_promotion(void *ctx, uint64_t id)
{
    struct member *m = ctx;

    (void)id; /* it is the pending one */
    (void)inbox_put(&m->inbox, &(struct inbox_item){.kind = INBOX_CALL, .call = promote, .arg = m}); /* has room */
}

/* ---- Messages in
 * -------------------------------------------------------------------------------------------------------- */

static void install(struct member *m, const struct ferry_message *msg)
{
    struct raft_hard_state state = {.commit = msg->snapshot->index};
    struct keyspace *keys = bodies_take_keys(&m->bodies, msg->snapshot->index);
    struct raft_unstable u;

    if (!cluster_load(&m->cluster, msg->snapshot->data)) {
        say("the snapshot at %" PRIu64 " names no members: not taken", msg->snapshot->index);
        keyspace_free(keys);
        return;
    }
    say("snapshot at %" PRIu64 ", %zu keys", msg->snapshot->index, keys ? keyspace_count(keys) : 0);
    snapshot_set(&m->snapshot, msg->snapshot);
    take_keys(m, keys);
    raft_restored(&m->raft, msg);
    state.term = m->raft.term;
    state.vote = m->raft.vote;
    storage_restart(m->storage, &m->snapshot, &state);
    u = raft_unstable(&m->raft);
    raft_stable(&m->raft, &u);
    bodies_forget_older(&m->bodies, m->snapshot.index);
    peers_follow(&m->peers, &m->cluster, false);
}

static void take_message(struct member *m, const struct ferry_message *msg)
{
    if (msg->to != m->id) {
        say("%s of %" PRIx64 " is for %" PRIx64, ferry_message_type_name(msg->type), msg->from, msg->to);
        return;
    }
    if (cluster_is_removed(&m->cluster, msg->from) || (m->is_removed && m->ticks_to_leave == 0))
        return;
    if (msg->type != FERRY_MSG_SNAP)
        raft_step(&m->raft, msg);
    else if (raft_wants_snapshot(&m->raft, msg))
        install(m, msg);
}

static void take(struct member *m, const struct inbox_item *item)
{
    switch (item->kind) {
    case INBOX_MESSAGE:
        take_message(m, item->msg);
        break;
    case INBOX_CALL:
        item->call(item->arg);
        break;
    case INBOX_UNREACHABLE:
        raft_report_unreachable(&m->raft, item->id);
        break;
    case INBOX_SNAPSHOT:
        raft_report_snapshot(&m->raft, item->id, item->result == FERRY_SNAPSHOT_FINISH);
        break;
    case INBOX_FATAL:
        be_removed(m, "a peer says so");
        break;
    }
}

/* ---- Ferry's callbacks, on its thread
 * ----------------------------------------------------------------------------------- */

static int on_process(void *ctx, const struct ferry_message *msg)
{
    struct member *m = ctx;
    struct inbox_item item = {.kind = INBOX_MESSAGE, .msg = ferry_message_ref(msg)};

    if (inbox_put(&m->inbox, &item))
        return 0;
    ferry_message_unref(msg);
    return -1;
}

static bool on_is_id_removed(void *ctx, uint64_t id)
{
    struct member *m = ctx;

    return cluster_is_removed(&m->cluster, id);
}

static void on_unreachable(void *ctx, uint64_t id)
{
    struct member *m = ctx;

    (void)inbox_put(&m->inbox, &(struct inbox_item){.kind = INBOX_UNREACHABLE, .id = id}); /* has room */
}

static void on_snapshot(void *ctx, uint64_t id, enum ferry_snapshot_result result)
{
    struct member *m = ctx;

    (void)inbox_put(&m->inbox, &(struct inbox_item){.kind = INBOX_SNAPSHOT, .id = id, .result = (int)result});
}

static void on_fatal(void *ctx, int err)
{
    struct member *m = ctx;

    (void)inbox_put(&m->inbox, &(struct inbox_item){.kind = INBOX_FATAL, .result = err});
}

static void on_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};

    (void)ctx;
    say("[%s] %s %" PRIx64 ": %s", levels[level], id, peer, text);
}

/* ---- Time
 * --------------------------------------------------------------------------------------------------------------- */

/* Tell the cluster our name if that is due, in the form that the oldest of its servers reads. */
static void publish(struct member *m)
{
    struct ferry_entry entry = {.type = FERRY_ENTRY_NORMAL};
    const char *version = m->options->server_version;
    char cluster_version[32];

    cluster_get_version(&m->cluster, cluster_version, sizeof(cluster_version));
    if (!cluster_members_find(&m->cluster.applied, m->id) || m->is_removed || m->raft.leader == 0 ||
        !publisher_is_due(&m->publisher, cluster_version))
        return;
    if (version_is_lower(cluster_version, version))
        version = cluster_version;
    entry.data = proposals_name(&m->proposals, m->options->name, version);
    (void)raft_propose(&m->raft, &entry, 1); /* again, unless it is heard of */
    proposals_free(entry.data);
}

/* Let leases end, as long as we lead. */
static void end_leases(struct member *m)
{
    bool leads = raft_leads_up_to_date(&m->raft) && !m->is_removed;
    struct ferry_entry entry = {.type = FERRY_ENTRY_NORMAL};
    uint64_t now = lessor_now_ms();
    int64_t lease;

    if (leads && !m->keeps_leases)
        lessor_lead(&m->lessor, m->machine.keys, now, m->options->election_ms);
    else if (!leads && m->keeps_leases)
        lessor_follow(&m->lessor);
    m->keeps_leases = leads;
    while (leads && lessor_take_ended(&m->lessor, now, 2 * m->options->election_ms, &lease)) {
        entry.data = proposals_revocation(&m->proposals, lease);
        (void)raft_propose(&m->raft, &entry, 1); /* again, unless it is heard of */
        proposals_free(entry.data);
    }
}

static void tick(struct member *m)
{
    if (m->ticks_to_end > 0)
        m->ticks_to_end--;
    if (m->ticks_to_leave > 0 && --m->ticks_to_leave == 0) {
        raft_retire(&m->raft);
        lessor_follow(&m->lessor);
        peers_forget_all(&m->peers);
    }
    if (m->is_removed && m->ticks_to_leave == 0)
        return;
    raft_tick(&m->raft);
    if (m->options->handover)
        raft_hand_over(&m->raft);
    publish(m);
    end_leases(m);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static struct timespec later(const struct timespec *from, unsigned ms)
{
    struct timespec at = {from->tv_sec + ms / 1000, from->tv_nsec + (long)(ms % 1000) * 1000000};

    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static void tick_when_due(struct member *m)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (is_before(&now, &m->next_tick))
        return;
    tick(m); /* once, however late it is: who was stopped has not been without a leader for so long */
    m->next_tick = later(&now, m->tick_ms);
}

static void *run(void *arg)
{
    struct member *m = arg;

    while (!m->is_stopping || (m->raft.role == RAFT_LEADER && m->ticks_to_end > 0)) {
        struct inbox_item *item = inbox_take(&m->inbox, &m->next_tick);

        while (item) {
            struct inbox_item *next = item->next;

            take(m, item);
            ferry_message_unref(item->msg);
            free(item);
            item = next;
        }
        tick_when_due(m);
        settle(m);
    }
    return NULL;
}

/* ---- Life
 * --------------------------------------------------------------------------------------------------------------- */

static void find_out_who_we_are(struct member *m, const struct stored *stored)
{
    char *why = NULL;
    struct cluster_members named = {0};
    bool knows_members = stored->log.n > 0 || stored->snapshot.index > 0;

    if (!options_members(m->options, &named, &why))
        die("%s", why);
    m->id = stored->id;
    m->cluster_id = stored->cluster_id;
    if (!m->options->is_existing) {
        uint64_t *ids = mem_zero(named.n * sizeof(*ids));

        for (size_t i = 0; i < named.n; i++) {
            ids[i] = named.list[i].id;
            if (m->id == 0 && strcmp(named.list[i].name, m->options->name) == 0)
                m->id = ids[i];
        }
        if (m->cluster_id == 0)
            m->cluster_id = identity_of_cluster(ids, named.n);
        free(ids);
        m->cluster.configured = named;
        return;
    }
    if (!knows_members) {
        why = join_cluster(m->options, &named, &m->id, &m->cluster_id, &m->cluster.configured);
        if (why)
            die("cannot join: %s", why);
    }
    cluster_members_release(&named);
}

/* The state at the snapshot that the log begins behind. */
static void load_snapshot(struct member *m)
{
    struct keyspace *keys = bodies_take_keys(&m->bodies, m->snapshot.index);

    if (!cluster_load(&m->cluster, m->snapshot.data))
        die("%s: the snapshot names no members", m->options->data);
    conf_copy(&m->snapshot.conf, &m->raft.conf);
    take_keys(m, keys);
}

/* Take over what was on disk, and bring the state up to what was committed then. */
static void recover(struct member *m, const struct stored *stored)
{
    if (stored->id == 0)
        storage_begin(m->storage, m->id, m->cluster_id);
    m->snapshot = stored->snapshot;
    m->raft.log = stored->log;
    if (m->snapshot.index > 0)
        load_snapshot(m);
    raft_recover(&m->raft, &stored->state);
    apply_all(m);
    say("member %" PRIx64 " of cluster %" PRIx64 ", term %" PRIu64 ", log to %" PRIu64 ", %zu keys", m->id,
        m->cluster_id, m->raft.term, raft_log_last_index(&m->raft.log), keyspace_count(m->machine.keys));
}

static void open_storage(struct member *m, struct stored *stored)
{
    char *snapdir = m->options->snapdir ? mem_print("%s", m->options->snapdir) : mem_print("%s/snap", m->options->data);
    char *why = NULL;

    m->storage = storage_open(m->options->data, stored, &why);
    if (!m->storage)
        die("%s", why);
    if (stored->n_torn > 0)
        say("the last %" PRIu64 " bytes of the log were not finished, and are gone", stored->n_torn);
    if (!bodies_init(&m->bodies, snapdir))
        die("%s: %s", snapdir, strerror(errno));
    free(snapdir);
}

static void start_transport(struct member *m)
{
    const char *const urls[] = {m->options->peer_url, NULL};
    struct ferry_tls_config tls = FERRY_TLS_CONFIG_INIT;
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    int err;

    cfg.id = m->id;
    cfg.cluster_id = m->cluster_id;
    cfg.core = (struct ferry_core){.ctx = m,
                                   .process = on_process,
                                   .is_id_removed = on_is_id_removed,
                                   .report_unreachable = on_unreachable,
                                   .report_snapshot = on_snapshot,
                                   .report_fatal = on_fatal};
    cfg.listen_urls = urls;
    cfg.server_version = m->options->server_version;
    cfg.form = version_form(m->options->server_version);
    cfg.delivery = FERRY_DELIVER_INLINE; /* the inbox takes it */
    cfg.snapshot_sink = bodies_sink(&m->bodies);
    cfg.log = on_log;
    if (m->options->cert) {
        tls.cert_file = m->options->cert;
        tls.key_file = m->options->key;
        tls.ca_file = m->options->ca;
        tls.client_cert_auth = m->options->client_cert_auth;
        cfg.tls = &tls;
    }
    err = ferry_transport_new(&cfg, &m->transport);
    if (!err)
        err = peer_routes_add(&m->routes, m->cluster_id, m->transport);
    if (!err)
        err = lease_routes_add(&m->lessor, m->transport);
    if (!err)
        err = ferry_transport_start(m->transport);
    if (err)
        die("no transport: %s", ferry_strerror(err));
}

static void init_raft(struct member *m)
{
    struct raft_options options = {.id = m->id,
                                   .election_ticks = TICKS_PER_ELECTION,
                                   .heartbeat_ticks = 1,
                                   .campaign_ticks = m->options->campaign_after_ms / m->tick_ms,
                                   .can_lead = m->options->can_lead,
                                   .seed = (unsigned)m->id};

    raft_init(&m->raft, &options);
}

struct member *member_start(const struct options *options)
{
    struct member *m = mem_zero(sizeof(*m));
    struct stored stored = {0};

    m->options = options;
    m->tick_ms = options->election_ms / TICKS_PER_ELECTION;
    inbox_init(&m->inbox);
    cluster_init(&m->cluster, options->max_learners);
    state_machine_init(&m->machine, &m->cluster, options->server_version);
    lessor_init(&m->lessor);
    m->machine.lessor = &m->lessor;
    m->machine.min_ttl_s = (options->election_ms * 3 / 2 + 999) / 1000; /* as etcd: one and a half elections */
    m->routes = (struct peer_routes){
        .cluster = &m->cluster, .server_version = options->server_version, .begin_promotion = on_promotion, .ctx = m};
    promotions_init(&m->routes.promotions);
    open_storage(m, &stored);
    find_out_who_we_are(m, &stored);
    init_raft(m);
    proposals_init(&m->proposals, m->id);
    publisher_init(&m->publisher, m->id, m->proposals.next_id, TICKS_PER_ELECTION);
    recover(m, &stored);
    start_transport(m);
    m->peers.own_id = m->id;
    m->peers.transport = m->transport;
    if (!m->is_removed)
        peers_follow(&m->peers, &m->cluster, m->snapshot.index == 0);
    clock_gettime(CLOCK_MONOTONIC, &m->next_tick);
    if (pthread_create(&m->thread, NULL, run, m))
        die("no thread");
    return m;
}

/* ---- From other threads
 * ------------------------------------------------------------------------------------------------- */

struct question {
    struct member *member;
    void (*fn)(struct member *m, void *arg);
    void *arg;
    sem_t answered;
};

static void answer(void *arg)
{
    struct question *question = arg;

    question->fn(question->member, question->arg);
    sem_post(&question->answered);
}

/* Have the member's thread call fn.  Nobody asks any more when the member is stopped. */
static void ask(struct member *m, void (*fn)(struct member *m, void *arg), void *arg)
{
    struct question question = {.member = m, .fn = fn, .arg = arg};

    sem_init(&question.answered, 0, 0);
    (void)inbox_put(&m->inbox,
                    &(struct inbox_item){.kind = INBOX_CALL, .call = answer, .arg = &question}); /* has room */
    while (sem_wait(&question.answered) && errno == EINTR)
        continue;
    sem_destroy(&question.answered);
}

static void get_status(struct member *m, void *arg)
{
    const struct raft *r = &m->raft;
    struct member_status *status = arg;

    *status = (struct member_status){.id = m->id,
                                     .cluster_id = m->cluster_id,
                                     .term = r->term,
                                     .vote = r->vote,
                                     .commit = r->commit,
                                     .applied = r->applied,
                                     .last = raft_log_last_index(&r->log),
                                     .last_term = raft_log_last_term(&r->log),
                                     .snapshot = r->log.base_index,
                                     .leader = m->is_removed ? 0 : r->leader,
                                     .n_keys = keyspace_count(m->machine.keys),
                                     .role = m->is_removed ? "removed" : raft_role_name(r),
                                     .is_removed = m->is_removed,
                                     .diverged_at = keyspace_rules(m->machine.keys)->diverged_at,
                                     .n_active = ferry_transport_active_peers(m->transport),
                                     .n_members = m->cluster.applied.n,
                                     .n_voters = r->conf.voters.n,
                                     .n_learners = r->conf.learners.n};
    cluster_get_version(&m->cluster, status->cluster_version, sizeof(status->cluster_version));
}

void member_get_status(struct member *m, struct member_status *ret_status)
{
    ask(m, get_status, ret_status);
}

struct text_question {
    const char *key;
    const char *value;
    uint64_t n;
    char *text;
    size_t len;
    bool is_done;
};

static void get(struct member *m, void *arg)
{
    struct text_question *question = arg;
    const struct ferry_bytes name = {(const uint8_t *)question->key, strlen(question->key)};
    const struct key *key = keyspace_get(m->machine.keys, name);

    if (!key)
        return;
    question->text = mem_copy(key->value.data, key->value.len);
    question->len = key->value.len;
}

char *member_get(struct member *m, const char *key, size_t *ret_len)
{
    struct text_question question = {.key = key};

    ask(m, get, &question);
    *ret_len = question.len;
    return question.text;
}

static void dump(struct member *m, void *arg)
{
    struct text_question *question = arg;
    FILE *to = open_memstream(&question->text, &question->len);
    const struct keyspace_rules *rules = keyspace_rules(m->machine.keys);
    const struct key *key = NULL;

    if (!to)
        die("out of memory");
    if (rules->diverged_at != 0)
        fprintf(to, "diverged from entry %" PRIu64 " on: %s\n", rules->diverged_at, rules->diverged_by);
    while ((key = keyspace_next(m->machine.keys, key)) != NULL) {
        (void)fwrite(key->key.data, 1, key->key.len, to); /* to memory */
        putc('\n', to);
        (void)fwrite(key->value.data, 1, key->value.len, to);
        putc('\n', to);
    }
    (void)fclose(to);
}

char *member_dump(struct member *m, size_t *ret_len)
{
    struct text_question question = {0};

    ask(m, dump, &question);
    *ret_len = question.len;
    return question.text;
}

/* Keys number first up to, not including, end. */
static bool propose_puts(struct member *m, const struct text_question *question, uint64_t first, uint64_t end)
{
    struct ferry_entry entries[PUTS_PER_PROPOSAL] = {{0}};
    size_t n = 0;
    bool is_proposed;

    for (uint64_t i = first; i < end; i++) {
        char *key = question->n > 0 ? mem_print("%s%" PRIu64, question->key, i) : mem_print("%s", question->key);

        entries[n++] = (struct ferry_entry){.type = FERRY_ENTRY_NORMAL,
                                            .data = proposals_put(&m->proposals, key, question->value)};
        free(key);
    }
    is_proposed = raft_propose(&m->raft, entries, n);
    while (n > 0)
        proposals_free(entries[--n].data);
    return is_proposed;
}

static void put(struct member *m, void *arg)
{
    struct text_question *question = arg;
    uint64_t n = question->n > 0 ? question->n : 1;

    question->is_done = true;
    for (uint64_t i = 0; i < n && question->is_done; i += PUTS_PER_PROPOSAL)
        question->is_done = propose_puts(m, question, i, n - i < PUTS_PER_PROPOSAL ? n : i + PUTS_PER_PROPOSAL);
}

bool member_put(struct member *m, const char *key, const char *value, uint64_t n)
{
    struct text_question question = {.key = key, .value = value, .n = n};

    ask(m, put, &question);
    return question.is_done;
}

static void campaign(struct member *m, void *arg)
{
    *(bool *)arg = raft_campaign(&m->raft);
}

bool member_campaign(struct member *m)
{
    bool stands = false;

    ask(m, campaign, &stands);
    return stands;
}

struct transfer_question {
    uint64_t id;
    bool is_done;
};

static void transfer(struct member *m, void *arg)
{
    struct transfer_question *question = arg;

    question->is_done = raft_transfer(&m->raft, question->id);
}

bool member_transfer(struct member *m, uint64_t id)
{
    struct transfer_question question = {.id = id};

    ask(m, transfer, &question);
    return question.is_done;
}

/* ---- The end
 * -------------------------------------------------------------------------------------------------------------- */

static void begin_to_stop(struct member *m, void *arg)
{
    (void)arg;
    m->is_stopping = true;
    if (m->raft.role != RAFT_LEADER)
        return;
    raft_hand_over(&m->raft);
    m->ticks_to_end = TICKS_PER_ELECTION; /* or until it has worked */
}

void member_stop(struct member *m)
{
    ask(m, begin_to_stop, NULL);
    (void)pthread_join(m->thread, NULL);
    ferry_transport_free(m->transport);
    inbox_release(&m->inbox);
    promotions_release(&m->routes.promotions);
    lessor_release(&m->lessor);
    peers_release(&m->peers);
    raft_release(&m->raft);
    state_machine_release(&m->machine);
    cluster_release(&m->cluster);
    snapshot_release(&m->snapshot);
    bodies_release(&m->bodies);
    storage_close(m->storage);
    free(m);
}
