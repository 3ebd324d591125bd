/*
 * status - the core, the store and each link, read at one moment.
 */
#include "kv/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <ferry/ferry.h>

#include "adapters/libraft/raft_compat.h"
#include "kv/node.h"
#include "kv/options.h"
#include "kv/store.h"

const char *kv_status_role(struct kv_node *node)
{
    if (kv_node_was_removed(node))
        return "removed";
    switch (raft_state(kv_node_raft(node))) {
    case RAFT_FOLLOWER:
        return "follower";
    case RAFT_CANDIDATE:
        return "candidate";
    case RAFT_LEADER:
        return "leader";
    default:
        return "unavailable";
    }
}

static void print_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(to, "\\%c", *p);
        else if (*p < 0x20)
            fprintf(to, "\\u%04x", *p);
        else
            fputc(*p, to);
    }
    fputc('"', to);
}

static const char *truth(bool is_true)
{
    return is_true ? "true" : "false";
}

static uint64_t sum_of_dropped(const struct ferry_counts *counts)
{
    uint64_t sum = 0;

    for (int i = 0; i < FERRY_N_DROP_REASONS; i++)
        sum += counts->dropped[i];
    return sum;
}

static void print_link(FILE *to, const struct ferry_transport *t, uint64_t id)
{
    struct ferry_peer_status link;

    if (ferry_transport_peer_status(t, id, &link) != FERRY_OK) {
        fputs("null", to);
        return;
    }
    fprintf(to,
            "{\"active\":%s,\"active_since_ms\":%" PRIu64 ",\"cut\":%s,\"streams_in\":%d,\"streams_out\":%d,"
            "\"dials\":%" PRIu64 ",\"queued\":%zu,\"sent\":%" PRIu64 ",\"written\":%" PRIu64 ",\"received\":%" PRIu64
            ",\"dropped\":%" PRIu64 ",\"snapshots_sent\":%" PRIu64 ",\"snapshots_received\":%" PRIu64
            ",\"round_trip_us\":%" PRIu64 ",\"last_error_ms\":%" PRIu64 ",\"last_error_is_over\":%s,\"last_error\":",
            truth(link.active), link.active_since_ms, truth(link.cut),
            link.reader_attached[FERRY_STREAM_MSGAPP] + link.reader_attached[FERRY_STREAM_MESSAGE],
            link.writer_attached[FERRY_STREAM_MSGAPP] + link.writer_attached[FERRY_STREAM_MESSAGE],
            link.dials[FERRY_STREAM_MSGAPP] + link.dials[FERRY_STREAM_MESSAGE], link.queued_messages, link.counts.sent,
            link.counts.written, link.counts.received, sum_of_dropped(&link.counts), link.snapshots_sent.n_good,
            link.snapshots_received.n_good, link.probe.smoothed_ns / 1000, link.last_error_ms,
            truth(link.last_error_is_over));
    print_string(to, link.last_error);
    fputc('}', to);
}

static void print_members(FILE *to, struct kv_node *node, const struct kv_store *store, uint64_t self)
{
    static const char *const roles[] = {[RAFT_STANDBY] = "standby", [RAFT_VOTER] = "voter", [RAFT_SPARE] = "spare"};
    const struct raft_configuration *conf = &kv_node_raft(node)->configuration;

    for (unsigned i = 0; i < conf->n; i++) {
        const struct raft_server *server = &conf->servers[i];
        const char *client_url = kv_store_client_url(store, server->id);

        fprintf(to, "%s\n  {\"id\":%llu,\"role\":\"%s\",\"peer_url\":", i > 0 ? "," : "", server->id,
                roles[server->role]);
        print_string(to, server->address);
        fputs(",\"client_url\":", to);
        print_string(to, client_url ? client_url : "");
        fputs(",\"link\":", to);
        if (server->id == self)
            fputs("null", to);
        else
            print_link(to, kv_node_transport(node), server->id);
        fputc('}', to);
    }
}

/* The text of a memory stream, or NULL if it could not hold all. */
static char *finish(FILE *to, char **text)
{
    bool is_whole = !ferror(to);

    if (fclose(to) == 0 && is_whole)
        return *text;
    free(*text);
    return NULL;
}

char *kv_status_json(struct kv_node *node, const struct kv_store *store, const struct kv_options *options,
                     size_t *ret_len)
{
    struct raft *raft = kv_node_raft(node);
    char *text = NULL;
    FILE *to = open_memstream(&text, ret_len);
    const char *address;
    const char *client_url;
    raft_id leader;

    if (!to)
        return NULL;
    raft_leader(raft, &leader, &address);
    client_url = kv_store_client_url(store, leader);
    fprintf(to, "{\"id\":%" PRIu64 ",\"role\":\"%s\",\"term\":%llu,\"leader\":%llu,\"leader_client_url\":", options->id,
            kv_status_role(node), raft->current_term, leader);
    print_string(to, client_url ? client_url : "");
    fprintf(to,
            ",\n \"commit\":%llu,\"applied\":%llu,\"last_index\":%llu,\"snapshot_index\":%llu,\"keys\":%zu,"
            "\"removed\":%s,\n \"members\":[",
            raft->commit_index, raft->last_applied, raft_last_index(raft), fy_raft_snapshot_index(raft),
            kv_store_n_keys(store), truth(kv_node_was_removed(node)));
    print_members(to, node, store, options->id);
    fputs("]}\n", to);
    return finish(to, &text);
}

static int write_text(void *ctx, const char *text, size_t len)
{
    return fwrite(text, 1, len, ctx) == len ? 0 : -1;
}

static void print_metric(FILE *to, const char *name, const char *type, const char *help, uint64_t value)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name, value);
}

/* Messages that no correct member sends, by the reason why they were refused. */
static void print_refusals(FILE *to, const struct kv_node *node)
{
#define NAME(name, value, text) [FERRY_VERDICT_##name] = #name,
    static const char *const names[FERRY_N_VERDICTS] = {FERRY_VERDICT_MAP(NAME)};
#undef NAME

    fputs("# HELP ferry_kv_messages_refused_total Messages refused before the core saw them.\n"
          "# TYPE ferry_kv_messages_refused_total counter\n",
          to);
    for (int i = 1; i < FERRY_N_VERDICTS; i++) {
        fputs("ferry_kv_messages_refused_total{reason=\"", to);
        for (const char *p = names[i]; *p; p++)
            fputc(*p == '_' ? '_' : *p - 'A' + 'a', to);
        fprintf(to, "\"} %" PRIu64 "\n", kv_node_n_refused(node, (enum ferry_verdict)i));
    }
}

char *kv_status_metrics(struct kv_node *node, const struct kv_store *store, size_t *ret_len)
{
    struct raft *raft = kv_node_raft(node);
    char *text = NULL;
    FILE *to = open_memstream(&text, ret_len);
    char *whole;
    int err;

    if (!to)
        return NULL;
    print_metric(to, "ferry_kv_is_leader", "gauge", "Whether this member leads.", raft_state(raft) == RAFT_LEADER);
    print_metric(to, "ferry_kv_term", "gauge", "The term of the core.", raft->current_term);
    print_metric(to, "ferry_kv_commit_index", "gauge", "The last entry that is committed.", raft->commit_index);
    print_metric(to, "ferry_kv_applied_index", "gauge", "The last entry that is applied.", raft->last_applied);
    print_metric(to, "ferry_kv_snapshot_index", "gauge", "The last entry of the last snapshot.",
                 fy_raft_snapshot_index(raft));
    print_metric(to, "ferry_kv_keys", "gauge", "Keys in the store.", kv_store_n_keys(store));
    print_refusals(to, node);
    err = ferry_metrics_write(kv_node_transport(node), write_text, to);
    whole = finish(to, &text);
    if (err != FERRY_OK) {
        free(whole);
        return NULL;
    }
    return whole;
}
