/*
 * node - the parts of a member, in the order in which they stand on each other: loop, storage, adapter, transport,
 * core.
 *
 * Writes go through the log one entry each; libraft puts those that come together into one write to disk.  Reads wait
 * for a barrier; one that is under way may have been proposed before the read came, so reads that come meanwhile share
 * the next.
 * A leader says in the log at which URL clients find it, unless the log says so already: so each member can tell.
 * A member that is removed is so in the log as well, after libraft's own change: its id is answered with "removed" for
 * ever, also by members that join later.
 */
#include "kv/node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/ferry.h>
#include <ferry/libraft.h>
#include <ferry/tls.h>
#include <uv.h>

#include "kv/log_guard.h"
#include "kv/store.h"
#include "kv/words.h"

struct waiting_read {
    struct waiting_read *next;
    kv_done_fn *done;
    void *arg;
};

struct kv_node {
    const struct kv_options *options;
    struct kv_store *store;
    struct kv_node_events events;
    uv_loop_t *loop;

    struct raft_uv_transport no_network;
    struct kv_log_guard storage;
    struct ferry_libraft *adapter;
    struct ferry_transport *transport;
    struct ferry_libraft_uv *turner;
    struct raft_fsm fsm;
    struct raft raft;
    uv_prepare_t watch; /* looks after what libraft does not tell of */

    struct raft_barrier barrier;
    bool has_barrier;                   /* it is under way */
    struct waiting_read *reads;         /* that it is for */
    struct waiting_read *waiting_reads; /* for the next */

    unsigned n_refusals;      /* since the last line on one, with that one; 0: there was none */
    uint64_t refusal_line_ms; /* when the next line may be written */

    int last_state;
    char trouble[256]; /* what the transport last called an error, until it has started */
    bool is_started;
    bool is_announcing;
    bool was_removed;
    bool is_closing;
    bool has_failed;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

__attribute__((format(printf, 2, 3))) static void say(struct kv_node *node, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when it is long */
    va_end(args);
    node->events.say(node->events.ctx, text);
}

/* ---- The state machine --------------------------------------------------------------------------------------------
 */

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct kv_node *node = fsm->data;
    bool existed;
    int rv = kv_store_apply(node->store, buf, &existed);

    *result = (void *)(uintptr_t)existed;
    return rv;
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct kv_node *node = fsm->data;
    int rv;

    *bufs = raft_malloc(sizeof(**bufs));
    if (!*bufs)
        return RAFT_NOMEM;
    rv = kv_store_save(node->store, *bufs);
    if (rv != 0)
        raft_free(*bufs);
    else
        *n_bufs = 1;
    return rv;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct kv_node *node = fsm->data;
    int rv = kv_store_load(node->store, buf);

    if (rv == 0)
        raft_free(buf->base);
    return rv;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------
 */

struct write {
    struct raft_apply req;
    kv_applied_fn *done;
    void *arg;
};

static void on_applied(struct raft_apply *req, int status, void *result)
{
    struct write *write = req->data;
    kv_applied_fn *done = write->done;
    void *arg = write->arg;

    free(write);
    done(arg, status, status == 0 && (uintptr_t)result != 0);
}

int kv_node_apply(struct kv_node *node, const struct kv_command *command, kv_applied_fn *done, void *arg)
{
    struct raft_buffer buf;
    struct write *write;
    int rv;

    if (raft_state(&node->raft) != RAFT_LEADER)
        return RAFT_NOTLEADER;
    rv = kv_command_encode(command, &buf);
    if (rv != 0)
        return rv;
    write = malloc(sizeof(*write));
    if (write) {
        *write = (struct write){.done = done, .arg = arg};
        write->req.data = write;
        rv = raft_apply(&node->raft, &write->req, &buf, 1, on_applied);
    } else {
        rv = RAFT_NOMEM;
    }
    if (rv != 0) {
        raft_free(buf.base);
        free(write);
    }
    return rv;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------
 */

static void answer_reads(struct waiting_read *read, int status)
{
    while (read) {
        struct waiting_read *next = read->next;

        read->done(read->arg, status);
        free(read);
        read = next;
    }
}

/* Those that came meanwhile have theirs begun by the next turn: here the core may be half-way out of its leadership. */
static void on_barrier(struct raft_barrier *req, int status)
{
    struct kv_node *node = req->data;
    struct waiting_read *reads = node->reads;

    node->has_barrier = false;
    node->reads = NULL;
    answer_reads(reads, status);
}

/* For all that wait. */
static void begin_barrier(struct kv_node *node)
{
    int rv;

    node->reads = node->waiting_reads;
    node->waiting_reads = NULL;
    node->has_barrier = true;
    node->barrier.data = node;
    rv = raft_barrier(&node->raft, &node->barrier, on_barrier);
    if (rv != 0) {
        struct waiting_read *reads = node->reads;

        node->has_barrier = false;
        node->reads = NULL;
        answer_reads(reads, rv);
    }
}

/* A read that came first need not wait for company: what is asked for in one turn of the loop shares a barrier. */
int kv_node_read(struct kv_node *node, kv_done_fn *done, void *arg)
{
    struct waiting_read *read;

    if (raft_state(&node->raft) != RAFT_LEADER)
        return RAFT_NOTLEADER;
    read = malloc(sizeof(*read));
    if (!read)
        return RAFT_NOMEM;
    *read = (struct waiting_read){.next = node->waiting_reads, .done = done, .arg = arg};
    node->waiting_reads = read;
    return 0;
}

/* ---- Members ------------------------------------------------------------------------------------------------------
 */

struct change {
    struct kv_node *node;
    uint64_t id;
    struct raft_change req;
    struct raft_transfer transfer;
    kv_done_fn *done;
    void *arg;
};

static struct change *change_new(struct kv_node *node, uint64_t id, kv_done_fn *done, void *arg)
{
    struct change *change = calloc(1, sizeof(*change));

    if (!change)
        return NULL;
    *change = (struct change){.node = node, .id = id, .done = done, .arg = arg};
    change->req.data = change;
    change->transfer.data = change;
    return change;
}

static void change_end(struct change *change, int status)
{
    kv_done_fn *done = change->done;
    void *arg = change->arg;

    free(change);
    done(arg, status);
}

static const struct raft_server *find_server(struct kv_node *node, uint64_t id)
{
    for (unsigned i = 0; i < node->raft.configuration.n; i++)
        if (node->raft.configuration.servers[i].id == id)
            return &node->raft.configuration.servers[i];
    return NULL;
}

static void on_voting(struct raft_change *req, int status)
{
    change_end(req->data, status);
}

static void on_added(struct raft_change *req, int status)
{
    struct change *change = req->data;

    if (status == 0)
        status = raft_assign(&change->node->raft, &change->req, change->id, RAFT_VOTER, on_voting);
    if (status != 0)
        change_end(change, status);
}

int kv_node_add_member(struct kv_node *node, uint64_t id, const char *peer_url, kv_done_fn *done, void *arg)
{
    const struct raft_server *server = find_server(node, id);
    struct change *change;
    int rv;

    if (raft_state(&node->raft) != RAFT_LEADER)
        return RAFT_NOTLEADER;
    if (kv_store_is_removed(node->store, id) || (server && strcmp(server->address, peer_url) != 0))
        return RAFT_DUPLICATEID;
    change = change_new(node, id, done, arg);
    if (!change)
        return RAFT_NOMEM;
    if (server)
        rv = raft_assign(&node->raft, &change->req, id, RAFT_VOTER, on_voting);
    else
        rv = raft_add(&node->raft, &change->req, id, peer_url, on_added);
    if (rv != 0)
        free(change);
    return rv;
}

static void on_noted(void *arg, int status, bool existed)
{
    (void)existed;
    change_end(arg, status);
}

/* Libraft has let go of it; now all are to know, for ever. */
static int note_removed(struct change *change)
{
    return kv_node_apply(change->node, &(struct kv_command){.kind = KV_REMOVED, .id = change->id}, on_noted, change);
}

static void on_removed(struct raft_change *req, int status)
{
    struct change *change = req->data;

    if (status == 0)
        status = note_removed(change);
    if (status != 0)
        change_end(change, status);
}

static void on_transferred(struct raft_transfer *req)
{
    struct change *change = req->data;

    change_end(change, raft_state(&change->node->raft) == RAFT_LEADER ? RAFT_NOCONNECTION : RAFT_BUSY);
}

int kv_node_remove_member(struct kv_node *node, uint64_t id, kv_done_fn *done, void *arg)
{
    struct change *change;
    int rv;

    if (raft_state(&node->raft) != RAFT_LEADER)
        return RAFT_NOTLEADER;
    if (id == node->options->id && node->raft.configuration.n == 1)
        return RAFT_INVALID; /* there would be nobody to hand over to */
    change = change_new(node, id, done, arg);
    if (!change)
        return RAFT_NOMEM;
    if (id == node->options->id)
        rv = raft_transfer(&node->raft, &change->transfer, 0, on_transferred);
    else if (find_server(node, id))
        rv = raft_remove(&node->raft, &change->req, id, on_removed);
    else if (!kv_store_is_removed(node->store, id) && kv_store_client_url(node->store, id))
        rv = note_removed(change); /* a leader before us has got no further */
    else
        rv = RAFT_BADID;
    if (rv != 0)
        free(change);
    return rv;
}

/* ---- Keeping watch ------------------------------------------------------------------------------------------------
 */

static void on_announced(void *arg, int status, bool existed)
{
    struct kv_node *node = arg;

    (void)status; /* if it failed, there is a next turn */
    (void)existed;
    node->is_announcing = false;
}

static void announce(struct kv_node *node)
{
    const char *known = kv_store_client_url(node->store, node->options->id);
    struct kv_command command = {.kind = KV_ANNOUNCE,
                                 .id = node->options->id,
                                 .value = node->options->client_url,
                                 .value_len = strlen(node->options->client_url)};

    if (node->is_announcing || (known && strcmp(known, node->options->client_url) == 0))
        return;
    node->is_announcing = kv_node_apply(node, &command, on_announced, node) == 0;
}

static void fail(struct kv_node *node)
{
    if (node->has_failed)
        return;
    node->has_failed = true;
    node->events.failed(node->events.ctx, raft_errmsg(&node->raft));
}

static void on_watch(uv_prepare_t *watch)
{
    static const char *const names[] = {
        [RAFT_FOLLOWER] = "follower", [RAFT_CANDIDATE] = "candidate", [RAFT_LEADER] = "leader"};
    struct kv_node *node = watch->data;
    int state = raft_state(&node->raft);

    kv_log_guard_check(&node->storage);
    if (node->is_closing)
        return;
    if (state == RAFT_UNAVAILABLE) {
        fail(node);
        return;
    }
    if (state != node->last_state && (state == RAFT_LEADER || node->last_state == RAFT_LEADER))
        say(node, "%s in term %llu", names[state], node->raft.current_term);
    node->last_state = state;
    if (state == RAFT_LEADER)
        announce(node);
    if (node->waiting_reads && !node->has_barrier)
        begin_barrier(node);
}

/* ---- What the adapter asks and tells ------------------------------------------------------------------------------
 */

static bool is_id_removed(void *ctx, uint64_t id)
{
    struct kv_node *node = ctx;

    return kv_store_is_removed(node->store, id);
}

static void on_fatal(void *ctx, int err)
{
    struct kv_node *node = ctx;

    node->was_removed = true;
    say(node, "%s: it dials nobody any more", ferry_strerror(err));
}

static void on_peer_failed(void *ctx, uint64_t id, const char *address, int err)
{
    struct kv_node *node = ctx;

    say(node, "member %" PRIu64 " at %s cannot be reached: %s", id, address, ferry_strerror(err));
}

/* An attacker can send such messages at any rate, so at most one line a second is written. */
#define REFUSAL_LINE_MS 1000

static void on_refused(void *ctx, const struct ferry_message *msg, enum ferry_verdict verdict)
{
    struct kv_node *node = ctx;
    uint64_t now_ms = uv_now(node->loop);

    if (node->n_refusals > 0 && now_ms < node->refusal_line_ms) {
        node->n_refusals++;
        return;
    }
    say(node, "warning: refused %s from %" PRIu64 " in term %" PRIu64 ": %s (%u similar messages suppressed)",
        ferry_message_type_name(msg->type), msg->from, msg->term, ferry_verdict_text(verdict),
        node->n_refusals > 0 ? node->n_refusals - 1 : 0);
    node->n_refusals = 1;
    node->refusal_line_ms = now_ms + REFUSAL_LINE_MS;
}

static bool is_snapshot(void *ctx, const void *data, size_t len)
{
    (void)ctx;
    return kv_store_is_saved(data, len);
}

uint64_t kv_node_n_refused(const struct kv_node *node, enum ferry_verdict verdict)
{
    return ferry_libraft_n_refused(node->adapter, verdict);
}

static void on_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    struct kv_node *node = ctx;

    if (!node->is_started && level == FERRY_LOG_ERROR)
        (void)snprintf(node->trouble, sizeof(node->trouble), "%s", text); /* told once it has failed */
    else if (peer)
        say(node, "%s: %s to %" PRIu64 ": %s", levels[level], id, peer, text);
    else
        say(node, "%s: %s: %s", levels[level], id, text);
}

/* ---- Making it ----------------------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 3, 4))) static int fail_with(char *text, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, size, format, args); /* cut when it is long */
    va_end(args);
    return -1;
}

/* libraft has no words of its own for all that its disk backend finds. */
static const char *cause_of(struct kv_node *node, int rv)
{
    const char *words = raft_errmsg(&node->raft);

    return words[0] ? words : kv_words_for(rv);
}

static void on_log_failed(void *ctx, const char *why)
{
    struct kv_node *node = ctx;
    char text[512];

    (void)snprintf(text, sizeof(text), "the log in %s cannot be written: %s", node->options->data_dir, why);
    node->events.broken(node->events.ctx, text);
}

static int make_storage(struct kv_node *node, const char *log_path, char *text, size_t size)
{
    int rv;

    ferry_libraft_uv_no_network(&node->no_network);
    rv = raft_uv_init(&node->storage.io, node->loop, log_path, &node->no_network);
    if (rv != 0)
        return fail_with(text, size, "%s: %s", log_path, kv_words_for(rv));
    raft_uv_set_auto_recovery(&node->storage.io, false); /* which puts away what is damaged, acknowledged or not */
    kv_log_guard_begin(&node->storage, on_log_failed, node);
    return 0;
}

static int make_transport(struct kv_node *node, char *text, size_t size)
{
    const struct kv_options *options = node->options;
    const char *const urls[] = {options->peer_url, NULL};
    struct ferry_tls_config tls = FERRY_TLS_CONFIG_INIT;
    struct ferry_config config = FERRY_CONFIG_INIT;
    struct ferry_libraft_config adapter = FERRY_LIBRAFT_CONFIG_INIT;
    int err;

    adapter.inner = &node->storage.io;
    adapter.ctx = node;
    adapter.is_id_removed = is_id_removed;
    adapter.report_fatal = on_fatal;
    adapter.report_peer = on_peer_failed;
    adapter.report_refused = on_refused;
    adapter.is_snapshot = is_snapshot;
    err = ferry_libraft_new(&adapter, &node->adapter);
    if (err != FERRY_OK)
        return fail_with(text, size, "%s", ferry_strerror(err));
    ferry_libraft_configure(node->adapter, &config);
    config.id = options->id;
    config.cluster_id = options->cluster_id;
    config.listen_urls = urls;
    config.log = on_log;
    config.log_ctx = node;
    config.log_level = options->log_level;
    tls.cert_file = options->peer_cert_file;
    tls.key_file = options->peer_key_file;
    tls.ca_file = options->peer_ca_file;
    tls.crl_file = options->peer_crl_file;
    if (options->peer_cert_file)
        config.tls = &tls;
    err = ferry_transport_new(&config, &node->transport);
    if (err == FERRY_OK)
        err = ferry_transport_start(node->transport);
    if (err != FERRY_OK)
        return fail_with(text, size, "%s%s", err == FERRY_ERR_LISTEN ? "cannot listen on " : "",
                         node->trouble[0] ? node->trouble : ferry_strerror(err));
    node->is_started = true;
    ferry_libraft_attach(node->adapter, node->transport);
    err = ferry_libraft_uv_new(node->adapter, node->loop, &node->turner);
    return err == FERRY_OK ? 0 : fail_with(text, size, "%s", ferry_strerror(err));
}

/* The first entry of the log, the same on each founder.  Nothing when there is a log. */
static int found(struct kv_node *node)
{
    struct raft_configuration conf;
    int rv = 0;

    raft_configuration_init(&conf);
    for (size_t i = 0; i < node->options->n_cluster && rv == 0; i++)
        rv = raft_configuration_add(&conf, node->options->cluster[i].id, node->options->cluster[i].url, RAFT_VOTER);
    if (rv == 0)
        rv = raft_bootstrap(&node->raft, &conf);
    raft_configuration_close(&conf);
    return rv == RAFT_CANTBOOTSTRAP ? 0 : rv;
}

static int make_raft(struct kv_node *node, char *text, size_t size)
{
    const struct kv_options *options = node->options;
    int rv;

    node->fsm = (struct raft_fsm){
        .version = 1, .data = node, .apply = fsm_apply, .snapshot = fsm_snapshot, .restore = fsm_restore};
    rv = raft_init(&node->raft, ferry_libraft_io(node->adapter), &node->fsm, options->id, options->peer_url);
    if (rv != 0)
        return fail_with(text, size, "the log in %s: %s", options->data_dir, cause_of(node, rv));
    raft_set_election_timeout(&node->raft, (unsigned)options->election_timeout_ms);
    raft_set_heartbeat_timeout(&node->raft, (unsigned)options->heartbeat_ms);
    raft_set_snapshot_threshold(&node->raft, (unsigned)options->snapshot_entries);
    raft_set_snapshot_trailing(&node->raft, (unsigned)options->trailing_entries);
    raft_set_pre_vote(&node->raft, true);
    if (kv_options_is_founder(options))
        rv = found(node);
    if (rv == 0)
        rv = raft_start(&node->raft);
    if (rv != 0)
        return fail_with(text, size, "the log in %s: %s", options->data_dir, cause_of(node, rv));
    return 0;
}

int kv_node_new(const struct kv_options *options, const char *log_path, uv_loop_t *loop, struct kv_store *store,
                const struct kv_node_events *events, struct kv_node **ret_node, char *text, size_t size)
{
    struct kv_node *node = calloc(1, sizeof(*node));

    if (!node)
        return fail_with(text, size, "out of memory");
    node->options = options;
    node->store = store;
    node->events = *events;
    node->loop = loop;
    if (make_storage(node, log_path, text, size) != 0 || make_transport(node, text, size) != 0 ||
        make_raft(node, text, size) != 0)
        return -1;                             /* the process ends: half a member is not taken down */
    (void)uv_prepare_init(loop, &node->watch); /* neither can fail */
    node->watch.data = node;
    (void)uv_prepare_start(&node->watch, on_watch);
    node->last_state = raft_state(&node->raft);
    *ret_node = node;
    return 0;
}

/* ---- Ending it ----------------------------------------------------------------------------------------------------
 */

static void on_turner_closed(void *arg)
{
    struct kv_node *node = arg;

    node->on_closed(node->closed_ctx);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct kv_node *node = handle->data;

    ferry_libraft_uv_close(node->turner, on_turner_closed, node);
}

static void on_raft_closed(struct raft *raft)
{
    struct kv_node *node = raft->data;

    uv_close((uv_handle_t *)&node->watch, on_watch_closed);
}

void kv_node_close(struct kv_node *node, void (*done)(void *ctx), void *ctx)
{
    struct waiting_read *reads = node->waiting_reads;

    assert(!node->is_closing);
    node->is_closing = true;
    node->on_closed = done;
    node->closed_ctx = ctx;
    node->waiting_reads = NULL;
    answer_reads(reads, RAFT_SHUTDOWN);
    node->raft.data = node;
    raft_close(&node->raft, on_raft_closed);
}

void kv_node_free(struct kv_node *node)
{
    if (!node)
        return;
    ferry_transport_free(node->transport);
    ferry_libraft_free(node->adapter);
    raft_uv_close(&node->storage.io);
    free(node);
}

/* ---- Looking at it ------------------------------------------------------------------------------------------------
 */

struct raft *kv_node_raft(struct kv_node *node)
{
    return &node->raft;
}

struct ferry_transport *kv_node_transport(struct kv_node *node)
{
    return node->transport;
}

bool kv_node_was_removed(const struct kv_node *node)
{
    return node->was_removed;
}
