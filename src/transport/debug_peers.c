/*
 * debug_peers - all figures as JSON, for people and for jq.
 *
 * Ids are text, as in etcd's logs: numbers beyond 2^53 do not survive most readers of JSON.  Durations are integers
 * with their unit in the name.
 */
#include "transport/debug_peers.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/text.h"
#include "transport/survey.h"
#include "wire/headers.h"

/* ---- JSON ----------------------------------------------------------------------------------------------------------
 */

struct json {
    struct fy_text *text;
    bool is_first; /* of the members of the innermost object or array */
};

static void put_string(struct fy_text *text, const char *string)
{
    fy_text_put(text, "\"");
    for (; *string; string++) {
        unsigned char c = (unsigned char)*string;

        if (c == '"' || c == '\\')
            fy_text_print(text, "\\%c", c);
        else if (c < ' ' || c > '~') /* only texts from peers have such bytes, each is escaped as one character */
            fy_text_print(text, "\\u%04x", c);
        else
            fy_text_add(text, string, 1);
    }
    fy_text_put(text, "\"");
}

/* The comma and the key before a member; key NULL: the member is in an array. */
static void next_member(struct json *json, const char *key)
{
    if (!json->is_first)
        fy_text_put(json->text, ",");
    json->is_first = false;
    if (key) {
        put_string(json->text, key);
        fy_text_put(json->text, ":");
    }
}

static void open_member(struct json *json, const char *key, const char *bracket)
{
    next_member(json, key);
    fy_text_put(json->text, bracket);
    json->is_first = true;
}

static void close_member(struct json *json, const char *bracket)
{
    fy_text_put(json->text, bracket);
    json->is_first = false;
}

static void put_number(struct json *json, const char *key, uint64_t value)
{
    next_member(json, key);
    fy_text_print(json->text, "%" PRIu64, value);
}

static void put_signed(struct json *json, const char *key, int64_t value)
{
    next_member(json, key);
    fy_text_print(json->text, "%" PRId64, value);
}

static void put_flag(struct json *json, const char *key, bool value)
{
    next_member(json, key);
    fy_text_put(json->text, value ? "true" : "false");
}

static void put_text(struct json *json, const char *key, const char *value)
{
    next_member(json, key);
    put_string(json->text, value);
}

/* ---- The parts of a peer -------------------------------------------------------------------------------------------
 */

static void put_queue(struct json *json, const char *key, const struct ferry_queue_status *queue, bool has_age)
{
    open_member(json, key, "{");
    put_number(json, "messages", queue->messages);
    put_number(json, "bytes", queue->bytes);
    if (has_age)
        put_number(json, "oldest_ms", queue->oldest_ms);
    close_member(json, "}");
}

static void put_histogram(struct json *json, const char *key, const struct ferry_histogram *h)
{
    open_member(json, key, "{");
    put_number(json, "count", h->count);
    put_number(json, "sum_ns", h->sum_ns);
    open_member(json, "buckets", "[");
    for (unsigned i = 0; i <= h->n_buckets; i++) {
        if (h->counts[i] == 0)
            continue;
        open_member(json, NULL, "{");
        if (i < h->n_buckets)
            put_number(json, "up_to_ns", h->first_ns << i);
        put_number(json, "count", h->counts[i]);
        close_member(json, "}");
    }
    close_member(json, "]");
    close_member(json, "}");
}

/* Reasons that did not occur are left out. */
static void put_drops(struct json *json, const uint64_t *dropped)
{
    open_member(json, "dropped", "{");
    for (int i = 0; i < FERRY_N_DROP_REASONS; i++)
        if (dropped[i] > 0)
            put_number(json, ferry_drop_reason_name((enum ferry_drop_reason)i), dropped[i]);
    close_member(json, "}");
}

static void put_classes(struct json *json, const struct ferry_counts *counts)
{
    open_member(json, "classes", "{");
    for (int i = 0; i < FERRY_N_CLASSES; i++) {
        const struct ferry_class_counts *class = &counts->by_class[i];

        open_member(json, ferry_message_class_name((enum ferry_message_class)i), "{");
        put_number(json, "sent", class->sent);
        put_number(json, "written", class->written);
        put_number(json, "received", class->received);
        put_drops(json, class->dropped);
        close_member(json, "}");
    }
    close_member(json, "}");
}

static void put_counts(struct json *json, const struct ferry_counts *counts)
{
    put_number(json, "sent", counts->sent);
    put_number(json, "written", counts->written);
    put_number(json, "sent_bytes", counts->sent_bytes);
    put_drops(json, counts->dropped);
    put_number(json, "received", counts->received);
    put_number(json, "received_bytes", counts->received_bytes);
    put_number(json, "received_dropped", counts->received_dropped);
    put_number(json, "received_failures", counts->received_failures);
    put_number(json, "refused", counts->refused);
    put_classes(json, counts);
}

static void put_streams(struct json *json, const struct ferry_peer_status *peer)
{
    open_member(json, "streams", "{");
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        open_member(json, fy_stream_path_element((enum ferry_stream)i), "{");
        open_member(json, "out", "{");
        put_flag(json, "attached", peer->writer_attached[i]);
        put_number(json, "since_ms", peer->writer_since_ms[i]);
        put_number(json, "heartbeats", peer->heartbeats_sent[i]);
        close_member(json, "}");
        open_member(json, "in", "{");
        put_flag(json, "attached", peer->reader_attached[i]);
        put_text(json, "state", ferry_reader_state_name(peer->reader_state[i]));
        put_number(json, "since_ms", peer->reader_since_ms[i]);
        put_number(json, "heartbeats", peer->heartbeats_received[i]);
        put_number(json, "dials", peer->dials[i]);
        close_member(json, "}");
        close_member(json, "}");
    }
    close_member(json, "}");
}

static void put_queues(struct json *json, const struct ferry_peer_status *peer)
{
    open_member(json, "queues", "{");
    put_queue(json, "msgapp", &peer->queues[FERRY_LANE_MSGAPP], true);
    put_queue(json, "message", &peer->queues[FERRY_LANE_MESSAGE], true);
    put_queue(json, "pipeline", &peer->queues[FERRY_LANE_PIPELINE], true);
    put_queue(json, "inbox", &peer->inbox, false);
    put_queue(json, "proposals", &peer->proposals, false);
    close_member(json, "}");
}

static void put_probe(struct json *json, const struct ferry_peer_status *peer)
{
    const struct ferry_probe_status *probe = &peer->probe;

    open_member(json, "probe", "{");
    put_flag(json, "healthy", probe->healthy);
    put_number(json, "good", probe->n_good);
    put_number(json, "failed", probe->n_failed);
    put_number(json, "last_good_ms", probe->last_good_ms);
    put_number(json, "round_trip_ns", probe->rtt_ns);
    put_number(json, "smoothed_ns", probe->smoothed_ns);
    if (probe->has_clock)
        put_signed(json, "clock_ahead_ns", probe->clock_ahead_ns);
    put_text(json, "last_error", probe->last_error);
    put_histogram(json, "round_trips", &peer->round_trips);
    close_member(json, "}");
}

static void put_snapshots(struct json *json, const char *key, const struct ferry_snapshot_status *snapshots)
{
    open_member(json, key, "{");
    put_number(json, "good", snapshots->n_good);
    put_number(json, "failed", snapshots->n_failed);
    put_number(json, "in_flight", snapshots->n_in_flight);
    put_histogram(json, "durations", &snapshots->durations);
    close_member(json, "}");
}

static void put_progress(struct json *json, const char *key, const struct ferry_snapshot_progress *progress)
{
    open_member(json, key, "{");
    put_number(json, "active", progress->n_active);
    put_number(json, "waiting", progress->n_waiting);
    put_number(json, "finished", progress->n_finished);
    put_number(json, "failed", progress->n_failed);
    put_number(json, "index", progress->index);
    put_number(json, "since_ms", progress->since_ms);
    put_number(json, "bytes", progress->bytes);
    if (progress->total_bytes != FERRY_SIZE_UNKNOWN)
        put_number(json, "total_bytes", progress->total_bytes);
    put_number(json, "bytes_per_s", progress->bytes_per_s);
    close_member(json, "}");
}

static void put_peer(struct json *json, const struct ferry_peer_status *peer)
{
    open_member(json, NULL, "{");
    put_text(json, "id", fy_id_format(peer->id).text);
    put_flag(json, "remote", peer->remote);
    put_flag(json, "active", peer->active);
    put_number(json, "active_since_ms", peer->active_since_ms);
    put_number(json, "times_inactive", peer->n_inactive);
    put_text(json, "last_error", peer->last_error);
    put_number(json, "last_error_ms", peer->last_error_ms);
    put_flag(json, "last_error_is_over", peer->last_error_is_over);
    put_flag(json, "paused", peer->paused);
    put_flag(json, "cut", peer->cut);
    put_text(json, "link", ferry_link_name(peer->link));
    put_streams(json, peer);
    put_queues(json, peer);
    put_counts(json, &peer->counts);
    put_probe(json, peer);
    put_progress(json, "snapshot_out", &peer->snapshot_out);
    put_progress(json, "snapshot_in", &peer->snapshot_in);
    put_snapshots(json, "snapshots_sent", &peer->snapshots_sent);
    put_snapshots(json, "snapshots_received", &peer->snapshots_received);
    close_member(json, "}");
}

void fy_debug_peers_print(const struct fy_survey *survey, struct fy_text *text)
{
    struct json json = {.text = text, .is_first = true};

    open_member(&json, NULL, "{");
    put_text(&json, "id", survey->id);
    put_text(&json, "cluster_id", survey->cluster_id);
    put_text(&json, "ferry_version", ferry_version());
    put_text(&json, "server_version", survey->server_version);
    put_flag(&json, "removed", survey->is_removed);
    put_number(&json, "send_bytes", survey->send_bytes);
    put_number(&json, "max_send_bytes", survey->max_send_bytes);
    put_number(&json, "unknown_peer", survey->n_unknown);
    put_number(&json, "remotes_refused", survey->n_remotes_refused);
    put_number(&json, "stranger_failures", survey->n_stranger_failures);
    put_number(&json, "connections_refused", survey->crowd[FY_CROWD_REFUSED]);
    put_number(&json, "connections_evicted", survey->crowd[FY_CROWD_EVICTED]);
    put_number(&json, "late_bodies", survey->crowd[FY_CROWD_LATE_BODY]);
    put_queue(&json, "stranger_inbox", &survey->stranger_inbox, false);
    open_member(&json, "peers", "[");
    for (size_t i = 0; i < survey->n_peers; i++)
        put_peer(&json, &survey->peers[i]);
    close_member(&json, "]");
    close_member(&json, "}");
    fy_text_put(text, "\n");
}

int ferry_debug_peers_write(const struct ferry_transport *t, ferry_write_fn *fn, void *ctx)
{
    return fy_survey_write(t, fy_debug_peers_print, fn, ctx);
}
