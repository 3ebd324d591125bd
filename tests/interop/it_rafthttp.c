/*
 * it_rafthttp - a Ferry member and a member built on etcd's own rafthttp package exchange messages.
 *
 * Both sides generate the same sequence of messages, so the receiver knows what it should get and compares every
 * field.  Which way the messages go is decided by the addresses: with the true ones both sides dial their streams; a
 * side that gets the address of a port without a listener cannot read the other's streams, and the other has
 * to POST.  What really happened is read from both sides' counters.
 *
 * it_rafthttp.sh builds the program for one version of etcd and runs this one: it_rafthttp VERSION PROGRAM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ferry/tls.h"
#include "harness/certificates.h"
#include "harness/member.h"
#include "harness/metrics_page.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/snapshots.h"
#include "interop/go_peer.h"
#include "interop/journal.h"
#include "interop/sequence.h"

#define FERRY_ID UINT64_C(0x9d355f4e8ce901cf)
#define GO_ID UINT64_C(0x53f0b39f7b5ec444)
#define CLUSTER_ID UINT64_C(0xcdf818194e3a8c32)

#define ALL 100000
#define SOME 20000
#define FEW 2000
#define STREAM_WINDOW 1024 /* of which every 64th is a MsgSnap, for a pipeline of 64 */
#define POST_WINDOW 32
#define BATCH 16

#define PATIENCE_MS 120000 /* for a whole exchange, sanitizers included */

/* What a version of etcd understands. */
static struct version {
    const char *name;
    enum ferry_wire_form form; /* its own */
    uint64_t n_types;
    bool late; /* it knows the fields that came with 3.6 */
} versions[] = {
    {"3.4", FERRY_FORM_3_4, 19, false},
    {"3.5", FERRY_FORM_3_4, 19, false},
    {"3.6", FERRY_FORM_3_6, 24, true},
    {"3.7", FERRY_FORM_3_7, 24, true},
};

static const struct version *version; /* from the command line, const after main began */
static const char *program;

/* ---- The pair: one member of each kind -----------------------------------------------------------------------------
 */

enum path {
    PATH_STREAMS,
    PATH_POSTS_TO_GO,
    PATH_POSTS_TO_FERRY,
    PATH_GO_HAS_REMOTE,    /* Ferry is only a remote to the Go side */
    PATH_FERRY_HAS_REMOTE, /* the reverse */
    PATH_FERRY_LEARNS      /* Ferry is told nothing: the Go side's requests make it a remote */
};

static struct pair {
    struct ferry_transport *ferry;
    struct go_peer *go;
    const struct go_peer_tls *tls; /* NULL: plain HTTP; set before the start */
    int dead_socket;               /* bound, without a listener */
    bool go_has_removed_us;        /* so its core is to say */

    uint64_t go_complete;  /* receipts from the Go side; the main thread's, as the next two */
    bool go_has_sent;      /* it has sent all, and knows the fate of each MsgSnap */
    uint64_t go_snapshots; /* so many were among them */

    pthread_mutex_t mu;
    pthread_cond_t snapshots_changed;
    struct journal *journal; /* mu, as all below; what Ferry's core should get; NULL: nothing */
    uint64_t snapshots_finished;
    uint64_t snapshots_failed;
    uint64_t n_unreachable;
    uint64_t n_unexpected; /* messages while there was no journal */
    int fatal;
    uint64_t n_fatal;
    uint64_t removed_id; /* reported as removed by Ferry's core; 0: none */
} pair;

static int on_message(void *ctx, const struct ferry_message *msg)
{
    struct journal *journal;

    (void)ctx;
    pthread_mutex_lock(&pair.mu);
    journal = pair.journal;
    if (!journal)
        pair.n_unexpected++;
    pthread_mutex_unlock(&pair.mu);
    if (journal)
        journal_add(journal, msg);
    return 0;
}

static void on_unreachable(void *ctx, uint64_t id)
{
    (void)ctx;
    (void)id;
    pthread_mutex_lock(&pair.mu);
    pair.n_unreachable++;
    pthread_mutex_unlock(&pair.mu);
}

static void on_snapshot(void *ctx, uint64_t id, enum ferry_snapshot_result result)
{
    (void)ctx;
    pthread_mutex_lock(&pair.mu);
    if (id == GO_ID && result == FERRY_SNAPSHOT_FINISH)
        pair.snapshots_finished++;
    else
        pair.snapshots_failed++;
    pthread_cond_broadcast(&pair.snapshots_changed);
    pthread_mutex_unlock(&pair.mu);
}

static void on_fatal(void *ctx, int err)
{
    (void)ctx;
    pthread_mutex_lock(&pair.mu);
    pair.fatal = err;
    pair.n_fatal++;
    pthread_mutex_unlock(&pair.mu);
}

static bool on_is_id_removed(void *ctx, uint64_t id)
{
    bool is_removed;

    (void)ctx;
    pthread_mutex_lock(&pair.mu);
    is_removed = pair.removed_id != 0 && id == pair.removed_id;
    pthread_mutex_unlock(&pair.mu);
    return is_removed;
}

static void on_receipt(void *arg, uint64_t complete)
{
    go_peer_command(arg, "ack %" PRIu64, complete);
}

static void on_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    (void)ctx;
    fprintf(stderr, "ferry: %d %s %" PRIx64 ": %s\n", (int)level, id, peer, text);
}

static void setup(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    memset(&pair, 0, sizeof(pair));
    pthread_mutex_init(&pair.mu, NULL);
    pthread_cond_init(&pair.snapshots_changed, NULL);
    pair.dead_socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(pair.dead_socket, 0);
    ck_assert_int_eq(bind(pair.dead_socket, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

static void pair_stop(void)
{
    bool ended_well = true;

    ferry_transport_free(pair.ferry);
    pair.ferry = NULL;
    if (pair.go)
        ended_well = go_peer_stop(pair.go, 10000);
    pair.go = NULL;
    journal_free(pair.journal);
    pair.journal = NULL;
    ck_assert_msg(ended_well, "rafthttp-peer did not end well");
}

static void teardown(void)
{
    pair_stop();
    close(pair.dead_socket);
    pthread_cond_destroy(&pair.snapshots_changed);
    pthread_mutex_destroy(&pair.mu);
}

static void dead_url(char *text, size_t cap)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);

    ck_assert_int_eq(getsockname(pair.dead_socket, (struct sockaddr *)&addr, &len), 0);
    snprintf(text, cap, "http://127.0.0.1:%u", (unsigned)ntohs(addr.sin_port));
}

/* Print the state of both sides on standard error before a test fails. */
static void explain(const char *what)
{
    struct ferry_peer_status status = {0};
    json_t *event;

    (void)ferry_transport_peer_status(pair.ferry, GO_ID, &status);
    fprintf(stderr,
            "%s\nferry: active %d writers %d %d readers %d %d dials %" PRIu64 " %" PRIu64 " queued %zu error '%s'\n",
            what, status.active, status.writer_attached[0], status.writer_attached[1], status.reader_attached[0],
            status.reader_attached[1], status.dials[0], status.dials[1], status.queued_messages, status.last_error);
    fprintf(stderr, "ferry: sent %" PRIu64 " written %" PRIu64 " received %" PRIu64 " received_dropped %" PRIu64 "\n",
            status.counts.sent, status.counts.written, status.counts.received, status.counts.received_dropped);
    for (int i = 0; i < FERRY_N_DROP_REASONS; i++) {
        if (status.counts.dropped[i] > 0)
            fprintf(stderr, "ferry: dropped %" PRIu64 " %s\n", status.counts.dropped[i],
                    ferry_drop_reason_name((enum ferry_drop_reason)i));
    }
    if (pair.journal) {
        struct journal_report r = journal_report(pair.journal);

        fprintf(stderr, "ferry: matched %" PRIu64 " different %" PRIu64 " missing %" PRIu64 " %s\n", r.matched,
                r.different, r.missing, r.first_difference);
    }
    go_peer_command(pair.go, "report");
    go_peer_command(pair.go, "status");
    while ((event = go_peer_event(pair.go, 1000))) {
        char *text = json_dumps(event, 0);

        fprintf(stderr, "go: %s\n", text);
        free(text);
        json_decref(event);
    }
}

static uint64_t number_of(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);

    ck_assert_msg(json_is_integer(value), "no number '%s'", key);
    return (uint64_t)json_integer_value(value);
}

/* The next event of that name, for json_decref; receipts and the end of sending are noted on the way. */
static json_t *await_event(const char *name)
{
    for (;;) {
        json_t *event = go_peer_event(pair.go, PATIENCE_MS);
        const char *got = json_string_value(json_object_get(event, "event"));

        if (!got) {
            explain(name);
            ck_abort_msg("no event '%s' from rafthttp-peer", name);
        }
        ck_assert_msg(strcmp(name, "fatal") == 0 || strcmp(got, "fatal") != 0, "rafthttp: %s",
                      json_string_value(json_object_get(event, "error")));
        if (strcmp(got, "received") == 0)
            pair.go_complete = (uint64_t)json_integer_value(json_object_get(event, "count"));
        if (strcmp(got, "sent") == 0) {
            pair.go_snapshots = number_of(event, "snapshots");
            pair.go_has_sent = true;
        }
        if (strcmp(got, name) == 0)
            return event;
        json_decref(event);
    }
}

static void expect_event(const char *name)
{
    json_decref(await_event(name));
}

static json_t *go_status(void)
{
    go_peer_command(pair.go, "status");
    return await_event("status");
}

static struct ferry_peer_status ferry_status(void)
{
    struct ferry_peer_status status;

    ck_assert_int_eq(ferry_transport_peer_status(pair.ferry, GO_ID, &status), FERRY_OK);
    return status;
}

/* Is what the test waits for true now?  Neither side has an event for it. */
typedef bool ready_fn(void);

static void await_ready(ready_fn *is_ready, const char *what)
{
    for (int left_ms = PATIENCE_MS; !is_ready(); left_ms -= 10) {
        if (left_ms <= 0) {
            explain(what);
            ck_abort_msg("timed out waiting until %s", what);
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static bool streams_are_up(void)
{
    struct ferry_peer_status status = ferry_status();
    json_t *event = go_status();
    uint64_t n_writers = number_of(event, "writers");

    json_decref(event);
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        if (!status.writer_attached[i] || !status.reader_attached[i])
            return false;
    }
    return n_writers >= FERRY_N_STREAMS;
}

static bool go_is_known(void)
{
    struct ferry_peer_status status;

    return ferry_transport_peer_status(pair.ferry, GO_ID, &status) == FERRY_OK;
}

/* Let Ferry know the Go side. */
static void introduce(enum path path, const char *url)
{
    const char *const urls[] = {url, NULL};

    if (path == PATH_FERRY_LEARNS) {
        await_ready(go_is_known, "the Go side made itself known");
    } else if (path == PATH_FERRY_HAS_REMOTE) {
        int err = ferry_transport_add_remote(pair.ferry, GO_ID, urls);

        ck_assert(err == FERRY_OK || err == FERRY_ERR_EXISTS); /* the Go side's own requests may have come first */
        ck_assert(go_is_known());
    } else {
        ck_assert_int_eq(ferry_transport_add_peer(pair.ferry, GO_ID, urls), FERRY_OK);
    }
}

/* Start both members and tell them about each other. */
static void pair_start(struct ferry_config *cfg, enum path path)
{
    const char *const listen[] = {pair.tls ? "https://127.0.0.1:0" : "http://127.0.0.1:0", NULL};
    char dead[64];
    const char *go_url, *ferry_url;
    json_t *event;

    dead_url(dead, sizeof(dead));
    cfg->id = FERRY_ID;
    cfg->cluster_id = CLUSTER_ID;
    cfg->listen_urls = listen;
    cfg->core = (struct ferry_core){.process = on_message,
                                    .is_id_removed = on_is_id_removed,
                                    .report_unreachable = on_unreachable,
                                    .report_snapshot = on_snapshot,
                                    .report_fatal = on_fatal};
    cfg->log = on_log;
    ck_assert_int_eq(ferry_transport_new(cfg, &pair.ferry), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(pair.ferry), FERRY_OK);
    pair.go = go_peer_start(program, GO_ID, CLUSTER_ID, pair.tls);
    ck_assert_msg(pair.go != NULL, "%s: %s", program, strerror(errno));
    event = await_event("listening");
    go_url = json_string_value(json_object_get(event, "url"));
    ferry_url = ferry_transport_listen_url(pair.ferry, 0);

    if (pair.go_has_removed_us) {
        go_peer_command(pair.go, "removed %" PRIu64, FERRY_ID);
        expect_event("removed");
    }
    go_peer_command(pair.go, "%s %" PRIu64 " %s", path == PATH_GO_HAS_REMOTE ? "remote" : "peer", FERRY_ID,
                    path == PATH_POSTS_TO_GO ? dead : ferry_url);
    expect_event("added"); /* so that Ferry's first dial finds it done */
    introduce(path, path == PATH_POSTS_TO_FERRY ? dead : go_url);
    json_decref(event);
    if (path == PATH_STREAMS)
        await_ready(streams_are_up, "all four streams are up");
}

/* ---- Exchanges ------------------------------------------------------------------------------------------------------
 */

/* Everything that this version of etcd and this form carry. */
static struct sequence everything(uint64_t seed, uint64_t from, uint64_t to, enum ferry_wire_form form)
{
    bool late = version->late && form != FERRY_FORM_3_4;

    return (struct sequence){.seed = seed, .from = from, .to = to, .types = version->n_types, .late = late};
}

static void go_expects(const struct sequence *seq, uint64_t count, uint64_t window)
{
    pair.go_complete = 0;
    go_peer_command(pair.go, "expect %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRIu64, seq->seed, count,
                    seq->from, seq->types, seq->late, window / 4);
    expect_event("expecting");
}

static void ferry_expects(const struct sequence *seq, uint64_t count, uint64_t window)
{
    struct journal *journal = journal_new(seq, count, window / 4, on_receipt, pair.go);

    pthread_mutex_lock(&pair.mu);
    ck_assert_ptr_null(pair.journal);
    pair.journal = journal;
    pthread_mutex_unlock(&pair.mu);
}

static void go_sends(const struct sequence *seq, uint64_t count, uint64_t window)
{
    pair.go_has_sent = false;
    go_peer_command(pair.go, "send %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRIu64, seq->seed, count,
                    seq->to, seq->types, seq->late, window);
}

static void await_snapshots(uint64_t count)
{
    struct timespec deadline;
    uint64_t finished, failed;
    int err = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&pair.mu);
    while (pair.snapshots_finished + pair.snapshots_failed < count && err == 0)
        err = pthread_cond_timedwait(&pair.snapshots_changed, &pair.mu, &deadline);
    finished = pair.snapshots_finished;
    failed = pair.snapshots_failed;
    pthread_mutex_unlock(&pair.mu);
    ck_assert_uint_eq(finished, count);
    ck_assert_uint_eq(failed, 0);
}

/* A message leaves its queue before it is counted. */
static bool ferry_is_at_rest(void)
{
    struct ferry_peer_status status = ferry_status();

    return status.queued_messages == 0 && status.counts.sent == status.counts.written + counts_dropped(&status.counts);
}

/* Send count messages, never more than window beyond the Go side's receipts; returns how many were MsgSnaps. */
static uint64_t ferry_sends(const struct sequence *seq, uint64_t count, uint64_t window)
{
    struct ferry_message batch[BATCH];
    uint64_t n_snapshots = 0;

    for (uint64_t k = 0; k < count;) {
        struct arena arena = {0};
        size_t n = 0;

        while (k >= pair.go_complete + window)
            expect_event("received");
        while (n < BATCH && k < count && k < pair.go_complete + window) {
            batch[n] = sequence_message(seq, k++, &arena);
            n_snapshots += batch[n++].type == FERRY_MSG_SNAP;
        }
        ck_assert_int_eq(ferry_transport_send(pair.ferry, batch, n), FERRY_OK);
        arena_release(&arena);
    }
    while (pair.go_complete < count)
        expect_event("received");
    await_snapshots(n_snapshots);
    await_ready(ferry_is_at_rest, "Ferry's queues are empty");
    return n_snapshots;
}

static void go_got_it_all(uint64_t count, bool in_order)
{
    const char *first_difference;
    json_t *event;

    go_peer_command(pair.go, "report");
    event = await_event("report");
    first_difference = json_string_value(json_object_get(event, "first_difference"));
    ck_assert_str_eq(first_difference, "");
    ck_assert_uint_eq(number_of(event, "matched"), count);
    ck_assert_uint_eq(number_of(event, "different"), 0);
    ck_assert_uint_eq(number_of(event, "duplicates"), 0);
    ck_assert_uint_eq(number_of(event, "missing"), 0);
    ck_assert_uint_eq(number_of(event, "foreign"), 0);
    if (in_order)
        ck_assert_uint_eq(number_of(event, "disordered"), 0);
    json_decref(event);
}

/* Wait until Ferry's core has got everything, and the Go side knows the fate of its MsgSnaps. */
static void ferry_got_it_all(uint64_t count, bool in_order)
{
    struct journal_report report;
    json_t *event;

    if (!journal_await(pair.journal, PATIENCE_MS)) {
        explain("messages are missing");
        ck_abort_msg("messages are missing");
    }
    report = journal_report(pair.journal);
    ck_assert_str_eq(report.first_difference, "");
    ck_assert_uint_eq(report.matched, count);
    ck_assert_uint_eq(report.different, 0);
    ck_assert_uint_eq(report.duplicates, 0);
    ck_assert_uint_eq(report.foreign, 0);
    if (in_order)
        ck_assert_uint_eq(report.disordered, 0);

    if (!pair.go_has_sent)
        expect_event("sent");
    event = go_status();
    ck_assert_uint_eq(number_of(event, "snapshot_finish"), pair.go_snapshots);
    ck_assert_uint_eq(number_of(event, "snapshot_failure"), 0);
    ck_assert_uint_eq(number_of(event, "unreachable"), 0);
    json_decref(event);
}

/* Ferry's books after it sent and received so many. */
static void ferry_accounts_for(uint64_t sent, uint64_t received)
{
    struct ferry_peer_status status = ferry_status();

    ck_assert_uint_eq(status.counts.sent, sent);
    ck_assert_uint_eq(status.counts.written, sent);
    for (int i = 0; i < FERRY_N_DROP_REASONS; i++)
        ck_assert_uint_eq(status.counts.dropped[i], 0);
    ck_assert_uint_eq(status.counts.received, received);
    ck_assert_uint_eq(status.counts.received_dropped, 0);
    ck_assert_uint_eq(status.counts.refused, 0);
    pthread_mutex_lock(&pair.mu);
    ck_assert_uint_eq(pair.n_unexpected, 0);
    ck_assert_uint_eq(pair.n_unreachable, 0);
    ck_assert_int_eq(pair.fatal, 0);
    pthread_mutex_unlock(&pair.mu);
}

/* Only the MsgSnaps were POSTed to the Go side, and both sides hold each other for active. */
static void streams_were_used(uint64_t n_posts_to_go)
{
    struct ferry_peer_status status = ferry_status();
    json_t *event = go_status();

    ck_assert_uint_eq(number_of(event, "pipeline_requests"), n_posts_to_go);
    ck_assert_uint_eq(number_of(event, "stream_requests"), FERRY_N_STREAMS);
    ck_assert_uint_eq(number_of(event, "writers"), FERRY_N_STREAMS);
    ck_assert(json_is_true(json_object_get(event, "active")));
    json_decref(event);
    ck_assert(status.active);
    ck_assert_uint_gt(status.active_since_ms, 0);
    ck_assert_uint_eq(ferry_transport_active_peers(pair.ferry), 1);
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        ck_assert(status.writer_attached[i]);
        ck_assert(status.reader_attached[i]);
    }
}

/* ---- Tests
 * ------------------------------------------------------------------------------------------------------------ */

/* The sequences have messages of all kinds in the names of other members. */
static struct ferry_config config_of(enum ferry_wire_form form)
{
    struct ferry_config cfg = FERRY_CONFIG_INIT;

    cfg.form = form;
    cfg.allow_foreign_from = true;
    return cfg;
}

static struct ferry_config native_config(void)
{
    return config_of(version->form);
}

START_TEST(streams_carry_everything_from_ferry_to_go)
{
    struct ferry_config cfg = native_config();
    struct sequence seq = everything(1, FERRY_ID, GO_ID, cfg.form);
    uint64_t n_snapshots;

    pair_start(&cfg, PATH_STREAMS);
    go_expects(&seq, ALL, STREAM_WINDOW);
    n_snapshots = ferry_sends(&seq, ALL, STREAM_WINDOW);
    go_got_it_all(ALL, true);
    ferry_accounts_for(ALL, 0);
    streams_were_used(n_snapshots);
}
END_TEST

START_TEST(streams_carry_everything_from_go_to_ferry)
{
    struct ferry_config cfg = native_config();
    struct sequence seq = everything(2, GO_ID, FERRY_ID, version->form);

    pair_start(&cfg, PATH_STREAMS);
    ferry_expects(&seq, ALL, STREAM_WINDOW);
    go_sends(&seq, ALL, STREAM_WINDOW);
    ferry_got_it_all(ALL, true);
    ferry_accounts_for(0, ALL);
    streams_were_used(0);
}
END_TEST

START_TEST(streams_carry_both_ways_at_once)
{
    struct ferry_config cfg = native_config();
    struct sequence out = everything(3, FERRY_ID, GO_ID, cfg.form);
    struct sequence in = everything(0, GO_ID, FERRY_ID, version->form); /* seed 0: commits from 0 on */
    uint64_t n_snapshots;

    cfg.delivery = FERRY_DELIVER_INLINE;
    pair_start(&cfg, PATH_STREAMS);
    go_expects(&out, SOME, STREAM_WINDOW);
    ferry_expects(&in, SOME, STREAM_WINDOW);
    go_sends(&in, SOME, STREAM_WINDOW);
    n_snapshots = ferry_sends(&out, SOME, STREAM_WINDOW);
    ferry_got_it_all(SOME, true);
    go_got_it_all(SOME, true);
    ferry_accounts_for(SOME, SOME);
    streams_were_used(n_snapshots);
}
END_TEST

START_TEST(posts_carry_everything_from_ferry_to_go)
{
    struct ferry_config cfg = native_config();
    struct sequence seq = everything(4, FERRY_ID, GO_ID, cfg.form);
    struct ferry_peer_status status;
    json_t *event;

    pair_start(&cfg, PATH_POSTS_TO_GO);
    go_expects(&seq, SOME, POST_WINDOW);
    ferry_sends(&seq, SOME, POST_WINDOW);
    go_got_it_all(SOME, false);
    ferry_accounts_for(SOME, 0);
    status = ferry_status();
    ck_assert(!status.writer_attached[FERRY_STREAM_MSGAPP]);
    ck_assert(!status.writer_attached[FERRY_STREAM_MESSAGE]);
    event = go_status();
    ck_assert_uint_eq(number_of(event, "pipeline_requests"), SOME);
    json_decref(event);
}
END_TEST

START_TEST(posts_carry_everything_from_go_to_ferry)
{
    struct ferry_config cfg = native_config();
    struct sequence seq = everything(5, GO_ID, FERRY_ID, version->form);
    json_t *event;

    pair_start(&cfg, PATH_POSTS_TO_FERRY);
    ferry_expects(&seq, SOME, POST_WINDOW);
    go_sends(&seq, SOME, POST_WINDOW);
    ferry_got_it_all(SOME, false);
    ferry_accounts_for(0, SOME);
    event = go_status();
    ck_assert_uint_eq(number_of(event, "stream_requests"), 0); /* so nothing but POST was left to it */
    ck_assert_uint_eq(number_of(event, "writers"), 0);
    json_decref(event);
}
END_TEST

/* One round of FEW messages both ways, with nothing taken for granted but cfg.  The pair stands after it. */
static void exchange(struct ferry_config *cfg)
{
    struct sequence out = everything(6, FERRY_ID, GO_ID, cfg->form);
    struct sequence in = everything(7, GO_ID, FERRY_ID, version->form);
    uint64_t n_snapshots;

    pair.snapshots_finished = 0;
    pair_start(cfg, PATH_STREAMS);
    go_expects(&out, FEW, STREAM_WINDOW);
    n_snapshots = ferry_sends(&out, FEW, STREAM_WINDOW);
    go_got_it_all(FEW, true);
    ferry_expects(&in, FEW, STREAM_WINDOW);
    go_sends(&in, FEW, STREAM_WINDOW);
    ferry_got_it_all(FEW, true);
    ferry_accounts_for(FEW, FEW);
    streams_were_used(n_snapshots);
}

static void exchange_few(struct ferry_config *cfg)
{
    exchange(cfg);
    pair_stop();
}

START_TEST(every_wire_form_is_understood)
{
    for (int form = FERRY_FORM_3_4; form <= FERRY_FORM_3_7; form++) {
        struct ferry_config cfg = config_of((enum ferry_wire_form)form);

        exchange_few(&cfg);
    }
}
END_TEST

START_TEST(every_version_in_the_headers_is_accepted)
{
    static const char *const texts[] = {"3.4.0", "3.5.0", "3.6.0", "3.7.0"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ferry_config cfg = config_of(FERRY_FORM_3_4);

        cfg.server_version = texts[i];
        exchange_few(&cfg);
    }
}
END_TEST

/* Either side serves, dials, shows a certificate and verifies the other's. */
START_TEST(mutual_tls_carries_everything_both_ways)
{
    const struct certificate_spec ca_spec = {.common_name = "ca", .is_ca = true};
    const struct certificate_spec ferry_spec = {.common_name = "ferry", .names = "DNS:localhost,IP:127.0.0.1"};
    const struct certificate_spec go_spec = {.common_name = "go", .names = "IP:127.0.0.1"};
    struct ferry_config cfg = native_config();
    struct sequence out = everything(7, FERRY_ID, GO_ID, cfg.form);
    struct sequence in = everything(8, GO_ID, FERRY_ID, version->form);
    struct ferry_tls_config tls = FERRY_TLS_CONFIG_INIT;
    struct certificate ca, of_ferry, of_go;
    struct go_peer_tls go_tls;
    struct ferry_tls_counts counts;
    uint64_t n_snapshots;

    certificates_setup();
    ca = certificate_make(&ca_spec, NULL);
    of_ferry = certificate_make(&ferry_spec, &ca);
    of_go = certificate_make(&go_spec, &ca);
    tls.ca_file = go_tls.ca_file = certificate_write("ca.pem", &ca, NULL);
    tls.cert_file = certificate_write("ferry.pem", &of_ferry, NULL);
    tls.key_file = certificate_write_key("ferry.key", &of_ferry);
    go_tls.cert_file = certificate_write("go.pem", &of_go, NULL);
    go_tls.key_file = certificate_write_key("go.key", &of_go);
    cfg.tls = &tls;
    pair.tls = &go_tls;

    pair_start(&cfg, PATH_STREAMS);
    go_expects(&out, SOME, STREAM_WINDOW);
    ferry_expects(&in, SOME, STREAM_WINDOW);
    go_sends(&in, SOME, STREAM_WINDOW);
    n_snapshots = ferry_sends(&out, SOME, STREAM_WINDOW);
    ferry_got_it_all(SOME, true);
    go_got_it_all(SOME, true);
    ferry_accounts_for(SOME, SOME);
    streams_were_used(n_snapshots);
    ferry_transport_tls_counts(pair.ferry, &counts);
    ck_assert_uint_ge(counts.accepted, FERRY_N_STREAMS);
    ck_assert_uint_ge(counts.dialed, FERRY_N_STREAMS);
    for (size_t i = 0; i < FERRY_N_TLS_REFUSALS; i++)
        ck_assert_uint_eq(counts.refused_accepting[i] + counts.refused_dialing[i], 0);
    certificate_release(&of_go);
    certificate_release(&of_ferry);
    certificate_release(&ca);
}
END_TEST

/* ---- Snapshots with their bodies ------------------------------------------------------------------------------------
 */

#define BODY_SEED UINT64_C(99)
#define BODY_INDEX UINT64_C(0x1234)

static uint64_t body_len(void)
{
    return (uint64_t)environment_number("FERRY_INTEROP_MIB", 64) << 20;
}

static void say_how_long(const char *way, uint64_t begin_ns)
{
    printf("# etcd %s, %s: %" PRIu64 " MiB in %.2f s\n", version->name, way, body_len() >> 20,
           (double)(monotonic_ns() - begin_ns) / 1e9);
}

START_TEST(a_snapshots_body_goes_from_ferry_to_go)
{
    struct ferry_config cfg = native_config();
    const uint64_t voters[] = {FERRY_ID, GO_ID};
    struct ferry_snapshot snapshot = {.index = BODY_INDEX, .term = 2, .conf_state = {.voters = voters, .n_voters = 2}};
    struct ferry_message msg = {
        .type = FERRY_MSG_SNAP, .from = FERRY_ID, .to = GO_ID, .term = 3, .snapshot = &snapshot};
    struct ferry_snapshot_source source;
    uint64_t begin_ns;
    struct body body;
    char expected[65];
    json_t *event;
    int err;

    pair_start(&cfg, PATH_STREAMS);
    body_init(&body, BODY_SEED, body_len());
    source = body_source(&body);
    begin_ns = monotonic_ns();
    ck_assert_int_eq(ferry_transport_send_snapshot(pair.ferry, &msg, &source), FERRY_OK);
    await_snapshots(1);
    say_how_long("from Ferry to Go", begin_ns);
    ck_assert(body_await_close(&body, PATIENCE_MS, &err));
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_uint_eq(ferry_status().snapshot_out.n_finished, 1);
    ck_assert_uint_eq(ferry_status().counts.written, 1);
    go_peer_command(pair.go, "stored %" PRIu64, BODY_INDEX);
    event = await_event("stored");
    body_sha256(BODY_SEED, body_len(), expected);
    ck_assert_uint_eq(number_of(event, "size"), body_len());
    ck_assert_str_eq(json_string_value(json_object_get(event, "sha256")), expected);
    json_decref(event);
    body_release(&body);
}
END_TEST

START_TEST(a_snapshots_body_goes_from_go_to_ferry)
{
    struct ferry_config cfg = native_config();
    char dir[RIG_DIR_SIZE], path[RIG_DIR_SIZE + 64], expected[65], seen[65];
    uint64_t begin_ns, size;
    json_t *event;

    rig_make_dir(dir);
    snprintf(path, sizeof(path), "%s/%016" PRIx64 ".snap.db", dir, BODY_INDEX);
    cfg.snapshot_dir = dir;
    pair_start(&cfg, PATH_STREAMS);
    begin_ns = monotonic_ns();
    go_peer_command(pair.go, "body %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, BODY_SEED, body_len(), FERRY_ID,
                    BODY_INDEX);
    event = await_event("body_sent");
    say_how_long("from Go to Ferry", begin_ns);
    ck_assert(json_is_true(json_object_get(event, "ok")));
    json_decref(event);
    event = go_status();
    ck_assert_uint_eq(number_of(event, "snapshot_finish"), 1);
    ck_assert_uint_eq(number_of(event, "snapshot_failure"), 0);
    json_decref(event);
    ck_assert_uint_eq(ferry_status().snapshot_in.n_finished, 1);
    ck_assert_uint_eq(ferry_status().counts.received, 1);
    ck_assert(file_sha256(path, seen, &size));
    body_sha256(BODY_SEED, body_len(), expected);
    ck_assert_uint_eq(size, body_len());
    ck_assert_str_eq(seen, expected);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(dir), 0); /* nothing else was left there */
}
END_TEST

static bool both_failures_are_reported(void)
{
    bool are;

    pthread_mutex_lock(&pair.mu);
    are = pair.snapshots_failed == 2;
    pthread_mutex_unlock(&pair.mu);
    return are;
}

/* A body that ends too soon is a failure to both, and leaves nothing: etcd must see that the connection broke. */
START_TEST(a_body_that_breaks_off_is_nothing_to_go)
{
    struct ferry_config cfg = native_config();
    struct ferry_snapshot snapshot = {.index = BODY_INDEX, .term = 2};
    struct ferry_message msg = {
        .type = FERRY_MSG_SNAP, .from = FERRY_ID, .to = GO_ID, .term = 3, .snapshot = &snapshot};

    pair_start(&cfg, PATH_STREAMS);
    for (int is_known = 0; is_known < 2; is_known++) {
        struct ferry_snapshot_source source;
        struct body body;
        int err;

        body_init(&body, BODY_SEED, 8 << 20);
        body.announced = is_known ? body.size : FERRY_SIZE_UNKNOWN;
        body.fail_at = 4 << 20;
        source = body_source(&body);
        ck_assert_int_eq(ferry_transport_send_snapshot(pair.ferry, &msg, &source), FERRY_OK);
        ck_assert(body_await_close(&body, PATIENCE_MS, &err));
        ck_assert_int_eq(err, FERRY_ERR_SYSTEM);
        body_release(&body);
    }
    for (int is_known = 0; is_known < 2; is_known++) {
        struct ferry_snapshot_source source;
        struct body body;
        json_t *event;
        int err;

        body_init(&body, BODY_SEED, 1 << 20); /* and the next attempt succeeds */
        body.announced = is_known ? body.size : FERRY_SIZE_UNKNOWN;
        source = body_source(&body);
        ck_assert_int_eq(ferry_transport_send_snapshot(pair.ferry, &msg, &source), FERRY_OK);
        ck_assert(body_await_close(&body, PATIENCE_MS, &err));
        ck_assert_int_eq(err, FERRY_OK);
        body_release(&body);
        go_peer_command(pair.go, "stored %" PRIu64, BODY_INDEX);
        event = await_event("stored");
        ck_assert_uint_eq(number_of(event, "size"), 1 << 20);
        json_decref(event);
    }
    ck_assert_uint_eq(ferry_status().snapshot_out.n_failed, 2);
    await_ready(both_failures_are_reported, "both failures are reported");
}
END_TEST

/* ---- Remotes: a member that is no peer yet catches up by POST, both ways ---- */

static void exchange_as_remote(enum path path)
{
    struct ferry_config cfg = native_config();
    struct sequence out = everything(8, FERRY_ID, GO_ID, cfg.form);
    struct sequence in = everything(9, GO_ID, FERRY_ID, version->form);
    json_t *event;

    pair_start(&cfg, path);
    ck_assert_int_eq(ferry_status().remote, path != PATH_GO_HAS_REMOTE);
    ferry_expects(&in, FEW, POST_WINDOW);
    go_sends(&in, FEW, POST_WINDOW);
    ferry_got_it_all(FEW, false);
    go_expects(&out, FEW, POST_WINDOW);
    (void)ferry_sends(&out, FEW, POST_WINDOW);
    go_got_it_all(FEW, false);
    ferry_accounts_for(FEW, FEW);
    event = go_status();
    ck_assert_uint_eq(number_of(event, "pipeline_requests"), FEW); /* nothing went by a stream */
    ck_assert_uint_eq(number_of(event, "writers"), 0);
    json_decref(event);
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        ck_assert(!ferry_status().writer_attached[i]);
}

START_TEST(a_remote_of_the_go_side_catches_up)
{
    exchange_as_remote(PATH_GO_HAS_REMOTE);
}
END_TEST

START_TEST(a_remote_of_ferrys_catches_up)
{
    exchange_as_remote(PATH_FERRY_HAS_REMOTE);
}
END_TEST

START_TEST(a_remote_that_ferry_learned_catches_up)
{
    exchange_as_remote(PATH_FERRY_LEARNS);
}
END_TEST

/* ---- Removal ---- */

#define REMOVED "the member has been permanently removed from the cluster"

static void await_removal_of_go(void)
{
    json_t *event = await_event("fatal");

    ck_assert_str_eq(json_string_value(json_object_get(event, "error")), REMOVED);
    json_decref(event);
}

START_TEST(the_go_side_takes_our_410_for_its_removal)
{
    struct ferry_config cfg = native_config();

    pair.removed_id = GO_ID;
    pair_start(&cfg, PATH_FERRY_HAS_REMOTE); /* its streams are refused */
    await_removal_of_go();
}
END_TEST

START_TEST(the_go_side_takes_our_403_for_its_removal)
{
    struct ferry_config cfg = native_config();
    struct sequence in = everything(10, GO_ID, FERRY_ID, version->form);

    pair.removed_id = GO_ID;
    pair_start(&cfg, PATH_GO_HAS_REMOTE); /* it dials no streams: only POSTs can tell it */
    go_sends(&in, 1, POST_WINDOW);
    await_removal_of_go();
}
END_TEST

static bool go_is_inactive(void)
{
    json_t *event = go_status();
    bool is_active = json_is_true(json_object_get(event, "active"));

    json_decref(event);
    return !is_active;
}

static bool ferry_is_silent(void)
{
    struct ferry_peer_status status = ferry_status();

    for (int i = 0; i < FERRY_N_STREAMS; i++)
        if (status.reader_state[i] != FERRY_READER_STOPPED)
            return false;
    return status.dials[0] > 0;
}

START_TEST(ferry_takes_the_go_sides_410_for_its_removal)
{
    struct ferry_config cfg = native_config();
    struct ferry_peer_status status;

    pair.go_has_removed_us = true;
    pair_start(&cfg, PATH_POSTS_TO_GO);
    await_ready(ferry_is_silent, "Ferry dials no more");
    status = ferry_status();
    ck_assert(strstr(status.last_error, REMOVED));
    ck_assert_uint_le(status.dials[0], 1);
    ck_assert_uint_le(status.dials[1], 1);
    pthread_mutex_lock(&pair.mu);
    ck_assert_int_eq(pair.fatal, FERRY_ERR_MEMBER_REMOVED);
    ck_assert_uint_eq(pair.n_fatal, 1);
    pthread_mutex_unlock(&pair.mu);
}
END_TEST

/* ---- Probing and metrics ---- */

/* The next family that the Go side has in its registry; NULL: there are no more. */
static json_t *next_go_family(void)
{
    json_t *event = go_peer_event(pair.go, PATIENCE_MS), *family;

    ck_assert_ptr_nonnull(event);
    family = json_incref(json_object_get(event, "family"));
    ck_assert(family || strcmp(json_string_value(json_object_get(event, "event")), "families") == 0);
    json_decref(event);
    return family;
}

static const char *name_of(const json_t *family)
{
    return json_string_value(json_object_get(family, "name"));
}

/* How often the Go side has entered a round-trip time, and their sum. */
static uint64_t go_round_trips(double *ret_sum)
{
    uint64_t count = 0;
    json_t *family;

    *ret_sum = 0;
    go_peer_command(pair.go, "metrics");
    while ((family = next_go_family())) {
        if (strcmp(name_of(family), "etcd_network_peer_round_trip_time_seconds") == 0) {
            const json_t *h = json_object_get(json_array_get(json_object_get(family, "metric"), 0), "histogram");

            count = number_of(h, "sample_count");
            *ret_sum = json_number_value(json_object_get(h, "sample_sum"));
        }
        json_decref(family);
    }
    return count;
}

static bool go_has_round_trips(void)
{
    double sum;

    return go_round_trips(&sum) >= 2 && sum > 0;
}

static bool ferry_has_probed(void)
{
    return ferry_status().probe.n_good >= 5;
}

static struct ferry_config probing_config(void)
{
    struct ferry_config cfg = native_config();

    cfg.probe_interval_ms = 100;
    return cfg;
}

/* The Go side looks at its two probers' state five seconds after it met the peer, and complains if it is not healthy or
 * the clocks differ by more than a second. */
START_TEST(both_sides_find_each_other_healthy)
{
    struct ferry_config cfg = probing_config();
    struct ferry_peer_status status;
    json_t *event;

    pair_start(&cfg, PATH_STREAMS);
    await_ready(ferry_has_probed, "Ferry has probed the Go side");
    await_ready(go_has_round_trips, "the Go side has probed Ferry");
    event = go_status();
    ck_assert_uint_eq(number_of(event, "probe_alarms"), 0);
    ck_assert_uint_ge(number_of(event, "probes"), 5);
    json_decref(event);
    status = ferry_status();
    ck_assert(status.probe.healthy);
    ck_assert_uint_eq(status.probe.n_failed, 0);
    ck_assert(status.probe.has_clock);
    ck_assert_int_lt(status.probe.clock_ahead_ns, 1000000000);
    ck_assert_int_gt(status.probe.clock_ahead_ns, -1000000000);
    ck_assert_uint_gt(status.probe.smoothed_ns, 0);
}
END_TEST

static const char *go_type(const json_t *family)
{
    static const char *const types[] = {"counter", "gauge", "summary", "untyped", "histogram"};
    uint64_t type = number_of(family, "type");

    ck_assert_uint_lt(type, sizeof(types) / sizeof(types[0]));
    return types[type];
}

static bool has_label(const struct metric_sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->n_labels; i++)
        if (strcmp(sample->labels[i].name, name) == 0)
            return true;
    return false;
}

/* Ferry's first sample of the family has the Go side's label names, and le where it is a bucket. */
static void check_labels(const struct metric_sample *sample, const json_t *family)
{
    const json_t *labels = json_object_get(json_array_get(json_object_get(family, "metric"), 0), "label");
    size_t n = json_array_size(labels);

    ck_assert_uint_eq(sample->n_labels, n + (has_label(sample, "le") ? 1 : 0));
    for (size_t i = 0; i < n; i++) {
        const char *name = name_of(json_array_get(labels, i));

        ck_assert_msg(has_label(sample, name), "%s has no label %s", sample->name, name);
    }
}

/* Ferry's buckets, from the first sample on, have the Go side's bounds. */
static void check_buckets(const struct metric_sample *sample, const json_t *family)
{
    const json_t *histogram = json_object_get(json_array_get(json_object_get(family, "metric"), 0), "histogram");
    const json_t *buckets = json_object_get(histogram, "bucket");
    size_t n = json_array_size(buckets);

    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        double bound = json_number_value(json_object_get(json_array_get(buckets, i), "upper_bound"));
        const char *le = sample[i].labels[sample[i].n_labels - 1].value;

        ck_assert_msg(strtod(le, NULL) == bound, "%s: %s is not %g", sample[i].name, le, bound);
    }
    ck_assert_str_eq(sample[n].labels[sample[n].n_labels - 1].value, "+Inf");
}

/* The package's own registry is the judge of names, types, labels and buckets. */
static void compare_family(const struct metrics_page *page, const json_t *family)
{
    const struct metric_family *ours = metrics_page_family(page, name_of(family));
    size_t first = 0;

    ck_assert_msg(ours, "Ferry has no %s", name_of(family));
    ck_assert_msg(strcmp(ours->type, go_type(family)) == 0, "%s is a %s", ours->name, go_type(family));
    while (first < page->n_samples && &page->families[page->samples[first].family] != ours)
        first++;
    ck_assert_msg(first < page->n_samples, "%s has no sample", ours->name);
    check_labels(&page->samples[first], family);
    if (strcmp(ours->type, "histogram") == 0)
        check_buckets(&page->samples[first], family);
}

START_TEST(the_go_sides_metrics_and_ours_have_the_same_form)
{
    static const char *const expected[] = {
        "etcd_network_active_peers",
        "etcd_network_disconnected_peers_total",
        "etcd_network_peer_sent_bytes_total",
        "etcd_network_peer_received_bytes_total",
        "etcd_network_peer_round_trip_time_seconds",
    };
    struct ferry_config cfg = probing_config();
    struct metrics_page page;
    size_t n_expected = 0;
    json_t *family;

    exchange(&cfg);
    await_ready(ferry_has_probed, "Ferry has probed the Go side");
    await_ready(go_has_round_trips, "the Go side has probed Ferry");
    page = metrics_page_of(pair.ferry);
    ck_assert(metrics_page_value(&page, "etcd_network_peer_round_trip_time_seconds_count", "To=53f0b39f7b5ec444") >= 5);
    ferry_transport_stop(pair.ferry); /* for the families that the Go side has only of what failed */
    await_ready(go_is_inactive, "the Go side holds Ferry for inactive");
    go_peer_command(pair.go, "metrics");
    while ((family = next_go_family())) {
        compare_family(&page, family);
        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
            n_expected += strcmp(name_of(family), expected[i]) == 0 ? 1 : 0;
        json_decref(family);
    }
    ck_assert_uint_eq(n_expected, sizeof(expected) / sizeof(expected[0]));
    metrics_page_release(&page);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: it_rafthttp VERSION PROGRAM\n");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        if (strcmp(versions[i].name, argv[1]) == 0)
            version = &versions[i];
    }
    if (!version) {
        fprintf(stderr, "it_rafthttp: etcd %s is not known here\n", argv[1]);
        return EXIT_FAILURE;
    }
    program = argv[2];
    return rig_main("rafthttp", setup, teardown, streams_carry_everything_from_ferry_to_go,
                    streams_carry_everything_from_go_to_ferry, streams_carry_both_ways_at_once,
                    posts_carry_everything_from_ferry_to_go, posts_carry_everything_from_go_to_ferry,
                    a_snapshots_body_goes_from_ferry_to_go, a_snapshots_body_goes_from_go_to_ferry,
                    a_body_that_breaks_off_is_nothing_to_go, every_wire_form_is_understood,
                    every_version_in_the_headers_is_accepted, mutual_tls_carries_everything_both_ways,
                    a_remote_of_the_go_side_catches_up, a_remote_of_ferrys_catches_up,
                    a_remote_that_ferry_learned_catches_up, the_go_side_takes_our_410_for_its_removal,
                    the_go_side_takes_our_403_for_its_removal, ferry_takes_the_go_sides_410_for_its_removal,
                    both_sides_find_each_other_healthy, the_go_sides_metrics_and_ours_have_the_same_form, NULL);
}
